/** CRC32 and PCLMULQDQ: polynomials with coefficients of one bit. */
import { FloatFault, type FloatInstruction } from '../float/context.ts';
import { Layout } from '../float/x87/control.ts';

/** 0x11edc6f41 of RFC 3720, bits reversed. */
const CASTAGNOLI = 0x82f6_3b78;

const remainders = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ ((value & 1) === 0 ? 0 : CASTAGNOLI);
  return value;
});

function crc32(bytes: (argument: number) => number): FloatInstruction {
  return ({ u8, view }, destination, source, argument) => {
    let value = view.getInt32(destination, true);
    const end = source + bytes(argument);
    for (let at = source; at < end; at++) {
      value = remainders[(value ^ u8[at]!) & 0xff]! ^ (value >>> 8);
    }
    view.setInt32(destination, value, true);
    view.setInt32(destination + 4, 0, true);
    return FloatFault.none;
  };
}

/** CRC32 of a byte. The upper half of the destination becomes 0. */
export const crcOfByte = crc32(() => 1);

/** CRC32 of 2, 4 or 8 bytes, by {@link Layout} `words` and `wide`. */
export const crcOfWord = crc32((argument) => {
  if ((argument & Layout.words) !== 0) return 2;
  return (argument & Layout.wide) === 0 ? 4 : 8;
});

let productLow = 0;
let productHigh = 0;

/** Product without carries of two words: {@link productHigh} and {@link productLow}. */
function multiply(a: number, b: number): void {
  let low = -(b & 1) & a;
  let high = 0;
  for (let i = 1; i < 32; i++) {
    const chosen = -((b >>> i) & 1) & a;
    low ^= chosen << i;
    high ^= chosen >>> (32 - i);
  }
  productLow = low;
  productHigh = high;
}

/** PCLMULQDQ of the quadwords that bits 0 and 4 of the immediate choose. */
export const carrylessMultiply: FloatInstruction = (context, destination, source, immediate) => {
  const { view } = context;
  const left = destination + ((immediate & 1) === 0 ? 0 : 8);
  const right = source + ((immediate & 0x10) === 0 ? 0 : 8);
  const [a0, a1] = [view.getInt32(left, true), view.getInt32(left + 4, true)];
  const [b0, b1] = [view.getInt32(right, true), view.getInt32(right + 4, true)];
  multiply(a0, b0);
  const low0 = productLow;
  const low1 = productHigh;
  multiply(a1, b1);
  const high0 = productLow;
  const high1 = productHigh;
  // Karatsuba's middle: the sum of the cross products from one product.
  multiply(a0 ^ a1, b0 ^ b1);
  const middle0 = productLow ^ low0 ^ high0;
  const middle1 = productHigh ^ low1 ^ high1;
  view.setInt32(destination, low0, true);
  view.setInt32(destination + 4, low1 ^ middle0, true);
  view.setInt32(destination + 8, high0 ^ middle1, true);
  view.setInt32(destination + 12, high1, true);
  return FloatFault.none;
};
