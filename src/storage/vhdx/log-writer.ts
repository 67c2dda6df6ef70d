import { viewOf } from '../../core/wire.ts';
import type { ByteStore } from '../block.ts';
import { structureChecksum } from './crc32c.ts';
import type { VhdxHeader } from './header.ts';
import { descriptorArea, descriptorAt } from './log-replay.ts';
import {
  DataDescriptor,
  DataSector,
  dataDescriptorSignature,
  dataSectorSignature,
  LogEntryHeader,
  logEntrySignature,
  logSectorBytes,
} from './spec.ts';

/** 4 KiB of metadata and the multiple of 4 KiB in the file where it belongs. */
export interface LoggedPage {
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * Writes metadata pages so that a crash at any point leaves the file with all pages of an entry or
 * none ([MS-VHDX] 2.3): what the pages refer to is made durable, then the log entry, and only then
 * are the pages written to their places. An entry is on its own the active sequence, since all that
 * was logged before it has reached its place by the flush that comes first.
 */
export class LogWriter {
  readonly #store: ByteStore;
  readonly #logOffset: number;
  readonly #logLength: number;
  readonly #logGuid: string;
  #head = 0;
  #sequenceNumber = 0n;

  /** Writes the first, empty entry. The header that names `logGuid` must come after it. */
  constructor(store: ByteStore, header: VhdxHeader, logGuid: string) {
    this.#store = store;
    this.#logOffset = header.logOffset;
    this.#logLength = header.logLength;
    this.#logGuid = logGuid;
    this.#append([], 0, 0);
    this.#store.flush();
  }

  /** Two entries always fit, so that a torn one cannot damage the one before it. */
  get #pagesPerEntry(): number {
    return Math.floor(this.#logLength / 2 / logSectorBytes) - 2;
  }

  commit(pages: readonly LoggedPage[]): void {
    const most = this.#pagesPerEntry;
    for (let first = 0; first < pages.length; first += most) {
      const count = Math.min(most, pages.length - first);
      this.#store.flush();
      this.#append(pages, first, count);
      this.#store.flush();
      for (let index = first; index < first + count; index += 1) {
        const { position, bytes } = pages[index]!;
        this.#store.write(position, bytes, 0, logSectorBytes);
      }
    }
  }

  #append(pages: readonly LoggedPage[], first: number, count: number): void {
    const area = descriptorArea(count);
    const entry = new Uint8Array(area + count * logSectorBytes);
    const view = viewOf(entry);
    this.#sequenceNumber += 1n;
    const header = LogEntryHeader.cursor(view).at(0);
    header.signature = logEntrySignature;
    header.entryLength = entry.length;
    header.tail = this.#head;
    header.sequenceNumber = this.#sequenceNumber;
    header.descriptorCount = count;
    header.logGuid = this.#logGuid;
    header.flushedFileOffset = BigInt(this.#store.sizeBytes);
    header.lastFileOffset = BigInt(this.#store.sizeBytes);
    const descriptor = DataDescriptor.cursor(view);
    const sector = DataSector.cursor(view);
    for (let index = 0; index < count; index += 1) {
      const { position, bytes } = pages[first + index]!;
      descriptor.at(descriptorAt(index));
      descriptor.signature = dataDescriptorSignature;
      descriptor.leadingBytes = bytes.subarray(0, 8);
      descriptor.trailingBytes = bytes.subarray(logSectorBytes - 4);
      descriptor.fileOffset = BigInt(position);
      descriptor.sequenceNumber = this.#sequenceNumber;
      const at = area + index * logSectorBytes;
      entry.set(bytes, at);
      sector.at(at);
      sector.signature = dataSectorSignature;
      sector.sequenceHigh = header.sequenceNumberHi;
      sector.sequenceLow = header.sequenceNumberLo;
    }
    header.checksum = structureChecksum(entry);
    this.#put(entry);
  }

  #put(entry: Uint8Array): void {
    const first = Math.min(entry.length, this.#logLength - this.#head);
    this.#store.write(this.#logOffset + this.#head, entry, 0, first);
    if (first < entry.length) {
      this.#store.write(this.#logOffset, entry, first, entry.length - first);
    }
    this.#head = (this.#head + entry.length) % this.#logLength;
  }
}
