/**
 * `bun tools/disassemble.ts [options] FILE`: an ELF file's executable sections, or raw bytes,
 * through the table-driven disassembler.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Decoder } from '../src/cpu/decode/decode.ts';
import type { CodeSize } from '../src/cpu/decode/instruction.ts';
import { disassemble, type Syntax } from '../src/cpu/disassemble/disassemble.ts';

const USAGE = `Usage: bun tools/disassemble.ts [options] FILE
  --mode 16|32|64      of raw bytes; an ELF file says it itself (default 64)
  --address NUMBER     of the first raw byte (default 0)
  --syntax att|intel   (default att, as objdump -d -M intel64)`;

interface Section {
  readonly name: string;
  readonly address: bigint;
  readonly bytes: Uint8Array;
}

interface Code {
  readonly mode: CodeSize;
  readonly sections: readonly Section[];
}

const SHT_NOBITS = 8;
const SHF_EXECINSTR = 4n;

/** Sections with machine instructions, by the section header table (ELF specification 1.2). */
function readElf(file: Uint8Array): Code {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const wide = file[4] === 2;
  const word = (at: number): bigint =>
    wide ? view.getBigUint64(at, true) : BigInt(view.getUint32(at, true));
  const table = Number(word(wide ? 0x28 : 0x20));
  const [entrySize, count, names] = [0, 2, 4].map((offset) =>
    view.getUint16((wide ? 0x3a : 0x2e) + offset, true),
  ) as [number, number, number];
  const field = (index: number, narrowOffset: number, wideOffset: number): bigint =>
    word(table + index * entrySize + (wide ? wideOffset : narrowOffset));
  const nameTable = Number(field(names, 0x10, 0x18));
  const sections: Section[] = [];
  for (let index = 0; index < count; index++) {
    const header = table + index * entrySize;
    const type = view.getUint32(header + 4, true);
    if (type === SHT_NOBITS || (field(index, 0x8, 0x8) & SHF_EXECINSTR) === 0n) continue;
    const offset = Number(field(index, 0x10, 0x18));
    const start = nameTable + view.getUint32(header, true);
    sections.push({
      name: new TextDecoder().decode(file.subarray(start, file.indexOf(0, start))),
      address: field(index, 0xc, 0x10),
      bytes: file.subarray(offset, offset + Number(field(index, 0x14, 0x20))),
    });
  }
  return { mode: wide ? 64 : 32, sections };
}

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      mode: { type: 'string', default: '64' },
      address: { type: 'string', default: '0' },
      syntax: { type: 'string', default: 'att' },
    },
  });
  const [path] = positionals;
  const mode = Number(values.mode);
  const { syntax } = values;
  const known = (mode === 16 || mode === 32 || mode === 64) && /^(att|intel)$/.test(syntax);
  if (path === undefined || !known) {
    process.stderr.write(`${USAGE}\n`);
    process.exit(2);
  }
  const file = new Uint8Array(readFileSync(path));
  const isElf = file[0] === 0x7f && file[1] === 0x45 && file[2] === 0x4c && file[3] === 0x46;
  const code: Code = isElf
    ? readElf(file)
    : { mode, sections: [{ name: path, address: BigInt(values.address), bytes: file }] };
  const decoder = new Decoder();
  for (const section of code.sections) {
    print(decoder, section, code.mode, syntax as Syntax);
  }
}

function print(decoder: Decoder, section: Section, mode: CodeSize, syntax: Syntax): void {
  process.stdout.write(`\n${section.name}:\n`);
  let lines: string[] = [];
  for (let at = 0; at < section.bytes.length;) {
    const address = section.address + BigInt(at);
    const { length, text } = disassemble(decoder, section.bytes, at, mode, address, syntax);
    const bytes = [...section.bytes.subarray(at, at + length)]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(' ');
    lines.push(`${address.toString(16).padStart(8)}:\t${bytes.padEnd(21)}\t${text}\n`);
    at += length;
    if (lines.length === 4096) {
      process.stdout.write(lines.join(''));
      lines = [];
    }
  }
  process.stdout.write(lines.join(''));
}

// A pager that was left closes the pipe.
process.stdout.on('error', () => process.exit(0));
main();
