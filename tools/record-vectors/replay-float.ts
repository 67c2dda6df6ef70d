/** Runs recorded vectors through the functions of float/ and simd/, as the processor's core would. */
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { FloatContext } from '../../src/cpu/float/context.ts';
import { floatInstruction, floatInstructions } from '../../src/cpu/float/instructions.ts';
import { FloatTransfer, GPR, MXCSR, X87 } from '../../src/cpu/state.ts';
import { Layout } from '../../src/cpu/float/x87/control.ts';
import { type Encoding, type Operand, Trait } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { DATA_ADDRESS, DATA_BYTES, FLAG_MASK } from './state.ts';
import { isAdjacent, isApproximate, isNear, isTranscendental, STATUS_C1 } from './tolerance.ts';
import type { Vector } from './vectors.ts';

const DATA = 0x1000;
const TOTAL_BYTES = 0x2000;
const GENERAL_PROTECTION = 13;
/** REX.W of PCMPESTRI, beside its immediate. */
const LONG_LENGTHS = 0x100;

export class FloatReplay {
  readonly insn = new Instruction();
  row: Encoding = encodings()[0]!;
  readonly #decoder = new Decoder(BASE_FEATURES);
  readonly #u8 = new Uint8Array(TOTAL_BYTES);
  readonly #words = new Uint32Array(this.#u8.buffer);
  readonly #view = new DataView(this.#u8.buffer);
  readonly #context = new FloatContext({
    u8: this.#u8,
    u32: this.#words,
    view: this.#view,
  });

  /**
   * Decodes the vector's instruction into `insn` and `row`.
   * @returns whether it is one of the functions', and not stopped by an alignment check
   */
  accepts({ form, exception }: Vector): boolean {
    const { bytes, mode } = form;
    if (this.#decoder.decode(bytes, 0, bytes.length, mode, this.insn) <= 0) return false;
    this.row = encodings()[this.insn.row]!;
    if (floatInstructions()[this.insn.row] === undefined) return false;
    const aligned = (this.row.traits & Trait.align) !== 0;
    return exception !== GENERAL_PROTECTION || !aligned;
  }

  /** Executes an accepted vector. @returns what differs, or an empty list */
  run(vector: Vector): readonly string[] {
    this.#load(vector);
    const { row, insn } = this;
    const x87 = row.unit === 'x87';
    const [first, second] = row.operands;
    const memory = row.operands.some(({ letter }) => letter === 'M') ? this.#memory(vector) : 0;
    let destination = first === undefined ? 0 : this.#operand(first, vector);
    let source = second === undefined ? destination : this.#operand(second, vector);
    let argument = insn.operandSize === 8 ? 8 : 4;
    if (row.operands.some(({ letter }) => letter === 'I')) {
      argument = insn.immediate | (insn.operandSize === 8 ? LONG_LENGTHS : 0);
    } else if (row.unit === 'general') {
      argument = insn.operandSize === 2 ? Layout.words : insn.operandSize === 8 ? Layout.wide : 0;
    }
    if (x87) {
      destination = memory;
      source = row.feature === 'x87cmov' ? vector.before.eflags : memory;
      argument = ((insn.opcode & 7) << 8) | (insn.modRm & 0xff);
      if (first?.text === 'AX') destination = GPR;
    }
    const fault = floatInstruction(this.#context, insn.row, destination, source, argument);
    return this.#compare(vector, fault);
  }

  #memory({ before }: Vector): number {
    return before.gpr[2 * this.insn.base]! + this.insn.displacement - DATA_ADDRESS + DATA;
  }

  #operand({ letter, size }: Operand, vector: Vector): number {
    const { insn } = this;
    switch (letter) {
      case 'V':
        return this.#context.xmm(insn.reg);
      case 'P':
        return this.#context.physical(insn.reg & 7);
      case 'G':
        return GPR + 8 * insn.reg;
      case 'W':
      case 'U':
        return insn.rm < 0 ? this.#memory(vector) : this.#context.xmm(insn.rm);
      case 'Q':
      case 'N':
        return insn.rm < 0 ? this.#memory(vector) : this.#context.physical(insn.rm & 7);
      case 'E': {
        if (insn.rm < 0) return this.#memory(vector);
        const isHighByte = size === 'b' && insn.rex === 0 && insn.rm >= 4;
        return GPR + 8 * insn.rm - (isHighByte ? 31 : 0);
      }
      case 'M':
        return this.#memory(vector);
      default:
        return 0;
    }
  }

  #load({ before }: Vector): void {
    const view = this.#view;
    for (let i = 0; i < 32; i++) view.setUint32(GPR + 4 * i, before.gpr[i]!, true);
    for (let i = 0; i < 64; i++) view.setUint32(this.#context.xmm(0) + 4 * i, before.xmm[i]!, true);
    for (let i = 0; i < 8; i++) {
      const at = this.#context.physical(i);
      view.setUint32(at, before.st[3 * i]!, true);
      view.setUint32(at + 4, before.st[3 * i + 1]!, true);
      view.setUint32(at + 8, before.st[3 * i + 2]!, true);
    }
    view.setUint16(X87.control, before.fcw, true);
    view.setUint16(X87.status, before.fsw, true);
    view.setUint8(X87.tags, before.tags);
    view.setUint32(MXCSR, before.mxcsr, true);
    view.setUint32(FloatTransfer.flags, 0, true);
    this.#u8.set(before.memory, DATA);
  }

  #compare({ before, after, exception }: Vector, fault: number): readonly string[] {
    const view = this.#view;
    const wrong: string[] = [];
    const transcendental = isTranscendental(this.row);
    const approximate = isApproximate(this.row);
    const check = (what: string, actual: number, expected: number): void => {
      if (actual === expected >>> 0) return;
      wrong.push(`${what} ${actual.toString(16)}, not ${(expected >>> 0).toString(16)}`);
    };
    if (fault !== exception) wrong.push(`exception ${fault}, not ${exception}`);
    for (let i = 0; i < 32; i++) {
      check(`general ${i >> 1}`, view.getUint32(GPR + 4 * i, true), after.gpr[i]!);
    }
    for (let i = 0; i < 64; i++) {
      const at = this.#context.xmm(0) + 4 * i;
      const word = view.getUint32(at, true);
      if (approximate && isNear(word, after.xmm[i]!)) continue;
      check(`xmm${i >> 2} word ${i & 3}`, word, after.xmm[i]!);
    }
    for (let i = 0; i < 8; i++) {
      const at = this.#context.physical(i);
      const actual = Uint32Array.of(
        view.getUint32(at, true),
        view.getUint32(at + 4, true),
        view.getUint16(at + 8, true),
      );
      const expected = after.st.subarray(3 * i, 3 * i + 3);
      if (transcendental && isAdjacent(actual, expected)) continue;
      for (const [part, value] of actual.entries())
        check(`x87 ${i}.${part}`, value, expected[part]!);
    }
    check('control', view.getUint16(X87.control, true), after.fcw);
    const open = transcendental ? STATUS_C1 : 0;
    check('status', view.getUint16(X87.status, true) & ~open, after.fsw & ~open);
    check('tags', view.getUint8(X87.tags), after.tags);
    check('mxcsr', view.getUint32(MXCSR, true), after.mxcsr);
    const { flags } = this.row;
    const touched = flags.written | flags.cleared;
    if (touched !== 0) {
      const written = view.getUint32(FloatTransfer.flags, true);
      check(
        'eflags',
        fault < 0 ? written & touched : before.eflags & touched,
        after.eflags & touched & FLAG_MASK,
      );
    }
    const memory = new Uint32Array(after.memory.buffer);
    for (let i = 0; i < DATA_BYTES / 4; i++) {
      const word = this.#words[DATA / 4 + i]!;
      if (word !== memory[i]) check(`memory ${(4 * i).toString(16)}`, word, memory[i]!);
    }
    return wrong;
  }
}
