/**
 * An instruction with its operands found: what of it is fixed, and where its operands are. Source of
 * the letters: SDM volume 2, appendix A.2.
 */
import { Instruction, NO_REGISTER } from '../decode/instruction.ts';
import type { Encoding, Operand } from '../table/row.ts';
import { encodings } from '../table/table.ts';

export const OperandKind = {
  general: 0,
  memory: 1,
  immediate: 2,
  relative: 3,
  xmm: 4,
  mmx: 5,
  segment: 6,
  control: 7,
  debug: 8,
  /** Part of the mnemonic's meaning: ST, ST(i), string operands, far pointers. */
  implied: 9,
} as const;

export interface BoundOperand {
  readonly kind: number;
  /** Bytes. */
  readonly size: number;
  /** Register number, or -1. */
  readonly register: number;
  /** AH, CH, DH, BH: bits 15:8 of the register. */
  readonly isHighByte: boolean;
}

export interface BoundInstruction {
  readonly insn: Instruction;
  readonly row: Encoding;
  /** See mode.ts. */
  readonly mode: number;
  readonly operands: readonly BoundOperand[];
}

const SIZES: Readonly<Record<string, number>> = {
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  dq: 16,
  ps: 16,
  pd: 16,
  ss: 4,
  sd: 8,
  fs: 4,
  fd: 8,
  ft: 10,
  iw: 2,
  id: 4,
  iq: 8,
  bcd: 10,
};

function operandBytes(size: string, insn: Instruction): number {
  switch (size) {
    case 'v':
      return insn.operandSize;
    case 'z':
      return Math.min(insn.operandSize, 4);
    case 'y':
      return insn.operandSize === 8 ? 8 : 4;
    case 'n':
      return insn.mode === 64 ? 8 : 4;
    default:
      return SIZES[size] ?? 0;
  }
}

/** Immediates other than a lone byte are extended to the size of the operand beside them. */
function immediateBytes(size: string, letter: string, insn: Instruction): number {
  if (letter === 'I' && size !== 'z' && size !== 'v') return size === 'b' ? 1 : 2;
  return insn.operandSize;
}

const FIXED: Readonly<Record<string, readonly [register: number, size: string]>> = {
  AL: [0, 'b'],
  CL: [1, 'b'],
  AX: [0, 'w'],
  DX: [2, 'w'],
  rAX: [0, 'v'],
  eAX: [0, 'z'],
};
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];

function general(register: number, size: number, insn: Instruction): BoundOperand {
  const isHighByte = size === 1 && insn.rex === 0 && register >= 4 && register < 8;
  return {
    kind: OperandKind.general,
    size,
    register: isHighByte ? register - 4 : register,
    isHighByte,
  };
}

function plain(kind: number, size: number, register = NO_REGISTER): BoundOperand {
  return { kind, size, register, isHighByte: false };
}

function bindOperand({ letter, size }: Operand, insn: Instruction): BoundOperand {
  const bytes = operandBytes(size, insn);
  const fixed = FIXED[letter];
  if (fixed !== undefined) {
    return plain(OperandKind.general, operandBytes(fixed[1], insn), fixed[0]);
  }
  const segment = SEGMENTS.indexOf(letter);
  if (segment >= 0) return plain(OperandKind.segment, 2, segment);
  switch (letter) {
    case 'E':
      return insn.rm >= 0 ? general(insn.rm, bytes, insn) : plain(OperandKind.memory, bytes);
    case 'G':
      return general(insn.reg, bytes, insn);
    case 'R':
      return general(insn.rm, bytes, insn);
    case 'Z':
      return general(insn.opcodeRegister, bytes, insn);
    case 'I':
    case 'sI':
      return plain(OperandKind.immediate, immediateBytes(size, letter, insn));
    case '1':
      return plain(OperandKind.immediate, 1);
    case 'J':
      return plain(OperandKind.relative, insn.operandSize);
    case 'M':
    case 'O':
      return plain(OperandKind.memory, bytes);
    case 'S':
      return plain(OperandKind.segment, 2, insn.reg & 7);
    case 'C':
      return plain(OperandKind.control, bytes, insn.reg);
    case 'D':
      return plain(OperandKind.debug, bytes, insn.reg);
    case 'V':
      return plain(OperandKind.xmm, bytes, insn.reg);
    case 'U':
      return plain(OperandKind.xmm, bytes, insn.rm);
    case 'W':
      return insn.rm >= 0
        ? plain(OperandKind.xmm, bytes, insn.rm)
        : plain(OperandKind.memory, bytes);
    case 'XMM0':
      return plain(OperandKind.xmm, 16, 0);
    case 'P':
      return plain(OperandKind.mmx, bytes, insn.reg & 7);
    case 'N':
      return plain(OperandKind.mmx, bytes, insn.rm & 7);
    case 'Q':
      return insn.rm >= 0
        ? plain(OperandKind.mmx, bytes, insn.rm & 7)
        : plain(OperandKind.memory, bytes);
    default:
      return plain(OperandKind.implied, bytes);
  }
}

/**
 * A copy of the decoder's record with its operands.
 * @param mode the mode word that it executes in
 */
export function bind(decoded: Instruction, mode: number): BoundInstruction {
  const insn = new Instruction().copy(decoded);
  const row = encodings()[insn.row]!;
  const operands = row.operands.map((operand) => bindOperand(operand, insn));
  return { insn, row, mode, operands };
}
