/** gpart(8): the partitions of every disk, shown and changed. */
import { FileErrno, FileError } from '../fs/errors.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { Geom } from './geom.ts';
import { GptTable } from './gpt-table.ts';
import { gptTypeGuid, type PartitionTable } from './partition.ts';

const USAGE =
  'usage: gpart show | create -s gpt DISK | destroy [-F] DISK | recover DISK |\n' +
  '       add -t TYPE [-a ALIGN] [-b START] [-s SIZE] [-i INDEX] DISK |\n' +
  '       delete -i INDEX DISK | resize -i INDEX [-s SIZE] DISK\n';

interface Words {
  readonly verb: string;
  readonly disk: string;
  readonly flags: ReadonlyMap<string, string>;
}

function parse(words: readonly string[]): Words {
  const flags = new Map<string, string>();
  let disk = '';
  for (let index = 2; index < words.length; index += 1) {
    const word = words[index]!;
    if (word === '-F') flags.set('F', '');
    else if (/^-[absti]$/.test(word)) {
      index += 1;
      flags.set(word[1]!, words[index] ?? '');
    } else disk = word.replace(/^\/dev\//, '');
  }
  return { verb: words[1] ?? '', disk, flags };
}

const UNITS: Readonly<Record<string, number>> = { k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** "2048" is sectors, "1m" a size. @returns sectors; undefined without the flag */
function sectorsOf(text: string | undefined, sectorBytes: number): number | undefined {
  if (text === undefined) return undefined;
  const [, digits = '', unit = ''] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  if (digits === '') throw new FileError(FileErrno.EINVAL);
  const factor = unit === '' ? 1 : UNITS[unit.toLowerCase()]! / sectorBytes;
  return Number(digits) * factor;
}

/** @returns the exit status */
export function* gpart(kernel: KernelApi, geom: Geom, words: readonly string[]): Task<number> {
  const print = (text: string): void => kernel.userland.print(text);
  yield 500_000;
  const asked = parse(words);
  if (asked.verb === 'show') {
    show(geom, print);
    return 0;
  }
  const disk = geom.diskOf(asked.disk);
  if (disk === undefined) {
    const isKnown = /^(create|destroy|recover|add|delete|resize)$/.test(asked.verb);
    print(isKnown && asked.disk !== '' ? `gpart: arg0 '${asked.disk}': Invalid argument\n` : USAGE);
    return 1;
  }
  try {
    const error = yield* disk.open();
    if (error !== 0) throw new FileError(error);
    print(yield* change(kernel, geom, disk, asked));
    return 0;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    print(`gpart: ${error.message}\n`);
    return 1;
  }
}

function show(geom: Geom, print: (text: string) => void): void {
  for (const [disk, table] of geom.tables) {
    const state = table.gpt?.isCorrupt === true ? ' [CORRUPT]' : '';
    print(`=> ${disk.sectors} ${disk.name} ${table.scheme}${state}\n`);
    for (const { firstLba, name, sectors, type } of table.providers) {
      const place = `${String(firstLba).padStart(12)}${String(sectors).padStart(12)}`;
      print(`${place}  ${name}  ${type}\n`);
    }
  }
}

/** @returns the line that tells what was done */
function* change(
  kernel: KernelApi,
  geom: Geom,
  disk: BlockDisk,
  { verb, flags }: Words,
): Task<string> {
  const { name, sectorBytes } = disk;
  const table = geom.tableOf(disk);
  if (verb === 'create') {
    if (flags.get('s')?.toLowerCase() !== 'gpt') throw new FileError(FileErrno.EINVAL);
    if (table !== undefined) throw new FileError(FileErrno.EEXIST);
    if (disk.openCount > 0) throw new FileError(FileErrno.EBUSY);
    yield* commit(geom, disk, GptTable.create(kernel, disk));
    return `${name} created\n`;
  }
  if (verb === 'destroy') {
    yield* destroy(geom, disk, table, flags.has('F'));
    return `${name} destroyed\n`;
  }
  const gpt = table?.gpt;
  if (gpt === undefined) throw new FileError(FileErrno.EINVAL);
  if (verb === 'recover') {
    if (!gpt.isCorrupt) return `${name} recovering is not needed\n`;
    gpt.recover();
    yield* commit(geom, disk, gpt);
    return `${name} recovered\n`;
  }
  if (gpt.isCorrupt) throw new FileError(FileErrno.EPERM);
  const index = flags.has('i') ? Number(flags.get('i')) : undefined;
  const sectors = sectorsOf(flags.get('s'), sectorBytes);
  let made = index ?? 0;
  if (verb === 'add') {
    const typeGuid = gptTypeGuid(flags.get('t') ?? '');
    if (typeGuid === undefined) throw new FileError(FileErrno.EINVAL);
    const align = sectorsOf(flags.get('a'), sectorBytes);
    made = gpt.add({
      typeGuid,
      firstLba: sectorsOf(flags.get('b'), sectorBytes),
      sectors,
      index,
      alignBytes: align === undefined ? undefined : align * sectorBytes,
    });
  } else if (verb === 'delete') {
    if (geom.isOpen(`${name}p${made}`)) throw new FileError(FileErrno.EBUSY);
    gpt.remove(made);
  } else if (verb === 'resize') {
    gpt.resize(made, sectors);
  } else {
    throw new FileError(FileErrno.EINVAL);
  }
  yield* commit(geom, disk, gpt);
  const done = { add: 'added', delete: 'deleted', resize: 'resized' }[verb];
  return `${name}p${made} ${done}\n`;
}

function* destroy(
  geom: Geom,
  disk: BlockDisk,
  table: PartitionTable | undefined,
  isForced: boolean,
): Task {
  if (table?.gpt === undefined) throw new FileError(FileErrno.EINVAL);
  const { providers } = table;
  if (providers.some(({ name }) => geom.isOpen(name))) throw new FileError(FileErrno.EBUSY);
  if (providers.length > 0 && !isForced) throw new FileError(FileErrno.EBUSY);
  yield* table.gpt.erase();
  geom.setTable(disk, undefined);
}

function* commit(geom: Geom, disk: BlockDisk, gpt: GptTable): Task {
  yield* gpt.write();
  geom.setTable(disk, { scheme: 'GPT', providers: gpt.providers, gpt });
}
