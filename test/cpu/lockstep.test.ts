/**
 * Random blocks on all executors: straight code and loops of recorded instructions, whose registers
 * and memory must agree.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../src/core/memory.ts';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';
import { disassemble } from '../../src/cpu/disassemble/disassemble.ts';
import { Eflags } from '../../src/cpu/cpu.ts';
import { CpuException } from '../../src/cpu/exception.ts';
import { type Encoding, Trait } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { GPR, MXCSR, SegmentIndex, X87, XMM } from '../../src/cpu/state.ts';
import { setSegment } from '../../src/cpu/system/segments.ts';
import {
  EXECUTORS,
  regionSteps,
  type Steps,
  UNDEFINED,
} from '../../tools/record-vectors/executors.ts';
import {
  CODE_ADDRESS,
  DATA_ADDRESS,
  DATA_BYTES,
  FormFlag,
  type VectorForm,
} from '../../tools/record-vectors/state.ts';
import { Vector, VectorFile } from '../../tools/record-vectors/vectors.ts';
import type { Rig } from './rig.ts';
import { CODE_GPA, DATA_GPA, DATA_TABLE, loadVector, PRESENT, userModeRig } from './user-mode.ts';
import { cases } from '../support/cases.ts';

const path = join(import.meta.dirname, 'vectors/user-mode.bin.zst');
const BLOCKS = cases(5000, 100);
const MAX_INSTRUCTIONS = 10;
const STEPS = 48;
/** Runs of the same code before the one that counts, until its regions are compiled. */
const ROUNDS = 3;
const SECOND_GPA = 0x13_0000;
const CODE_16 = 0x00fb;
const DATA_16 = 0x00f3;
const rows = encodings();
const decoder = new Decoder(BASE_FEATURES);
const insn = new Instruction();

/** Instructions that leave the line, or that ring 3 may not execute, make no blocks. */
const ALONE = Trait.branch | Trait.cpl0 | Trait.iopl | Trait.io | Trait.smm;
const REPEATED = Trait.rep | Trait.repc;

interface Piece {
  readonly form: VectorForm;
  readonly row: Encoding;
}

