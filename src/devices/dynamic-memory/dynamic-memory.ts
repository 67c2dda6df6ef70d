import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_SECOND, type VirtualClock } from '../../core/clock.ts';
import { InputError } from '../../core/errors.ts';
import type { EventHandle } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { traceType } from '../../core/trace.ts';
import { type Field, type Struct, u32, u64, wide } from '../../core/wire.ts';
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  Malformed,
  MessageDevice,
  type GuestMessage,
  type MessageDeviceOptions,
} from '../pipe/message-device.ts';
import { Balloon, type PageRange } from './balloon.ts';
import {
  DM_HOT_ADD_HEADER_BYTES,
  DmAccepted,
  DmBalloonRequest,
  DmBalloonResponse,
  DmCapabilities,
  DmCapability,
  DmHotAddResponse,
  DmRange,
  DmStatus,
  DmUnballoonRequest,
  DmVersionRequest,
  DynamicMemoryHeader,
  DynamicMemoryMessage,
  DynamicMemoryVersion,
  HOT_ADD_ALIGNMENT_MASK,
  HOT_ADD_ALIGNMENT_SHIFT,
  MAX_BALLOON_PAGES,
  MAX_DM_MESSAGE_BYTES,
  MAX_PAGE_NUMBER,
  MAX_RANGE_PAGES,
} from './spec.ts';

/** Real hosts ask for nothing before this much time: early requests crash some guests (QEMU). */
const QUIET_NS = 50 * NS_PER_SECOND;
const PAGES_PER_MIB = 256;
const INSTANCE_ID = '1eccfd72-4b41-45ef-b73a-4a6e44c12924';
const RANGES_PER_MESSAGE = (MAX_DM_MESSAGE_BYTES - DmUnballoonRequest.size) / DmRange.size;

const versionEvent = traceType('dynmem', 'version', { channel: u32, version: u32, accepted: u32 });
const capabilitiesEvent = traceType('dynmem', 'capabilities', {
  channel: u32,
  capabilities: DmCapability,
});
const statusEvent = traceType('dynmem', 'status', {
  channel: u32,
  available: u64,
  committed: u64,
});
const takenEvent = traceType('dynmem', 'taken', { channel: u32, firstPage: u64, pages: u32 });
const doneEvent = traceType('dynmem', 'done', {
  channel: u32,
  type: DynamicMemoryMessage,
  pages: u32,
});

/** What the guest says of its memory, in pages. */
export interface MemoryStatus {
  readonly timeNs: number;
  readonly available: number;
  readonly committed: number;
  readonly pageFile: number;
  readonly zeroAndFree: number;
}

/** `refused`: the guest did less than asked for; `misaligned`: it needs larger units. */
export type MemoryOutcome =
  | 'done'
  | 'refused'
  | 'misaligned'
  | 'notReady'
  | 'notSupported'
  | 'busy'
  | 'closed';

/** @param pages that have changed hands */
export type MemoryDone = (outcome: MemoryOutcome, pages: number) => void;

export interface DynamicMemoryOptions extends MessageDeviceOptions {
  readonly clock: VirtualClock;
  readonly memory: GuestMemory;
  readonly instanceId?: string;
  /** Protocol versions that this host has. */
  readonly versions?: readonly number[];
  /** Time after the guest's initialisation before the first request. */
  readonly quietNs?: number;
}

/** What the guest is asked for once the quiet time is over. */
type Request =
  | { readonly kind: 'balloon'; readonly pages: number }
  | { readonly kind: 'unballoon'; readonly pages: number }
  | { readonly kind: 'hotAdd'; readonly ranges: readonly PageRange[] };

interface Operation {
  readonly request: Request;
  /** Type of the answer that ends it. */
  readonly answer: number;
  readonly asked: number;
  readonly done: MemoryDone;
  pages: number;
  /** Pages that answers may still name. */
  budget: number;
}

/** Dynamic memory: the guest reports what it needs, gives pages up and takes pages in. */
export class DynamicMemory extends MessageDevice {
  readonly #clock: VirtualClock;
  readonly #balloon: Balloon;
  readonly #versions: readonly number[];
  readonly #quietNs: number;
  #version = 0;
  #capabilities = -1;
  #status: MemoryStatus | undefined;
  #transactionId = 0;
  #quietUntilNs = 0;
  #operation: Operation | undefined;
  #startEvent: EventHandle | undefined;

  constructor(options: DynamicMemoryOptions) {
    super(
      {
        name: 'dynmem',
        interfaceId: DeviceClass.dynamicMemory,
        instanceId: options.instanceId ?? INSTANCE_ID,
        framing: 'plain',
      },
      options,
    );
    this.#clock = options.clock;
    this.#balloon = new Balloon(options.memory);
    this.#versions = options.versions ?? Object.values(DynamicMemoryVersion);
    this.#quietNs = options.quietNs ?? QUIET_NS;
  }

