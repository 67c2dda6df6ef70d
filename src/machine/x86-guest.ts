import type { DirectKernel } from '../boot/kernel-file.ts';
import { ExitCode, InputError } from '../core/errors.ts';
import type { Guest } from './guest.ts';

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

export function buildX86Guest(): Guest {
  throw new InputError(
    '--kernel',
    'this version has no x86-64 processor yet that could execute it',
    ExitCode.notImplemented,
  );
}
