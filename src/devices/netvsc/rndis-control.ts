import { traceType, type Trace } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import type { AdapterState } from './adapter-state.ts';
import { queryOid } from './oid-query.ts';
import { setOid } from './oid-set.ts';
import { Oid } from './spec/oids.ts';
import {
  NdisStatus,
  PacketFilter,
  RNDIS_HEADER_BYTES,
  RndisComplete,
  RndisIndicateStatus,
  RndisInitialize,
  RndisInitializeComplete,
  RndisQueryComplete,
  RndisRequest,
  RndisResetComplete,
  RndisType,
} from './spec/rndis.ts';

/** The largest answer is a friendly name; a section of the smallest receive buffer holds more. */
const RESPONSE_BYTES = 1024;
const MAX_PACKETS_PER_MESSAGE = 8;
const MAX_TRANSFER_BYTES = 0xefff_ffff;
/** 8 bytes. */
const PACKET_ALIGNMENT = 3;
const CONNECTIONLESS = 1;
/** What a host that keeps its filter lets through before the guest asked for anything. */
const KEPT_FILTER =
  PacketFilter.bit.directed | PacketFilter.bit.allMulticast | PacketFilter.bit.broadcast;

const requestEvent = traceType('netvsc', 'rndis', {
  type: RndisType,
  oid: Oid,
  status: NdisStatus,
});
const statusEvent = traceType('netvsc', 'indicate', { status: NdisStatus, bytes: u32 });

/** RNDIS as a device speaks it: every request but frames, and its answer. */
export class RndisControl {
  /** The answer of the last `handle` or `indicate`. */
  readonly response = new Uint8Array(RESPONSE_BYTES);
  readonly responseWords = new Int32Array(this.response.buffer);
  readonly #view = new DataView(this.response.buffer);
  readonly #state: AdapterState;
  readonly #trace: Trace;

  constructor(state: AdapterState, trace: Trace) {
    this.#state = state;
    this.#trace = trace;
  }

  /**
   * Handles one message, a copy of the guest's.
   * @returns bytes of the answer, 0 for none
   */
  handle(message: Uint8Array): number {
    const { is } = RndisType;
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const type = view.getUint32(0, true);
    const least =
      type === is.query || type === is.set || type === is.setEx ? RndisRequest.size : 12;
    if (message.length < least) return this.#ignore(type);
    const requestId = view.getUint32(RNDIS_HEADER_BYTES, true);
    switch (type) {
      case is.initialize:
        return message.length < RndisInitialize.size ? this.#ignore(type) : this.#open(requestId);
      case is.halt:
        this.#state.resetRndis();
        this.#note(type, 0, NdisStatus.is.success);
        return 0;
      case is.query:
        return this.#query(view, requestId);
      case is.set:
        return this.#set(message, view, requestId);
      case is.reset:
        return this.#reset();
      case is.keepAlive:
        this.#note(type, 0, NdisStatus.is.success);
        return this.#complete(is.keepAliveComplete, requestId, NdisStatus.is.success);
      case is.setEx:
        return this.#answerQuery(is.setExComplete, requestId, NdisStatus.is.notSupported);
      default:
        return this.#ignore(type);
    }
  }

  #ignore(type: number): number {
    this.#note(type, 0, NdisStatus.is.failure);
    return 0;
  }

  #note(type: number, oid: number, status: number): void {
    this.#trace.emit(requestEvent, type, oid, status);
  }

  #open(requestId: number): number {
    const state = this.#state;
    state.isOperational = true;
    if (state.profile.keepsFilter) state.filter = KEPT_FILTER;
    this.response.fill(0, 0, RndisInitializeComplete.size);
    const answer = RndisInitializeComplete.cursor(this.#view).at(0);
    answer.type = RndisType.is.initializeComplete;
    answer.length = RndisInitializeComplete.size;
    answer.requestId = requestId;
    answer.major = 1;
    answer.deviceFlags = CONNECTIONLESS;
    answer.maxPackets = MAX_PACKETS_PER_MESSAGE;
    answer.maxTransferBytes = MAX_TRANSFER_BYTES;
    answer.alignment = PACKET_ALIGNMENT;
    this.#note(RndisType.is.initialize, 0, NdisStatus.is.success);
    return RndisInitializeComplete.size;
  }

  #query(view: DataView, requestId: number): number {
    const request = RndisRequest.cursor(view).at(0);
    const { oid, infoOffset } = request;
    // A host takes offset 0 for a buffer that lies within the header, empty or not.
    const isRefused = infoOffset === 0 && this.#state.profile.refusesEmptyQuery;
    const answer = isRefused ? NdisStatus.is.invalidData : queryOid(this.#state, oid);
    const status = typeof answer === 'number' ? answer : NdisStatus.is.success;
    this.#note(RndisType.is.query, oid, status);
    const info = typeof answer === 'number' ? undefined : answer;
    return this.#answerQuery(RndisType.is.queryComplete, requestId, status, info);
  }

  #answerQuery(type: number, requestId: number, status: number, info?: Uint8Array): number {
    const length = info?.length ?? 0;
    const answer = RndisQueryComplete.cursor(this.#view).at(0);
    answer.type = type;
    answer.length = RndisQueryComplete.size + length;
    answer.requestId = requestId;
    answer.status = status;
    answer.infoLength = length;
    answer.infoOffset = RndisQueryComplete.size - RNDIS_HEADER_BYTES;
    if (info !== undefined) this.response.set(info, RndisQueryComplete.size);
    return RndisQueryComplete.size + length;
  }

  #set(message: Uint8Array, view: DataView, requestId: number): number {
    const { oid, infoOffset, infoLength } = RndisRequest.cursor(view).at(0);
    const start = infoOffset + RNDIS_HEADER_BYTES;
    let status: number = NdisStatus.is.invalidData;
    const isWithin = start >= RndisRequest.size && start + infoLength <= message.length;
    if (isWithin || infoLength === 0) {
      const info =
        infoLength === 0 ? message.slice(0, 0) : message.slice(start, start + infoLength);
      status = setOid(this.#state, oid, info);
    }
    this.#note(RndisType.is.set, oid, status);
    return this.#complete(RndisType.is.setComplete, requestId, status);
  }

  /** The filter is closed until the guest sets it again, and the answer says so. */
  #reset(): number {
    this.#state.filter = 0;
    const answer = RndisResetComplete.cursor(this.#view).at(0);
    answer.type = RndisType.is.resetComplete;
    answer.length = RndisResetComplete.size;
    answer.status = NdisStatus.is.success;
    answer.addressingReset = 1;
    this.#note(RndisType.is.reset, 0, NdisStatus.is.success);
    return RndisResetComplete.size;
  }

  #complete(type: number, requestId: number, status: number): number {
    const answer = RndisComplete.cursor(this.#view).at(0);
    answer.type = type;
    answer.length = RndisComplete.size;
    answer.requestId = requestId;
    answer.status = status;
    return RndisComplete.size;
  }

  /** Writes INDICATE_STATUS. @returns its bytes */
  indicate(status: number, buffer: Uint8Array): number {
    const message = RndisIndicateStatus.cursor(this.#view).at(0);
    message.type = RndisType.is.indicateStatus;
    message.length = RndisIndicateStatus.size + buffer.length;
    message.status = status;
    message.bufferLength = buffer.length;
    message.bufferOffset = buffer.length === 0 ? 0 : RndisIndicateStatus.size - RNDIS_HEADER_BYTES;
    this.response.set(buffer, RndisIndicateStatus.size);
    this.#trace.emit(statusEvent, status, buffer.length);
    return RndisIndicateStatus.size + buffer.length;
  }
}
