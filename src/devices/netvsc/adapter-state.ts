import { OffloadConfig } from './offload-config.ts';
import type { NetvscProfile } from './profile.ts';
import type { ReceiveScaling } from './rss.ts';
import { NdisCapability } from './spec/nvsp.ts';
import type { NetvscStatistics } from './statistics.ts';

/** The largest frame of a guest that names none: 1500 bytes and the Ethernet header. */
export const DEFAULT_MTU = 1514;
export const MAX_MTU = 9216;

/** What the guest and the host have agreed on, and what the guest has set. */
export class AdapterState {
  readonly profile: NetvscProfile;
  readonly statistics: NetvscStatistics;
  readonly permanentMac: Uint8Array;
  currentMac: Uint8Array;
  ndisMajor = 0;
  ndisMinor = 0;
  /** Largest frame, Ethernet header included. */
  mtu = DEFAULT_MTU;
  /** `NdisCapability` bits of the guest. */
  capabilities = 0;
  /** RNDIS INITIALIZE came, and no HALT. */
  isOperational = false;
  /** `PacketFilter` bits. */
  filter = 0;
  offload = new OffloadConfig();
  scaling: ReceiveScaling | undefined;
  /** The guest is to be told of its new offload parameters. */
  isOffloadChanged = false;
  isLinkUp: boolean;
  linkBitsPerSecond: number;

  constructor(
    profile: NetvscProfile,
    statistics: NetvscStatistics,
    mac: Uint8Array,
    isLinkUp: boolean,
  ) {
    this.profile = profile;
    this.statistics = statistics;
    this.permanentMac = mac;
    this.currentMac = mac;
    this.isLinkUp = isLinkUp;
    this.linkBitsPerSecond = profile.linkBitsPerSecond;
  }

  /** Tags go beside the frame, not in it. */
  get stripsVlan(): boolean {
    return (this.capabilities & NdisCapability.vlan) !== 0;
  }

  /** The primary channel opens or closes: everything the guest has set is gone. */
  reset(): void {
    this.ndisMajor = 0;
    this.ndisMinor = 0;
    this.mtu = DEFAULT_MTU;
    this.capabilities = 0;
    this.currentMac = this.permanentMac;
    this.resetRndis();
  }

  resetRndis(): void {
    this.isOperational = false;
    this.filter = 0;
    this.offload = new OffloadConfig();
    this.scaling = undefined;
    this.isOffloadChanged = false;
  }
}
