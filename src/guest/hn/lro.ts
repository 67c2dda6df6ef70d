/** tcp_lro(9): segments of one flow that came in one batch go up the stack as one. */
import { ETHERNET_BYTES, EtherType, TYPE_AT } from '../../net/spec/ethernet.ts';
import { FRAGMENT_MASK, IpProtocol, Ipv4Header, TcpFlag, TcpHeader } from '../../net/spec/ip.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import { ChecksumFlag, HEADROOM, MAX_PACKET_BYTES, Packet } from '../inet/packet.ts';

const IP = Ipv4Header.offset;
const TCP = TcpHeader.offset;
const HEADERS = ETHERNET_BYTES + Ipv4Header.size + TcpHeader.size;
/** A datagram's length field ends it. */
const MAX_DATAGRAM_BYTES = 65_535;
/** What an adapter must have found right: the merged packet has no sums that fit. */
const CHECKED =
  ChecksumFlag.ipValid |
  ChecksumFlag.ipChecked |
  ChecksumFlag.dataValid |
  ChecksumFlag.pseudoHeader;

export class LargeReceive {
  readonly #deliver: (packet: Packet) => void;
  readonly #packet = new Packet(MAX_PACKET_BYTES);
  #segments = 0;
  #nextSequence = 0;
  /** Segments taken (lro_queued), and packets that they became (lro_flushed). */
  queued = 0;
  flushed = 0;

  constructor(deliver: (packet: Packet) => void) {
    this.#deliver = deliver;
  }

  /** @returns false when the frame is none of a flow's data: the caller delivers it itself */
  take(packet: Packet): boolean {
    if (!isPlainData(packet)) {
      this.flush();
      return false;
    }
    if (this.#segments > 0 && !this.#append(packet)) this.flush();
    if (this.#segments === 0) this.#begin(packet);
    this.queued += 1;
    this.#segments += 1;
    return true;
  }

  /** The batch is over. */
  flush(): void {
    if (this.#segments === 0) return;
    this.#segments = 0;
    this.flushed += 1;
    this.#deliver(this.#packet);
  }

  #begin(packet: Packet): void {
    const own = this.#packet;
    own.reset();
    own.length = packet.length;
    own.csumFlags = packet.csumFlags;
    own.csumData = packet.csumData;
    own.flowId = packet.flowId;
    own.hashType = packet.hashType;
    own.bytes.set(packet.bytes.subarray(packet.start, packet.start + packet.length), HEADROOM);
    const tcp = HEADROOM + ETHERNET_BYTES + Ipv4Header.size;
    this.#nextSequence = (readLong(own.bytes, tcp + TCP.sequence) + packet.length - HEADERS) >>> 0;
  }

  #append(packet: Packet): boolean {
    const own = this.#packet;
    const data = packet.length - HEADERS;
    const total = own.length - ETHERNET_BYTES + data;
    if (total > MAX_DATAGRAM_BYTES || !this.#follows(packet)) return false;
    const from = packet.start + HEADERS;
    own.bytes.set(packet.bytes.subarray(from, from + data), HEADROOM + own.length);
    own.length += data;
    this.#nextSequence = (this.#nextSequence + data) >>> 0;
    const ip = HEADROOM + ETHERNET_BYTES;
    const tcp = ip + Ipv4Header.size;
    const theirs = packet.start + ETHERNET_BYTES + Ipv4Header.size;
    writeWord(own.bytes, ip + IP.totalLength, total);
    writeLong(
      own.bytes,
      tcp + TCP.acknowledgment,
      readLong(packet.bytes, theirs + TCP.acknowledgment),
    );
    writeWord(own.bytes, tcp + TCP.window, readWord(packet.bytes, theirs + TCP.window));
    own.bytes[tcp + TCP.flags]! |= packet.bytes[theirs + TCP.flags]!;
    return true;
  }

  /** Same addresses and ports, and the next byte of the stream. */
  #follows({ bytes, start }: Packet): boolean {
    const own = HEADROOM + ETHERNET_BYTES;
    const theirs = start + ETHERNET_BYTES;
    const mine = this.#packet.bytes;
    const tcp = Ipv4Header.size;
    return (
      readLong(bytes, theirs + IP.source) === readLong(mine, own + IP.source) &&
      readLong(bytes, theirs + IP.destination) === readLong(mine, own + IP.destination) &&
      readLong(bytes, theirs + tcp) === readLong(mine, own + tcp) &&
      readLong(bytes, theirs + tcp + TCP.sequence) === this.#nextSequence
    );
  }
}

/** TCP over IPv4 without options, with data, and with no flag but ACK and PSH. */
function isPlainData({ bytes, start, length, csumFlags }: Packet): boolean {
  if (length <= HEADERS || (csumFlags & CHECKED) !== CHECKED) return false;
  const ip = start + ETHERNET_BYTES;
  const tcp = ip + Ipv4Header.size;
  const allowed: number = TcpFlag.ack | TcpFlag.psh;
  return (
    readWord(bytes, start + TYPE_AT) === EtherType.ipv4 &&
    bytes[ip] === 0x45 &&
    bytes[ip + IP.protocol] === IpProtocol.tcp &&
    (readWord(bytes, ip + IP.fragment) & FRAGMENT_MASK) === 0 &&
    readWord(bytes, ip + IP.totalLength) === length - ETHERNET_BYTES &&
    bytes[tcp + TCP.dataOffset]! >>> 4 === TcpHeader.size / 4 &&
    (bytes[tcp + TCP.flags]! & ~allowed) === 0 &&
    (bytes[tcp + TCP.flags]! & TcpFlag.ack) !== 0
  );
}
