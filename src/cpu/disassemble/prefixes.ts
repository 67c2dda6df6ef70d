/**
 * Which prefix bytes have shown themselves in the text; objdump prints those that have not, in
 * their order, before the mnemonic.
 */
import type { Instruction } from '../decode/instruction.ts';
import { type Encoding, Select } from '../table/row.ts';
import { SEGMENT_NAMES } from './registers.ts';

export const Rex = { w: 8, r: 4, x: 2, b: 1, byteRegister: 0x40 } as const;

export class PrefixUse {
  /** Bits of {@link Rex} that the operands looked at. */
  rex = 0;
  operandSize = false;
  addressSize = false;
  segment = false;
  repeat = false;
  /** Names for prefixes that mean something else here: by prefix byte. */
  readonly renamed = new Map<number, string>();
}

function prefixName(byte: number, insn: Instruction): string {
  switch (byte) {
    case 0xf0:
      return 'lock';
    case 0xf2:
      return 'repnz';
    case 0xf3:
      return 'repz';
    case 0x66:
      return insn.mode === 16 ? 'data32' : 'data16';
    case 0x67:
      return insn.mode === 32 ? 'addr16' : 'addr32';
    case 0x64:
    case 0x65:
      return SEGMENT_NAMES[byte - 0x60]!;
    default:
      if ((byte & 0xf0) !== 0x40) return SEGMENT_NAMES[(byte >> 3) & 3]!;
      return byte === 0x40
        ? 'rex'
        : `rex.${byte & 8 ? 'W' : ''}${byte & 4 ? 'R' : ''}${byte & 2 ? 'X' : ''}${byte & 1 ? 'B' : ''}`;
  }
}

/** Prefixes that the encoding itself asks for. */
export function mandatoryPrefixes(row: Encoding, insn: Instruction, use: PrefixUse): void {
  if ((row.mask & Select.prefixMask) === Select.prefixMask) {
    const wanted = row.value & Select.prefixMask;
    if (wanted === Select.prefix66) use.operandSize = true;
    else if (wanted !== 0) use.repeat = true;
  }
  if ((row.mask & Select.sizeMask) !== 0) useOperandSize(insn, use);
  if ((row.mask & Select.rexB) !== 0) use.rex |= Rex.b;
}

/** The operand size shows in the text: REX.W does, and 66 where REX.W does not override it. */
export function useOperandSize(insn: Instruction, use: PrefixUse): void {
  use.rex |= Rex.w;
  if ((insn.rex & Rex.w) === 0) use.operandSize = true;
}

/** @returns the prefixes to print, each with a blank behind it */
export function unusedPrefixes(
  bytes: Uint8Array,
  start: number,
  insn: Instruction,
  use: PrefixUse,
): string {
  let text = '';
  const end = start + insn.prefixLength;
  const seen = new Set<string>();
  for (let at = end - 1; at >= start; at--) {
    const byte = bytes[at]!;
    const kind = kindOf(byte, insn.mode === 64);
    const last = !seen.has(kind);
    seen.add(kind);
    if (last && isUsed(kind, byte, at === end - 1, use)) continue;
    const name = (last ? use.renamed.get(byte) : undefined) ?? prefixName(byte, insn);
    text = `${name} ${text}`;
  }
  return text;
}

function kindOf(byte: number, long: boolean): string {
  if (long && (byte & 0xf0) === 0x40) return 'rex';
  if (byte === 0x66) return 'operand size';
  if (byte === 0x67) return 'address size';
  if (byte === 0xf0) return 'lock';
  return byte === 0xf2 || byte === 0xf3 ? 'repeat' : 'segment';
}

function isUsed(kind: string, byte: number, next: boolean, use: PrefixUse): boolean {
  switch (kind) {
    case 'rex': {
      const shown = byte & use.rex & 0xf;
      return next && shown === (byte & 0xf) && (shown !== 0 || (use.rex & Rex.byteRegister) !== 0);
    }
    case 'operand size':
      return use.operandSize;
    case 'address size':
      return use.addressSize;
    case 'segment':
      return use.segment && !use.renamed.has(byte);
    default:
      return use.repeat && kind === 'repeat';
  }
}
