/** PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM (SDM volume 2, 4.1). */
import { type FloatContext, FloatFault, type FloatInstruction } from '../float/context.ts';
import { FLAG_BITS } from '../table/row.ts';
import { GPR, XMM } from '../state.ts';

/** Fields of the immediate. */
const Control = {
  words: 0x01,
  signed: 0x02,
  aggregationShift: 2,
  negative: 0x10,
  masked: 0x20,
  /** The most significant index, or a mask of whole elements. */
  wide: 0x40,
  /** Not of the immediate: REX.W, lengths are of 64 bits. */
  longLengths: 0x100,
} as const;

const Aggregation = { equalAny: 0, ranges: 1, equalEach: 2, equalOrdered: 3 } as const;

const RAX = GPR;
const RCX = GPR + 8;
const RDX = GPR + 16;

const { c: CF = 0, z: ZF = 0, s: SF = 0, o: OF = 0 } = FLAG_BITS;

/** Elements of both operands, sign or zero-extended. */
const left = new Int32Array(16);
const right = new Int32Array(16);

function loadElements({ view }: FloatContext, to: Int32Array, at: number, control: number): void {
  const signed = (control & Control.signed) !== 0;
  if ((control & Control.words) !== 0) {
    for (let i = 0; i < 8; i++) {
      to[i] = signed ? view.getInt16(at + 2 * i, true) : view.getUint16(at + 2 * i, true);
    }
  } else {
    for (let i = 0; i < 16; i++) to[i] = signed ? view.getInt8(at + i) : view.getUint8(at + i);
  }
}

/** Elements before the first that is zero. */
function implicitLength(elements: Int32Array, count: number): number {
  for (let i = 0; i < count; i++) if (elements[i] === 0) return i;
  return count;
}

/** The magnitude of RAX or RDX, at most `count`. */
function explicitLength(
  { view }: FloatContext,
  register: number,
  control: number,
  count: number,
): number {
  const low = view.getInt32(register, true);
  const long = (control & Control.longLengths) !== 0;
  const high = long ? view.getInt32(register + 4, true) : low >> 31;
  const value = high * 0x1_0000_0000 + (low >>> 0);
  return Math.min(Math.abs(value), count);
}

function isAny(value: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (left[i] === value) return true;
  return false;
}

function isInRange(value: number, length: number): boolean {
  for (let i = 0; i + 1 < length; i += 2) {
    if (value >= left[i]! && value <= left[i + 1]!) return true;
  }
  return false;
}

/** Whether the left operand stands in the right one from `start` on, as far as both go. */
function matchesFrom(start: number, lengths: Lengths): boolean {
  for (let i = 0; i < lengths.left && start + i < lengths.count; i++) {
    if (start + i >= lengths.right || left[i] !== right[start + i]) return false;
  }
  return true;
}

interface Lengths {
  count: number;
  left: number;
  right: number;
}

const lengths: Lengths = { count: 16, left: 0, right: 0 };

function aggregate(kind: number, i: number): boolean {
  const valid = i < lengths.right;
  switch (kind) {
    case Aggregation.equalAny:
      return valid && isAny(right[i]!, lengths.left);
    case Aggregation.ranges:
      return valid && isInRange(right[i]!, lengths.left);
    case Aggregation.equalEach:
      return valid === i < lengths.left && (!valid || left[i] === right[i]);
    default:
      return matchesFrom(i, lengths);
  }
}

/** A bit for each element of the right operand (IntRes2), and EFLAGS. */
function compare(
  context: FloatContext,
  destination: number,
  source: number,
  control: number,
  explicit: boolean,
): number {
  const count = (control & Control.words) === 0 ? 16 : 8;
  loadElements(context, left, destination, control);
  loadElements(context, right, source, control);
  lengths.count = count;
  lengths.left = explicit
    ? explicitLength(context, RAX, control, count)
    : implicitLength(left, count);
  lengths.right = explicit
    ? explicitLength(context, RDX, control, count)
    : implicitLength(right, count);
  const kind = (control >> Control.aggregationShift) & 3;
  let bits = 0;
  for (let i = 0; i < count; i++) if (aggregate(kind, i)) bits |= 1 << i;
  if ((control & Control.negative) !== 0) {
    const inverted = (control & Control.masked) === 0 ? count : lengths.right;
    bits ^= (1 << inverted) - 1;
  }
  let flags = bits === 0 ? 0 : CF;
  if (lengths.right < count) flags |= ZF;
  if (lengths.left < count) flags |= SF;
  if ((bits & 1) !== 0) flags |= OF;
  context.setFlags(flags);
  return bits;
}

/** To ECX: the index of a set bit, or the number of elements. */
export function toIndex(explicit: boolean): FloatInstruction {
  return (context, destination, source, control) => {
    const bits = compare(context, destination, source, control, explicit);
    let index = lengths.count;
    if (bits !== 0) {
      index = 31 - Math.clz32((control & Control.wide) === 0 ? bits & -bits : bits);
    }
    context.view.setInt32(RCX, index, true);
    context.view.setInt32(RCX + 4, 0, true);
    return FloatFault.none;
  };
}

/** To XMM0: the bits, or an element of ones for each. */
export function toMask(explicit: boolean): FloatInstruction {
  return (context, destination, source, control) => {
    const bits = compare(context, destination, source, control, explicit);
    const { view, u8 } = context;
    u8.fill(0, XMM, XMM + 16);
    if ((control & Control.wide) === 0) {
      view.setUint16(XMM, bits, true);
      return FloatFault.none;
    }
    const bytes = 16 / lengths.count;
    for (let i = 0; i < lengths.count; i++) {
      if (((bits >> i) & 1) !== 0) u8.fill(0xff, XMM + bytes * i, XMM + bytes * (i + 1));
    }
    return FloatFault.none;
  };
}
