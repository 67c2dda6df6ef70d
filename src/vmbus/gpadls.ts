import { PAGE_BYTES } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { BusCore } from './core.ts';
import { RangeList } from './gpa-ranges.ts';
import type { ChannelSlot } from './slots.ts';
import { NtStatus } from './spec/ids.ts';
import { GpadlCreated, GpadlTorndown, MessageType } from './spec/messages.ts';
import { vmbusGpadl, vmbusGpadlTorndown } from './trace.ts';

/** GPADLs of a partition. A netvsc has five, a storvsc channel one. */
export const MAX_GPADLS = 4096;
/** Pages that all GPADLs together may share: 4 GiB. */
export const MAX_GPADL_PAGES = 1 << 20;
/** Half-sent GPADLs, each of which holds up to 64 KiB. */
export const MAX_INCOMPLETE_GPADLS = 256;

export type GpadlState =
  | 'in-progress'
  /** Complete; the host looks at it. */
  | 'offered'
  | 'offered-tearing-down'
  | 'accepted'
  | 'tearing-down';

export interface Gpadl {
  readonly id: number;
  slot: ChannelSlot;
  readonly rangeCount: number;
  readonly ranges: RangeList;
  state: GpadlState;
  /** Range data so far; empty when complete. */
  words: Uint32Array;
  filledWords: number;
  pages: number;
  /** Its device would not give it back when it was torn down. */
  isHeld: boolean;
}

/** Guest memory shared with the host, by channel and the guest's own number. */
export class GpadlTable {
  readonly #core: BusCore;
  readonly #incomplete = new Map<number, Gpadl>();
  #count = 0;
  #pages = 0;

  constructor(core: BusCore) {
    this.#core = core;
  }

  get count(): number {
    return this.#count;
  }

  /** GpadlHeader. @returns '' or why the guest got a failure */
  create(
    slot: ChannelSlot | undefined,
    channelId: number,
    id: number,
    rangeBytes: number,
    rangeCount: number,
    data: DataView,
    start: number,
    length: number,
  ): string {
    const isWhole = length >= (rangeBytes & ~7);
    const wrong = this.#mayCreate(slot, id, rangeBytes, rangeCount, isWhole);
    if (wrong !== '' || slot === undefined) {
      this.#sendCreated(channelId, id, NtStatus.unsuccessful);
      return wrong;
    }
    const gpadl: Gpadl = {
      id,
      slot,
      rangeCount,
      ranges: new RangeList(false),
      state: 'in-progress',
      words: new Uint32Array(Math.floor(rangeBytes / 8) * 2),
      filledWords: 0,
      pages: 0,
      isHeld: false,
    };
    slot.gpadls.set(id, gpadl);
    this.#count += 1;
    this.#incomplete.set(id, gpadl);
    return this.#append(gpadl, data, start, length);
  }

