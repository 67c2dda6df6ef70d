import type { PortBus, PortDevice } from '../../core/bus.ts';

/** As many ports as test kernels expect from the first one on. */
export const DEBUG_EXIT_PORT_COUNT = 4;

/** The port by which a test kernel ends its run with a number, as QEMU's isa-debug-exit does. */
export class DebugExit implements PortDevice {
  readonly #exit: (value: number) => void;

  constructor(exit: (value: number) => void) {
    this.#exit = exit;
  }

  attach(ports: PortBus, port: number): void {
    ports.attach(port, DEBUG_EXIT_PORT_COUNT, this);
  }

  portRead(): number {
    return 0;
  }

  portWrite(_port: number, _size: number, value: number): void {
    this.#exit(value);
  }
}
