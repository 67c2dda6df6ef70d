/** Finding and applying what the log holds, [MS-VHDX] 2.3.2 and 2.3.3. */
import { viewOf, wide } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { structureChecksum } from './crc32c.ts';
import type { VhdxHeader } from './header.ts';
import {
  DataDescriptor,
  DataSector,
  dataDescriptorSignature,
  dataSectorSignature,
  LogEntryHeader,
  logEntrySignature,
  logSectorBytes,
  Position,
  ZeroDescriptor,
  zeroDescriptorSignature,
} from './spec.ts';

/** No VHDX is larger: 64 TiB of disk and its tables. */
const maximumFileBytes = 2 ** 47;

interface LogEntry {
  /** Bytes from the start of the log. */
  readonly offset: number;
  readonly length: number;
  readonly tail: number;
  readonly sequenceNumber: bigint;
  readonly descriptors: number;
  readonly flushedFileOffset: number;
  readonly lastFileOffset: number;
  readonly bytes: Uint8Array;
}

/** The log as a ring of 4 KiB sectors. */
class LogReader {
  readonly #store: ByteStore;
  readonly #header: VhdxHeader;
  readonly #sector = new Uint8Array(logSectorBytes);

  constructor(store: ByteStore, header: VhdxHeader) {
    this.#store = store;
    this.#header = header;
  }

  get length(): number {
    return this.#header.logLength;
  }

