/** Logs made by hand, entry by entry, after [MS-VHDX] 2.3. */
import { viewOf } from '../../../src/core/wire.ts';
import { describe, expect, it } from 'vitest';
import type { MemoryStore } from '../../../src/storage/memory-store.ts';
import { structureChecksum } from '../../../src/storage/vhdx/crc32c.ts';
import { putHeader, readHeader } from '../../../src/storage/vhdx/header.ts';
import { replayLog } from '../../../src/storage/vhdx/log-replay.ts';
import { PatchedStore } from '../../../src/storage/vhdx/patched-store.ts';
import { Header } from '../../../src/storage/vhdx/spec.ts';
import { MIB, Shelf } from '../../support/images.ts';

const logGuid = '11111111-2222-4333-8444-555555555555';
const logOffset = MIB;
const sector = 4096;
/** Behind all regions of the file below. */
const free = 4 * MIB;

interface Entry {
  /** In sectors from the start of the log. */
  readonly at: number;
  readonly sequence: number;
  readonly tail?: number;
  readonly data?: readonly { readonly to: number; readonly fill: number }[];
  readonly zero?: readonly { readonly to: number; readonly length: number }[];
  readonly guid?: string;
  readonly flushed?: number;
  readonly last?: number;
}

function entryBytes(entry: Entry): Uint8Array {
  const data = entry.data ?? [];
  const zero = entry.zero ?? [];
  const area = Math.ceil((64 + 32 * (data.length + zero.length)) / sector) * sector;
  const bytes = new Uint8Array(area + data.length * sector);
  const view = viewOf(bytes);
  const text = (at: number, letters: string): void =>
    bytes.set(new TextEncoder().encode(letters), at);
  text(0, 'loge');
  view.setUint32(8, bytes.length, true);
  view.setUint32(12, (entry.tail ?? entry.at) * sector, true);
  view.setBigUint64(16, BigInt(entry.sequence), true);
  view.setUint32(24, data.length + zero.length, true);
  Header.cursor(view).at(32 - Header.offset.logGuid).logGuid = entry.guid ?? logGuid;
  view.setBigUint64(48, BigInt(entry.flushed ?? free), true);
  view.setBigUint64(56, BigInt(entry.last ?? free), true);
  let at = 64;
  data.forEach(({ to, fill }, index) => {
    text(at, 'desc');
    view.setUint32(at + 4, fill * 0x0101_0101, true);
    view.setUint32(at + 8, fill * 0x0101_0101, true);
    view.setUint32(at + 12, fill * 0x0101_0101, true);
    view.setBigUint64(at + 16, BigInt(to), true);
    view.setBigUint64(at + 24, BigInt(entry.sequence), true);
    const place = area + index * sector;
    bytes.fill(fill, place, place + sector);
    text(place, 'data');
    view.setUint32(place + 4, 0, true);
    view.setUint32(place + sector - 4, entry.sequence, true);
    at += 32;
  });
  for (const { to, length } of zero) {
    text(at, 'zero');
    view.setBigUint64(at + 8, BigInt(length), true);
    view.setBigUint64(at + 16, BigInt(to), true);
    view.setBigUint64(at + 24, BigInt(entry.sequence), true);
    at += 32;
  }
  view.setUint32(4, structureChecksum(bytes), true);
  return bytes;
}

/** A VHDX whose header says that the log is in use, with these entries in it. */
function fileWith(entries: readonly Entry[], spoil?: (store: MemoryStore) => void): MemoryStore {
  const store = new Shelf().create('disk.vhdx', { format: 'vhdx-dynamic', sizeBytes: 8 * MIB });
  store.resize(free + MIB);
  store.write(free, new Uint8Array(MIB).fill(0xee), 0, MIB);
  const header = readHeader(store, () => {});
  putHeader(store, { ...header, logGuid, sequenceNumber: header.sequenceNumber + 1n });
  for (const entry of entries) {
    const bytes = entryBytes(entry);
    const first = Math.min(bytes.length, MIB - entry.at * sector);
    store.write(logOffset + entry.at * sector, bytes, 0, first);
    if (first < bytes.length) store.write(logOffset, bytes, first, bytes.length - first);
  }
  spoil?.(store);
  return store;
}

/** First and last byte of each 4 KiB of what replay leaves behind `free`. */
function replayed(store: MemoryStore, sectors = 4): string[] {
  const header = readHeader(store, () => {});
  const memory = new PatchedStore(store);
  replayLog(store, header, memory);
  replayLog(store, header, store);
  const show = (from: MemoryStore | PatchedStore): string[] => {
    const bytes = new Uint8Array(sectors * sector);
    from.read(free, bytes, 0, bytes.length);
    return Array.from({ length: sectors }, (_, index) => {
      const part = bytes.subarray(index * sector, (index + 1) * sector);
      const same = part.every((byte) => byte === part[0]);
      return same ? part[0]!.toString(16) : 'mixed';
    });
  };
  expect(show(memory)).toEqual(show(store));
  expect(memory.sizeBytes).toBe(store.sizeBytes);
  return show(store);
}

const page = (index: number): number => free + index * sector;