function isAllowed({ traits, mnemonic }: Encoding): boolean {
  return (traits & ALONE) === 0 && !/^ud\d$/.test(mnemonic);
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
    if (isAllowed(row)) found.push({ form, row });
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

/** `mov r32, imm32`, or `mov r16, imm16` in 16-bit code */
function point(register: number, address: number, mode: CodeSize): number[] {
  const shifts = mode === 16 ? [0, 8] : [0, 8, 16, 24];
  return [0xb8 + register, ...shifts.map((shift) => (address >>> shift) & 0xff)];
}

const [CX, SP, BP, SI, DI] = [1, 4, 5, 6, 7];

/** The first instruction of a piece in another code size, if a block may have it. */
function reread({ form }: Piece, mode: CodeSize): Piece | undefined {
  if (form.mode === mode) return undefined;
  const length = decoder.decode(form.bytes, 0, form.bytes.length, mode, insn);
  if (length <= 0) return undefined;
  const row = rows[insn.row]!;
  if (!isAllowed(row)) return undefined;
  const memory = insn.modRm >= 0 && insn.rm < 0 ? FormFlag.memory : 0;
  const flags = (form.flags & ~FormFlag.memory) | memory;
  return { row, form: { mode: 32, flags, bytes: form.bytes.slice(0, length) } };
}

/** Within the first page of data, across its end, or beyond the end of the second, where nothing is. */
function place(random: Random): number {
  const choice = random.below(8);
  if (choice > 1) return 0x400;
  return (choice + 1) * PAGE_BYTES - 32 + random.below(32);
}

/** A conditional jump over nothing, or over what follows: a block ends, and flags outlive it. */
function branch(random: Random, next: readonly number[]): number[] {
  const over = random.below(2) === 0 || next.length > 100 ? 0 : next.length;
  if (random.below(4) === 0) return [0xeb, over];
  return [0x70 + random.below(16), over];
}

/**
 * Code of some pieces; those that need memory, or a stack, point to it first. A loop turns while ECX
 * lasts.
 */
function assemble(random: Random, fitting: readonly Piece[], mode: CodeSize): number[] {
  const isLoop = random.below(2) === 0;
  // Blocks of one kind have values that meet again; half are of general registers and flags.
  const { xmm, single, double, mmx, x87 } = FormFlag;
  const kind = [xmm, single | double, mmx, x87][random.below(8)];
  const related = fitting.filter(({ form, row }) =>
    kind === undefined ? row.unit === 'general' : (form.flags & kind) !== 0,
  );
  const code: number[] = isLoop ? point(CX, 1 + random.below(4), mode) : [];
  const data = mode === 16 ? 0 : DATA_ADDRESS;
  const start = code.length;
  const count = 1 + random.below(random.below(2) === 0 ? 4 : MAX_INSTRUCTIONS);
  for (let index = 0; index < count; index += 1) {
    const from = random.below(5) === 0 ? fitting : related;
    const { form, row } = from[random.below(from.length)]!;
    const piece: number[] = [];
    if ((form.flags & FormFlag.memory) !== 0 || (row.traits & REPEATED) !== 0) {
      piece.push(...point(DI, data + place(random), mode), ...point(SI, data + 0x600, mode));
    }
    if ((row.traits & REPEATED) !== 0) piece.push(...point(CX, random.below(40), mode));
    if (row.implicit.includes('sp') || random.below(8) === 0) {
      piece.push(...point(SP, data + 0x800, mode), ...point(BP, data + 0x820, mode));
    }
    piece.push(...form.bytes);
    if (random.below(4) === 0) code.push(...branch(random, piece));
    code.push(...piece);
  }
  // dec ecx and jnz, or loop, which leaves the flags alone.
  const end = random.below(2) === 0 ? [0xff, 0xc9, 0x75] : [0xe2];
  const back = start - code.length - end.length - 1;
  if (isLoop && back >= -128) code.push(...end, back & 0xff);
  code.push(...UNDEFINED);
  return code;
}

class Machine {
  readonly name: string;
  readonly rig: Rig;
  readonly #steps: Steps;

  constructor(name: string, make: (rig: Rig) => Steps) {
    this.name = name;
    this.rig = userModeRig(name);
    this.#steps = make(this.rig);
    // A second page of data, elsewhere in memory.
    this.rig.put(DATA_TABLE + 8, 8, SECOND_GPA + PRESENT);
  }

  load(vector: Vector, mode: CodeSize, isKnown = false): void {
    const { cpu } = this.rig;
    loadVector(this.rig, vector);
    cpu.u8.fill(0x5a, this.rig.at(SECOND_GPA), this.rig.at(SECOND_GPA) + DATA_BYTES);
    // Repeated instructions do all they can at once.
    cpu.eflags &= ~Eflags.tf;
    if (mode === 16) {
      setSegment(cpu, SegmentIndex.cs, 0x23, CODE_ADDRESS, 0xffff, CODE_16);
      for (const segment of [SegmentIndex.es, SegmentIndex.ss, SegmentIndex.ds]) {
        setSegment(cpu, segment, 0x2b, DATA_ADDRESS, 0x1fdf, DATA_16);
      }
      cpu.rip = 0;
      cpu.updateMode(3);
    }
    if (!isKnown) this.#steps.changed(this.rig.at(CODE_GPA), PAGE_BYTES);
  }

  /** In slices of so many instructions. @returns exception and state, one line each part */
  run(count: number, slice = count): string[] {
    const { cpu } = this.rig;
    let exception = 'none';
    try {
      for (let done = 0; done < count; done += slice) {
        this.#steps.run(Math.min(slice, count - done));
      }
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
    for (const page of [DATA_GPA, SECOND_GPA]) {
      const data = this.rig.at(page);
      for (let at = 0; at < DATA_BYTES; at += 64) {
        lines.push(`memory ${(page + at).toString(16)} ${part(data + at, 64)}`);
      }
    }
    return lines;
  }
}

function listing(code: readonly number[], mode: CodeSize): string {
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

/** All executors, the reference first; the last has the regions that it meets compiled. */
class Ensemble {
  readonly #regions = new Machine('regions', regionSteps);
  readonly #machines: readonly Machine[] = [
    ...Object.entries(EXECUTORS).map(([name, make]) => new Machine(name, make)),
    this.#regions,
  ];

  /** @returns what differs first from the reference after so many instructions, in slices on the others */
  difference(vector: Vector, mode: CodeSize, count: number, slice: number): string | undefined {
    const results = this.#machines.map((machine, index) => {
      machine.load(vector, mode);
      for (let time = 0; time < ROUNDS && machine === this.#regions; time += 1) {
        machine.run(count, slice);
        machine.load(vector, mode, true);
      }
      return machine.run(count, index === 0 ? count : slice);
    });
    for (const [index, result] of results.entries()) {
      const at = result.findIndex((line, part) => line !== results[0]![part]);
      if (at < 0) continue;
      return `${this.#machines[index]!.name} after ${count}: ${result[at]}, not ${results[0]![at]}`;
    }
    return undefined;
  }
}

