/** Reading, checking and making the footer and the dynamic disk header. */
import { latin1 } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import { writeGuid, viewOf, wide } from '../../core/wire.ts';
import type { ByteStore } from '../block.ts';
import { hex32, readPart } from '../image.ts';
import { chsGeometry } from './geometry.ts';
import {
  DiskType,
  DynamicHeader,
  Footer,
  footerCookie,
  formatVersion,
  headerCookie,
  sectorBytes,
} from './spec.ts';

/** The complement of the sum of all bytes, the checksum field itself taken as zero. */
export function checksum(bytes: Uint8Array, fieldOffset: number): number {
  let sum = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    if (index < fieldOffset || index >= fieldOffset + 4) sum += bytes[index]!;
  }
  return ~sum >>> 0;
}

export function ascii(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ';
  return text.trimEnd();
}

/** Whether the 8 bytes at the start of `bytes` are `cookie`. */
export function hasCookie(bytes: Uint8Array, cookie: string): boolean {
  for (let index = 0; index < 8; index += 1) {
    if (bytes[index] !== cookie.charCodeAt(index)) return false;
  }
  return true;
}

export interface FoundFooter {
  /** The 512 bytes as they stand in the file. */
  readonly raw: Uint8Array;
  readonly position: number;
  readonly type: number;
  readonly dataOffset: number;
  readonly currentSize: number;
  readonly timeStamp: number;
  readonly uniqueId: string;
  readonly creator: string;
}

/** A sentence about what is wrong with the footer at a position, or undefined when it is sound. */
function defect(raw: Uint8Array, position: number): string | undefined {
  if (!hasCookie(raw, footerCookie)) return `there is no "${footerCookie}" at byte ${position}`;
  const stored = viewOf(raw).getUint32(Footer.offset.checksum);
  const computed = checksum(raw, Footer.offset.checksum);
  if (stored !== computed) {
    return `the footer at byte ${position} has checksum ${hex32(stored)} where its bytes give ${hex32(computed)}`;
  }
  return undefined;
}

/**
 * Finds the footer: the last 512 bytes, or (written by Virtual PC before 2004) the last 511, or the
 * copy at byte 0 that dynamic and differencing disks have.
 * @throws InputError when neither is sound
 */
export function findFooter(store: ByteStore, warn: (message: string) => void): FoundFooter {
  const end = store.sizeBytes;
  if (end < sectorBytes) {
    throw new InputError(
      store.name,
      `has ${end} bytes, which is less than the ${sectorBytes}-byte footer of a VHD: the image is truncated`,
    );
  }
  const position = end - sectorBytes;
  const last = readPart(store, position, sectorBytes, 'VHD footer');
  const problem = defect(last, position);
  if (problem === undefined) return parse(store, last, position);

  const short = readPart(store, end - 511, 511, 'VHD footer');
  if (hasCookie(short, footerCookie)) {
    const padded = new Uint8Array(sectorBytes);
    padded.set(short);
    if (defect(padded, end - 511) === undefined) return parse(store, padded, end - 511);
  }

  const first = readPart(store, 0, sectorBytes, 'VHD header copy');
  if (defect(first, 0) !== undefined) {
    const copy = hasCookie(first, footerCookie)
      ? 'the copy at byte 0 is damaged'
      : 'byte 0 has no copy';
    throw new InputError(store.name, `${problem}, and ${copy}: the VHD cannot be used`);
  }
  warn(`${store.name}: ${problem}; the copy at byte 0 is used`);
  return parse(store, first, 0);
}

function parse(store: ByteStore, raw: Uint8Array, position: number): FoundFooter {
  const footer = Footer.cursor(viewOf(raw)).at(0);
  if (footer.fileFormatVersion !== formatVersion) {
    throw new InputError(
      store.name,
      `the VHD footer at byte ${position} has format version ${hex32(footer.fileFormatVersion)}; ${hex32(formatVersion)} is supported`,
    );
  }
  const type = footer.diskType;
  if (type !== DiskType.is.fixed && type !== DiskType.is.dynamic && type !== 4) {
    throw new InputError(
      store.name,
      `the VHD footer at byte ${position} has disk type ${type}; 2 (fixed), 3 (dynamic) and 4 (differencing) are supported`,
    );
  }
  const currentSize = wide(footer.currentSizeLo, footer.currentSizeHi);
  if (currentSize === 0 || currentSize % sectorBytes !== 0 || currentSize > 2 ** 46) {
    throw new InputError(
      store.name,
      `the VHD footer at byte ${position} gives a disk of ${currentSize} bytes; a multiple of ${sectorBytes} up to 64 TiB was expected`,
    );
  }
  return {
    raw,
    position,
    type,
    dataOffset: wide(footer.dataOffsetLo, footer.dataOffsetHi),
    currentSize,
    timeStamp: footer.timeStamp,
    uniqueId: footer.uniqueId,
    creator: ascii(footer.creatorApplication),
  };
}

