/** A network interface of the guest: what ifconfig(8) shows and what its driver is asked to do. */
import type { KernelApi, Task } from '../kernel/api.ts';
import type { Packet } from './packet.ts';

export type LinkState = 'unknown' | 'up' | 'down';

/** What the driver of an interface does for the stack. */
export interface InterfaceDriver {
  /**
   * Takes a frame over to the adapter, copying it.
   * @returns false when there is no room: `InterfaceQueue` keeps it until the driver asks again
   */
  transmit(packet: Packet): boolean;
  /** Brings the adapter up or down, or changes its filter. */
  configure(isUp: boolean, isPromiscuous: boolean): Task;
  /** @returns 0 or an errno */
  setMtu(mtu: number): Task<number>;
}

/** IFF_ flags as ifconfig names them, with their bits. */
const UP = 0x1;
const BROADCAST = 0x2;
const RUNNING = 0x40;
const PROMISCUOUS = 0x100;
const SIMPLEX = 0x800;
const MULTICAST = 0x8000;
/** What ifconfig prints behind the number, lowest bit first. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [UP, 'UP'],
  [BROADCAST, 'BROADCAST'],
  [RUNNING, 'RUNNING'],
  [PROMISCUOUS, 'PROMISC'],
  [SIMPLEX, 'SIMPLEX'],
  [MULTICAST, 'MULTICAST'],
];

/** IFCAP_ bits (sys/net/if.h) and their names. */
export const Capability = {
  rxcsum: 0x1,
  txcsum: 0x2,
  vlanMtu: 0x8,
  vlanHwtagging: 0x10,
  tso4: 0x100,
  lro: 0x400,
  linkstate: 0x8_0000,
} as const;
const CAPABILITY_NAMES: readonly (readonly [number, string])[] = [
  [Capability.rxcsum, 'RXCSUM'],
  [Capability.txcsum, 'TXCSUM'],
  [Capability.vlanMtu, 'VLAN_MTU'],
  [Capability.vlanHwtagging, 'VLAN_HWTAGGING'],
  [Capability.tso4, 'TSO4'],
  [Capability.lro, 'LRO'],
  [Capability.linkstate, 'LINKSTATE'],
];

/** Frames that wait for room at the adapter (ifq_maxlen). */
const MAX_QUEUED = 512;

function names(bits: number, table: readonly (readonly [number, string])[]): string {
  return table
    .filter(([bit]) => (bits & bit) !== 0)
    .map(([, name]) => name)
    .join(',');
}

export class NetInterface {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly kernel: KernelApi;
  readonly driver: InterfaceDriver;
  mtu = 1500;
  /** IFCAP bits that are on. */
  capabilities = 0;
  /** ChecksumFlag bits that the adapter takes over for packets that this guest makes. */
  hwassist = 0;
  isUp = false;
  isRunning = false;
  isPromiscuous = false;
  linkState: LinkState = 'unknown';
  /** SIOCGIFMEDIA has an answer: media and status lines, and devd knows it for Ethernet. */
  hasMedia = false;
  /** The media's answer tells whether there is a carrier. */
  hasLinkStatus = true;
  /** What autoselect has chosen. */
  medium = '10Gbase-T <full-duplex>';
  /** Unsigned 32-bit; 0 without an address. */
  ip = 0;
  netmask = 0;

  packetsIn = 0;
  packetsOut = 0;
  bytesIn = 0;
  bytesOut = 0;
  errorsIn = 0;
  errorsOut = 0;
  dropsOut = 0;
  /** A program that sees every frame that comes in, as with bpf(4): dhclient. */
  tap: ((packet: Packet) => void) | undefined;
  /** Another that sees what goes out as well: tcpdump. */
  monitor: ((packet: Packet, isOutput: boolean) => void) | undefined;
  readonly #waiting: Packet[] = [];

  constructor(kernel: KernelApi, name: string, mac: Uint8Array, driver: InterfaceDriver) {
    this.kernel = kernel;
    this.name = name;
    this.mac = mac;
    this.driver = driver;
  }

  /** "hn0" with its address is on the same network as `address`. */
  reaches(address: number): boolean {
    return this.ip !== 0 && ((address ^ this.ip) & this.netmask) === 0;
  }

  get broadcast(): number {
    return (this.ip | ~this.netmask) >>> 0;
  }

  /** Sends a frame, or keeps a copy until the adapter has room. */
  transmit(packet: Packet): void {
    if (!this.isRunning) {
      this.dropsOut += 1;
      return;
    }
    this.monitor?.(packet, true);
    if (this.#waiting.length === 0 && this.driver.transmit(packet)) {
      this.#count(packet);
    } else if (this.#waiting.length < MAX_QUEUED) {
      this.#waiting.push(packet.clone());
    } else {
      this.dropsOut += 1;
    }
  }

  /** The adapter has room again. */
  restart(): void {
    let sent = 0;
    while (sent < this.#waiting.length && this.driver.transmit(this.#waiting[sent]!)) {
      this.#count(this.#waiting[sent]!);
      sent += 1;
    }
    if (sent > 0) this.#waiting.splice(0, sent);
  }

  get queued(): number {
    return this.#waiting.length;
  }

  #count(packet: Packet): void {
    this.packetsOut += 1;
    this.bytesOut += packet.length;
  }

  flagsText(): string {
    const bits =
      (this.isUp ? UP : 0) |
      (this.isRunning ? RUNNING : 0) |
      (this.isPromiscuous ? PROMISCUOUS : 0) |
      BROADCAST |
      SIMPLEX |
      MULTICAST;
    return `${bits.toString(16)}<${names(bits, FLAG_NAMES)}>`;
  }

  optionsText(): string {
    return `${this.capabilities.toString(16)}<${names(this.capabilities, CAPABILITY_NAMES)}>`;
  }
}
