import { NS_PER_US } from '../../core/clock.ts';
import { NvspVersion } from './spec/nvsp.ts';

/**
 * What a host says of a received frame's checksums. FreeBSD's driver notes of 2016 that Windows sets
 * the TCP bit for UDP too.
 *
 * - `off`: nothing.
 * - `windows`: IP and "TCP" succeeded, whichever transport it was.
 * - `exact`: IP, TCP and UDP each by its own bit, as OpenVMM does.
 */
export type RxChecksumInfo = 'off' | 'windows' | 'exact';

/** Virtual nanoseconds. Constant, so that equal runs take equal times. */
export interface NetvscLatency {
  /** From the guest's signal until the host looks at the ring. */
  readonly signalNs: number;
  /** Host time for one packet, before the next batch of a long ring is looked at. */
  readonly packetNs: number;
}

/** What a Windows version's network VSP does. Values live in machine/profiles.ts. */
export interface NetvscProfile {
  /** Newest protocol version, one of `NvspVersion`. */
  readonly maxVersion: number;
  readonly rxCsumPpi: RxChecksumInfo;
  /** Whether a received frame comes with its RSS hash, while RSS is on. */
  readonly rxHashPpi: boolean;
  /** Received TCP segments are coalesced for guests that ask for it (since Windows Server 2019). */
  readonly coalescesReceived: boolean;
  /** The packet filter is left open after RNDIS INITIALIZE: frames come before they are wanted. */
  readonly keepsFilter: boolean;
  /** Sub-channels beside the primary one; 0 for none. */
  readonly maxSubChannels: number;
  /** The host gets a transmitted datagram's UDP checksum wrong (Windows Server 2012). */
  readonly breaksUdpChecksum: boolean;
  /** A QUERY whose information buffer is empty and has offset 0 fails. */
  readonly refusesEmptyQuery: boolean;
  /** A change of offload parameters is indicated to the guest. */
  readonly indicatesOffload: boolean;
  /**
   * When a buffer's GPADL may be torn down. `by-version`: after the channel's close from VMBus 4.0
   * on, before it below; the other order is never answered. `any`: whenever the guest likes.
   */
  readonly bufferTeardown: 'by-version' | 'any';
  /** Bytes of one section of the send buffer. */
  readonly sendSectionBytes: number;
  readonly linkBitsPerSecond: number;
  readonly latency: NetvscLatency;
}

export const DEFAULT_NETVSC_LATENCY: NetvscLatency = {
  signalNs: 4 * NS_PER_US,
  packetNs: 100,
};

/** A Windows Server 2019 to 2025 host; older ones differ by a spread over it. */
export const DEFAULT_NETVSC_PROFILE: NetvscProfile = {
  maxVersion: NvspVersion.v61,
  rxCsumPpi: 'windows',
  rxHashPpi: true,
  coalescesReceived: true,
  keepsFilter: false,
  maxSubChannels: 8,
  breaksUdpChecksum: false,
  refusesEmptyQuery: true,
  indicatesOffload: true,
  bufferTeardown: 'by-version',
  sendSectionBytes: 6144,
  linkBitsPerSecond: 10_000_000_000,
  latency: DEFAULT_NETVSC_LATENCY,
};
