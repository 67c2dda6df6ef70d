/**
 * Writes src/cpu/interpret/usual-shapes.ts: boots a kernel and notes the first instruction of each shape.
 *
 *   bun tools/usual-shapes.ts boot --kernel vmlinuz --initrd initrd --append "console=ttyS0 quiet"
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodeCache } from '../src/cpu/compile/code-cache.ts';
import { Decoder } from '../src/cpu/decode/decode.ts';
import { handlerKey } from '../src/cpu/interpret/handler-builder.ts';
import { Handlers } from '../src/cpu/interpret/handlers.ts';
import { USUAL_SHAPES } from '../src/cpu/interpret/usual-shapes.ts';

const FILE = join(import.meta.dir, '..', 'src', 'cpu', 'interpret', 'usual-shapes.ts');
const COLUMNS = 100;

/** Bytes of what was decoded since a block was begun, oldest first: handlers are asked for in that order. */
let decoded: string[] = [];
const shapes = new Set<number>();
const words: string[] = [];
let mode = -1;

// eslint-disable-next-line typescript/unbound-method -- called with its object
const { decode } = Decoder.prototype;
Decoder.prototype.decode = function decodeAndNote(bytes, start, end, codeSize, insn) {
  const length = decode.call(this, bytes, start, end, codeSize, insn);
  if (length > 0) decoded.push(Buffer.from(bytes.subarray(start, start + length)).toString('hex'));
  return length;
};

// eslint-disable-next-line typescript/unbound-method -- called with its object
const { find } = CodeCache.prototype;
CodeCache.prototype.find = function findAnew(cpu, isStep) {
  decoded = [];
  return find.call(this, cpu, isStep);
};

// eslint-disable-next-line typescript/unbound-method -- called with its object
const { indexOf } = Handlers.prototype;
Handlers.prototype.indexOf = function noteShape(bound, isCall) {
  const bytes = decoded.shift();
  const key = handlerKey(bound);
  if (!isCall && bytes !== undefined && !shapes.has(key)) {
    shapes.add(key);
    if (bound.mode !== mode) words.push(`${bound.mode.toString(16)}:`);
    ({ mode } = bound);
    words.push(bytes);
  }
  return indexOf.call(this, bound, isCall);
};

function lines(): string[] {
  const result = [''];
  for (const word of words) {
    const last = result.at(-1)!;
    if (last.length + word.length + 1 > COLUMNS) result.push(word);
    else result[result.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return result;
}

process.on('exit', () => {
  const head = [
    '/**',
    ' * Instructions of 64-bit Linux, one of each shape in the order in which it first executes them: what',
    ' * handlers are made ahead for. Written by tools/usual-shapes.ts.',
    ' */',
    'export const USUAL_SHAPES = `',
  ];
  writeFileSync(FILE, `${[...head, ...lines(), '`;'].join('\n')}\n`);
  process.stderr.write(`${shapes.size} shapes; there were ${USUAL_SHAPES.length} characters\n`);
});

await import('../src/main.ts');
