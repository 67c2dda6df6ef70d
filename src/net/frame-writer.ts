import type { StateStream } from '../core/state.ts';
import { complementOf, ipv4PseudoSum, sumBytes } from './checksum.ts';
import { wordsOf } from '../core/words.ts';
import { ETHERNET_BYTES, EthernetHeader, EtherType, MAX_FRAME_BYTES } from './spec/ethernet.ts';
import { DONT_FRAGMENT, IpProtocol, Ipv4Header, UdpHeader } from './spec/ip.ts';

const TIME_TO_LIVE = 64;
const IP_AT = ETHERNET_BYTES;
const PAYLOAD_AT = IP_AT + Ipv4Header.size;

/** Builds one frame at a time, in one buffer: what services on the host's side send. */
export class FrameWriter {
  readonly bytes = new Uint8Array(MAX_FRAME_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly words = wordsOf(this.bytes);
  readonly #ethernet = EthernetHeader.cursor(this.view).at(0);
  readonly #ip = Ipv4Header.cursor(this.view).at(IP_AT);
  readonly #udp = UdpHeader.cursor(this.view).at(PAYLOAD_AT);
  #nextId = 1;

  exchange(state: StateStream): void {
    this.#nextId = state.number('nextId', this.#nextId);
  }

  /** Where the payload of an IPv4 packet goes. */
  static readonly ipPayloadAt = PAYLOAD_AT;
  /** Where the payload of a UDP datagram goes. */
  static readonly udpPayloadAt = PAYLOAD_AT + UdpHeader.size;

  ethernet(destination: Uint8Array, source: Uint8Array, type: number): void {
    this.#ethernet.destination = destination;
    this.#ethernet.source = source;
    this.#ethernet.type = type;
  }

  /** Heads a payload that stands at `ipPayloadAt`. @returns bytes of the frame */
  ipv4(source: number, destination: number, protocol: number, payloadBytes: number): number {
    const ip = this.#ip;
    this.view.setUint16(EthernetHeader.offset.type, EtherType.ipv4);
    ip.versionAndLength = 0x45;
    ip.service = 0;
    ip.totalLength = Ipv4Header.size + payloadBytes;
    ip.id = this.#nextId;
    this.#nextId = (this.#nextId + 1) & 0xffff;
    ip.fragment = DONT_FRAGMENT;
    ip.timeToLive = TIME_TO_LIVE;
    ip.protocol = protocol;
    ip.source = source;
    ip.destination = destination;
    ip.checksum = 0;
    ip.checksum = complementOf(sumBytes(this.bytes, this.words, IP_AT, Ipv4Header.size));
    return PAYLOAD_AT + payloadBytes;
  }

  /** Heads a datagram whose payload stands at `udpPayloadAt`. @returns bytes of the frame */
  udp(
    source: number,
    sourcePort: number,
    destination: number,
    destinationPort: number,
    payloadBytes: number,
  ): number {
    const udp = this.#udp;
    const length = UdpHeader.size + payloadBytes;
    udp.sourcePort = sourcePort;
    udp.destinationPort = destinationPort;
    udp.length = length;
    udp.checksum = 0;
    const frameBytes = this.ipv4(source, destination, IpProtocol.udp, length);
    const sum =
      sumBytes(this.bytes, this.words, PAYLOAD_AT, length) +
      ipv4PseudoSum(this.bytes, IP_AT, IpProtocol.udp, length);
    udp.checksum = complementOf(sum) || 0xffff;
    return frameBytes;
  }
}
