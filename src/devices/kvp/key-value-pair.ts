import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { traceType } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import {
  DEFAULT_IC_TIMEOUT_NS,
  IcDevice,
  type IcDone,
  type IcOptions,
  type IcOutcome,
} from '../ic/ic-device.ts';
import { IcMessageType, IcStatus } from '../ic/spec.ts';
import { Malformed, type GuestMessage } from '../pipe/message-device.ts';
import { decodeIpMessage, encodeIpMessage, type IpInfo } from './ip-info.ts';
import { KvpEnumerate, KvpHeader, KvpOperation, KvpPool, KvpVersion } from './spec.ts';
import {
  decodeEntry,
  encodeDelete,
  encodeEnumerate,
  encodeGet,
  encodeSet,
  type KvpData,
  type KvpEntry,
  type KvpPoolName,
} from './values.ts';

const askEvent = traceType('kvp', 'ask', {
  channel: u32,
  operation: KvpOperation,
  pool: KvpPool,
});

/** No guest has more entries in a pool; one that never ends its list is stopped here. */
const MAX_ENTRIES = 4096;

/** @param status the guest's, 0 for yes, 0x80070103 past the last entry */
export type KvpDone = (outcome: IcOutcome, status: number) => void;
/** @param entry undefined when there is none, or the answer makes no sense */
export type KvpEntryDone = (
  outcome: IcOutcome,
  status: number,
  entry: KvpEntry | undefined,
) => void;
/** @param info undefined when there is none, or the answer makes no sense */
export type KvpIpDone = (outcome: IcOutcome, status: number, info: IpInfo | undefined) => void;

export interface KvpOptions extends IcOptions {
  /** How long a request waits for the guest's answer; default 5 s. */
  readonly timeoutNs?: number;
  /** What the host writes into the pool `autoExternal` once the guest's driver is there. */
  readonly hostFacts?: ReadonlyMap<string, string>;
}

const NO_BYTES = new Uint8Array(0);
const NOBODY: IcDone = () => undefined;

interface WaitingRequest {
  readonly body: Uint8Array;
  readonly done: IcDone;
}

/**
 * The data exchange component. One request is out at a time, the others wait for their turn; a
 * request that the guest does not answer in time ends with `timeout`.
 */
export class KeyValuePair extends IcDevice {
  readonly #timeoutNs: number;
  readonly #hostFacts: ReadonlyMap<string, string>;
  readonly #waiting: WaitingRequest[] = [];

  constructor(options: KvpOptions) {
    super(
      {
        name: 'kvp',
        interfaceId: DeviceClass.keyValuePair,
        instanceId: DeviceInstance.keyValuePair,
      },
      IcMessageType.is.keyValuePair,
      Object.values(KvpVersion),
      options,
    );
    this.#timeoutNs = options.timeoutNs ?? DEFAULT_IC_TIMEOUT_NS;
    this.#hostFacts = options.hostFacts ?? new Map();
  }

  /** Requests that wait for one that is out. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  get(pool: KvpPoolName, key: string, done: KvpEntryDone): void {
    this.#ask(encodeGet(pool, key), (outcome, status, answer) =>
      done(outcome, status, this.#entry(status, answer, KvpHeader.size)),
    );
  }

  set(pool: KvpPoolName, key: string, data: KvpData, done: KvpDone): void {
    this.#ask(encodeSet(pool, key, data), (outcome, status) => done(outcome, status));
  }

  delete(pool: KvpPoolName, key: string, done: KvpDone): void {
    this.#ask(encodeDelete(pool, key), (outcome, status) => done(outcome, status));
  }

  /** The entry at an index, from 0; status 0x80070103 past the last one. */
  enumerate(pool: KvpPoolName, index: number, done: KvpEntryDone): void {
    const at = KvpHeader.size + KvpEnumerate.size;
    this.#ask(encodeEnumerate(pool, index), (outcome, status, answer) =>
      done(outcome, status, this.#entry(status, answer, at)),
    );
  }

