/**
 * The part of a processor's state that decoding and generated code take as given. A block is made for
 * one value of it; whatever changes it ends the block and calls `Cpu.updateMode`.
 */

/** Fields of the mode word. */
export const Mode = {
  /** Code segment size: 0 for 16 bits, 1 for 32, 2 for 64. */
  codeSizeMask: 3,
  code32: 1,
  code64: 2,
  cplShift: 2,
  cplMask: 0xc,
  /** SS.B: PUSH and its like use ESP; always set in 64-bit mode. */
  stack32: 0x10,
  /** Outside 64-bit mode: CS, DS, ES and SS have base 0, limit 4 GiB and allow reading and, but for CS, writing. */
  flat: 0x20,
  /** Protected mode and not virtual-8086. */
  protected: 0x40,
  /** EFER.LMA. */
  long: 0x80,
  /** CR0.EM or CR0.TS: x87 and MMX instructions fault. */
  x87Faults: 0x100,
  /** CR0.EM or CR0.TS, or no CR4.OSFXSR: SSE instructions fault. */
  sseFaults: 0x400,
  /**
   * MXCSR: anything but round to nearest, all exceptions masked, no DAZ, no FTZ. Then SSE arithmetic is
   * functions (float/). Without it, it is meanings, which give way to the functions wherever an
   * exception flag would be raised that is not set already, the precision flag included: so that
   * MXCSR is always what a processor's is, and no tier can be told from another.
   */
  simdExact: 0x200,
} as const;

export function cplOf(mode: number): number {
  return (mode & Mode.cplMask) >> Mode.cplShift;
}

/** 16, 32 or 64. */
export function codeSizeOf(mode: number): 16 | 32 | 64 {
  const code = mode & Mode.codeSizeMask;
  return code === Mode.code64 ? 64 : code === Mode.code32 ? 32 : 16;
}
