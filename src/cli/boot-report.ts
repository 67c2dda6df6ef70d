import type { Machine } from '../machine/machine.ts';
import { describeEnding, type Ending } from '../machine/endings.ts';
import { BootWatch, type DiskSeen, type OfferSeen, type Phase } from '../machine/watch.ts';
import type { BootRequest } from './boot-options.ts';
import type { Output } from './output.ts';
import { formatDuration, quoteWord } from '../core/values.ts';

/** Console lines that a failure shows. */
const EVIDENCE_LINES = 8;

export interface Outcome {
  readonly ending: Ending;
  readonly exitCode: number;
  readonly wallMs: number;
}

/** Prints a boot as it happens, for people or as JSON, and how it ended. */
export class BootReport {
  readonly watch: BootWatch;
  readonly #request: BootRequest;
  readonly #machine: Machine;
  readonly #output: Output;
  readonly #startedMs: number;
  #line = '';
  /**
   * What the machine does now is not told of: it happened before the report begins, as on the way to
   * a snapshot, or after its end.
   */
  #isMuted = false;

  constructor(request: BootRequest, machine: Machine, output: Output, startedMs: number) {
    this.#request = request;
    this.#machine = machine;
    this.#output = output;
    this.#startedMs = startedMs;
    this.watch = new BootWatch(machine.trace, {
      phase: (timeNs, name) => this.#phase(timeNs, name),
      detail: (_, text) => this.#detail(text),
      offer: (timeNs, offer) => this.#offer(timeNs, offer),
      device: (timeNs, name) => this.#json({ t: timeNs, event: 'device', name }),
      disk: (timeNs, disk) => this.#disk(timeNs, disk),
    });
    machine.console.listen((byte) => this.#console(byte));
  }

  /** Tells nothing of what happens meanwhile. */
  mute<T>(action: () => T): T {
    this.#isMuted = true;
    try {
      return action();
    } finally {
      this.#isMuted = false;
    }
  }

  #json(event: Record<string, unknown>): void {
    if (this.#request.json && !this.#isMuted) this.#output.out(`${JSON.stringify(event)}\n`);
  }

  #phase(timeNs: number, name: Phase): void {
    this.#json({ t: timeNs, event: 'phase', name });
    const wall = formatDuration((performance.now() - this.#startedMs) * 1e6);
    this.#progress(`${name.padEnd(16)} ${formatDuration(timeNs).padStart(10)}  (real ${wall})`);
  }

  #detail(text: string): void {
    this.#progress(`  ${text}`);
  }

  #progress(text: string): void {
    if (this.#request.quiet || this.#request.json || this.#isMuted) return;
    this.#output.error(`${this.#output.errorColors.dim(`synthvm: ${text}`)}\n`);
  }

  #offer(timeNs: number, offer: OfferSeen): void {
    this.#json({ t: timeNs, event: 'offer', ...offer });
  }

  #disk(timeNs: number, disk: DiskSeen): void {
    this.#json({ t: timeNs, event: 'disk', ...disk });
  }

  /** The guest's bytes are text to us: Latin-1, as a serial line carries them. */
  #console(byte: number): void {
    if (this.#isMuted) return;
    if (!this.#request.json) {
      if (this.#request.serial === 'stdio') this.#output.out(String.fromCharCode(byte));
      return;
    }
    if (byte === 0x0a) this.#consoleLine();
    else if (byte !== 0x0d) this.#line += String.fromCharCode(byte);
  }

  #consoleLine(): void {
    this.#json({ t: this.#machine.clock.nowNs, event: 'console', text: this.#line });
    this.#line = '';
  }

  finish({ ending, exitCode, wallMs }: Outcome): void {
    const virtualNs = this.#machine.clock.nowNs;
    if (this.#request.json) {
      if (this.#line !== '') this.#consoleLine();
      this.#json(this.#summary(ending, exitCode, wallMs, virtualNs));
    } else if (
      this.#request.serial === 'stdio' &&
      /[^\n]$/.test(this.#machine.console.recentText)
    ) {
      this.#output.out('\n');
    }
    // A test kernel's verdict is a result, whatever its number.
    if (exitCode !== 0 && ending.kind !== 'debug-exit') this.#evidence(ending);
    else if (!this.#request.quiet && !this.#request.json) {
      this.#output.error(
        `synthvm: ${describeEnding(ending)} in ${formatDuration(virtualNs)} of virtual time, ` +
          `${formatDuration(wallMs * 1e6)} real; digest ${this.#machine.trace.digest}\n`,
      );
    }
    this.#isMuted = true;
  }

  #summary(
    ending: Ending,
    exitCode: number,
    wallMs: number,
    virtualNs: number,
  ): Record<string, unknown> {
    const { host, preset, seed } = this.#request;
    return {
      event: 'summary',
      generation: this.#machine.generation,
      host,
      guest: this.#request.kernel === undefined ? preset : 'x86-64',
      // A seed of 64 bits does not fit a JSON number.
      seed: seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : String(seed),
      digest: this.#machine.trace.digest,
      disks: this.watch.disks,
      devices: this.watch.devices,
      ending: describeEnding(ending),
      exit: exitCode,
      virtualNs,
      wallMs: Math.round(wallMs * 1000) / 1000,
    };
  }

  /** What was awaited, what was seen last, and how to see it again. */
  #evidence(ending: Ending): void {
    const { red, dim } = this.#output.errorColors;
    // What a disk lacks is said in one line: nothing of the guest has run yet.
    if (ending.kind === 'boot-stopped') {
      this.#output.error(`${red('error:')} ${describeEnding(ending)}\n`);
      return;
    }
    const last = this.watch.lastPhase;
    const lines = this.#machine.console.lastLines(EVIDENCE_LINES);
    const open = this.watch.openChannels;
    this.#output.error(
      `${red('error:')} ${describeEnding(ending)}\n` +
        (ending.kind === 'triple-fault' ? registerLines(ending.registers) : '') +
        `  awaited      ${this.#awaited}\n` +
        `  last phase   ${last === undefined ? 'none' : `${last.name} at ${formatDuration(last.timeNs)}`}\n` +
        `  stopped at   ${formatDuration(this.#machine.clock.nowNs)} of virtual time\n` +
        `  channels     ${open.length === 0 ? 'none open' : open.join(', ')}\n` +
        (lines.length === 0
          ? ''
          : `  console\n${lines.map((line) => dim(`    ${line}\n`)).join('')}`) +
        `  again        ${this.#replayCommand()}\n`,
    );
  }

  get #awaited(): string {
    const { until, kernel } = this.#request;
    return until ?? (kernel === undefined ? 'login' : 'power-off');
  }

  #replayCommand(): string {
    const { commandLine, seed, fromFile } = this.#request;
    return ['synthvm', ...commandLine, ...(fromFile === undefined ? ['--seed', String(seed)] : [])]
      .map(quoteWord)
      .join(' ');
  }
}

function registerLines(registers: string): string {
  if (registers === '') return '';
  const lines = registers.trimEnd().split('\n');
  return `  registers\n${lines.map((line) => `    ${line}\n`).join('')}`;
}
