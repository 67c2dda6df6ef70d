/**
 * Every executor against what a real processor did: under `npm run test:exhaustive` in all 205,600
 * vectors, else in a few of one form of each row. `SYNTHVM_VECTORS=addps,paddb` runs all of some mnemonics.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { hasFunction } from '../../src/cpu/call.ts';
import { Decoder, MAX_INSTRUCTION_BYTES } from '../../src/cpu/decode/decode.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { CpuException, NO_ERROR_CODE } from '../../src/cpu/exception.ts';
import { meaningOf } from '../../src/cpu/semantics/meanings.ts';
import { System } from '../../src/cpu/state.ts';
import type { Encoding } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import {
  EXECUTORS,
  type Machine,
  type Steps,
  UNDEFINED,
} from '../../tools/record-vectors/executors.ts';
import { noteRow, writeCoverage } from '../../tools/record-vectors/coverage.ts';
import { FLAG_MASK } from '../../tools/record-vectors/state.ts';
import { undefinedFlags, type Vector, VectorFile } from '../../tools/record-vectors/vectors.ts';
import { IS_EXHAUSTIVE } from '../support/cases.ts';
import type { Rig } from './rig.ts';
import { CODE_GPA, compareState, loadVector, userModeRig } from './user-mode.ts';

const path = join(import.meta.dirname, 'vectors/user-mode.bin.zst');
const PAGE_FAULT = 14;
const SHOWN_ROWS = 40;
const choice = process.env['SYNTHVM_VECTORS'] ?? '';
const only = choice === '' ? undefined : new Set(choice.split(','));
const rows = encodings();
const decoder = new Decoder(BASE_FEATURES);
const insn = new Instruction();

/** Takes a form of each row, every other row's in 32-bit code if it has one, and of that one vector of eight. */
class Sample {
  readonly #forms = new Set<number>();

  constructor(file: VectorFile) {
    const formOf = new Map<number, number>();
    const visit = ({ form, index }: Vector): void => {
      const { bytes, mode } = form;
      if (decoder.decode(bytes, 0, bytes.length, mode, insn) !== bytes.length) return;
      const isPreferred = (mode === 32) === ((insn.row & 1) === 1);
      if (isPreferred || !formOf.has(insn.row)) formOf.set(insn.row, index);
    };
    file.forEach(visit, (_index, repetition) => repetition === 0);
    for (const index of formOf.values()) this.#forms.add(index);
  }

  /** Another repetition for each form. */
  has(index: number, repetition: number): boolean {
    return this.#forms.has(index) && ((repetition + index) & 7) === 0;
  }
}

function isChosen(row: Encoding): boolean {
  if (only !== undefined && !only.has(row.mnemonic)) return false;
  return meaningOf(row) !== undefined || hasFunction(row);
}

function exceptionOf(action: () => void): CpuException | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof CpuException) return error;
    throw error;
  }
  return undefined;
}

/** A double shift by more than the operand's size leaves its destination open. */
function isOpen(vector: Vector, row: Encoding, insn: Instruction): boolean {
  return /^sh[lr]d$/.test(row.mnemonic) && undefinedFlags(vector, row, insn) === FLAG_MASK;
}

class Replay {
  readonly #rig: Rig;
  readonly #steps: Steps;
  readonly name: string;
  #form = -1;

  constructor(name: string, make: (machine: Machine) => Steps) {
    this.name = name;
    this.#rig = userModeRig(name);
    this.#steps = make(this.#rig);
  }

  /** @returns what differs */
  run(vector: Vector, row: Encoding, insn: Instruction): string[] {
    const { cpu } = this.#rig;
    loadVector(this.#rig, vector);
    if (vector.index !== this.#form) {
      this.#form = vector.index;
      const code = this.#rig.at(CODE_GPA);
      cpu.u8.set(UNDEFINED, code + vector.form.bytes.length);
      this.#steps.changed(code, MAX_INSTRUCTION_BYTES);
    }
    const exception = exceptionOf(() => this.#steps.run(1));
    noteRow(this.name, row.index, exception !== undefined);
    const open = vector.exception < 0 ? undefinedFlags(vector, row, insn) : 0;
    const wrong = compareState(this.#rig, vector, row, open);
    const got = exception?.vector ?? -1;
    if (got !== vector.exception) return [`exception ${got} not ${vector.exception}`, ...wrong];
    if (exception === undefined) return wrong;
    const code = exception.errorCode === NO_ERROR_CODE ? 0 : exception.errorCode;
    if (code !== vector.errorCode) {
      wrong.push(`error ${code.toString(16)} not ${vector.errorCode.toString(16)}`);
    }
    if (got !== PAGE_FAULT) return wrong;
    const cr2 = [cpu.u32[System.cr2 >> 2], cpu.u32[(System.cr2 >> 2) + 1]];
    if (cr2.join() !== vector.cr2.join()) wrong.push(`CR2 ${cr2.join()} not ${vector.cr2.join()}`);
    return wrong;
  }
}

/** How many vectors an executor passed and failed, and the first failure. */
interface Count {
  passed: number;
  failed: number;
  first: string;
}

/** Code, mnemonic, operands and failures of each executor and row that has some. */
function report(counts: ReadonlyMap<string, Count>): string[] {
  return [...counts]
    .filter(([, { failed }]) => failed > 0)
    .map(([name, { passed, failed, first }]) => {
      return `${name}: ${passed} passed, ${failed} failed; ${first}`;
    });
}

afterAll(() => {
  writeCoverage('executors');
});

describe('every executor', () => {
  it('does what a real processor did, in 64-bit and in 32-bit code of ring 3', () => {
    const replays = Object.entries(EXECUTORS).map(([name, make]) => new Replay(name, make));
    const counts = new Map<string, Count>();
    const run = new Set<number>();
    const file = new VectorFile(zstdDecompressSync(readFileSync(path)));
    const sample = IS_EXHAUSTIVE || only !== undefined ? undefined : new Sample(file);
    file.forEach(
      (vector) => {
        const { bytes, mode } = vector.form;
        if (decoder.decode(bytes, 0, bytes.length, mode, insn) !== bytes.length) return;
        const row = rows[insn.row]!;
        if (!isChosen(row) || isOpen(vector, row, insn)) return;
        run.add(insn.row);
        for (const replay of replays) {
          const wrong = replay.run(vector, row, insn);
          const operands = row.operands.map(({ text }) => text).join(',');
          const name = `${replay.name}: ${row.code} ${row.mnemonic} ${operands}`;
          let count = counts.get(name);
          if (count === undefined) counts.set(name, (count = { passed: 0, failed: 0, first: '' }));
          if (wrong.length === 0) count.passed += 1;
          else {
            count.failed += 1;
            const hex = Buffer.from(bytes).toString('hex');
            const where = `${mode}-bit ${hex} #${vector.index}.${vector.repetition}`;
            if (count.failed === 1) count.first = `${where}: ${wrong.slice(0, 4).join('; ')}`;
          }
        }
      },
      (index, repetition) => sample?.has(index, repetition) ?? true,
    );
    expect(report(counts).slice(0, SHOWN_ROWS)).toEqual([]);
    if (only === undefined) expect(run.size).toBeGreaterThan(880);
  });
});