  #read(offset: number, target: Uint8Array): void {
    const { logOffset, logLength } = this.#header;
    const first = Math.min(target.length, logLength - offset);
    this.#store.read(logOffset + offset, target, 0, first);
    if (first < target.length) {
      this.#store.read(logOffset, target, first, target.length - first);
    }
  }

  /** The entry that begins at `offset`, or undefined when there is no whole and valid one. */
  entry(offset: number): LogEntry | undefined {
    this.#read(offset, this.#sector);
    const fields = LogEntryHeader.cursor(viewOf(this.#sector)).at(0);
    if (fields.signature !== logEntrySignature) return undefined;
    if (fields.logGuid !== this.#header.logGuid) return undefined;
    const length = fields.entryLength;
    const descriptors = fields.descriptorCount;
    const { tail, sequenceNumber, checksum } = fields;
    if (length % logSectorBytes !== 0 || length === 0 || length > this.length) return undefined;
    if (tail % logSectorBytes !== 0 || tail >= this.length || sequenceNumber === 0n) {
      return undefined;
    }
    if (descriptorArea(descriptors) > length) return undefined;
    const bytes = new Uint8Array(length);
    this.#read(offset, bytes);
    if (!this.#partsAgree(bytes, descriptors)) return undefined;
    if (structureChecksum(bytes) !== checksum) return undefined;
    return {
      offset,
      length,
      tail,
      sequenceNumber,
      descriptors,
      flushedFileOffset: wide(fields.flushedFileOffsetLo, fields.flushedFileOffsetHi),
      lastFileOffset: wide(fields.lastFileOffsetLo, fields.lastFileOffsetHi),
      bytes,
    };
  }

  /** Whether every descriptor and data sector carries the entry's sequence number. */
  #partsAgree(bytes: Uint8Array, descriptors: number): boolean {
    const view = viewOf(bytes);
    const low = view.getUint32(LogEntryHeader.offset.sequenceNumber, true);
    const high = view.getUint32(LogEntryHeader.offset.sequenceNumber + 4, true);
    let sector = descriptorArea(descriptors);
    const zero = ZeroDescriptor.cursor(view);
    const data = DataSector.cursor(view);
    for (let index = 0; index < descriptors; index += 1) {
      zero.at(descriptorAt(index));
      if (zero.sequenceNumberLo !== low || zero.sequenceNumberHi !== high) return false;
      const place = wide(zero.fileOffsetLo, zero.fileOffsetHi);
      let length = logSectorBytes;
      if (zero.signature === dataDescriptorSignature) {
        if (sector + logSectorBytes > bytes.length) return false;
        data.at(sector);
        if (data.signature !== dataSectorSignature) return false;
        if (data.sequenceLow !== low || data.sequenceHigh !== high) return false;
        sector += logSectorBytes;
      } else if (zero.signature === zeroDescriptorSignature) {
        length = wide(zero.zeroLengthLo, zero.zeroLengthHi);
        if (length % logSectorBytes !== 0) return false;
      } else {
        return false;
      }
      if (!this.#mayWrite(place, length)) return false;
    }
    return sector === bytes.length;
  }

  #mayWrite(place: number, length: number): boolean {
    const { logOffset, logLength } = this.#header;
    if (place % logSectorBytes !== 0 || place < Position.loggable) return false;
    if (place + length > maximumFileBytes) return false;
    return place + length <= logOffset || place >= logOffset + logLength;
  }
}

/** Bytes of an entry's header and descriptors, in whole sectors. */
export function descriptorArea(descriptors: number): number {
  return Math.ceil(descriptorAt(descriptors) / logSectorBytes) * logSectorBytes;
}

export function descriptorAt(index: number): number {
  return LogEntryHeader.size + index * ZeroDescriptor.size;
}

/**
 * The active sequence: of all runs of consecutive entries whose newest one's tail is inside the run,
 * the one with the highest sequence number; from that tail on. Empty when there is none.
 */
function activeSequence(log: LogReader): LogEntry[] {
  let best: LogEntry[] = [];
  let tail = 0;
  while (tail < log.length) {
    const run: LogEntry[] = [];
    let used = 0;
    let head = tail;
    for (;;) {
      const entry = log.entry(head);
      const last = run[run.length - 1];
      if (entry === undefined || used + entry.length > log.length) break;
      if (last !== undefined && entry.sequenceNumber !== last.sequenceNumber + 1n) break;
      run.push(entry);
      used += entry.length;
      head = (head + entry.length) % log.length;
    }
    const newest = run[run.length - 1];
    if (newest === undefined) {
      tail += logSectorBytes;
      continue;
    }
    const start = run.findIndex((entry) => entry.offset === newest.tail);
    const bestNumber = best[best.length - 1]?.sequenceNumber ?? 0n;
    if (start >= 0 && newest.sequenceNumber > bestNumber) best = run.slice(start);
    // The head has wrapped when the run went past the end of the log.
    tail = start >= 0 ? tail + used : tail + logSectorBytes;
  }
  return best;
}

/**
 * Brings the file to the state that the log describes. `target` takes the writes: the file itself,
 * or memory over it when the file may not be changed.
 * @throws InputError when the log is in use but holds no valid entry, or the file is shorter than
 *   what was flushed before
 */
export function replayLog(store: ByteStore, header: VhdxHeader, target: ByteStore): void {
  const sequence = activeSequence(new LogReader(store, header));
  const newest = sequence[sequence.length - 1];
  if (newest === undefined) {
    throw new InputError(
      store.name,
      `the VHDX was not closed cleanly, and its log at byte ${header.logOffset} holds no valid entry for ${header.logGuid}: the image is damaged`,
    );
  }
  if (newest.flushedFileOffset > store.sizeBytes) {
    throw new InputError(
      store.name,
      `the log of the VHDX says that the file had ${newest.flushedFileOffset} bytes, but it ends at byte ${store.sizeBytes}: the image is truncated`,
    );
  }
  if (newest.lastFileOffset > maximumFileBytes) {
    throw new InputError(
      store.name,
      `the log of the VHDX says that the file needs ${newest.lastFileOffset} bytes, which is more than any VHDX has`,
    );
  }
  for (const entry of sequence) apply(entry, target);
  if (target.sizeBytes < newest.lastFileOffset) target.resize(newest.lastFileOffset);
}

const zeros = new Uint8Array(65_536);

function apply(entry: LogEntry, target: ByteStore): void {
  const view = viewOf(entry.bytes);
  const descriptor = ZeroDescriptor.cursor(view);
  let sector = descriptorArea(entry.descriptors);
  for (let index = 0; index < entry.descriptors; index += 1) {
    const at = descriptorAt(index);
    descriptor.at(at);
    const place = wide(descriptor.fileOffsetLo, descriptor.fileOffsetHi);
    if (descriptor.signature === zeroDescriptorSignature) {
      // What lies behind the end of the file reads as zeros once the file has grown.
      const length = wide(descriptor.zeroLengthLo, descriptor.zeroLengthHi);
      const end = Math.min(place + length, target.sizeBytes);
      for (let from = place; from < end; from += zeros.length) {
        target.write(from, zeros, 0, Math.min(zeros.length, end - from));
      }
      continue;
    }
    const leading = at + DataDescriptor.offset.leadingBytes;
    const trailing = at + DataDescriptor.offset.trailingBytes;
    entry.bytes.copyWithin(sector, leading, leading + 8);
    entry.bytes.copyWithin(sector + DataSector.offset.sequenceLow, trailing, trailing + 4);
    target.write(place, entry.bytes, sector, logSectorBytes);
    sector += logSectorBytes;
  }
}
