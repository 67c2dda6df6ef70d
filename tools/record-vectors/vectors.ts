/** Reads what record.c wrote. The README has the format. */
import type { Instruction } from '../../src/cpu/decode/instruction.ts';
import type { Encoding } from '../../src/cpu/table/row.ts';
import { CODE_ADDRESS, DATA_BYTES, FLAG_MASK, type VectorForm, VectorState } from './state.ts';

const Has = {
  gpr: 1,
  flags: 2,
  rip: 4,
  xmm: 8,
  x87: 16,
  mxcsr: 32,
  memory: 64,
  fault: 128,
} as const;
/** #DB: the single step after an instruction that completed. */
const COMPLETED = 1;
const HEADER_BYTES = 16;

/** One recorded execution. The object and its states are used again for the next. */
export class Vector {
  /** Number of the form in the file. */
  index = 0;
  repetition = 0;
  form: VectorForm = { mode: 64, flags: 0, bytes: new Uint8Array(0) };
  readonly before = new VectorState();
  readonly after = new VectorState();
  /** Of the next instruction, or of this one after a fault: low and high word. */
  readonly rip = new Uint32Array(2);
  /** Exception vector, or -1. */
  exception = -1;
  errorCode = 0;
  /** Low and high word, of #PF. */
  readonly cr2 = new Uint32Array(2);
}

export class VectorFile {
  readonly formCount: number;
  readonly perForm: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = HEADER_BYTES;

  /** @param bytes the file, decompressed */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const magic = new TextDecoder().decode(bytes.subarray(0, 4));
    const version = bytes.length < HEADER_BYTES ? 0 : this.#view.getUint32(4, true);
    if (magic !== 'SVMV' || version !== 1) {
      throw new Error('not a vector file: expected "SVMV" and version 1 at offset 0');
    }
    this.formCount = this.#view.getUint32(8, true);
    this.perForm = this.#view.getUint32(12, true);
  }

  /**
   * Calls `visit` with every vector, in the file's order, or with those that are wanted: the state
   * before the others need not be drawn.
   */
  forEach(
    visit: (vector: Vector) => void,
    isWanted: (index: number, repetition: number) => boolean = () => true,
  ): void {
    this.#at = HEADER_BYTES;
    const vector = new Vector();
    for (let index = 0; index < this.formCount; index++) {
      vector.index = index;
      vector.form = this.#form();
      for (let repetition = 0; repetition < this.perForm; repetition++) {
        vector.repetition = repetition;
        const wanted = isWanted(index, repetition);
        this.#result(vector, wanted);
        if (wanted) visit(vector);
      }
    }
    if (this.#at !== this.#bytes.length) {
      throw new Error(`vector file: ${this.#bytes.length - this.#at} bytes after the last result`);
    }
  }

  #u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  #u16(): number {
    this.#at += 2;
    return this.#view.getUint16(this.#at - 2, true);
  }

  #u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  #form(): VectorForm {
    const mode = this.#u8();
    const length = this.#u8();
    const flags = this.#u16();
    if (mode !== 32 && mode !== 64) throw new Error(`vector file: code size ${mode}`);
    this.#at += length;
    return { mode, flags, bytes: this.#bytes.subarray(this.#at - length, this.#at) };
  }

  #result(vector: Vector, isWanted: boolean): void {
    const { before, after, form } = vector;
    if (isWanted) {
      before.draw(vector.index, vector.repetition, form);
      copyState(before, after);
    }
    const trap = this.#u8();
    const present = this.#u8();
    vector.exception = trap === COMPLETED ? -1 : trap;
    vector.rip[0] = CODE_ADDRESS + (trap === COMPLETED ? form.bytes.length : 0);
    vector.rip[1] = 0;
    if ((present & Has.gpr) !== 0) this.#registers(after, form.mode);
    if ((present & Has.flags) !== 0) after.eflags = this.#u16() & FLAG_MASK;
    if ((present & Has.rip) !== 0) {
      vector.rip[0] = this.#u32();
      vector.rip[1] = this.#u32();
    }
    if ((present & Has.xmm) !== 0) this.#xmm(after);
    if ((present & Has.x87) !== 0) this.#x87(after);
    if ((present & Has.mxcsr) !== 0) after.mxcsr = this.#u32();
    if ((present & Has.memory) !== 0) this.#memory(after);
    vector.errorCode = 0;
    vector.cr2.fill(0);
    if ((present & Has.fault) !== 0) {
      vector.errorCode = this.#u16();
      vector.cr2[0] = this.#u32();
      vector.cr2[1] = this.#u32();
    }
  }

  #registers(after: VectorState, mode: 32 | 64): void {
    const mask = this.#u16();
    for (let i = 0; i < 16; i++) {
      if (((mask >> i) & 1) === 0) continue;
      after.gpr[2 * i] = this.#u32();
      after.gpr[2 * i + 1] = mode === 32 ? 0 : this.#u32();
    }
  }

  #xmm(after: VectorState): void {
    const mask = this.#u16();
    for (let i = 0; i < 16; i++) {
      if (((mask >> i) & 1) === 0) continue;
      for (let word = 4 * i; word < 4 * i + 4; word++) after.xmm[word] = this.#u32();
    }
  }

  #x87(after: VectorState): void {
    const mask = this.#u8();
    after.fcw = this.#u16();
    after.fsw = this.#u16();
    after.tags = this.#u8();
    for (let i = 0; i < 8; i++) {
      if (((mask >> i) & 1) === 0) continue;
      after.st[3 * i] = this.#u32();
      after.st[3 * i + 1] = this.#u32();
      after.st[3 * i + 2] = this.#u16();
    }
  }

  #memory(after: VectorState): void {
    const runs = this.#u8();
    for (let run = 0; run < runs; run++) {
      const offset = this.#u16();
      const length = this.#u8();
      if (offset + length > DATA_BYTES) throw new Error(`vector file: memory at ${offset}`);
      after.memory.set(this.#bytes.subarray(this.#at, this.#at + length), offset);
      this.#at += length;
    }
  }
}

function copyState(from: VectorState, to: VectorState): void {
  to.gpr.set(from.gpr);
  to.xmm.set(from.xmm);
  to.st.set(from.st);
  to.memory.set(from.memory);
  to.eflags = from.eflags;
  to.mxcsr = from.mxcsr;
  to.fcw = from.fcw;
  to.fsw = from.fsw;
  to.tags = from.tags;
}

const OVERFLOW = 0x800;
const CARRY = 0x1;

/**
 * EFLAGS bits that the architecture leaves open after this execution (SDM volume 2, the
 * instructions' own pages), for comparing with another processor. All of {@link FLAG_MASK} for a
 * double shift by more than the operand's size, which leaves its destination open too.
 * @param row the row that the vector's bytes decode to; `insn` is that decoding
 */
export function undefinedFlags(vector: Vector, row: Encoding, insn: Instruction): number {
  const { flags, operands, mnemonic } = row;
  if (flags.byCount === 0) return flags.undefined;
  const bits = operands[0]!.size === 'b' ? 8 : insn.operandSize * 8;
  const raw = operands.at(-1)!.text === 'CL' ? vector.before.gpr[2]! : insn.immediate;
  const count = raw & (bits === 64 ? 63 : 31);
  if (count === 0) return 0;
  if (/^sh[lr]d$/.test(mnemonic) && count > bits) return FLAG_MASK;
  let open = flags.byCount | flags.undefined;
  if (count === 1) open &= ~OVERFLOW;
  if (/^sh[lr]$/.test(mnemonic) && count >= bits) open |= CARRY;
  return open;
}
