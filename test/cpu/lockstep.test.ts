/**
 * Random blocks on all executors: straight code and loops of recorded instructions, whose registers
 * and memory must agree. `SYNTHVM_BLOCKS=N` runs N of them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../src/core/memory.ts';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { disassemble } from '../../src/cpu/disassemble/disassemble.ts';
import { CpuException } from '../../src/cpu/exception.ts';
import { type Encoding, Trait } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { GPR, MXCSR, X87, XMM } from '../../src/cpu/state.ts';
import { EXECUTORS, type Steps, UNDEFINED } from '../../tools/record-vectors/executors.ts';
import {
  CODE_ADDRESS,
  DATA_ADDRESS,
  DATA_BYTES,
  FormFlag,
  type VectorForm,
} from '../../tools/record-vectors/state.ts';
import { Vector, VectorFile } from '../../tools/record-vectors/vectors.ts';
import type { Rig } from './rig.ts';
import { CODE_GPA, DATA_GPA, loadVector, userModeRig } from './user-mode.ts';

const path = join(import.meta.dirname, 'vectors/user-mode.bin.zst');
const BLOCKS = Number(process.env['SYNTHVM_BLOCKS'] ?? 250);
const MAX_INSTRUCTIONS = 10;
const STEPS = 48;
const rows = encodings();
const decoder = new Decoder(BASE_FEATURES);
const insn = new Instruction();

/** Instructions that leave the line, or that ring 3 may not execute, make no blocks. */
const ALONE =
  Trait.branch | Trait.cpl0 | Trait.iopl | Trait.io | Trait.smm | Trait.rep | Trait.repc;

interface Piece {
  readonly form: VectorForm;
  readonly row: Encoding;
}

function pieces(): Piece[] {
  const found: Piece[] = [];
  let last = -1;
  const visit = (vector: Vector): void => {
    const { form, index } = vector;
    if (index === last) return;
    last = index;
    const { bytes, mode } = form;
    if (decoder.decode(bytes, 0, bytes.length, mode, insn) !== bytes.length) return;
    const row = rows[insn.row]!;
    if ((row.traits & ALONE) !== 0 || /^ud\d$/.test(row.mnemonic)) return;
    found.push({ form, row });
  };
  const file = new VectorFile(zstdDecompressSync(readFileSync(path)));
  file.forEach(visit, (_index, repetition) => repetition === 0);
  return found;
}

class Random {
  #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  below(count: number): number {
    this.#seed = (Math.imul(this.#seed, 0x19_660d) + 0x3c6e_f35f) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * count);
  }
}

/** `mov r32, imm32` */
function point(register: number, address: number): number[] {
  const bytes = [0, 8, 16, 24].map((shift) => (address >>> shift) & 0xff);
  return [0xb8 + register, ...bytes];
}

const [CX, SP, BP, SI, DI] = [1, 4, 5, 6, 7];

/**
 * Code of some pieces; those that need memory, or a stack, point to it first. A loop turns while ECX
 * lasts.
 */
function assemble(random: Random, all: readonly Piece[], mode: 32 | 64): number[] {
  const fitting = all.filter(({ form }) => form.mode === mode);
  const isLoop = random.below(2) === 0;
  // Blocks of one kind have values that meet again.
  const kind = [0, FormFlag.xmm, FormFlag.double | FormFlag.single, FormFlag.mmx, FormFlag.x87][
    random.below(5)
  ]!;
  const related = fitting.filter(({ form }) => kind === 0 || (form.flags & kind) !== 0);
  const code: number[] = isLoop ? point(CX, 1 + random.below(4)) : [];
  const start = code.length;
  const count = 1 + random.below(MAX_INSTRUCTIONS);
  for (let index = 0; index < count; index += 1) {
    const from = random.below(3) === 0 ? fitting : related;
    const { form, row } = from[random.below(from.length)]!;
    if ((form.flags & FormFlag.memory) !== 0) {
      code.push(...point(DI, DATA_ADDRESS + 0x400), ...point(SI, DATA_ADDRESS + 0x600));
    }
    if (row.implicit.includes('sp') || random.below(8) === 0) {
      code.push(...point(SP, DATA_ADDRESS + 0x800), ...point(BP, DATA_ADDRESS + 0x820));
    }
    code.push(...form.bytes);
  }
  // dec ecx; jnz start
  if (isLoop) code.push(0xff, 0xc9, 0x75, start - code.length - 4);
  code.push(...UNDEFINED);
  return code;
}

