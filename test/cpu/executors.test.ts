/**
 * Every executor against what a real processor did. `SYNTHVM_VECTORS=all` runs all 205,600 vectors,
 * else one of four; `SYNTHVM_VECTORS=addps,paddb` all of some mnemonics.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hasFunction } from '../../src/cpu/call.ts';
import type { Cpu } from '../../src/cpu/cpu.ts';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { CpuException, NO_ERROR_CODE } from '../../src/cpu/exception.ts';
import { ReferenceExecutor } from '../../src/cpu/reference/execute.ts';
import { meaningOf } from '../../src/cpu/semantics/meanings.ts';
import { System } from '../../src/cpu/state.ts';
import type { Encoding } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { FLAG_MASK } from '../../tools/record-vectors/state.ts';
import { undefinedFlags, type Vector, VectorFile } from '../../tools/record-vectors/vectors.ts';
import { compareState, loadVector, userModeRig } from './user-mode.ts';

const path = join(import.meta.dirname, 'vectors/user-mode.bin.zst');
const PAGE_FAULT = 14;
const SHOWN_ROWS = 40;
const choice = process.env['SYNTHVM_VECTORS'] ?? '';
const only = choice === 'all' || choice === '' ? undefined : new Set(choice.split(','));
const rows = encodings();

/** Executes the instruction at RIP, and throws its exception. */
interface Steps {
  step(): void;
}

const EXECUTORS: Readonly<Record<string, (cpu: Cpu) => Steps>> = {
  reference: (cpu) => new ReferenceExecutor(cpu),
};

function isChosen(row: Encoding, { repetition, index }: Vector): boolean {
  if (only !== undefined) return only.has(row.mnemonic);
  return choice === 'all' || ((repetition + index) & 3) === 0;
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

function isSupported(row: Encoding): boolean {
  return meaningOf(row) !== undefined || hasFunction(row);
}

/** A double shift by more than the operand's size leaves its destination open. */
function isOpen(vector: Vector, row: Encoding, insn: Instruction): boolean {
  return /^sh[lr]d$/.test(row.mnemonic) && undefinedFlags(vector, row, insn) === FLAG_MASK;
}

class Replay {
  readonly #rig = userModeRig();
  readonly #steps: Steps;

  constructor(make: (cpu: Cpu) => Steps) {
    this.#steps = make(this.#rig.cpu);
  }

  /** @returns what differs */
  run(vector: Vector, row: Encoding, insn: Instruction): string[] {
    const { cpu } = this.#rig;
    loadVector(this.#rig, vector);
    const exception = exceptionOf(() => this.#steps.step());
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

interface RowCount {
  passed: number;
  failed: number;
  first: string;
}

/** Mnemonic, operands and how many vectors of each row passed and failed, with its first failure. */
function report(counts: ReadonlyMap<number, RowCount>): string[] {
  return [...counts]
    .filter(([, { failed }]) => failed > 0)
    .map(([index, { passed, failed, first }]) => {
      const { code, mnemonic, operands } = rows[index]!;
      const name = `${code} ${mnemonic} ${operands.map(({ text }) => text).join(',')}`;
      return `${name}: ${passed} passed, ${failed} failed; ${first}`;
    });
}

describe.each(Object.entries(EXECUTORS))('the %s executor', (_name, make) => {
  it('does what a real processor did, in 64-bit and in 32-bit code of ring 3', () => {
    const replay = new Replay(make);
    const decoder = new Decoder(BASE_FEATURES);
    const insn = new Instruction();
    const counts = new Map<number, RowCount>();
    new VectorFile(zstdDecompressSync(readFileSync(path))).forEach((vector) => {
      const { bytes, mode } = vector.form;
      if (decoder.decode(bytes, 0, bytes.length, mode, insn) !== bytes.length) return;
      const row = rows[insn.row]!;
      if (!isChosen(row, vector)) return;
      if (isOpen(vector, row, insn) || !isSupported(row)) return;
      const wrong = replay.run(vector, row, insn);
      let count = counts.get(insn.row);
      if (count === undefined) counts.set(insn.row, (count = { passed: 0, failed: 0, first: '' }));
      if (wrong.length === 0) count.passed += 1;
      else {
        count.failed += 1;
        const hex = Buffer.from(bytes).toString('hex');
        if (count.failed === 1) {
          count.first = `${mode}-bit ${hex} #${vector.index}.${vector.repetition}: ${wrong.slice(0, 4).join('; ')}`;
        }
      }
    });
    expect(report(counts).slice(0, SHOWN_ROWS)).toEqual([]);
    if (only === undefined) expect(counts.size).toBeGreaterThan(580);
  });
});
