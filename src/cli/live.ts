import { latin1Text } from '../core/text.ts';
import type { Ending } from '../machine/endings.ts';
import type { Machine } from '../machine/machine.ts';
import type { BootRequest } from './boot-options.ts';
import type { Interrupts } from './interrupts.ts';
import type { Output } from './output.ts';
import { attachTerminal } from './terminal.ts';

/** How often the console is served while someone types at it. */
const TICK_MS = 10;
/** Turns of the run loop between two looks at the wall clock. */
const STEPS_PER_LOOK = 16;
/** A guest that is further behind the wall than this does not catch up. */
const MOST_LAG_NS = 100_000_000;

const TEXTS = {
  host: {
    keys: 'Ctrl-C shuts the guest down, Ctrl-] . leaves, Ctrl-] ? helps',
    help:
      'Ctrl-C shuts the guest down, twice switches it off; Ctrl-] . leaves;\r\n' +
      '         Ctrl-] before Ctrl-C or Ctrl-] sends that key to the guest',
  },
  guest: {
    keys: 'Ctrl-] . leaves, Ctrl-] Ctrl-C shuts the guest down, Ctrl-] ? helps',
    help:
      'Ctrl-] Ctrl-C shuts the guest down, twice switches it off; Ctrl-] . leaves;\r\n' +
      '         Ctrl-] Ctrl-] sends that key to the guest',
  },
};

/** What a run has beside its machine. */
export interface Session {
  readonly request: BootRequest;
  readonly output: Output;
  readonly interrupts: Interrupts;
  readonly startedMs: number;
}

/**
 * Gives the terminal to the guest's console until the user leaves or the guest ends. Virtual time
 * keeps pace with the wall here, so that the guest's clock runs as a person expects.
 */
export async function runLive(machine: Machine, session: Session): Promise<Ending> {
  const { request, output, interrupts, startedMs } = session;
  const controlC = request.kernel === undefined ? 'host' : 'guest';
  const { keys, help } = TEXTS[controlC];
  const { dim } = output.errorColors;
  if (!request.quiet) output.error(`${dim(`synthvm: the console is live; ${keys}`)}\r\n`);
  let ending: Ending | undefined;
  const onHangUp = (): void => interrupts.end();
  const restore = attachTerminal({
    controlC,
    input: (bytes) => machine.enter({ kind: 'console', text: latin1Text(bytes) }),
    interrupt: () => interrupts.interrupt(),
    quit: () => {
      ending = { kind: 'reached', what: 'the end of the session' };
    },
    help: () => output.error(`\r\nsynthvm: ${help}\r\n`),
  });
  process.on('SIGHUP', onHangUp);
  try {
    const pace = new Pace(machine);
    while (ending === undefined) {
      if (interrupts.isOff) return { kind: 'interrupted' };
      if (performance.now() - startedMs > request.wallLimitMs) {
        return { kind: 'wall-time', limitMs: request.wallLimitMs };
      }
      const { stopped, isWaiting } = pace.tick();
      ending ??= stopped;
      output.flush();
      const waitMs = isWaiting ? TICK_MS : 0;
      if (ending === undefined) await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return ending;
  } finally {
    restore();
    process.off('SIGHUP', onHangUp);
    output.error('\n');
  }
}

/** Lets a machine's time follow the wall's, never ahead of it. */
class Pace {
  readonly #machine: Machine;
  #startMs = performance.now();
  #startNs: number;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#startNs = machine.clock.nowNs;
  }

  /** Runs for a tick of the wall at most. `isWaiting`: the machine has caught up with the wall. */
  tick(): { readonly stopped: Ending | undefined; readonly isWaiting: boolean } {
    const beginMs = performance.now();
    const targetNs = this.#target(beginMs);
    while (performance.now() - beginMs < TICK_MS) {
      const stopped = this.#machine.run(targetNs, STEPS_PER_LOOK);
      if (stopped === undefined) continue;
      // The deadline is the wall clock's here: to reach it, or to idle, is to wait for input.
      const isWaiting = stopped.kind === 'virtual-time' || stopped.kind === 'idle';
      return { stopped: isWaiting ? undefined : stopped, isWaiting };
    }
    return { stopped: undefined, isWaiting: false };
  }

  #target(nowMs: number): number {
    const targetNs = this.#startNs + Math.floor((nowMs - this.#startMs) * 1e6);
    const { nowNs } = this.#machine.clock;
    if (targetNs - nowNs <= MOST_LAG_NS) return Math.max(targetNs, nowNs);
    this.#startMs = nowMs;
    this.#startNs = nowNs + MOST_LAG_NS;
    return this.#startNs;
  }
}
