import { StateError, type StateStream } from '../core/state.ts';
import type { VirtualClock } from '../core/clock.ts';
import type { EventHandle, EventQueue } from '../core/events.ts';
import { readLong, readWord } from '../core/network-order.ts';
import { traceType, type Trace } from '../core/trace.ts';
import { openEnum, u16, u32 } from '../core/wire.ts';
import { WordViews } from '../core/words.ts';
import { FrameFact, inspectFrame } from './inspect.ts';
import { MacTable } from './mac-table.ts';
import {
  ETHERNET_BYTES,
  EtherType,
  MAC_BYTES,
  MAX_FRAME_BYTES,
  TYPE_AT,
  VLAN_TAG_BYTES,
} from './spec/ethernet.ts';

import { SwitchPort, type PortOptions } from './switch-port.ts';

/** Both addresses: what stands before a tag. */
const ADDRESSES = TYPE_AT;

const dropEvent = traceType('net', 'drop', {
  port: u16,
  reason: openEnum(u16, { length: 1, vlan: 2, queueFull: 3, fault: 4, spoofed: 5 }),
  length: u32,
});
/** `facts` is FrameFact of inspect.ts. */
const badChecksumEvent = traceType('net', 'bad-checksum', { port: u16, facts: u32, length: u32 });
const learnEvent = traceType('net', 'learn', { port: u16, vlan: u16, macHigh: u32, macLow: u16 });

interface DelayedFrame {
  readonly port: number;
  readonly frame: Uint8Array;
  readonly event: EventHandle;
}

export interface SwitchOptions {
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  /** How long a silent station is remembered. Default 300 s. */
  readonly ageNs?: number;
}

/**
 * A virtual switch: it learns where stations are, floods what it does not know, keeps VLANs apart
 * and verifies checksums. Several machines of one run share it, with one clock and one event queue,
 * so that the order of frames depends on nothing but virtual time and the order of sending.
 */
