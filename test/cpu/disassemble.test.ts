import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import type { CodeSize } from '../../src/cpu/decode/instruction.ts';
import { disassemble, type Syntax } from '../../src/cpu/disassemble/disassemble.ts';
import { type Encoding, Trait } from '../../src/cpu/table/row.ts';
import { encodings } from '../../src/cpu/table/table.ts';
import { type Difference, differences, objdump } from '../../tools/compare-disassembly.ts';
import { encode, isValidIn } from '../../tools/record-vectors/encode.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';
import { cases } from '../support/cases.ts';

const MODES: readonly CodeSize[] = [16, 32, 64];
const SYNTAXES: readonly Syntax[] = ['att', 'intel'];
const SLOT = 32;
const NOP = 0x90;

/** Not ours: AVX and later, TSX, protection keys and others without a row. */
const ABSENT =
  /^(v|k|bnd |xbegin|xabort|xend|xtest|rdpkru|wrpkru|rdssp|incssp|wruss|serialize|t?z?[bp]lsi|andn|blsr|blsmsk|bzhi|bextr|mulx|sarx|shlx|shrx|rorx|pdep|pext|\(bad\)|tile)/;

const IDLE = /^((rex\S*|[c-gs]s|lock|repn?z|data\d\d|addr\d\d|fwait) ?)+$/;

/** Where objdump 2.40 and processors differ: what it prints is no oracle there. */
function objdumpErrs(row: Encoding): boolean {
  const { mnemonic } = row;
  return (
    (row.traits & Trait.alias) !== 0 ||
    mnemonic === 'salc' ||
    // It wants rm = 0; the SDM's encoding tables leave rm free.
    mnemonic === 'mfence' ||
    mnemonic === 'sfence' ||
    mnemonic === 'lfence'
  );
}

interface Case {
  readonly row: Encoding;
  readonly code: Uint8Array;
}

function drawn(mode: CodeSize, count: number, prefixes: number): Case[] {
  const random = new Random(mode, 'disassembly');
  const choose = (below: number): number => random.below(below);
  return encodings()
    .filter((row) => isValidIn(row, mode))
    .flatMap((row) => {
      const made: Case[] = [];
      for (let attempt = 0; attempt < count * 24 && made.length < count; attempt++) {
        const code = encode(row, mode, choose, { prefixes });
        if (code !== undefined) made.push({ row, code });
      }
      return made;
    });
}

/** One instruction in each slot of no-operations, so that one misreading does not reach the next. */
function compare(list: readonly Case[], mode: CodeSize, syntax: Syntax): (Difference & Case)[] {
  const bytes = new Uint8Array(list.length * SLOT).fill(NOP);
  for (const [slot, { code }] of list.entries()) bytes.set(code, slot * SLOT);
  const lines = inFolder((folder) => {
    const path = join(folder, 'code');
    writeFileSync(path, bytes);
    return objdump(path, bytes.length, mode, syntax);
  });
  const starts = lines.filter(({ at }) => at % SLOT === 0);
  return differences(bytes, starts, mode, syntax).map((found) => ({
    ...found,
    ...list[found.at / SLOT]!,
  }));
}

function report(found: readonly (Difference & Case)[]): string[] {
  return found.map(
    ({ code, text, ours }) => `${Buffer.from(code).toString('hex')}: ${text} | ${ours}`,
  );
}

/** Elsewhere the name belongs to LLVM's, which takes other options. */
const binutils = process.platform === 'linux' && hasTool('objdump');

