/** Flat arrays over the table, by which the decoder finds a row and its immediates. */
import type { Encoding } from '../table/row.ts';
import { encodings } from '../table/table.ts';

/** Shapes of what follows ModRM, SIB and displacement. */
export const Immediate = {
  none: 0,
  byte: 1,
  signedByte: 2,
  word: 3,
  /** 16 or 32 bits by operand size, sign-extended. */
  half: 4,
  /** 16, 32 or 64 bits. */
  full: 5,
  relativeByte: 6,
  relative: 7,
  farPointer: 8,
  /** Memory offset of the address size. */
  offset: 9,
  wordByte: 10,
} as const;

const BY_OPERAND: Readonly<Record<string, number>> = {
  Ib: Immediate.byte,
  sIb: Immediate.signedByte,
  Iw: Immediate.word,
  Iz: Immediate.half,
  Iv: Immediate.full,
  Jb: Immediate.relativeByte,
  Jz: Immediate.relative,
  Ap: Immediate.farPointer,
  Ob: Immediate.offset,
  Ov: Immediate.offset,
};

function immediateOf(row: Encoding): number {
  const kinds = row.operands.flatMap(({ text }) => BY_OPERAND[text] ?? []);
  if (kinds.length > 1) return Immediate.wordByte;
  return kinds[0] ?? Immediate.none;
}

export interface Lookup {
  /** Candidates of opcode `map << 8 | byte` are `start[i]` up to `start[i + 1]`. */
  readonly start: Uint16Array;
  readonly row: Uint16Array;
  readonly mask: Uint16Array;
  readonly value: Uint16Array;
  /** By opcode: 1 if a ModRM byte follows. */
  readonly hasModRm: Uint8Array;
  /** By row. */
  readonly immediate: Uint8Array;
  readonly traits: Uint32Array;
}

/**
 * @param features rows of other features do not exist, so that an older instruction behind the same
 * bytes shows (F3 0F BC is BSF without BMI1); undefined: all rows
 */
export function buildLookup(features?: ReadonlySet<string>): Lookup {
  const all = encodings();
  const byOpcode: Encoding[][] = Array.from({ length: 0x400 }, () => []);
  const hasModRm = new Uint8Array(0x400);
  let count = 0;
  for (const row of all) {
    if (features !== undefined && row.feature !== '' && !features.has(row.feature)) continue;
    for (let low = 0; low < row.opcodes; low++) {
      const at = (row.map << 8) | (row.opcode + low);
      byOpcode[at]!.push(row);
      if (row.hasModRm) hasModRm[at] = 1;
      count++;
    }
  }
  const start = new Uint16Array(0x401);
  const row = new Uint16Array(count);
  const mask = new Uint16Array(count);
  const value = new Uint16Array(count);
  let next = 0;
  for (const [opcode, rows] of byOpcode.entries()) {
    start[opcode] = next;
    for (const candidate of rows) {
      row[next] = candidate.index;
      mask[next] = candidate.mask;
      value[next] = candidate.value;
      next++;
    }
  }
  start[0x400] = next;
  return {
    start,
    row,
    mask,
    value,
    hasModRm,
    immediate: Uint8Array.from(all, immediateOf),
    traits: Uint32Array.from(all, (each) => each.traits),
  };
}
