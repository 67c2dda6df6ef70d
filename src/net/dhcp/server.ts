import type { StateStream } from '../../core/state.ts';
import { NS_PER_SECOND, type VirtualClock } from '../../core/clock.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import { DhcpOption, DhcpType } from '../spec/dhcp.ts';
import type { DhcpReply, DhcpRequest } from './message.ts';

/** An offer that nobody takes up is free again after this. */
const OFFER_NS = 60 * NS_PER_SECOND;
/** An address that a client found in use is left alone for this long. */
const DECLINED_NS = 600 * NS_PER_SECOND;
const MAX_LEASES = 4096;

const dhcpEvent = traceType(
  'net',
  'dhcp',
  { request: DhcpType, reply: DhcpType, address: u32 },
  'client',
);

export interface DhcpOptions {
  /** First and last address to give. */
  readonly first: number;
  readonly last: number;
  readonly netmask: number;
  readonly serverIp: number;
  /** 0: none is told. */
  readonly router: number;
  readonly nameServers: readonly number[];
  /** Default an hour. */
  readonly leaseSeconds?: number;
  readonly domainName?: string;
}

export interface DhcpLease {
  readonly clientKey: string;
  readonly address: number;
  /** Virtual time at which the address is free. */
  readonly expiresNs: number;
  readonly isBound: boolean;
  readonly hostName: string;
}

/**
 * A DHCP server (RFC 2131 4.3): addresses are given in ascending order, a client that comes back
 * gets its old one, and who asks for what is not his is refused.
 */
export class DhcpServer {
  readonly #options: DhcpOptions;
  readonly #clock: VirtualClock;
  readonly #trace: Trace;
  readonly #byClient = new Map<string, DhcpLease>();
  readonly #byAddress = new Map<number, DhcpLease>();

  constructor(clock: VirtualClock, trace: Trace, options: DhcpOptions) {
    this.#clock = clock;
    this.#trace = trace;
    this.#options = options;
  }

  exchange(state: StateStream): void {
    const none: DhcpLease = {
      clientKey: '',
      address: 0,
      expiresNs: 0,
      isBound: false,
      hostName: '',
    };
    const known = new Set(this.#byClient.values());
    const byAddress = new Map<number, DhcpLease>();
    const byClient = new Map<string, DhcpLease>();
    state.list('leases', [...this.#byAddress.values()], (item) => {
      const lease = state.data('lease', item ?? none);
      byAddress.set(lease.address, lease);
      // An address that somebody declined is nobody's.
      if (state.flag('isOfClient', known.has(lease))) byClient.set(lease.clientKey, lease);
      return lease;
    });
    if (!state.isRestoring) return;
    this.#byAddress.clear();
    this.#byClient.clear();
    for (const [address, lease] of byAddress) this.#byAddress.set(address, lease);
    for (const [key, lease] of byClient) this.#byClient.set(key, lease);
  }

  /** Leases in force, by address. */
  get leases(): readonly DhcpLease[] {
    return [...this.#byAddress.values()]
      .filter((lease) => lease.isBound && lease.expiresNs > this.#clock.nowNs)
      .sort((left, right) => left.address - right.address);
  }

  /** @returns the answer, or undefined for none */
  handle(request: DhcpRequest): DhcpReply | undefined {
    const reply = this.#answer(request);
    this.#trace.emitText(
      dhcpEvent,
      request.clientKey,
      request.type,
      reply?.type ?? 0,
      reply?.yourIp ?? request.requestedIp,
    );
    return reply;
  }

  #answer(request: DhcpRequest): DhcpReply | undefined {
    const { is } = DhcpType;
    switch (request.type) {
      case is.discover:
        return this.#discover(request);
      case is.request:
        return this.#request(request);
      case is.decline:
        this.#decline(request);
        return undefined;
      case is.release:
        this.#release(request);
        return undefined;
      case is.inform:
        return {
          type: is.acknowledge,
          yourIp: 0,
          serverIp: this.#options.serverIp,
          options: this.#settings(false),
        };
      default:
        return undefined;
    }
  }

  #discover(request: DhcpRequest): DhcpReply | undefined {
    const address = this.#choose(request);
    if (address === 0) return undefined;
    const known = this.#byClient.get(request.clientKey);
    const isKept = known?.isBound === true && known.expiresNs > this.#clock.nowNs;
    if (!isKept) this.#keep(request, address, false, OFFER_NS);
    return this.#reply(DhcpType.is.offer, address);
  }

