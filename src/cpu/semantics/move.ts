/** Data movement. Source: SDM volume 2, the instructions' pages. */
import { Segment } from '../decode/instruction.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import { FLAG_POSITION, FlagBit, FlagKind } from './flags.ts';
import { drop, push, RBP, RSP, stackSize, top } from './stack.ts';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

function operandSize<V>(x: Emit<V>): Size {
  return x.bound.insn.operandSize as Size;
}

const move: Meaning = (x) => x.write(0, x.read(1));

const moveZeroExtended: Meaning = (x) => x.write(0, x.zext(x.size(1), x.size(0), x.read(1)));

const moveSignExtended: Meaning = (x) => {
  const value = x.read(1);
  // MOVSXD with a 16 or 32-bit destination moves without extending.
  x.write(0, x.size(0) <= x.size(1) ? narrow(x, value) : x.sext(x.size(1), x.size(0), value));
};

function narrow<V>(x: Emit<V>, value: V): V {
  return x.size(0) === x.size(1) ? value : x.trunc(x.size(1), x.size(0), value);
}

function extend<V>(x: Emit<V>, from: Size, to: Size): void {
  x.setReg(to, RAX, x.sext(from, to, x.reg(from, RAX)));
}

function signInto<V>(x: Emit<V>, size: Size): void {
  const bits = x.constant(4, size * 8 - 1);
  x.setReg(size, RDX, x.sar(size, x.reg(size, RAX), bits));
}

const loadAddress: Meaning = (x) => {
  const from = x.bound.insn.addressSize as Size;
  const to = x.size(0);
  const address = x.address();
  if (to > from) x.write(0, x.zext(from, to, address));
  else x.write(0, to === from ? address : x.trunc(from, to, address));
};

const exchange: Meaning = (x) => {
  const first = x.update(0);
  const second = x.read(1);
  x.write(0, second);
  x.write(1, first);
};

const exchangeAdd: Meaning = (x) => {
  const size = x.size(0);
  const first = x.update(0);
  const second = x.read(1);
  const sum = x.add(size, first, second);
  if (x.isMemory(0)) {
    x.write(0, sum);
    x.write(1, first);
  } else {
    // With one register for both, the sum stays.
    x.write(1, first);
    x.write(0, sum);
  }
  x.setFlags(FlagKind.add, size, sum, second);
};

const compareExchange: Meaning = (x) => {
  const size = x.size(0);
  const found = x.update(0);
  const expected = x.reg(size, RAX);
  const isEqual = x.eq(size, expected, found);
  // Memory is written either way, with its own value where they differ; a register, and the
  // accumulator, only if they change, so that 32-bit ones keep their upper half.
  if (size === 4 && !x.isMemory(0)) {
    x.setWide(0, x.select(8, isEqual, x.zext(4, 8, x.read(1)), x.readWide(0)));
  } else x.write(0, x.select(size, isEqual, x.read(1), found));
  const wide = size === 4 ? 8 : size;
  const kept = x.reg(wide, RAX);
  const loaded = size === 4 ? x.zext(4, 8, found) : found;
  x.setReg(wide, RAX, x.select(wide, isEqual, kept, loaded));
  x.setFlags(FlagKind.sub, size, x.sub(size, expected, found), found);
};

function setZero<V>(x: Emit<V>, isEqual: V): void {
  x.replaceFlags(FlagBit.zf, x.shl(4, isEqual, x.constant(4, FLAG_POSITION.zf)));
}

/** The 32-bit halves of EDX:EAX or ECX:EBX side by side. */
function pair<V>(x: Emit<V>, high: number, low: number): V {
  return x.or(
    8,
    x.shl(8, x.zext(4, 8, x.reg(4, high)), x.constant(4, 32)),
    x.zext(4, 8, x.reg(4, low)),
  );
}

/** CMPXCHG8B: registers keep their upper halves where the comparison holds. */
const compareExchange8: Meaning = (x) => {
  const found = x.update(0);
  const isEqual = x.eq(8, found, pair(x, RDX, RAX));
  x.write(0, x.select(8, isEqual, pair(x, RCX, RBX), found));
  const low = x.zext(4, 8, x.trunc(8, 4, found));
  x.setReg(8, RAX, x.select(8, isEqual, x.reg(8, RAX), low));
  const high = x.shr(8, found, x.constant(4, 32));
  x.setReg(8, RDX, x.select(8, isEqual, x.reg(8, RDX), high));
  setZero(x, isEqual);
};

/** CMPXCHG16B: an aligned operand lies in one page, so that its second half cannot fault. */
const compareExchange16: Meaning = (x) => {
  const { segment, addressSize } = x.bound.insn;
  const pointer = addressSize as Size;
  const address = x.address();
  const upper = x.add(pointer, address, x.constant(pointer, 8));
  x.checkAlignment(16);
  // Written as it is, so that whatever a write raises comes first.
  const low = x.loadForUpdate(8, segment, address);
  x.finishUpdate(8, low);
  const high = x.load(8, segment, upper);
  const isEqual = x.and(4, x.eq(8, low, x.reg(8, RAX)), x.eq(8, high, x.reg(8, RDX)));
  x.store(8, segment, address, x.select(8, isEqual, x.reg(8, RBX), low));
  x.store(8, segment, upper, x.select(8, isEqual, x.reg(8, RCX), high));
  x.setReg(8, RAX, low);
  x.setReg(8, RDX, high);
  setZero(x, isEqual);
};

/** Of 16 bits it is undefined; processors write 0. */
const byteSwap: Meaning = (x) => {
  const size = x.size(0);
  x.write(0, size === 2 ? x.constant(2, 0) : swapped(x, size, x.read(0)));
};

