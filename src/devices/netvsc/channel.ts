import type { StateStream } from '../../core/state.ts';
import type { EventHandle, EventHandler } from '../../core/events.ts';
import type { OpenChannel } from '../../vmbus/device.ts';
import { ReceiveBatch, type ReceiveSections } from './receive.ts';
import {
  NO_SECTION,
  NVSP_MESSAGE_BYTES,
  NvspChannelType,
  NvspComplete,
  NvspRndisPacket,
  NvspType,
} from './spec/nvsp.ts';

/** What is sent with every run of received messages. */
function receiveMessage(channelType: number): Uint8Array {
  const bytes = new Uint8Array(NVSP_MESSAGE_BYTES);
  const message = NvspRndisPacket.cursor(new DataView(bytes.buffer)).at(0);
  message.type = NvspType.is.sendRndisPacket;
  message.channelType = channelType;
  message.sectionIndex = NO_SECTION;
  return bytes;
}

/** What a guest is told of a packet of its own; the status is filled in. */
function completeMessage(): Uint8Array {
  const bytes = new Uint8Array(NVSP_MESSAGE_BYTES);
  NvspComplete.cursor(new DataView(bytes.buffer)).at(0).type = NvspType.is.sendRndisPacketComplete;
  return bytes;
}

const DATA = receiveMessage(NvspChannelType.is.data);
const CONTROL = receiveMessage(NvspChannelType.is.control);
/** Control messages that wait for room in the ring: no more than there are sections for them. */
const MAX_WAITING_CONTROL = 16;
/** Packets that are handled together. */
export const MAX_COMPLETIONS = 64;
const COMPLETE_STATUS_WORD = NvspComplete.offset.status / 4;

/** One open channel of an adapter: when it is served, and what waits for room in its ring. */
export class NetvscChannel {
  readonly channel: OpenChannel;
  /** The event that will look at the ring, while there is one. */
  workEvent: EventHandle | undefined;
  /** Packets were left in the ring for lack of room for their answers. */
  isStalled = false;
  readonly batch = new ReceiveBatch();
  /** The one answer to an NVSP message for which the ring had no room. */
  readonly #answer = new Uint8Array(NVSP_MESSAGE_BYTES);
  #answerLo = 0;
  #answerHi = 0;
  #hasAnswer = false;
  readonly #complete = completeMessage();
  readonly #completeWords = new Uint32Array(this.#complete.buffer);
  /** Status and both halves of the transaction of packets that are to be completed, in order. */
  readonly #completions = new Uint32Array(MAX_COMPLETIONS * 3);
  #completionCount = 0;
  /** The ring had no room for all of them. */
  #hasRefused = false;
  readonly #control = new Int32Array(MAX_WAITING_CONTROL * 2);
  #controlCount = 0;
  readonly #range = new Uint32Array(2);
  /** Frames wait for the ring; `framesEnd` need not try. */
  isParked = false;

  constructor(channel: OpenChannel) {
    this.channel = channel;
  }

