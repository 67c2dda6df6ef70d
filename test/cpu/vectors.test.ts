import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DecodeFault, Decoder } from '../../src/cpu/decode/decode.ts';
import { Instruction } from '../../src/cpu/decode/instruction.ts';
import { type Encoding, FLAG_BITS } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { excluded } from '../../tools/record-vectors/forms.ts';
import { CODE_ADDRESS, DATA_ADDRESS, FLAG_MASK } from '../../tools/record-vectors/state.ts';
import { undefinedFlags, type Vector, VectorFile } from '../../tools/record-vectors/vectors.ts';

const path = join(import.meta.dirname, 'vectors/user-mode.bin.zst');
const file = new VectorFile(zstdDecompressSync(readFileSync(path)));
const UNDEFINED_OPCODE = 6;

/** A 32-bit register or memory operand before the instruction, where ModRM says. */
function source32(vector: Vector, insn: Instruction): number {
  const { before } = vector;
  if (insn.rm >= 0) return before.gpr[2 * insn.rm]!;
  const offset = before.gpr[2 * insn.base]! + insn.displacement - DATA_ADDRESS;
  return new DataView(before.memory.buffer).getUint32(offset, true);
}

function sourceXmm(vector: Vector, insn: Instruction): Uint32Array {
  const { before } = vector;
  if (insn.rm >= 0) return before.xmm.slice(4 * insn.rm, 4 * insn.rm + 4);
  const offset = before.gpr[2 * insn.base]! + insn.displacement - DATA_ADDRESS;
  return new Uint32Array(before.memory.slice(offset, offset + 16).buffer);
}

/** What a row's meaning says of results that need no executor to know. */
type Law = (vector: Vector, insn: Instruction, row: Encoding) => void;

function evenParity(value: number): boolean {
  let bits = value & 0xff;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  return ((bits ^ (bits >> 1)) & 1) === 0;
}

const LAWS: Readonly<Record<string, Law>> = {
  '8b/r mov': (vector, insn) => {
    if (insn.operandSize !== 4) return;
    expect(vector.after.gpr[2 * insn.reg]).toBe(source32(vector, insn));
    expect(vector.after.gpr[2 * insn.reg + 1]).toBe(0);
    expect(vector.after.eflags).toBe(vector.before.eflags);
  },
  '2b/r sub': (vector, insn) => {
    if (insn.operandSize !== 4) return;
    const [a, b] = [vector.before.gpr[2 * insn.reg]!, source32(vector, insn)];
    expect(vector.after.gpr[2 * insn.reg]).toBe((a - b) >>> 0);
    expect((vector.after.eflags & FLAG_BITS['c']!) !== 0).toBe(a < b);
    expect((vector.after.eflags & FLAG_BITS['z']!) !== 0).toBe(a === b);
  },
  'c1/5 shr': (vector, insn, row) => {
    if (insn.operandSize !== 4) return;
    const value = source32(vector, insn);
    const count = insn.immediate & 31;
    const result = value >>> count;
    if (insn.rm >= 0) expect(vector.after.gpr[2 * insn.rm]).toBe(result);
    let flags = ((value >>> (count - 1)) & 1) | (result === 0 ? FLAG_BITS['z']! : 0);
    flags |= ((result >>> 24) & FLAG_BITS['s']!) | ((value >>> 20) & FLAG_BITS['o']!);
    flags |= evenParity(result) ? FLAG_BITS['p']! : 0;
    const expected = count === 0 ? vector.before.eflags & ~FLAG_BITS['d']! : flags;
    const compared = FLAG_MASK & ~FLAG_BITS['d']! & ~undefinedFlags(vector, row, insn);
    expect(vector.after.eflags & compared).toBe(expected & compared);
  },
  'np.0f10/r movups': (vector, insn) => {
    const after = vector.after.xmm.slice(4 * insn.reg, 4 * insn.reg + 4);
    expect(after).toEqual(sourceXmm(vector, insn));
  },
  'd9/1:r fxch': (vector, insn) => {
    const { before, after } = vector;
    const top = (before.fsw >> 11) & 7;
    const other = (top + insn.rm) & 7;
    if (((before.tags >> top) & (before.tags >> other) & 1) === 0) return;
    const at = (state: Vector['before'], register: number): Uint32Array =>
      state.st.slice(3 * register, 3 * register + 3);
    expect(at(after, top)).toEqual(at(before, other));
    expect(at(after, other)).toEqual(at(before, top));
  },
  '74 je': (vector, insn) => {
    const taken = (vector.before.eflags & FLAG_BITS['z']!) !== 0;
    const next = CODE_ADDRESS + insn.length + (taken ? insn.immediate : 0);
    expect(vector.rip[0]).toBe(next >>> 0);
  },
};

const decoder = new Decoder(BASE_FEATURES);
const insn = new Instruction();

/** Flags that the table says the row never touches. */
function untouched({ flags }: Encoding): number {
  const touched = flags.written | flags.byCount | flags.undefined | flags.cleared | flags.set;
  return FLAG_MASK & ~touched;
}

describe('recorded vectors', () => {
  it('hold to the table: lengths, flags, and what needs no executor', () => {
    const rows = encodings();
    const wrong = new Set<string>();
    const run = new Set<number>();
    const checked = new Map<string, number>();
    let faults = 0;
    file.forEach((vector) => {
      const { bytes, mode } = vector.form;
      const length = decoder.decode(bytes, 0, bytes.length, mode, insn);
      if (length === DecodeFault.undefinedOpcode) {
        if (vector.exception !== UNDEFINED_OPCODE)
          wrong.add(`${Buffer.from(bytes).toString('hex')}: executes`);
        return;
      }
      const row = rows[insn.row]!;
      const name = `${row.code} ${row.mnemonic}`;
      run.add(insn.row);
      if (length !== bytes.length) wrong.add(`${name}: length`);
      if (vector.exception >= 0) {
        faults++;
        return;
      }
      const changed = vector.before.eflags ^ vector.after.eflags;
      if ((changed & untouched(row)) !== 0) wrong.add(`${name}: changes other flags`);
      if ((vector.after.eflags & row.flags.cleared) !== 0) wrong.add(`${name}: leaves flags set`);
      if ((~vector.after.eflags & row.flags.set & FLAG_MASK) !== 0)
        wrong.add(`${name}: leaves flags clear`);
      LAWS[name]?.(vector, insn, row);
      if (name in LAWS) checked.set(name, (checked.get(name) ?? 0) + 1);
    });
    expect([...wrong]).toEqual([]);
    expect([...checked.keys()].toSorted()).toEqual(Object.keys(LAWS).toSorted());
    expect(faults).toBeGreaterThan(1000);
    const missing = rows.filter((row) => !run.has(row.index) && excluded(row) === undefined);
    expect(missing.map(({ code, mnemonic }) => `${code} ${mnemonic}`)).toEqual([]);
  });

  it('are many, in a small file', () => {
    expect(file.formCount * file.perForm).toBeGreaterThan(200_000);
    expect(statSync(path).size).toBeLessThan(2 << 20);
  });

  it('are refused with a reason when they are something else', () => {
    expect(() => new VectorFile(new Uint8Array(64))).toThrow('not a vector file');
    const bytes = zstdDecompressSync(readFileSync(path));
    const longer = new Uint8Array([...bytes.subarray(0, 12), 0, 0, 0, 0, 1]);
    longer.fill(0, 8, 12);
    expect(() => new VectorFile(longer).forEach(() => {})).toThrow('1 bytes after the last result');
  });
});
