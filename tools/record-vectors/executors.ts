/** The ways to execute an instruction: the reference executor, and generated code of both tiers. */
import type { GuestMemory } from '../../src/core/memory.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Decoder, MAX_INSTRUCTION_BYTES } from '../../src/cpu/decode/decode.ts';
import { Executor } from '../../src/cpu/execute.ts';
import { ReferenceExecutor } from '../../src/cpu/reference/execute.ts';
import { type Encoding, Trait } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES } from '../../src/cpu/table/table.ts';

export interface Machine {
  readonly cpu: Cpu;
  readonly memory: GuestMemory;
  /** Position in the linear memory of the page that instructions are executed from. */
  readonly code: number;
}

/** Executes instructions of the code page that `load` fills. */
export interface Steps {
  /** The code page holds other bytes now: an instruction, and {@link LOOP}. */
  changed(): void;
  /** Executes that instruction, where RIP is, and throws its exception. */
  step(row: Encoding): void;
}

class ReferenceSteps implements Steps {
  readonly #executor: ReferenceExecutor;

  constructor({ cpu }: Machine) {
    this.#executor = new ReferenceExecutor(cpu);
  }

  changed(): void {
    // Every step fetches.
  }

  step(): void {
    this.#executor.step();
  }
}

/** Goes behind the instruction that is to be executed: a jump to itself, so that a block ends there. */
export const LOOP = [0xeb, 0xfe];

/** Generated code: blocks are compiled on first entry, or never. */
class TierSteps implements Steps {
  readonly #code: number;
  readonly #executor: Executor;
  readonly #isCompiling: boolean;

  constructor(machine: Machine, isCompiling: boolean) {
    this.#code = machine.code;
    this.#isCompiling = isCompiling;
    this.#executor = new Executor({
      memory: machine.memory.wasm,
      decoder: new Decoder(BASE_FEATURES),
      threshold: isCompiling ? 1 : 0,
      states: [0],
    });
    const executor = this.#executor;
    executor.cpu = machine.cpu;
    Object.assign(machine.cpu.host, {
      arithmeticFlags: () => executor.arithmeticFlags(),
      hasCode: (position: number) => executor.hasCode(position),
      codeWritten: (position: number, length: number) => executor.codeWritten(position, length),
      flushJumpCache: (isAll: boolean) => executor.flushJumpCache(isAll),
      recheck: () => executor.ask(),
    });
  }

  changed(): void {
    this.#executor.writtenOutside(this.#code, MAX_INSTRUCTION_BYTES);
  }

  step(row: Encoding): void {
    const goesOn = (row.traits & (Trait.branch | Trait.rep | Trait.repc)) === 0;
    if (this.#isCompiling && goesOn) this.#executor.run(2);
    else if (this.#isCompiling) this.#executor.run(1);
    else this.#executor.step();
  }
}

export const EXECUTORS: Readonly<Record<string, (machine: Machine) => Steps>> = {
  reference: (machine) => new ReferenceSteps(machine),
  'tier 0': (machine) => new TierSteps(machine, false),
  'tier 1': (machine) => new TierSteps(machine, true),
};
