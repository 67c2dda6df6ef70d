/** A GPT that gpart(8) makes and changes (geom/part/g_part_gpt.c). */
import { hexBytes } from '../../core/text.ts';
import { crc32 } from '../../core/crc32.ts';
import type { Random } from '../../core/random.ts';
import { viewOf } from '../../core/wire.ts';
import {
  EMPTY_TYPE,
  GPT_ENTRY_COUNT,
  GPT_REVISION,
  GPT_SIGNATURE_HI,
  GPT_SIGNATURE_LO,
  GptEntry,
  GptHeader,
  MasterBootRecord,
  MBR_SIGNATURE,
  MbrEntry,
  MbrType,
} from '../../storage/partitions/spec.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import { type BlockDisk, Media } from '../fs/media.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { type GptCopy, listProviders } from './gpt.ts';
import type { Provider } from './partition.ts';

const TABLE_BYTES = GPT_ENTRY_COUNT * GptEntry.size;
/** Sectors that a partition starts on when nobody says otherwise: 4 KiB. */
const DEFAULT_ALIGN_BYTES = 4096;

export interface NewPartition {
  readonly typeGuid: string;
  readonly firstLba?: number | undefined;
  readonly sectors?: number | undefined;
  /** From 1; the first free one without it. */
  readonly index?: number | undefined;
  /** Bytes. */
  readonly alignBytes?: number | undefined;
}

