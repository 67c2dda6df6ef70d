/** What hn asks of the host's adapter: which checksums, and large sends (NDIS_OFFLOAD_PARAMETERS). */
import {
  CoalescingChoice,
  Ipv4OffloadFlag,
  LargeSendChoice,
  NdisOffload,
  OffloadChoice,
  OffloadParameters,
  OffloadParameters3,
  Oid,
} from '../../devices/netvsc/spec/oids.ts';
import { NdisObjectType } from '../../devices/netvsc/spec/rndis.ts';
import { ChecksumFlag } from '../inet/packet.ts';
import type { Task } from '../kernel/api.ts';
import type { RndisControl } from './rndis.ts';

const OFFLOAD_OBJECT = NdisObjectType.is.offload;
const PARAMETERS_OBJECT = NdisObjectType.is.default;
const OFFLOAD_REVISION = 3;
/** Revision 2 of the parameters has no field that this driver sets beyond revision 1's. */
const PARAMETER_REVISION = 1;
/** Revision 3 is for adapters that coalesce. */
const COALESCING_REVISION = 3;

/** What the adapter can take over. */
export interface OffloadOffer {
  /** ChecksumFlag bits. */
  readonly flags: number;
  readonly hasCoalescing: boolean;
}

const NOTHING: OffloadOffer = { flags: 0, hasCoalescing: false };

export function* queryOffload(rndis: RndisControl): Task<OffloadOffer> {
  const input = new Uint8Array(NdisOffload.size);
  const ask = NdisOffload.cursor(new DataView(input.buffer)).at(0);
  ask.objectType = OFFLOAD_OBJECT;
  ask.revision = OFFLOAD_REVISION;
  ask.size = NdisOffload.size;
  const answer = yield* rndis.query(Oid.is.offloadCapabilities, input);
  if (answer === undefined || answer.length < NdisOffload.size) return NOTHING;
  const found = NdisOffload.cursor(new DataView(answer.buffer)).at(0);
  const has = found.ipv4TxFlags;
  let flags = 0;
  if ((has & Ipv4OffloadFlag.ip) !== 0) flags |= ChecksumFlag.ip;
  if ((has & Ipv4OffloadFlag.tcp) !== 0) flags |= ChecksumFlag.tcp;
  if ((has & Ipv4OffloadFlag.udp) !== 0) flags |= ChecksumFlag.udp;
  if (found.lso4MaxBytes > 0) flags |= ChecksumFlag.tso;
  // Drivers want both address families.
  return { flags, hasCoalescing: found.coalescingIpv4 !== 0 && found.coalescingIpv6 !== 0 };
}

/**
 * Turns offloads on for what was found.
 * @param coalesces undefined for an adapter that does not coalesce what it receives
 * @returns 0 or an errno
 */
export function* setOffload(rndis: RndisControl, flags: number, coalesces?: boolean): Task<number> {
  const isLong = coalesces !== undefined;
  const bytes = new Uint8Array(isLong ? OffloadParameters3.size : OffloadParameters.size);
  const parameters = OffloadParameters.cursor(new DataView(bytes.buffer)).at(0);
  const choose = (bit: number): number =>
    (flags & bit) === 0 ? OffloadChoice.disabled : OffloadChoice.both;
  parameters.objectType = PARAMETERS_OBJECT;
  parameters.revision = isLong ? COALESCING_REVISION : PARAMETER_REVISION;
  parameters.size = bytes.length;
  if (isLong) {
    const choice = coalesces ? CoalescingChoice.enabled : CoalescingChoice.disabled;
    bytes[OffloadParameters3.offset.coalescingIpv4] = choice;
    bytes[OffloadParameters3.offset.coalescingIpv6] = choice;
  }
  parameters.ipv4 = choose(ChecksumFlag.ip);
  parameters.tcpIpv4 = choose(ChecksumFlag.tcp);
  parameters.udpIpv4 = choose(ChecksumFlag.udp);
  parameters.tcpIpv6 = OffloadChoice.both;
  parameters.udpIpv6 = choose(ChecksumFlag.udp);
  parameters.largeSendV2Ipv4 =
    (flags & ChecksumFlag.tso) === 0 ? LargeSendChoice.disabled : LargeSendChoice.enabled;
  parameters.largeSendV2Ipv6 = LargeSendChoice.disabled;
  return yield* rndis.set(Oid.is.offloadParameters, bytes);
}
