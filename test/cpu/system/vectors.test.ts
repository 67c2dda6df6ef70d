import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { Instruction } from '../../../src/cpu/decode/instruction.ts';
import { CpuException, NO_ERROR_CODE } from '../../../src/cpu/exception.ts';
import { checkPrivilege } from '../../../src/cpu/system/privilege.ts';
import { systemInstructionOf } from '../../../src/cpu/system/system.ts';
import { System } from '../../../src/cpu/state.ts';
import { Trait } from '../../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../../src/cpu/table/table.ts';
import { type Vector, VectorFile } from '../../../tools/record-vectors/vectors.ts';
import { compareState, loadVector, userModeRig } from '../user-mode.ts';

const path = join(import.meta.dirname, '../vectors/user-mode.bin.zst');
const rows = encodings();
const functions = rows.map(systemInstructionOf);
const decoder = new Decoder(BASE_FEATURES);
const insn = new Instruction();
const rig = userModeRig();
const { cpu } = rig;
const PAGE_FAULT = 14;

/** Executes a vector's instruction, one iteration of a repeated one. @returns the exception, or undefined */
function execute(traits: number): CpuException | undefined {
  try {
    checkPrivilege(cpu, traits);
    cpu.isRepeating = false;
    functions[insn.row]!(cpu, insn);
    if ((traits & Trait.branch) === 0 && !cpu.isRepeating) cpu.rip += insn.length;
  } catch (error) {
    if (error instanceof CpuException) return error;
    throw error;
  }
  return undefined;
}

function check(vector: Vector): string[] {
  loadVector(rig, vector);
  const exception = execute(rows[insn.row]!.traits);
  const wrong = compareState(rig, vector, rows[insn.row]!, rows[insn.row]!.flags.undefined);
  const got = exception?.vector ?? -1;
  if (got !== vector.exception) return [`exception ${got} not ${vector.exception}`, ...wrong];
  if (exception === undefined) return wrong;
  const code = exception.errorCode === NO_ERROR_CODE ? 0 : exception.errorCode;
  if (code !== vector.errorCode)
    wrong.push(`error ${code.toString(16)} not ${vector.errorCode.toString(16)}`);
  if (got === PAGE_FAULT) {
    const cr2 = [cpu.u32[System.cr2 >> 2], cpu.u32[(System.cr2 >> 2) + 1]];
    if (cr2.join() !== vector.cr2.join()) wrong.push(`CR2 ${cr2.join()} not ${vector.cr2.join()}`);
  }
  return wrong;
}

describe('system and string instructions', () => {
  it('do in ring 3 what a real processor did, in 64-bit and in 32-bit code', () => {
    const wrong: string[] = [];
    const run = new Set<number>();
    const counts = { completed: 0, faulted: 0 };
    new VectorFile(zstdDecompressSync(readFileSync(path))).forEach((vector) => {
      const { bytes, mode } = vector.form;
      if (decoder.decode(bytes, 0, bytes.length, mode, insn) !== bytes.length) return;
      if (functions[insn.row] === undefined) return;
      run.add(insn.row);
      if (vector.exception < 0) counts.completed += 1;
      else counts.faulted += 1;
      const differences = check(vector);
      if (differences.length === 0) return;
      const text = Buffer.from(bytes).toString('hex');
      wrong.push(
        `${rows[insn.row]!.mnemonic} ${text} #${vector.repetition}: ${differences.join('; ')}`,
      );
    });
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(run.size).toBeGreaterThan(40);
    expect(counts.completed).toBeGreaterThan(2000);
    expect(counts.faulted).toBeGreaterThan(1000);
  });
});
