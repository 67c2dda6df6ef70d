import { exchangeNumbers, type StateStream } from '../../core/state.ts';
import { ETHERNET_BYTES } from '../../net/spec/ethernet.ts';
import { OffloadConfig } from './offload-config.ts';
import type { NetvscProfile } from './profile.ts';
import { ReceiveScaling } from './rss.ts';
import { NdisCapability } from './spec/nvsp.ts';
import type { NetvscStatistics } from './statistics.ts';

/** The largest frame of a guest that names none: 1500 bytes and the Ethernet header. */
export const DEFAULT_MTU = 1514;
export const MAX_MTU = 9216 + ETHERNET_BYTES;

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

  exchange(state: StateStream): void {
    this.currentMac = state.bytes('currentMac', this.currentMac);
    this.ndisMajor = state.number('ndisMajor', this.ndisMajor);
    this.ndisMinor = state.number('ndisMinor', this.ndisMinor);
    this.mtu = state.number('mtu', this.mtu);
    this.capabilities = state.number('capabilities', this.capabilities);
    this.isOperational = state.flag('isOperational', this.isOperational);
    this.filter = state.number('filter', this.filter);
    state.part('offload', () => this.offload.exchange(state));
    this.scaling = exchangeScaling(state, this.scaling);
    this.isOffloadChanged = state.flag('isOffloadChanged', this.isOffloadChanged);
    this.isLinkUp = state.flag('isLinkUp', this.isLinkUp);
    this.linkBitsPerSecond = state.number('linkBitsPerSecond', this.linkBitsPerSecond);
    state.part('statistics', () => exchangeNumbers(state, this.statistics));
  }

  /** Tags go beside the frame, not in it. */
  get stripsVlan(): boolean {
    return (this.capabilities & NdisCapability.vlan) !== 0;
  }

  /** Whether received segments may be coalesced, when the guest switches it on. */
  get mayCoalesce(): boolean {
    return (
      this.profile.coalescesReceived && (this.capabilities & NdisCapability.receiveCoalescing) !== 0
    );
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

function exchangeScaling(
  state: StateStream,
  scaling: ReceiveScaling | undefined,
): ReceiveScaling | undefined {
  const hashInformation = state.optionalNumber('scaling', scaling?.hashInformation);
  if (hashInformation === undefined) return undefined;
  const key = state.bytes('key', scaling?.key ?? new Uint8Array(0));
  const entries = state.list('table', [...(scaling?.table ?? [])], (entry) =>
    state.number('entry', entry ?? 0),
  );
  if (!state.isRestoring) return scaling;
  return new ReceiveScaling(key, hashInformation, Uint16Array.from(entries));
}
