/**
 * Receive side scaling: which channel a received frame goes to. Source: Microsoft, "RSS Hashing
 * Functions" and "Verifying the RSS Hash Calculation".
 */
import { FrameFact, networkOffset, transportOffset } from '../../net/inspect.ts';
import { Ipv4Header, Ipv6Header } from '../../net/spec/ip.ts';
import { NdisHash, RSS_KEY_BYTES, RSS_TABLE_ENTRIES } from './spec/oids.ts';

/** Two IPv6 addresses and two ports: the longest input. */
const MAX_INPUT_BYTES = 36;
const PORTS_BYTES = 4;

/**
 * The Toeplitz hash: for every set bit of the input the 32 bits of the key from that bit on are
 * XORed. Tables by input byte make one step of eight of these.
 */
export class ToeplitzHash {
  readonly #tables = new Uint32Array(MAX_INPUT_BYTES * 256);

  /** @param key 40 bytes */
  constructor(key: Uint8Array) {
    if (key.length !== RSS_KEY_BYTES) throw new Error(`an RSS key of ${key.length} bytes`);
    for (let position = 0; position < MAX_INPUT_BYTES; position += 1) {
      const table = position * 256;
      for (let bit = 0; bit < 8; bit += 1) {
        const window = keyWindow(key, position * 8 + bit);
        const value = 0x80 >>> bit;
        // Every byte that has this bit: those below it are in the table already.
        for (let byte = value; byte < 256; byte += 1) {
          if ((byte & value) !== 0)
            this.#tables[table + byte] = this.#tables[table + byte]! ^ window;
        }
      }
    }
  }

  /**
   * Goes on with `length` bytes of input.
   * @param position how many bytes of the input came before
   * @param hash of these, 0 at the start
   */
  add(hash: number, position: number, bytes: Uint8Array, start: number, length: number): number {
    let value = hash;
    for (let index = 0; index < length; index += 1) {
      value ^= this.#tables[(position + index) * 256 + bytes[start + index]!]!;
    }
    return value >>> 0;
  }
}

/** 32 bits of the key from a bit on, the first one highest. */
function keyWindow(key: Uint8Array, firstBit: number): number {
  let window = 0;
  for (let bit = firstBit; bit < firstBit + 32; bit += 1) {
    window = (window << 1) | ((key[bit >>> 3]! >>> (7 - (bit & 7))) & 1);
  }
  return window >>> 0;
}

/** The guest's RSS parameters while RSS is on. */
export class ReceiveScaling {
  readonly key: Uint8Array;
  /** `NdisHash` bits. */
  readonly hashInformation: number;
  readonly table: Uint16Array;
  readonly #toeplitz: ToeplitzHash;
  /** `NdisHash` type of the last `hash`; 0 when the frame has none. */
  hashType = 0;

  /** @param table channel by the low bits of the hash; a power of two of entries */
  constructor(key: Uint8Array, hashInformation: number, table: Uint16Array) {
    this.key = key;
    this.hashInformation = hashInformation;
    this.table = table;
    this.#toeplitz = new ToeplitzHash(key);
  }

  /** The table that 128 entries make of any number of them. */
  static spread(entries: ArrayLike<number>): Uint16Array {
    return Uint16Array.from(
      { length: RSS_TABLE_ENTRIES },
      (_, index) => entries[index % entries.length] ?? 0,
    );
  }

  /** @returns the hash of a frame, and sets `hashType` */
  hash(bytes: Uint8Array, start: number, facts: number): number {
    this.hashType = 0;
    const transport = transportOffset(facts);
    const network = start + networkOffset(facts);
    if ((facts & FrameFact.malformed) !== 0) return 0;
    if ((facts & FrameFact.ipv4) !== 0) {
      const type = this.#type(facts, NdisHash.ipv4, NdisHash.tcpIpv4, NdisHash.udpIpv4);
      return this.#hash(
        type,
        NdisHash.ipv4,
        bytes,
        network + Ipv4Header.offset.source,
        8,
        start + transport,
      );
    }
    if ((facts & FrameFact.ipv6) !== 0) {
      const type = this.#type(facts, NdisHash.ipv6, NdisHash.tcpIpv6, NdisHash.udpIpv6);
      return this.#hash(
        type,
        NdisHash.ipv6,
        bytes,
        network + Ipv6Header.offset.source,
        32,
        start + transport,
      );
    }
    return 0;
  }

  /** Ports count where the guest asked for them; a part of a datagram has none. */
  #type(facts: number, plain: number, tcp: number, udp: number): number {
    const asked = this.hashInformation;
    if ((facts & FrameFact.tcp) !== 0 && (asked & tcp) !== 0) return tcp;
    if ((facts & FrameFact.udp) !== 0 && (asked & udp) !== 0) return udp;
    return (asked & plain) === 0 ? 0 : plain;
  }

  #hash(
    type: number,
    plain: number,
    bytes: Uint8Array,
    addresses: number,
    addressBytes: number,
    ports: number,
  ): number {
    this.hashType = type;
    if (type === 0) return 0;
    const hash = this.#toeplitz.add(0, 0, bytes, addresses, addressBytes);
    if (type === plain) return hash;
    return this.#toeplitz.add(hash, addressBytes, bytes, ports, PORTS_BYTES);
  }

  /** The channel for a frame with a hash. */
  channelOf(hash: number): number {
    return this.table[hash & (this.table.length - 1)]!;
  }
}
