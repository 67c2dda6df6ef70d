import { utf16 } from '../../core/text.ts';
import type { ChannelLookup } from '../../vmbus/device.ts';
import type { EventHandle } from '../../core/events.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_SECOND } from '../../core/clock.ts';
import { traceType } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { IcDevice, type IcOptions, type IcOutcome } from '../ic/ic-device.ts';
import { IcMessageType } from '../ic/spec.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  SHUTDOWN_REASON_PLANNED,
  SHUTDOWN_TEXT_BYTES,
  ShutdownFlag,
  ShutdownMessage,
  ShutdownVersion,
} from './spec.ts';

/** A guest may close its applications before it answers. */
const ANSWER_TIMEOUT_NS = 30 * NS_PER_SECOND;

const askEvent = traceType('shutdown', 'ask', {
  channel: u32,
  reason: u32,
  flags: ShutdownFlag,
  timeoutSeconds: u32,
});

export interface ShutdownRequest {
  readonly type: 'powerOff' | 'restart' | 'hibernate';
  /** Close applications that do not want to. */
  readonly isForced?: boolean;
  /** What the guest is told that it has; it may ignore that. */
  readonly timeoutSeconds?: number;
  /** `SHTDN_REASON` bits; default: planned. */
  readonly reason?: number;
  /** For the people at the guest; cut at 1023 UTF-16 units. */
  readonly text?: string;
}

/**
 * @param outcome `answered` says that the guest took the request in; it goes down afterwards, and
 *   `notSupported` that the agreed version has no such request
 * @param status what it answered, 0 for yes
 */
export type ShutdownDone = (outcome: IcOutcome, status: number) => void;

const NOBODY = (): void => undefined;

/** A request for a guest that cannot take one yet. */
export interface WaitingShutdown {
  readonly request: ShutdownRequest;
  readonly done: ShutdownDone;
}

/** The shutdown component: asks the guest's operating system to end itself. */
export class Shutdown extends IcDevice {
  #waiting: WaitingShutdown[] = [];
  #askEvent: EventHandle | undefined;
  readonly #askAll = (): void => {
    this.#askEvent = undefined;
    for (const { request, done } of this.takeWaiting()) this.ask(request, done);
  };

  constructor(options: IcOptions) {
    super(
      { name: 'shutdown', interfaceId: DeviceClass.shutdown, instanceId: DeviceInstance.shutdown },
      IcMessageType.is.shutdown,
      Object.values(ShutdownVersion),
      options,
    );
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#waiting = state.list('waiting', this.#waiting, (one) => ({
      request: state.data('request', one?.request ?? { type: 'powerOff' as const }),
      done: one?.done ?? NOBODY,
    }));
    this.#askEvent = state.event('ask', this.#askEvent, this.#askAll);
  }

  /** As `ask`, once the guest can take a request; `done` hears of it then. */
  askWhenReady(request: ShutdownRequest, done: ShutdownDone): void {
    this.#waiting.push({ request, done });
    if (this.state === 'ready') this.#askSoon();
  }

  /** After a reset: what the former component was to ask and could not is this one's to ask. */
  takeOver(former: Shutdown | undefined): void {
    for (const { request, done } of former?.takeWaiting() ?? []) this.askWhenReady(request, done);
  }

  /** Takes away what no guest was asked yet. */
  takeWaiting(): readonly WaitingShutdown[] {
    return this.#waiting.splice(0);
  }

  #askSoon(): void {
    this.#askEvent ??= this.events.after(0, this.#askAll);
  }

  /** One request at a time: `done` hears `busy` while another has no answer. */
  ask(request: ShutdownRequest, done: ShutdownDone): void {
    const needed = {
      powerOff: 0,
      restart: ShutdownVersion.v3_1,
      hibernate: ShutdownVersion.v3_2,
    }[request.type];
    if (this.state === 'ready' && this.messageVersion < needed) {
      this.fail(done, 'notSupported');
      return;
    }
    const { force, restart, hibernate } = ShutdownFlag.bit;
    const kind = { powerOff: 0, restart, hibernate }[request.type];
    const flags = kind | (request.isForced === true ? force : 0);
    const reason = request.reason ?? SHUTDOWN_REASON_PLANNED;
    const timeoutSeconds = request.timeoutSeconds ?? 0;
    const body = buildBytes(ShutdownMessage, (message) => {
      message.reason = reason;
      message.timeoutSeconds = timeoutSeconds;
      message.flags = flags;
      message.text = utf16(request.text ?? '', SHUTDOWN_TEXT_BYTES);
    });
    if (this.state === 'ready')
      this.trace.emit(askEvent, this.channelId, reason, flags, timeoutSeconds);
    const timeoutNs = ANSWER_TIMEOUT_NS + timeoutSeconds * NS_PER_SECOND;
    this.request(body, (outcome, status) => done(outcome, status), timeoutNs);
  }

  protected override negotiated(): void {
    if (this.#waiting.length > 0) this.#askSoon();
  }

  protected override ended(): void {
    // Nothing is kept from one opening to the next.
  }
}
