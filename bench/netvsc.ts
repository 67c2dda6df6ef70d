/**
 * Frames through real rings: a guest's end of the channel, the adapter, and either a link that
 * counts or the virtual switch with a second guest.
 */
import { VirtualClock } from '../src/core/clock.ts';
import { EventQueue } from '../src/core/events.ts';
import { GuestMemory } from '../src/core/memory.ts';
import { Trace } from '../src/core/trace.ts';
import { NetvscAdapter } from '../src/devices/netvsc/adapter.ts';
import { DEFAULT_NETVSC_PROFILE } from '../src/devices/netvsc/profile.ts';
import { Oid } from '../src/devices/netvsc/spec/oids.ts';
import { NvspType, NvspVersion } from '../src/devices/netvsc/spec/nvsp.ts';
import { RndisType } from '../src/devices/netvsc/spec/rndis.ts';
import { hypervMac } from '../src/net/addresses.ts';
import type { FrameReceiver, PacketLink } from '../src/net/link.ts';
import { VirtualSwitch } from '../src/net/switch.ts';
import { HostChannel } from '../src/vmbus/channel.ts';
import type { GuestRanges } from '../src/vmbus/device.ts';
import { RingMemory, RingPacket, RingReader, RingWriter } from '../src/vmbus/ring.ts';
import { PacketFlag, PacketType } from '../src/vmbus/spec/ring.ts';
import type { BenchResult } from './result.ts';

const MIB = 1 << 20;
const RING_BYTES = 128 * 4096;
const TO_HOST = MIB;
const TO_GUEST = 2 * MIB;
const SEND_GPA = 4 * MIB;
const SEND_BYTES = MIB;
const RECEIVE_GPA = 8 * MIB;
const RECEIVE_BYTES = 8 * MIB;
const RECEIVE_ID = 0xcafe;
const SECTION_BYTES = 6144;
const NVSP_BYTES = 40;
const BATCH = 128;
const WARM_UP_MS = 400;
const SAMPLE_MS = 80;
const ROUNDS = 5;
const RNDIS_BYTES = 44;
const INFO_BYTES = 16;
const TCP_OFFSET = 34;

function runs(gpa: number, bytes: number): GuestRanges {
  return {
    offsets: Float64Array.of(gpa),
    lengths: Float64Array.of(bytes),
    count: 1,
    rangeCount: 1,
    totalBytes: bytes,
  };
}

/** Takes frames and gives none. */
class CountingLink implements PacketLink {
  readonly isUp = true;
  readonly bitsPerSecond = 1e10;
  receiver: FrameReceiver | undefined;
  frames = 0;

  send(): void {
    this.frames += 1;
  }
}

/** The guest's end of one netvsc channel, with an adapter behind the other. */
class NetvscBenchGuest {
  readonly memory = new GuestMemory({ ramBytes: 32 * MIB, lowGapStart: 1 << 30 });
  readonly adapter: NetvscAdapter;
  readonly #events: EventQueue;
  readonly #channel: HostChannel;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #message = new Uint8Array(NVSP_BYTES);
  readonly #words = new Uint32Array(this.#message.buffer);
  /** Frames that came. */
  received = 0;

