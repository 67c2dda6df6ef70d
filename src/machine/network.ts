/** A machine's network adapters, and the switch that they are on when nobody says which. */
import type { StateStream } from '../core/state.ts';
import type { VirtualClock } from '../core/clock.ts';
import { InputError } from '../core/errors.ts';
import type { EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { Trace } from '../core/trace.ts';
import { DEFAULT_EPOCH_SECONDS } from '../devices/rtc/spec.ts';
import { NetvscAdapter } from '../devices/netvsc/adapter.ts';
import type { NetvscProfile } from '../devices/netvsc/profile.ts';
import { hypervMac, netmask } from '../net/addresses.ts';
import { type ByteSink, captureTap, PcapngWriter } from '../net/capture.ts';
import { Gateway } from '../net/gateway.ts';
import type { PortOptions, SwitchPort } from '../net/switch-port.ts';
import { VirtualSwitch } from '../net/switch.ts';
import type { LegacyAdapter } from './chipset.ts';
import { networkInstance, OfferOrder } from './offers.ts';

/** The default network: 192.168.100.0/24 with the host at its first address. */
const NETWORK = 0xc0a8_6400;
const PREFIX_BITS = 24;
const GATEWAY_MAC = hypervMac(0xff_ff01);
const FIRST_LEASE = 10;
const LAST_LEASE = 250;
const LEASE_SECONDS = 86_400;
/** Serial number of the first adapter's address; a machine has room for sixteen. */
const FIRST_MAC = 0x01_0100;
/** Of the emulated adapter. */
const LEGACY_BITS_PER_SECOND = 100_000_000;

export type AdapterKind = 'synthetic' | 'legacy';

/** One network adapter. */
export interface AdapterConfig {
  /** `legacy`: the emulated one, of Generation 1. Default `synthetic`. */
  readonly kind?: AdapterKind;
  /** Six bytes; default 00:15:5d and a number. */
  readonly mac?: Uint8Array;
  /** The switch; default the machine's own, with a DHCP server. */
  readonly network?: VirtualSwitch;
  readonly port?: PortOptions;
  /** False: the cable is not plugged in. */
  readonly isConnected?: boolean;
  /** False: frames that come from another address than the adapter's own are dropped. */
  readonly allowsMacSpoofing?: boolean;
}

/** So many adapters of each kind, with nothing said of them. */
export function plainAdapters(synthetic = 1, legacy = 0): AdapterConfig[] {
  return Array.from({ length: synthetic + legacy }, (_, index) =>
    index < synthetic ? {} : { kind: 'legacy' },
  );
}

export interface NetworkOptions {
  readonly adapters: readonly AdapterConfig[];
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  /** Named in the ports' names, where several machines share a switch. */
  readonly name: string;
}

/**
 * The host's own network as Hyper-V's default switch has it: a gateway that gives leases, answers
 * ARP, echo and questions for the time, and forwards nothing.
 */
export function connectGateway(network: VirtualSwitch, clock: VirtualClock, trace: Trace): Gateway {
  return new Gateway(network.connect('host'), clock, trace, {
    mac: GATEWAY_MAC,
    ip: NETWORK + 1,
    netmask: netmask(PREFIX_BITS),
    dhcp: {
      first: NETWORK + FIRST_LEASE,
      last: NETWORK + LAST_LEASE,
      leaseSeconds: LEASE_SECONDS,
    },
    ntp: { epochSeconds: DEFAULT_EPOCH_SECONDS },
  });
}

/** Switch, ports and addresses outlive power cycles; the adapters themselves are made anew. */
export class MachineNetwork {
  /** The machine's own switch; undefined when every adapter is on another. */
  readonly own: VirtualSwitch | undefined;
  readonly gateway: Gateway | undefined;
  /** In the order of the adapters. */
  ports: readonly SwitchPort[] = [];
  macs: readonly Uint8Array[] = [];
  kinds: readonly AdapterKind[] = [];
  #isAlone = true;
  readonly #name: string;

  constructor({ adapters, clock, events, trace, name }: NetworkOptions) {
    this.#name = name;
    if (adapters.length === 0 || adapters.some(({ network }) => network === undefined)) {
      this.own = new VirtualSwitch({ clock, events, trace });
      this.gateway = connectGateway(this.own, clock, trace);
    }
    this.#connect(adapters);
  }

  #connect(adapters: readonly AdapterConfig[]): void {
    this.#isAlone = adapters.every(({ network }) => network === undefined);
    this.kinds = adapters.map(({ kind }) => kind ?? 'synthetic');
    this.macs = adapters.map(({ mac }, index) => mac ?? hypervMac(FIRST_MAC + index));
    this.ports = adapters.map(({ kind, network, port, isConnected, allowsMacSpoofing }, index) => {
      const to = network ?? this.own;
      if (to === undefined) {
        throw new InputError('adapters', 'the machine was made without a switch of its own');
      }
      const speed = kind === 'legacy' ? { bitsPerSecond: LEGACY_BITS_PER_SECOND } : {};
      const made = to.connect(`${this.#name}${index}`, { ...speed, ...port });
      if (isConnected === false) made.setLink(false);
      if (allowsMacSpoofing === false) made.onlyMac = this.macs[index]!;
      return made;
    });
  }

  /** Other adapters in the place of those that there are, of a machine that is off. */
  replace(adapters: readonly AdapterConfig[]): void {
    for (const port of this.ports) port.owner.disconnect(port);
    this.#connect(adapters);
  }

  /** Whether every adapter is on the machine's own switch. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  exchange(state: StateStream): void {
    const { own, gateway } = this;
    if (own !== undefined) state.part('switch', () => own.exchange(state));
    if (gateway !== undefined) state.part('gateway', () => gateway.exchange(state));
  }

  /**
   * Records every frame of the adapters, an interface for each, in place of other taps.
   * @returns the writer: `flush` it at the end
   */
  capture(sink: ByteSink, clock: VirtualClock): PcapngWriter {
    const writer = new PcapngWriter(sink);
    for (const port of this.ports) port.tap = captureTap(writer, port, clock);
    return writer;
  }

  /** A power cycle begins: what came for the guest that is gone is lost. */
  clear(): void {
    for (const { queue } of this.ports) queue.clear();
  }

  /** Addresses and links of the emulated adapters. */
  get legacy(): LegacyAdapter[] {
    return this.ports.flatMap((link, index) =>
      this.kinds[index] === 'legacy' ? { link, mac: this.macs[index]! } : [],
    );
  }

  /** New synthetic adapters on the old ports. */
  plugIn(
    events: EventQueue,
    trace: Trace,
    memory: GuestMemory,
    profile: NetvscProfile,
  ): NetvscAdapter[] {
    return this.ports.flatMap((link, index) => {
      if (this.kinds[index] !== 'synthetic') return [];
      return new NetvscAdapter({
        instanceId: networkInstance(index),
        order: OfferOrder.network + index,
        mac: this.macs[index]!,
        link,
        events,
        trace,
        memory,
        profile,
      });
    });
  }
}