  /** RFC 2131 4.3.2: selecting, rebooting, or renewing. */
  #request(request: DhcpRequest): DhcpReply | undefined {
    const { serverIp } = this.#options;
    const known = this.#byClient.get(request.clientKey);
    if (request.serverId !== 0 && request.serverId !== serverIp) {
      if (known?.isBound === false) this.#forget(known);
      return undefined;
    }
    const address = request.requestedIp || request.clientIp;
    const isRebooting = request.serverId === 0;
    // Who says nothing of a server may have been served by another one on the same network.
    if (known === undefined && isRebooting && this.#isOnNetwork(address)) return undefined;
    if (known?.address !== address || known.expiresNs <= this.#clock.nowNs) {
      return {
        type: DhcpType.is.refuse,
        yourIp: 0,
        serverIp: 0,
        options: [[DhcpOption.serverId, serverIp]],
      };
    }
    this.#keep(request, address, true, this.#leaseSeconds * NS_PER_SECOND);
    return this.#reply(DhcpType.is.acknowledge, address);
  }

  #decline(request: DhcpRequest): void {
    const known = this.#byClient.get(request.clientKey);
    if (known === undefined || known.address !== request.requestedIp) return;
    this.#forget(known);
    const expiresNs = this.#clock.nowNs + DECLINED_NS;
    const { address } = known;
    this.#byAddress.set(address, {
      clientKey: '',
      address,
      expiresNs,
      isBound: false,
      hostName: '',
    });
  }

  #release(request: DhcpRequest): void {
    const known = this.#byClient.get(request.clientKey);
    if (known === undefined || known.address !== request.clientIp) return;
    // The client's entry stays, so that it finds its address again.
    this.#keep(request, known.address, false, 0);
  }

  #isOnNetwork(address: number): boolean {
    const { netmask, serverIp } = this.#options;
    return (address & netmask) === (serverIp & netmask);
  }

  /** The client's old address, the one it asks for, or the lowest free one; 0 for none. */
  #choose(request: DhcpRequest): number {
    const known = this.#byClient.get(request.clientKey);
    if (known !== undefined && this.#isFree(known.address, request.clientKey)) return known.address;
    const { first, last } = this.#options;
    const asked = request.requestedIp;
    if (asked >= first && asked <= last && this.#isFree(asked, request.clientKey)) return asked;
    for (let address = first; address <= last; address += 1) {
      if (!this.#byAddress.has(address)) return address;
    }
    for (let address = first; address <= last; address += 1) {
      if (this.#isFree(address, request.clientKey)) return address;
    }
    return 0;
  }

  #isFree(address: number, clientKey: string): boolean {
    const lease = this.#byAddress.get(address);
    return (
      lease === undefined || lease.clientKey === clientKey || lease.expiresNs <= this.#clock.nowNs
    );
  }

  #keep(request: DhcpRequest, address: number, isBound: boolean, forNs: number): void {
    const { clientKey, hostName } = request;
    const former = this.#byClient.get(clientKey);
    if (former !== undefined) this.#forget(former);
    const before = this.#byAddress.get(address);
    if (before !== undefined) this.#forget(before);
    if (this.#byClient.size >= MAX_LEASES) return;
    const expiresNs = this.#clock.nowNs + forNs;
    const lease = { clientKey, address, expiresNs, isBound, hostName };
    this.#byClient.set(clientKey, lease);
    this.#byAddress.set(address, lease);
  }

  #forget(lease: DhcpLease): void {
    if (this.#byClient.get(lease.clientKey) === lease) this.#byClient.delete(lease.clientKey);
    if (this.#byAddress.get(lease.address) === lease) this.#byAddress.delete(lease.address);
  }

  get #leaseSeconds(): number {
    return this.#options.leaseSeconds ?? 3600;
  }

  #reply(type: number, address: number): DhcpReply {
    return {
      type,
      yourIp: address,
      serverIp: this.#options.serverIp,
      options: this.#settings(true),
    };
  }

  #settings(isLease: boolean): DhcpReply['options'] {
    const { serverIp, netmask, router, nameServers, domainName } = this.#options;
    const options: [number, number | readonly number[]][] = [[DhcpOption.serverId, serverIp]];
    if (isLease) {
      const seconds = this.#leaseSeconds;
      options.push(
        [DhcpOption.leaseTime, seconds],
        [DhcpOption.renewalTime, Math.floor(seconds / 2)],
        [DhcpOption.rebindingTime, Math.floor((seconds * 7) / 8)],
      );
    }
    options.push([DhcpOption.subnetMask, netmask]);
    if (router !== 0) options.push([DhcpOption.router, router]);
    if (nameServers.length > 0) {
      const bytes = nameServers.flatMap((address) =>
        [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff),
      );
      options.push([DhcpOption.domainNameServer, bytes]);
    }
    if (domainName !== undefined) {
      options.push([
        DhcpOption.domainName,
        [...new TextEncoder().encode(domainName)].slice(0, 255),
      ]);
    }
    return options;
  }
}
