/**
 * `bun tools/compare-disassembly.ts FILE [16|32|64]`: runs the disassembler and objdump (binutils)
 * over the same raw bytes, as `objcopy -O binary -j .text` makes them, and lists what differs.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Decoder } from '../src/cpu/decode/decode.ts';
import type { CodeSize } from '../src/cpu/decode/instruction.ts';
import { disassemble, type Syntax } from '../src/cpu/disassemble/disassemble.ts';

const MACHINES = { 16: 'i8086', 32: 'i386', 64: 'i386:x86-64' } as const;
/** High enough that no relative target of 64-bit code wraps around. */
export const BASE_64 = 0x7f00_1234_0000;

export interface Line {
  /** Offset in the file, bytes. */
  readonly at: number;
  readonly length: number;
  readonly text: string;
}

/** Blanks, symbols and comments do not count. */
export function normalize(text: string): string {
  return text
    .replace(/\s+# .*/, '')
    .replace(/\s+<.*>/, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** objdump's lines for a file of raw bytes. */
export function objdump(path: string, size: number, mode: CodeSize, syntax: Syntax): Line[] {
  const base = mode === 64 ? BASE_64 : 0;
  const options = mode === 64 ? `intel64,${syntax}` : syntax;
  const printed = execFileSync(
    'objdump',
    `-D -z -b binary -m ${MACHINES[mode]} --adjust-vma ${base} -M ${options} --no-show-raw-insn`
      .split(' ')
      .concat(path),
    { encoding: 'utf8', maxBuffer: 2 ** 30 },
  );
  const found = [...printed.matchAll(/^\s*([0-9a-f]+):\s(.*)$/gm)].map((match) => ({
    at: Number.parseInt(match[1]!, 16) - base,
    text: normalize(match[2]!),
  }));
  return found.map(({ at, text }, index) => ({
    at,
    text,
    length: (found[index + 1]?.at ?? size) - at,
  }));
}

export interface Difference extends Line {
  readonly ours: string;
  readonly ourLength: number;
}

/** Compares at every address where objdump found an instruction. */
export function differences(
  bytes: Uint8Array,
  lines: readonly Line[],
  mode: CodeSize,
  syntax: Syntax,
): Difference[] {
  const decoder = new Decoder();
  const base = mode === 64 ? BASE_64 : 0;
  return lines.flatMap((line) => {
    const ours = disassemble(decoder, bytes, line.at, mode, BigInt(base + line.at), syntax);
    const text = normalize(ours.text);
    if (text === line.text && ours.length === line.length) return [];
    return [{ ...line, ours: text, ourLength: ours.length }];
  });
}

function main(): void {
  const [path, bits = '64'] = process.argv.slice(2);
  const mode = Number(bits);
  if (path === undefined || (mode !== 16 && mode !== 32 && mode !== 64)) {
    process.stderr.write('Usage: bun tools/compare-disassembly.ts FILE [16|32|64]\n');
    process.exit(2);
  }
  const bytes = new Uint8Array(readFileSync(path));
  const lines = objdump(path, bytes.length, mode, 'att');
  const found = differences(bytes, lines, mode, 'att');
  for (const { at, text, length, ours, ourLength } of found) {
    const hex = Buffer.from(bytes.subarray(at, at + Math.max(length, ourLength))).toString('hex');
    process.stdout.write(`${at.toString(16)}: ${hex}\n  objdump  ${text}\n  synthvm  ${ours}\n`);
  }
  process.stdout.write(`${lines.length} instructions, ${found.length} differ\n`);
}

if (import.meta.main) main();
