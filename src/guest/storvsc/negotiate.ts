/** The initialisation of a storvsc channel (freebsd-bis.md 2.5; hv_storvsc_channel_init). */
import { NS_PER_SECOND } from '../../core/clock.ts';
import {
  PACKET_BYTES_V2,
  VstorCreateSubChannels,
  VstorHeader,
  VstorOperation,
  VstorProperties,
  VstorPropertyFlags,
  VstorStatus,
  VstorVersionQuery,
} from '../../devices/storvsc/spec.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Errno, type GuestChannel } from '../vmbus/api.ts';
import {
  hasSubChannels,
  negotiatesVersion,
  proposedDialects,
  type StorvscMode,
  type VstorDialect,
} from './protocol.ts';
import { POINTER_HI } from './request.ts';

/** The driver's own wait in 10.2; today's waits without end. */
const LEGACY_TIMEOUT_NS = 5 * NS_PER_SECOND;
const REQUEST_COMPLETION = 1;
/** The init request lies in the softc, outside the request table. */
export const INIT_TRANSACTION_LO = 0x0280_0e48;

export interface NegotiationOptions {
  readonly mode: StorvscMode;
  readonly vmbusVersion: number;
}

/** The one control request of a controller: its packet goes out and the answer replaces it. */
export class Negotiation {
  readonly #kernel: KernelApi;
  readonly #channel: GuestChannel;
  readonly #options: NegotiationOptions;
  readonly #packet = new Uint8Array(PACKET_BYTES_V2);
  readonly #view = new DataView(this.#packet.buffer);
  #isAnswered = false;
  dialect: VstorDialect;
  /** Sub-channels that the host offers beside the primary one; 0 without multi-channel. */
  maxSubChannels = 0;

  constructor(kernel: KernelApi, channel: GuestChannel, options: NegotiationOptions) {
    this.#kernel = kernel;
    this.#channel = channel;
    this.#options = options;
    const [first] = proposedDialects(options.mode, options.vmbusVersion);
    this.dialect = first!;
  }

  get #isOld(): boolean {
    return !negotiatesVersion(this.#options.mode);
  }

  /** Called from the channel's event thread with the packet that answers the init request. */
  answered(bytes: Uint8Array, start: number, length: number): void {
    this.#packet.fill(0);
    this.#packet.set(bytes.subarray(start, start + Math.min(length, this.#packet.length)));
    this.#isAnswered = true;
    this.#kernel.wakeup(this);
  }

  /**
   * BEGIN, versions, PROPERTIES, END. As in the driver, a bad answer to anything but the versions
   * ends the initialisation and still counts as success.
   * @returns 0 or an errno
   */
  *run(): Task<number> {
    const { is } = VstorOperation;
    let error = yield* this.#exchange(is.beginInitialization, 0);
    if (error !== 0 || !this.#isGood()) return error;
    error = yield* this.#agreeOnVersion();
    if (error !== 0 || !this.#isGood()) return error;
    error = yield* this.#exchange(is.queryProperties, 0);
    if (error !== 0 || !this.#isGood()) return error;
    const properties = VstorProperties.cursor(this.#view).at(0);
    const isMultiChannel =
      (properties.propertyFlags & VstorPropertyFlags.bit.multiChannel) !== 0 &&
      hasSubChannels(this.#options.vmbusVersion);
    const max = properties.maxSubChannels;
    if (!this.#isOld) {
      this.#kernel.bootverbose(
        `${this.#channel.device?.name ?? 'storvsc'}: max chans ${max + 1}` +
          `${isMultiChannel ? ', multi-chan capable' : ''}\n`,
      );
    }
    error = yield* this.#exchange(is.endInitialization, 0);
    if (error === 0 && this.#isGood() && isMultiChannel) this.maxSubChannels = max;
    return error;
  }

  *#agreeOnVersion(): Task<number> {
    const proposals = proposedDialects(this.#options.mode, this.#options.vmbusVersion);
    for (const proposal of proposals) {
      const error = yield* this.#exchange(VstorOperation.is.queryProtocolVersion, proposal.version);
      if (error !== 0) return error;
      const { operation, status } = VstorHeader.cursor(this.#view).at(0);
      if (this.#isOld) return 0;
      if (operation !== VstorOperation.is.completeIo) return Errno.EINVAL;
      if (status === VstorStatus.is.success) {
        this.dialect = proposal;
        return 0;
      }
    }
    return Errno.EINVAL;
  }

  /** @returns whether the host will offer so many sub-channels */
  *createSubChannels(count: number): Task<boolean> {
    const error = yield* this.#exchange(VstorOperation.is.createSubChannels, count);
    if (error !== 0) {
      this.#kernel.printf(`Storvsc_error: create multi-channel timeout, ${error}\n`);
      return false;
    }
    const { operation, status } = VstorHeader.cursor(this.#view).at(0);
    if (this.#isGood()) return true;
    this.#kernel.printf(
      `Storvsc_error: create multi-channel invalid operation (${operation}) or statue (${status})\n`,
    );
    return false;
  }

  #isGood(): boolean {
    const { operation, status } = VstorHeader.cursor(this.#view).at(0);
    return operation === VstorOperation.is.completeIo && status === VstorStatus.is.success;
  }

  *#exchange(operation: number, operand: number): Task<number> {
    this.#packet.fill(0);
    const header = VstorHeader.cursor(this.#view).at(0);
    header.operation = operation;
    header.flags = REQUEST_COMPLETION;
    if (operation === VstorOperation.is.queryProtocolVersion) {
      VstorVersionQuery.cursor(this.#view).at(0).version = operand;
    } else if (operation === VstorOperation.is.createSubChannels) {
      VstorCreateSubChannels.cursor(this.#view).at(0).count = operand;
    }
    this.#isAnswered = false;
    const length = this.dialect.packetBytes;
    const wasSent = this.#channel.sendInBand(
      this.#packet,
      0,
      length,
      INIT_TRANSACTION_LO,
      POINTER_HI,
      true,
    );
    if (!wasSent) return Errno.EAGAIN;
    const isLegacy = this.#kernel.switches.release === 'legacy';
    while (!this.#isAnswered && !this.#channel.isRevoked) {
      const wasWoken = yield* this.#kernel.tsleep(this, isLegacy ? LEGACY_TIMEOUT_NS : Infinity);
      if (!wasWoken && !this.#isAnswered) return Errno.ETIMEDOUT;
    }
    return this.#isAnswered ? 0 : Errno.ENXIO;
  }
}
