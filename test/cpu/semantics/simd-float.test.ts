/** The short way of SSE arithmetic against the functions that it stands for, on operands of all kinds. */
import { describe, expect, it } from 'vitest';
import { callInstruction } from '../../../src/cpu/call.ts';
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { Instruction } from '../../../src/cpu/decode/instruction.ts';
import { NEEDS_FUNCTION, ReferenceEmit } from '../../../src/cpu/reference/reference-emit.ts';
import { bind, type BoundInstruction } from '../../../src/cpu/semantics/bind.ts';
import { meaningFor } from '../../../src/cpu/semantics/meanings.ts';
import { SIMD_CONVERSIONS } from '../../../src/cpu/semantics/simd-convert.ts';
import { SIMD_FLOAT } from '../../../src/cpu/semantics/simd-float.ts';
import { GPR, MXCSR, XMM } from '../../../src/cpu/state.ts';
import { BASE_FEATURES, encodings } from '../../../src/cpu/table/table.ts';
import { EXECUTORS, UNDEFINED } from '../../../tools/record-vectors/executors.ts';
import { encode } from '../../../tools/record-vectors/encode.ts';
import { CODE_ADDRESS } from '../../../tools/record-vectors/state.ts';
import { Vector } from '../../../tools/record-vectors/vectors.ts';
import { cases } from '../../support/cases.ts';
import { CODE_GPA, loadVector, userModeRig } from '../user-mode.ts';

const DEFAULT_MXCSR = 0x1f80;
const PRECISION = 0x20;
const STATE_WORDS = 64;
const DRAWS = cases(250, 100);
const REFERENCE_DRAWS = 12;

const decoder = new Decoder(BASE_FEATURES);
const rig = userModeRig();
const { cpu } = rig;
const steps = EXECUTORS['tier 1']!(rig);
const rows = encodings().filter(
  ({ unit, mnemonic }) =>
    unit === 'sse' && (mnemonic in SIMD_FLOAT || mnemonic in SIMD_CONVERSIONS),
);