describe('log replay', () => {
  it('writes data sectors with their leading and trailing bytes, and zeros', () => {
    const entry = {
      at: 0,
      sequence: 7,
      data: [{ to: page(0), fill: 0x11 }],
      zero: [{ to: page(2), length: sector }],
    };
    expect(replayed(fileWith([entry]))).toEqual(['11', 'ee', '0', 'ee']);
  });

  it('applies the entries of a sequence in order, from the tail of the newest', () => {
    const entries = [
      { at: 0, sequence: 5, data: [{ to: page(3), fill: 0x55 }] },
      { at: 2, sequence: 6, tail: 2, data: [{ to: page(0), fill: 0x66 }] },
      { at: 4, sequence: 7, tail: 2, data: [{ to: page(0), fill: 0x77 }] },
      { at: 6, sequence: 8, tail: 2, data: [{ to: page(1), fill: 0x88 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['77', '88', 'ee', 'ee']);
  });

  it('follows a sequence round the end of the log', () => {
    const entries = [
      { at: 253, sequence: 20, data: [{ to: page(0), fill: 0x20 }] },
      { at: 255, sequence: 21, tail: 253, data: [{ to: page(1), fill: 0x21 }] },
      { at: 1, sequence: 22, tail: 253, data: [{ to: page(2), fill: 0x22 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['20', '21', '22', 'ee']);
  });

  it('takes the sequence with the highest number, wherever it lies', () => {
    const entries = [
      { at: 0, sequence: 30, data: [{ to: page(0), fill: 0x30 }] },
      { at: 10, sequence: 12, data: [{ to: page(1), fill: 0x12 }] },
      { at: 20, sequence: 31, data: [{ to: page(2), fill: 0x31 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['ee', 'ee', '31', 'ee']);
  });

  const torn: [string, (store: MemoryStore) => void][] = [
    [
      'a bit of its data',
      (store) => store.write(logOffset + 3 * sector + 99, Uint8Array.of(1), 0, 1),
    ],
    [
      'its last sector',
      (store) => store.write(logOffset + 3 * sector, new Uint8Array(sector), 0, sector),
    ],
    [
      'its first sector',
      (store) => store.write(logOffset + 2 * sector, new Uint8Array(sector), 0, sector),
    ],
    [
      'the sector number of its data',
      (store) => store.write(logOffset + 4 * sector - 4, Uint8Array.of(9), 0, 1),
    ],
  ];
  it.each(torn)('leaves out the newest entry when %s did not reach the medium', (_, spoil) => {
    const entries = [
      { at: 0, sequence: 5, data: [{ to: page(0), fill: 0x55 }] },
      { at: 2, sequence: 6, tail: 0, data: [{ to: page(0), fill: 0x66 }] },
    ];
    expect(replayed(fileWith(entries, spoil))).toEqual(['55', 'ee', 'ee', 'ee']);
  });

  it('leaves out entries of an earlier use of the log', () => {
    const old = 'aaaaaaaa-2222-4333-8444-555555555555';
    const entries = [
      { at: 0, sequence: 5, data: [{ to: page(0), fill: 0x55 }] },
      { at: 2, sequence: 6, tail: 0, guid: old, data: [{ to: page(0), fill: 0x66 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['55', 'ee', 'ee', 'ee']);
  });

  it('leaves out a sequence whose newest tail is not in it', () => {
    const entries = [
      { at: 0, sequence: 5, data: [{ to: page(0), fill: 0x55 }] },
      { at: 10, sequence: 9, tail: 6, data: [{ to: page(1), fill: 0x99 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['55', 'ee', 'ee', 'ee']);
  });

  it.each([
    ['in the headers', 131_072],
    ['in the log itself', logOffset + 8 * sector],
    ['off a 4 KiB boundary', free + 512],
  ])('takes an entry that writes %s for invalid', (_, to) => {
    const entries = [
      { at: 0, sequence: 5, data: [{ to: page(0), fill: 0x55 }] },
      { at: 2, sequence: 6, tail: 0, data: [{ to, fill: 0x66 }] },
    ];
    expect(replayed(fileWith(entries))).toEqual(['55', 'ee', 'ee', 'ee']);
  });

  it('lets the file grow to what the newest entry says', () => {
    const entry = { at: 0, sequence: 1, data: [{ to: page(0), fill: 1 }], last: free + 9 * MIB };
    const store = fileWith([entry]);
    replayed(store);
    expect(store.sizeBytes).toBe(free + 9 * MIB);
  });

  it('refuses a log in use that holds no valid entry', () => {
    const store = fileWith([]);
    expect(() => replayed(store)).toThrow(
      `the VHDX was not closed cleanly, and its log at byte 1048576 holds no valid entry for ${logGuid}: the image is damaged`,
    );
  });

  it('refuses a file that is shorter than it was when the entry was made', () => {
    const store = fileWith([{ at: 0, sequence: 1, flushed: free + 7 * MIB }]);
    expect(() => replayed(store)).toThrow(
      `the log of the VHDX says that the file had ${free + 7 * MIB} bytes, but it ends at byte ${free + MIB}: the image is truncated`,
    );
  });
});