  constructor(events: EventQueue, trace: Trace, link: PacketLink, serial: number) {
    const { memory } = this;
    this.#events = events;
    this.adapter = new NetvscAdapter({
      instanceId: '00000000-0000-0000-0000-000000000001',
      order: 0,
      mac: hypervMac(serial),
      link,
      events,
      trace,
      memory,
      profile: DEFAULT_NETVSC_PROFILE,
    });
    const toHost = RingMemory.contiguous(memory, TO_HOST, RING_BYTES);
    const toGuest = RingMemory.contiguous(memory, TO_GUEST, RING_BYTES);
    const buffers = [runs(RECEIVE_GPA, RECEIVE_BYTES), runs(SEND_GPA, SEND_BYTES)];
    const bus = {
      memory,
      trace,
      signalGuest: () => {},
      retryLater: () => {},
      retry: () => {},
      dropRetry: () => {},
      gpadlOf: (_channel: HostChannel, gpadlId: number) => buffers[gpadlId - 1],
    };
    this.#channel = new HostChannel(bus, {
      channelId: 1,
      subChannelIndex: 0,
      targetVp: 0,
      eventFlag: 1,
      userData: new Uint8Array(120),
      vmbusVersion: 0x0005_0003,
      guestToHost: toHost,
      hostToGuest: toGuest,
    });
    this.adapter.open(this.#channel);
    this.#channel.begin();
    this.#writer = new RingWriter(toHost);
    this.#reader = new RingReader(toGuest, new RingPacket(RingPacket.capacityFor(toGuest)));
    this.#start();
  }

  #start(): void {
    const { is } = NvspType;
    this.#ask(is.init, NvspVersion.v61, NvspVersion.v61);
    this.#ask(is.sendNdisConfig, 1514, 0, 8, 0);
    this.#ask(is.sendNdisVersion, 6, 30);
    this.#ask(is.sendReceiveBuffer, 1, RECEIVE_ID);
    this.#ask(is.sendSendBuffer, 2, 0);
    this.#control(RndisType.is.initialize, 1, 1, 0, 0x4000);
    this.#control(RndisType.is.set, 2, Oid.is.currentPacketFilter, 4, 20, 0, 0xd);
    if (this.adapter.filter !== 0xd) throw new Error('netvsc did not come up');
  }

  #ask(...words: readonly number[]): void {
    this.#words.fill(0);
    this.#words.set(words);
    this.#write(1);
    this.finish();
  }

  #control(type: number, ...words: readonly number[]): void {
    const at = SEND_GPA / 4;
    this.memory.u32.set([type, 8 + words.length * 4, ...words], at);
    this.#ask(NvspType.is.sendRndisPacket, 1, 0, 8 + words.length * 4);
  }

  #write(transaction: number): void {
    const isWritten = this.#writer.write(
      PacketType.inBand,
      PacketFlag.completionRequested,
      transaction,
      0,
      this.#message,
      0,
      NVSP_BYTES,
    );
    if (!isWritten) throw new Error('the ring to the host is full');
    if (this.#writer.signalDue) {
      this.#writer.signalDue = false;
      this.adapter.signaled(this.#channel);
    }
  }

  /** Puts a frame, which may ask for offloads, into every section of a batch. */
  prepare(frame: Uint8Array, infoType = -1, info = 0): number {
    const infoBytes = infoType < 0 ? 0 : INFO_BYTES;
    const total = RNDIS_BYTES + infoBytes + frame.length;
    const step = Math.ceil(total / SECTION_BYTES);
    const sections = Math.floor(Math.min(BATCH, SEND_BYTES / SECTION_BYTES / step));
    for (let index = 0; index < sections; index += 1) {
      const at = SEND_GPA + index * step * SECTION_BYTES;
      const header = [RndisType.is.packet, total, 36 + infoBytes, frame.length, 0, 0, 0];
      this.memory.u32.set([...header, 36, infoBytes, 0, 0], at / 4);
      this.memory.u32.set([INFO_BYTES, infoType >>> 0, 12, info >>> 0], at / 4 + 11);
      this.memory.u8.set(frame, at + RNDIS_BYTES + infoBytes);
    }
    this.#words.fill(0);
    this.#words.set([NvspType.is.sendRndisPacket, 0, 0, total]);
    return sections;
  }

  /** Queues the prepared frames once each. */
  send(sections: number, step: number): void {
    for (let index = 0; index < sections; index += 1) {
      this.#words[2] = index * step;
      this.#write(index + 1);
    }
  }

  /** Lets the host work, and takes everything. */
  finish(): void {
    while (this.#events.runNext());
    this.take();
  }

  /** Takes what is in the ring, and gives sections back. */
  take(): void {
    const reader = this.#reader;
    while (reader.receive()) {
      const { packet } = reader;
      if (packet.type !== PacketType.transferPages) continue;
      this.received += packet.words[5]!;
      this.#complete(packet.transactionLo);
    }
  }

  #complete(transaction: number): void {
    const writer = this.#writer;
    writer.write(PacketType.completion, 0, transaction, 0, COMPLETE, 0, NVSP_BYTES);
    if (writer.signalDue) {
      writer.signalDue = false;
      this.adapter.signaled(this.#channel);
    }
  }
}

const COMPLETE = new Uint8Array(new Uint32Array(10).fill(0).buffer);
COMPLETE[0] = NvspType.is.sendRndisPacketComplete;
COMPLETE[4] = 1;

/** A TCP frame from one adapter to another; the checksum fields are the seed of an offload. */
function frameOf(length: number, from: number, to: number): Uint8Array {
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  frame.set(hypervMac(to), 0);
  frame.set(hypervMac(from), 6);
  view.setUint16(12, 0x0800);
  frame[14] = 0x45;
  view.setUint16(16, length - 14);
  frame[22] = 64;
  frame[23] = 6;
  view.setUint32(26, 0x0a00_0001);
  view.setUint32(30, 0x0a00_0002);
  frame[46] = 0x50;
  for (let at = 54; at < length; at += 1) frame[at] = at;
  const tcpBytes = length - 34;
  let seed = 6 + tcpBytes;
  for (let at = 26; at < 34; at += 2) seed += view.getUint16(at);
  view.setUint16(50, (seed & 0xffff) + (seed >>> 16));
  return frame;
}

