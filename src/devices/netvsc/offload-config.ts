/** Which offloads are switched on, and how NDIS says so. */
import type { StateStream } from '../../core/state.ts';
import { viewOf } from '../../core/wire.ts';
import { isNdisObject } from './ndis.ts';
import {
  ENCAPSULATION_ETHERNET,
  Ipv4OffloadFlag,
  Ipv6OffloadFlag,
  LSO_MAX_BYTES,
  LSO_MIN_SEGMENTS,
  CoalescingChoice,
  LargeSendChoice,
  NdisOffload,
  OffloadChoice,
  OffloadParameters,
  OffloadParameters3,
} from './spec/oids.ts';
import { NdisObjectType, NdisStatus } from './spec/rndis.ts';

const CHECKSUMS = ['ipv4', 'tcpIpv4', 'udpIpv4', 'tcpIpv6', 'udpIpv6'] as const;
type Checksum = (typeof CHECKSUMS)[number];

/** Names of the settings by which Windows guests say the same (OID_GEN_RNDIS_CONFIG_PARAMETER). */
const CHECKSUM_BY_NAME: Readonly<Record<string, Checksum>> = {
  '*IPChecksumOffloadIPv4': 'ipv4',
  '*TCPChecksumOffloadIPv4': 'tcpIpv4',
  '*UDPChecksumOffloadIPv4': 'udpIpv4',
  '*TCPChecksumOffloadIPv6': 'tcpIpv6',
  '*UDPChecksumOffloadIPv6': 'udpIpv6',
};

/** Guests may leave out what follows. */
const COALESCING_BYTES = OffloadParameters3.offset.encapsulation;

/** Everything is supported, and on until the guest says otherwise; coalescing is off until then. */
export class OffloadConfig {
  readonly transmit: Record<Checksum, boolean> = allOn();
  readonly receive: Record<Checksum, boolean> = allOn();
  largeSendIpv4 = true;
  largeSendIpv6 = true;
  coalescingIpv4 = false;
  /** Taken note of: segments over IPv6 go to the guest as they come. */
  coalescingIpv6 = false;

  /** What the adapter can do. */
  static capabilities(mayCoalesce: boolean): OffloadConfig {
    const all = new OffloadConfig();
    all.coalescingIpv4 = mayCoalesce;
    all.coalescingIpv6 = mayCoalesce;
    return all;
  }

  exchange(state: StateStream): void {
    Object.assign(this.transmit, state.data('transmit', this.transmit));
    Object.assign(this.receive, state.data('receive', this.receive));
    this.largeSendIpv4 = state.flag('largeSendIpv4', this.largeSendIpv4);
    this.largeSendIpv6 = state.flag('largeSendIpv6', this.largeSendIpv6);
    this.coalescingIpv4 = state.flag('coalescingIpv4', this.coalescingIpv4);
    this.coalescingIpv6 = state.flag('coalescingIpv6', this.coalescingIpv6);
  }

  /** OID_TCP_OFFLOAD_PARAMETERS. @returns an NDIS status */
  set(bytes: Uint8Array, mayCoalesce = false): number {
    if (!isNdisObject(bytes, NdisObjectType.is.default, 1, OffloadParameters.size)) {
      return NdisStatus.is.invalidData;
    }
    const asked = OffloadParameters.cursor(viewOf(bytes)).at(0);
    if (asked.largeSendV1 === LargeSendChoice.enabled) return NdisStatus.is.notSupported;
    for (const name of CHECKSUMS) this.#choose(name, asked[name]);
    const { largeSendV2Ipv4, largeSendV2Ipv6 } = asked;
    if (largeSendV2Ipv4 !== 0) this.largeSendIpv4 = largeSendV2Ipv4 === LargeSendChoice.enabled;
    if (largeSendV2Ipv6 !== 0) this.largeSendIpv6 = largeSendV2Ipv6 === LargeSendChoice.enabled;
    if (mayCoalesce && isNdisObject(bytes, NdisObjectType.is.default, 3, COALESCING_BYTES)) {
      this.#chooseCoalescing(bytes);
    }
    return NdisStatus.is.success;
  }