describe.skipIf(!binutils)('beside objdump', () => {
  for (const mode of MODES) {
    for (const syntax of SYNTAXES) {
      it(`prints every row of the table in ${mode}-bit code, ${syntax}`, () => {
        const list = drawn(mode, cases(3, 1), 0);
        const rows = new Set(list.map(({ row }) => row.index));
        const valid = encodings().filter((row) => isValidIn(row, mode));
        expect(rows.size).toBe(valid.length);
        const found = compare(list, mode, syntax).filter(({ row }) => !objdumpErrs(row));
        expect(report(found)).toEqual([]);
      });
    }
  }

  it.each(MODES)('agrees on length with prefixes in front, in %i-bit code', (mode) => {
    const list = drawn(mode, cases(4, 2), 1);
    const found = compare(list, mode, 'att').filter(
      ({ row, length, ourLength, text }) =>
        length !== ourLength &&
        !objdumpErrs(row) &&
        !text.includes('(bad)') &&
        row.mnemonic !== 'fwait',
    );
    expect(report(found)).toEqual([]);
  });

  const file = '/bin/bash';
  it.skipIf(!hasTool('objcopy'))('prints a whole program', () => {
    const found = inFolder((folder) => {
      const path = join(folder, 'text');
      run('objcopy', ['-O', 'binary', '-j', '.text', file, path]);
      const bytes = new Uint8Array(readFileSync(path)).subarray(0, cases(300_000, 60_000));
      writeFileSync(path, bytes);
      const lines = objdump(path, bytes.length, 64, 'att').slice(0, -3);
      expect(lines.length).toBeGreaterThan(1000);
      return differences(bytes, lines, 64, 'att').filter(({ text }) => !ABSENT.test(text));
    });
    expect(found.map(({ text, ours }) => `${text} | ${ours}`)).toEqual([]);
  });

  it('finds the code of an ELF file by itself', () => {
    const tool = join(import.meta.dirname, '../../tools/disassemble.ts');
    const addresses = (text: string): string[] =>
      [...text.matchAll(/^ *([0-9a-f]+):\t/gm)].map((match) => match[1]!);
    const theirs = run('objdump', ['-d', '--insn-width=15', '/bin/true']);
    expect(addresses(run(process.execPath, [tool, '/bin/true']))).toEqual(addresses(theirs));
  });

  it.each(MODES)('reads chance bytes the same way in %i-bit code', (mode) => {
    const random = new Random(mode, 'chance');
    const bytes = Uint8Array.from({ length: 40_000 }, () => random.below(256));
    const lines = inFolder((folder) => {
      const path = join(folder, 'chance');
      writeFileSync(path, bytes);
      return objdump(path, bytes.length, mode, 'att').slice(0, -2);
    });
    const wrong = differences(bytes, lines, mode, 'att').filter(
      ({ text, ours, length, ourLength }) =>
        !text.includes('(bad)') &&
        ours !== '(bad)' &&
        !ABSENT.test(text) &&
        length !== ourLength &&
        // A prefix that another prefix makes idle may get a line of its own.
        !IDLE.test(text) &&
        // A WAIT before another x87 instruction is printed as one.
        !ours.endsWith('fwait'),
    );
    expect(wrong).toEqual([]);
    const agreed = lines.length - differences(bytes, lines, mode, 'att').length;
    expect(agreed / lines.length).toBeGreaterThan(0.8);
  });
});

describe('text', () => {
  const decoder = new Decoder();
  const text = (syntax: Syntax, ...bytes: number[]): string =>
    disassemble(decoder, Uint8Array.from(bytes), 0, 64, 0x1000n, syntax).text;

  it('has both syntaxes', () => {
    expect(text('att', 0x48, 0x8b, 0x44, 0x24, 0xf8)).toBe('mov    -0x8(%rsp),%rax');
    expect(text('intel', 0x48, 0x8b, 0x44, 0x24, 0xf8)).toBe('mov    rax,QWORD PTR [rsp-0x8]');
    expect(text('att', 0xf3, 0x48, 0xab)).toBe('rep stos %rax,%es:(%rdi)');
    expect(text('att', 0xeb, 0xfe)).toBe('jmp    0x1000');
  });

  it('calls what has no row bad, one byte at a time', () => {
    const bytes = Uint8Array.of(0x0f, 0x04);
    expect(disassemble(decoder, bytes, 0, 64, 0n, 'att')).toEqual({ length: 1, text: '(bad)' });
  });
});
