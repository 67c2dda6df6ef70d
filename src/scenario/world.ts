/** The machines of one scenario, alone or together, behind one face. */
import type { Ending } from '../machine/endings.ts';
import type { Machine } from '../machine/machine.ts';
import type { Topology } from '../machine/topology.ts';

export type WorldPause = 'deadline' | 'idle' | 'steps' | 'stopped';

export interface PumpWorld {
  readonly nowNs: number;
  /** Powers on what is to be on and is not. */
  start(): void;
  run(deadlineNs: number, maxSteps: number): WorldPause;
  /** Makes `run` return soon. */
  stop(): void;
  /** Lets time pass in which nothing happens. */
  passTo(timeNs: number): void;
  /** Machines that have stopped for good. */
  endings(): readonly { readonly name: string; readonly ending: Ending }[];
  readonly digest: string;
}

/** A machine under a name, with what the world does at its start. */
export interface WorldMachine {
  readonly name: string;
  readonly machine: Machine;
  /** False once it was powered on, or when the script does that itself. */
  startsByItself: boolean;
}

function endingsOf(machines: readonly WorldMachine[]): ReturnType<PumpWorld['endings']> {
  return machines.flatMap(({ name, machine }) =>
    machine.ending === undefined ? [] : [{ name, ending: machine.ending }],
  );
}

function startAll(machines: readonly WorldMachine[]): void {
  for (const entry of machines) {
    if (!entry.startsByItself) continue;
    entry.startsByItself = false;
    entry.machine.powerOn();
  }
}

/** One machine: its own clock, as `synthvm boot` runs it. */
export class SingleWorld implements PumpWorld {
  readonly #entry: WorldMachine;

  constructor(entry: WorldMachine) {
    this.#entry = entry;
  }

  get nowNs(): number {
    return this.#entry.machine.clock.nowNs;
  }

  get digest(): string {
    return this.#entry.machine.trace.digest;
  }

  start(): void {
    startAll([this.#entry]);
  }

  run(deadlineNs: number, maxSteps: number): WorldPause {
    const ending = this.#entry.machine.run(deadlineNs, maxSteps);
    if (ending === undefined) return 'steps';
    return ending.kind === 'virtual-time' ? 'deadline' : 'idle';
  }

  stop(): void {
    this.#entry.machine.pause();
  }

  passTo(timeNs: number): void {
    const { clock } = this.#entry.machine;
    clock.set(Math.max(timeNs, clock.nowNs));
  }

  endings(): ReturnType<PumpWorld['endings']> {
    return endingsOf([this.#entry]);
  }
}

/** Several machines on one clock. */
export class TopologyWorld implements PumpWorld {
  readonly #topology: Topology;
  readonly #machines: readonly WorldMachine[];
  #isStopped = false;

  constructor(topology: Topology, machines: readonly WorldMachine[]) {
    this.#topology = topology;
    this.#machines = machines;
  }

  get nowNs(): number {
    return this.#topology.clock.nowNs;
  }

  get digest(): string {
    return this.#topology.digest;
  }

  start(): void {
    startAll(this.#machines);
  }

  run(deadlineNs: number, maxSteps: number): WorldPause {
    this.#isStopped = false;
    let steps = 0;
    const isOver = (): boolean => {
      steps += 1;
      return this.#isStopped || steps > maxSteps;
    };
    if (this.#topology.run(deadlineNs, isOver)) return this.#isStopped ? 'stopped' : 'steps';
    return this.nowNs >= deadlineNs ? 'deadline' : 'idle';
  }

  stop(): void {
    this.#isStopped = true;
  }

  passTo(timeNs: number): void {
    const { clock } = this.#topology;
    clock.set(Math.max(timeNs, clock.nowNs));
  }

  endings(): ReturnType<PumpWorld['endings']> {
    return endingsOf(this.#machines);
  }
}
