/** From a set event flag to the channel it means: the two look-ups and the two ways to run it. */
import { MAX_CHANNEL_ID } from '../../vmbus/spec/ids.ts';
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { TaskQueue } from '../kernel/taskqueue.ts';
import type { Channel } from './channel.ts';

const EVENT_FLAG_WORDS = 256 / 4;
/** One step along the list of all channels, with its cache misses. */
const LIST_NODE_NS = 40;
const TABLE_NS = 10;

export class ChannelDirectory {
  /** Every channel in the order of its offer: what the legacy look-up walks. */
  readonly list: Channel[] = [];
  readonly #table: (Channel | undefined)[] = Array.from({ length: MAX_CHANNEL_ID + 1 });
  readonly #kernel: Kernel;
  lookups = 0;
  nodesVisited = 0;
  /** Events for ids that no channel has. */
  unknownIds = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  add(channel: Channel): void {
    this.list.push(channel);
  }

  remove(channel: Channel): void {
    const index = this.list.indexOf(channel);
    if (index >= 0) this.list.splice(index, 1);
    this.unmap(channel);
  }

  /** Ids of 0 and above 2047 have no bit in the event flags. */
  map(channel: Channel): void {
    if (channel.id > 0 && channel.id <= MAX_CHANNEL_ID) this.#table[channel.id] = channel;
  }

  unmap(channel: Channel): void {
    if (this.#table[channel.id] === channel) this.#table[channel.id] = undefined;
  }

  /** For messages, which name channels that may not be open. */
  withId(id: number): Channel | undefined {
    return this.list.find((channel) => channel.id === id);
  }

  /** For an event. */
  find(id: number): Channel | undefined {
    this.lookups += 1;
    const found =
      this.#kernel.switches.chanLookup === 'table' ? this.#fromTable(id) : this.#walk(id);
    if (found === undefined) this.unknownIds += 1;
    return found;
  }

  #fromTable(id: number): Channel | undefined {
    this.nodesVisited += 1;
    this.#kernel.charge(TABLE_NS);
    return this.#table[id];
  }

  #walk(id: number): Channel | undefined {
    for (const channel of this.list) {
      this.nodesVisited += 1;
      this.#kernel.charge(LIST_NODE_NS);
      if (channel.id === id) return channel;
    }
    return undefined;
  }
}

/**
 * Takes every set bit out of a flag area.
 * @param each called with the bit number, which is the channel's id
 */
export function takeEventFlags(words: Int32Array, base: number, each: (id: number) => void): void {
  const first = base >>> 2;
  for (let index = 0; index < EVENT_FLAG_WORDS; index += 1) {
    let word = words[first + index]!;
    if (word === 0) continue;
    words[first + index] = 0;
    while (word !== 0) {
      const bit = 31 - Math.clz32(word & -word);
      word &= word - 1;
      each(index * 32 + bit);
    }
  }
}

/** Today's interrupt handler: masks each channel's ring and queues its task on its processor. */
export function queueEvents(
  directory: ChannelDirectory,
  words: Int32Array,
  base: number,
  queues: readonly TaskQueue[],
): void {
  takeEventFlags(words, base, (id) => {
    const channel = directory.find(id);
    if (channel === undefined || !channel.isOpen) return;
    channel.interrupts += 1;
    channel.maskForTask();
    queues[channel.processor]!.enqueue(channel.eventTask);
  });
}

/** 10.2's hv_event software interrupt: looks each channel up and runs its driver on the spot. */
export function* runEvents(directory: ChannelDirectory, words: Int32Array, base: number): Task {
  const ids: number[] = [];
  takeEventFlags(words, base, (id) => ids.push(id));
  for (const id of ids) {
    const channel = directory.find(id);
    if (channel === undefined) continue;
    channel.interrupts += 1;
    yield* channel.handleEvent();
  }
}
