/** A machine with a console to read and type at. */
import { NS_PER_SECOND } from '../../src/core/clock.ts';
import { createDefaultDisk } from '../../src/boot/default-disk.ts';
import type { Kernel } from '../../src/guest/kernel/kernel.ts';
import type { PresetName } from '../../src/guest/switches.ts';
import type { VmBus } from '../../src/guest/vmbus/bus.ts';
import type { Board } from '../../src/machine/board.ts';
import type { Ending } from '../../src/machine/endings.ts';
import { Machine, type MachineConfig } from '../../src/machine/machine.ts';
import type { BlockDevice } from '../../src/storage/block.ts';
import { OverlayDevice } from '../../src/storage/overlay.ts';
import { afterwards } from './afterwards.ts';

const MIB = 1024 * 1024;
/** Longer than any boot takes, `delay-hang` and LAPIC calibration included. */
const BOOT_SECONDS = 30;
const COMMAND_SECONDS = 30;

export type Setup = Partial<Omit<MachineConfig, 'seed'>> & { readonly seed?: number };

/** 10.2 as it was released, on the generation that it was made for. */
export const legacy = { preset: 'bis:10.2' satisfies PresetName, generation: 1 } as const;

const bootDisks = new Map<1 | 2, BlockDevice>();

/** The disk that machines here boot from: one for all, under an overlay of each machine's own. */
function bootDisk(generation: 1 | 2): BlockDevice {
  const base = bootDisks.get(generation) ?? createDefaultDisk({ generation, sizeBytes: 256 * MIB });
  bootDisks.set(generation, base);
  return new OverlayDevice(base);
}

/** A machine that the next one may have the memory of, once its test is over. */
export function machineForTest(config: MachineConfig): Machine {
  const machine = new Machine(config);
  afterwards(() => machine.discard());
  return machine;
}

/** A machine and everything that its console has printed. */
export class Run {
  readonly machine: Machine;
  /** Console text, without carriage returns. */
  text = '';
  /** Why the machine stopped, or why its last `forSeconds` came back. */
  ending: Ending | undefined;
  /** Stages at which the guest's boot stopped: "no-vmbus: the driver looks for ...". */
  readonly stages: string[] = [];

  constructor(setup: Setup = {}) {
    const { generation = 2, seed = 1, ...rest } = setup;
    this.machine = machineForTest({
      generation,
      host: 'ws2022',
      memoryBytes: 64 * MIB,
      processors: 1,
      disks: [bootDisk(generation)],
      networkAdapters: 0,
      preset: 'bis:modern',
      ...rest,
      seed: BigInt(seed),
    });
    this.machine.console.listen((byte) => {
      if (byte !== 0x0d) this.text += String.fromCharCode(byte);
    });
    this.machine.trace.subscribe((_, type, __, text) => {
      if (type.category === 'guest' && type.name === 'stage-stopped') this.stages.push(text);
    });
  }

  get board(): Board {
    return this.machine.board;
  }

  /** The guest's kernel; only once it runs. */
  get kernel(): Kernel {
    return this.machine.guest.kernel!;
  }

  /** The guest's bus driver; only once it runs. */
  get bus(): VmBus {
    return this.machine.guest.bus!;
  }

  get nowNs(): number {
    return this.machine.clock.nowNs;
  }

  get lines(): string[] {
    return this.text.split('\n');
  }

  /** Lines that hold a text. */
  linesWith(text: string): string[] {
    return this.lines.filter((line) => line.includes(text));
  }

  /** Runs the firmware; call once the bus has what the guest is to find there. */
  powerOn(): this {
    this.ending = this.machine.powerOn();
    return this;
  }

  /** A new power cycle, with a new console. */
  reset(): this {
    this.text = '';
    this.stages.length = 0;
    this.ending = this.machine.reset();
    return this;
  }

  /** From power-on to the login prompt. */
  boot(): this {
    this.powerOn();
    if (!this.untilText('login: ')) {
      throw new Error(`no login: ${JSON.stringify(this.ending)}\n${this.text}`);
    }
    return this;
  }

  forSeconds(seconds: number): this {
    const deadlineNs = this.nowNs + seconds * NS_PER_SECOND;
    do this.ending = this.machine.run(deadlineNs);
    while (this.ending === undefined);
    return this;
  }

  until(isReached: () => boolean, seconds = BOOT_SECONDS): boolean {
    return this.machine.runUntil(isReached, this.nowNs + seconds * NS_PER_SECOND);
  }

  /** @param from where in `text` to begin to look */
  untilText(wanted: string, seconds = BOOT_SECONDS, from = 0): boolean {
    let seen = -1;
    return this.until(() => {
      if (this.text.length === seen) return false;
      seen = this.text.length;
      return this.text.includes(wanted, from);
    }, seconds);
  }

  login(): this {
    this.type('root', '# ');
    return this;
  }

  /** Types a line, and waits for the prompt after it. @returns what came in between */
  type(line: string, prompt = '\n# '): string {
    const from = this.text.length;
    this.machine.console.type(new TextEncoder().encode(`${line}\r`));
    this.untilText(prompt, COMMAND_SECONDS, from);
    return this.text.slice(from);
  }
}