  /** Version and capabilities are agreed on. */
  get isReady(): boolean {
    return this.#capabilities >= 0;
  }

  /** The agreed version, major << 16 | minor; 0 before there is one. */
  get version(): number {
    return this.#version;
  }

  /** The guest's last report. */
  get status(): MemoryStatus | undefined {
    return this.#status;
  }

  /** Pages that the guest has given up. */
  get balloonedPages(): number {
    return this.#balloon.held;
  }

  /**
   * Asks the guest to give pages up; it may give fewer. At most 585 728 at a time. Waits for the end
   * of the quiet time after the guest's start.
   */
  balloon(pages: number, done: MemoryDone): void {
    if (!(Number.isInteger(pages) && pages > 0 && pages <= MAX_BALLOON_PAGES)) {
      throw new InputError(
        'dynamic memory',
        `${pages} pages to balloon: expected 1 to ${MAX_BALLOON_PAGES}`,
      );
    }
    const answer = DynamicMemoryMessage.is.balloonResponse;
    this.#begin(DmCapability.bit.balloon, answer, pages, done, { kind: 'balloon', pages });
  }

  /** Gives pages back, as many as the guest has given up at the most. */
  unballoon(pages: number, done: MemoryDone): void {
    if (!(Number.isInteger(pages) && pages > 0)) {
      throw new InputError('dynamic memory', `${pages} pages to give back: expected 1 or more`);
    }
    const answer = DynamicMemoryMessage.is.unballoonResponse;
    this.#begin(DmCapability.bit.balloon, answer, pages, done, { kind: 'unballoon', pages });
  }

