import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../../src/core/memory.ts';
import { Chimney, TransmitRing } from '../../../src/guest/hn/transmit.ts';
import { HEADROOM, Packet } from '../../../src/guest/inet/packet.ts';
import type { KernelApi } from '../../../src/guest/kernel/api.ts';
import type { GuestChannel } from '../../../src/guest/vmbus/api.ts';

const MIB = 1024 * 1024;
const SECTION_BYTES = 6144;
const SECTIONS = 8;
const LIMITS = { packets: 3, bytes: 4096, alignment: 8 };

/** A message as it lies in the section that it names. */
interface Message {
  readonly section: number;
  readonly transaction: number;
  /** The frames of its packets, by the lengths that their headers tell. */
  readonly frames: number[][];
}

class Bench {
  readonly messages: Message[] = [];
  hasRoom = true;
  readonly ring: TransmitRing;
  readonly #memory = new GuestMemory({ ramBytes: MIB, lowGapStart: MIB, extra: [] });

  constructor(aggregation = LIMITS) {
    const memory = this.#memory;
    const buffer = { gpa: 0x10000, bytes: SECTION_BYTES * SECTIONS, gpadlId: 1, isConnected: true };
    const channel = {
      sendInBand: (source: Uint8Array, start: number, _length: number, transaction: number) => {
        if (this.hasRoom) this.#read(new DataView(source.buffer, start), transaction);
        return this.hasRoom;
      },
    };
    this.ring = new TransmitRing({
      kernel: { hardware: { memory } } as unknown as KernelApi,
      channel: channel as unknown as GuestChannel,
      index: 0,
      chimney: new Chimney(memory, buffer, SECTION_BYTES, SECTIONS),
      isAnyFlag: false,
    });
    this.ring.aggregation = aggregation;
  }

  #read(nvs: DataView, transaction: number): void {
    const section = nvs.getUint32(8, true);
    const bytes = nvs.getUint32(12, true);
    const base = this.#memory.resolve(0x10000, MIB / 2) + section * SECTION_BYTES;
    const { u8 } = this.#memory;
    const view = new DataView(u8.buffer, u8.byteOffset);
    const frames: number[][] = [];
    let at = 0;
    while (at < bytes) {
      const word = (index: number): number => view.getUint32(base + at + index * 4, true);
      expect([word(0), at % 8]).toEqual([1, 0]);
      const data = base + at + 8 + word(2);
      frames.push([...u8.subarray(data, data + word(3))]);
      at += word(1);
    }
    expect(at).toBe(bytes);
    this.messages.push({ section, transaction, frames });
  }

  send(fill: number, length: number): boolean {
    const packet = new Packet(2048);
    packet.length = length;
    packet.bytes.fill(fill, HEADROOM, HEADROOM + length);
    return this.ring.send(packet);
  }

  /** First byte and length of each frame of each message. */
  get told(): string[] {
    return this.messages.map(({ frames }) =>
      frames.map((frame) => `${frame[0]}x${frame.length}`).join(' '),
    );
  }
}

describe('transmit aggregation of hn', () => {
  it('sends a packet at once when nobody collects', () => {
    const bench = new Bench();
    expect(bench.send(1, 500)).toBe(true);
    expect(bench.told).toEqual(['1x500']);
  });

  it('puts packets of any length into one message, each at its alignment', () => {
    const bench = new Bench();
    bench.ring.begin();
    bench.send(1, 501);
    bench.send(2, 63);
    expect(bench.told).toEqual([]);
    bench.ring.flush();
    expect(bench.told).toEqual(['1x501 2x63']);
    expect([bench.ring.packets, bench.ring.sends, bench.ring.outstanding]).toEqual([2, 1, 1]);
  });

  it("keeps to the host's limits of packets and of bytes, and to the order", () => {
    const bench = new Bench();
    bench.ring.begin();
    for (const [fill, length] of [
      [1, 100],
      [2, 100],
      [3, 100],
      [4, 1500],
      [5, 1500],
      [6, 1500],
    ] as const) {
      expect(bench.send(fill, length)).toBe(true);
    }
    bench.ring.flush();
    expect(bench.told).toEqual(['1x100 2x100 3x100', '4x1500 5x1500', '6x1500']);
  });

  it('one packet a message is what a host of one gets', () => {
    const bench = new Bench({ ...LIMITS, packets: 1 });
    bench.ring.begin();
    bench.send(1, 200);
    bench.send(2, 200);
    expect(bench.told).toEqual(['1x200', '2x200']);
  });

  it('keeps what finds no room, and sends it before anything else', () => {
    const bench = new Bench();
    bench.ring.begin();
    bench.send(1, 200);
    bench.hasRoom = false;
    expect(bench.ring.flush()).toBe(false);
    expect(bench.send(2, 200)).toBe(false);
    expect(bench.ring.noRoom).toBe(1);
    bench.hasRoom = true;
    expect(bench.send(3, 200)).toBe(true);
    expect(bench.told).toEqual(['1x200', '3x200']);
  });

  it('gives a section back when its message is complete', () => {
    const bench = new Bench();
    for (let round = 0; round < SECTIONS * 3; round += 1) {
      bench.ring.begin();
      bench.send(round, 200);
      bench.send(round + 1, 200);
      expect(bench.ring.flush()).toBe(true);
      const { transaction, section } = bench.messages.at(-1)!;
      expect(section).toBeLessThan(SECTIONS);
      bench.ring.completed(transaction);
      expect(bench.ring.outstanding).toBe(0);
    }
  });
});
