/**
 * Where the floating point state lies, in bytes from the start of the processor's state block.
 * 64-bit words are aligned to 8, vectors to 16.
 */

export const X87 = {
  /** Eight physical registers of 16 bytes, 80 bits used. MMX registers are their low 64 bits. */
  st: 0,
  control: 128,
  status: 130,
  /** u8: a set bit is a physical register that is not empty, as in FXSAVE. */
  tags: 132,
  /** u16: the low 11 bits of the last non-control instruction's opcode. */
  opcode: 134,
  /** u64, and its selector u16 behind it. */
  instructionPointer: 136,
  instructionSelector: 144,
  dataPointer: 152,
  dataSelector: 160,
} as const;

export const MXCSR = 164;

/** Sixteen registers of 16 bytes. */
export const XMM = 176;

/** What an instruction takes and gives beside its operands. */
export const FloatTransfer = {
  /** u32, out: EFLAGS as COMISS, FCOMI and PCMPISTRI set CF, PF, AF, ZF, SF and OF. */
  flags: 432,
  /** u64 and u16, in: address and CS of the x87 instruction. */
  instructionPointer: 440,
  instructionSelector: 448,
  /** u64 and u16, in: offset and segment of its memory operand. */
  dataPointer: 456,
  dataSelector: 464,
} as const;

export const FLOAT_STATE_BYTES = 480;
