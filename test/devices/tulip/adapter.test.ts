import { crc32 as zlibCrc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/core/crc32.ts';
import {
  BUFFERS,
  frame,
  GPA,
  MAC,
  PORT,
  RECEIVE_RING,
  TRANSMIT_RING,
  TulipBench,
} from '../support/tulip-bench.ts';

const BROADCAST = new Uint8Array(6).fill(0xff);
const OTHER = [0x00, 0x15, 0x5d, 0xaa, 0xbb, 0xcc];
const MULTICAST = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];

/** A word of the serial ROM, by the wires of CSR9. */
function readRom(bench: TulipBench, address: number): number {
  const select = 0x4801;
  bench.set(9, 0x4800);
  bench.set(9, select);
  for (let bit = 8; bit >= 0; bit -= 1) {
    const data = (((0x180 | address) >> bit) & 1) === 0 ? 0 : 4;
    bench.set(9, select | data);
    bench.set(9, select | data | 2);
  }
  bench.set(9, select);
  expect(bench.csr(9) & 8, 'a zero goes before the word').toBe(0);
  let word = 0;
  for (let bit = 0; bit < 16; bit += 1) {
    bench.set(9, select | 2);
    word = (word << 1) | ((bench.csr(9) >> 3) & 1);
    bench.set(9, select);
  }
  bench.set(9, 0);
  return word;
}

function sendMii(bench: TulipBench, data: number, bits: number): void {
  for (let bit = bits - 1; bit >= 0; bit -= 1) {
    const out = ((data >>> bit) & 1) << 17;
    bench.set(9, out);
    bench.set(9, out | 0x1_0000);
  }
}

/** A register of a transceiver, sampled as Linux does: before each rising edge. */
function readMii(bench: TulipBench, transceiver: number, register: number): number {
  sendMii(bench, 0xffff_ffff, 32);
  sendMii(bench, (6 << 10) | (transceiver << 5) | register, 14);
  let value = 0;
  for (let bit = 0; bit < 19; bit += 1) {
    bench.set(9, 0x4_0000);
    value = (value << 1) | ((bench.csr(9) >>> 19) & 1);
    bench.set(9, 0x5_0000);
  }
  return (value >> 1) & 0xffff;
}

function writeMii(bench: TulipBench, transceiver: number, register: number, value: number): void {
  sendMii(bench, 0xffff_ffff, 32);
  sendMii(bench, (5 << 10) | (transceiver << 5) | register, 14);
  sendMii(bench, 0x2_0000 | value, 18);
}

describe('the emulated network adapter on the PCI bus', () => {
  it('is a 21140A, pass 2.0, with 128 ports and a page of memory', () => {
    const { adapter } = new TulipBench();
    expect(adapter.read(0x00, 4)).toBe(0x0009_1011);
    expect(adapter.read(0x08, 4)).toBe(0x0200_0020);
    expect(adapter.read(0x10, 4)).toBe(PORT | 1);
    expect(adapter.read(0x14, 4)).toBe(GPA);
    expect(adapter.read(0x3c, 2)).toBe(0x010b);
    adapter.write(0x10, 4, 0xffff_ffff);
    adapter.write(0x14, 4, 0xffff_ffff);
    expect(adapter.read(0x10, 4)).toBe(0xff81);
    expect(adapter.read(0x14, 4)).toBe(0xffff_f000);
  });

  it('answers by either window, where its base addresses say and the command register lets it', () => {
    const bench = new TulipBench();
    expect(bench.csr(6)).toBe(0x3200_0040);
    expect(bench.mmio.read(GPA + 6 * 8, 4)).toBe(0x3200_0040);
    expect(bench.mmio.read(GPA + 0x80 + 6 * 8, 4), 'they repeat').toBe(0x3200_0040);
    bench.adapter.write(0x10, 4, 0xd000);
    expect(bench.csr(6)).toBe(0xffff_ffff);
    expect(bench.ports.read(0xd000 + 48, 4)).toBe(0x3200_0040);
    bench.adapter.write(0x04, 2, 0x0004);
    expect(bench.ports.read(0xd000 + 48, 4)).toBe(0xffff_ffff);
    expect(bench.mmio.read(GPA + 48, 4)).toBe(0xffff_ffff);
    bench.adapter.write(0x04, 2, 0x0006);
    expect(bench.mmio.read(GPA + 48, 4)).toBe(0x3200_0040);
  });

  it('takes whole registers only, and shows parts of them', () => {
    const bench = new TulipBench();
    bench.set(3, 0x1234_5678);
    bench.ports.write(PORT + 24, 2, 0xffff);
    expect(bench.csr(3)).toBe(0x1234_5678);
    expect(bench.ports.read(PORT + 24, 2)).toBe(0x5678);
    expect(bench.ports.read(PORT + 27, 1)).toBe(0x12);
    expect(bench.ports.read(PORT + 28, 4), 'between two registers').toBe(0xffff_ffff);
  });

  it('a software reset puts everything back', () => {
    const bench = new TulipBench().start();
    bench.set(0, 1);
    bench.set(0, 0);
    expect(bench.csr(5)).toBe(0xfc00_0000);
    expect(bench.csr(6)).toBe(0x3200_0040);
    expect([bench.csr(3), bench.csr(4)]).toEqual([0, 0]);
    expect(bench.line.isActive).toBe(false);
  });
});

