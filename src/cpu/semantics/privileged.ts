/**
 * System instructions that kernels execute all the time, as meanings for the modes in which they have
 * nothing to check. In all others they are functions (system/).
 */
import { Mode } from '../mode.ts';
import { Eflags } from '../cpu.ts';
import { Flags, SEGMENT_BASE, SegmentIndex, SegmentState, System } from '../state.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import type { BoundInstruction } from './bind.ts';
import { push } from './stack.ts';

const pushFlags: Meaning = (x) => {
  const size = x.bound.insn.operandSize as Size;
  const hidden = ~(Eflags.rf | Eflags.vm);
  const system = x.and(4, x.field(4, Flags.system), x.constant(4, hidden));
  const word = x.or(4, x.or(4, system, x.flagsWord()), x.constant(4, Eflags.fixed));
  push(x, size, size === 8 ? x.zext(4, 8, word) : size === 4 ? word : x.trunc(4, 2, word));
};

const clearInterrupts: Meaning = (x) => {
  const kept = x.and(4, x.field(4, Flags.system), x.constant(4, ~Eflags.if));
  x.setField(4, Flags.system, kept);
};

const swapGs: Meaning = (x) => {
  const base = SEGMENT_BASE + 8 * SegmentIndex.gs;
  const [active, kept] = [x.field(8, base), x.field(8, System.kernelGsBase)];
  x.setField(8, base, kept);
  x.setField(8, System.kernelGsBase, active);
};

function moveFromSegment<V>(x: Emit<V>): void {
  const size = x.size(0);
  const { register } = x.bound.operands[1]!;
  const selector = x.field(4, SegmentState.selector + 4 * register);
  x.write(0, size === 8 ? x.zext(4, 8, selector) : size === 4 ? selector : x.trunc(4, 2, selector));
}

/** @returns undefined where the mode makes it a function, or there is no such instruction here */
export function privilegedMeaning({ row, mode, operands }: BoundInstruction): Meaning | undefined {
  const isProtected = (mode & Mode.protected) !== 0;
  const isKernel = (mode & Mode.cplMask) === 0;
  switch (row.mnemonic) {
    case 'pushf':
      return isProtected ? pushFlags : undefined;
    case 'cli':
      return isKernel ? clearInterrupts : undefined;
    case 'swapgs':
      return isKernel ? swapGs : undefined;
    case 'mov': {
      const [to, from] = row.operands;
      const isRead = to?.letter === 'R' && from?.letter === 'S';
      return isRead && operands[1]!.register <= SegmentIndex.gs ? moveFromSegment : undefined;
    }
    default:
      return undefined;
  }
}
