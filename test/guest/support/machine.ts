/** A machine small enough for a test: the real partition, VMBus server and PC devices. */
import { MmioBus, PortBus } from '../../../src/core/bus.ts';
import { NS_PER_SECOND, VirtualClock } from '../../../src/core/clock.ts';
import { EventQueue } from '../../../src/core/events.ts';
import { GuestMemory } from '../../../src/core/memory.ts';
import { Random } from '../../../src/core/random.ts';
import { Trace } from '../../../src/core/trace.ts';
import { AcpiPm } from '../../../src/devices/acpi-pm/acpi-pm.ts';
import { IoApic } from '../../../src/devices/ioapic/ioapic.ts';
import { Pit } from '../../../src/devices/pit/pit.ts';
import type { PitAnomaly } from '../../../src/devices/pit/spec.ts';
import { Uart } from '../../../src/devices/uart/uart.ts';
import type { Kernel } from '../../../src/guest/kernel/kernel.ts';
import type { KernelApi, Task } from '../../../src/guest/kernel/api.ts';
import { createModelGuest } from '../../../src/guest/model.ts';
import type { ModelGuest } from '../../../src/guest/model.ts';
import type { PresetName, Switches } from '../../../src/guest/switches.ts';
import type { GuestDriver } from '../../../src/guest/vmbus/api.ts';
import { Partition } from '../../../src/hypervisor/partition.ts';
import type { HypervisorProfile } from '../../../src/hypervisor/profile.ts';
import { RunLoop } from '../../../src/machine/run-loop.ts';
import type { HostName } from '../../../src/machine/profiles.ts';
import { HOST_PROFILES } from '../../../src/machine/profiles.ts';
import type { VmbusDevice } from '../../../src/vmbus/device.ts';
import { VmbusServer } from '../../../src/vmbus/server.ts';
import { writeFirmware } from './firmware.ts';

export interface TestOptions {
  readonly preset?: PresetName;
  readonly switches?: Partial<Switches>;
  readonly generation?: 1 | 2;
  readonly processors?: number;
  readonly host?: HostName;
  /** Changes to the host's hypervisor. */
  readonly profile?: Partial<HypervisorProfile>;
  readonly maxVersion?: number;
  readonly seed?: number;
  readonly tscHz?: number;
  readonly pitAnomaly?: PitAnomaly | null;
  readonly devices?: readonly VmbusDevice[];
  readonly drivers?: readonly GuestDriver[];
  readonly mountRoot?: (kernel: KernelApi) => Task<boolean>;
  readonly ringRetryNs?: number;
}

function* mountAtOnce(): Task<boolean> {
  yield 1_000;
  return true;
}

export class TestMachine {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace = new Trace(this.clock);
  readonly memory = new GuestMemory({
    ramBytes: 32 << 20,
    lowGapStart: 0xf800_0000,
    extra: [{ name: 'framebuffer', gpa: 0xf800_0000, bytes: 8 << 20 }],
  });
  readonly partition: Partition;
  readonly server: VmbusServer;
  readonly guest: ModelGuest;
  readonly uart: Uart;
  readonly loop: RunLoop;
  /** What came out of COM1. */
  console = '';
  /** "guest.phase login" and the like, in order. */
  readonly said: string[] = [];
  /** Interrupts of the VMBus vector that the hypervisor raised are counted by the guest itself. */
  ended: string | undefined;

