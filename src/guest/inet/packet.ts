/** A frame inside the guest's kernel: what FreeBSD keeps in an mbuf and its packet header. */

/**
 * `csum_flags`. The low half asks the adapter for work on the way out, the high half says what the
 * adapter found on the way in; both live in one word, which is how a forwarded packet takes the
 * adapter's findings along to the next adapter (PR 203630).
 */
export const ChecksumFlag = {
  /** The IPv4 header's. */
  ip: 0x1,
  udp: 0x2,
  tcp: 0x4,
  /** TCP segmentation: `segmentBytes` a frame. */
  tso: 0x10,
  ipChecked: 0x0100_0000,
  ipValid: 0x0200_0000,
  /** `checksumData` is the sum of the transport data and, with the other bit, the pseudo header. */
  pseudoHeader: 0x0400_0000,
  dataValid: 0x0800_0000,
} as const;

/** What a transmitting adapter is asked for. */
export const TX_REQUESTS = ChecksumFlag.ip | ChecksumFlag.udp | ChecksumFlag.tcp | ChecksumFlag.tso;
/** What is left to whoever sends the packet, once its pseudo header's sum is in the field. */
export const DELAYED_DATA = ChecksumFlag.udp | ChecksumFlag.tcp;

/** Largest frame: 64 KiB of segmentation offload with its headers. */
export const MAX_PACKET_BYTES = 65_536 + 256;
/** Room before the data, so that headers can be put in front. */
export const HEADROOM = 64;

/** One frame, with memory of its own. Whoever gets one to look at may change it, and not keep it. */
export class Packet {
  readonly bytes: Uint8Array;
  /** First byte of the Ethernet header. */
  start = HEADROOM;
  /** From there. */
  length = 0;
  csumFlags = 0;
  csumData = 0;
  /** Payload of each frame that segmentation makes. */
  segmentBytes = 0;
  /** RSS hash that the adapter gave, with its NDIS type; a type of 0 for none. */
  flowId = 0;
  hashType = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  reset(): void {
    this.start = HEADROOM;
    this.length = 0;
    this.csumFlags = 0;
    this.csumData = 0;
    this.segmentBytes = 0;
    this.hashType = 0;
  }

  /** A copy that can be kept. */
  clone(): Packet {
    const copy = new Packet(HEADROOM + this.length);
    for (let index = 0; index < this.length; index += 1) {
      copy.bytes[HEADROOM + index] = this.bytes[this.start + index]!;
    }
    copy.length = this.length;
    copy.csumFlags = this.csumFlags;
    copy.csumData = this.csumData;
    copy.segmentBytes = this.segmentBytes;
    copy.flowId = this.flowId;
    copy.hashType = this.hashType;
    return copy;
  }
}
