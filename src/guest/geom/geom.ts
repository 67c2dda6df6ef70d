/** GEOM as far as a boot needs it: disks are tasted, partitions become providers with names. */
import type { Disk } from '../cam/da.ts';
import type { DiskListener } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { readGpt } from './gpt.ts';
import { isProtective, readEntries, readMbr } from './mbr.ts';
import type { PartitionTable, Provider } from './partition.ts';
import { TasteBuffer } from './taste-buffer.ts';

/** Room for the largest table of GPT entries that is read. */
const TASTE_BYTES = 65_536;

export class Geom implements DiskListener {
  readonly #kernel: KernelApi;
  /** What was found on each disk; a disk without a table has none here. */
  readonly #tables = new Map<Disk, PartitionTable>();

  constructor(kernel: KernelApi) {
    this.#kernel = kernel;
    kernel.addCommand({
      name: 'gpart',
      help: 'gpart show: the partitions of every disk',
      run: (words) => this.#gpart(words),
    });
  }

  *appeared(disk: Disk): Task {
    if (disk.sectors === 0) return;
    const buffer = new TasteBuffer(this.#kernel, TASTE_BYTES);
    const table = yield* this.#taste(disk, buffer);
    buffer.free();
    if (table !== undefined && !disk.isInvalid) this.#tables.set(disk, table);
    this.#kernel.wakeup(this);
  }

  vanished(disk: Disk): void {
    this.#tables.delete(disk);
  }

  tableOf(disk: Disk): PartitionTable | undefined {
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

  *#taste(disk: Disk, buffer: TasteBuffer): Task<PartitionTable | undefined> {
    const print = (text: string): void => this.#kernel.printf(`GEOM: ${disk.name}: ${text}\n`);
    const first = yield* buffer.read(disk, 0, 1);
    if (first === undefined) return undefined;
    const entries = readEntries(first);
    if (entries === undefined || isProtective(entries)) {
      const gpt = yield* readGpt(disk, buffer, print);
      if (gpt !== undefined) return { scheme: 'GPT', providers: gpt.providers };
      if (entries !== undefined) {
        print('corrupt or invalid GPT detected.');
        print('GPT rejected -- may not be recoverable.');
      }
      return undefined;
    }
    const providers = yield* readMbr(disk, buffer, entries);
    return providers.length === 0 ? undefined : { scheme: 'MBR', providers };
  }

  *#gpart(words: readonly string[]): Task {
    yield 0;
    if (!words.includes('show')) {
      this.#kernel.printf('usage: gpart show\n');
      return;
    }
    for (const [disk, table] of this.#tables) {
      this.#kernel.printf(`=> ${disk.sectors} ${disk.name} ${table.scheme}\n`);
      for (const { firstLba, name, sectors, type } of table.providers) {
        const place = `${String(firstLba).padStart(12)}${String(sectors).padStart(12)}`;
        this.#kernel.printf(`${place}  ${name}  ${type}\n`);
      }
    }
  }
}
