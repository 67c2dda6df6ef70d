/** The ways to execute an instruction: the reference executor, and generated code of both tiers. */
import type { GuestMemory } from '../../src/core/memory.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { Executor } from '../../src/cpu/execute.ts';
import { ReferenceExecutor } from '../../src/cpu/reference/execute.ts';
import { BASE_FEATURES } from '../../src/cpu/table/table.ts';

export interface Machine {
  readonly cpu: Cpu;
  readonly memory: GuestMemory;
}

/** Executes instructions in one way. */
export interface Steps {
  /** Code at a position in the linear memory is other bytes now. */
  changed(position: number, length: number): void;
  /** Executes so many instructions from RIP on, or fewer, if one raises an exception, which it throws. */
  run(count: number): void;
}

/** An opcode that nothing has. Behind an instruction it ends the block, which then is that instruction. */
export const UNDEFINED = [0x0f, 0x04];

class ReferenceSteps implements Steps {
  readonly #executor: ReferenceExecutor;

  constructor({ cpu }: Machine) {
    this.#executor = new ReferenceExecutor(cpu);
  }

  changed(): void {
    // Every step fetches.
  }

  run(count: number): void {
    for (let done = 0; done < count; done += 1) this.#executor.step();
  }
}

/** Generated code: blocks are compiled after so many entries, each at once; 0: never. */
class TierSteps implements Steps {
  readonly #executor: Executor;

  constructor({ cpu, memory }: Machine, threshold: number) {
    const executor = new Executor({
      memory: memory.wasm,
      ram: memory.lowRam,
      decoder: new Decoder(BASE_FEATURES),
      threshold,
      batch: 1,
      delay: 0,
      states: [0],
    });
    this.#executor = executor;
    executor.cpu = cpu;
    const outer = cpu.host;
    cpu.host = {
      arithmeticFlags: () => executor.arithmeticFlags(),
      hasCode: (position) => outer.hasCode(position) || executor.hasCode(position),
      codeWritten(position, length) {
        if (outer.hasCode(position)) outer.codeWritten(position, length);
        executor.codeWritten(position, length);
      },
      recheck() {
        outer.recheck();
        executor.ask();
      },
      syncClock: () => outer.syncClock(),
      get left() {
        return outer.left;
      },
    };
  }

  changed(position: number, length: number): void {
    this.#executor.writtenOutside(position, length);
  }

  run(count: number): void {
    for (let done = 0; done < count;) done += this.#executor.run(count - done);
  }
}

/** Compiles when the blocks around have been decoded too, which then are one function. */
export function regionSteps(machine: Machine): Steps {
  return new TierSteps(machine, 3);
}

export const EXECUTORS: Readonly<Record<string, (machine: Machine) => Steps>> = {
  reference: (machine) => new ReferenceSteps(machine),
  'tier 0': (machine) => new TierSteps(machine, 0),
  'tier 1': (machine) => new TierSteps(machine, 1),
};
