/** A guest's netvsc driver in small: real bytes over real rings, against a `NetvscAdapter`. */
import { GuestMemory, PAGE_BYTES } from '../../../src/core/memory.ts';
import { NetvscAdapter, type NetvscOptions } from '../../../src/devices/netvsc/adapter.ts';
import { DEFAULT_NETVSC_PROFILE, type NetvscProfile } from '../../../src/devices/netvsc/profile.ts';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import type { FrameReceiver, PacketLink } from '../../../src/net/link.ts';
import { DeviceClass } from '../../../src/vmbus/spec/guids.ts';
import { PacketType } from '../../../src/vmbus/spec/ring.ts';
import { VmbusVersion } from '../../../src/vmbus/spec/versions.ts';
import {
  type GuestOffer,
  type OpenOptions,
  type ReceivedPacket,
  type TestChannel,
  TestGuest,
  type TestGuestOptions,
} from '../../vmbus/support/guest.ts';

export const GUEST_MAC = Uint8Array.of(0x00, 0x15, 0x5d, 0x01, 0x02, 0x03);
export const RECEIVE_ID = 0xcafe;
export const SEND_ID = 0xface;
const NO_SECTION = 0xffff_ffff;

/** A link whose other end is a list. */
export class TestLink implements PacketLink {
  isUp = true;
  readonly bitsPerSecond = 10_000_000_000;
  receiver: FrameReceiver | undefined;
  readonly sent: Uint8Array[] = [];

  send(bytes: Uint8Array, start: number, length: number): void {
    this.sent.push(bytes.slice(start, start + length));
  }

  setLink(isUp: boolean): void {
    this.isUp = isUp;
    this.receiver?.linkChanged(isUp);
  }

  /** Frames that arrive as one batch. */
  deliver(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.receiver?.frame(frame, 0, frame.length, 0);
    this.receiver?.framesEnd();
  }
}

/** A piece of per-packet information as the guest found or writes it. */
export type Info = readonly [type: number, value: number];

export interface ReceivedFrame {
  readonly channelIndex: number;
  readonly bytes: Uint8Array;
  readonly info: ReadonlyMap<number, number>;
  readonly transaction: number;
}

export interface NetvscGuestOptions {
  readonly profile?: Partial<NetvscProfile>;
  readonly vmbusVersion?: number;
  readonly guest?: TestGuestOptions;
  readonly open?: OpenOptions;
  readonly receiveBytes?: number;
  readonly sendBytes?: number;
  readonly adapter?: Partial<NetvscOptions>;
  /** A network with the guest's clock, instead of `TestLink`. */
  readonly network?: (guest: TestGuest) => PacketLink;
}

export function u32s(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(index * 4, value, true);
  return bytes;
}

