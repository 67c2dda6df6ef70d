/** NVS, the control protocol of hn's primary channel (freebsd-bis.md 2.7, steps 1 to 5 and 11). */
import { NS_PER_SECOND } from '../../core/clock.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import {
  NvspBuffer,
  NvspInit,
  NvspInitComplete,
  NvspNdisConfig,
  NvspNdisVersion,
  NvspReceiveBufferComplete,
  NvspRevoke,
  NvspSendBufferComplete,
  NvspStatus,
  NvspSubChannelComplete,
  NvspSubChannelRequest,
  NvspType,
  NvspVersion,
  NdisCapability,
  SubChannelOperation,
} from '../../devices/netvsc/spec/nvsp.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Errno, type GuestChannel, type PageRange } from '../vmbus/api.ts';

/** Shortest request that the driver sends, in bytes. */
const REQUEST_BYTES = 32;
const ANSWER_BYTES = 64;
const TRANSACTION_LO = 0x0290_0000;
const TRANSACTION_HI = 0xffff_f800;
const LEGACY_TIMEOUT_NS = 5 * NS_PER_SECOND;
const MEGABYTE = 1024 * 1024;
const SMALL_RECEIVE_BYTES = 15 * MEGABYTE;
const RECEIVE_BYTES = 16 * MEGABYTE;
const SEND_BYTES = 15 * MEGABYTE;
export const RECEIVE_BUFFER_ID = 0xcafe;
const SEND_BUFFER_ID = 0xface;
const ETHERNET_HEADER_BYTES = 14;

const LEGACY_VERSIONS = [NvspVersion.v5, NvspVersion.v4, NvspVersion.v2, NvspVersion.v1];
const MODERN_VERSIONS = [NvspVersion.v61, NvspVersion.v6, ...LEGACY_VERSIONS];

/** A buffer that the host may use for the life of the channel. */
export interface SharedBuffer {
  readonly gpa: number;
  readonly bytes: number;
  gpadlId: number;
  isConnected: boolean;
}

export function isNvsTransaction(low: number, high: number): boolean {
  return low === TRANSACTION_LO && high === TRANSACTION_HI;
}

/** A range over pages that follow each other. */
export function pagesAt(gpa: number, length: number): PageRange {
  const first = Math.floor(gpa / PAGE_BYTES);
  const offset = gpa % PAGE_BYTES;
  const count = Math.ceil((offset + length) / PAGE_BYTES);
  return {
    length,
    offset,
    pfns: Float64Array.from({ length: count }, (_, index) => first + index),
  };
}

export class NvsControl {
  readonly #kernel: KernelApi;
  readonly #channel: GuestChannel;
  readonly #name: string;
  readonly #request = new Uint8Array(REQUEST_BYTES);
  readonly #view = new DataView(this.#request.buffer);
  readonly #answer = new Uint8Array(ANSWER_BYTES);
  readonly #answerView = new DataView(this.#answer.buffer);
  #isAnswered = false;
  version = 0;
  ndisMajor = 6;
  ndisMinor = 1;
  receive: SharedBuffer | undefined;
  send: SharedBuffer | undefined;
  /** Bytes of one chimney section, and how many there are; 0 without a send buffer. */
  sectionBytes = 0;
  sectionCount = 0;

  constructor(kernel: KernelApi, channel: GuestChannel, name: string) {
    this.#kernel = kernel;
    this.#channel = channel;
    this.#name = name;
  }