describe('its serial ROM and transceiver', () => {
  it('hold the address, one MII block and a checksum that is right', () => {
    const bench = new TulipBench();
    const bytes = new Uint8Array(128);
    const view = new DataView(bytes.buffer);
    for (let word = 0; word < 64; word += 1) view.setUint16(word * 2, readRom(bench, word), true);
    expect(bytes.slice(20, 26)).toEqual(MAC);
    expect([bytes[18], bytes[19]], 'format 3, one controller').toEqual([3, 1]);
    expect(bytes[26], 'in slot 10').toBe(10);
    const leaf = view.getUint16(27, true);
    expect(view.getUint16(leaf, true), 'autosense').toBe(0x0800);
    expect(Array.from(bytes.slice(leaf + 3, leaf + 3 + 14))).toEqual([
      1, 0x8c, 1, 0, 0, 0, 0x00, 0x78, 0xe0, 0x01, 0x00, 0x50, 0x00, 0x18,
    ]);
    expect(view.getUint16(126, true)).toBe(zlibCrc32(bytes.subarray(0, 126)) & 0xffff);
  });

  it('negotiate 100 Mb/s in full duplex at address 1, and nobody is at others', () => {
    const bench = new TulipBench();
    expect(readMii(bench, 1, 0)).toBe(0x1000);
    expect(readMii(bench, 1, 1)).toBe(0x782d);
    expect(readMii(bench, 1, 4)).toBe(0x01e1);
    expect(readMii(bench, 1, 5)).toBe(0x41e1);
    for (const address of [0, 2, 31]) expect(readMii(bench, address, 1)).toBe(0xffff);
    bench.link.isUp = false;
    expect(readMii(bench, 1, 1)).toBe(0x7809);
    expect(readMii(bench, 1, 5)).toBe(0);
  });

  it('take what is written to control and advertisement, and a reset', () => {
    const bench = new TulipBench();
    writeMii(bench, 1, 4, 0x0041);
    writeMii(bench, 1, 0, 0x2100);
    writeMii(bench, 2, 0, 0x0000);
    writeMii(bench, 1, 1, 0x0000);
    expect(readMii(bench, 1, 4)).toBe(0x0041);
    expect(readMii(bench, 1, 0)).toBe(0x2100);
    expect(readMii(bench, 1, 1), 'nothing was negotiated').toBe(0x780d);
    writeMii(bench, 1, 0, 0x8000);
    expect(readMii(bench, 1, 0)).toBe(0x1000);
    expect(readMii(bench, 1, 4)).toBe(0x01e1);
  });
});

