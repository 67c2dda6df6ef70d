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

const BY_MNEMONIC: Readonly<Record<string, Meaning>> = {
  ...MOVES,
  ...CONDITIONAL_MOVES,
  ...ARITHMETIC,
  ...SHIFTS,
  ...BITS,
  ...BRANCHES,
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
 * instructions, and those of a unit that CR0 or CR4 turn off
 */
export function meaningFor(bound: BoundInstruction): Meaning | undefined {
  const { row, mode } = bound;
  if (row.unit === 'mmx' && (mode & Mode.x87Faults) !== 0) return undefined;
  if (row.unit === 'sse' && (mode & Mode.sseFaults) !== 0) return undefined;
  return meaningOf(row) ?? privilegedMeaning(bound);
}

const found: (Meaning | null)[] = [];

/** @returns undefined for system, floating point and string instructions, which have functions of their own */
export function meaningOf(row: Encoding): Meaning | undefined {
  const known = found[row.index];
  if (known !== undefined) return known ?? undefined;
  const meaning = find(row);
  found[row.index] = meaning ?? null;
  return meaning;
}

function find(row: Encoding): Meaning | undefined {
  if (row.unit !== 'general') return undefined;
  if (row.operands.some(({ letter }) => SYSTEM_LETTERS.has(letter))) return undefined;
  if ((row.traits & Trait.nop) !== 0) return MOVES['nop'];
  if ((row.traits & Trait.branch) !== 0 && !isNear(row)) return undefined;
  // POP to memory counts its address with the new stack pointer.
  if (row.mnemonic === 'pop' && row.operands[0]!.letter === 'E') return undefined;
  return BY_MNEMONIC[row.mnemonic];
}
