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

/** How the size of an operand is found; below 0: bytes that are always the same, negated. */
const SizeRule = { v: 0, z: 1, y: 2, n: 3 } as const;

function sizeRuleOf(size: string): number {
  return size in SizeRule ? SizeRule[size as keyof typeof SizeRule] : -(SIZES[size] ?? 0) - 1;
}

function bytesBy(rule: number, insn: Instruction): number {
  switch (rule) {
    case SizeRule.v:
      return insn.operandSize;
    case SizeRule.z:
      return Math.min(insn.operandSize, 4);
    case SizeRule.y:
      return insn.operandSize === 8 ? 8 : 4;
    case SizeRule.n:
      return insn.mode === 64 ? 8 : 4;
    default:
      return -rule - 1;
  }
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

/** Where an operand's register number comes from. */
const From = {
  /** It has none, or always the same. */
  nowhere: 0,
  /** `rm`, and a memory operand where that names none. */
  rm: 1,
  reg: 2,
  opcode: 3,
  /** `reg` and `rm`, of which registers beyond the eighth are no others. */
  lowReg: 4,
  lowRm: 5,
} as const;

/** What a row's operand is bound by: found once, since each decoded instruction asks. */
interface Rule {
  readonly kind: number;
  readonly size: number;
  readonly from: number;
  /** With `From.nowhere`. */
  readonly register: number;
}

function rule(
  kind: number,
  size: number,
  from: number = From.nowhere,
  register = NO_REGISTER,
): Rule {
  return { kind, size, from, register };
}

const OPERAND_SIZE = SizeRule.v;

/** Immediates other than a lone byte are extended to the size of the operand beside them. */
function immediateRule(letter: string, size: string): number {
  if (letter === 'I' && size !== 'z' && size !== 'v') return sizeRuleOf(size === 'b' ? 'b' : 'w');
  return OPERAND_SIZE;
}

function ruleOf({ letter, size }: Operand): Rule {
  const bytes = sizeRuleOf(size);
  const fixed = FIXED[letter];
  if (fixed !== undefined) {
    return rule(OperandKind.general, sizeRuleOf(fixed[1]), From.nowhere, fixed[0]);
  }
  const segment = SEGMENTS.indexOf(letter);
  if (segment >= 0) return rule(OperandKind.segment, sizeRuleOf('w'), From.nowhere, segment);
  switch (letter) {
    case 'E':
    case 'R':
      return rule(OperandKind.general, bytes, From.rm);
    case 'G':
      return rule(OperandKind.general, bytes, From.reg);
    case 'Z':
      return rule(OperandKind.general, bytes, From.opcode);
    case 'I':
    case 'sI':
      return rule(OperandKind.immediate, immediateRule(letter, size));
    case '1':
      return rule(OperandKind.immediate, sizeRuleOf('b'));
    case 'J':
      return rule(OperandKind.relative, OPERAND_SIZE);
    case 'M':
    case 'O':
      return rule(OperandKind.memory, bytes);
    case 'S':
      return rule(OperandKind.segment, sizeRuleOf('w'), From.lowReg);
    case 'C':
      return rule(OperandKind.control, bytes, From.reg);
    case 'D':
      return rule(OperandKind.debug, bytes, From.reg);
    case 'V':
      return rule(OperandKind.xmm, bytes, From.reg);
    case 'U':
    case 'W':
      return rule(OperandKind.xmm, bytes, From.rm);
    case 'XMM0':
      return rule(OperandKind.xmm, sizeRuleOf('dq'), From.nowhere, 0);
    case 'P':
      return rule(OperandKind.mmx, bytes, From.lowReg);
    case 'N':
    case 'Q':
      return rule(OperandKind.mmx, bytes, From.lowRm);
    default:
      return rule(OperandKind.implied, bytes);
  }
}

function bindOperand(
  { kind, size, from, register: always }: Rule,
  insn: Instruction,
): BoundOperand {
  const bytes = bytesBy(size, insn);
  let register = always;
  switch (from) {
    case From.rm:
    case From.lowRm:
      if (insn.rm < 0) {
        return { kind: OperandKind.memory, size: bytes, register: NO_REGISTER, isHighByte: false };
      }
      register = from === From.rm ? insn.rm : insn.rm & 7;
      break;
    case From.reg:
      register = insn.reg;
      break;
    case From.lowReg:
      register = insn.reg & 7;
      break;
    case From.opcode:
      register = insn.opcodeRegister;
      break;
    default:
      return { kind, size: bytes, register, isHighByte: false };
  }
  const isByte = kind === OperandKind.general && bytes === 1;
  const isHighByte = isByte && insn.rex === 0 && register >= 4 && register < 8;
  return { kind, size: bytes, register: isHighByte ? register - 4 : register, isHighByte };
}

/** By row, found when first asked for. */
const rules: (readonly Rule[] | undefined)[] = [];

/**
 * A copy of the decoder's record with its operands.
 * @param mode the mode word that it executes in
 */
export function bind(decoded: Instruction, mode: number): BoundInstruction {
  const insn = new Instruction().copy(decoded);
  const row = encodings()[insn.row]!;
  const known = (rules[row.index] ??= row.operands.map(ruleOf));
  const operands: BoundOperand[] = [];
  for (let index = 0; index < known.length; index += 1) {
    operands.push(bindOperand(known[index]!, insn));
  }
  return { insn, row, mode, operands };
}