describe('transmission', () => {
  it('sends a frame, pads it, gives the descriptor back and interrupts', () => {
    const bench = new TulipBench().start();
    bench.set(4, TRANSMIT_RING);
    bench.transmit(0, frame(OTHER, 42));
    bench.set(1, 1);
    expect(bench.csr(5) >>> 20, 'reading').toBe(0xfc3);
    bench.settle();
    expect(bench.link.sent).toHaveLength(1);
    expect(bench.link.sent[0]).toEqual(Uint8Array.of(...frame(OTHER, 42), ...new Uint8Array(18)));
    expect(bench.status(TRANSMIT_RING)).toBe(0);
    expect(bench.csr(5) & 0x7_ffff & ~0x6_0000, 'done, no more, normal').toBe(0x1_0005);
    expect((bench.csr(5) >>> 20) & 7, 'suspended').toBe(6);
    expect(bench.line.isActive).toBe(true);
    bench.set(5, 0x1_0005);
    expect(bench.line.isActive).toBe(false);
  });

  it('gathers a frame from two buffers and two descriptors, and goes round its ring', () => {
    const bench = new TulipBench().start();
    const whole = frame(OTHER, 300).map((byte, index) => (index < 14 ? byte : index & 0xff));
    bench.memory.writeBytes(BUFFERS + 0x1_0000, whole);
    bench.set(4, TRANSMIT_RING);
    const at = BUFFERS + 0x1_0000;
    const parts = [100, 50, 120, 30];
    bench.descriptor(TRANSMIT_RING, [0x8000_0000, 0x2000_0000 | 100 | (50 << 11), at, at + 100]);
    bench.descriptor(TRANSMIT_RING + 16, [
      0x8000_0000,
      0xc000_0000 + (120 | (30 << 11)),
      at + 150,
      at + 270,
    ]);
    bench.set(1, 1);
    bench.settle();
    expect(parts.reduce((sum, part) => sum + part)).toBe(300);
    expect(bench.link.sent).toEqual([whole]);
    for (const index of [2, 3, 0, 1]) {
      bench.transmit(index, frame(OTHER, 64, index));
      bench.set(1, 1);
      bench.settle();
    }
    expect(bench.link.sent.map((bytes) => bytes[20])).toEqual([whole[20], 2, 3, 0, 1]);
  });

  it('follows a chain, and skips what the bus mode says in a ring', () => {
    const bench = new TulipBench().start();
    bench.memory.writeBytes(BUFFERS, frame(OTHER, 64, 7));
    bench.descriptor(0x5000, [0x8000_0000, 0x6100_0040, BUFFERS, 0x7000]);
    bench.descriptor(0x7000, [0x8000_0000, 0x6100_0040, BUFFERS, 0x5000]);
    bench.set(4, 0x5000);
    bench.set(1, 1);
    bench.settle();
    expect(bench.link.sent).toHaveLength(2);
    bench.set(0, 4 << 2);
    bench.descriptor(0x9000, [0x8000_0000, 0x6000_0040, BUFFERS, 0]);
    bench.descriptor(0x9020, [0x8000_0000, 0x6000_0040, BUFFERS, 0]);
    bench.set(4, 0x9000);
    bench.set(1, 1);
    bench.settle();
    expect(bench.link.sent).toHaveLength(4);
  });

  it('stops at a frame that is too long, until it is started again', () => {
    const bench = new TulipBench().start();
    const at = BUFFERS + 0x1_0000;
    const big = 2047 | (2047 << 11);
    bench.set(4, TRANSMIT_RING);
    bench.descriptor(TRANSMIT_RING, [0x8000_0000, 0x6000_0000 + big, at, at]);
    bench.set(1, 1);
    bench.settle();
    expect(bench.link.sent).toEqual([]);
    expect(bench.csr(5) & 0xa).toBe(0xa);
    expect(bench.status(TRANSMIT_RING)).toBe(0xc000);
    expect((bench.csr(5) >>> 20) & 7).toBe(0);
  });

  it('tells a bus error for a list or a buffer that is not RAM, and stops', () => {
    for (const [list, buffer] of [
      [0xf000_0000, BUFFERS],
      [TRANSMIT_RING, 0xf000_0000],
    ] as const) {
      const bench = new TulipBench().start();
      bench.descriptor(TRANSMIT_RING, [0x8000_0000, 0x6000_0040, buffer, 0]);
      bench.set(4, list);
      bench.set(1, 1);
      bench.settle();
      expect(bench.csr(5) & 0xa000, 'fatal, abnormal').toBe(0xa000);
      expect(bench.csr(5) & 0x7e_0000, 'both stopped').toBe(0);
      bench.set(0, 1);
      bench.set(0, 0);
      bench.start();
      bench.set(4, TRANSMIT_RING);
      bench.transmit(0, frame(OTHER));
      bench.set(1, 1);
      bench.settle();
      expect(bench.link.sent).toHaveLength(1);
    }
  });

  it('does nothing while it is no bus master', () => {
    const bench = new TulipBench().start();
    bench.adapter.write(0x04, 2, 0x0003);
    bench.set(4, TRANSMIT_RING);
    bench.transmit(0, frame(OTHER));
    bench.set(1, 1);
    bench.settle();
    expect(bench.link.sent).toEqual([]);
    bench.link.deliver(frame(MAC));
    expect(bench.status(RECEIVE_RING)).toBe(0x8000_0000);
  });

  it('in loopback is its own receiver', () => {
    const bench = new TulipBench().start();
    bench.set(6, 0x0204_2402);
    bench.set(4, TRANSMIT_RING);
    bench.transmit(0, frame(MAC, 64, 9));
    bench.set(1, 1);
    bench.settle();
    expect(bench.link.sent).toEqual([]);
    expect(bench.received(0, 64)).toEqual(frame(MAC, 64, 9));
    bench.link.deliver(frame(MAC));
    expect(bench.status(RECEIVE_RING + 16), 'and hears nobody else').toBe(0x8000_0000);
  });

  it('in loopback stops for good at a receive buffer that is not RAM', () => {
    const bench = new TulipBench().start();
    bench.descriptor(RECEIVE_RING, [0x8000_0000, 1024, 0x4000_0000, 0]);
    bench.set(6, 0x0204_2402);
    bench.set(4, TRANSMIT_RING);
    bench.transmit(0, frame(MAC, 64, 9));
    bench.set(1, 1);
    bench.settle();
    expect(bench.csr(5) & 0x7e_2005, 'fatal and stopped, no word of what was sent').toBe(0x2000);
    expect(bench.events.pendingCount).toBe(0);
  });
});

