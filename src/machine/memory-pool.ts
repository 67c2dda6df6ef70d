/**
 * Linear memories of machines that are gone, for machines to come. A new one costs more than a boot does: the
 * engine first collects all garbage, in case a dropped memory is among it.
 */
import { dlopen, ptr } from 'bun:ffi';
import type { GuestMemory } from '../core/memory.ts';

const WASM_PAGE_BYTES = 65_536;
/** Memories that are kept; the engine wants no more than a few to be alive. */
const MOST_KEPT = 2;
/** madvise(2) on Linux: private pages read as zeros afterwards. */
const MADV_DONTNEED = 4;

type Clear = (bytes: Uint8Array) => boolean;

const kept: WebAssembly.Memory[] = [];
let clear: Clear | undefined;

/** Pages that were written are given back to the system; to write zeros over all would take longer. */
function findClear(): Clear {
  if (process.platform !== 'linux') return () => false;
  try {
    const { symbols } = dlopen('libc.so.6', {
      madvise: { args: ['ptr', 'usize', 'i32'], returns: 'i32' },
    });
    return (bytes) => symbols.madvise(ptr(bytes), bytes.length, MADV_DONTNEED) === 0;
  } catch {
    return () => false;
  }
}

/** A memory of so many pages, all zeros. @throws RangeError when the host has no room */
export function takeMemory(pages: number): WebAssembly.Memory {
  const index = kept.findIndex(({ buffer }) => buffer.byteLength === pages * WASM_PAGE_BYTES);
  const [found] = index < 0 ? [] : kept.splice(index, 1);
  return found ?? new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/** Ends the memory of a machine that nothing is done with any more, and keeps it for others. */
export function leaveMemory(memory: GuestMemory): void {
  const wasm = memory.release();
  if (wasm === undefined) return;
  clear ??= findClear();
  if (!clear(new Uint8Array(wasm.buffer))) return;
  kept.push(wasm);
  if (kept.length > MOST_KEPT) kept.shift();
}

/** Leaves them to the garbage collector. */
export function dropMemories(): void {
  kept.length = 0;
}
