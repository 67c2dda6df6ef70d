import { describe, expect, it } from 'vitest';
import { type Backing, GuestMemory } from '../../src/core/memory.ts';
import { dropMemories, leaveMemory, takeMemory } from '../../src/machine/memory-pool.ts';

const PAGES = 20;
const PAGE_BYTES = 65_536;

/** Takes a memory, writes all over it, and leaves it. */
function use(isLinear: boolean, pages = PAGES): void {
  const memory = new GuestMemory(
    { ramBytes: pages * PAGE_BYTES, lowGapStart: 2 ** 31, isLinear },
    takeMemory,
  );
  memory.u8.fill(1);
  leaveMemory(memory);
}

function bytesOf(backing: Backing): Uint8Array {
  return new Uint8Array(backing instanceof ArrayBuffer ? backing : backing.buffer);
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, new Uint8Array(bytes.length)) === 0;
}

describe('memories of machines that are gone', () => {
  it.each([true, false])(
    'are all zeros for the next one, and of its size (linear: %s)',
    (isLinear) => {
      dropMemories();
      use(isLinear);
      expect(bytesOf(takeMemory(PAGES + 1, isLinear)).length).toBe((PAGES + 1) * PAGE_BYTES);
      expect(takeMemory(PAGES, !isLinear) instanceof ArrayBuffer).toBe(isLinear);
      const again = bytesOf(takeMemory(PAGES, isLinear));
      expect(again.length).toBe(PAGES * PAGE_BYTES);
      expect(isZero(again)).toBe(true);
    },
  );

  it.skipIf(process.platform !== 'linux')('are two at most, the last ones', () => {
    dropMemories();
    const left = [PAGES, PAGES + 1, PAGES + 2].map((pages) => {
      const memory = new GuestMemory(
        { ramBytes: pages * PAGE_BYTES, lowGapStart: 2 ** 31, isLinear: true },
        takeMemory,
      );
      leaveMemory(memory);
      return memory.wasm;
    });
    const taken = [PAGES, PAGES + 1, PAGES + 2].map((pages) => takeMemory(pages, true));
    expect(taken.map((backing, index) => backing === left[index])).toEqual([false, true, true]);
  });

  it.each([true, false])('are out of reach of what they have left (linear: %s)', (isLinear) => {
    dropMemories();
    const layout = { ramBytes: PAGES * PAGE_BYTES, lowGapStart: 2 ** 31, isLinear };
    const memory = new GuestMemory(layout, takeMemory);
    const { u8, u32, view } = memory;
    leaveMemory(memory);
    expect([u8.length, u32.length]).toEqual([0, 0]);
    expect(() => view.setUint8(0, 1)).toThrow();
    const next = new GuestMemory(layout, takeMemory);
    u8[0] = 0xff;
    memory.u32[1] = 1;
    expect(isZero(next.u8)).toBe(true);
  });
});
