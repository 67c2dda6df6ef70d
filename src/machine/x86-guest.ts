import type { DirectKernel } from '../boot/kernel-file.ts';
import { createX86Engines } from '../cpu/engine.ts';
import { CODE_ARENA } from '../cpu/state.ts';
import type { Guest, GuestOptions } from './guest.ts';

export const CPU_MODES = ['interpret', 'jit'] as const;
/** How instructions are executed. Both give the same run, event for event. */
export type CpuMode = (typeof CPU_MODES)[number];

/** An unmodified system on our own x86-64 processor. */
export interface X86Config {
  readonly mode: CpuMode;
  readonly kernel: Omit<DirectKernel, 'rngSeed'>;
  /** I/O port whose writes end the run, for test kernels. */
  readonly debugExitPort?: number;
}

/** How long a turn of a processor that is alone may be: long enough to cost nothing, short enough to look up. */
const LONE_QUANTUM_NS = 1_000_000;
/** With several processors: at the least so much, and less than so much more by chance. */
const QUANTUM_NS = 50_000;
/** A multiplier that spreads neighbouring numbers over 32 bits (Knuth's). */
const SPREAD = 0x9e37_79b1;

/** @returns the length of a turn by its beginning: by chance of the seed, and without a state to keep */
function quantum(processors: number, seed: number): (startNs: number) => number {
  if (processors === 1) return () => LONE_QUANTUM_NS;
  return (startNs) => {
    const mixed = Math.imul((startNs % 2 ** 32) ^ seed, SPREAD);
    return QUANTUM_NS + (((mixed ^ (mixed >>> 15)) >>> 0) % QUANTUM_NS);
  };
}

export function buildX86Guest(options: GuestOptions, { mode }: X86Config): Guest {
  const { processors, seed } = options;
  const { memory } = processors[0]!;
  // What an earlier power cycle left: states, and addresses in code that is gone.
  memory.u8.fill(0, 0, CODE_ARENA);
  const engines = createX86Engines({ processors, memory, seed, mode });
  return {
    engines,
    quantumNs: quantum(processors.length, seed.split('turns').u32()),
    state: {
      exchange: (state) => {
        for (const engine of engines) state.part('processor', () => engine.exchange(state));
      },
    },
    model: undefined,
  };
}