function newGuid(random: Random): string {
  const bytes = new Uint8Array(16);
  random.fill(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = hexBytes(bytes);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Failures are `FileError`s. */
export class GptTable {
  readonly #kernel: KernelApi;
  readonly #disk: BlockDisk;
  readonly #random: Random;
  readonly #entries: Uint8Array;
  readonly #diskGuid: string;
  /** Its two copies do not stand where they should: changes wait for `recover`. */
  isCorrupt: boolean;
  firstUsable: number;
  lastUsable: number;

  private constructor(kernel: KernelApi, disk: BlockDisk, copy?: GptCopy, isCorrupt = false) {
    this.#kernel = kernel;
    this.#disk = disk;
    this.#random = kernel.random(`gpart ${disk.name} ${kernel.uptimeNs()}`);
    this.#entries = new Uint8Array(TABLE_BYTES);
    if (copy !== undefined) this.#entries.set(copy.entries.subarray(0, TABLE_BYTES));
    this.#diskGuid = copy?.diskGuid ?? newGuid(this.#random);
    this.isCorrupt = isCorrupt;
    this.firstUsable = copy?.firstUsable ?? this.#tableSectors + 2;
    this.lastUsable = copy?.lastUsable ?? this.#lastPossible;
  }

  /** A new, empty one; throws ENOSPC for a disk that is too small. */
  static create(kernel: KernelApi, disk: BlockDisk): GptTable {
    const table = new GptTable(kernel, disk);
    if (table.lastUsable < table.firstUsable) throw new FileError(FileErrno.ENOSPC);
    return table;
  }

  /** @returns undefined for a table of a shape that is read, but not written */
  static read(
    kernel: KernelApi,
    disk: BlockDisk,
    copy: GptCopy,
    isCorrupt: boolean,
  ): GptTable | undefined {
    if (copy.entryBytes !== GptEntry.size || copy.entryCount > GPT_ENTRY_COUNT) return undefined;
    return new GptTable(kernel, disk, copy, isCorrupt);
  }

  get #tableSectors(): number {
    return Math.ceil(TABLE_BYTES / this.#disk.sectorBytes);
  }

  get #lastPossible(): number {
    return this.#disk.sectors - this.#tableSectors - 2;
  }

  get providers(): Provider[] {
    const { firstUsable, lastUsable } = this;
    return listProviders(this.#disk, {
      entries: this.#entries,
      entryBytes: GptEntry.size,
      entryCount: GPT_ENTRY_COUNT,
      firstUsable,
      lastUsable,
    });
  }

  #entry(index: number): ReturnType<typeof GptEntry.cursor> {
    if (!(index >= 1 && index <= GPT_ENTRY_COUNT)) throw new FileError(FileErrno.EINVAL);
    return GptEntry.cursor(viewOf(this.#entries)).at((index - 1) * GptEntry.size);
  }

  #runs(): { readonly index: number; readonly first: number; readonly last: number }[] {
    const runs = [];
    for (let index = 1; index <= GPT_ENTRY_COUNT; index += 1) {
      const { typeGuid, firstLba, lastLba } = this.#entry(index);
      if (typeGuid === EMPTY_TYPE) continue;
      runs.push({ index, first: Number(firstLba), last: Number(lastLba) });
    }
    return runs.sort((left, right) => left.first - right.first);
  }

  /** @returns the number of the new partition */
  add(wanted: NewPartition): number {
    const runs = this.#runs();
    const index = wanted.index ?? this.#freeIndex();
    if (this.#entry(index).typeGuid !== EMPTY_TYPE) throw new FileError(FileErrno.EEXIST);
    const align = Math.max(
      1,
      Math.ceil((wanted.alignBytes ?? DEFAULT_ALIGN_BYTES) / this.#disk.sectorBytes),
    );
    const place = this.#findPlace(runs, wanted, align);
    const entry = this.#entry(index);
    entry.typeGuid = wanted.typeGuid;
    entry.uniqueGuid = newGuid(this.#random);
    entry.firstLba = BigInt(place.first);
    entry.lastLba = BigInt(place.last);
    return index;
  }

  #freeIndex(): number {
    for (let index = 1; index <= GPT_ENTRY_COUNT; index += 1) {
      if (this.#entry(index).typeGuid === EMPTY_TYPE) return index;
    }
    throw new FileError(FileErrno.ENOSPC);
  }

  /** The largest gap, or the one that the start says; its ends aligned. */
  #findPlace(
    runs: readonly { readonly first: number; readonly last: number }[],
    { firstLba, sectors }: NewPartition,
    align: number,
  ): { readonly first: number; readonly last: number } {
    const gaps: { first: number; last: number }[] = [];
    let next = this.firstUsable;
    for (const run of [...runs, { first: this.lastUsable + 1, last: 0 }]) {
      if (run.first > next) gaps.push({ first: next, last: run.first - 1 });
      next = run.last + 1;
    }
    let best: { first: number; last: number } | undefined;
    for (const gap of gaps) {
      const first = firstLba ?? Math.ceil(gap.first / align) * align;
      const last =
        sectors === undefined
          ? Math.floor((gap.last + 1) / align) * align - 1
          : first + sectors - 1;
      if (first < gap.first || last > gap.last || last < first) continue;
      if (best === undefined || last - first > best.last - best.first) best = { first, last };
    }
    if (best === undefined) throw new FileError(FileErrno.ENOSPC);
    return best;
  }

  remove(index: number): void {
    const entry = this.#entry(index);
    if (entry.typeGuid === EMPTY_TYPE) throw new FileError(FileErrno.EINVAL);
    this.#entries.fill(0, (index - 1) * GptEntry.size, index * GptEntry.size);
  }

  /** Gives a partition what lies free behind it, or the size that is asked for. */
  resize(index: number, sectors?: number): void {
    const runs = this.#runs();
    const own = runs.find((run) => run.index === index);
    if (own === undefined) throw new FileError(FileErrno.EINVAL);
    const next = runs.find((run) => run.first > own.last);
    const limit = next === undefined ? this.lastUsable : next.first - 1;
    const align = Math.max(1, DEFAULT_ALIGN_BYTES / this.#disk.sectorBytes);
    const most = Math.floor((limit + 1) / align) * align - 1;
    const last = sectors === undefined ? most : own.first + sectors - 1;
    if (last > limit || last < own.first) throw new FileError(FileErrno.ENOSPC);
    this.#entry(index).lastLba = BigInt(last);
  }

  /** The disk has another size: the table follows it. @returns false when partitions are cut off */
  follow(): boolean {
    this.lastUsable = this.#lastPossible;
    return this.#runs().every(({ last }) => last <= this.lastUsable);
  }

  recover(): void {
    this.follow();
    this.isCorrupt = false;
  }

  /** Protective MBR, both tables, both headers. */
  *write(): Task {
    const media = this.#media();
    const { sectorBytes, sectors } = this.#disk;
    yield* media.write(0, this.#protectiveMbr());
    const tableBytes = this.#tableSectors * sectorBytes;
    const table = new Uint8Array(tableBytes);
    table.set(this.#entries);
    yield* media.write(2 * sectorBytes, table);
    yield* media.write(sectorBytes, this.#header(1, sectors - 1, 2));
    const secondTable = sectors - 1 - this.#tableSectors;
    yield* media.write(secondTable * sectorBytes, table);
    yield* media.write((sectors - 1) * sectorBytes, this.#header(sectors - 1, 1, secondTable));
    media.close();
  }

  /** What `gpart destroy` leaves: no table, first and last sectors empty. */
  *erase(): Task {
    const media = this.#media();
    const { sectorBytes, sectors } = this.#disk;
    const zeros = new Uint8Array(sectorBytes);
    yield* media.write(0, zeros);
    yield* media.write(sectorBytes, zeros);
    yield* media.write((sectors - 1) * sectorBytes, zeros);
    media.close();
  }

  #media(): Media {
    const { name, sectors } = this.#disk;
    return new Media(this.#kernel, { name, disk: this.#disk, firstLba: 0, sectors });
  }

  #header(myLba: number, alternateLba: number, entriesLba: number): Uint8Array {
    const bytes = new Uint8Array(this.#disk.sectorBytes);
    const header = GptHeader.cursor(viewOf(bytes)).at(0);
    header.signatureLo = GPT_SIGNATURE_LO;
    header.signatureHi = GPT_SIGNATURE_HI;
    header.revision = GPT_REVISION;
    header.headerBytes = GptHeader.size;
    header.myLba = BigInt(myLba);
    header.alternateLba = BigInt(alternateLba);
    header.firstUsableLba = BigInt(this.firstUsable);
    header.lastUsableLba = BigInt(this.lastUsable);
    header.diskGuid = this.#diskGuid;
    header.entriesLba = BigInt(entriesLba);
    header.entryCount = GPT_ENTRY_COUNT;
    header.entryBytes = GptEntry.size;
    header.entriesCrc32 = crc32(this.#entries);
    header.headerCrc32 = crc32(bytes.subarray(0, GptHeader.size));
    return bytes;
  }

  #protectiveMbr(): Uint8Array {
    const bytes = new Uint8Array(this.#disk.sectorBytes);
    const view = viewOf(bytes);
    const entry = MbrEntry.cursor(view).at(MasterBootRecord.offset.entries);
    entry.type = MbrType.is.gptProtective;
    entry.firstChs = Uint8Array.of(0, 2, 0);
    entry.lastChs = Uint8Array.of(0xff, 0xff, 0xff);
    entry.firstLba = 1;
    entry.sectorCount = Math.min(this.#disk.sectors - 1, 0xffff_ffff);
    MasterBootRecord.cursor(view).at(0).signature = MBR_SIGNATURE;
    return bytes;
  }
}