describe('reception', () => {
  it('writes frame and check sequence, and one interrupt for frames of one moment', () => {
    const bench = new TulipBench().start();
    const rises = bench.line.rises;
    bench.link.deliver(frame(MAC, 100, 1), frame(BROADCAST, 60, 2));
    expect(bench.line.rises - rises).toBe(1);
    expect(bench.status(RECEIVE_RING)).toBe((104 << 16) | 0x0320);
    expect(bench.status(RECEIVE_RING + 16)).toBe((64 << 16) | 0x0720);
    const whole = bench.received(0, 104);
    expect(whole.slice(0, 100)).toEqual(frame(MAC, 100, 1));
    expect(new DataView(whole.buffer).getUint32(100, true)).toBe(crc32(frame(MAC, 100, 1)));
    expect(bench.csr(5) & 0x1_0040).toBe(0x1_0040);
  });

  it('spreads a frame over descriptors, and marks where they ended too soon', () => {
    const bench = new TulipBench().start();
    for (let index = 0; index < 4; index += 1) {
      const end = index === 3 ? 0x0200_0000 : 0;
      const at = BUFFERS + index * 2048;
      bench.descriptor(RECEIVE_RING + index * 16, [
        index < 3 ? 0x8000_0000 : 0,
        (40 | (24 << 11) | end) >>> 0,
        at,
        at + 1024,
      ]);
    }
    bench.link.deliver(frame(MAC, 96, 5));
    expect(bench.status(RECEIVE_RING)).toBe(0x0200);
    expect(bench.status(RECEIVE_RING + 16)).toBe((100 << 16) | 0x0120);
    expect(bench.memory.readBytes(BUFFERS + 1024, 24)).toEqual(frame(MAC, 96, 5).slice(40, 64));
    bench.link.deliver(frame(MAC, 96, 6));
    const truncated = 0x0300 | 0x4000 | 0x8000 | 0x20;
    expect(bench.status(RECEIVE_RING + 32)).toBe((100 << 16) | truncated);
  });

  it('without a buffer counts what it misses, tells it, and goes on when there is one', () => {
    const bench = new TulipBench().start();
    bench.link.deliver(...Array.from({ length: 4 }, () => frame(MAC)));
    expect(bench.csr(5) & 0x80, 'the ring is used up').toBe(0x80);
    expect((bench.csr(5) >>> 17) & 7).toBe(4);
    bench.set(5, 0xffff_ffff);
    bench.link.deliver(frame(MAC), frame(MAC));
    expect(bench.csr(8) & 0xffff).toBe(2);
    expect(bench.csr(8) & 0xffff, 'read once').toBe(0);
    bench.rings();
    bench.set(2, 1);
    expect((bench.csr(5) >>> 17) & 7).toBe(3);
    bench.link.deliver(frame(MAC, 60, 8));
    expect(bench.received(0, 60)).toEqual(frame(MAC, 60, 8));
  });

  it('stops with the receiver', () => {
    const bench = new TulipBench().start();
    bench.set(6, 0x0204_2000);
    expect(bench.csr(5) & 0x100).toBe(0x100);
    bench.link.deliver(frame(MAC));
    expect(bench.status(RECEIVE_RING)).toBe(0x8000_0000);
  });
});