  get #isLegacy(): boolean {
    return this.#kernel.switches.release === 'legacy';
  }

  /** From the channel's event thread: the completion of the request that is out. */
  answered(bytes: Uint8Array, start: number, length: number): void {
    this.#answer.fill(0);
    for (let index = 0; index < Math.min(length, ANSWER_BYTES); index += 1) {
      this.#answer[index] = bytes[start + index]!;
    }
    this.#isAnswered = true;
    this.#kernel.wakeup(this);
  }

  /** @returns 0 or an errno */
  *attach(mtu: number): Task<number> {
    let error = yield* this.#agreeOnVersion();
    if (error !== 0) return error;
    this.ndisMinor = this.version <= NvspVersion.v4 ? 1 : 30;
    this.#kernel.bootverbose(
      `${this.#name}: NVS version 0x${this.version.toString(16)}, NDIS version ` +
        `${this.ndisMajor}.${this.ndisMinor}\n`,
    );
    if (this.version >= NvspVersion.v2) this.#configureNdis(mtu);
    this.#sendNdisVersion();
    error = yield* this.#connectReceive();
    if (error !== 0) return error;
    return yield* this.#connectSend();
  }

  *#agreeOnVersion(): Task<number> {
    for (const version of this.#isLegacy ? LEGACY_VERSIONS : MODERN_VERSIONS) {
      this.#begin(NvspType.is.init);
      const init = NvspInit.cursor(this.#view).at(0);
      init.version = version;
      init.version2 = version;
      const error = yield* this.#exchange();
      if (error !== 0) return error;
      const answer = NvspInitComplete.cursor(this.#answerView).at(0);
      if (answer.type !== NvspType.is.initComplete) return Errno.EINVAL;
      if (answer.status === NvspStatus.is.success) {
        this.version = version;
        return 0;
      }
    }
    this.#kernel.printf(`${this.#name}: no NVS available\n`);
    return Errno.ENXIO;
  }

  #configureNdis(mtu: number): void {
    this.#begin(NvspType.is.sendNdisConfig);
    const config = NvspNdisConfig.cursor(this.#view).at(0);
    config.mtu = this.#isLegacy ? mtu : mtu + ETHERNET_HEADER_BYTES;
    let capabilities: number = NdisCapability.vlan;
    if (!this.#isLegacy && this.version >= NvspVersion.v5) capabilities |= NdisCapability.sriov;
    if (!this.#isLegacy && this.version >= NvspVersion.v61) {
      capabilities |= NdisCapability.receiveCoalescing;
    }
    config.capabilities = BigInt(capabilities);
    this.#post();
  }

  #sendNdisVersion(): void {
    this.#begin(NvspType.is.sendNdisVersion);
    const version = NvspNdisVersion.cursor(this.#view).at(0);
    version.major = this.ndisMajor;
    version.minor = this.ndisMinor;
    this.#post();
  }

  *#connectReceive(): Task<number> {
    const isSmall = !this.#isLegacy && this.version <= NvspVersion.v2;
    const buffer = yield* this.#share(isSmall ? SMALL_RECEIVE_BYTES : RECEIVE_BYTES, 'rxbuf');
    if (buffer === undefined) return Errno.EIO;
    this.receive = buffer;
    const error = yield* this.#offerBuffer(
      NvspType.is.sendReceiveBuffer,
      buffer,
      RECEIVE_BUFFER_ID,
    );
    if (error !== 0) return error;
    const answer = NvspReceiveBufferComplete.cursor(this.#answerView).at(0);
    if (answer.type !== NvspType.is.sendReceiveBufferComplete) return Errno.EINVAL;
    if (answer.status !== NvspStatus.is.success) {
      this.#kernel.printf(`${this.#name}: NVS rxbuf conn failed: ${answer.status}\n`);
      return Errno.EIO;
    }
    buffer.isConnected = true;
    return 0;
  }

  *#connectSend(): Task<number> {
    const buffer = yield* this.#share(SEND_BYTES, 'chim');
    // The driver can do without.
    if (buffer === undefined) return this.#isLegacy ? Errno.EIO : 0;
    this.send = buffer;
    const error = yield* this.#offerBuffer(NvspType.is.sendSendBuffer, buffer, SEND_BUFFER_ID);
    if (error !== 0) return error;
    const answer = NvspSendBufferComplete.cursor(this.#answerView).at(0);
    if (answer.type !== NvspType.is.sendSendBufferComplete) return Errno.EINVAL;
    if (answer.status !== NvspStatus.is.success) {
      this.#kernel.printf(`${this.#name}: NVS chim conn failed: ${answer.status}\n`);
      return Errno.EIO;
    }
    buffer.isConnected = true;
    const { sectionBytes } = answer;
    if (sectionBytes < 64 || sectionBytes > SEND_BYTES || sectionBytes % 4 !== 0) {
      this.#kernel.printf(`${this.#name}: zero chimney sending buffer section size\n`);
      return 0;
    }
    this.sectionBytes = sectionBytes;
    this.sectionCount = Math.floor(SEND_BYTES / sectionBytes);
    this.#kernel.bootverbose(
      `${this.#name}: chimney sending buffer ${sectionBytes}/${this.sectionCount}\n`,
    );
    return 0;
  }

  /** Memory that is not touched until frames are in it. */
  *#share(bytes: number, what: string): Task<SharedBuffer | undefined> {
    const gpa = this.#kernel.allocateUnzeroed(bytes / PAGE_BYTES);
    if (gpa < 0) {
      this.#kernel.printf(`${this.#name}: allocate ${what} failed\n`);
      return undefined;
    }
    const gpadlId = yield* this.#channel.connectGpadl(pagesAt(gpa, bytes));
    if (gpadlId !== 0) return { gpa, bytes, gpadlId, isConnected: false };
    this.#kernel.freePages(gpa, bytes / PAGE_BYTES);
    this.#kernel.printf(`${this.#name}: ${what} GPADL connect failed\n`);
    return undefined;
  }

  *#offerBuffer(type: number, buffer: SharedBuffer, id: number): Task<number> {
    this.#begin(type);
    const message = NvspBuffer.cursor(this.#view).at(0);
    message.gpadlId = buffer.gpadlId;
    message.id = id;
    return yield* this.#exchange();
  }

  /** @returns how many sub-channels the host will offer, 0 for none */
  *allocateSubChannels(count: number): Task<number> {
    this.#begin(NvspType.is.subChannel);
    const request = NvspSubChannelRequest.cursor(this.#view).at(0);
    request.operation = SubChannelOperation.is.allocate;
    request.count = count;
    if ((yield* this.#exchange()) !== 0) return 0;
    const answer = NvspSubChannelComplete.cursor(this.#answerView).at(0);
    if (answer.type !== NvspType.is.subChannel || answer.status !== NvspStatus.is.success) return 0;
    return Math.min(count, answer.count);
  }

  /** Tells the host that the buffers are no longer its own; their GPADLs stay. */
  *disconnectBuffers(): Task {
    this.#disconnect(NvspType.is.revokeReceiveBuffer, this.receive, RECEIVE_BUFFER_ID);
    this.#disconnect(NvspType.is.revokeSendBuffer, this.send, SEND_BUFFER_ID);
    // The driver gives the host 200 ms, since these messages have no answer.
    if (!this.#channel.isRevoked) yield* this.#kernel.tsleep({}, NS_PER_SECOND / 5);
  }

  #disconnect(type: number, buffer: SharedBuffer | undefined, id: number): void {
    if (buffer?.isConnected !== true) return;
    this.#begin(type);
    NvspRevoke.cursor(this.#view).at(0).id = id;
    this.#post();
    buffer.isConnected = false;
  }

  /** Before the channel's close below VMBus 4.0, after it from there on. */
  *tearDownGpadls(): Task {
    for (const buffer of [this.receive, this.send]) {
      if (buffer === undefined || buffer.gpadlId === 0) continue;
      yield* this.#channel.disconnectGpadl(buffer.gpadlId);
      buffer.gpadlId = 0;
      this.#kernel.freePages(buffer.gpa, buffer.bytes / PAGE_BYTES);
    }
    this.receive = undefined;
    this.send = undefined;
    this.sectionCount = 0;
  }

  #begin(type: number): void {
    this.#request.fill(0);
    this.#view.setUint32(0, type, true);
  }

  /** A message without an answer. */
  #post(): void {
    this.#channel.sendInBand(this.#request, 0, REQUEST_BYTES, TRANSACTION_LO, 0, false);
  }

  *#exchange(): Task<number> {
    this.#isAnswered = false;
    const wasSent = this.#channel.sendInBand(
      this.#request,
      0,
      REQUEST_BYTES,
      TRANSACTION_LO,
      TRANSACTION_HI,
      true,
    );
    if (!wasSent) return Errno.EAGAIN;
    const limitNs = this.#isLegacy ? LEGACY_TIMEOUT_NS : NS_PER_SECOND / 10;
    while (!this.#isAnswered) {
      if (this.#channel.isRevoked) return Errno.ENXIO;
      const wasWoken = yield* this.#kernel.tsleep(this, limitNs);
      if (!wasWoken && !this.#isAnswered && this.#isLegacy) return Errno.ETIMEDOUT;
    }
    return 0;
  }
}
