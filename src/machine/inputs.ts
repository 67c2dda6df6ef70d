/**
 * The one gate by which the outside world enters a run. Whatever comes in is data, is stamped with
 * the point of the run at which it came, and is kept, so that a run can be had again.
 */
import { latin1 } from '../core/text.ts';
import { StateError } from '../core/state.ts';
import type { ShutdownRequest } from '../devices/shutdown/shutdown.ts';
import type { Machine } from './machine.ts';

/** A point of a run, between two turns. */
export interface RunPosition {
  /** Virtual time. */
  readonly timeNs: number;
  /** Turns that the machine took while its clock stood there. */
  readonly turn: number;
}

/** What the host, or a person at the machine, does to it. */
export type HostInput =
  /** Bytes typed at COM1, as Latin-1 text. */
  | { readonly kind: 'console'; readonly text: string }
  | { readonly kind: 'key-text'; readonly text: string }
  /** Scan codes of keys that are pressed together. */
  | { readonly kind: 'key-press'; readonly codes: readonly number[] }
  | { readonly kind: 'key'; readonly code: number; readonly isDown: boolean }
  | {
      readonly kind: 'mouse-move';
      readonly x: number;
      readonly y: number;
      readonly width: number;
      readonly height: number;
    }
  | { readonly kind: 'mouse-button'; readonly button: number; readonly isDown: boolean }
  | { readonly kind: 'mouse-scroll'; readonly notches: number }
  /** Asks the guest's system to end itself, once its driver is there. */
  | { readonly kind: 'shutdown'; readonly request: ShutdownRequest }
  | { readonly kind: 'reset' }
  | { readonly kind: 'turn-off' }
  | { readonly kind: 'pause'; readonly isPaused: boolean }
  | { readonly kind: 'nmi'; readonly processor: number }
  | { readonly kind: 'link'; readonly adapter: number; readonly isUp: boolean }
  | { readonly kind: 'clock-jump'; readonly byNs: number };

export interface RecordedInput {
  readonly at: RunPosition;
  readonly input: HostInput;
  /** Somebody is told what came of it, which takes the machine a turn. */
  readonly isAwaited?: true;
}

/** Hears what became of an input, where that shows later. */
export type InputDone = (outcome: string, status: number) => void;

type Of<Kind extends HostInput['kind']> = Extract<HostInput, { readonly kind: Kind }>;
type Actions = {
  readonly [Kind in HostInput['kind']]: (
    machine: Machine,
    input: Of<Kind>,
    done: InputDone | undefined,
  ) => void;
};

function told(done: InputDone | undefined): (() => void) | undefined {
  return done && (() => done('read', 0));
}

const ACTIONS: Actions = {
  console: (machine, { text }, done) => machine.console.type(latin1(text), told(done)),
  'key-text': (machine, { text }, done) => machine.board.keyboard.type(text, told(done)),
  'key-press': (machine, { codes }, done) => machine.board.keyboard.press(codes, told(done)),
  key: (machine, { code, isDown }, done) => machine.board.keyboard.key(code, isDown, told(done)),
  'mouse-move': (machine, { x, y, width, height }, done) =>
    machine.board.mouse.moveTo(x, y, width, height, told(done)),
  'mouse-button': (machine, { button, isDown }, done) =>
    machine.board.mouse.button(button, isDown, told(done)),
  'mouse-scroll': (machine, { notches }, done) => machine.board.mouse.scroll(notches, told(done)),
  shutdown: (machine, { request }, done) => {
    const { shutdown } = machine.board.integration;
    shutdown.askWhenReady(request, (outcome, status) => done?.(outcome, status));
  },
  reset: (machine) => {
    machine.reset();
  },
  'turn-off': (machine) => machine.turnOff(),
  pause: (machine, { isPaused }) => {
    machine.isPaused = isPaused;
  },
  nmi: (machine, { processor }) => machine.injectNmi(processor),
  link: (machine, { adapter, isUp }) => machine.network.ports[adapter]?.setLink(isUp),
  'clock-jump': (machine, { byNs }) => {
    machine.board.integration.timeSync.hostOffsetNs += byNs;
  },
};

/** Everything that came in, in order. */
export class InputLog {
  readonly #entries: RecordedInput[] = [];
  readonly #listeners: ((entry: RecordedInput) => void)[] = [];
  #unrepeatable: string | undefined;

  /** @param listener hears every input as it comes in */
  listen(listener: (entry: RecordedInput) => void): void {
    this.#listeners.push(listener);
  }

  get entries(): readonly RecordedInput[] {
    return this.#entries;
  }

  /** What was done to the machine that this log cannot repeat; undefined when it holds everything. */
  get unrepeatable(): string | undefined {
    return this.#unrepeatable;
  }

  /** What came in before a snapshot that the machine was restored from. */
  adopt(entries: readonly RecordedInput[]): void {
    this.#entries.splice(0, Infinity, ...entries);
  }

  /** Stamps an input and lets it in. */
  enter(machine: Machine, input: HostInput, done?: InputDone): void {
    const entry: RecordedInput = {
      at: positionOf(machine),
      input,
      ...(done && { isAwaited: true }),
    };
    this.#entries.push(entry);
    for (const listener of this.#listeners) listener(entry);
    const act = ACTIONS[input.kind] as (
      machine: Machine,
      input: HostInput,
      done: InputDone | undefined,
    ) => void;
    act(machine, input, done);
  }

  /** Something past the gate. @param what for people: "a rule on VMBus messages" */
  passBy(what: string): void {
    this.#unrepeatable ??= what;
  }
}

/** Where a machine is in its run. */
export function positionOf(machine: Machine): RunPosition {
  return { timeNs: machine.clock.nowNs, turn: machine.turns };
}

export function showPosition({ timeNs, turn }: RunPosition): string {
  return `${timeNs} ns, turn ${turn}`;
}

const NOBODY = (): void => undefined;

/** Turns that are taken at once on the way to a point. */
const STEPS = 100_000;

/**
 * Takes a machine to a point of its run that it is to come to.
 * @throws StateError when it does not
 */
export function runTo(machine: Machine, to: RunPosition): void {
  const { clock } = machine;
  const diverged = (): never => {
    throw new StateError(
      `the run does not come to ${showPosition(to)}: it is at ${showPosition(positionOf(machine))}`,
    );
  };
  const pass = (timeNs: number, steps: number): void => {
    const ending = machine.run(timeNs, steps);
    // Where nothing is left to happen, the host lets time pass.
    const isIdle = ending !== undefined && ending.kind !== 'virtual-time';
    if (isIdle && clock.nowNs < timeNs) clock.set(timeNs);
  };
  while (clock.nowNs < to.timeNs - 1) pass(to.timeNs - 1, STEPS);
  while (clock.nowNs < to.timeNs || (clock.nowNs === to.timeNs && machine.turns < to.turn)) {
    const before = positionOf(machine);
    pass(to.timeNs, 1);
    const after = positionOf(machine);
    if (after.timeNs === before.timeNs && after.turn === before.turn) diverged();
  }
  if (clock.nowNs > to.timeNs || machine.turns !== to.turn) diverged();
}

/** Lets inputs in again, each at its point. The machine is on, and before the first of them. */
export function repeatInputs(machine: Machine, inputs: readonly RecordedInput[]): void {
  for (const { at, input, isAwaited } of inputs) {
    runTo(machine, at);
    machine.enter(input, isAwaited && NOBODY);
  }
}
