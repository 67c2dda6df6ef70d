/** What every floating point instruction works on: the processor's state and two operands. */
import { EXTENDED, FloatEnvironment, type FloatFormat } from './environment.ts';
import { FloatTransfer, X87, XMM } from '../state.ts';
import { FloatNumber } from './number.ts';

/** Exception vectors that these instructions raise. */
export const FloatFault = {
  none: -1,
  generalProtection: 13,
  /** #MF. */
  x87: 16,
  /** #XM. */
  simd: 19,
} as const;

/** EFLAGS bits that comparisons write. */
export const CompareFlag = { carry: 0x01, parity: 0x04, zero: 0x40 } as const;

/** The linear memory, as `GuestMemory` shows it. */
export interface LinearMemory {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
}

export class FloatContext {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly view: DataView;
  readonly environment = new FloatEnvironment();
  readonly a = new FloatNumber();
  readonly b = new FloatNumber();
  readonly result = new FloatNumber();
  /** A second result, of instructions that have two. */
  readonly other = new FloatNumber();
  /** The x87 status and tag words while an x87 instruction runs. */
  status = 0;
  tags = 0;
  /** What precision control rounds to. */
  format: FloatFormat = EXTENDED;
  /** Partial sums of a dot product. */
  readonly sums = Array.from({ length: 4 }, () => new FloatNumber());
  /** A binary32 number and its bits. */
  readonly single = new Float32Array(1);
  readonly singleBits = new Int32Array(this.single.buffer);
  /** The same for the elements of integer vectors. */
  readonly words = new Int32Array(8);
  /** Results of all lanes, until none of them can fault any more. */
  readonly lanes = new Int32Array(4);

  /** @param memory with the state block of the processor that runs at 0 */
  constructor(memory: LinearMemory) {
    this.u8 = memory.u8;
    this.u32 = memory.u32;
    this.view = memory.view;
  }

  /** Offset of an XMM register. */
  xmm(register: number): number {
    return XMM + 16 * register;
  }

  /** Offset of a physical x87 register, which is also an MMX register. */
  physical(register: number): number {
    return X87.st + 16 * register;
  }

  /** Hands CF, PF and ZF of a comparison to the core; AF, SF and OF are 0. */
  setFlags(flags: number): void {
    this.view.setUint32(FloatTransfer.flags, flags, true);
  }
}

/**
 * Executes one instruction. Every offset is a byte offset in the linear memory; what
 * `destination`, `source` and `argument` are by row is written at `floatInstructions`.
 * @returns an exception vector, or -1
 */
export type FloatInstruction = (
  context: FloatContext,
  destination: number,
  source: number,
  argument: number,
) => number;
