import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { dropMemories, leaveMemory, takeMemory } from '../../src/machine/memory-pool.ts';
import { Run } from '../support/run.ts';

const PAGES = 20;
const PAGE_BYTES = 65_536;

/** Takes a memory, writes to its ends, and leaves it. */
function use(pages = PAGES): WebAssembly.Memory {
  const memory = new GuestMemory(
    { ramBytes: pages * PAGE_BYTES, lowGapStart: 2 ** 31, isLinear: true },
    takeMemory,
  );
  memory.u8[0] = 1;
  memory.u8[pages * PAGE_BYTES - 1] = 1;
  leaveMemory(memory);
  return memory.wasm;
}

describe('memories of machines that are gone', () => {
  it('are all zeros for the next one, and of its size', () => {
    dropMemories();
    const first = use();
    const second = takeMemory(PAGES);
    if (process.platform === 'linux') expect(second).toBe(first);
    expect(new Uint8Array(second.buffer).every((byte) => byte === 0)).toBe(true);
    const other = takeMemory(PAGES + 1);
    expect(other).not.toBe(first);
    expect(other.buffer.byteLength).toBe((PAGES + 1) * PAGE_BYTES);
  });

  it('are two at most, the last ones', () => {
    dropMemories();
    const [one, two, three] = [use(PAGES), use(PAGES + 1), use(PAGES + 2)];
    expect(takeMemory(PAGES)).not.toBe(one);
    if (process.platform !== 'linux') return;
    expect(takeMemory(PAGES + 1)).toBe(two);
    expect(takeMemory(PAGES + 2)).toBe(three);
  });

  it('are out of reach of what the machine before has left', () => {
    const plain = new Run().boot();
    const digest = plain.machine.trace.digest;
    const { memory } = plain.machine;
    const { u8, u32, view } = memory;
    leaveMemory(memory);
    expect([u8.length, u32.length]).toEqual([0, 0]);
    expect(() => view.setUint8(0, 1)).toThrow();
    const next = new Run();
    u8[0] = 0xff;
    memory.u32[0] = 1;
    try {
      plain.forSeconds(0.1);
    } catch (error) {
      expect(error).toBeInstanceOf(Error);
    }
    expect(next.boot().machine.trace.digest).toBe(digest);
  });
});
