import { readFileSync } from 'node:fs';
import { describe } from 'vitest';
import { describeEnding, type Ending } from '../../../src/machine/endings.ts';
import { Machine } from '../../../src/machine/machine.ts';
import type { BlockDevice } from '../../../src/storage/block.ts';
import type { CpuMode } from '../../../src/machine/x86-guest.ts';
import { type GuestFiles, type GuestName, findGuest } from '../../../tools/guests/catalog.ts';
import { PROMPT } from '../../../tools/guests/scripts.ts';

const MIB = 1024 * 1024;
/** Turns of the run loop between two looks at what the guest printed. */
const STEPS_PER_LOOK = 16;
const SHOWN_LINES = 25;

export interface SessionOptions {
  readonly guest: GuestName;
  readonly commandLine: string;
  readonly generation?: 1 | 2;
  readonly processors?: number;
  readonly mode?: CpuMode;
  readonly memoryMib?: number;
  readonly seed?: bigint;
  /** In drive A: of Generation 1. */
  readonly floppy?: BlockDevice;
  /** Emulated network adapters of Generation 1, beside the synthetic one. */
  readonly legacyAdapters?: number;
}

/**
 * Tests of one guest; skipped, and said so, where `npm run guests` has not prepared it. Under CI a missing
 * guest is an error, so that no boot is skipped unseen.
 */
export function describeGuest(
  name: GuestName,
  title: string,
  body: (files: GuestFiles) => void,
): void {
  const files = findGuest(name);
  if (files === undefined && process.env['CI'] === 'true') {
    throw new Error(`CI lacks the guest ${name}: npm run guests`);
  }
  const missing = { kernel: '', initrd: '' };
  const suffix = files === undefined ? ' (missing: npm run guests)' : '';
  describe.skipIf(files === undefined)(`${name} ${title}${suffix}`, () => body(files ?? missing));
}

/** Whether a prepared initial RAM disk has a module: one that was made before it was asked for has not. */
export function hasModule(name: GuestName, module: string): boolean {
  const files = findGuest(name);
  return files !== undefined && readFileSync(files.initrd).includes(`/${module}.ko`);
}

/** A booted system with someone at its serial console. */
export class Session {
  readonly machine: Machine;
  /** All that it printed. */
  output = '';
  #seen = 0;

  constructor(options: SessionOptions) {
    const files = findGuest(options.guest)!;
    this.machine = new Machine({
      generation: options.generation ?? 2,
      host: 'ws2022',
      memoryBytes: (options.memoryMib ?? 512) * MIB,
      processors: options.processors ?? 1,
      seed: options.seed ?? 1n,
      disks: [],
      floppy: options.floppy,
      legacyAdapters: options.legacyAdapters ?? 0,
      x86: {
        mode: options.mode ?? 'jit',
        kernel: {
          image: { name: files.kernel, bytes: readFileSync(files.kernel) },
          initrds: [{ name: files.initrd, bytes: readFileSync(files.initrd) }],
          commandLine: options.commandLine,
        },
      },
    });
    this.machine.console.listen((byte) => {
      this.output += String.fromCharCode(byte);
    });
    const ending = this.machine.powerOn();
    if (ending !== undefined) throw this.#failure(`powering on: ${describeEnding(ending)}`);
  }

  /**
   * Runs until the guest has printed something new that fits.
   * @param withinSeconds of virtual time from now
   */
  waitFor(pattern: string | RegExp, withinSeconds = 120): string {
    const limitNs = this.machine.clock.nowNs + withinSeconds * 1e9;
    for (;;) {
      const found = this.#find(pattern);
      if (found !== undefined) return found;
      const ending = this.machine.run(limitNs, STEPS_PER_LOOK);
      if (ending === undefined) continue;
      const last = this.#find(pattern);
      if (last !== undefined) return last;
      throw this.#failure(`waiting for ${String(pattern)}: ${describeEnding(ending)}`);
    }
  }

  #find(pattern: string | RegExp): string | undefined {
    const fresh = this.output.slice(this.#seen);
    const match = typeof pattern === 'string' ? fresh.indexOf(pattern) : fresh.search(pattern);
    if (match < 0) return undefined;
    const text = typeof pattern === 'string' ? pattern : pattern.exec(fresh)![0];
    this.#seen += match + text.length;
    return text;
  }

  type(text: string): void {
    this.machine.console.type(new TextEncoder().encode(text));
  }

  /** Types a command at the prompt. @returns what it printed, without the echo */
  command(line: string, withinSeconds = 120, prompt = PROMPT): string {
    const start = this.output.length;
    this.type(`${line}\r`);
    this.waitFor(prompt, withinSeconds);
    const printed = this.output.slice(start).replaceAll('\r', '');
    const echoed = printed.slice(printed.indexOf('\n') + 1);
    return echoed.slice(0, echoed.lastIndexOf(prompt)).trimEnd();
  }

  /** Runs until the machine stops. */
  end(withinSeconds = 120): Ending {
    const limitNs = this.machine.clock.nowNs + withinSeconds * 1e9;
    for (;;) {
      const ending = this.machine.run(limitNs, STEPS_PER_LOOK);
      if (ending !== undefined) return ending;
    }
  }

  #failure(message: string): Error {
    const lines = this.output.split(/\r?\n/).slice(-SHOWN_LINES);
    return new Error(`${message}\n${lines.join('\n')}`);
  }
}

/** What no guest of ours may say: our doing, or the firmware's that we pretend to be. */
const ALARMS =
  /WARNING:|Call Trace|BUG:|Oops|unstable|[Ff]irmware [Bb]ug|\[Hardware Error\]|ACPI (?:BIOS )?(?:Error|Warning)|soft lockup|hung task|unexpected IRQ/;

/** @returns lines of a log that should not be there */
export function alarms(log: string): string[] {
  return log.split(/\r?\n/).filter((line) => ALARMS.test(line));
}

/**
 * @param raw `dmesg -r`, whose lines begin with their priority
 * @param expected what real hosts cause too
 * @returns messages of warning level and above
 */
export function warnings(raw: string, expected: readonly RegExp[] = []): string[] {
  return raw
    .split('\n')
    .filter((line) => /^<[0-4]>/.test(line))
    .filter((line) => !expected.some((pattern) => pattern.test(line)));
}
