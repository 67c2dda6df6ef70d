/** IPv4 fragments: datagrams cut up on the way out, and put together on the way in (ip_reass). */
import { ETHERNET_BYTES } from '../../net/spec/ethernet.ts';
import { Ipv4Header } from '../../net/spec/ip.ts';
import { readLong, readWord, writeWord } from '../../core/network-order.ts';
import { HEADROOM, Packet } from './packet.ts';

const IP = Ipv4Header.offset;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;
/** Fragment offsets count units of this many bytes. */
const UNIT_BYTES = 8;
/** net.inet.ip.maxfragsperpacket: one more than that may complete a datagram. */
export const MAX_FRAGMENTS_KEPT = 16;
/** Datagrams under reassembly, and how long each may take (IPFRAGTTL). */
const MAX_QUEUES = 64;
const LIFETIME_NS = 30e9;
const MAX_DATAGRAM_BYTES = 65_535;

/**
 * Cuts a datagram in `packet` into frames of its own.
 * @param send takes each, with its Ethernet header still to be filled in
 */
export function cutUp(packet: Packet, mtu: number, send: (fragment: Packet) => void): void {
  const { bytes, start } = packet;
  const ip = start + ETHERNET_BYTES;
  const payload = packet.length - ETHERNET_BYTES - Ipv4Header.size;
  const most = Math.floor((mtu - Ipv4Header.size) / UNIT_BYTES) * UNIT_BYTES;
  for (let offset = 0; offset < payload; offset += most) {
    const length = Math.min(most, payload - offset);
    const head = ETHERNET_BYTES + Ipv4Header.size;
    const fragment = new Packet(HEADROOM + head + length);
    fragment.length = head + length;
    fragment.bytes.set(bytes.subarray(start, start + head), HEADROOM);
    const from = ip + Ipv4Header.size + offset;
    fragment.bytes.set(bytes.subarray(from, from + length), HEADROOM + head);
    const isLast = offset + length === payload;
    const to = HEADROOM + ETHERNET_BYTES;
    writeWord(fragment.bytes, to + IP.totalLength, Ipv4Header.size + length);
    writeWord(
      fragment.bytes,
      to + IP.fragment,
      offset / UNIT_BYTES + (isLast ? 0 : MORE_FRAGMENTS),
    );
    writeWord(fragment.bytes, to + IP.checksum, 0);
    send(fragment);
  }
}

interface Piece {
  readonly offset: number;
  readonly data: Uint8Array;
}

interface Queue {
  readonly sinceNs: number;
  /** Header of the first fragment, once it came. */
  head: Uint8Array | undefined;
  /** Payload of the whole datagram, once its last fragment came. */
  total: number;
  readonly pieces: Piece[];
}

export class Reassembly {
  readonly #queues = new Map<string, Queue>();
  /** Datagrams put together, and those given up. */
  reassembled = 0;
  dropped = 0;

  /**
   * Takes a fragment.
   * @param ip position of its header
   * @returns the whole datagram behind an Ethernet header, once it is complete
   */
  add(packet: Packet, ip: number, length: number, nowNs: number): Packet | undefined {
    this.#expire(nowNs);
    const { bytes } = packet;
    const headerBytes = (bytes[ip]! & 15) * 4;
    const word = readWord(bytes, ip + IP.fragment);
    const offset = (word & OFFSET_MASK) * UNIT_BYTES;
    const hasMore = (word & MORE_FRAGMENTS) !== 0;
    const data = bytes.slice(ip + headerBytes, ip + length);
    const isSound =
      data.length > 0 &&
      (!hasMore || data.length % UNIT_BYTES === 0) &&
      offset + data.length + Ipv4Header.size <= MAX_DATAGRAM_BYTES;
    if (!isSound) return undefined;
    const key = [
      readLong(bytes, ip + IP.source),
      readLong(bytes, ip + IP.destination),
      readWord(bytes, ip + IP.id),
      bytes[ip + IP.protocol],
    ].join(' ');
    const queue = this.#queueOf(key, nowNs);
    if (offset === 0) queue.head = bytes.slice(packet.start, ip + Ipv4Header.size);
    if (!hasMore) queue.total = offset + data.length;
    if (!queue.pieces.some((piece) => piece.offset === offset)) queue.pieces.push({ offset, data });
    const whole = this.#assemble(queue);
    if (whole !== undefined || queue.pieces.length > MAX_FRAGMENTS_KEPT) this.#queues.delete(key);
    if (whole !== undefined) this.reassembled += 1;
    else if (queue.pieces.length > MAX_FRAGMENTS_KEPT) this.dropped += 1;
    return whole;
  }

  #queueOf(key: string, nowNs: number): Queue {
    const there = this.#queues.get(key);
    if (there !== undefined) return there;
    if (this.#queues.size >= MAX_QUEUES) {
      const [oldest] = this.#queues.keys();
      this.#queues.delete(oldest!);
      this.dropped += 1;
    }
    const queue: Queue = { sinceNs: nowNs, head: undefined, total: -1, pieces: [] };
    this.#queues.set(key, queue);
    return queue;
  }

  #expire(nowNs: number): void {
    for (const [key, { sinceNs }] of this.#queues) {
      if (nowNs - sinceNs < LIFETIME_NS) return;
      this.#queues.delete(key);
      this.dropped += 1;
    }
  }

  /** @returns undefined while something is missing; pieces that overlap never add up */
  #assemble({ head, total, pieces }: Queue): Packet | undefined {
    if (head === undefined || total < 0) return undefined;
    const sorted = pieces.toSorted((left, right) => left.offset - right.offset);
    let end = 0;
    for (const { offset, data } of sorted) {
      if (offset !== end) return undefined;
      end += data.length;
    }
    if (end !== total) return undefined;
    const packet = new Packet(HEADROOM + head.length + total);
    packet.length = head.length + total;
    packet.bytes.set(head, HEADROOM);
    for (const { offset, data } of sorted) packet.bytes.set(data, HEADROOM + head.length + offset);
    const ip = HEADROOM + ETHERNET_BYTES;
    packet.bytes[ip] = 0x45;
    writeWord(packet.bytes, ip + IP.totalLength, Ipv4Header.size + total);
    writeWord(packet.bytes, ip + IP.fragment, 0);
    return packet;
  }
}
