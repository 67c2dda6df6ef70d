import { describe, expect, it } from 'vitest';
import { HostDiskPool } from '../../src/machine/host-disks.ts';
import { readPartitions } from '../../src/storage/partitions/read.ts';

const MIB = 1024 * 1024;

describe('disks of the host', () => {
  it('have numbers from 1 on, and a new one a GPT with the reserved partition', () => {
    const pool = new HostDiskPool(1n);
    const first = pool.attach({ sizeBytes: 64 * MIB });
    const second = pool.attach({ sizeBytes: 8 * MIB, isInitialized: false });
    expect(pool.disks.map(({ name }) => name)).toEqual(['host disk 1', 'host disk 2']);
    const table = readPartitions(first.block);
    expect(table).toMatchObject({ kind: 'gpt', partitions: [{ sizeBytes: 32 * MIB }] });
    expect(readPartitions(second.block)).toMatchObject({ kind: 'none' });
  });

  it('are the same for one seed', () => {
    const head = (seed: bigint): Uint8Array => {
      const bytes = new Uint8Array(1024);
      new HostDiskPool(seed).attach({ sizeBytes: 64 * MIB }).block.read(512, bytes, 0, 1024);
      return bytes;
    };
    expect(head(1n)).toEqual(head(1n));
    expect(head(1n)).not.toEqual(head(2n));
  });

  it('go to one machine at a time, and to none while the host has them online', () => {
    const disk = new HostDiskPool(1n).attach({ sizeBytes: 64 * MIB });
    expect(disk.take('left')).toBe(disk.block);
    expect(disk.take('left')).toBe(disk.block);
    expect(() => disk.take('right')).toThrow('is in use by left');
    disk.release();
    expect(disk.take('right')).toBe(disk.block);
    disk.release();
    disk.isOnline = true;
    expect(() => disk.take('left')).toThrow('is online on the host; take it offline');
  });
});