  /**
   * Tells the guest of new memory; the caller has put it there.
   * @param region what the range is a part of, for guests that prepare for all of it
   */
  hotAdd(range: PageRange, done: MemoryDone, region?: PageRange): void {
    for (const { firstPage, count } of region === undefined ? [range] : [range, region]) {
      const isValid = firstPage >= 0 && firstPage + count - 1 <= MAX_PAGE_NUMBER;
      if (isValid && count > 0 && count <= MAX_RANGE_PAGES) continue;
      throw new InputError(
        'dynamic memory',
        `${count} pages from page ${firstPage}: expected 1 to ${MAX_RANGE_PAGES} below 2^40`,
      );
    }
    const shift = (this.#capabilities >>> HOT_ADD_ALIGNMENT_SHIFT) & HOT_ADD_ALIGNMENT_MASK;
    const unit = PAGES_PER_MIB * 2 ** shift;
    if (this.isReady && (range.firstPage % unit !== 0 || range.count % unit !== 0)) {
      this.events.tell(() => done('misaligned', 0));
      return;
    }
    const answer = DynamicMemoryMessage.is.hotAddResponse;
    const ranges = region === undefined ? [range] : [range, region];
    this.#begin(DmCapability.bit.hotAdd, answer, range.count, done, { kind: 'hotAdd', ranges });
  }

  protected override opened(): void {
    this.#restart();
  }

  /** A guest that starts anew has all its memory. */
  protected override closed(): void {
    if (this.#startEvent !== undefined) this.events.cancel(this.#startEvent);
    this.#startEvent = undefined;
    this.#end('closed');
    this.#restart();
  }

  #restart(): void {
    this.#version = 0;
    this.#capabilities = -1;
    this.#status = undefined;
    this.#balloon.clear();
  }

  #begin(
    capability: number,
    answer: number,
    asked: number,
    done: MemoryDone,
    request: Request,
  ): void {
    let outcome: MemoryOutcome | undefined;
    if (!this.isReady) outcome = 'notReady';
    else if ((this.#capabilities & capability) === 0) outcome = 'notSupported';
    else if (this.#operation !== undefined) outcome = 'busy';
    if (outcome !== undefined) {
      const reason = outcome;
      this.events.tell(() => done(reason, 0));
      return;
    }
    this.#operation = { request, answer, asked, done, pages: 0, budget: asked };
    const waitNs = this.#quietUntilNs - this.#clock.nowNs;
    this.#startEvent = this.events.after(waitNs, this.#onStart);
  }

  readonly #onStart = (): void => {
    this.#startEvent = undefined;
    this.#transactionId = (this.#transactionId + 1) >>> 0;
    const operation = this.#operation!;
    const { request } = operation;
    const { is } = DynamicMemoryMessage;
    if (request.kind === 'balloon') {
      this.#sendMessage(is.balloonRequest, DmBalloonRequest, (message) => {
        message.pages = request.pages;
      });
    } else if (request.kind === 'unballoon') {
      const ranges = this.#balloon.give(request.pages, MAX_RANGE_PAGES);
      for (const range of ranges) operation.pages += range.count;
      if (ranges.length === 0) this.#end('refused');
      else this.#sendRanges(ranges);
    } else {
      const head = DM_HOT_ADD_HEADER_BYTES;
      const fill = (): void => undefined;
      this.send(this.#message(is.hotAddRequest, DynamicMemoryHeader, fill, head, request.ranges));
    }
  };

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    state.part('balloon', () => this.#balloon.exchange(state));
    this.#version = state.number('version', this.#version);
    this.#capabilities = state.number('capabilities', this.#capabilities);
    this.#status = state.data('status', this.#status);
    this.#transactionId = state.number('transactionId', this.#transactionId);
    this.#quietUntilNs = state.number('quietUntilNs', this.#quietUntilNs);
    // `done` is no data and so is not written: who asked is outside of the machine.
    const operation = state.data('operation', this.#operation);
    if (state.isRestoring) this.#operation = operation && { ...operation, done: () => undefined };
    this.#startEvent = state.event('start', this.#startEvent, this.#onStart);
  }

  #end(outcome: MemoryOutcome): void {
    const operation = this.#operation;
    if (operation === undefined) return;
    this.#operation = undefined;
    this.trace.emit(doneEvent, this.channelId, operation.answer, operation.pages);
    operation.done(outcome, operation.pages);
  }

  protected override received(message: GuestMessage): void {
    const { view, start, length } = message;
    const header = length < DynamicMemoryHeader.size ? undefined : DynamicMemoryHeader.cursor(view);
    if (header === undefined || header.at(start).size > length) {
      this.refuse(Malformed.shortMessage, length);
      return;
    }
    const { type, transactionId } = header;
    const { is } = DynamicMemoryMessage;
    if (type === is.versionRequest) this.#negotiate(message, transactionId);
    else if (type === is.capabilities) this.#takeCapabilities(message, transactionId);
    else if (type === is.status) this.#takeStatus(message);
    else if (type === is.balloonResponse) this.#takeBalloon(message);
    else if (type === is.unballoonResponse) {
      if (this.#isAwaited(type)) this.#end(this.#shortOrDone());
    } else if (type === is.hotAddResponse) this.#takeHotAdd(message);
    else this.refuse(Malformed.unknownMessage, type);
  }

  #isWhole<F extends Record<string, Field>>(struct: Struct<F>, { length }: GuestMessage): boolean {
    if (length >= struct.size) return true;
    this.refuse(Malformed.shortMessage, length);
    return false;
  }

  /** Answers carry transaction ids of the guest's own making: what they answer follows from type. */
  #isAwaited(type: number): boolean {
    if (this.#operation?.answer === type && this.#startEvent === undefined) return true;
    this.refuse(Malformed.unexpected, type);
    return false;
  }

  #shortOrDone(): MemoryOutcome {
    const operation = this.#operation!;
    return operation.pages < operation.asked ? 'refused' : 'done';
  }

  #negotiate(message: GuestMessage, transactionId: number): void {
    if (!this.#isWhole(DmVersionRequest, message)) return;
    if (this.#version !== 0) {
      this.refuse(Malformed.unexpected, DynamicMemoryMessage.is.versionRequest);
      return;
    }
    const { version } = DmVersionRequest.cursor(message.view).at(message.start);
    const isAccepted = this.#versions.includes(version);
    if (isAccepted) this.#version = version;
    this.trace.emit(versionEvent, this.channelId, version, Number(isAccepted));
    this.#accept(DynamicMemoryMessage.is.versionResponse, transactionId, isAccepted);
  }

