/** Remote NDIS control messages: they go out in a page of their own, answers come like frames. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import {
  NO_SECTION,
  NvspChannelType,
  NvspRndisPacket,
  NvspType,
} from '../../devices/netvsc/spec/nvsp.ts';
import {
  NdisStatus,
  RNDIS_HEADER_BYTES,
  RndisComplete,
  RndisInitialize,
  RndisInitializeComplete,
  RndisQueryComplete,
  RndisRequest,
  RndisType,
} from '../../devices/netvsc/spec/rndis.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Errno, type GuestChannel, type PageRange } from '../vmbus/api.ts';

const TRANSACTION_LO = 0x0290_0400;
const TRANSACTION_HI = 0xffff_f800;
const NVS_BYTES = 32;
const TIMEOUT_NS = 5 * NS_PER_SECOND;
const MAX_TRANSFER_BYTES = 0x4000;
/** What the driver takes of one answer. */
const MAX_ANSWER_BYTES = 4096;

const NO_BYTES = new Uint8Array(0);

export function isRndisTransaction(low: number, high: number): boolean {
  return low === TRANSACTION_LO && high === TRANSACTION_HI;
}

export class RndisControl {
  readonly #kernel: KernelApi;
  readonly #channel: GuestChannel;
  readonly #gpa: number;
  readonly #at: number;
  readonly #nvs = new Uint8Array(NVS_BYTES);
  #requestId = 0;
  #awaited = -1;
  #answer: Uint8Array = NO_BYTES;
  maxPackets = 1;
  maxTransferBytes = 0;
  alignment = 0;

  constructor(kernel: KernelApi, channel: GuestChannel) {
    this.#kernel = kernel;
    this.#channel = channel;
    this.#gpa = kernel.allocatePages(1);
    this.#at = kernel.hardware.memory.resolve(this.#gpa, PAGE_BYTES);
    const message = NvspRndisPacket.cursor(new DataView(this.#nvs.buffer)).at(0);
    message.type = NvspType.is.sendRndisPacket;
    message.channelType = NvspChannelType.is.control;
    message.sectionIndex = NO_SECTION;
  }

  free(): void {
    this.#kernel.freePages(this.#gpa, 1);
  }

  /** An answer lies in the receive buffer. @param at linear position in guest memory */
  answered(at: number, length: number): void {
    const { memory } = this.#kernel.hardware;
    if (length < RndisComplete.size || length > MAX_ANSWER_BYTES) return;
    if (memory.view.getUint32(at + RndisComplete.offset.requestId, true) !== this.#awaited) return;
    this.#answer = memory.u8.slice(at, at + length);
    this.#awaited = -1;
    this.#kernel.wakeup(this);
  }

  /** @returns 0 or an errno */
  *initialize(): Task<number> {
    const message = new Uint8Array(RndisInitialize.size);
    const fields = RndisInitialize.cursor(new DataView(message.buffer)).at(0);
    fields.major = 1;
    fields.maxTransferBytes = MAX_TRANSFER_BYTES;
    const error = yield* this.#exchange(RndisType.is.initialize, message);
    if (error !== 0) return error;
    if (this.#answer.length < RndisInitializeComplete.size) return Errno.EINVAL;
    const answer = RndisInitializeComplete.cursor(new DataView(this.#answer.buffer)).at(0);
    if (answer.type !== RndisType.is.initializeComplete) return Errno.EINVAL;
    if (answer.status !== NdisStatus.is.success) return Errno.EIO;
    this.maxPackets = answer.maxPackets;
    this.maxTransferBytes = answer.maxTransferBytes;
    this.alignment = 2 ** Math.min(answer.alignment, 12);
    return 0;
  }

  /**
   * @param input goes with the query; some need one to say what is asked
   * @returns what the host says, or undefined when it refuses
   */
  *query(oid: number, input: Uint8Array = NO_BYTES): Task<Uint8Array | undefined> {
    const error = yield* this.#exchange(RndisType.is.query, request(oid, input));
    if (error !== 0 || this.#answer.length < RndisQueryComplete.size) return undefined;
    const answer = RndisQueryComplete.cursor(new DataView(this.#answer.buffer)).at(0);
    const { type, status, infoOffset, infoLength } = answer;
    if (type !== RndisType.is.queryComplete || status !== NdisStatus.is.success) return undefined;
    const from = RNDIS_HEADER_BYTES + infoOffset;
    if (infoLength > 0 && from + infoLength > this.#answer.length) return undefined;
    return this.#answer.slice(from, from + infoLength);
  }

  /** @returns a 32-bit answer, or undefined */
  *queryWord(oid: number): Task<number | undefined> {
    const answer = yield* this.query(oid);
    if (answer === undefined || answer.length < 4) return undefined;
    return new DataView(answer.buffer).getUint32(0, true);
  }

  /** @returns 0 or an errno */
  *set(oid: number, value: Uint8Array): Task<number> {
    const error = yield* this.#exchange(RndisType.is.set, request(oid, value));
    if (error !== 0) return error;
    const answer = RndisComplete.cursor(new DataView(this.#answer.buffer)).at(0);
    if (answer.type !== RndisType.is.setComplete) return Errno.EINVAL;
    return answer.status === NdisStatus.is.success ? 0 : Errno.EIO;
  }

  *setWord(oid: number, value: number): Task<number> {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return yield* this.set(oid, bytes);
  }

  /** HALT has no answer. */
  halt(): void {
    this.#post(RndisType.is.halt, new Uint8Array(RndisComplete.offset.status));
  }

  #post(type: number, message: Uint8Array): boolean {
    this.#requestId = (this.#requestId + 1) >>> 0;
    const view = new DataView(message.buffer);
    view.setUint32(0, type, true);
    view.setUint32(4, message.length, true);
    view.setUint32(RndisComplete.offset.requestId, this.#requestId, true);
    this.#kernel.hardware.memory.u8.set(message, this.#at);
    const range: PageRange = {
      length: message.length,
      offset: 0,
      pfns: [this.#gpa / PAGE_BYTES],
    };
    this.#awaited = this.#requestId;
    return this.#channel.sendGpaDirect(
      [range],
      this.#nvs,
      0,
      NVS_BYTES,
      TRANSACTION_LO,
      TRANSACTION_HI,
    );
  }

  *#exchange(type: number, message: Uint8Array): Task<number> {
    if (!this.#post(type, message)) return Errno.EAGAIN;
    while (this.#awaited !== -1) {
      if (this.#channel.isRevoked) return Errno.ENXIO;
      const wasWoken = yield* this.#kernel.tsleep(this, TIMEOUT_NS);
      if (!wasWoken && this.#awaited !== -1) {
        this.#awaited = -1;
        return Errno.ETIMEDOUT;
      }
    }
    return 0;
  }
}

/** A query whose buffer is empty names the place of a buffer all the same: offset 0 is refused. */
function request(oid: number, value: Uint8Array): Uint8Array {
  const message = new Uint8Array(RndisRequest.size + value.length);
  const fields = RndisRequest.cursor(new DataView(message.buffer)).at(0);
  fields.oid = oid;
  fields.infoLength = value.length;
  fields.infoOffset = RndisRequest.size - RNDIS_HEADER_BYTES;
  message.set(value, RndisRequest.size);
  return message;
}