export interface NewFooter {
  readonly type: number;
  readonly sizeBytes: number;
  readonly uniqueId: string;
  /** Seconds since 2000-01-01 00:00:00 UTC. */
  readonly timeStamp: number;
}

/** A footer signed as Hyper-V signs, which makes readers go by the size and not by the geometry. */
export function buildFooter(parameters: NewFooter): Uint8Array {
  const raw = new Uint8Array(sectorBytes);
  const footer = Footer.cursor(viewOf(raw)).at(0);
  footer.cookie = latin1(footerCookie);
  footer.features = 2;
  footer.fileFormatVersion = formatVersion;
  if (parameters.type === DiskType.is.fixed) {
    footer.dataOffsetHi = 0xffff_ffff;
    footer.dataOffsetLo = 0xffff_ffff;
  } else {
    footer.dataOffsetLo = sectorBytes;
  }
  footer.timeStamp = parameters.timeStamp;
  footer.creatorApplication = latin1('win ');
  footer.creatorVersion = 0x000a_0000;
  footer.creatorHostOs = latin1('Wi2k');
  footer.originalSize = BigInt(parameters.sizeBytes);
  footer.currentSize = BigInt(parameters.sizeBytes);
  const geometry = chsGeometry(parameters.sizeBytes / sectorBytes);
  footer.cylinders = geometry.cylinders;
  footer.heads = geometry.heads;
  footer.sectorsPerTrack = geometry.sectorsPerTrack;
  footer.diskType = parameters.type;
  footer.uniqueId = parameters.uniqueId;
  footer.checksum = checksum(raw, Footer.offset.checksum);
  return raw;
}

export interface FoundHeader {
  readonly raw: Uint8Array;
  readonly tableOffset: number;
  readonly entries: number;
  readonly blockBytes: number;
  readonly parentUniqueId: string;
  readonly parentTimeStamp: number;
}

/** @throws InputError when the dynamic disk header is not sound or does not fit the disk */
export function readDynamicHeader(store: ByteStore, footer: FoundFooter): FoundHeader {
  const at = footer.dataOffset;
  const raw = readPart(store, at, DynamicHeader.size, 'dynamic disk header of the VHD');
  const wrong = (message: string): InputError =>
    new InputError(store.name, `the dynamic disk header of the VHD at byte ${at} ${message}`);
  if (!hasCookie(raw, headerCookie)) throw wrong(`does not begin with "${headerCookie}"`);
  const header = DynamicHeader.cursor(viewOf(raw)).at(0);
  const computed = checksum(raw, DynamicHeader.offset.checksum);
  if (header.checksum !== computed) {
    throw wrong(
      `has checksum ${hex32(header.checksum)} where its bytes give ${hex32(computed)}: the image is damaged`,
    );
  }
  if (header.headerVersion !== formatVersion) {
    throw wrong(`has version ${hex32(header.headerVersion)}; ${hex32(formatVersion)} is supported`);
  }
  const blockBytes = header.blockSize;
  const powerOfTwo = blockBytes !== 0 && (blockBytes & (blockBytes - 1)) === 0;
  if (!powerOfTwo || blockBytes < sectorBytes || blockBytes > 256 * 1024 * 1024) {
    throw wrong(
      `gives blocks of ${blockBytes} bytes; a power of two from 512 to 256 MiB was expected`,
    );
  }
  const needed = Math.ceil(footer.currentSize / blockBytes);
  if (header.maxTableEntries < needed) {
    throw wrong(
      `gives a block table of ${header.maxTableEntries} entries, but a disk of ${footer.currentSize} bytes needs ${needed}`,
    );
  }
  return {
    raw,
    tableOffset: wide(header.tableOffsetLo, header.tableOffsetHi),
    entries: needed,
    blockBytes,
    parentUniqueId: header.parentUniqueId,
    parentTimeStamp: header.parentTimeStamp,
  };
}

/** Unix time of 2000-01-01 00:00:00 UTC, in seconds: where VHD counts from. */
const epochSeconds = 946_684_800;

/**
 * Time stamps that a child may have recorded of its parent. The specification says the parent
 * file's modification time; some tools write the time stamp of the parent's footer.
 */
export function timeStampsOf(store: ByteStore, footer: FoundFooter): number[] {
  if (store.modifiedMs === undefined) return [footer.timeStamp];
  return [footer.timeStamp, Math.floor(store.modifiedMs / 1000) - epochSeconds];
}

/** The 16 bytes of a GUID as they stand in the file. */
export function guidBytes(text: string): Uint8Array {
  const raw = new Uint8Array(16);
  writeGuid(viewOf(raw), 0, text);
  return raw;
}
