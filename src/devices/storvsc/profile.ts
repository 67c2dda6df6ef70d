import { NS_PER_US } from '../../core/clock.ts';
import { VstorVersion } from './spec.ts';

/**
 * How a host answers a command to a LUN that is not there. FreeBSD's driver comments, EN-16:16,
 * D7521 and r309726 record the first three, OpenVMM's source the last.
 *
 * - `zeroed`: every command fails with SRB status 20h, SCSI status GOOD, nothing moved. A guest
 *   that looks at neither sees a disk of all-zero INQUIRY data (Windows Server 2016 previews).
 * - `qualifier-7f`: INQUIRY succeeds with `7f 00 05 02 1f` and 31 more bytes; the rest as `zeroed`.
 * - `qualifier-7f-short`: INQUIRY succeeds with the five bytes `7f 00 00 00 00`; the rest succeeds
 *   and moves nothing (2012, 2012 R2).
 * - `openvmm`: 104 bytes of `7f 00 05 02 63`; the rest is CHECK CONDITION with SRB status 20h and
 *   no sense.
 */
export type AbsentLun = 'zeroed' | 'qualifier-7f' | 'qualifier-7f-short' | 'openvmm';

/** Virtual nanoseconds. Constant, so that equal runs take equal times. */
export interface StorvscLatency {
  /** From the guest's signal until the host looks at the ring. */
  readonly signalNs: number;
  /** From a packet until its completion, without data. */
  readonly requestNs: number;
  /** What one byte adds; transfers of one controller queue for each other. */
  readonly byteNs: number;
}

/** What a Windows version's storage VSP does. Values live in machine/profiles.ts. */
export interface StorvscProfile {
  /** Newest protocol version, one of `VstorVersion`. */
  readonly maxVersion: number;
  readonly absentLun: AbsentLun;
  /** The same for IDE accelerator channels; without it, as `absentLun`. */
  readonly absentLunOnIde?: AbsentLun;
  /** INQUIRY version of a disk on a connection below protocol 6.2: 4 = SPC-2, 5 = SPC-3. */
  readonly inquiryVersionBefore62: number;
  /** INQUIRY version of a disk from protocol 6.2 on. */
  readonly inquiryVersion: number;
  /** Sub-channels beside the primary one; 0 for none. Offered from protocol 5.1 on. */
  readonly maxSubChannels: number;
  /** What QUERY_PROPERTIES promises, a multiple of 4096. */
  readonly maxTransferBytes: number;
  readonly latency: StorvscLatency;
}

/** A fast local SSD behind a host of one hop: 20 us a request, 4 GB/s. */
export const DEFAULT_LATENCY: StorvscLatency = {
  signalNs: 4 * NS_PER_US,
  requestNs: 20 * NS_PER_US,
  byteNs: 0.25,
};

/** A Windows Server 2019 to 2025 host; older ones differ by a spread over it. */
export const DEFAULT_STORVSC_PROFILE: StorvscProfile = {
  maxVersion: VstorVersion.threshold,
  absentLun: 'qualifier-7f',
  inquiryVersionBefore62: 4,
  inquiryVersion: 5,
  maxSubChannels: 8,
  maxTransferBytes: 0x4_0000,
  latency: DEFAULT_LATENCY,
};
