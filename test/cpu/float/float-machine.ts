/** Executes single floating point instructions on a processor state of its own. */
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { type CodeSize, Instruction } from '../../../src/cpu/decode/instruction.ts';
import { FloatContext } from '../../../src/cpu/float/context.ts';
import { floatInstruction } from '../../../src/cpu/float/instructions.ts';
import {
  FloatTransfer,
  GPR,
  MXCSR,
  OPERAND_BUFFER,
  RIP,
  SegmentIndex,
  SegmentState,
  X87,
} from '../../../src/cpu/state.ts';

const CODE_SELECTOR = SegmentState.selector + 4 * SegmentIndex.cs;

export class FloatMachine {
  readonly u8 = new Uint8Array(0x1000);
  readonly view = new DataView(this.u8.buffer);
  readonly context = new FloatContext({
    u8: this.u8,
    u32: new Uint32Array(this.u8.buffer),
    view: this.view,
  });
  readonly #decoder = new Decoder();
  readonly #insn = new Instruction();

  constructor() {
    this.view.setUint32(MXCSR, 0x1f80, true);
    this.x87('db e3');
  }

  /**
   * Executes an x87 instruction. A memory operand is at {@link OPERAND_BUFFER}.
   * @param layout bits of `Layout`
   */
  x87(bytes: string, layout = 0, mode: CodeSize = 64): number {
    const { row, opcode, modRm } = this.#decode(bytes, mode);
    const argument = ((opcode & 7) << 8) | (modRm & 0xff) | layout;
    return floatInstruction(this.context, row, OPERAND_BUFFER, OPERAND_BUFFER, argument);
  }

  /** Executes an SSE instruction with registers; 16 for a memory operand, the operand buffer. */
  sse(bytes: string, argument = 0): number {
    const { row, reg, rm } = this.#decode(bytes, 64);
    const source = rm < 0 ? OPERAND_BUFFER : this.context.xmm(rm);
    const destination = bytes.includes('0f ae') ? OPERAND_BUFFER : this.context.xmm(reg);
    return floatInstruction(this.context, row, destination, source, argument);
  }

  /** Executes CRC32 from the operand buffer. @param layout bits of `Layout` */
  general(bytes: string, layout: number): void {
    const { row, reg } = this.#decode(bytes, 64);
    floatInstruction(this.context, row, GPR + 8 * reg, OPERAND_BUFFER, layout);
  }

  /** Pushes an extended number, written as in {@link top}. */
  push(text: string): void {
    this.view.setUint16(OPERAND_BUFFER + 8, Number.parseInt(text.slice(0, 4), 16), true);
    this.view.setBigUint64(OPERAND_BUFFER, BigInt(`0x${text.slice(5)}`), true);
    this.x87('db 28');
  }

  pushDouble(value: number): void {
    this.view.setFloat64(OPERAND_BUFFER, value, true);
    this.x87('dd 00');
  }

  /** ST(0): sign and exponent, `_`, significand, in hexadecimal digits. */
  get top(): string {
    const at = this.context.physical((this.status >> 11) & 7);
    const exponent = this.view
      .getUint16(at + 8, true)
      .toString(16)
      .padStart(4, '0');
    const significand = this.view.getBigUint64(at, true).toString(16).padStart(16, '0');
    return `${exponent}_${significand}`;
  }

  get status(): number {
    return this.view.getUint16(X87.status, true);
  }

  set control(value: number) {
    this.view.setUint16(OPERAND_BUFFER, value, true);
    this.x87('d9 28');
  }

  get control(): number {
    return this.view.getUint16(X87.control, true);
  }

  get mxcsr(): number {
    return this.view.getUint32(MXCSR, true);
  }

  set mxcsr(value: number) {
    this.view.setUint32(MXCSR, value, true);
  }

  /** Where the next instruction is, and its memory operand. */
  at(selector: number, address: number, dataSelector: number, dataAddress: number): void {
    this.view.setUint16(CODE_SELECTOR, selector, true);
    this.view.setBigUint64(RIP, BigInt(address), true);
    this.view.setUint16(FloatTransfer.dataSelector, dataSelector, true);
    this.view.setBigUint64(FloatTransfer.dataPointer, BigInt(dataAddress), true);
  }

  fillOperand(text: string): void {
    this.u8.set(bytesOf(text), OPERAND_BUFFER);
  }

  /** `length` bytes of the operand buffer from `from` on. */
  operand(from: number, length: number): string {
    const start = OPERAND_BUFFER + from;
    return Array.from(this.u8.subarray(start, start + length), (byte) =>
      byte.toString(16).padStart(2, '0'),
    ).join(' ');
  }

  #decode(bytes: string, mode: CodeSize): Instruction {
    const code = bytesOf(bytes);
    if (this.#decoder.decode(code, 0, code.length, mode, this.#insn) <= 0) {
      throw new Error(`no instruction: ${bytes}`);
    }
    return this.#insn;
  }
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));
}
