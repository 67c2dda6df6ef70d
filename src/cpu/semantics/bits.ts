/** Bit tests and scans. Source: SDM volume 2, the instructions' pages. */
import { OperandKind } from './bind.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import { FlagBit, FlagKind } from './flags.ts';

type Change = <V>(x: Emit<V>, size: Size, value: V, bit: V) => V;

interface Tested<V> {
  readonly value: V;
  /** Position within the operand, size 4. */
  readonly position: V;
  readonly write: (changed: V) => void;
}

/** The bit string of BT: a register's number may lie far from the memory operand. */
function tested<V>(x: Emit<V>, isChanged: boolean): Tested<V> {
  const size = x.size(0);
  const index = x.read(1);
  const indexSize = x.size(1);
  const low =
    indexSize === 8 ? x.trunc(8, 4, index) : indexSize === 4 ? index : x.zext(indexSize, 4, index);
  const position = x.and(4, low, x.constant(4, size * 8 - 1));
  if (!x.isMemory(0) || x.bound.operands[1]!.kind === OperandKind.immediate) {
    const value = isChanged ? x.update(0) : x.read(0);
    return { value, position, write: (changed) => x.write(0, changed) };
  }
  const { addressSize, segment } = x.bound.insn;
  const pointer = addressSize as Size;
  const units = x.sar(size, index, x.constant(4, size === 8 ? 6 : size === 4 ? 5 : 4));
  const bytes = x.mul(size, units, x.constant(size, size));
  const distance =
    pointer === size
      ? bytes
      : pointer > size
        ? x.sext(size, pointer, bytes)
        : x.trunc(size, pointer, bytes);
  const offset = x.add(pointer, x.address(), distance);
  const value = isChanged ? x.loadForUpdate(size, segment, offset) : x.load(size, segment, offset);
  return { value, position, write: (changed) => x.finishUpdate(size, changed) };
}

function bitTest(change?: Change): Meaning {
  return (x) => {
    const size = x.size(0);
    const { value, position, write } = tested(x, change !== undefined);
    const shifted = x.shr(size, value, position);
    const low = size === 8 ? x.trunc(8, 4, shifted) : size === 4 ? shifted : x.zext(2, 4, shifted);
    const carry = x.and(4, low, x.constant(4, 1));
    if (change !== undefined) {
      write(change(x, size, value, x.shl(size, x.constant(size, 1), position)));
    }
    x.replaceFlags(FlagBit.cf, carry);
  };
}

/** BSF and BSR: a source of 0 leaves the destination as it is, all 64 bits of it. */
function scan(isForward: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const source = x.read(1);
    const work: Size = size === 8 ? 8 : 4;
    const wide = size === 2 ? x.zext(2, 4, source) : source;
    const found = isForward
      ? x.ctz(work, wide)
      : x.sub(work, x.constant(work, work * 8 - 1), x.clz(work, wide));
    const isZero = x.eq(size, source, x.constant(size, 0));
    if (size === 2) x.write(0, x.select(2, isZero, x.read(0), x.trunc(4, 2, found)));
    else if (size === 4) {
      x.setWide(0, x.select(8, isZero, x.readWide(0), x.zext(4, 8, found)));
    } else x.write(0, x.select(size, isZero, x.read(0), found));
    x.setFlags(FlagKind.logic, size, source, source);
  };
}

const populationCount: Meaning = (x) => {
  const size = x.size(0);
  const source = x.read(1);
  const count =
    size === 2 ? x.trunc(4, 2, x.popcnt(4, x.zext(2, 4, source))) : x.popcnt(size, source);
  const isZero = x.eq(size, source, x.constant(size, 0));
  x.write(0, count);
  const word = x.shl(4, isZero, x.constant(4, 6));
  x.setFlags(FlagKind.explicit, 4, word, word);
};

export const BITS: Readonly<Record<string, Meaning>> = {
  bt: bitTest(),
  bts: bitTest((x, size, value, bit) => x.or(size, value, bit)),
  btr: bitTest((x, size, value, bit) => x.and(size, value, x.not(size, bit))),
  btc: bitTest((x, size, value, bit) => x.xor(size, value, bit)),
  bsf: scan(true),
  bsr: scan(false),
  popcnt: populationCount,
};