function swapped<V>(x: Emit<V>, size: Size, value: V): V {
  if (size === 8) {
    const low = x.zext(4, 8, swapped(x, 4, x.trunc(8, 4, value)));
    const high = swapped(x, 4, x.trunc(8, 4, x.shr(8, value, x.constant(4, 32))));
    return x.or(8, x.shl(8, low, x.constant(4, 32)), x.zext(4, 8, high));
  }
  if (size === 2) {
    const eight = x.constant(4, 8);
    return x.or(2, x.shl(2, value, eight), x.shr(2, value, eight));
  }
  const odd = x.constant(4, 0xff00ff);
  const eight = x.constant(4, 8);
  const pairs = x.or(
    4,
    x.shl(4, x.and(4, value, odd), eight),
    x.and(4, x.shr(4, value, eight), odd),
  );
  const sixteen = x.constant(4, 16);
  return x.or(4, x.shl(4, pairs, sixteen), x.shr(4, pairs, sixteen));
}

const moveSwapped: Meaning = (x) => x.write(0, swapped(x, x.size(1), x.read(1)));

function conditionalMove(code: number): Meaning {
  return (x) => {
    const size = x.size(0);
    const value = x.read(1);
    // The destination is written even if the condition fails: a 32-bit one loses its upper half.
    x.write(0, x.select(size, x.condition(code), value, x.read(0)));
  };
}

function setByte(code: number): Meaning {
  return (x) => x.write(0, x.trunc(4, 1, x.condition(code)));
}

const pushOperand: Meaning = (x) => push(x, operandSize(x), x.read(0));

const popOperand: Meaning = (x) => {
  const size = operandSize(x);
  const value = top(x, size);
  // POP RSP: the value popped wins.
  drop(x, x.constant(stackSize(x), size));
  x.write(0, value);
};

const STACKED = [0, 1, 2, 3, 4, 5, 6, 7];

/** PUSHA: RAX, RCX, RDX, RBX, the old RSP, RBP, RSI and RDI. */
const pushAll: Meaning = (x) => {
  const size = operandSize(x);
  const pointer = stackSize(x);
  const before = x.reg(pointer, RSP);
  const values = STACKED.map((register) => x.reg(size, register));
  for (const [index, value] of values.entries()) {
    const below = x.constant(pointer, (index + 1) * size);
    x.store(size, Segment.ss, x.sub(pointer, before, below), value);
  }
  x.setReg(pointer, RSP, x.sub(pointer, before, x.constant(pointer, STACKED.length * size)));
};

/** POPA: all but RSP, the other way round. */
const popAll: Meaning = (x) => {
  const size = operandSize(x);
  const pointer = stackSize(x);
  const before = x.reg(pointer, RSP);
  const values = STACKED.map((_, index) =>
    x.load(size, Segment.ss, x.add(pointer, before, x.constant(pointer, index * size))),
  );
  x.setReg(pointer, RSP, x.add(pointer, before, x.constant(pointer, STACKED.length * size)));
  for (const register of STACKED) {
    if (register !== RSP) x.setReg(size, register, values[STACKED.length - 1 - register]!);
  }
};

const leave: Meaning = (x) => {
  const pointer = stackSize(x);
  const size = operandSize(x);
  const frame = x.reg(pointer, RBP);
  const value = x.load(size, 2, frame);
  x.setReg(pointer, RSP, x.add(pointer, frame, x.constant(pointer, size)));
  x.setReg(size, RBP, value);
};

const translate: Meaning = (x) => {
  const { addressSize, segment } = x.bound.insn;
  const size = addressSize as Size;
  const offset = x.add(size, x.reg(size, RBX), x.zext(1, size, x.reg(1, RAX)));
  x.setReg(1, RAX, x.load(1, segment, offset));
};

const nothing: Meaning = () => undefined;

export const MOVES: Readonly<Record<string, Meaning>> = {
  mov: move,
  movnti: move,
  movzx: moveZeroExtended,
  movsx: moveSignExtended,
  movsxd: moveSignExtended,
  lea: loadAddress,
  xchg: exchange,
  xadd: exchangeAdd,
  cmpxchg: compareExchange,
  cmpxchg8b: compareExchange8,
  cmpxchg16b: compareExchange16,
  bswap: byteSwap,
  movbe: moveSwapped,
  push: pushOperand,
  pop: popOperand,
  leave,
  pusha: pushAll,
  popa: popAll,
  xlat: translate,
  cbw: (x) => extend(x, 1, 2),
  cwde: (x) => extend(x, 2, 4),
  cdqe: (x) => extend(x, 4, 8),
  cwd: (x) => signInto(x, 2),
  cdq: (x) => signInto(x, 4),
  cqo: (x) => signInto(x, 8),
  nop: nothing,
  endbr64: nothing,
  endbr32: nothing,
  prefetch: nothing,
  prefetchw: nothing,
  prefetchwt1: nothing,
  prefetchnta: nothing,
  prefetcht0: nothing,
  prefetcht1: nothing,
  prefetcht2: nothing,
  lfence: nothing,
  mfence: nothing,
  sfence: nothing,
  serialize: nothing,
  // A processor that waits for another has its turn taken by the quantum.
  pause: nothing,
};

/** `jo` and its like, by condition code. */
export const CONDITION_NAMES = [
  'o',
  'no',
  'b',
  'ae',
  'e',
  'ne',
  'be',
  'a',
  's',
  'ns',
  'p',
  'np',
  'l',
  'ge',
  'le',
  'g',
];

export const CONDITIONAL_MOVES: Readonly<Record<string, Meaning>> = Object.fromEntries(
  CONDITION_NAMES.flatMap((name, code) => [
    [`cmov${name}`, conditionalMove(code)],
    [`set${name}`, setByte(code)],
  ]),
);