export function join(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** An NVSP message of 40 bytes. */
export function nvsp(type: number, ...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set(u32s(type, ...values));
  return bytes;
}

/** An RNDIS message: type, length, and what follows. */
export function rndis(type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const rest = join(...body);
  return join(u32s(type, rest.length + 8), rest);
}

/** An RNDIS PACKET message with a frame. */
export function rndisPacket(frame: Uint8Array, info: readonly Info[] = []): Uint8Array {
  const infos = join(...info.map(([type, value]) => u32s(16, type, 12, value)));
  const dataOffset = 36 + infos.length;
  return rndis(
    1,
    u32s(dataOffset, frame.length, 0, 0, 0, infos.length === 0 ? 0 : 36, infos.length, 0, 0),
    infos,
    frame,
  );
}

export class NetvscGuest {
  readonly guest: TestGuest;
  readonly link = new TestLink();
  readonly adapter: NetvscAdapter;
  readonly offer: GuestOffer;
  channel: TestChannel;
  readonly channels: TestChannel[] = [];
  readonly receiveGpa: number;
  readonly sendGpa: number;
  readonly receiveGpadl: number;
  readonly sendGpadl: number;
  /** Answers by transaction: of control packets the payload. */
  readonly completions: ReceivedPacket[] = [];
  readonly inBand: ReceivedPacket[] = [];
  readonly control: Uint8Array[] = [];
  readonly frames: ReceivedFrame[] = [];
  /** False: the guest keeps every section that it was told of. */
  releases = true;
  sectionBytes = 0;
  sectionCount = 0;
  #transaction = 0x100;
  #requestId = 0x77;

  constructor(options: NetvscGuestOptions = {}) {
    const memory = new GuestMemory({ ramBytes: 8 << 20, lowGapStart: 0xf800_0000 });
    this.guest = new TestGuest({ memory, ...options.guest });
    const { guest } = this;
    this.adapter = new NetvscAdapter({
      instanceId: '22222222-3333-4444-5555-666666666666',
      order: 1,
      mac: GUEST_MAC,
      link: options.network === undefined ? this.link : options.network(guest),
      events: guest.events,
      trace: guest.trace,
      memory,
      profile: { ...DEFAULT_NETVSC_PROFILE, ...options.profile },
      ...options.adapter,
    });
    guest.plug(this.adapter);
    guest.connect(options.vmbusVersion ?? VmbusVersion.win10);
    guest.requestOffers();
    this.offer = guest.offers.find((it) => it.interfaceId === DeviceClass.network)!;
    this.channel = guest.open(this.offer, { sendPages: 33, receivePages: 33, ...options.open });
    this.channels.push(this.channel);
    const receiveBytes = options.receiveBytes ?? 1 << 20;
    const sendBytes = options.sendBytes ?? 1 << 18;
    this.receiveGpa = guest.allocate(receiveBytes);
    this.sendGpa = guest.allocate(sendBytes);
    this.receiveGpadl = this.share(this.receiveGpa, receiveBytes);
    this.sendGpadl = this.share(this.sendGpa, sendBytes);
  }

  share(gpa: number, bytes: number): number {
    const pfns = Array.from(
      { length: Math.ceil(bytes / PAGE_BYTES) },
      (_, page) => gpa / PAGE_BYTES + page,
    );
    return this.guest.createGpadl(this.offer.channelId, bytes, 0, pfns);
  }

  /** Sends an NVSP message that wants an answer. @returns the answer's payload, undefined without */
  ask(message: Uint8Array, channel = this.channel): DataView | undefined {
    const transaction = this.#transaction;
    this.#transaction += 1;
    channel.send(message, { transaction, wantsCompletion: true });
    this.run();
    const at = this.completions.findIndex((it) => it.transactionLo === transaction);
    return at < 0 ? undefined : this.completions.splice(at, 1)[0]!.view;
  }

  /** Lets the host work and takes everything that it sent. */
  run(): void {
    for (let round = 0; round < 50; round += 1) {
      this.guest.run();
      if (!this.poll()) return;
    }
  }

  /** Takes what is in the rings. @returns whether there was anything */
  poll(): boolean {
    let wasBusy = false;
    for (const [index, channel] of this.channels.entries()) {
      for (
        let packet = this.#receive(channel);
        packet !== undefined;
        packet = this.#receive(channel)
      ) {
        wasBusy = true;
        this.#take(index, channel, packet);
      }
    }
    return wasBusy;
  }

  #ranges: { readonly bytes: number; readonly offset: number }[] = [];
  #setId = 0;

  #receive(channel: TestChannel): ReceivedPacket | undefined {
    const packet = channel.receive();
    if (packet?.type !== PacketType.transferPages) return packet;
    const { words } = channel.reader.packet;
    this.#setId = words[4]! & 0xffff;
    this.#ranges = Array.from({ length: words[5]! }, (_, index) => ({
      bytes: words[6 + index * 2]!,
      offset: words[7 + index * 2]!,
    }));
    return packet;
  }

  #take(channelIndex: number, channel: TestChannel, packet: ReceivedPacket): void {
    if (packet.type === PacketType.completion) this.completions.push(packet);
    else if (packet.type === PacketType.inBand) this.inBand.push(packet);
    else {
      if (this.#setId !== RECEIVE_ID) throw new Error(`transfer page set ${this.#setId}`);
      for (const { bytes, offset } of this.#ranges) {
        if (bytes > this.sectionBytes) throw new Error(`a range of ${bytes} bytes`);
        const message = this.guest.memory.readBytes(this.receiveGpa + offset, bytes);
        this.#message(channelIndex, packet.transactionLo, message);
      }
      if (this.releases) this.release(channel, packet.transactionLo);
    }
  }

  release(channel: TestChannel, transaction: number): void {
    channel.send(nvsp(108, 1), { type: PacketType.completion, transaction });
  }

  #message(channelIndex: number, transaction: number, message: Uint8Array): void {
    const view = new DataView(message.buffer);
    const word = (index: number): number => view.getUint32(index * 4, true);
    if (word(1) !== message.length) throw new Error('the range is not as long as its message');
    if (word(0) !== 1) {
      this.control.push(message);
      return;
    }
    const info = new Map<number, number>();
    let at = word(7) + 8;
    const end = at + word(8);
    while (word(8) > 0 && at < end) {
      const size = view.getUint32(at, true);
      const dataOffset = view.getUint32(at + 8, true);
      if (size < 12 || dataOffset >= size || at + size > end) throw new Error('bad information');
      info.set(view.getUint32(at + 4, true), view.getUint32(at + dataOffset, true));
      at += size;
    }
    const start = word(2) + 8;
    const bytes = message.slice(start, start + word(3));
    this.frames.push({ channelIndex, bytes, info, transaction });
  }

  /** INIT to both buffers, with every answer checked. */
  negotiate(version: number = NvspVersion.v61, config: { mtu?: number; caps?: number } = {}): this {
    const init = this.ask(nvsp(1, version, version))!;
    if (init.getUint32(12, true) !== 1) throw new Error('version refused');
    if (version >= NvspVersion.v2) {
      this.ask(nvsp(125, config.mtu ?? 1514, 0, config.caps ?? 0x08, 0));
    }
    this.ask(nvsp(100, 6, version >= NvspVersion.v5 ? 30 : 1));
    this.connectBuffers();
    return this;
  }

  connectBuffers(): void {
    const received = this.ask(nvsp(101, this.receiveGpadl, RECEIVE_ID))!;
    if (received.getUint32(4, true) !== 1) throw new Error('receive buffer refused');
    this.sectionBytes = received.getUint32(16, true);
    this.sectionCount = received.getUint32(20, true);
    const sent = this.ask(nvsp(104, this.sendGpadl, SEND_ID))!;
    if (sent.getUint32(4, true) !== 1) throw new Error('send buffer refused');
  }

  /** Sends an RNDIS message in a section of the send buffer. @returns the completion's status */
  sendSection(message: Uint8Array, channelType = 0, section = 3, channel = this.channel): number {
    this.guest.memory.writeBytes(this.sendGpa + section * 6144, message);
    const answer = this.ask(nvsp(107, channelType, section, message.length), channel);
    return answer === undefined ? -1 : answer.getUint32(4, true);
  }

  /** Sends an RNDIS message by naming the memory it lies in, cut where the caller says. */
  sendDirect(message: Uint8Array, cuts: readonly number[] = [], gap = 0): number {
    const { guest } = this;
    const gpa = guest.allocate(message.length + PAGE_BYTES * (cuts.length + 2));
    const ranges: { gpa: number; bytes: number }[] = [];
    let at = 0;
    let to = gpa;
    for (const cut of [...cuts, message.length]) {
      const part = message.slice(at, cut);
      guest.memory.writeBytes(to, part);
      ranges.push({ gpa: to, bytes: part.length });
      to += part.length + gap;
      at = cut;
    }
    const transaction = this.#transaction;
    this.#transaction += 1;
    this.channel.sendGpaDirect(nvsp(107, 0, NO_SECTION, 0), ranges, { transaction });
    this.run();
    const found = this.completions.findIndex((it) => it.transactionLo === transaction);
    return found < 0 ? -1 : this.completions.splice(found, 1)[0]!.view.getUint32(4, true);
  }

  /** An RNDIS request and its answer. */
  request(message: Uint8Array): DataView | undefined {
    this.control.length = 0;
    this.sendSection(message, 1);
    const answer = this.control.shift();
    return answer && new DataView(answer.buffer);
  }

  initialize(): this {
    const answer = this.request(rndis(2, u32s(1, 1, 0, 0x4000)))!;
    if (answer.getUint32(0, true) !== 0x8000_0002) throw new Error('RNDIS did not come up');
    return this;
  }

  query(oid: number, offset = 20): { status: number; info: Uint8Array } {
    const id = this.#requestId;
    this.#requestId += 1;
    const answer = this.request(rndis(4, u32s(id, oid, 0, offset, 0)))!;
    if (answer.getUint32(0, true) !== 0x8000_0004) throw new Error('no QUERY_CMPLT');
    if (answer.getUint32(8, true) !== id) throw new Error('another request id');
    const length = answer.getUint32(16, true);
    const start = answer.getUint32(20, true) + 8;
    return {
      status: answer.getUint32(12, true),
      info: new Uint8Array(answer.buffer.slice(start, start + length) as ArrayBuffer),
    };
  }

  set(oid: number, info: Uint8Array): number {
    const id = this.#requestId;
    this.#requestId += 1;
    const answer = this.request(rndis(5, u32s(id, oid, info.length, 20, 0), info))!;
    if (answer.getUint32(0, true) !== 0x8000_0005) throw new Error('no SET_CMPLT');
    if (answer.getUint32(8, true) !== id) throw new Error('another request id');
    return answer.getUint32(12, true);
  }

  /** Negotiated, RNDIS up, filter open. */
  start(version: number = NvspVersion.v61, config: { mtu?: number; caps?: number } = {}): this {
    this.negotiate(version, config).initialize();
    this.set(0x0001_010e, u32s(0x0d));
    return this;
  }

  /** Asks for sub-channels and opens those offered. @returns the answer */
  addChannels(count: number): DataView {
    this.guest.offers.length = 0;
    const answer = this.ask(nvsp(133, 1, count))!;
    for (const offer of this.guest.offers) {
      this.channels.push(this.guest.open(offer, { sendPages: 17, receivePages: 17 }));
    }
    this.run();
    return answer;
  }
}
