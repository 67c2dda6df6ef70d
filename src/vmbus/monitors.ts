import type { GuestMemory } from '../core/memory.ts';
import type { ChannelSlot } from './slots.ts';
import {
  MONITOR_COUNT,
  MONITOR_GROUPS,
  monitorPendingOffset,
  MONITORS_PER_GROUP,
} from './spec/monitor.ts';
import { NO_MONITOR_ID } from './spec/offers.ts';

/** The 128 monitor ids of a partition, and the page that a guest triggers them in. */
export class Monitors {
  readonly #slots: (ChannelSlot | undefined)[] = Array.from({ length: MONITOR_COUNT });

  /** Gives the lowest free id; a channel without one is signalled by hypercall. */
  assign(slot: ChannelSlot): void {
    const id = this.#slots.indexOf(undefined);
    if (id < 0) return;
    this.#slots[id] = slot;
    slot.monitorId = id;
  }

  /** The slot takes over an id that another one had. */
  inherit(slot: ChannelSlot): void {
    if (slot.monitorId !== NO_MONITOR_ID) this.#slots[slot.monitorId] = slot;
  }

  release(slot: ChannelSlot): void {
    if (slot.monitorId !== NO_MONITOR_ID) this.#slots[slot.monitorId] = undefined;
    slot.monitorId = NO_MONITOR_ID;
  }

  restore(slots: readonly ChannelSlot[]): void {
    this.#slots.fill(undefined);
    for (const slot of slots) this.inherit(slot);
  }

  /** Shortest latency of the open monitored channels, in nanoseconds; Infinity without any. */
  get intervalNs(): number {
    let shortest = Infinity;
    for (const slot of this.#slots) {
      const latency = slot?.device.offer.monitorLatency100ns;
      if (slot?.channel === undefined || latency === undefined) continue;
      shortest = Math.min(shortest, Math.max(1, latency) * 100);
    }
    return shortest;
  }

  /**
   * Takes all triggers out of a page.
   * @param page linear position
   * @param signal is called for each triggered channel, in the order of monitor ids
   */
  poll(memory: GuestMemory, page: number, signal: (slot: ChannelSlot) => void): number {
    let signals = 0;
    for (let group = 0; group < MONITOR_GROUPS; group += 1) {
      const word = (page + monitorPendingOffset(group)) / 4;
      let pending = memory.u32[word]!;
      if (pending === 0) continue;
      memory.u32[word] = 0;
      while (pending !== 0) {
        const bit = 31 - Math.clz32(pending & -pending);
        pending &= pending - 1;
        const slot = this.#slots[group * MONITORS_PER_GROUP + bit];
        if (slot?.channel === undefined) continue;
        signals += 1;
        signal(slot);
      }
    }
    return signals;
  }
}