let seed = 1;
function draw(): number {
  seed = (seed + 0x9e37_79b9) | 0;
  let mixed = seed;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0_aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** A number of every magnitude, whole ones, limits, and what is none. */
function drawNumber(isDouble: boolean): number {
  const sign = (draw() & 1) === 0 ? 1 : -1;
  const fraction = 1 + draw() / 2 ** 32 + draw() / 2 ** 56;
  const [least, greatest] = isDouble ? [-1022, 1023] : [-126, 127];
  const choice = draw() % 12;
  if (choice < 3) return sign * fraction * 2 ** (draw() % 8);
  if (choice < 5) return sign * (draw() % 1000);
  if (choice === 5) return sign * fraction * 2 ** (least + (draw() % 60));
  if (choice === 6) return sign * fraction * 2 ** (greatest - (draw() % 60));
  if (choice === 7) return sign * fraction * 2 ** Math.floor((least + (draw() % 4) - 2) / 2);
  if (choice === 8) return sign * fraction * 2 ** (28 + (draw() % 6));
  if (choice === 9) return sign * 2 ** (least - (draw() % 24));
  if (choice === 10) return sign * 2 ** (draw() % 200);
  return [0, -0, Infinity, -Infinity, Number.NaN, 1, 2 ** 31, -(2 ** 31), 0.5, 1.5, 2.5, -0.5][
    draw() % 12
  ]!;
}

const singles = new Float32Array(4);
const doubles = new Float64Array(2);
const words = new Uint32Array(4);

/** A vector of singles, doubles or 32-bit integers. */
function drawVector(kind: 'single' | 'double' | 'integer'): Uint32Array {
  if (kind === 'single') {
    for (let i = 0; i < 4; i += 1) singles[i] = drawNumber(false);
    words.set(new Uint32Array(singles.buffer));
  } else if (kind === 'double') {
    for (let i = 0; i < 2; i += 1) doubles[i] = drawNumber(true);
    words.set(new Uint32Array(doubles.buffer));
  } else for (let i = 0; i < 4; i += 1) words[i] = draw() >>> (draw() % 32);
  return words;
}

function kindOf(mnemonic: string): 'single' | 'double' | 'integer' {
  if (/^cvt(?:dq|si)/.test(mnemonic)) return 'integer';
  const name = mnemonic.replace(/^(cvtt?)([ps][sd])2.*/, '$2');
  return /[ps]s$/.test(name) ? 'single' : 'double';
}

/** Registers and flags that the instruction reads and writes. */
function snapshot(): string {
  const vectors = cpu.u32.subarray(XMM >> 2, (XMM >> 2) + 8);
  const general = cpu.u32.subarray(GPR >> 2, (GPR >> 2) + 4);
  return [...vectors, ...general, cpu.u32[MXCSR >> 2]!, cpu.eflags, cpu.rip]
    .map((word) => word.toString(16))
    .join(' ');
}

interface Case {
  readonly bound: BoundInstruction;
  readonly bytes: Uint8Array;
}

/** The row between registers 0 and 1, 32 and 64 bits wide where that differs. */
function casesOf(row: (typeof rows)[number]): Case[] {
  const isGeneral = row.operands.some(({ size }) => size === 'y');
  const hasImmediate = row.operands.some(({ letter }) => letter === 'I');
  const immediates = hasImmediate ? [0, 1, 2, 3, 4, 5, 6, 7, 9, 12] : [0];
  return (isGeneral ? [0, 0x48] : [0]).flatMap((rex) =>
    immediates.map((immediate) => {
      const options = { prefixes: 0, rex, operand: [0xc1] };
      const bytes = encode(row, 64, () => 0, options)!;
      if (hasImmediate) bytes[bytes.length - 1] = immediate;
      const insn = new Instruction();
      decoder.decode(bytes, 0, bytes.length, 64, insn);
      return { bound: bind(insn, cpu.mode), bytes };
    }),
  );
}

function start(): void {
  loadVector(rig, new Vector());
  cpu.u32[MXCSR >> 2] = DEFAULT_MXCSR;
  cpu.updateMode();
}

describe('SSE arithmetic under the default MXCSR', () => {
  it('is what its functions compute, flags and all, on every executor', () => {
    start();
    const wrong: string[] = [];
    for (const row of rows) {
      const kind = kindOf(row.mnemonic);
      for (const { bound, bytes } of casesOf(row)) {
        cpu.u8.set([...bytes, ...UNDEFINED], rig.at(CODE_GPA));
        steps.changed(rig.at(CODE_GPA), 32);
        for (let count = 0; count < DRAWS / (bound.insn.immediate > 0 ? 4 : 1); count += 1) {
          const state = new Uint32Array(STATE_WORDS);
          state.set(drawVector(kind), 0);
          state.set((draw() & 7) === 0 ? state.subarray(0, 4) : drawVector(kind), 4);
          const flags = (draw() & 1) === 0 ? PRECISION : 0;
          const mxcsr = DEFAULT_MXCSR | flags | (draw() & draw() & draw() & 0x1f);
          const integers = [draw() >>> (draw() % 32), draw(), draw(), draw() >> (draw() % 32)];
          const before = (): void => {
            cpu.u32.set(state.subarray(0, 8), XMM >> 2);
            cpu.u32.set(integers, GPR >> 2);
            cpu.u32[MXCSR >> 2] = mxcsr;
            cpu.eflags = 0x202;
            cpu.rip = CODE_ADDRESS;
          };
          before();
          callInstruction(cpu, bound);
          const expected = snapshot();
          before();
          steps.run(1);
          const results = [snapshot()];
          if (count < REFERENCE_DRAWS) {
            before();
            try {
              const emit = new ReferenceEmit(cpu, bound);
              meaningFor(bound)!(emit);
              cpu.rip = Number(emit.next);
            } catch (error) {
              if (error !== NEEDS_FUNCTION) throw error;
              callInstruction(cpu, bound);
            }
            results.push(snapshot());
          }
          for (const result of results) {
            if (result === expected) continue;
            const operands = [...state.subarray(0, 8)].map((word) => word.toString(16)).join(' ');
            wrong.push(
              `${row.mnemonic} ${operands}, ${mxcsr.toString(16)}: ${result}, not ${expected}`,
            );
          }
        }
      }
    }
    expect(wrong.slice(0, 10)).toEqual([]);
    expect(rows.length).toBe(66);
  });

  it('needs no function for ordinary numbers, exact ones before the first inexact result too', () => {
    start();
    const called: string[] = [];
    for (const row of rows) {
      if (/^cvt(?:dq|si)/.test(row.mnemonic)) continue;
      for (const isExact of [false, true]) {
        // 6 and 3, or 7 and 3; a square root of 9.
        const isRoot = row.mnemonic.startsWith('sqrt');
        if (isExact && /^(?:r?sqrt|rcp|div)/.test(row.mnemonic) && !isRoot) continue;
        const [a, b] = isExact ? [6, isRoot ? 9 : 3] : [7.25, 3.75];
        const isSingle = kindOf(row.mnemonic) === 'single';
        const view = isSingle ? new Float32Array(8) : new Float64Array(4);
        view.fill(a, 0, view.length / 2).fill(b, view.length / 2);
        const { bound } = casesOf(row)[0]!;
        cpu.u32.set(new Uint32Array(view.buffer), XMM >> 2);
        cpu.u32[MXCSR >> 2] = DEFAULT_MXCSR | (isExact ? 0 : PRECISION);
        try {
          meaningFor(bound)!(new ReferenceEmit(cpu, bound));
        } catch (error) {
          if (error !== NEEDS_FUNCTION) throw error;
          called.push(`${row.mnemonic} of ${isExact ? 'exact' : 'other'} numbers`);
        }
      }
    }
    expect(called).toEqual([]);
  });
});
