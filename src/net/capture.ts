/** Packet capture to pcapng (spec/pcapng.ts), as pure bytes: where they go is the caller's matter. */
import type { FrameTap, SwitchPort } from './switch-port.ts';
import type { VirtualClock } from '../core/clock.ts';
import {
  BlockHeader,
  BYTE_ORDER_MAGIC,
  EnhancedPacket,
  InterfaceDescription,
  LINKTYPE_ETHERNET,
  OptionHeader,
  PacketDirection,
  PcapngBlock,
  PcapngOption,
  SectionHeader,
} from './spec/pcapng.ts';

/** Takes bytes of the file in order. The array is reused after the call. */
export type ByteSink = (bytes: Uint8Array) => void;

const BUFFER_BYTES = 256 * 1024;
const NANOSECOND_RESOLUTION = 9;
const TRAILER_BYTES = 4;
/** The direction option with its end mark. */
const PACKET_OPTIONS_BYTES = OptionHeader.size + 4 + OptionHeader.size;
const MAX_NAME_BYTES = 255;

export interface PcapngOptions {
  /** Seconds since 1970 at virtual time 0. Default 0. */
  readonly epochSeconds?: number;
  /** Named in the section header. */
  readonly application?: string;
}

/** Writes one section with any number of interfaces. Call `flush` at the end. */
export class PcapngWriter {
  readonly #sink: ByteSink;
  readonly #bytes = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #packet = EnhancedPacket.cursor(this.#view);
  readonly #epochSeconds: number;
  #end = 0;
  #interfaces = 0;

  constructor(sink: ByteSink, options: PcapngOptions = {}) {
    this.#sink = sink;
    this.#epochSeconds = options.epochSeconds ?? 0;
    const body = new Uint8Array(SectionHeader.size);
    const section = SectionHeader.cursor(new DataView(body.buffer)).at(0);
    section.magic = BYTE_ORDER_MAGIC;
    section.major = 1;
    section.sectionLength = 0xffff_ffff_ffff_ffffn;
    const application = option(
      PcapngOption.userApplication,
      utf8(options.application ?? 'synthvm'),
    );
    this.#block(PcapngBlock.is.sectionHeader, [body, application, END_OF_OPTIONS]);
  }

  /** @returns the interface's number, for `packet` */
  addInterface(name: string): number {
    const body = new Uint8Array(InterfaceDescription.size);
    InterfaceDescription.cursor(new DataView(body.buffer)).at(0).linkType = LINKTYPE_ETHERNET;
    const offset = new Uint8Array(8);
    new DataView(offset.buffer).setBigInt64(0, BigInt(Math.floor(this.#epochSeconds)), true);
    this.#block(PcapngBlock.is.interfaceDescription, [
      body,
      option(PcapngOption.interfaceName, utf8(name)),
      option(PcapngOption.timestampResolution, Uint8Array.of(NANOSECOND_RESOLUTION)),
      option(PcapngOption.timestampOffset, offset),
      END_OF_OPTIONS,
    ]);
    this.#interfaces += 1;
    return this.#interfaces - 1;
  }

  /** @param direction `PacketDirection`, as the adapter on that interface sees it */
  packet(
    interfaceId: number,
    timeNs: number,
    direction: number,
    bytes: Uint8Array,
    start: number,
    length: number,
  ): void {
    const padded = (length + 3) & ~3;
    const total =
      BlockHeader.size + EnhancedPacket.size + padded + PACKET_OPTIONS_BYTES + TRAILER_BYTES;
    let at = this.#begin(PcapngBlock.is.enhancedPacket, total);
    const packet = this.#packet.at(at);
    packet.interfaceId = interfaceId;
    packet.timestampHigh = Math.floor(timeNs / 0x1_0000_0000);
    packet.timestampLow = timeNs % 0x1_0000_0000;
    packet.capturedLength = length;
    packet.originalLength = length;
    at += EnhancedPacket.size;
    const target = this.#bytes;
    for (let index = 0; index < length; index += 1) target[at + index] = bytes[start + index]!;
    target.fill(0, at + length, at + padded);
    at += padded;
    const view = this.#view;
    view.setUint16(at, PcapngOption.packetFlags, true);
    view.setUint16(at + 2, 4, true);
    view.setUint32(at + 4, direction, true);
    view.setUint32(at + 8, 0, true);
    view.setUint32(at + PACKET_OPTIONS_BYTES, total, true);
    this.#end += total;
  }

  /** Gives the sink what is still held back. */
  flush(): void {
    if (this.#end > 0) this.#sink(this.#bytes.subarray(0, this.#end));
    this.#end = 0;
  }

  #block(type: number, parts: readonly Uint8Array[]): void {
    const bodyBytes = parts.reduce((sum, part) => sum + part.length, 0);
    const total = BlockHeader.size + bodyBytes + TRAILER_BYTES;
    let at = this.#begin(type, total);
    for (const part of parts) {
      this.#bytes.set(part, at);
      at += part.length;
    }
    this.#view.setUint32(at, total, true);
    this.#end += total;
  }

  /** Writes a block's head. @returns where its body begins */
  #begin(type: number, total: number): number {
    if (this.#end + total > BUFFER_BYTES) this.flush();
    this.#view.setUint32(this.#end, type, true);
    this.#view.setUint32(this.#end + 4, total, true);
    return this.#end + BlockHeader.size;
  }
}

const END_OF_OPTIONS = new Uint8Array(OptionHeader.size);

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text).slice(0, MAX_NAME_BYTES);
}

function option(code: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(OptionHeader.size + ((value.length + 3) & ~3));
  const header = OptionHeader.cursor(new DataView(bytes.buffer)).at(0);
  header.code = code;
  header.length = value.length;
  bytes.set(value, OptionHeader.size);
  return bytes;
}

/** A tap that records a port's frames as its station sees them: outbound is what it sends. */
export function captureTap(writer: PcapngWriter, port: SwitchPort, clock: VirtualClock): FrameTap {
  const interfaceId = writer.addInterface(port.name);
  return (isFromStation, bytes, start, length) => {
    const direction = isFromStation ? PacketDirection.outbound : PacketDirection.inbound;
    writer.packet(interfaceId, clock.nowNs, direction, bytes, start, length);
  };
}
