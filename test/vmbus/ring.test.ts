import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemory, PAGE_BYTES } from '../../src/core/memory.ts';
import { RingMemory, RingPacket, RingReader, RingWriter } from '../../src/vmbus/ring.ts';
import type { RingOptions } from '../../src/vmbus/ring.ts';
import { PacketType, RingFeature } from '../../src/vmbus/spec/ring.ts';
import { cases } from '../support/cases.ts';

interface Ends {
  readonly ring: RingMemory;
  readonly writer: RingWriter;
  readonly reader: RingReader;
}

const memory = new GuestMemory({ ramBytes: 1 << 20, lowGapStart: 0xf800_0000 });

/** @param pages page frame numbers, control page first */
function ends(pages: readonly number[], options: RingOptions = {}): Ends {
  const positions = pages.map((pfn) => pfn * PAGE_BYTES);
  const ring = new RingMemory(memory, positions, 0, positions.length);
  ring.clearControl();
  const packet = new RingPacket(RingPacket.capacityFor(ring));
  return {
    ring,
    writer: new RingWriter(ring, options),
    reader: new RingReader(ring, packet, options),
  };
}

function write({ writer }: Ends, payload: Uint8Array, transaction = 0): boolean {
  return writer.write(PacketType.inBand, 0, transaction, 0, payload, 0, payload.length);
}

function payloadOf({ reader }: Ends): Uint8Array {
  const { bytes, payloadStart, payloadLength } = reader.packet;
  return bytes.slice(payloadStart, payloadStart + payloadLength);
}

function filled(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1) bytes[index] = seed + index * 7;
  return bytes;
}

/** Linear position of a byte of the data area. */
function dataAt(ring: RingMemory, position: number): number {
  return ring.wordAt(position) * 4;
}

