import type { DirectKernel } from '../boot/kernel-file.ts';
import { createX86Engines } from '../cpu/engine.ts';
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

/** How long a turn is where several processors take turns: drawn anew for each. */
const QUANTUM_NS = 100_000;

export function buildX86Guest(options: GuestOptions, { mode }: X86Config): Guest {
  const { processors, seed } = options;
  const engines = createX86Engines({ processors, memory: processors[0]!.memory, seed, mode });
  const turns = seed.split('turns');
  return {
    engines,
    quantumNs: () => QUANTUM_NS + turns.below(QUANTUM_NS),
    model: undefined,
  };
}