class Machine {
  readonly name: string;
  readonly rig: Rig = userModeRig();
  readonly #steps: Steps;

  constructor(name: string) {
    this.name = name;
    this.#steps = EXECUTORS[name]!(this.rig);
  }

  load(vector: Vector): void {
    loadVector(this.rig, vector);
    this.#steps.changed(this.rig.at(CODE_GPA), PAGE_BYTES);
  }

  /** @returns exception and state, one line each part */
  run(count: number): string[] {
    const { cpu } = this.rig;
    let exception = 'none';
    try {
      this.#steps.run(count);
    } catch (error) {
      if (!(error instanceof CpuException)) throw error;
      exception = `${error.vector} ${error.errorCode}`;
    }
    const hex = (words: Uint32Array): string =>
      [...words].map((word) => word.toString(16)).join(' ');
    const part = (offset: number, bytes: number): string =>
      hex(cpu.u32.subarray(offset >> 2, (offset + bytes) >> 2));
    const lines = [`exception ${exception}`, `rip ${cpu.rip.toString(16)}`];
    lines.push(`eflags ${cpu.eflags.toString(16)}`, `mxcsr ${part(MXCSR, 4)}`);
    for (let index = 0; index < 16; index += 1) lines.push(`r${index} ${part(GPR + 8 * index, 8)}`);
    for (let index = 0; index < 16; index += 1) {
      lines.push(`xmm${index} ${part(XMM + 16 * index, 16)}`);
    }
    for (let index = 0; index < 8; index += 1)
      lines.push(`st${index} ${part(X87.st + 16 * index, 12)}`);
    lines.push(`x87 ${part(X87.control, 12)}`);
    const data = this.rig.at(DATA_GPA);
    for (let at = 0; at < DATA_BYTES; at += 64) {
      lines.push(`memory ${at.toString(16)} ${part(data + at, 64)}`);
    }
    return lines;
  }
}

function listing(code: readonly number[], mode: 32 | 64): string {
  const bytes = Uint8Array.from(code);
  const lines: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const address = BigInt(CODE_ADDRESS + at);
    const { length, text } = disassemble(decoder, bytes, at, mode, address, 'intel');
    lines.push(text);
    at += length;
  }
  return lines.join('; ');
}

describe('blocks of random instructions', () => {
  it('end in the same state on every executor', () => {
    const all = pieces();
    const machines = Object.keys(EXECUTORS).map((name) => new Machine(name));
    const wrong: string[] = [];
    for (let number = 0; number < BLOCKS && wrong.length < 5; number += 1) {
      const random = new Random(number * 7919 + 1);
      const mode = random.below(4) === 0 ? 32 : 64;
      const code = assemble(random, all, mode);
      const vector = new Vector();
      const kinds = [FormFlag.xmm, FormFlag.single, FormFlag.double];
      const flags =
        FormFlag.memory |
        kinds[random.below(3)]! |
        [0, FormFlag.mmx, FormFlag.x87][random.below(3)]!;
      vector.form = { mode, flags, bytes: Uint8Array.from(code) };
      vector.before.draw(number, 0, vector.form);
      // Half of the blocks under the default MXCSR.
      if (random.below(2) === 0) vector.before.mxcsr = 0x1f80 | (random.below(2) * 0x20);
      const differs = (count: number): string | undefined => {
        const results = machines.map((machine) => {
          machine.load(vector);
          return machine.run(count);
        });
        for (const [index, result] of results.entries()) {
          const at = result.findIndex((line, part) => line !== results[0]![part]);
          if (at < 0) continue;
          return `${machines[index]!.name} after ${count}: ${result[at]}, not ${results[0]![at]}`;
        }
        return undefined;
      };
      if (differs(STEPS) === undefined) continue;
      let first = 1;
      while (first < STEPS && differs(first) === undefined) first += 1;
      wrong.push(
        `block ${number} (${mode}-bit), ${differs(first) ?? differs(STEPS)}: ${listing(code, mode)}`,
      );
    }
    expect(wrong).toEqual([]);
  });
});