describe('address filters', () => {
  const takes = (bench: TulipBench, to: ArrayLike<number>): boolean => {
    bench.rings();
    bench.set(2, 1);
    bench.link.deliver(frame(to));
    return bench.status(RECEIVE_RING) !== 0x8000_0000;
  };

  it('perfect: the addresses of the setup frame and no others, broadcast neither', () => {
    const bench = new TulipBench().start([MAC, MULTICAST]);
    expect(takes(bench, MAC)).toBe(true);
    expect(takes(bench, MULTICAST)).toBe(true);
    expect(takes(bench, OTHER)).toBe(false);
    expect(takes(bench, BROADCAST)).toBe(false);
    expect(bench.csr(6) & 0x15).toBe(0);
  });

  it('inverse: all but those', () => {
    const bench = new TulipBench().start([MAC]);
    bench.sendSetup(0x1000_0000);
    expect(bench.csr(6) & 0x15).toBe(0x10);
    expect(takes(bench, MAC)).toBe(false);
    expect(takes(bench, OTHER)).toBe(true);
  });

  it('hash: groups by 512 bits, one address as it is; hash-only: all by the bits', () => {
    const bench = new TulipBench().start();
    bench.memory.u8.fill(0, 0x3_0000, 0x3_0000 + 192);
    // Bit 511 less the low nine bits of Ethernet's check sequence over the address.
    for (const address of [MULTICAST, OTHER]) {
      const bit = ~zlibCrc32(Uint8Array.from(address)) & 0x1ff;
      bench.memory.u8[0x3_0000 + (bit >> 4) * 4 + ((bit >> 3) & 1)]! |= 1 << (bit & 7);
    }
    for (let index = 0; index < 6; index += 1) {
      bench.memory.u8[0x3_0000 + 156 + (index >> 1) * 4 + (index & 1)] = MAC[index]!;
    }
    bench.sendSetup(0x0040_0000);
    expect(bench.csr(6) & 0x15).toBe(0x01);
    expect(takes(bench, MULTICAST)).toBe(true);
    expect(takes(bench, [...MULTICAST.slice(0, 5), 2])).toBe(false);
    expect(takes(bench, MAC)).toBe(true);
    expect(takes(bench, OTHER)).toBe(false);
    bench.sendSetup(0x1040_0000);
    expect(bench.csr(6) & 0x15).toBe(0x05);
    expect(takes(bench, OTHER)).toBe(true);
    expect(takes(bench, MAC)).toBe(false);
  });

  it('promiscuous and all multicast let more through, and say that the filter would not', () => {
    const bench = new TulipBench().start([MAC]);
    bench.set(6, 0x0204_2082);
    expect(takes(bench, MULTICAST)).toBe(true);
    expect(takes(bench, OTHER)).toBe(false);
    bench.set(6, 0x0204_2042);
    expect(takes(bench, OTHER)).toBe(true);
    expect(bench.status(RECEIVE_RING) & 0x4000_0000).toBe(0x4000_0000);
  });

  it('a setup frame is done when all its status bits but the first are ones', () => {
    const bench = new TulipBench().start();
    expect(bench.status(TRANSMIT_RING)).toBe(0x7fff_ffff);
    expect(bench.link.sent).toEqual([]);
  });
});

describe('the general-purpose timer', () => {
  it('expires once, or again and again, by the speed of the port', () => {
    const bench = new TulipBench().start();
    bench.set(11, 10);
    bench.pass(10 * 81_920 - 1);
    expect(bench.csr(5) & 0x800).toBe(0);
    bench.pass(1);
    expect(bench.csr(5) & 0x8800).toBe(0x8800);
    bench.set(5, 0xffff_ffff);
    bench.pass(10 * 81_920);
    expect(bench.csr(5) & 0x800).toBe(0);
    bench.set(6, 0x0244_2002);
    bench.set(11, 0x1_0002);
    for (let round = 0; round < 3; round += 1) {
      bench.pass(2 * 819_200);
      expect(bench.csr(5) & 0x800).toBe(0x800);
      bench.set(5, 0xffff_ffff);
    }
    bench.set(11, 0);
    bench.pass(10_000_000);
    expect(bench.csr(5) & 0x800).toBe(0);
  });
});
