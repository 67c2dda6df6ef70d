/** AESENC, AESDEC and their kin: one round of FIPS 197 each (SDM volume 1, 12.13). */
import { type FloatContext, FloatFault, type FloatInstruction } from '../float/context.ts';

/** Product in the field of x^8 + x^4 + x^3 + x + 1. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = a;
  for (let bits = b; bits !== 0; bits >>= 1) {
    if ((bits & 1) !== 0) product ^= shifted;
    shifted = (shifted << 1) ^ ((shifted & 0x80) === 0 ? 0 : 0x11b);
  }
  return product;
}

function rotateLeft(word: number, count: number): number {
  return (word << count) | (word >>> (32 - count));
}

/**
 * Tables by byte: the substitution, its inverse, and what a byte of row 0 becomes in a column after
 * substitution and mixing. The other rows' contributions are rotations of it.
 */
interface Tables {
  readonly substitute: Uint8Array;
  readonly restore: Uint8Array;
  readonly mix: Int32Array;
  readonly unmix: Int32Array;
}

function buildTables(): Tables {
  const tables: Tables = {
    substitute: new Uint8Array(256),
    restore: new Uint8Array(256),
    mix: new Int32Array(256),
    unmix: new Int32Array(256),
  };
  // 3 generates the field: its powers and those of its inverse meet in every pair of inverses.
  let power = 1;
  let inverse = 1;
  const inverseOfThree = 0xf6;
  for (let i = 0; i < 256; i++) {
    const spread = inverse * 0x101;
    const affine = inverse ^ (spread >> 7) ^ (spread >> 6) ^ (spread >> 5) ^ (spread >> 4) ^ 0x63;
    tables.substitute[power] = affine;
    power = multiply(power, 3);
    inverse = multiply(inverse, inverseOfThree);
  }
  tables.substitute[0] = 0x63;
  for (let i = 0; i < 256; i++) {
    const s = tables.substitute[i]!;
    tables.restore[s] = i;
    tables.mix[i] = multiply(s, 2) | (s << 8) | (s << 16) | (multiply(s, 3) << 24);
    tables.unmix[s] =
      multiply(i, 14) | (multiply(i, 9) << 8) | (multiply(i, 13) << 16) | (multiply(i, 11) << 24);
  }
  return tables;
}

let built: Tables | undefined;

function tables(): Tables {
  built ??= buildTables();
  return built;
}

/** Reads the state of a round into the context's lanes, a column a word. */
function loadState({ view, lanes }: FloatContext, at: number): void {
  for (let i = 0; i < 4; i++) lanes[i] = view.getInt32(at + 4 * i, true);
}

function mixed(table: Int32Array, row0: number, row1: number, row2: number, row3: number): number {
  return (
    table[row0]! ^
    rotateLeft(table[row1]!, 8) ^
    rotateLeft(table[row2]!, 16) ^
    rotateLeft(table[row3]!, 24)
  );
}

function plain(table: Uint8Array, row0: number, row1: number, row2: number, row3: number): number {
  return table[row0]! | (table[row1]! << 8) | (table[row2]! << 16) | (table[row3]! << 24);
}

/** Where ShiftRows and InvShiftRows take row 1 from: columns to the right. */
const RIGHT = 1;
const LEFT = 3;

/** One round. The last round's table is of bytes: it does not mix columns. */
function round(
  context: FloatContext,
  destination: number,
  key: number,
  step: number,
  table: Int32Array | Uint8Array,
): number {
  const { view, lanes, words } = context;
  loadState(context, destination);
  // The key may be the destination itself: columns are written when all are made.
  for (let i = 0; i < 4; i++) {
    const row0 = lanes[i]! & 0xff;
    const row1 = (lanes[(i + step) & 3]! >>> 8) & 0xff;
    const row2 = (lanes[(i + 2) & 3]! >>> 16) & 0xff;
    const row3 = lanes[(i + 3 * step) & 3]! >>> 24;
    const column =
      table instanceof Int32Array
        ? mixed(table, row0, row1, row2, row3)
        : plain(table, row0, row1, row2, row3);
    words[i] = column ^ view.getInt32(key + 4 * i, true);
  }
  for (let i = 0; i < 4; i++) view.setInt32(destination + 4 * i, words[i]!, true);
  return FloatFault.none;
}

export const encrypt: FloatInstruction = (context, destination, key) =>
  round(context, destination, key, RIGHT, tables().mix);

export const encryptLast: FloatInstruction = (context, destination, key) =>
  round(context, destination, key, RIGHT, tables().substitute);

export const decrypt: FloatInstruction = (context, destination, key) =>
  round(context, destination, key, LEFT, tables().unmix);

export const decryptLast: FloatInstruction = (context, destination, key) =>
  round(context, destination, key, LEFT, tables().restore);

/** AESIMC: InvMixColumns alone. */
export const inverseMixColumns: FloatInstruction = (context, destination, source) => {
  const { substitute, unmix } = tables();
  const { view, lanes } = context;
  loadState(context, source);
  for (let i = 0; i < 4; i++) {
    const column = lanes[i]!;
    const word = mixed(
      unmix,
      substitute[column & 0xff]!,
      substitute[(column >>> 8) & 0xff]!,
      substitute[(column >>> 16) & 0xff]!,
      substitute[column >>> 24]!,
    );
    view.setInt32(destination + 4 * i, word, true);
  }
  return FloatFault.none;
};

/** AESKEYGENASSIST: SubWord of words 1 and 3, and the same rotated, with the round constant. */
export const assistKey: FloatInstruction = (context, destination, source, immediate) => {
  const { substitute } = tables();
  const { view, lanes } = context;
  loadState(context, source);
  for (let half = 0; half < 2; half++) {
    const word = lanes[2 * half + 1]!;
    const substituted = plain(
      substitute,
      word & 0xff,
      (word >>> 8) & 0xff,
      (word >>> 16) & 0xff,
      word >>> 24,
    );
    const rotated = rotateLeft(substituted, 24) ^ (immediate & 0xff);
    view.setInt32(destination + 8 * half, substituted, true);
    view.setInt32(destination + 8 * half + 4, rotated, true);
  }
  return FloatFault.none;
};