/** One for all tests: the engine compiles every handler anew for another. */
const ensemble = new Ensemble();

/** 64-bit code whose jumps make regions that are not plain. */
const SHAPES: Readonly<Record<string, string>> = {
  // mov ecx, 6; L: test cl, 1; jz E; cmp ecx, 3; jmp J; E: test ecx, ecx; J: jle K; inc eax; K: dec ecx; jnz L
  'a condition of two kinds of flags':
    'b906000000 f6c101 7405 83f903 eb02 85c9 7e02 ffc0 ffc9 75ec 0f0b',
  // mov ecx, 5; test cl, 1; jz M; H: inc eax; M: inc edx; dec ecx; jnz H
  'a loop with two entries': 'b905000000 f6c101 7402 ffc0 ffc2 ffc9 75f8 0f0b',
  // mov esp, 20000800h; mov ecx, 4; L: dec ecx; jz X; call F; jmp L; X: inc edx; F: inc eax; ret
  'a call of what is also reached': 'bc00080020 b904000000 ffc9 7407 e804000000 ebf5 ffc2 ffc0 c3',
  // mov ecx, 3; L: mov edx, 2; M: add eax, edx; adc ebx, 0; dec edx; jnz M; sub ecx, 1; ja L
  'loops in each other': 'b903000000 ba02000000 01d0 83d300 ffca 75f7 83e901 77ed 0f0b',
};

describe('regions', () => {
  it.each(Object.entries(SHAPES))('run %s as the reference does', (_name, text) => {
    const vector = new Vector();
    const bytes = Uint8Array.from(text.replaceAll(' ', '').match(/../g)!, (byte) =>
      Number.parseInt(byte, 16),
    );
    vector.form = { mode: 64, flags: FormFlag.memory, bytes };
    vector.before.draw(1, 0, vector.form);
    for (const count of [9, 22, STEPS]) {
      for (const slice of [count, 7]) {
        expect(ensemble.difference(vector, 64, count, slice)).toBeUndefined();
      }
    }
  });
});

describe('blocks of random instructions', () => {
  it('end in the same state on every executor', () => {
    const all = pieces();
    const wrong: string[] = [];
    const fitting: Readonly<Record<CodeSize, Piece[]>> = {
      16: all.flatMap((piece) => reread(piece, 16) ?? []),
      32: all.filter(({ form }) => form.mode === 32),
      64: all.filter(({ form }) => form.mode === 64),
    };
    const modes: readonly CodeSize[] = [16, 32, 64, 64];
    for (let number = 0; number < BLOCKS && wrong.length < 5; number += 1) {
      const random = new Random(number * 7919 + 1);
      const mode = modes[random.below(4)]!;
      const code = assemble(random, fitting[mode], mode);
      const vector = new Vector();
      const kinds = [FormFlag.xmm, FormFlag.single, FormFlag.double];
      const registers = [0, FormFlag.mmx, FormFlag.x87][random.below(3)]!;
      const flags = FormFlag.memory | kinds[random.below(3)]! | registers;
      vector.form = { mode: mode === 64 ? 64 : 32, flags, bytes: Uint8Array.from(code) };
      vector.before.draw(number, 0, vector.form);
      // Half of the blocks under the default MXCSR.
      if (random.below(2) === 0) vector.before.mxcsr = 0x1f80 | (random.below(2) * 0x20);
      if (mode === 16)
        for (let word = 0; word < 16; word += 2) vector.before.gpr[word]! &= 0xffff_0fff;
      const slice = 1 + random.below(STEPS);
      const differs = (count: number): string | undefined =>
        ensemble.difference(vector, mode, count, slice);
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