  constructor(options: TestOptions = {}) {
    const { generation = 2, processors = 1, preset = 'bis:modern' } = options;
    const ports = new PortBus();
    const mmio = new MmioBus();
    const { clock, events, trace, memory } = this;
    trace.subscribe((_, type, __, text) => {
      if (type.category === 'guest') this.said.push(`${type.name} ${text}`.trim());
    });
    const host = HOST_PROFILES[options.host ?? 'ws2022'];
    const onEnd = (how: string) => (): void => {
      this.ended = how;
      this.loop.stop();
    };
    const ioApic = new IoApic((destination, isLogical, mode, vector, isLevel) =>
      this.partition.assertInterrupt(destination, isLogical, mode, vector, isLevel),
    );
    mmio.attach(0xfec0_0000, 0x1000, ioApic);
    this.partition = new Partition({
      memory,
      clock,
      events,
      trace,
      ports,
      mmio,
      profile: { ...host.hypervisor, ...options.profile },
      processorCount: processors,
      tscHz: options.tscHz ?? 3_300_000_000,
      apicHz: 200_000_000,
      onInterruptPending: (vp) => this.loop.wake(vp),
      onPostMessage: (connection, _type, payload, start, length) =>
        this.server.receiveMessage(connection, payload, start, length),
      onSignalEvent: (connection, flag) => this.server.receiveEvent(connection, flag),
      onEoi: (vector) => ioApic.endOfInterrupt(vector),
      onCrash: onEnd('crash'),
      onTripleFault: onEnd('triple-fault'),
    });
    this.server = new VmbusServer({
      memory,
      trace,
      maxVersion: options.maxVersion ?? host.vmbusVersion,
      processorCount: processors,
      ...(options.ringRetryNs === undefined ? {} : { ringRetryNs: options.ringRetryNs }),
      host: {
        sendMessage: (vp, sint, payload, start, length) =>
          this.partition.postMessage(vp, sint, 1, payload, start, length),
        signalEvent: (vp, sint, flag) => {
          this.partition.signalEvent(vp, sint, flag);
        },
        after: (delayNs, run) => events.after(delayNs, run),
      },
    });
    for (const device of options.devices ?? []) this.server.offer(device);
    this.uart = new Uart({
      port: 0x3f8,
      line: ioApic.line(4),
      events,
      host: { write: (byte) => (this.console += String.fromCharCode(byte)) },
    });
    this.uart.attach(ports);
    if (generation === 1) {
      const anomaly = options.pitAnomaly ?? null;
      new Pit({ line: ioApic.line(2), clock, events, anomaly }).attach(ports);
    }
    new AcpiPm({
      clock,
      events,
      line: ioApic.line(9),
      host: { powerOff: onEnd('power-off'), reset: onEnd('reset') },
    }).attach(ports);
    this.guest = createModelGuest({
      processors: this.partition.processors,
      trace,
      seed: new Random(options.seed ?? 1, 'guest'),
      preset,
      drivers: options.drivers ?? [],
      mountRoot: options.mountRoot ?? mountAtOnce,
      ...(options.switches === undefined ? {} : { switches: options.switches }),
    });
    this.loop = new RunLoop({ clock, events, engines: this.guest.engines });
    const start = writeFirmware(memory, generation, processors);
    this.guest.engines.forEach((engine, index) => engine.reset(index === 0 ? start : undefined));
    this.loop.wake(0);
  }

  get kernel(): Kernel {
    return this.guest.kernel!;
  }

  /** Lines of the console, without their ends. */
  get lines(): string[] {
    return this.console.replaceAll('\r', '').split('\n');
  }

  /** Runs until the console holds a text after `from`, or for some virtual seconds. */
  runUntil(text: string, seconds = 30, from = 0): boolean {
    const deadline = this.clock.nowNs + seconds * NS_PER_SECOND;
    while (!this.console.includes(text, from)) {
      const pause = this.loop.run(deadline, 16);
      if (pause !== 'steps') return this.console.includes(text, from);
    }
    return true;
  }

  run(seconds: number): void {
    this.loop.run(this.clock.nowNs + seconds * NS_PER_SECOND, Infinity);
  }

  boot(seconds = 30): this {
    if (!this.runUntil('login: ', seconds)) {
      throw new Error(`no login after ${seconds} s:\n${this.console}\n${this.said.join('\n')}`);
    }
    return this;
  }

  /** Types a line, waits for the prompt after it. @returns what came in between */
  type(line: string, until = '\n# '): string {
    const from = this.console.length;
    for (const character of `${line}\r`) {
      this.uart.receive(Uint8Array.of(character.charCodeAt(0)));
      this.run(0.001);
    }
    this.runUntil(until, 30, from);
    return this.console.slice(from).replaceAll('\r', '');
  }

  login(): this {
    this.type('root', '# ');
    return this;
  }
}