describe('the bytes of a packet', () => {
  it('are header, padded payload and a footer that says where the packet began', () => {
    const both = ends([1, 2]);
    write(both, filled(24, 1));
    both.reader.receive();
    write(both, Uint8Array.of(1, 2, 3), 0x1234_5678);
    const start = 16 + 24 + 8;
    const at = dataAt(both.ring, start);
    const { view } = memory;
    expect(view.getUint16(at, true)).toBe(PacketType.inBand);
    expect(view.getUint16(at + 2, true)).toBe(2);
    expect(view.getUint16(at + 4, true)).toBe(3);
    expect(view.getUint32(at + 8, true)).toBe(0x1234_5678);
    expect(memory.u8.slice(at + 16, at + 24)).toEqual(Uint8Array.of(1, 2, 3, 0, 0, 0, 0, 0));
    expect(view.getUint32(at + 24, true)).toBe(0);
    expect(view.getUint32(at + 28, true)).toBe(start);
  });

  it('zero the padding over what an older packet left', () => {
    const both = ends([1, 2]);
    memory.u8.fill(0xee, PAGE_BYTES * 2, PAGE_BYTES * 3);
    write(both, Uint8Array.of(9));
    both.reader.receive();
    expect([...payloadOf(both)]).toEqual([9, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('carry an extension before the payload', () => {
    const both = ends([1, 2]);
    const extension = new Uint8Array(24);
    new DataView(extension.buffer).setUint32(4, 1, true);
    const payload = filled(8, 3);
    both.writer.write(PacketType.gpaDirect, 1, 5, 6, payload, 0, 8, extension, 24);
    expect(both.reader.receive()).toBe(true);
    const { packet } = both.reader;
    expect(packet).toMatchObject({ type: 9, flags: 1, transactionLo: 5, transactionHi: 6 });
    expect(packet).toMatchObject({ extensionLength: 24, payloadStart: 40, payloadLength: 8 });
    expect(payloadOf(both)).toEqual(payload);
  });
});

describe('room', () => {
  it('ends eight bytes before the indices would meet', () => {
    const both = ends([1, 2]);
    const largest = PAGE_BYTES - 8 - 24;
    expect(write(both, filled(largest + 1, 0))).toBe(false);
    expect(write(both, filled(largest, 0))).toBe(true);
    expect(both.writer.freeBytes).toBe(0);
    expect(write(both, new Uint8Array(0))).toBe(false);
    expect(both.reader.receive()).toBe(true);
    expect(payloadOf(both)).toEqual(filled(largest, 0));
    expect(both.writer.freeBytes).toBe(PAGE_BYTES - 8);
  });

  it('is asked for only when there is none', () => {
    const both = ends([1, 2]);
    expect(both.writer.awaitSpace(PAGE_BYTES - 8)).toBe(true);
    expect(both.ring.pendingSendSize).toBe(0);
    write(both, filled(8, 0));
    expect(both.writer.awaitSpace(PAGE_BYTES - 8)).toBe(false);
    expect(both.ring.pendingSendSize).toBe(PAGE_BYTES - 8);
  });

  it('is told to a writer that asked for one byte less than the ring', () => {
    const both = ends([1, 2]);
    write(both, filled(64, 0));
    both.ring.pendingSendSize = PAGE_BYTES - 1;
    both.reader.receive();
    // Masked to 4088, which is exactly what is free now.
    expect(both.reader.signalDue).toBe(true);
  });
});

describe('an end that knows no pending send size', () => {
  it('sets no feature bit and tells nobody of room', () => {
    const both = ends([1, 2], { pendingSendSize: false });
    expect(both.ring.featureBits & RingFeature.pendingSendSize).toBe(0);
    write(both, filled(4000, 0));
    both.writer.awaitSpace(2000);
    both.reader.receive();
    expect(both.reader.signalDue).toBe(false);
  });
});

describe('a ring that breaks the rules', () => {
  const damage: readonly (readonly [string, (both: Ends) => void, RegExp])[] = [
    ['write index beyond the data', ({ ring }) => (ring.inIndex = 4096), /write index 4096/],
    ['unaligned write index', ({ ring }) => (ring.inIndex = 12), /write index 12/],
    ['less than a header', ({ ring }) => (ring.inIndex = 16), /16 available/],
    ['length beyond what is there', (both) => patch(both, 4, 100), /800 bytes, 48 available/],
    ['data before the header ends', (both) => patch(both, 2, 1), /data at 8/],
    ['data beyond the length', (both) => patch(both, 2, 6), /data at 48/],
    ['unknown type', (both) => patch(both, 0, 4), /type 4/],
    ['unknown flags', (both) => patch(both, 6, 2), /flags 2/],
  ];

  function patch({ ring }: Ends, offset: number, value: number): void {
    memory.view.setUint16(dataAt(ring, 0) + offset, value, true);
  }

  it.each(damage)('%s: reads as empty, with the reason', (_name, break_, reason) => {
    const both = ends([1, 2]);
    write(both, filled(24, 0));
    break_(both);
    expect(both.reader.receive()).toBe(false);
    expect(both.reader.fault).toMatch(reason);
    expect(both.reader.availableBytes).toBe(0);
    expect(both.ring.outIndex).toBe(0);
  });

  it('is not written when the read index is wrong', () => {
    const both = ends([1, 2]);
    both.ring.outIndex = 4100;
    expect(write(both, filled(8, 0))).toBe(false);
    expect(both.writer.fault).toMatch(/read index 4100/);
  });
});

type Step =
  | { readonly do: 'write'; readonly bytes: number }
  | { readonly do: 'read' }
  | { readonly do: 'mask'; readonly masked: boolean }
  | { readonly do: 'await'; readonly bytes: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(3000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(40) }) },
  { weight: 6, arbitrary: fc.constant({ do: 'read' as const }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('mask' as const), masked: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('await' as const), bytes: fc.nat(9000) }) },
);

/** What a ring is, without any bytes: a queue, a count of used bytes, and the rules for signals. */
class RingModel {
  readonly capacity: number;
  readonly packets: { readonly payload: Uint8Array; readonly total: number }[] = [];
  used = 0;
  isMasked = false;
  pending = 0;

  constructor(dataBytes: number) {
    this.capacity = dataBytes - 8;
  }

  get free(): number {
    return this.capacity - this.used;
  }
}

function play(both: Ends, model: RingModel, steps: readonly Step[]): void {
  for (const [index, action] of steps.entries()) {
    if (action.do === 'write') {
      const payload = filled(action.bytes, index);
      const total = 24 + Math.ceil(action.bytes / 8) * 8;
      const fits = total <= model.free;
      const wakes = fits && model.used === 0 && !model.isMasked;
      expect(write(both, payload, index)).toBe(fits);
      expect(both.writer.signalDue).toBe(wakes);
      both.writer.signalDue = false;
      if (fits) {
        model.packets.push({ payload, total });
        model.used += total;
      }
    } else if (action.do === 'read') {
      const next = model.packets.shift();
      expect(both.reader.receive()).toBe(next !== undefined);
      const before = model.free;
      if (next !== undefined) {
        model.used -= next.total;
        const payload = payloadOf(both).subarray(0, next.payload.length);
        expect(Buffer.compare(payload, next.payload)).toBe(0);
        expect(both.reader.packet.payloadLength).toBe(next.total - 24);
      }
      const wanted = model.pending & ~7;
      expect(both.reader.signalDue).toBe(wanted !== 0 && before < wanted && model.free >= wanted);
      both.reader.signalDue = false;
    } else if (action.do === 'mask') {
      both.reader.setMask(action.masked);
      model.isMasked = action.masked;
    } else {
      const hasRoom = model.free >= action.bytes;
      expect(both.writer.awaitSpace(action.bytes)).toBe(hasRoom);
      model.pending = hasRoom ? 0 : action.bytes;
    }
    expect(both.writer.freeBytes).toBe(model.free);
    expect(both.reader.availableBytes).toBe(model.used);
  }
  expect(both.writer.fault + both.reader.fault).toBe('');
}

describe('any sequence of writes and reads', () => {
  const layouts: readonly (readonly [string, readonly number[]])[] = [
    ['one page', [1, 2]],
    ['pages in a row', [1, 2, 3]],
    ['pages here and there', [9, 4, 7, 5]],
    ['pages in reverse', [8, 7, 6]],
  ];

  it.each(layouts)('loses nothing and signals when the rules say (%s)', (_name, pages) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const both = ends(pages);
        play(both, new RingModel(both.ring.dataBytes), steps);
      }),
      { numRuns: cases(100, 30) },
    );
  });

  it('passes every wrap position', () => {
    const both = ends([3, 1]);
    const model = new RingModel(both.ring.dataBytes);
    // 24 bytes around and 1000 of payload: the start moves by 1024 - 8 each time.
    const steps = Array.from({ length: 600 }, (_, index): Step => {
      return index % 2 === 0 ? { do: 'write', bytes: 985 + (index % 7) } : { do: 'read' };
    });
    play(both, model, steps);
    expect(model.used).toBe(0);
  });
});
