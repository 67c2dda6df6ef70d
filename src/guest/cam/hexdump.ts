/** hd(1) on a disk: what is on it, or that it cannot be read. */
import { hex } from '../../core/text.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import type { KernelApi, ShellCommand, Task } from '../kernel/api.ts';
import type { Disk } from './da.ts';
import { PeripheralErrno } from './status.ts';
import type { Cam } from './transport.ts';

const USAGE = 'usage: hd [-s BYTES] [-n BYTES] /dev/daN\n';
const DEFAULT_BYTES = 512;
/** More than that is not for reading. */
const MAX_BYTES = 65_536;
const LINE_BYTES = 16;

const errorTexts: Readonly<Record<number, string>> = {
  [PeripheralErrno.EIO]: 'Input/output error',
  [PeripheralErrno.ENXIO]: 'Device not configured',
  [PeripheralErrno.EINVAL]: 'Invalid argument',
};

interface Request {
  readonly disk: Disk;
  /** First byte and one past the last. */
  readonly start: number;
  readonly end: number;
}

export function hexdumpCommand(cam: Cam): ShellCommand {
  return {
    name: 'hd',
    help: '[-s BYTES] [-n BYTES] /dev/daN: what is on a disk',
    *run(words): Task {
      yield 0;
      const request = parse(cam, words);
      if (typeof request === 'string') cam.kernel.printf(request);
      else yield* dump(cam.kernel, request);
    },
  };
}

/** @returns the request, or what is wrong with it */
function parse(cam: Cam, words: readonly string[]): Request | string {
  let start = 0;
  let length = DEFAULT_BYTES;
  let path = '';
  for (let index = 1; index < words.length; index += 1) {
    const word = words[index]!;
    if (word === '-s' || word === '-n') {
      index += 1;
      const value = Number(words[index] ?? Number.NaN);
      if (!Number.isSafeInteger(value) || value < 0) return USAGE;
      if (word === '-s') start = value;
      else length = Math.min(value, MAX_BYTES);
    } else {
      path = word;
    }
  }
  if (path === '') return USAGE;
  const name = path.replace(/^\/dev\//, '');
  const disk = cam.disks.find((candidate) => candidate.name === name);
  if (disk === undefined) return `hd: ${path}: No such file or directory\n`;
  return { disk, start, end: Math.min(start + length, disk.mediaBytes) };
}

/** One sector after another through one buffer, as read(2) gives them to a program. */
function* dump(kernel: KernelApi, { disk, start, end }: Request): Task {
  const pages = Math.ceil(disk.sectorBytes / PAGE_BYTES);
  const gpa = kernel.allocatePages(pages);
  const { memory } = kernel.hardware;
  const buffer = memory.resolve(gpa, disk.sectorBytes);
  let previous = '';
  let isSqueezed = false;
  let error = 0;
  for (let at = start - (start % LINE_BYTES); at < end && error === 0; at += LINE_BYTES) {
    const inSector = at % disk.sectorBytes;
    if (inSector === 0 || previous === '') {
      error = yield* disk.read(Math.floor(at / disk.sectorBytes), 1, gpa);
      if (error !== 0) break;
    }
    const line = hexLine(memory.u8.subarray(buffer + inSector, buffer + inSector + LINE_BYTES));
    if (line !== previous) kernel.printf(`${hex(at, 8)}  ${line}\n`);
    else if (!isSqueezed) kernel.printf('*\n');
    isSqueezed = line === previous;
    previous = line;
  }
  if (error !== 0) kernel.printf(`hd: /dev/${disk.name}: ${errorTexts[error] ?? error}\n`);
  else if (previous !== '') kernel.printf(`${hex(end, 8)}\n`);
  kernel.freePages(gpa, pages);
}

/** "55 55 ..  |UU..|". */
function hexLine(bytes: Uint8Array): string {
  const words = Array.from(bytes, (byte) => hex(byte, 2));
  const text = Array.from(bytes, (byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.',
  );
  return `${words.slice(0, 8).join(' ')}  ${words.slice(8).join(' ')}  |${text.join('')}|`;
}
