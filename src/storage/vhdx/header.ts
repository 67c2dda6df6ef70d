/** The file identifier and the two headers, [MS-VHDX] 2.2.1 and 2.2.2. */
import { viewOf, wide } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { hex32, readPart } from '../image.ts';
import { structureChecksum } from './crc32c.ts';
import {
  FileIdentifier,
  formatVersion,
  Header,
  headerSignature,
  logVersion,
  mebibyte,
  Position,
  zeroGuid,
} from './spec.ts';

/** What the current header says. */
export interface VhdxHeader {
  readonly sequenceNumber: bigint;
  readonly fileWriteGuid: string;
  readonly dataWriteGuid: string;
  /** `zeroGuid` when the log is empty. */
  readonly logGuid: string;
  readonly logOffset: number;
  readonly logLength: number;
  /** Byte where this header stands; the next one is written to the other place. */
  readonly position: number;
}

/** The program that signed the file; the file identifier's signature is checked by the caller. */
export function readCreator(store: ByteStore): string {
  const raw = readPart(store, Position.fileIdentifier, FileIdentifier.size, 'file identifier');
  const view = viewOf(raw);
  let text = '';
  for (let at = FileIdentifier.offset.creator; at < raw.length; at += 2) {
    const unit = view.getUint16(at, true);
    if (unit === 0) break;
    text += unit < 0x20 ? ' ' : String.fromCharCode(unit);
  }
  return text;
}

interface Candidate {
  readonly header?: VhdxHeader;
  readonly version: number;
  readonly logVersion: number;
  readonly defect: string;
}

function readOne(store: ByteStore, position: number): Candidate {
  const raw = readPart(store, position, Header.size, 'VHDX header');
  const fields = Header.cursor(viewOf(raw)).at(0);
  const unusable = (defect: string): Candidate => ({ version: 0, logVersion: 0, defect });
  if (fields.signature !== headerSignature) return unusable(`no "head" at byte ${position}`);
  const computed = structureChecksum(raw);
  if (fields.checksum !== computed) {
    return unusable(
      `checksum ${hex32(fields.checksum)} at byte ${position} where its bytes give ${hex32(computed)}`,
    );
  }
  const header = {
    sequenceNumber: fields.sequenceNumber,
    fileWriteGuid: fields.fileWriteGuid,
    dataWriteGuid: fields.dataWriteGuid,
    logGuid: fields.logGuid,
    logOffset: wide(fields.logOffsetLo, fields.logOffsetHi),
    logLength: fields.logLength,
    position,
  };
  return { header, version: fields.version, logVersion: fields.logVersion, defect: '' };
}

/**
 * The current header: of those that are sound the one with the higher sequence number.
 * @throws InputError when neither is sound or what it says cannot be
 */
export function readHeader(store: ByteStore, warn: (message: string) => void): VhdxHeader {
  const first = readOne(store, Position.header1);
  const second = readOne(store, Position.header2);
  let chosen: Candidate;
  if (first.header === undefined && second.header === undefined) {
    throw new InputError(
      store.name,
      `both headers of the VHDX are damaged: ${first.defect}, ${second.defect}`,
    );
  } else if (first.header === undefined || second.header === undefined) {
    chosen = first.header === undefined ? second : first;
    const defect = first.defect + second.defect;
    // A crash while a header was written leaves this, so it is no reason to refuse the file.
    warn(`${store.name}: one header of the VHDX is damaged (${defect}); the other one is used`);
  } else {
    chosen = first.header.sequenceNumber >= second.header.sequenceNumber ? first : second;
  }
  const header = chosen.header!;
  const wrong = (message: string): InputError =>
    new InputError(store.name, `the VHDX header at byte ${header.position} ${message}`);
  if (chosen.version !== formatVersion) {
    throw wrong(`has format version ${chosen.version}; ${formatVersion} is supported`);
  }
  if (header.logGuid !== zeroGuid && chosen.logVersion !== logVersion) {
    throw wrong(`has log version ${chosen.logVersion}; ${logVersion} is supported`);
  }
  checkLogPlace(store, header, wrong);
  return header;
}

function checkLogPlace(
  store: ByteStore,
  header: VhdxHeader,
  wrong: (message: string) => InputError,
): void {
  const { logOffset, logLength } = header;
  const place = `puts the log at byte ${logOffset} with ${logLength} bytes`;
  if (logOffset % mebibyte !== 0 || logLength % mebibyte !== 0) {
    throw wrong(`${place}; multiples of 1 MiB were expected`);
  }
  if (logLength === 0) {
    if (header.logGuid !== zeroGuid) throw wrong('says that a log is in use, but gives it no room');
    return;
  }
  if (logOffset < Position.endOfHeaders) {
    throw wrong(`${place}; it must not begin before byte ${Position.endOfHeaders}`);
  }
  if (logOffset + logLength > store.sizeBytes) {
    throw wrong(`${place}, but the file ends at byte ${store.sizeBytes}: the image is truncated`);
  }
}

/** Writes one header; `fields.position` says where. */
export function putHeader(store: ByteStore, fields: VhdxHeader): void {
  const raw = new Uint8Array(Header.size);
  const header = Header.cursor(viewOf(raw)).at(0);
  header.signature = headerSignature;
  header.sequenceNumber = fields.sequenceNumber;
  header.fileWriteGuid = fields.fileWriteGuid;
  header.dataWriteGuid = fields.dataWriteGuid;
  header.logGuid = fields.logGuid;
  header.logVersion = logVersion;
  header.version = formatVersion;
  header.logLength = fields.logLength;
  header.logOffset = BigInt(fields.logOffset);
  header.checksum = structureChecksum(raw);
  store.write(fields.position, raw, 0, raw.length);
}

/**
 * Replaces the current header: first the place that is not current, then, once that is on the
 * medium, the other one too, so that damage to either loses nothing. Flushes.
 */
export function replaceHeader(
  store: ByteStore,
  current: VhdxHeader,
  change: Partial<Pick<VhdxHeader, 'fileWriteGuid' | 'dataWriteGuid' | 'logGuid'>>,
): VhdxHeader {
  let header = current;
  for (let copy = 0; copy < 2; copy += 1) {
    if (header.sequenceNumber === 0xffff_ffff_ffff_ffffn) {
      throw new InputError(
        store.name,
        `the VHDX header at byte ${header.position} has the highest sequence number there is, so the file cannot be written to; convert it to a new image`,
      );
    }
    header = {
      ...header,
      ...change,
      sequenceNumber: header.sequenceNumber + 1n,
      position: header.position === Position.header1 ? Position.header2 : Position.header1,
    };
    store.flush();
    putHeader(store, header);
  }
  store.flush();
  return header;
}
