/** Register names, without AT&T's percent sign. */
import type { Instruction } from '../decode/instruction.ts';

const LOW_BYTE = ['al', 'cl', 'dl', 'bl', 'spl', 'bpl', 'sil', 'dil'];
const LEGACY_BYTE = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh'];
const WORD = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'];
const EXTENDED_SUFFIX: Readonly<Record<number, string>> = { 1: 'b', 2: 'w', 4: 'd', 8: '' };

export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', '?', '?'];

/** @param size bytes */
export function generalRegister(number: number, size: number, rex: number): string {
  if (number >= 8) return `r${number}${EXTENDED_SUFFIX[size]}`;
  if (size === 1) return (rex === 0 ? LEGACY_BYTE : LOW_BYTE)[number]!;
  const word = WORD[number]!;
  if (size === 2) return word;
  return size === 4 ? `e${word}` : `r${word}`;
}

/** Bytes of a general-purpose or immediate operand with that size code. */
export function operandBytes(size: string, insn: Instruction): number {
  switch (size) {
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'd':
      return 4;
    case 'q':
      return 8;
    case 'z':
      return Math.min(insn.operandSize, 4);
    case 'y':
      return insn.operandSize === 8 ? 8 : 4;
    case 'n':
      return insn.mode === 64 ? 8 : 4;
    default:
      return insn.operandSize;
  }
}
