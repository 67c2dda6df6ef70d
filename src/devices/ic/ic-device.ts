import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_SECOND, NS_PER_US } from '../../core/clock.ts';
import type { EventHandle } from '../../core/events.ts';
import { traceType } from '../../core/trace.ts';
import { openEnum, u32, u8 } from '../../core/wire.ts';
import {
  Malformed,
  MessageDevice,
  type GuestMessage,
  type MessageDeviceOptions,
} from '../pipe/message-device.ts';
import type { MessageOffer } from '../pipe/offer.ts';
import {
  FRAMEWORK_VERSIONS,
  IcFlag,
  IcHeader,
  IcMessageType,
  IcNegotiate,
  IcStatus,
  IcVersionEntry,
} from './spec.ts';

/** The host speaks first, once the guest has had its open confirmed. */
const GREETING_NS = 10 * NS_PER_US;
/** Requests wait this long for their answer. */
export const DEFAULT_IC_TIMEOUT_NS = 5 * NS_PER_SECOND;

const negotiatedEvent = traceType('ic', 'negotiated', {
  channel: u32,
  type: IcMessageType,
  framework: u32,
  message: u32,
});
const requestEvent = traceType('ic', 'request', {
  channel: u32,
  type: IcMessageType,
  transaction: u8,
  bytes: u32,
});
const answerEvent = traceType('ic', 'answer', {
  channel: u32,
  type: IcMessageType,
  transaction: u8,
  status: IcStatus,
});
const droppedEvent = traceType('ic', 'dropped', {
  channel: u32,
  type: IcMessageType,
  transaction: u8,
  reason: openEnum(u32, { timeout: 1, lateAnswer: 2, noCommonVersion: 3, superseded: 4 }),
});

/** What became of a request. `answered` has the guest's status; the others never got one. */
export type IcOutcome =
  | 'answered'
  | 'timeout'
  | 'closed'
  | 'notReady'
  | 'notSupported'
  | 'busy'
  | 'cancelled';

/** @param body the answer after its header; undefined unless `answered`, valid during the call */
export type IcDone = (outcome: IcOutcome, status: number, body: GuestMessage | undefined) => void;

interface PendingRequest {
  readonly transactionId: number;
  readonly timeout: EventHandle | undefined;
  readonly done: IcDone;
}

export interface IcOptions extends MessageDeviceOptions {
  /**
   * Message versions to propose, ascending, major << 16 | minor; a host proposes all that it has.
   * Default: all that the component has.
   */
  readonly versions?: readonly number[];
  /**
   * Nanoseconds after which a host proposes again to a guest that found no common version. Windows
   * Server 2012 repeats itself for ever; without it the component stays silent.
   */
  readonly renegotiateNs?: number;
}

/** Where a component's negotiation stands. */
export type IcState = 'closed' | 'negotiating' | 'refused' | 'ready';

/**
 * An integration component: the host proposes versions when the guest opens the channel, the guest
 * picks one of each kind, and then one request at a time goes out and is answered.
 */
