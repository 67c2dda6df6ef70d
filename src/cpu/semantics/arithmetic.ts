/** Integer arithmetic and logic. Source: SDM volume 2, the instructions' pages. */
import { Vector } from '../exception.ts';
import type { Emit, Meaning, Size } from './emit.ts';
import { FlagBit, FlagKind } from './flags.ts';

const RAX = 0;
const RDX = 2;
const AH = 8;

const add: Meaning = (x) => {
  const size = x.size(0);
  const first = x.update(0);
  const second = x.read(1);
  const sum = x.add(size, first, second);
  x.write(0, sum);
  x.setFlags(FlagKind.add, size, sum, second);
};

const subtract: Meaning = (x) => {
  const size = x.size(0);
  const first = x.update(0);
  const second = x.read(1);
  const difference = x.sub(size, first, second);
  x.write(0, difference);
  x.setFlags(FlagKind.sub, size, difference, second);
};

const compare: Meaning = (x) => {
  const size = x.size(0);
  const first = x.read(0);
  const second = x.read(1);
  x.setFlags(FlagKind.sub, size, x.sub(size, first, second), second);
};

function sign<V>(x: Emit<V>, size: Size, value: V): V {
  return x.lts(size, value, x.constant(size, 0));
}

function adjust<V>(x: Emit<V>, size: Size, value: V): V {
  const low = size === 8 ? x.trunc(8, 4, value) : size === 4 ? value : x.zext(size, 4, value);
  return x.and(4, x.shr(4, low, x.constant(4, 4)), x.constant(4, 1));
}

/** ADC and SBB: the carries out of every bit give CF, OF and AF. */
function withCarry(isAdd: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const a = x.update(0);
    const b = x.read(1);
    const carryIn = x.carry();
    const carry =
      size === 4 ? carryIn : size === 8 ? x.zext(4, 8, carryIn) : x.trunc(4, size, carryIn);
    const result = isAdd
      ? x.add(size, x.add(size, a, b), carry)
      : x.sub(size, x.sub(size, a, b), carry);
    const ab = x.xor(size, a, b);
    const ar = x.xor(size, a, result);
    const carries = isAdd
      ? x.or(size, x.and(size, a, b), x.and(size, x.or(size, a, b), x.not(size, result)))
      : x.or(size, x.and(size, x.not(size, a), b), x.and(size, x.not(size, ab), result));
    const overflow = isAdd ? x.and(size, ar, x.xor(size, b, result)) : x.and(size, ab, ar);
    x.write(0, result);
    x.setFlagsOf(
      size,
      result,
      sign(x, size, carries),
      sign(x, size, overflow),
      adjust(x, size, x.xor(size, ab, result)),
    );
  };
}

function logic(op: 'and' | 'or' | 'xor'): Meaning {
  return (x) => {
    const size = x.size(0);
    const first = x.update(0);
    const result = x[op](size, first, x.read(1));
    x.write(0, result);
    x.setFlags(FlagKind.logic, size, result, result);
  };
}

const test: Meaning = (x) => {
  const size = x.size(0);
  const result = x.and(size, x.read(0), x.read(1));
  x.setFlags(FlagKind.logic, size, result, result);
};

function step(by: 1 | -1): Meaning {
  return (x) => {
    const size = x.size(0);
    const value = x.update(0);
    const one = x.constant(size, 1);
    const result = by === 1 ? x.add(size, value, one) : x.sub(size, value, one);
    const carry = x.carry();
    x.write(0, result);
    x.setFlags(by === 1 ? FlagKind.inc : FlagKind.dec, size, result, carry);
  };
}

const negate: Meaning = (x) => {
  const size = x.size(0);
  const value = x.update(0);
  const result = x.sub(size, x.constant(size, 0), value);
  x.write(0, result);
  x.setFlags(FlagKind.sub, size, result, value);
};

const complement: Meaning = (x) => x.write(0, x.not(x.size(0), x.update(0)));

/** CF and OF tell that the high half matters; the other flags follow the low half. */
function multiplyFlags<V>(x: Emit<V>, size: Size, low: V, overflows: V): void {
  x.setFlagsOf(size, low, overflows, overflows, x.constant(4, 0));
}

