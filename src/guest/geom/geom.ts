/** GEOM as far as a boot needs it: disks are tasted, partitions become providers with names. */
import type { BlockDisk, MediaRange } from '../fs/media.ts';
import type { DiskListener } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { gpart } from './gpart.ts';
import { GptTable } from './gpt-table.ts';
import { readGpt } from './gpt.ts';
import { isProtective, readEntries, readMbr } from './mbr.ts';
import type { PartitionTable, Provider } from './partition.ts';
import { TasteBuffer } from './taste-buffer.ts';

/** Room for the largest table of GPT entries that is read. */
const TASTE_BYTES = 65_536;

export class Geom implements DiskListener {
  readonly #kernel: KernelApi;
  /** What was found on each disk; a disk without a table has none here. */
  readonly #tables = new Map<BlockDisk, PartitionTable>();
  readonly #disks = new Set<BlockDisk>();
  /** Devices that something has open, by name: what is mounted. */
  readonly #open = new Map<string, number>();

  constructor(kernel: KernelApi) {
    this.#kernel = kernel;
    kernel.addCommand({
      name: 'gpart',
      help: 'partitions: show, create, destroy, add, delete, resize, recover',
      run: (words) => gpart(kernel, this, words),
    });
  }

  *appeared(disk: BlockDisk): Task {
    this.#disks.add(disk);
    if (disk.sectors === 0) return;
    const buffer = new TasteBuffer(this.#kernel, TASTE_BYTES);
    const table = yield* this.#taste(disk, buffer);
    buffer.free();
    if (table !== undefined && !disk.isInvalid) this.#tables.set(disk, table);
    this.#kernel.wakeup(this);
  }

  added(disk: BlockDisk): void {
    this.#disks.add(disk);
  }

  vanished(disk: BlockDisk): void {
    this.#disks.delete(disk);
    this.#tables.delete(disk);
  }

  /** The medium has another size: a GPT follows it, unless that cuts partitions off. */
  resized(disk: BlockDisk): void {
    const gpt = this.#tables.get(disk)?.gpt;
    if (gpt === undefined) return;
    if (gpt.follow()) this.setTable(disk, { scheme: 'GPT', providers: gpt.providers, gpt });
    else this.#tables.delete(disk);
  }

  setTable(disk: BlockDisk, table: PartitionTable | undefined): void {
    if (table === undefined) this.#tables.delete(disk);
    else this.#tables.set(disk, table);
    this.#kernel.wakeup(this);
  }

  get tables(): ReadonlyMap<BlockDisk, PartitionTable> {
    return this.#tables;
  }

  /** @param name "da0" */
  diskOf(name: string): BlockDisk | undefined {
    for (const disk of this.#disks) if (disk.name === name) return disk;
    return undefined;
  }

  /** A disk or partition by its name in /dev. */
  device(name: string): MediaRange | undefined {
    const disk = this.diskOf(name);
    if (disk !== undefined) return { name, disk, firstLba: 0, sectors: disk.sectors };
    return this.find(name);
  }

  /** Names in /dev. */
  get deviceNames(): string[] {
    const names = [...this.#disks].map(({ name }) => name);
    for (const { providers } of this.#tables.values()) {
      names.push(...providers.map(({ name }) => name));
    }
    return names.sort();
  }

  isOpen(name: string): boolean {
    return (this.#open.get(name) ?? 0) > 0;
  }

  /** Something takes a device, or gives it back. */
  count(range: MediaRange, change: 1 | -1): void {
    this.#open.set(range.name, (this.#open.get(range.name) ?? 0) + change);
    range.disk.openCount += change;
  }

  tableOf(disk: BlockDisk): PartitionTable | undefined {
    return this.#tables.get(disk);
  }

  /** @param name "da0p2" */
  find(name: string): Provider | undefined {
    for (const table of this.#tables.values()) {
      const found = table.providers.find((provider) => provider.name === name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  *#taste(disk: BlockDisk, buffer: TasteBuffer): Task<PartitionTable | undefined> {
    const print = (text: string): void => this.#kernel.printf(`GEOM: ${disk.name}: ${text}\n`);
    const first = yield* buffer.read(disk, 0, 1);
    if (first === undefined) return undefined;
    const entries = readEntries(first);
    if (entries === undefined || isProtective(entries)) {
      const gpt = yield* readGpt(disk, buffer, print);
      if (gpt !== undefined) {
        const { providers, copy, isCorrupt } = gpt;
        const table = GptTable.read(this.#kernel, disk, copy, isCorrupt);
        return { scheme: 'GPT', providers, ...(table === undefined ? {} : { gpt: table }) };
      }
      if (entries !== undefined) {
        print('corrupt or invalid GPT detected.');
        print('GPT rejected -- may not be recoverable.');
      }
      return undefined;
    }
    const providers = yield* readMbr(disk, buffer, entries);
    return providers.length === 0 ? undefined : { scheme: 'MBR', providers };
  }
}
