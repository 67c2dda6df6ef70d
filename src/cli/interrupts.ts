import type { Machine } from '../machine/machine.ts';

/**
 * Ctrl-C: the first asks the guest to shut down, as Hyper-V Manager's "Shut Down" does; the second
 * switches the machine off.
 */
export class Interrupts {
  readonly #machine: Machine;
  readonly #say: (text: string) => void;
  #count = 0;
  #isEnded = false;

  /** @param say tells the user one line, without its end */
  constructor(machine: Machine, say: (text: string) => void) {
    this.#machine = machine;
    this.#say = say;
  }

  /** The guest is to shut down: nothing else is waited for. */
  get isShuttingDown(): boolean {
    return this.#count > 0;
  }

  /** The machine is to stop now. */
  get isOff(): boolean {
    return this.#count > 1 || this.#isEnded;
  }

  interrupt(): void {
    this.#count += 1;
    if (this.#count > 1) return;
    const { shutdown } = this.#machine.board.integration;
    const isReady = shutdown.state === 'ready';
    this.#say(
      isReady
        ? 'the guest is asked to shut down; Ctrl-C again switches it off'
        : 'the guest has no driver yet that could shut it down; Ctrl-C again switches it off',
    );
    this.#machine.enter({ kind: 'shutdown', request: { type: 'powerOff' } }, (outcome, status) =>
      this.#answered(outcome, status),
    );
  }

  /** Stops the machine without asking the guest. */
  end(): void {
    this.#isEnded = true;
  }

  #answered(outcome: string, status: number): void {
    if (outcome === 'answered' && status === 0) return;
    const what = outcome === 'answered' ? `refuses (0x${status.toString(16)})` : 'does not answer';
    this.#say(`the guest ${what}; Ctrl-C switches it off`);
  }
}