function wideProduct(isSigned: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const factor = x.read(0);
    const accumulator = x.reg(size, RAX);
    if (size === 8) {
      const [low, high] = x.mulWide(isSigned, accumulator, factor);
      const fits = isSigned ? x.sar(8, low, x.constant(4, 63)) : x.constant(8, 0);
      x.setReg(8, RAX, low);
      x.setReg(8, RDX, high);
      multiplyFlags(x, 8, low, x.ne(8, high, fits));
      return;
    }
    const twice = (size * 2) as Size;
    const extend = isSigned ? x.sext.bind(x) : x.zext.bind(x);
    const product = x.mul(twice, extend(size, twice, accumulator), extend(size, twice, factor));
    const low = x.trunc(twice, size, product);
    const overflows = x.ne(twice, product, extend(size, twice, low));
    if (size === 1) x.setReg(2, RAX, product);
    else {
      x.setReg(size, RAX, low);
      x.setReg(size, RDX, x.trunc(twice, size, x.shr(twice, product, x.constant(4, size * 8))));
    }
    multiplyFlags(x, size, low, overflows);
  };
}

const signedMultiply: Meaning = (x) => {
  const operands = x.bound.operands.length;
  if (operands === 1) {
    wideProduct(true)(x);
    return;
  }
  const size = x.size(0);
  const a = x.read(operands === 2 ? 0 : 1);
  const b = x.read(operands === 2 ? 1 : 2);
  if (size === 8) {
    const [low, high] = x.mulWide(true, a, b);
    x.write(0, low);
    multiplyFlags(x, 8, low, x.ne(8, high, x.sar(8, low, x.constant(4, 63))));
    return;
  }
  const twice = (size * 2) as Size;
  const product = x.mul(twice, x.sext(size, twice, a), x.sext(size, twice, b));
  const low = x.trunc(twice, size, product);
  x.write(0, low);
  multiplyFlags(x, size, low, x.ne(twice, product, x.sext(size, twice, low)));
};

/** DIV and IDIV: #DE for a divisor of 0 and for a quotient that does not fit. Flags stay. */
function divide(isSigned: boolean): Meaning {
  return (x) => {
    const size = x.size(0);
    const divisor = x.read(0);
    if (size === 8) {
      const [quotient, remainder] = x.divideWide(isSigned, x.reg(8, RDX), x.reg(8, RAX), divisor);
      x.setReg(8, RAX, quotient);
      x.setReg(8, RDX, remainder);
      return;
    }
    const extend = isSigned ? x.sext.bind(x) : x.zext.bind(x);
    const dividend =
      size === 1
        ? extend(2, 8, x.reg(2, RAX))
        : extend(
            (size * 2) as Size,
            8,
            x.or(
              (size * 2) as Size,
              x.shl(
                (size * 2) as Size,
                x.zext(size, (size * 2) as Size, x.reg(size, RDX)),
                x.constant(4, size * 8),
              ),
              x.zext(size, (size * 2) as Size, x.reg(size, RAX)),
            ),
          );
    const high = isSigned ? x.sar(8, dividend, x.constant(4, 63)) : x.constant(8, 0);
    const [quotient, remainder] = x.divideWide(isSigned, high, dividend, extend(size, 8, divisor));
    const low = x.trunc(8, size, quotient);
    x.raiseIf(x.ne(8, quotient, extend(size, 8, low)), Vector.divideError);
    if (size === 1) {
      const ah = x.shl(2, x.zext(1, 2, x.trunc(8, 1, remainder)), x.constant(4, AH));
      x.setReg(2, RAX, x.or(2, x.zext(1, 2, low), ah));
      return;
    }
    x.setReg(size, RAX, low);
    x.setReg(size, RDX, x.trunc(8, size, remainder));
  };
}

function ah<V>(x: Emit<V>): V {
  return x.trunc(2, 1, x.shr(2, x.reg(2, RAX), x.constant(4, AH)));
}

function setAx<V>(x: Emit<V>, high: V, low: V): void {
  const shifted = x.shl(2, x.zext(1, 2, high), x.constant(4, AH));
  x.setReg(2, RAX, x.or(2, shifted, x.zext(1, 2, low)));
}