  /**
   * All entries of a pool, one request each.
   * @param done hears how the last request ended: status 0x80070103 for a list that is complete, or 0
   *   from a guest that ends its list with an entry without a name
   */
  list(
    pool: KvpPoolName,
    done: (outcome: IcOutcome, status: number, entries: readonly KvpEntry[]) => void,
  ): void {
    const entries: KvpEntry[] = [];
    const next = (index: number): void =>
      this.enumerate(pool, index, (outcome, status, entry) => {
        // FreeBSD 10.2 says yes past the end too, with an entry that has no name.
        const isNameless = entry?.key === '';
        const isOver = outcome !== 'answered' || status !== IcStatus.is.success || isNameless;
        if (entry !== undefined && !isNameless) entries.push(entry);
        if (isOver || index + 1 >= MAX_ENTRIES) done(outcome, status, entries);
        else next(index + 1);
      });
    next(0);
  }

  /** @param adapterId the network adapter's GUID in braces */
  getIpInfo(adapterId: string, done: KvpIpDone): void {
    this.#askIp(KvpOperation.is.getIpInfo, adapterId, undefined, (outcome, status, answer) => {
      const isBinary = this.messageVersion >= KvpVersion.v5;
      const isThere = answer !== undefined && status === IcStatus.is.success;
      const info = isThere ? decodeIpMessage(answer, isBinary) : undefined;
      if (isThere && info === undefined) this.refuse(Malformed.badValue, answer.length);
      done(outcome, status, info);
    });
  }

  /** IP injection: gives an adapter of the guest its addresses, as a failover does. */
  setIpInfo(adapterId: string, info: IpInfo, done: KvpDone): void {
    this.#askIp(KvpOperation.is.setIpInfo, adapterId, info, (outcome, status) =>
      done(outcome, status),
    );
  }

  protected override negotiated(): void {
    // The host asks only when somebody wants to know; what it has to say it says by itself.
    for (const [key, value] of this.#hostFacts) {
      this.set('autoExternal', key, { type: 'string', value }, () => undefined);
    }
  }

  protected override ended(): void {
    for (const { done } of this.#waiting.splice(0)) this.fail(done, 'closed');
  }

  #entry(status: number, answer: GuestMessage | undefined, at: number): KvpEntry | undefined {
    if (answer === undefined || status !== IcStatus.is.success) return undefined;
    const entry = decodeEntry(answer, at);
    if (entry === undefined) this.refuse(Malformed.badValue, answer.length);
    return entry;
  }

  #askIp(operation: number, adapterId: string, info: IpInfo | undefined, done: IcDone): void {
    const isBinary = this.messageVersion >= KvpVersion.v5;
    this.#ask(encodeIpMessage(operation, adapterId, info, isBinary), done);
  }

  #ask(body: Uint8Array, done: IcDone): void {
    if (this.state === 'ready' && this.isBusy) {
      this.#waiting.push({ body, done });
      return;
    }
    if (this.state === 'ready') this.trace.emit(askEvent, this.channelId, body[0], body[1]);
    const finish: IcDone = (outcome, status, answer) => {
      done(outcome, status, answer);
      this.#askNext();
    };
    this.request(body, finish, this.#timeoutNs);
  }

  #askNext(): void {
    // The caller may have asked on, which is fair: it was its turn.
    if (this.isBusy) return;
    const next = this.#waiting.shift();
    if (next !== undefined) this.#ask(next.body, next.done);
  }

  protected override restoredDone(): IcDone {
    return () => this.#askNext();
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    const waiting = state.list('waiting', this.#waiting, (request) => ({
      body: state.bytes('body', request?.body ?? NO_BYTES),
      done: request?.done ?? NOBODY,
    }));
    if (state.isRestoring) this.#waiting.splice(0, Infinity, ...waiting);
  }
}
