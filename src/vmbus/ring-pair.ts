import { PAGE_BYTES } from '../core/memory.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { GuestRanges } from './device.ts';
import { RingMemory } from './ring.ts';

/** A control page and at the least one page of data. */
const MIN_RING_PAGES = 2;

export interface RingPair {
  readonly guestToHost: RingMemory;
  readonly hostToGuest: RingMemory;
}

/**
 * The rings in a GPADL, the guest-to-host one first.
 * @param downstreamPageOffset where the host-to-guest ring begins, in pages; any number
 * @returns undefined unless the GPADL is one range of whole pages with room for both
 */
export function ringPair(
  memory: GuestMemory,
  ranges: GuestRanges,
  downstreamPageOffset: number,
): RingPair | undefined {
  if (ranges.rangeCount !== 1 || ranges.totalBytes % PAGE_BYTES !== 0) return undefined;
  if (ranges.offsets[0]! % PAGE_BYTES !== 0) return undefined;
  const count = ranges.totalBytes / PAGE_BYTES;
  const downstreamPages = count - downstreamPageOffset;
  if (downstreamPageOffset < MIN_RING_PAGES || downstreamPages < MIN_RING_PAGES) return undefined;
  const pages = new Float64Array(count);
  let page = 0;
  for (let run = 0; run < ranges.count; run += 1) {
    const offset = ranges.offsets[run]!;
    for (let at = 0; at < ranges.lengths[run]!; at += PAGE_BYTES) {
      pages[page] = offset + at;
      page += 1;
    }
  }
  return {
    guestToHost: new RingMemory(memory, pages, 0, downstreamPageOffset),
    hostToGuest: new RingMemory(memory, pages, downstreamPageOffset, downstreamPages),
  };
}