  #chooseCoalescing(bytes: Uint8Array): void {
    const ipv4 = bytes[OffloadParameters3.offset.coalescingIpv4]!;
    const ipv6 = bytes[OffloadParameters3.offset.coalescingIpv6]!;
    if (ipv4 !== 0) this.coalescingIpv4 = ipv4 === CoalescingChoice.enabled;
    if (ipv6 !== 0) this.coalescingIpv6 = ipv6 === CoalescingChoice.enabled;
  }

  #choose(name: Checksum, choice: number): void {
    if (choice < OffloadChoice.disabled || choice > OffloadChoice.both) return;
    this.transmit[name] = choice === OffloadChoice.transmit || choice === OffloadChoice.both;
    this.receive[name] = choice === OffloadChoice.receive || choice === OffloadChoice.both;
  }

  /** One setting by name. @param value bit 0 transmit, bit 1 receive; any bit for large send */
  setByName(name: string, value: number, mayCoalesce = false): void {
    const checksum = CHECKSUM_BY_NAME[name];
    if (checksum !== undefined) {
      this.transmit[checksum] = (value & 1) !== 0;
      this.receive[checksum] = (value & 2) !== 0;
    } else if (name === '*LsoV2IPv4') {
      this.largeSendIpv4 = value !== 0;
    } else if (name === '*LsoV2IPv6') {
      this.largeSendIpv6 = value !== 0;
    } else if (name === '*RscIPv4') {
      this.coalescingIpv4 = mayCoalesce && value !== 0;
    } else if (name === '*RscIPv6') {
      this.coalescingIpv6 = mayCoalesce && value !== 0;
    }
  }

  /** NDIS_OFFLOAD. @returns 156 bytes */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(NdisOffload.size);
    const offload = NdisOffload.cursor(viewOf(bytes)).at(0);
    offload.objectType = NdisObjectType.is.offload;
    offload.revision = 3;
    offload.size = NdisOffload.size;
    offload.ipv4TxEncapsulation = ENCAPSULATION_ETHERNET;
    offload.ipv4TxFlags = ipv4Flags(this.transmit);
    offload.ipv4RxEncapsulation = ENCAPSULATION_ETHERNET;
    offload.ipv4RxFlags = ipv4Flags(this.receive);
    offload.ipv6TxEncapsulation = ENCAPSULATION_ETHERNET;
    offload.ipv6TxFlags = ipv6Flags(this.transmit);
    offload.ipv6RxEncapsulation = ENCAPSULATION_ETHERNET;
    offload.ipv6RxFlags = ipv6Flags(this.receive);
    if (this.largeSendIpv4) {
      offload.lso4Encapsulation = ENCAPSULATION_ETHERNET;
      offload.lso4MaxBytes = LSO_MAX_BYTES;
      offload.lso4MinSegments = LSO_MIN_SEGMENTS;
    }
    if (this.largeSendIpv6) {
      offload.lso6Encapsulation = ENCAPSULATION_ETHERNET;
      offload.lso6MaxBytes = LSO_MAX_BYTES;
      offload.lso6MinSegments = LSO_MIN_SEGMENTS;
      offload.lso6Flags = Ipv6OffloadFlag.extensionHeaders | Ipv6OffloadFlag.tcpOptions;
    }
    offload.coalescingIpv4 = this.coalescingIpv4 ? 1 : 0;
    offload.coalescingIpv6 = this.coalescingIpv6 ? 1 : 0;
    return bytes;
  }
}

function allOn(): Record<Checksum, boolean> {
  return { ipv4: true, tcpIpv4: true, udpIpv4: true, tcpIpv6: true, udpIpv6: true };
}

function ipv4Flags(on: Record<Checksum, boolean>): number {
  const flag = Ipv4OffloadFlag;
  return (
    (on.ipv4 ? flag.ipOptions | flag.ip : 0) |
    (on.tcpIpv4 ? flag.ipOptions | flag.tcpOptions | flag.tcp : 0) |
    (on.udpIpv4 ? flag.ipOptions | flag.udp : 0)
  );
}

function ipv6Flags(on: Record<Checksum, boolean>): number {
  const flag = Ipv6OffloadFlag;
  return (
    (on.tcpIpv6 ? flag.extensionHeaders | flag.tcpOptions | flag.tcp : 0) |
    (on.udpIpv6 ? flag.extensionHeaders | flag.udp : 0)
  );
}
