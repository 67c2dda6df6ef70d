/** A growing buffer of WebAssembly code. Numbers go in one at a time: no objects per instruction. */
import { Op } from './opcodes.ts';

const MIN_ROOM = 64;

export class CodeBuffer {
  bytes: Uint8Array;
  length = 0;
  /** Where each `if` is whose condition seldom holds. */
  readonly unlikely: number[] = [];

  constructor(capacity = 1024) {
    this.bytes = new Uint8Array(capacity);
  }

  reset(): void {
    this.length = 0;
    this.unlikely.length = 0;
  }

  #room(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(this.bytes.length * 2, this.length + bytes));
    grown.set(this.bytes);
    this.bytes = grown;
  }

  byte(value: number): void {
    if (this.length + MIN_ROOM > this.bytes.length) this.#room(MIN_ROOM);
    this.bytes[this.length++] = value;
  }

  /** Unsigned LEB128 of 32 bits. */
  u32(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of 32 bits. */
  s32(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit number in halves. */
  s64(low: number, high: number): void {
    let lowRest = low | 0;
    let highRest = high | 0;
    for (;;) {
      const group = lowRest & 0x7f;
      lowRest = (lowRest >>> 7) | (highRest << 25);
      highRest >>= 7;
      const isDone =
        (group & 0x40) === 0 ? (lowRest | highRest) === 0 : (lowRest & highRest) === -1;
      if (isDone) {
        this.byte(group);
        return;
      }
      this.byte(group | 0x80);
    }
  }

  i32Const(value: number): void {
    this.byte(Op.i32Const);
    this.s32(value);
  }

  i64Const(low: number, high: number): void {
    this.byte(Op.i64Const);
    this.s64(low, high);
  }

  /** An `if` for a way that is seldom gone: the engine keeps its code apart. */
  unlikelyIf(type: number): void {
    this.unlikely.push(this.length);
    this.byte(Op.if);
    this.byte(type);
  }

  get(local: number): void {
    this.byte(Op.localGet);
    this.u32(local);
  }

  set(local: number): void {
    this.byte(Op.localSet);
    this.u32(local);
  }

  tee(local: number): void {
    this.byte(Op.localTee);
    this.u32(local);
  }

  /** A load or store of one opcode byte; alignment is only a hint and left at 0. */
  memory(opcode: number, offset: number): void {
    this.byte(opcode);
    this.byte(0);
    this.u32(offset);
  }

  /** A load or store after 0xfd. */
  vectorMemory(opcode: number, offset: number): void {
    this.byte(Op.prefixFD);
    this.u32(opcode);
    this.byte(0);
    this.u32(offset);
  }

  append(source: Uint8Array, from: number, to: number): void {
    this.#room(to - from + MIN_ROOM);
    this.bytes.set(source.subarray(from, to), this.length);
    this.length += to - from;
  }
}
