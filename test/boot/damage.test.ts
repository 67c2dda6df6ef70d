import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { efiLoader, MBR_CODE } from '../../src/boot/default-code.ts';
import { guessGeneration } from '../../src/boot/guess-generation.ts';
import { crc32 } from '../../src/core/crc32.ts';
import { GuestMemory } from '../../src/core/memory.ts';
import { GptType } from '../../src/storage/partitions/spec.ts';
import type { ArrayDisk } from '../support/array-disk.ts';
import { efiDisk, gptDisk, LOADER_PATH, mbrDisk } from './disks.ts';
import { boot, disk, MIB } from './rig.ts';

const memory = new GuestMemory({ ramBytes: 32 * MIB, lowGapStart: 0xf800_0000 });

/** Where the structures lie that a boot reads: what is damaged elsewhere is not even looked at. */
function spots(block: ArrayDisk): number[] {
  const found: number[] = [];
  for (let at = 0; at < block.bytes.length; at += 1) if (block.bytes[at] !== 0) found.push(at);
  return found;
}

describe('a disk damaged anywhere', () => {
  const disks: [string, 1 | 2, ArrayDisk][] = [
    ['GPT and ESP', 2, efiDisk({ [LOADER_PATH]: efiLoader() }).disk],
    ['MBR', 1, mbrDisk([{ typeByte: 0xa5, active: true, bootable: true }])],
  ];

  it.each(disks)('%s boots or says why not, and never throws', (_name, generation, block) => {
    const places = spots(block);
    const edit = fc.tuple(fc.nat(places.length - 1), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), (edits) => {
        const undo = edits.map(
          ([place]) => [places[place]!, block.bytes[places[place]!]!] as const,
        );
        for (const [place, value] of edits) block.bytes[places[place]!] = value;
        try {
          const { result } = boot({ generation, memory, disks: [disk(block)] });
          if (result.kind === 'stopped') expect(result.reason.length).toBeGreaterThan(20);
          expect([1, 2]).toContain(guessGeneration(block).generation);
        } finally {
          for (const [at, value] of undo.reverse()) block.bytes[at] = value;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('a GPT with right checksums whose boot partition lies beyond the disk', () => {
    const block = gptDisk(GptType.freebsdBoot);
    block.bytes.set(MBR_CODE, 0);
    const view = new DataView(block.bytes.buffer);
    const far = 10_000_000;
    view.setBigUint64(1024 + 32, BigInt(far), true);
    view.setBigUint64(1024 + 40, BigInt(far + 100), true);
    view.setBigUint64(512 + 48, BigInt(far + 1000), true);
    view.setUint32(512 + 88, crc32(block.bytes, 1024, 128 * 128), true);
    view.setUint32(512 + 16, 0, true);
    view.setUint32(512 + 16, crc32(block.bytes, 512, 92), true);
    const { result } = boot({ generation: 1, memory, disks: [disk(block)] });
    expect(result).toMatchObject({ kind: 'stopped' });
    expect(result.kind === 'stopped' && result.reason).toMatch(
      /not inside the disk|beyond|outside/,
    );
  });
});