  #accept(type: number, transactionId: number, isAccepted: boolean): void {
    this.send(
      buildBytes(DmAccepted, (answer) => {
        answer.type = type;
        answer.size = DmAccepted.size;
        answer.transactionId = transactionId;
        answer.accepted = Number(isAccepted);
      }),
    );
  }

  #takeCapabilities(message: GuestMessage, transactionId: number): void {
    if (!this.#isWhole(DmCapabilities, message)) return;
    if (this.#version === 0 || this.isReady) {
      this.refuse(Malformed.unexpected, DynamicMemoryMessage.is.capabilities);
      return;
    }
    const { capabilities } = DmCapabilities.cursor(message.view).at(message.start);
    this.#capabilities = capabilities;
    this.#quietUntilNs = this.#clock.nowNs + this.#quietNs;
    this.trace.emit(capabilitiesEvent, this.channelId, capabilities);
    this.#accept(DynamicMemoryMessage.is.capabilitiesResponse, transactionId, true);
  }

  #takeStatus(message: GuestMessage): void {
    if (!this.#isWhole(DmStatus, message)) return;
    if (!this.isReady) {
      this.refuse(Malformed.unexpected, DynamicMemoryMessage.is.status);
      return;
    }
    const status = DmStatus.cursor(message.view).at(message.start);
    const { availableLo, availableHi, committedLo, committedHi } = status;
    const { pageFileLo, pageFileHi, zeroAndFreeLo, zeroAndFreeHi } = status;
    const available = wide(availableLo, availableHi);
    const committed = wide(committedLo, committedHi);
    this.#status = {
      timeNs: this.#clock.nowNs,
      available,
      committed,
      pageFile: wide(pageFileLo, pageFileHi),
      zeroAndFree: wide(zeroAndFreeLo, zeroAndFreeHi),
    };
    this.trace.emit(statusEvent, this.channelId, available, committed);
  }

  #takeBalloon(message: GuestMessage): void {
    if (!this.#isWhole(DmBalloonResponse, message)) return;
    if (!this.#isAwaited(DynamicMemoryMessage.is.balloonResponse)) return;
    const { view, start, length } = message;
    const { moreAndCount } = DmBalloonResponse.cursor(view).at(start);
    const count = moreAndCount >>> 1;
    if (length < DmBalloonResponse.size + count * DmRange.size) {
      this.refuse(Malformed.badValue, count);
      this.#end('refused');
      return;
    }
    const range = DmRange.cursor(view);
    for (let index = 0; index < count; index += 1) {
      range.at(start + DmBalloonResponse.size + index * DmRange.size);
      const word = range.firstPageHighAndCount;
      this.#takePages(range.firstPageLow + (word & 0xff) * 0x1_0000_0000, word >>> 8);
    }
    if ((moreAndCount & 1) === 0) this.#end(this.#shortOrDone());
  }

  /** A guest cannot give what is no memory, and no more than it was asked for. */
  #takePages(firstPage: number, count: number): void {
    const operation = this.#operation!;
    if (count === 0) return;
    const taken = count > operation.budget ? -1 : this.#balloon.take(firstPage, count);
    if (taken < 0) {
      this.refuse(Malformed.badValue, firstPage);
      return;
    }
    operation.budget -= count;
    operation.pages += taken;
    this.trace.emit(takenEvent, this.channelId, firstPage, taken);
  }

  #takeHotAdd(message: GuestMessage): void {
    if (!this.#isWhole(DmHotAddResponse, message)) return;
    if (!this.#isAwaited(DynamicMemoryMessage.is.hotAddResponse)) return;
    const operation = this.#operation!;
    const { pages, result } = DmHotAddResponse.cursor(message.view).at(message.start);
    operation.pages = result === 0 ? 0 : Math.min(pages, operation.asked);
    this.#end(this.#shortOrDone());
  }

  #sendRanges(ranges: readonly PageRange[]): void {
    for (let from = 0; from < ranges.length; from += RANGES_PER_MESSAGE) {
      const part = ranges.slice(from, from + RANGES_PER_MESSAGE);
      const isLast = from + part.length === ranges.length;
      const type = DynamicMemoryMessage.is.unballoonRequest;
      const fill = (request: { more: number; rangeCount: number }): void => {
        request.more = Number(!isLast);
        request.rangeCount = part.length;
      };
      this.send(this.#message(type, DmUnballoonRequest, fill, DmUnballoonRequest.size, part));
    }
  }

  #sendMessage<F extends Record<string, Field>>(
    type: number,
    struct: Struct<F>,
    fill: (message: ReturnType<Struct<F>['cursor']>) => void,
  ): void {
    this.send(this.#message(type, struct, fill, struct.size, []));
  }

  /** @param headBytes where the ranges begin */
  #message<F extends Record<string, Field>>(
    type: number,
    struct: Struct<F>,
    fill: (message: ReturnType<Struct<F>['cursor']>) => void,
    headBytes: number,
    ranges: readonly PageRange[],
  ): Uint8Array {
    const size = headBytes + ranges.length * DmRange.size;
    const message = buildBytes(struct, fill, size);
    const view = new DataView(message.buffer);
    const header = DynamicMemoryHeader.cursor(view);
    header.type = type;
    header.size = size;
    header.transactionId = this.#transactionId;
    const range = DmRange.cursor(view);
    for (const [index, { firstPage, count }] of ranges.entries()) {
      range.at(headBytes + index * DmRange.size);
      range.firstPageLow = firstPage >>> 0;
      range.firstPageHighAndCount = Math.floor(firstPage / 0x1_0000_0000) | (count << 8);
    }
    return message;
  }
}
