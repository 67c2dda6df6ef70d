/**
 * Memories of machines that are gone, for machines to come. A new one costs more than a boot does: the
 * system fills it with zeros, or the engine first collects all garbage, in case a dropped linear memory is
 * among it.
 */
import { dlopen, ptr } from 'bun:ffi';
import { type Backing, type GuestMemory, newBacking } from '../core/memory.ts';

/** Of a linear memory; no page of the system is larger. */
const PAGE_BYTES = 65_536;
/** Memories that are kept; the engine wants no more than a few to be alive. */
const MOST_KEPT = 2;
/** madvise(2) on Linux: private pages read as zeros afterwards. */
const MADV_DONTNEED = 4;

type Clear = (bytes: Uint8Array) => boolean;

const kept: Backing[] = [];
let clear: Clear | undefined;

function bytesOf(backing: Backing): Uint8Array {
  return new Uint8Array(backing instanceof ArrayBuffer ? backing : backing.buffer);
}

/** Pages that were written are given back to the system; to write zeros over all would take longer. */
function findClear(): Clear {
  if (process.platform !== 'linux') return () => false;
  try {
    const { symbols } = dlopen('libc.so.6', {
      madvise: { args: ['ptr', 'usize', 'i32'], returns: 'i32' },
    });
    return (bytes) => {
      // What shares a page with something else is none of the system's business.
      const address = Number(ptr(bytes));
      const first = -address & (PAGE_BYTES - 1);
      const end = bytes.length - ((address + bytes.length) & (PAGE_BYTES - 1));
      if (end <= first) return false;
      bytes.fill(0, 0, first);
      bytes.fill(0, end);
      const pages = bytes.subarray(first, end);
      return symbols.madvise(ptr(pages), pages.length, MADV_DONTNEED) === 0;
    };
  } catch {
    return () => false;
  }
}

/** A memory of so many pages of 64 KiB, all zeros. @throws RangeError when the host has no room */
export function takeMemory(pages: number, isLinear: boolean): Backing {
  const index = kept.findIndex(
    (backing) =>
      backing instanceof ArrayBuffer !== isLinear && bytesOf(backing).length === pages * PAGE_BYTES,
  );
  const [found] = index < 0 ? [] : kept.splice(index, 1);
  return found ?? newBacking(pages, isLinear);
}

/** Ends the memory of a machine that nothing is done with any more, and keeps it for others. */
export function leaveMemory(memory: GuestMemory): void {
  const backing = memory.release();
  clear ??= findClear();
  if (clear(bytesOf(backing))) kept.push(backing);
  else drop(backing);
  if (kept.length > MOST_KEPT) drop(kept.shift()!);
}

/** Frees it; a linear memory is left to the garbage collector. */
function drop(backing: Backing): void {
  if (backing instanceof ArrayBuffer) backing.transfer(0);
}

export function dropMemories(): void {
  for (const backing of kept.splice(0)) drop(backing);
}
