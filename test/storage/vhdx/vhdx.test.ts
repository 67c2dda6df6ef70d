import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { MemoryStore } from '../../../src/storage/memory-store.ts';
import { readHeader } from '../../../src/storage/vhdx/header.ts';
import { BlockTable } from '../../../src/storage/vhdx/bat.ts';
import { BlockState, Position } from '../../../src/storage/vhdx/spec.ts';
import {
  contentOf,
  firstDifference,
  imageDifference,
  MIB,
  readAll,
  Shelf,
  shelfWith,
} from '../../support/images.ts';

const nobody = (message: string): void => expect.fail(message);
const sector = new Uint8Array(512).fill(0xa5);

/** State of a payload block in the file: what another program would see. */
function stateOf(store: MemoryStore, block: number): number {
  const entry = new Uint8Array(8);
  store.read(3 * MIB + block * 8, entry, 0, 8);
  return entry[0]! & 7;
}

function setState(store: MemoryStore, block: number, state: number): void {
  const entry = new Uint8Array(8);
  store.read(3 * MIB + block * 8, entry, 0, 8);
  entry[0] = (entry[0]! & ~7) | state;
  store.write(3 * MIB + block * 8, entry, 0, 8);
}

describe('VHDX', () => {
  it('changes the write GUIDs with the first write of a session, and not before', () => {
    const shelf = new Shelf();
    const store = shelf.create('disk.vhdx', { format: 'vhdx-dynamic', sizeBytes: 8 * MIB });
    const start = readHeader(store, nobody);
    const before = contentOf(store);
    const idle = shelf.open('disk.vhdx');
    idle.flush();
    idle.close();
    expect(firstDifference(contentOf(store), before)).toBe(-1);

    const image = shelf.open('disk.vhdx', { random: new Random(5) });
    image.write(0, sector, 0, 512);
    const during = readHeader(store, nobody);
    expect(during.logGuid).not.toBe('00000000-0000-0000-0000-000000000000');
    expect(during.dataWriteGuid).not.toBe(start.dataWriteGuid);
    expect(during.fileWriteGuid).not.toBe(start.fileWriteGuid);
    image.write(512, sector, 0, 512);
    image.close();
    const after = readHeader(store, nobody);
    expect(after.dataWriteGuid).toBe(during.dataWriteGuid);
    expect(after.logGuid).toBe('00000000-0000-0000-0000-000000000000');
    expect(after.sequenceNumber).toBeGreaterThan(start.sequenceNumber);
  });

  it('turns unmapped blocks into state 3 and gives their space to other blocks', () => {
    const shelf = new Shelf();
    const store = shelf.create('disk.vhdx', {
      format: 'vhdx-dynamic',
      sizeBytes: 32 * MIB,
      blockBytes: MIB,
    });
    const image = shelf.open('disk.vhdx');
    const data = new Uint8Array(8 * MIB).fill(1);
    image.write(0, data, 0, data.length);
    image.flush();
    const full = store.sizeBytes;
    image.unmap(MIB, 4 * MIB);
    image.flush();
    expect([0, 1, 2, 3, 4, 5].map((block) => stateOf(store, block))).toEqual([6, 3, 3, 3, 3, 6]);
    image.write(20 * MIB, data, 0, 512);
    image.write(24 * MIB, data, 0, 3 * MIB);
    image.close();
    expect(store.sizeBytes).toBe(full);
    const reopened = readAll(shelf.open('disk.vhdx'));
    // The space still held the old data; what was not written must not show it.
    const rest = reopened.subarray(20 * MIB + 512, 21 * MIB);
    expect(firstDifference(rest, new Uint8Array(MIB - 512))).toBe(-1);
  });

  it('does not let a fixed disk lose its space', () => {
    const shelf = new Shelf();
    const store = shelf.create('disk.vhdx', { format: 'vhdx-fixed', sizeBytes: 8 * MIB });
    const size = store.sizeBytes;
    const image = shelf.open('disk.vhdx');
    image.unmap(0, 8 * MIB);
    image.write(0, sector, 0, 512);
    image.close();
    expect(stateOf(store, 0)).toBe(BlockState.is.fullyPresent);
    expect(store.sizeBytes).toBe(size);
  });

  it.each([
    ['not present', BlockState.is.notPresent],
    ['undefined', BlockState.is.undefined],
    ['zero', BlockState.is.zero],
    ['unmapped', BlockState.is.unmapped],
  ])('reads a block in state "%s" as zeros, and takes writes to it', (_, state) => {
    const shelf = new Shelf();
    const store = shelf.create('disk.vhdx', { format: 'vhdx-dynamic', sizeBytes: 8 * MIB });
    const image = shelf.open('disk.vhdx');
    image.write(0, new Uint8Array(2 * MIB).fill(7), 0, 2 * MIB);
    image.close();
    setState(store, 0, state);
    const again = shelf.open('disk.vhdx');
    expect(imageDifference(again, new Uint8Array(8 * MIB))).toBe(-1);
    again.write(1024, sector, 0, 512);
    again.close();
    const expected = new Uint8Array(8 * MIB);
    expected.set(sector, 1024);
    expect(imageDifference(shelf.open('disk.vhdx'), expected)).toBe(-1);
    expect(shelf.warnings).toEqual([]);
  });

  it('does not trust the bitmap of a block that was made transparent meanwhile', () => {
    const { shelf, name, content } = shelfWith('vhdx-differencing', 4 * MIB);
    const store = shelf.stores.get(name)!;
    const image = shelf.open(name);
    image.write(0, sector, 0, 512);
    image.close();
    expect(stateOf(store, 0)).toBe(BlockState.is.partiallyPresent);
    setState(store, 0, BlockState.is.notPresent);
    const again = shelf.open(name);
    again.write(4096, sector, 0, 512);
    again.close();
    content.set(sector, 4096);
    expect(imageDifference(shelf.open(name), content)).toBe(-1);
  });

  it('sets in a sector bitmap block the bits of written sectors only, wherever the block lies', () => {
    const { shelf, name } = shelfWith('vhdx-differencing', 4 * MIB, { blockBytes: MIB });
    const image = shelf.open(name);
    // The bitmap block gets the space, and what is left in it, of a block that was given up.
    image.write(0, new Uint8Array(MIB).fill(0xff), 0, MIB);
    image.unmap(0, MIB);
    image.flush();
    image.write(2 * MIB + 512 * 9, sector, 0, 512);
    image.close();
    const bytes = contentOf(shelf.stores.get(name)!);
    const view = new DataView(bytes.buffer);
    const place = Number(view.getBigUint64(3 * MIB + 4096 * 8, true) >> 20n) * MIB;
    const expected = new Uint8Array(MIB);
    expected[(2 * 2048) / 8 + 1] = 0b10;
    expect(firstDifference(bytes.subarray(place, place + MIB), expected)).toBe(-1);
  });

  it('uses the other header and the other region table when one is damaged, and mends the latter', () => {
    const shelf = new Shelf();
    const store = shelf.create('disk.vhdx', { format: 'vhdx-dynamic', sizeBytes: 8 * MIB });
    const start = contentOf(store);
    store.write(Position.header2 + 100, sector, 0, 1);
    store.write(Position.regionTable1 + 9, sector, 0, 1);
    const image = shelf.open('disk.vhdx');
    expect(shelf.warnings).toEqual([
      expect.stringMatching(/one header of the VHDX is damaged \(checksum .* at byte 131072/),
      expect.stringMatching(/one region table of the VHDX is damaged \(checksum .* at byte 196608/),
    ]);
    image.write(0, sector, 0, 512);
    image.close();
    shelf.warnings.length = 0;
    expect(readAll(shelf.open('disk.vhdx')).subarray(0, 512)).toEqual(sector);
    expect(shelf.warnings).toEqual([]);
    const table = contentOf(store).subarray(Position.regionTable1, Position.regionTable2);
    const before = start.subarray(Position.regionTable1, Position.regionTable2);
    expect(firstDifference(table, before)).toBe(-1);
  });

  it.each([
    [512, MIB, 4096],
    [512, 2 * MIB, 2048],
    [4096, 2 * MIB, 16_384],
    [512, 256 * MIB, 16],
    [4096, 256 * MIB, 128],
  ])('%i-byte sectors and %i-byte blocks make a chunk of %i blocks (2.4)', (...row) => {
    const [sectorBytes, blockBytes, ratio] = row;
    const metadata = {
      blockBytes,
      sectorBytes,
      sizeBytes: (2 * ratio + 1) * blockBytes,
      physicalSectorBytes: 4096,
      hasParent: true,
      leaveBlocksAllocated: false,
      virtualDiskId: '',
    };
    const table = new BlockTable({ offset: 3 * MIB, length: MIB }, metadata);
    expect(table.chunkRatio).toBe(ratio);
    expect(table.bitmap.length).toBe(3);
    expect(BlockTable.entryCount(metadata)).toBe(3 * (ratio + 1));
    expect(BlockTable.entryCount({ ...metadata, hasParent: false })).toBe(2 * ratio + 1 + 2);
    // A chunk's bitmap entry follows those of its payload blocks, 512 entries to a page.
    expect(table.bitmapPage(0)).toBe(Math.floor(ratio / 512));
    expect(table.payloadPage(ratio)).toBe(Math.floor((ratio + 1) / 512));
  });
});
