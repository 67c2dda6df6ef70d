import { exchangeNumbers, StateError, type StateStream } from '../core/state.ts';
import type { LinkFaults } from './faults.ts';
import { FrameQueue } from './frame-queue.ts';
import { FrameFact } from './inspect.ts';
import type { FrameReceiver, PacketLink } from './link.ts';

/** Frames of one port that wait to go out; more are dropped, as a switch drops them. */
const QUEUE_BYTES = 1024 * 1024;
const QUEUE_FRAMES = 2048;

/**
 * What a port does with VLAN tags. `access`: the station sees none and belongs to one VLAN, 0 being
 * the network without tags; tagged frames from it are dropped. `trunk`: frames carry their tags,
 * but for those of the native VLAN.
 */
export type PortVlan =
  | { readonly mode: 'access'; readonly id: number }
  | { readonly mode: 'trunk'; readonly native: number; readonly allowed?: readonly number[] };

export interface PortOptions {
  /** Default 10 Gb/s. */
  readonly bitsPerSecond?: number;
  /** From the sender to the receiver, beside the time that the bits take. Default 10 us. */
  readonly latencyNs?: number;
  /**
   * A frame waits for those that follow it within this time, and so does the next batch after one, as
   * interrupt moderation has it. Default 5 us.
   */
  readonly moderationNs?: number;
  readonly vlan?: PortVlan;
  readonly faults?: LinkFaults;
  /** False: checksums are neither verified nor counted on the way in. Default true. */
  readonly verifiesChecksums?: boolean;
}

const NO_MAC = new Uint8Array(0);

/** What went through a port. "In" is from the station into the switch. */
export class PortCounters {
  framesIn = 0;
  bytesIn = 0;
  framesOut = 0;
  bytesOut = 0;
  /** Frames in whose IPv4 header does not sum up. */
  badIpIn = 0;
  badTcpIn = 0;
  badUdpIn = 0;
  badIcmpIn = 0;
  /** Frames out with any bad checksum. */
  badOut = 0;
  /** Lengths in the headers beyond the frame. */
  malformedIn = 0;
  /** Too short, too long, or with a tag that the port does not take. */
  refusedIn = 0;
  lostIn = 0;
  duplicatedIn = 0;
  /** No room in the port's queue. */
  droppedOut = 0;
  /** Sent while the cable was pulled. */
  linkDownIn = 0;
  /** From an address that is not the station's own. */
  spoofedIn = 0;

  /** Frames in with any bad checksum. */
  get badIn(): number {
    return this.badIpIn + this.badTcpIn + this.badUdpIn + this.badIcmpIn;
  }

  countIn(facts: number): void {
    if ((facts & FrameFact.malformed) !== 0) this.malformedIn += 1;
    if ((facts & FrameFact.ipBad) !== 0) this.badIpIn += 1;
    if ((facts & FrameFact.transportBad) === 0) return;
    if ((facts & FrameFact.tcp) !== 0) this.badTcpIn += 1;
    else if ((facts & FrameFact.udp) !== 0) this.badUdpIn += 1;
    else this.badIcmpIn += 1;
  }
}

/** Sees frames at a port, for captures and scripts. The bytes are valid during the call only. */
export type FrameTap = (
  isFromStation: boolean,
  bytes: Uint8Array,
  start: number,
  length: number,
) => void;

/** What a port asks of its switch. */
export interface PortOwner {
  disconnect(port: SwitchPort): void;
  forward(port: SwitchPort, bytes: Uint8Array, start: number, length: number): void;
}

/** One port of the virtual switch, which is an adapter's link to it. */
export class SwitchPort implements PacketLink {
  index: number;
  readonly name: string;
  readonly bitsPerSecond: number;
  readonly nsPerByte: number;
  readonly latencyNs: number;
  readonly moderationNs: number;
  readonly vlan: PortVlan;
  readonly verifiesChecksums: boolean;
  readonly counters = new PortCounters();
  readonly queue = new FrameQueue(QUEUE_BYTES, QUEUE_FRAMES);
  faults: LinkFaults | undefined;
  tap: FrameTap | undefined;
  receiver: FrameReceiver | undefined;
  /** When the frames so far will have left the port. */
  busyUntilNs = 0;
  isDraining = false;
  /** The first frame has come, and those that follow it closely are waited for. */
  isCollecting = false;
  /** Frames of the station must come from this address; undefined: from any. */
  onlyMac: Uint8Array | undefined;
  /** The switch that it belongs to, which changes when the cable goes to another one. */
  owner: PortOwner;
  #isUp = true;

  constructor(owner: PortOwner, index: number, name: string, options: PortOptions) {
    this.owner = owner;
    this.index = index;
    this.name = name;
    this.bitsPerSecond = options.bitsPerSecond ?? 10_000_000_000;
    this.nsPerByte = 8e9 / this.bitsPerSecond;
    this.latencyNs = options.latencyNs ?? 10_000;
    this.moderationNs = options.moderationNs ?? 5_000;
    this.vlan = options.vlan ?? { mode: 'access', id: 0 };
    this.verifiesChecksums = options.verifiesChecksums !== false;
    this.faults = options.faults;
  }

  /** Taps and receivers belong to those who put them there. */
  exchange(state: StateStream): void {
    state.part('counters', () => exchangeNumbers(state, this.counters));
    state.part('queue', () => this.queue.exchange(state));
    const hasFaults = state.flag('hasFaults', this.faults !== undefined);
    if (hasFaults && this.faults === undefined) throw new StateError(`${this.name} has faults`);
    if (!hasFaults) this.faults = undefined;
    this.faults?.exchange(state);
    this.busyUntilNs = state.number('busyUntilNs', this.busyUntilNs);
    this.isDraining = state.flag('isDraining', this.isDraining);
    this.isCollecting = state.flag('isCollecting', this.isCollecting);
    this.#isUp = state.flag('isUp', this.#isUp);
    const onlyMac = state.bytes('onlyMac', this.onlyMac ?? NO_MAC);
    if (state.isRestoring) this.onlyMac = onlyMac.length === 0 ? undefined : onlyMac;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Pulls the cable or plugs it in. What waits for the station is lost. */
  setLink(isUp: boolean): void {
    if (isUp === this.#isUp) return;
    this.#isUp = isUp;
    if (!isUp) this.queue.clear();
    this.receiver?.linkChanged(isUp);
  }

  send(bytes: Uint8Array, start: number, length: number): void {
    if (this.#isUp) this.owner.forward(this, bytes, start, length);
    else this.counters.linkDownIn += 1;
  }

  /** Whether frames of a VLAN go out of this port. */
  carries(vlan: number): boolean {
    const mine = this.vlan;
    if (mine.mode === 'access') return mine.id === vlan;
    return vlan === mine.native || mine.allowed === undefined || mine.allowed.includes(vlan);
  }

  /** Whether frames of a VLAN keep their tag on this port. */
  tags(vlan: number): boolean {
    return this.vlan.mode === 'trunk' && this.vlan.native !== vlan;
  }
}
