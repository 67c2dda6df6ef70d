/**
 * A snapshot as a file: a fixed head, a header in JSON, and each section compressed by itself. Its
 * last bytes are a checksum over all before them.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { InputError } from '../../core/errors.ts';
import { readDescription, type MachineDescription } from '../description.ts';
import type { RecordedInput, RunPosition } from '../inputs.ts';
import { VERSION } from '../version.ts';
import type { SavedSection } from './sections.ts';

/** Grows when the head, the header or the way of writing values changes. */
export const SNAPSHOT_FORMAT = 1;

const MAGIC = new TextEncoder().encode('SYNTHVM SNAPSHOT');
const FORMAT_AT = MAGIC.length;
const HEADER_LENGTH_AT = FORMAT_AT + 4;
const FILE_LENGTH_AT = HEADER_LENGTH_AT + 4;
const HEAD_BYTES = FILE_LENGTH_AT + 8;
const CHECKSUM_BYTES = 32;

/** A machine at a point of its run. */
export interface Snapshot {
  readonly description: MachineDescription;
  readonly position: RunPosition;
  /** What came in before that point. */
  readonly inputs: readonly RecordedInput[];
  /** Digest of the events up to there, for people. */
  readonly digest: string;
  readonly sections: readonly SavedSection[];
}

interface Header extends Omit<Snapshot, 'sections'> {
  /** Version of the program that wrote it. */
  readonly program: string;
  readonly sections: readonly {
    readonly name: string;
    readonly version: number;
    readonly storedBytes: number;
  }[];
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const stored = snapshot.sections.map(({ bytes }) => zstdCompressSync(bytes));
  const sections = snapshot.sections.map(({ name, version }, index) => ({
    name,
    version,
    storedBytes: stored[index]!.length,
  }));
  const header: Header = { program: VERSION, ...snapshot, sections };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bodyBytes = stored.reduce((sum, { length }) => sum + length, 0);
  const file = new Uint8Array(HEAD_BYTES + text.length + bodyBytes + CHECKSUM_BYTES);
  const view = new DataView(file.buffer);
  file.set(MAGIC);
  view.setUint32(FORMAT_AT, SNAPSHOT_FORMAT, true);
  view.setUint32(HEADER_LENGTH_AT, text.length, true);
  view.setBigUint64(FILE_LENGTH_AT, BigInt(file.length), true);
  file.set(text, HEAD_BYTES);
  let at = HEAD_BYTES + text.length;
  for (const part of stored) {
    file.set(part, at);
    at += part.length;
  }
  file.set(checksum(file.subarray(0, at)), at);
  return file;
}

function checksum(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/**
 * @param where the file's name
 * @throws InputError for anything but a whole snapshot of this version
 */
export function decodeSnapshot(file: Uint8Array, where: string): Snapshot {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const isSnapshot = MAGIC.every((byte, index) => file[index] === byte);
  if (!isSnapshot) throw new InputError(where, 'is no snapshot of synthvm');
  if (file.length < HEAD_BYTES + CHECKSUM_BYTES) throw cutOff(where, file.length, HEAD_BYTES);
  const format = view.getUint32(FORMAT_AT, true);
  if (format !== SNAPSHOT_FORMAT) {
    throw new InputError(
      where,
      `is a snapshot of format ${format}; this program reads format ${SNAPSHOT_FORMAT}`,
    );
  }
  const length = view.getBigUint64(FILE_LENGTH_AT, true);
  if (length !== BigInt(file.length)) throw cutOff(where, file.length, Number(length));
  const end = file.length - CHECKSUM_BYTES;
  const expected = checksum(file.subarray(0, end));
  if (!expected.every((byte, index) => file[end + index] === byte)) {
    throw new InputError(where, 'is damaged: its checksum is not that of its content');
  }
  const headerEnd = HEAD_BYTES + view.getUint32(HEADER_LENGTH_AT, true);
  const header = JSON.parse(
    new TextDecoder().decode(file.subarray(HEAD_BYTES, headerEnd)),
  ) as Header;
  if (header.program !== VERSION) {
    throw new InputError(
      where,
      `is a snapshot of synthvm ${header.program}; this is synthvm ${VERSION}`,
    );
  }
  const sections: SavedSection[] = [];
  let at = headerEnd;
  for (const { name, version, storedBytes } of header.sections) {
    const bytes = new Uint8Array(zstdDecompressSync(file.subarray(at, at + storedBytes)));
    sections.push({ name, version, bytes });
    at += storedBytes;
  }
  const { position, inputs, digest } = header;
  const description = readDescription(header.description, where);
  return { description, position, inputs, digest, sections };
}

function cutOff(where: string, bytes: number, expected: number): InputError {
  return new InputError(where, `is cut off: it has ${bytes} bytes of ${expected}`);
}

export function readSnapshot(path: string): Snapshot {
  let file: Uint8Array;
  try {
    file = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(path, `cannot be read (${code ?? String(error)})`);
  }
  return decodeSnapshot(file, path);
}
