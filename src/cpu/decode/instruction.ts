/** What the decoder leaves behind: numbers only, in a record that is used again and again. */

/** `base` of a RIP-relative operand. */
export const BASE_RIP = 16;
export const NO_REGISTER = -1;

/** Segment register numbers, as in the ModRM reg field. */
export const Segment = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5 } as const;

export type CodeSize = 16 | 32 | 64;

export class Instruction {
  /** Index in `encodings()`. */
  row = 0;
  /** Bytes. */
  length = 0;
  /** Bytes before the opcode's first byte, REX included. */
  prefixLength = 0;
  /** Size of the code segment: CS.D, or 64 for CS.L. */
  mode: CodeSize = 64;
  /** Effective operand size of `v` operands: 2, 4 or 8 bytes. */
  operandSize = 4;
  /** 2, 4 or 8 bytes. */
  addressSize = 8;
  /** The REX byte, or 0. */
  rex = 0;
  /** 0xf2, 0xf3 or 0: the last of them. */
  repeat = 0;
  lock = false;
  operandPrefix = false;
  addressPrefix = false;
  /** The segment override in force, or -1. In 64-bit mode only FS and GS are in force. */
  segmentOverride = NO_REGISTER;
  /** The segment of the ModRM or moffs memory operand. */
  segment = 0;
  /** The opcode's last byte. */
  opcode = 0;
  /** Register in the opcode's low three bits, with REX.B. */
  opcodeRegister = 0;
  /** The ModRM byte, or -1. */
  modRm = -1;
  /** The reg field with REX.R. Byte registers 4 to 7 are AH to BH when `rex` is 0. */
  reg = 0;
  /** The rm field with REX.B if it names a register, or -1 if it names memory. */
  rm = NO_REGISTER;
  /** 0 to 15, {@link BASE_RIP} or -1. 16-bit forms use BX, BP, SI and DI here too. */
  base = NO_REGISTER;
  index = NO_REGISTER;
  /** 1, 2, 4 or 8. */
  scale = 1;
  /** The SIB byte, or -1. */
  sib = -1;
  /** Signed 32-bit, or the low half of a 64-bit moffs. */
  displacement = 0;
  displacementHigh = 0;
  /** Bytes of the encoded displacement. */
  displacementSize = 0;
  /** Ib and Iw zero-extended, the others sign-extended; a relative target counts from the end. */
  immediate = 0;
  immediateHigh = 0;
  /** Second immediate: selector of a far pointer, nesting level of ENTER. */
  immediate2 = 0;

  /** Takes over all of another record. Assignments one by one: it happens for each decoded instruction. */
  copy(other: Readonly<Instruction>): this {
    this.row = other.row;
    this.length = other.length;
    this.prefixLength = other.prefixLength;
    this.mode = other.mode;
    this.operandSize = other.operandSize;
    this.addressSize = other.addressSize;
    this.rex = other.rex;
    this.repeat = other.repeat;
    this.lock = other.lock;
    this.operandPrefix = other.operandPrefix;
    this.addressPrefix = other.addressPrefix;
    this.segmentOverride = other.segmentOverride;
    this.segment = other.segment;
    this.opcode = other.opcode;
    this.opcodeRegister = other.opcodeRegister;
    this.modRm = other.modRm;
    this.reg = other.reg;
    this.rm = other.rm;
    this.base = other.base;
    this.index = other.index;
    this.scale = other.scale;
    this.sib = other.sib;
    this.displacement = other.displacement;
    this.displacementHigh = other.displacementHigh;
    this.displacementSize = other.displacementSize;
    this.immediate = other.immediate;
    this.immediateHigh = other.immediateHigh;
    this.immediate2 = other.immediate2;
    return this;
  }
}