  exchange(state: StateStream, serve: EventHandler): void {
    this.workEvent = state.event('work', this.workEvent, serve);
    this.isStalled = state.flag('isStalled', this.isStalled);
    state.part('batch', () => this.batch.exchange(state));
    state.array('answer', this.#answer);
    this.#answerLo = state.number('answerLo', this.#answerLo);
    this.#answerHi = state.number('answerHi', this.#answerHi);
    this.#hasAnswer = state.flag('hasAnswer', this.#hasAnswer);
    state.array('completions', this.#completions);
    this.#completionCount = state.number('completionCount', this.#completionCount);
    this.#hasRefused = state.flag('hasRefused', this.#hasRefused);
    state.array('control', this.#control);
    this.#controlCount = state.number('controlCount', this.#controlCount);
    this.isParked = state.flag('isParked', this.isParked);
  }

  /** Answers wait for room in the ring; packets are not taken before they are gone. */
  get hasAnswer(): boolean {
    return this.#hasAnswer || this.#hasRefused;
  }

  /** Queues the completion of a packet, of no more than `MAX_COMPLETIONS`. */
  complete(status: number, transactionLo: number, transactionHi: number): void {
    const completions = this.#completions;
    const at = this.#completionCount * 3;
    completions[at] = status;
    completions[at + 1] = transactionLo;
    completions[at + 2] = transactionHi;
    this.#completionCount += 1;
  }

  /** Sends completions that were queued, as far as there is room. @returns all gone */
  sendCompletions(): boolean {
    const { channel } = this;
    const completions = this.#completions;
    const count = this.#completionCount;
    for (let index = 0; index < count; index += 1) {
      const at = index * 3;
      this.#completeWords[COMPLETE_STATUS_WORD] = completions[at]!;
      const lo = completions[at + 1]!;
      const hi = completions[at + 2]!;
      if (channel.sendCompletion(this.#complete, 0, NVSP_MESSAGE_BYTES, lo, hi)) continue;
      completions.copyWithin(0, at, count * 3);
      this.#completionCount = count - index;
      this.#hasRefused = true;
      return false;
    }
    this.#completionCount = 0;
    this.#hasRefused = false;
    return true;
  }

  /** Sends a completion, or keeps it. @param bytes an NVSP message of 40 bytes */
  answer(bytes: Uint8Array, transactionLo: number, transactionHi: number): void {
    const { channel } = this;
    if (channel.sendCompletion(bytes, 0, NVSP_MESSAGE_BYTES, transactionLo, transactionHi)) return;
    this.#answer.set(bytes);
    this.#answerLo = transactionLo;
    this.#answerHi = transactionHi;
    this.#hasAnswer = true;
  }

  /** Tells of a control message, or keeps it for later. Sections bound how many there are. */
  sendControl(sections: ReceiveSections, section: number, length: number): void {
    if (this.#controlCount === 0 && this.#trySendControl(sections, section, length)) return;
    if (this.#controlCount === MAX_WAITING_CONTROL) return;
    this.#control[this.#controlCount * 2] = section;
    this.#control[this.#controlCount * 2 + 1] = length;
    this.#controlCount += 1;
  }

  #trySendControl(sections: ReceiveSections, section: number, length: number): boolean {
    this.#range[0] = length;
    this.#range[1] = sections.offsetOf(section);
    const { channel } = this;
    const wasSent = channel.sendTransferPages(
      sections.buffer.id,
      this.#range,
      1,
      CONTROL,
      0,
      NVSP_MESSAGE_BYTES,
      section,
      0,
    );
    if (wasSent) sections.told(section, channel.subChannelIndex);
    return wasSent;
  }

  /**
   * Tells of the frames in the batch.
   * @returns false when the ring has no room now
   */
  sendBatch(sections: ReceiveSections): boolean {
    const { batch, channel } = this;
    const wasSent = channel.sendTransferPages(
      sections.buffer.id,
      batch.ranges,
      batch.count,
      DATA,
      0,
      NVSP_MESSAGE_BYTES,
      batch.first,
      0,
    );
    this.isParked = !wasSent;
    if (!wasSent) return false;
    sections.told(batch.first, channel.subChannelIndex);
    batch.clear();
    return true;
  }

  /** There is room in the ring: sends answers and control messages that wait. @returns all gone */
  resume(sections: ReceiveSections | undefined): boolean {
    if (!this.sendCompletions()) return false;
    if (this.#hasAnswer) {
      this.#hasAnswer = false;
      this.answer(this.#answer, this.#answerLo, this.#answerHi);
      if (this.#hasAnswer) return false;
    }
    if (sections === undefined) return true;
    while (this.#controlCount > 0) {
      if (!this.#trySendControl(sections, this.#control[0]!, this.#control[1]!)) return false;
      this.#control.copyWithin(0, 2, this.#controlCount * 2);
      this.#controlCount -= 1;
    }
    return true;
  }

  /** The receive buffer is gone, and with it what waits to be told of it. */
  dropReceived(): void {
    this.batch.clear();
    this.#controlCount = 0;
    this.isParked = false;
  }
}