export class VirtualSwitch {
  readonly #clock: VirtualClock;
  readonly #events: EventQueue;
  readonly #trace: Trace;
  readonly #stations: MacTable;
  readonly #ports: (SwitchPort | undefined)[] = [];
  readonly #views = new WordViews();
  readonly #drainHandler = (index: number): void => this.#drain(index);
  /** The event that serves each port, by its index; it may be over. */
  readonly #drainEvents: (EventHandle | undefined)[] = [];
  /** Frames that a fault holds back, by a number of their own. */
  readonly #delayed = new Map<number, DelayedFrame>();
  readonly #delayHandler = (number: number): void => this.#release(number);
  #nextDelayed = 0;
  /** The last frame: its moment, port, VLAN and the words of its addresses; nothing of an earlier moment. */
  readonly #last = {
    from: undefined as SwitchPort | undefined,
    nowNs: -1,
    vlan: 0,
    first: 0,
    second: 0,
    third: 0,
    to: -1,
  };

  constructor(options: SwitchOptions) {
    this.#clock = options.clock;
    this.#events = options.events;
    this.#trace = options.trace;
    this.#stations = new MacTable(options.ageNs);
  }

  /** Ports in the order in which they were connected. */
  get ports(): readonly SwitchPort[] {
    return this.#ports.filter((port) => port !== undefined);
  }

  /** @param name for captures and reports */
  connect(name: string, options: PortOptions = {}): SwitchPort {
    const port = new SwitchPort(this, this.#ports.length, name, options);
    this.#ports.push(port);
    return port;
  }

  disconnect(port: SwitchPort): void {
    if (this.#ports[port.index] !== port) return;
    port.setLink(false);
    this.#ports[port.index] = undefined;
    this.#last.from = undefined;
    this.#stations.forgetPort(port.index);
  }

  /** The cable of a port goes from its switch to this one; its station sees the link go and come. */
  take(port: SwitchPort): void {
    port.owner.disconnect(port);
    this.#last.from = undefined;
    port.owner = this;
    port.index = this.#ports.length;
    this.#ports.push(port);
    port.busyUntilNs = 0;
    port.isDraining = false;
    port.isCollecting = false;
    port.setLink(true);
  }

  /** A frame from a port's station; `SwitchPort.send` calls it. */
  forward(from: SwitchPort, bytes: Uint8Array, start: number, length: number): void {
    if (length < ETHERNET_BYTES || length > MAX_FRAME_BYTES) {
      this.#refuse(from, 1, length);
      return;
    }
    if (from.onlyMac !== undefined && !isFrom(bytes, start, from.onlyMac)) {
      from.counters.spoofedIn += 1;
      this.#trace.emit(dropEvent, from.index, 5, length);
      return;
    }
    from.tap?.(true, bytes, start, length);
    let copies = 1;
    let delayNs = 0;
    if (from.faults !== undefined) {
      copies = from.faults.next(bytes, start, length);
      ({ delayNs } = from.faults);
      if (copies === 0) {
        from.counters.lostIn += 1;
        this.#trace.emit(dropEvent, from.index, 4, length);
        return;
      }
      from.counters.duplicatedIn += copies - 1;
    }
    if (delayNs > 0) {
      this.#delay(from, bytes.slice(start, start + length), copies, delayNs);
      return;
    }
    for (; copies > 0; copies -= 1) this.#route(from, bytes, start, length);
  }

  /** Frames that a fault holds back leave the path of typed arrays: there are few of them. */
  #delay(from: SwitchPort, frame: Uint8Array, copies: number, delayNs: number): void {
    for (let copy = 0; copy < copies; copy += 1) {
      this.#nextDelayed += 1;
      const event = this.#events.after(delayNs, this.#delayHandler, this.#nextDelayed);
      this.#delayed.set(this.#nextDelayed, { port: from.index, frame, event });
    }
  }

  #release(number: number): void {
    const delayed = this.#delayed.get(number);
    this.#delayed.delete(number);
    const port = this.#ports[delayed?.port ?? -1];
    if (delayed === undefined || port === undefined) return;
    this.#route(port, delayed.frame, 0, delayed.frame.length);
  }

  /** Stations, ports and frames on their way. Ports that come and go are not the switch's to make. */
  exchange(state: StateStream): void {
    this.#last.from = undefined;
    state.part('stations', () => this.#stations.exchange(state));
    const indices = state.list('ports', this.#portIndices, (known) => {
      const index = state.number('index', known ?? 0);
      const port = this.#ports[index];
      if (port === undefined) throw new StateError(`has a port ${index}`);
      state.part('port', () => port.exchange(state));
      const event = this.#drainEvents[index];
      const restored = state.event('drain', event, this.#drainHandler);
      if (restored !== undefined) this.#drainEvents[index] = restored;
      return index;
    });
    if (indices.length !== this.#portIndices.length) throw new StateError('has fewer ports');
    this.#nextDelayed = state.number('nextDelayed', this.#nextDelayed);
    const delayed = state.list('delayed', [...this.#delayed], (known) => {
      const number = state.number('number', known?.[0] ?? 0);
      const port = state.number('port', known?.[1].port ?? 0);
      const frame = state.bytes('frame', known?.[1].frame ?? new Uint8Array(0));
      const event = state.event('release', known?.[1].event, this.#delayHandler) ?? 0;
      return [number, { port, frame, event }] as [number, DelayedFrame];
    });
    if (!state.isRestoring) return;
    this.#delayed.clear();
    for (const [number, frame] of delayed) this.#delayed.set(number, frame);
  }

  get #portIndices(): readonly number[] {
    return this.ports.map(({ index }) => index);
  }

  #refuse(port: SwitchPort, reason: number, length: number): void {
    port.counters.refusedIn += 1;
    this.#trace.emit(dropEvent, port.index, reason, length);
  }

  #route(from: SwitchPort, bytes: Uint8Array, start: number, length: number): void {
    const words = this.#views.of(bytes);
    const control = this.#tagOf(bytes, start, length);
    const vlan = this.#vlanOf(from, control);
    if (vlan < 0) {
      this.#refuse(from, 2, length);
      return;
    }
    const { counters } = from;
    counters.framesIn += 1;
    counters.bytesIn += length;
    let facts = 0;
    if (from.verifiesChecksums) {
      facts = inspectFrame(bytes, words, start, length);
      counters.countIn(facts);
      if ((facts & (FrameFact.ipBad | FrameFact.transportBad)) !== 0) {
        this.#trace.emit(badChecksumEvent, from.index, facts, length);
      }
    }
    const to = this.#isLikeLast(from, words, start, vlan)
      ? this.#last.to
      : this.#destination(from, bytes, words, start, vlan);
    if (to >= 0) {
      const port = this.#ports[to];
      if (port !== undefined && to !== from.index) {
        this.#enqueue(port, bytes, words, start, length, facts, vlan, control);
      }
      return;
    }
    for (const port of this.#ports) {
      if (port === undefined || port === from) continue;
      this.#enqueue(port, bytes, words, start, length, facts, vlan, control);
    }
  }

  /** Whether a frame goes where the last one went: same moment, port, VLAN and addresses. */
  #isLikeLast(from: SwitchPort, words: Int32Array, start: number, vlan: number): boolean {
    const last = this.#last;
    if (last.from !== from || last.nowNs !== this.#clock.nowNs || last.vlan !== vlan) return false;
    if ((start & 3) !== 0 || words.length === 0) return false;
    const word = start >>> 2;
    return (
      words[word] === last.first &&
      words[word + 1] === last.second &&
      words[word + 2] === last.third
    );
  }

  /** Learns where a frame's station is. @returns the port of the one that it is for, or -1 */
  #destination(
    from: SwitchPort,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    vlan: number,
  ): number {
    this.#learn(from, bytes, start, vlan);
    const { nowNs } = this.#clock;
    const isGroup = (bytes[start]! & 1) !== 0;
    const to = isGroup ? -1 : this.#stations.find(bytes, start, vlan, nowNs);
    const last = this.#last;
    last.from = undefined;
    if ((start & 3) !== 0 || words.length === 0 || (bytes[start + 6]! & 1) !== 0) return to;
    const word = start >>> 2;
    last.from = from;
    last.nowNs = nowNs;
    last.vlan = vlan;
    last.first = words[word]!;
    last.second = words[word + 1]!;
    last.third = words[word + 2]!;
    last.to = to;
    return to;
  }

  /** @returns the tag's control word, or -1 without a tag */
  #tagOf(bytes: Uint8Array, start: number, length: number): number {
    const at = start + ADDRESSES;
    if (bytes[at]! !== EtherType.vlan >>> 8 || bytes[at + 1]! !== (EtherType.vlan & 0xff))
      return -1;
    if (length < ETHERNET_BYTES + VLAN_TAG_BYTES) return -1;
    return (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  /** @returns -1 when the port does not take such a frame */
  #vlanOf(port: SwitchPort, control: number): number {
    const id = control < 0 ? 0 : control & 0xfff;
    const { vlan } = port;
    // A tag with id 0 carries a priority only.
    if (vlan.mode === 'access') return id === 0 ? vlan.id : -1;
    if (id === 0) return vlan.native;
    return port.carries(id) ? id : -1;
  }

  #learn(from: SwitchPort, bytes: Uint8Array, start: number, vlan: number): void {
    const source = start + 6;
    if ((bytes[source]! & 1) !== 0) return;
    const { nowNs } = this.#clock;
    if (this.#stations.learn(bytes, source, vlan, from.index, nowNs) === from.index) return;
    const [high, low] = [readLong(bytes, source), readWord(bytes, source + 4)];
    this.#trace.emit(learnEvent, from.index, vlan, high, low);
  }

  #enqueue(
    port: SwitchPort,
    bytes: Uint8Array,
    words: Int32Array,
    start: number,
    length: number,
    facts: number,
    vlan: number,
    control: number,
  ): void {
    if (!port.isUp || port.receiver === undefined || !port.carries(vlan)) return;
    const isTagged = port.tags(vlan);
    const isSame = isTagged === control >= 0;
    const size = isSame ? length : length + (isTagged ? VLAN_TAG_BYTES : -VLAN_TAG_BYTES);
    const { queue } = port;
    const sentNs = Math.max(this.#clock.nowNs, port.busyUntilNs) + size * port.nsPerByte;
    // The facts name offsets that a change of tag moves.
    const to = queue.push(size, isSame ? facts : 0, Math.ceil(sentNs + port.latencyNs));
    if (to < 0) {
      port.counters.droppedOut += 1;
      this.#trace.emit(dropEvent, port.index, 3, length);
      return;
    }
    port.busyUntilNs = sentNs;
    if (isSame) {
      queue.copyIn(bytes, words, start, to, length);
    } else {
      const rest = isTagged ? ADDRESSES : ADDRESSES + VLAN_TAG_BYTES;
      const target = to + (isTagged ? ADDRESSES + VLAN_TAG_BYTES : ADDRESSES);
      queue.copyIn(bytes, words, start, to, ADDRESSES);
      if (isTagged) writeTag(queue.bytes, to + ADDRESSES, vlan);
      queue.copyIn(bytes, words, start + rest, target, length - rest);
    }
    if ((facts & (FrameFact.ipBad | FrameFact.transportBad)) !== 0) port.counters.badOut += 1;
    if (!port.isDraining) this.#schedule(port, queue.nextDueNs);
  }

  #schedule(port: SwitchPort, dueNs: number): void {
    port.isDraining = true;
    this.#drainEvents[port.index] = this.#events.at(dueNs, this.#drainHandler, port.index);
  }

  /** Delivers every frame that is due, as one batch. */
  #drain(index: number): void {
    const port = this.#ports[index];
    if (port === undefined) return;
    const { queue, counters, receiver } = port;
    const { nowNs } = this.#clock;
    if (!port.isCollecting) {
      const lastNs = queue.lastDueBy(nowNs + port.moderationNs);
      if (lastNs > nowNs) {
        port.isCollecting = true;
        this.#schedule(port, lastNs);
        return;
      }
    }
    let count = 0;
    while (queue.nextDueNs <= nowNs) {
      const start = queue.firstStart;
      const length = queue.firstLength;
      const facts = queue.firstFacts;
      port.tap?.(false, queue.bytes, start, length);
      counters.framesOut += 1;
      counters.bytesOut += length;
      receiver?.frame(queue.bytes, start, length, facts);
      // A receiver that pulled the cable has emptied the queue.
      if (queue.count === 0) break;
      queue.dropFirst();
      count += 1;
    }
    if (count > 0) receiver?.framesEnd();
    port.isCollecting = queue.count > 0;
    if (queue.count > 0) this.#schedule(port, Math.max(queue.nextDueNs, nowNs + port.moderationNs));
    else port.isDraining = false;
  }
}

function isFrom(bytes: Uint8Array, start: number, mac: Uint8Array): boolean {
  const source = start + MAC_BYTES;
  for (let index = 0; index < MAC_BYTES; index += 1) {
    if (bytes[source + index] !== mac[index]) return false;
  }
  return true;
}

function writeTag(bytes: Uint8Array, at: number, vlan: number): void {
  bytes[at] = EtherType.vlan >>> 8;
  bytes[at + 1] = EtherType.vlan & 0xff;
  bytes[at + 2] = vlan >>> 8;
  bytes[at + 3] = vlan & 0xff;
}
