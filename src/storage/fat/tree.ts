import type { FatEntry } from './directory.ts';
import type { FatVolume } from './volume.ts';

export interface FatTreeEntry {
  /** `\EFI\BOOT\BOOTX64.EFI` */
  readonly path: string;
  readonly entry: FatEntry;
}

/**
 * Every file and directory of a volume, each directory before what it holds. All cluster chains
 * are followed.
 * @throws InputError when a chain is broken or two of them meet, with the names of both
 */
export function readFatTree(volume: FatVolume): FatTreeEntry[] {
  const found: FatTreeEntry[] = [];
  const used = new Uint8Array((volume.table.lastCluster >>> 3) + 1);
  const claim = (path: string, firstCluster: number): void => {
    if (firstCluster === 0) return;
    const { runs } = volume.table.chain(firstCluster, path);
    for (let index = 0; index < runs.length; index += 2) {
      const end = runs[index]! + runs[index + 1]!;
      for (let cluster = runs[index]!; cluster < end; cluster += 1) {
        const mask = 1 << (cluster & 7);
        if ((used[cluster >>> 3]! & mask) !== 0) failCrossLink(volume, found, path, cluster);
        used[cluster >>> 3]! |= mask;
      }
    }
  };
  claim('\\', volume.geometry.rootCluster);
  // A stack, last first: a chain of directories may be deeper than calls can be.
  const waiting: FatTreeEntry[] = [];
  const open = (path: string, entry: FatEntry | undefined): void => {
    const { entries } = volume.loadDirectory(entry, path).content;
    for (let index = entries.length - 1; index >= 0; index -= 1) {
      const below = entries[index]!;
      waiting.push({ path: `${path === '\\' ? '' : path}\\${below.name}`, entry: below });
    }
  };
  open('\\', undefined);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { path, entry } = next;
    if (entry.isDirectory && entry.firstCluster === 0) {
      volume.fail(`the directory ${path} has no cluster`);
    }
    claim(path, entry.firstCluster);
    found.push(next);
    if (entry.isDirectory) open(path, entry);
  }
  return found;
}

/** Finds the other owner of a cluster, for the message. */
function failCrossLink(
  volume: FatVolume,
  found: readonly FatTreeEntry[],
  path: string,
  cluster: number,
): never {
  const owns = (first: number, name: string): boolean => {
    if (first === 0) return false;
    const { runs } = volume.table.chain(first, name);
    return runs.some(
      (start, index) => index % 2 === 0 && cluster >= start && cluster < start + runs[index + 1]!,
    );
  };
  const other = found.find((each) => owns(each.entry.firstCluster, each.path));
  return volume.fail(
    `${path} and ${other?.path ?? '\\'} are cross-linked: both have cluster ${cluster}`,
  );
}