export abstract class IcDevice extends MessageDevice {
  readonly #type: number;
  readonly #versions: readonly number[];
  readonly #renegotiateNs: number | undefined;
  #state: IcState = 'closed';
  #greeting: EventHandle | undefined;
  #frameworkVersion = 0;
  #messageVersion = 0;
  #transactionId = 0;
  #pending: PendingRequest | undefined;
  readonly #onTimeout = (): void => this.#drop('timeout', 1);
  readonly #onGreeting = (): void => {
    this.#greeting = undefined;
    this.#sendMessage(IcMessageType.is.negotiate, 0, proposal(this.#versions));
  };

  constructor(
    offer: Omit<MessageOffer, 'order' | 'framing'>,
    type: number,
    versions: readonly number[],
    options: IcOptions,
  ) {
    super({ ...offer, framing: 'pipe' }, options);
    this.#type = type;
    this.#versions = options.versions ?? versions;
    this.#renegotiateNs = options.renegotiateNs;
  }

  /** Both sides have agreed on versions: requests may go out. */
  protected abstract negotiated(): void;
  /** Was `ready` and is not any more. */
  protected abstract ended(): void;

  /** Who hears the answer that a snapshot waits for: nobody, where a caller outside had asked. */
  protected restoredDone(): IcDone {
    return () => undefined;
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#state = state.text('state', this.#state);
    this.#greeting = state.event('greeting', this.#greeting, this.#onGreeting);
    this.#frameworkVersion = state.number('frameworkVersion', this.#frameworkVersion);
    this.#messageVersion = state.number('messageVersion', this.#messageVersion);
    this.#transactionId = state.number('transactionId', this.#transactionId);
    const pending = this.#pending;
    const transactionId = state.optionalNumber('pending', pending?.transactionId);
    const timeout = state.event('timeout', pending?.timeout, this.#onTimeout);
    if (!state.isRestoring) return;
    this.#pending =
      transactionId === undefined
        ? undefined
        : { transactionId, timeout, done: this.restoredDone() };
  }

  get state(): IcState {
    return this.#state;
  }

  /** The agreed version of the component's messages, 0 before there is one. */
  get messageVersion(): number {
    return this.#messageVersion;
  }

  /** The agreed version of the framework, 0 before there is one. */
  get frameworkVersion(): number {
    return this.#frameworkVersion;
  }

  /** A request is out and has no answer yet. */
  protected get isBusy(): boolean {
    return this.#pending !== undefined;
  }

  protected override opened(): void {
    this.#greetAfter(GREETING_NS);
  }

  protected override closed(): void {
    if (this.#greeting !== undefined) this.events.cancel(this.#greeting);
    this.#greeting = undefined;
    const wasReady = this.#state === 'ready';
    this.#state = 'closed';
    this.#frameworkVersion = 0;
    this.#messageVersion = 0;
    this.#finish('closed', 0, undefined);
    if (wasReady) this.ended();
  }

  /**
   * Sends a request. `done` is called from a later event, exactly once.
   * @param body without header
   * @param timeoutNs Infinity for a request that waits until it is answered or abandoned
   */
  protected request(body: Uint8Array, done: IcDone, timeoutNs = DEFAULT_IC_TIMEOUT_NS): void {
    if (this.#state !== 'ready' || this.#pending !== undefined) {
      this.fail(done, this.#state === 'ready' ? 'busy' : 'notReady');
      return;
    }
    this.#transactionId = (this.#transactionId + 1) & 0xff;
    const transactionId = this.#transactionId;
    const timeout =
      timeoutNs === Infinity ? undefined : this.events.after(timeoutNs, this.#onTimeout);
    this.#pending = { transactionId, timeout, done };
    this.trace.emit(requestEvent, this.channelId, this.#type, transactionId, body.length);
    this.#sendMessage(this.#type, transactionId, body);
  }

  /** Gives up the request that is out, if any; its answer will be ignored. */
  protected abandon(): void {
    if (this.#pending !== undefined) this.#drop('cancelled', 4);
  }

  /** Tells a caller, from a later event, that there will be no answer. */
  protected fail(done: IcDone, outcome: IcOutcome): void {
    this.events.tell(() => done(outcome, 0, undefined));
  }

  #drop(outcome: IcOutcome, reason: number): void {
    const { transactionId } = this.#pending!;
    this.trace.emit(droppedEvent, this.channelId, this.#type, transactionId, reason);
    this.#finish(outcome, 0, undefined);
  }

  #finish(outcome: IcOutcome, status: number, body: GuestMessage | undefined): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    if (pending.timeout !== undefined) this.events.cancel(pending.timeout);
    pending.done(outcome, status, body);
  }

  #sendMessage(type: number, transactionId: number, body: Uint8Array): void {
    const message = new Uint8Array(IcHeader.size + body.length);
    const header = IcHeader.cursor(new DataView(message.buffer));
    header.frameworkMajor = this.#frameworkVersion >>> 16;
    header.frameworkMinor = this.#frameworkVersion & 0xffff;
    header.type = type;
    header.messageMajor = this.#messageVersion >>> 16;
    header.messageMinor = this.#messageVersion & 0xffff;
    header.size = body.length;
    header.transactionId = transactionId;
    header.flags = IcFlag.bit.transaction | IcFlag.bit.request;
    message.set(body, IcHeader.size);
    this.send(message);
  }

  #greetAfter(delayNs: number): void {
    this.#state = 'negotiating';
    this.#greeting = this.events.after(delayNs, this.#onGreeting);
  }

  protected override received(message: GuestMessage): void {
    if (message.length < IcHeader.size) {
      this.refuse(Malformed.shortMessage, message.length);
      return;
    }
    const header = IcHeader.cursor(message.view).at(message.start);
    const { type, size, status, transactionId } = header;
    const isAnswer = IcFlag.bit.transaction | IcFlag.bit.response;
    if ((header.flags & isAnswer) !== isAnswer || size > message.length - IcHeader.size) {
      this.refuse(Malformed.badValue, header.flags);
      return;
    }
    const { bytes, view } = message;
    const body = { bytes, view, start: message.start + IcHeader.size, length: size };
    if (type === IcMessageType.is.negotiate) {
      this.#choose(body);
    } else if (type !== this.#type || this.#state !== 'ready') {
      this.refuse(Malformed.unexpected, type);
    } else if (this.#pending?.transactionId !== transactionId) {
      this.trace.emit(droppedEvent, this.channelId, type, transactionId, 2);
    } else {
      this.trace.emit(answerEvent, this.channelId, type, transactionId, status);
      this.#finish('answered', status, body);
    }
  }

  /** Takes the guest's choice: one framework version and one message version of those proposed. */
  #choose({ view, start, length }: GuestMessage): void {
    if (this.#state !== 'negotiating' || this.#greeting !== undefined) {
      this.refuse(Malformed.unexpected, IcMessageType.is.negotiate);
      return;
    }
    const needed = IcNegotiate.size + 2 * IcVersionEntry.size;
    const counts = length < IcNegotiate.size ? undefined : IcNegotiate.cursor(view).at(start);
    let framework = 0;
    let chosen = 0;
    if (counts?.frameworkCount === 1 && counts.messageCount === 1 && length >= needed) {
      framework = versionAt(view, start + IcNegotiate.size);
      chosen = versionAt(view, start + IcNegotiate.size + IcVersionEntry.size);
    }
    if (!FRAMEWORK_VERSIONS.includes(framework) || !this.#versions.includes(chosen)) {
      this.trace.emit(droppedEvent, this.channelId, this.#type, 0, 3);
      this.#state = 'refused';
      if (this.#renegotiateNs !== undefined) this.#greetAfter(this.#renegotiateNs);
      return;
    }
    this.#frameworkVersion = framework;
    this.#messageVersion = chosen;
    this.#state = 'ready';
    this.trace.emit(negotiatedEvent, this.channelId, this.#type, framework, chosen);
    this.negotiated();
  }
}

function versionAt(view: DataView, at: number): number {
  const { major, minor } = IcVersionEntry.cursor(view).at(at);
  return major * 0x1_0000 + minor;
}

function proposal(messageVersions: readonly number[]): Uint8Array {
  const versions = [...FRAMEWORK_VERSIONS, ...messageVersions];
  const body = new Uint8Array(IcNegotiate.size + versions.length * IcVersionEntry.size);
  const view = new DataView(body.buffer);
  const counts = IcNegotiate.cursor(view);
  counts.frameworkCount = FRAMEWORK_VERSIONS.length;
  counts.messageCount = messageVersions.length;
  const entry = IcVersionEntry.cursor(view);
  for (const [index, version] of versions.entries()) {
    entry.at(IcNegotiate.size + index * IcVersionEntry.size);
    entry.major = version >>> 16;
    entry.minor = version & 0xffff;
  }
  return body;
}
