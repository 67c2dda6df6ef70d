/** Near jumps, calls and returns. Source: SDM volume 2, the instructions' pages. */
import { Vector } from '../exception.ts';
import { Mode } from '../mode.ts';
import { SegmentIndex, SegmentState } from '../state.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import { FlagBit, FLAG_POSITION } from './flags.ts';
import { CONDITION_NAMES } from './move.ts';
import { drop, push, stackSize, top } from './stack.ts';

const RCX = 1;

function operandSize<V>(x: Emit<V>): Size {
  return x.bound.insn.operandSize as Size;
}

function isRelative<V>(x: Emit<V>): boolean {
  return x.bound.row.operands[0]!.letter === 'J';
}

/** #GP, before anything changes, for a target that code cannot be at. Flat code can be at all of 4 GiB. */
function checkTarget<V>(x: Emit<V>, size: Size, target: V): void {
  const { mode } = x.bound;
  if ((mode & Mode.codeSizeMask) === Mode.code64) {
    const sixteen = x.constant(4, 16);
    const canonical = x.sar(8, x.shl(8, target, sixteen), sixteen);
    x.raiseIf(x.ne(8, target, canonical), Vector.generalProtection);
  } else if ((mode & Mode.flat) === 0) {
    const limit = x.field(4, SegmentState.limit + 4 * SegmentIndex.cs);
    const offset = size === 4 ? target : x.zext(size, 4, target);
    x.raiseIf(x.ltu(4, limit, offset), Vector.generalProtection);
  }
}

const jump: Meaning = (x) => {
  if (isRelative(x)) {
    x.jumpRelative();
    return;
  }
  const target = x.read(0);
  checkTarget(x, operandSize(x), target);
  x.jump(operandSize(x), target);
};

const call: Meaning = (x) => {
  const size = operandSize(x);
  if (isRelative(x)) {
    push(x, size, x.nextRip(size));
    x.jumpRelative();
    return;
  }
  const target = x.read(0);
  checkTarget(x, size, target);
  push(x, size, x.nextRip(size));
  x.jump(size, target);
};

const returnNear: Meaning = (x) => {
  const size = operandSize(x);
  const target = top(x, size);
  checkTarget(x, size, target);
  const pointer = stackSize(x);
  const bytes = x.constant(pointer, size);
  const isReleasing = x.bound.operands.length > 0;
  drop(x, isReleasing ? x.add(pointer, bytes, released(x, pointer)) : bytes);
  x.jump(size, target);
};

/** Bytes of arguments that RET drops besides. */
function released<V>(x: Emit<V>, pointer: Size): V {
  const count = x.read(0);
  return pointer === 2 ? count : x.zext(2, pointer, count);
}

function jumpIf(code: number): Meaning {
  return (x) => x.branchIf(x.condition(code));
}

function counter<V>(x: Emit<V>): V {
  const size = x.bound.insn.addressSize as Size;
  const count = x.sub(size, x.reg(size, RCX), x.constant(size, 1));
  x.setReg(size, RCX, count);
  return x.ne(size, count, x.constant(size, 0));
}

function zero<V>(x: Emit<V>): V {
  const word = x.and(4, x.flagsWord(), x.constant(4, FlagBit.zf));
  return x.shr(4, word, x.constant(4, FLAG_POSITION.zf));
}

export const BRANCHES: Readonly<Record<string, Meaning>> = {
  jmp: jump,
  call,
  ret: returnNear,
  loop: (x) => x.branchIf(counter(x)),
  loope: (x) => x.branchIf(x.and(4, counter(x), zero(x))),
  loopne: (x) => x.branchIf(x.and(4, counter(x), x.xor(4, zero(x), x.constant(4, 1)))),
  jcxz: (x) => {
    const size = x.bound.insn.addressSize as Size;
    x.branchIf(x.eq(size, x.reg(size, RCX), x.constant(size, 0)));
  },
  ...Object.fromEntries(CONDITION_NAMES.map((name, code) => [`j${name}`, jumpIf(code)])),
};
