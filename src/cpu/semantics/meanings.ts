/** The meaning of each row of the decode table that is ordinary computation. */
import { Mode } from '../mode.ts';
import { type Encoding, Trait } from '../table/row.ts';
import { ARITHMETIC } from './arithmetic.ts';
import type { BoundInstruction } from './bind.ts';
import { BITS } from './bits.ts';
import { BRANCHES } from './branch.ts';
import type { Meaning } from './emit.ts';
import { CONDITIONAL_MOVES, MOVES } from './move.ts';
import { privilegedMeaning } from './privileged.ts';
import { SHIFTS } from './shift.ts';
import { SIMD_CONVERSIONS } from './simd-convert.ts';
import { SIMD_FLOAT } from './simd-float.ts';
import { SIMD_INTEGER } from './simd-integer.ts';
import { SIMD_MOVES } from './simd-move.ts';
import { mmx } from './simd-parts.ts';
import { SIMD_SHUFFLES } from './simd-shuffle.ts';

const BY_MNEMONIC: Readonly<Record<string, Meaning>> = {
  ...MOVES,
  ...CONDITIONAL_MOVES,
  ...ARITHMETIC,
  ...SHIFTS,
  ...BITS,
  ...BRANCHES,
};

/** Meanings under the default MXCSR only. */
const EXACT_BY_DEFAULT: Readonly<Record<string, Meaning>> = {
  ...SIMD_FLOAT,
  ...SIMD_CONVERSIONS,
};

const VECTORS: Readonly<Record<string, Meaning>> = {
  ...SIMD_MOVES,
  ...SIMD_SHUFFLES,
  ...SIMD_INTEGER,
  ...EXACT_BY_DEFAULT,
};

/** Operand letters that stand for what only system instructions touch. */
const SYSTEM_LETTERS = new Set(['S', 'C', 'D', 'ES', 'CS', 'SS', 'DS', 'FS', 'GS']);

function isNear(row: Encoding): boolean {
  const operand = row.operands[0];
  return operand === undefined || (operand.letter !== 'A' && operand.size !== 'p');
}

/**
 * The meaning of an instruction in its mode.
 * @returns undefined where its function (call.ts) executes it: system, floating point and string
 * instructions, those of a unit that CR0 or CR4 turn off, and floating point under another MXCSR
 */
export function meaningFor(bound: BoundInstruction): Meaning | undefined {
  const { row, mode } = bound;
  if (row.unit === 'mmx' && (mode & Mode.x87Faults) !== 0) return undefined;
  if (row.unit === 'sse' && (mode & Mode.sseFaults) !== 0) return undefined;
  if ((mode & Mode.simdExact) !== 0 && row.unit === 'sse' && row.mnemonic in EXACT_BY_DEFAULT) {
    return undefined;
  }
  return meaningOf(row) ?? privilegedMeaning(bound);
}

/** By row, found when first asked for. */
const found: (Meaning | null | undefined)[] = [];

/** The meaning of a row in a mode where its unit is on. */
export function meaningOf(row: Encoding): Meaning | undefined {
  const known = found[row.index];
  if (known !== undefined) return known ?? undefined;
  const meaning = row.unit === 'general' ? generalMeaning(row) : vectorMeaning(row);
  found[row.index] = meaning ?? null;
  return meaning;
}

const MMX_LETTERS = new Set(['P', 'Q', 'N']);

function vectorMeaning({ mnemonic, operands }: Encoding): Meaning | undefined {
  const meaning = VECTORS[mnemonic];
  if (meaning === undefined) return undefined;
  return operands.some(({ letter }) => MMX_LETTERS.has(letter)) ? mmx(meaning) : meaning;
}

function generalMeaning(row: Encoding): Meaning | undefined {
  if (row.operands.some(({ letter }) => SYSTEM_LETTERS.has(letter))) return undefined;
  if ((row.traits & Trait.nop) !== 0) return MOVES['nop'];
  if ((row.traits & Trait.branch) !== 0 && !isNear(row)) return undefined;
  // POP to memory counts its address with the new stack pointer.
  if (row.mnemonic === 'pop' && row.operands[0]!.letter === 'E') return undefined;
  return BY_MNEMONIC[row.mnemonic];
}
