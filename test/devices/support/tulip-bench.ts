import { MmioBus } from '../../../src/core/bus.ts';
import { GuestMemory } from '../../../src/core/memory.ts';
import { Trace } from '../../../src/core/trace.ts';
import { TulipAdapter } from '../../../src/devices/tulip/adapter.ts';
import type { FrameReceiver, PacketLink } from '../../../src/net/link.ts';
import { Bench } from '../harness.ts';

export const MAC = Uint8Array.of(0x00, 0x15, 0x5d, 0x01, 0x02, 0x03);
export const PORT = 0xec00;
export const GPA = 0xfebf_f000;
/** Where the bench has its rings, setup frame and buffers. */
export const RECEIVE_RING = 0x1_0000;
export const TRANSMIT_RING = 0x2_0000;
export const BUFFERS = 0x4_0000;
const MOST_EVENTS = 20_000;

/** A cable whose other end is the test. */
class TestLink implements PacketLink {
  isUp = true;
  readonly bitsPerSecond = 100_000_000;
  receiver: FrameReceiver | undefined;
  readonly sent: Uint8Array[] = [];

  send(bytes: Uint8Array, start: number, length: number): void {
    this.sent.push(bytes.slice(start, start + length));
  }

  /** Frames that come in one moment. */
  deliver(...frames: Uint8Array[]): void {
    for (const frame of frames) this.receiver!.frame(frame, 0, frame.length, 0);
    this.receiver!.framesEnd();
  }
}

export function frame(to: ArrayLike<number>, length = 60, fill = 0x11): Uint8Array {
  const bytes = new Uint8Array(length).fill(fill);
  bytes.set(Array.from(to));
  bytes.set([0x08, 0x00], 12);
  return bytes;
}

/** An emulated adapter at its ports, with a ring of four descriptors each way. */
export class TulipBench extends Bench {
  readonly memory = new GuestMemory({ ramBytes: 1024 * 1024, lowGapStart: 0xf800_0000 });
  readonly mmio = new MmioBus();
  readonly link = new TestLink();
  readonly adapter: TulipAdapter;

  constructor() {
    super();
    const { line, events, memory, link } = this;
    const trace = new Trace(this.clock);
    this.adapter = new TulipAdapter({ index: 0, mac: MAC, link, line, events, memory, trace });
    this.adapter.attach(this.ports, this.mmio);
  }

  csr(register: number): number {
    return this.ports.read(PORT + register * 8, 4);
  }

  set(register: number, value: number): void {
    this.ports.write(PORT + register * 8, 4, value);
  }

  settle(): this {
    let events = 0;
    while (this.events.runNext()) {
      events += 1;
      if (events > MOST_EVENTS) throw new Error('the adapter never comes to rest');
    }
    return this;
  }

  descriptor(gpa: number, words: readonly number[]): void {
    for (const [index, word] of words.entries()) {
      this.memory.view.setUint32(gpa + index * 4, word, true);
    }
  }

  status(gpa: number): number {
    return this.memory.view.getUint32(gpa, true);
  }

  /** Rings of `count` descriptors, those of the receiver with a buffer of 1536 bytes each. */
  rings(count = 4): this {
    for (let index = 0; index < count; index += 1) {
      const end = index === count - 1 ? 0x0200_0000 : 0;
      const at = RECEIVE_RING + index * 16;
      this.descriptor(at, [0x8000_0000, 1536 | end, BUFFERS + index * 2048, 0]);
      this.descriptor(TRANSMIT_RING + index * 16, [0, end, 0, 0]);
    }
    this.set(3, RECEIVE_RING);
    this.set(4, TRANSMIT_RING);
    return this;
  }

  /** Transmitter and receiver on, all interrupts enabled, and the setup frame of a driver. */
  start(addresses: readonly ArrayLike<number>[] = [MAC, new Uint8Array(6).fill(0xff)]): this {
    this.rings();
    this.set(7, 0x0001_ffff);
    this.set(6, 0x0204_2002);
    this.setup(addresses);
    return this;
  }

  /** Sends a setup frame for perfect filtering from descriptor 0, which is its own again after that. */
  setup(addresses: readonly ArrayLike<number>[]): void {
    for (let entry = 0; entry < 16; entry += 1) {
      const address = addresses[Math.min(entry, addresses.length - 1)]!;
      for (let index = 0; index < 6; index += 1) {
        const place = 0x3_0000 + entry * 12 + (index >> 1) * 4 + (index & 1);
        this.memory.u8[place] = address[index]!;
      }
    }
    this.sendSetup(0);
  }

  /** @param type of filtering, as bits of the descriptor */
  sendSetup(type: number): void {
    this.set(4, TRANSMIT_RING);
    this.descriptor(TRANSMIT_RING, [0x8000_0000, (0x0800_0000 | type | 192) >>> 0, 0x3_0000, 0]);
    this.set(6, 0x0204_0002);
    this.set(6, 0x0204_2002);
    this.settle();
    this.set(5, 0xffff_ffff);
  }

  /** A frame in one buffer, from a descriptor of the ring. */
  transmit(index: number, bytes: Uint8Array, flags = 0xe000_0000): void {
    this.memory.writeBytes(BUFFERS + 0x1_0000 + index * 2048, bytes);
    const end = index === 3 ? 0x0200_0000 : 0;
    const control = (flags | end | bytes.length) >>> 0;
    const gpa = BUFFERS + 0x1_0000 + index * 2048;
    this.descriptor(TRANSMIT_RING + index * 16, [0x8000_0000, control, gpa, 0]);
  }

  received(index: number, length: number): Uint8Array {
    return this.memory.readBytes(BUFFERS + index * 2048, length);
  }
}