  #mayCreate(
    slot: ChannelSlot | undefined,
    id: number,
    rangeBytes: number,
    rangeCount: number,
    isWhole: boolean,
  ): string {
    if (slot === undefined) return 'GPADL for an unknown channel';
    // Bodies name no channel, so a reserved channel's ids could be mistaken after a reconnect.
    if (slot.isReserved) return 'GPADL for a reserved channel';
    if (slot.gpadls.has(id)) return `GPADL ${id} exists`;
    if (this.#incomplete.has(id)) return `GPADL ${id} is being created`;
    if (rangeCount === 0 || rangeBytes < 16) return `GPADL ${id} has no range`;
    if (this.#count >= MAX_GPADLS) return 'too many GPADLs';
    if (!isWhole && this.#incomplete.size >= MAX_INCOMPLETE_GPADLS)
      return 'too many half-sent GPADLs';
    return '';
  }

  /** GpadlBody. @returns '' or what was wrong */
  extend(id: number, data: DataView, start: number, length: number): string {
    const gpadl = this.#incomplete.get(id);
    // The channel is not known, so the guest can be told nothing.
    if (gpadl === undefined) return `body of unknown GPADL ${id}`;
    return this.#append(gpadl, data, start, length);
  }

  /** Guests may send whole messages: what goes beyond the promised size is not range data. */
  #append(gpadl: Gpadl, data: DataView, start: number, length: number): string {
    const { words } = gpadl;
    const count = Math.min((length >>> 3) * 2, words.length - gpadl.filledWords);
    for (let index = 0; index < count; index += 1) {
      words[gpadl.filledWords + index] = data.getUint32(start + index * 4, true);
    }
    gpadl.filledWords += count;
    return gpadl.filledWords === words.length ? this.#complete(gpadl) : '';
  }

  #complete(gpadl: Gpadl): string {
    const { slot, words, ranges } = gpadl;
    this.#incomplete.delete(gpadl.id);
    let wrong = ranges.parse(this.#core.memory, words, 0, words.length, gpadl.rangeCount);
    gpadl.words = new Uint32Array(0);
    gpadl.pages = Math.ceil(ranges.totalBytes / PAGE_BYTES) + gpadl.rangeCount;
    if (wrong === '' && this.#pages + gpadl.pages > MAX_GPADL_PAGES) wrong = 'too many GPADL pages';
    if (wrong !== '') {
      gpadl.pages = 0;
      this.#remove(gpadl);
      this.#sendCreated(slot.channelId, gpadl.id, NtStatus.unsuccessful);
      return wrong;
    }
    this.#pages += gpadl.pages;
    if (slot.isRevoked) {
      // There is no device any more, but the guest must be able to tear it down in good order.
      gpadl.state = 'accepted';
      this.#sendCreated(slot.channelId, gpadl.id, NtStatus.success);
      return '';
    }
    gpadl.state = 'offered';
    this.#core.perform('gpadl-create', slot, () => this.#created(gpadl));
    return '';
  }

  #created(gpadl: Gpadl): void {
    const { slot } = gpadl;
    if (slot.gpadls.get(gpadl.id) !== gpadl) return;
    if (gpadl.state === 'offered') {
      gpadl.state = 'accepted';
      const { trace } = this.#core;
      trace.emit(vmbusGpadl, slot.channelId, gpadl.id, gpadl.ranges.totalBytes, NtStatus.success);
      this.#sendCreated(slot.channelId, gpadl.id, NtStatus.success);
    } else if (gpadl.state === 'offered-tearing-down') {
      this.#startTeardown(gpadl);
    }
  }

  /** GpadlTeardown. @returns '' or what was wrong; the guest is told nothing then */
  teardown(slot: ChannelSlot | undefined, id: number): string {
    const gpadl = slot?.gpadls.get(id);
    if (slot === undefined || gpadl === undefined) return `teardown of unknown GPADL ${id}`;
    if (gpadl.state !== 'accepted') return `teardown of GPADL ${id} in state ${gpadl.state}`;
    if (slot.isReserved) return 'teardown of a GPADL of a reserved channel';
    if (slot.isRevoked) {
      this.#remove(gpadl);
      this.#sendTorndown(id);
    } else {
      this.#startTeardown(gpadl);
    }
    return '';
  }

  #startTeardown(gpadl: Gpadl): void {
    gpadl.state = 'tearing-down';
    this.#core.perform('gpadl-teardown', gpadl.slot, () => this.#tornDown(gpadl));
  }

  /**
   * The rings of an open channel are in use, and so may be what the device was given: such a GPADL
   * goes when the channel is closed.
   */
  #tornDown(gpadl: Gpadl): void {
    const { slot } = gpadl;
    if (gpadl.state !== 'tearing-down' || slot.gpadls.get(gpadl.id) !== gpadl) return;
    if (slot.channel !== undefined && slot.request?.ringGpadlId === gpadl.id) return;
    const mayRefuse = slot.subChannelIndex === 0 && !slot.isReleased;
    gpadl.isHeld = mayRefuse && slot.device.releaseGpadl?.(gpadl.id) === false;
    if (gpadl.isHeld) return;
    this.#remove(gpadl);
    if (!slot.isReleased) this.#sendTorndown(gpadl.id);
    this.#core.checkDisconnected();
  }

  /** The device closed the channel: what waits for that goes now, the rings first. */
  channelClosed(slot: ChannelSlot, ringGpadlId: number): void {
    const rings = slot.gpadls.get(ringGpadlId);
    if (rings !== undefined) this.#tornDown(rings);
    for (const gpadl of slot.gpadls.values()) if (gpadl.isHeld) this.#tornDown(gpadl);
  }

  /** The guest lets go of the channel, and of all its GPADLs. Nothing is said of them any more. */
  releaseAll(slot: ChannelSlot, wasRevoked: boolean): void {
    for (const gpadl of slot.gpadls.values()) {
      if (gpadl.state === 'in-progress' || (gpadl.state === 'accepted' && wasRevoked)) {
        this.#remove(gpadl);
      } else if (gpadl.state === 'offered') {
        gpadl.state = 'offered-tearing-down';
      } else if (gpadl.state === 'accepted') {
        this.#startTeardown(gpadl);
      } else if (gpadl.isHeld) {
        this.#tornDown(gpadl);
      }
    }
  }

  /** The device is gone: what it was asked for is answered in its place. */
  revokeAll(slot: ChannelSlot, isTold: boolean): void {
    for (const gpadl of slot.gpadls.values()) {
      if (gpadl.state === 'in-progress' || gpadl.state === 'accepted') continue;
      this.#remove(gpadl);
      if (!isTold) continue;
      if (gpadl.state === 'offered') {
        this.#sendCreated(slot.channelId, gpadl.id, NtStatus.unsuccessful);
      } else if (gpadl.state === 'tearing-down') {
        this.#sendTorndown(gpadl.id);
      }
    }
  }

  /** Forgets every GPADL of a channel, without a word. */
  dropAll(slot: ChannelSlot): void {
    for (const gpadl of slot.gpadls.values()) this.#remove(gpadl);
  }

  /** The shared memory behind an accepted GPADL. */
  ranges(slot: ChannelSlot, id: number): RangeList | undefined {
    const gpadl = slot.gpadls.get(id);
    return gpadl?.state === 'accepted' ? gpadl.ranges : undefined;
  }

  /** The GPADLs of one channel. */
  exchange(state: StateStream, slot: ChannelSlot): Map<number, Gpadl> {
    const gpadls = state.list('gpadls', [...slot.gpadls.values()], (known) => {
      const id = state.number('id', known?.id ?? 0);
      const rangeCount = state.number('rangeCount', known?.rangeCount ?? 0);
      const ranges = known?.ranges ?? new RangeList(false);
      state.part('ranges', () => ranges.exchange(state));
      const stateName: GpadlState = state.text('state', known?.state ?? 'accepted');
      const wordCount = state.number('wordCount', known?.words.length ?? 0);
      const words = known?.words ?? new Uint32Array(wordCount);
      state.array('words', words);
      return {
        id,
        slot,
        rangeCount,
        ranges,
        state: stateName,
        words,
        filledWords: state.number('filledWords', known?.filledWords ?? 0),
        pages: state.number('pages', known?.pages ?? 0),
        isHeld: state.flag('isHeld', known?.isHeld ?? false),
      };
    });
    if (!state.isRestoring) return slot.gpadls;
    return new Map(gpadls.map((gpadl) => [gpadl.id, gpadl]));
  }

  /** Finds again what the GPADLs of all channels come to. */
  recount(slots: readonly ChannelSlot[]): void {
    this.#incomplete.clear();
    this.#count = 0;
    this.#pages = 0;
    for (const slot of slots) {
      for (const gpadl of slot.gpadls.values()) {
        this.#count += 1;
        this.#pages += gpadl.pages;
        if (gpadl.state === 'in-progress') this.#incomplete.set(gpadl.id, gpadl);
      }
    }
  }

  #remove(gpadl: Gpadl): void {
    if (!gpadl.slot.gpadls.delete(gpadl.id)) return;
    if (this.#incomplete.get(gpadl.id) === gpadl) this.#incomplete.delete(gpadl.id);
    this.#count -= 1;
    this.#pages -= gpadl.pages;
  }

  #sendCreated(channelId: number, gpadlId: number, status: number): void {
    if (status !== NtStatus.success) {
      this.#core.trace.emit(vmbusGpadl, channelId, gpadlId, 0, status);
    }
    this.#core.send(MessageType.gpadlCreated, GpadlCreated, (message) => {
      message.channelId = channelId;
      message.gpadlId = gpadlId;
      message.status = status;
    });
  }

  #sendTorndown(gpadlId: number): void {
    this.#core.trace.emit(vmbusGpadlTorndown, gpadlId);
    this.#core.send(MessageType.gpadlTorndown, GpadlTorndown, (message) => {
      message.gpadlId = gpadlId;
    });
  }
}
