import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { FirmwareMemory } from '../../src/uefi/memory-map.ts';
import {
  EfiMemoryType,
  MEMORY_DESCRIPTOR_STRIDE,
  MemoryDescriptor,
} from '../../src/uefi/spec/memory.ts';
import { firstDifference } from '../support/images.ts';

const { is } = EfiMemoryType;
const MIB = 1024 * 1024;
const memory = new GuestMemory({ ramBytes: 8 * MIB, lowGapStart: 6 * MIB });

describe('the firmware memory map', () => {
  it('starts as free RAM on both sides of the gap', () => {
    expect(new FirmwareMemory(memory).runs).toEqual([
      { start: 0, bytes: 6 * MIB, type: is.Conventional },
      { start: 0x1_0000_0000, bytes: 2 * MIB, type: is.Conventional },
    ]);
  });

  it('gives pages from the top below 4 GiB, and exact ones only when they are free', () => {
    const pages = new FirmwareMemory(memory);
    expect(pages.allocate(5000, is.LoaderData)).toBe(6 * MIB - 8192);
    expect(pages.allocateAt(MIB, 4096, is.LoaderCode)).toBe(true);
    expect(pages.allocateAt(MIB, 4096, is.LoaderCode)).toBe(false);
    expect(pages.allocateAt(MIB - 4096, 8192, is.LoaderCode)).toBe(false);
    expect(pages.allocateAt(2 * MIB + 1, 4096, is.LoaderCode)).toBe(false);
    expect(pages.allocate(7 * MIB, is.LoaderData)).toBe(-1);
    const anywhere = pages.allocate(4096, is.LoaderData, Number.MAX_SAFE_INTEGER);
    expect(anywhere).toBe(0x1_0000_0000 + 2 * MIB - 4096);
  });

  it('gives descriptors of 48 bytes, runtime ones marked', () => {
    const pages = new FirmwareMemory(memory);
    pages.setType(MIB, 8192, is.RuntimeServicesData);
    const bytes = pages.descriptors();
    expect(bytes.length).toBe(4 * MEMORY_DESCRIPTOR_STRIDE);
    const descriptor = MemoryDescriptor.cursor(new DataView(bytes.buffer));
    descriptor.at(MEMORY_DESCRIPTOR_STRIDE);
    expect(descriptor.type).toBe(is.RuntimeServicesData);
    expect(descriptor.physicalStart).toBe(BigInt(MIB));
    expect(descriptor.pageCount).toBe(2n);
    expect(descriptor.attributes).toBe((1n << 63n) | 0xfn);
    expect(descriptor.at(0).attributes).toBe(0xfn);
  });

  it('stays sorted, merged and complete under any sequence of changes', () => {
    const change = fc.tuple(
      fc.integer({ min: 0, max: 2047 }),
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 1, max: 10 }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const pages = new FirmwareMemory(memory);
        const model = new Uint8Array(2048).fill(is.Conventional);
        for (const [page, count, type] of changes) {
          // Pages 1536 on are the RAM above 4 GiB.
          const start = page < 1536 ? page * 4096 : 0x1_0000_0000 + (page - 1536) * 4096;
          pages.setType(start, count * 4096, type);
          model.fill(type, page, page < 1536 ? Math.min(page + count, 1536) : page + count);
        }
        const seen: number[] = [];
        for (const [index, run] of pages.runs.entries()) {
          const next = pages.runs[index + 1];
          if (next !== undefined) {
            const isAdjacent = run.start + run.bytes === next.start;
            expect(isAdjacent && run.type === next.type).toBe(false);
          }
          for (let page = 0; page < run.bytes / 4096; page += 1) seen.push(run.type);
        }
        expect(firstDifference(Uint8Array.from(seen), model)).toBe(-1);
      }),
      { numRuns: 60 },
    );
  });
});