/** A bed of work: `round` does some of it and returns how many frames it was. */
interface Bed {
  readonly name: string;
  readonly round: () => number;
  readonly bytesPerFrame: number;
  readonly note?: string;
}

function transmitBed(length: number): Bed {
  const clock = new VirtualClock();
  const link = new CountingLink();
  const guest = new NetvscBenchGuest(new EventQueue(clock), new Trace(clock), link, 1);
  const sections = guest.prepare(frameOf(length, 1, 2));
  return {
    name: `netvsc transmit, ${length}-byte frames`,
    bytesPerFrame: length,
    round: () => {
      const before = link.frames;
      guest.send(sections, 1);
      guest.finish();
      return link.frames - before;
    },
  };
}

function receiveBed(length: number): Bed {
  const clock = new VirtualClock();
  const link = new CountingLink();
  const guest = new NetvscBenchGuest(new EventQueue(clock), new Trace(clock), link, 1);
  const frame = frameOf(length, 2, 1);
  return {
    name: `netvsc receive, ${length}-byte frames`,
    bytesPerFrame: length,
    round: () => {
      const before = guest.received;
      for (let index = 0; index < BATCH; index += 1) guest.adapter.frame(frame, 0, length, 0);
      guest.adapter.framesEnd();
      guest.take();
      guest.finish();
      return guest.received - before;
    },
  };
}

/** From one guest through the switch to another, every checksum verified on the way. */
function switchBed(name: string, length: number, infoType: number, info: number): Bed {
  const clock = new VirtualClock();
  const events = new EventQueue(clock);
  const trace = new Trace(clock);
  const network = new VirtualSwitch({ clock, events, trace });
  const sender = new NetvscBenchGuest(events, trace, network.connect('a'), 1);
  const receiver = new NetvscBenchGuest(events, trace, network.connect('b'), 2);
  const frame = frameOf(length, 1, 2);
  const total = RNDIS_BYTES + INFO_BYTES + length;
  const sections = sender.prepare(frame, infoType, info);
  const step = Math.ceil(total / SECTION_BYTES);
  const round = (): number => {
    const before = receiver.received;
    sender.send(sections, step);
    while (events.runNext());
    sender.take();
    receiver.take();
    while (events.runNext());
    return receiver.received - before;
  };
  round();
  if (network.ports[0]!.counters.badIn > 0) throw new Error('bad checksums on the switch');
  return { name, round, bytesPerFrame: Math.min(length, 1514) };
}

/** Beds in turn, round after round, so that a busy machine slows all of them alike. */
function rates(beds: readonly Bed[]): number[] {
  const best = beds.map(() => 0);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, bed] of beds.entries()) {
      const startMs = performance.now();
      let frames = 0;
      const sampleMs = round === 0 ? WARM_UP_MS : SAMPLE_MS;
      while (performance.now() - startMs < sampleMs) frames += bed.round();
      const rate = frames / ((performance.now() - startMs) / 1000);
      if (round > 0) best[index] = Math.max(best[index]!, rate);
    }
  }
  return best;
}

/** Frames a second and GB/s, both ways and through the switch. */
export function netvscBench(): BenchResult[] {
  const tcpChecksum = 0x5 | (TCP_OFFSET << 16) | 0x10;
  const largeSend = 1460 | (TCP_OFFSET << 20);
  const beds = [
    transmitBed(64),
    receiveBed(64),
    switchBed('netvsc guest to guest, 64-byte frames', 64, 0, tcpChecksum),
    transmitBed(1514),
    receiveBed(1514),
    switchBed('netvsc guest to guest, 1514-byte frames', 1514, 0, tcpChecksum),
    switchBed('netvsc guest to guest, LSO of 62 000 bytes', 62_000, 2, largeSend),
  ];
  return rates(beds).flatMap((rate, index) => {
    const { name, bytesPerFrame } = beds[index]!;
    const thousands = { name, value: rate / 1000, unit: 'thousand frames/s' };
    if (bytesPerFrame < 1000) return [thousands];
    return [thousands, { name, value: (rate * bytesPerFrame) / 1e9, unit: 'GB/s' }];
  });
}