/** DAA and DAS. */
function decimalAdjust(isAdd: boolean): Meaning {
  return (x) => {
    const al = x.reg(1, RAX);
    const flags = x.flagsWord();
    const carry = x.and(4, flags, x.constant(4, 1));
    const aux = x.and(4, x.shr(4, flags, x.constant(4, 4)), x.constant(4, 1));
    const digit = x.and(1, al, x.constant(1, 15));
    const low = x.or(4, aux, x.ltu(1, x.constant(1, 9), digit));
    const high = x.or(4, carry, x.ltu(1, x.constant(1, 0x99), al));
    const six = x.select(1, low, x.constant(1, 6), x.constant(1, 0));
    const sixty = x.select(1, high, x.constant(1, 0x60), x.constant(1, 0));
    const by = x.add(1, six, sixty);
    const result = isAdd ? x.add(1, al, by) : x.sub(1, al, by);
    x.setReg(1, RAX, result);
    // DAS: a borrow of the low digit's correction sets CF too.
    const borrow = isAdd ? x.constant(4, 0) : x.and(4, low, x.ltu(1, al, x.constant(1, 6)));
    x.setFlagsOf(1, result, x.or(4, high, borrow), x.constant(4, 0), low);
  };
}

/** AAA and AAS. */
function asciiAdjust(isAdd: boolean): Meaning {
  return (x) => {
    const ax = x.reg(2, RAX);
    const al = x.reg(1, RAX);
    const flags = x.flagsWord();
    const aux = x.and(4, x.shr(4, flags, x.constant(4, 4)), x.constant(4, 1));
    const digit = x.and(1, al, x.constant(1, 15));
    const adjusts = x.or(4, aux, x.ltu(1, x.constant(1, 9), digit));
    const by = x.constant(2, 0x106);
    const changed = isAdd ? x.add(2, ax, by) : x.sub(2, ax, by);
    const result = x.select(2, adjusts, changed, ax);
    x.setReg(2, RAX, x.and(2, result, x.constant(2, 0xff0f)));
    x.setFlagsOf(1, x.trunc(2, 1, result), adjusts, x.constant(4, 0), adjusts);
  };
}

/** AAM: #DE for base 0. */
const asciiAdjustMultiply: Meaning = (x) => {
  const base = x.read(0);
  const [quotient, remainder] = x.divideWide(
    false,
    x.constant(8, 0),
    x.zext(1, 8, x.reg(1, RAX)),
    x.zext(1, 8, base),
  );
  const low = x.trunc(8, 1, remainder);
  setAx(x, x.trunc(8, 1, quotient), low);
  x.setFlags(FlagKind.logic, 1, low, low);
};

const asciiAdjustDivide: Meaning = (x) => {
  const low = x.add(1, x.reg(1, RAX), x.mul(1, ah(x), x.read(0)));
  setAx(x, x.constant(1, 0), low);
  x.setFlags(FlagKind.logic, 1, low, low);
};

const setFromCarry: Meaning = (x) => {
  x.setReg(1, RAX, x.trunc(4, 1, x.sub(4, x.constant(4, 0), x.carry())));
};

const LOW_FLAGS = FlagBit.cf | FlagBit.pf | FlagBit.af | FlagBit.zf | FlagBit.sf;

const loadFlags: Meaning = (x) => {
  const word = x.or(4, x.and(4, x.flagsWord(), x.constant(4, LOW_FLAGS)), x.constant(4, 2));
  setAx(x, x.trunc(4, 1, word), x.reg(1, RAX));
};

/** Bits of AH that are no flags are dropped. */
const storeFlags: Meaning = (x) =>
  x.replaceFlags(LOW_FLAGS, x.and(4, x.zext(1, 4, ah(x)), x.constant(4, LOW_FLAGS)));

export const ARITHMETIC: Readonly<Record<string, Meaning>> = {
  add,
  sub: subtract,
  cmp: compare,
  adc: withCarry(true),
  sbb: withCarry(false),
  and: logic('and'),
  or: logic('or'),
  xor: logic('xor'),
  test,
  inc: step(1),
  dec: step(-1),
  neg: negate,
  not: complement,
  mul: wideProduct(false),
  imul: signedMultiply,
  div: divide(false),
  idiv: divide(true),
  daa: decimalAdjust(true),
  das: decimalAdjust(false),
  aaa: asciiAdjust(true),
  aas: asciiAdjust(false),
  aam: asciiAdjustMultiply,
  aad: asciiAdjustDivide,
  salc: setFromCarry,
  lahf: loadFlags,
  sahf: storeFlags,
  clc: (x) => x.replaceFlags(FlagBit.cf, x.constant(4, 0)),
  stc: (x) => x.replaceFlags(FlagBit.cf, x.constant(4, 1)),
  cmc: (x) => x.replaceFlags(FlagBit.cf, x.xor(4, x.carry(), x.constant(4, 1))),
  cld: (x) => x.setDirection(false),
  std: (x) => x.setDirection(true),
};
