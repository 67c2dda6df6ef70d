import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { EventHandle } from '../../core/events.ts';
import { traceType } from '../../core/trace.ts';
import { u32, u64 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { IcDevice, type IcDone, type IcOptions, type IcOutcome } from '../ic/ic-device.ts';
import { IcMessageType } from '../ic/spec.ts';
import { buildBytes } from '../pipe/build.ts';
import type { GuestMessage } from '../pipe/message-device.ts';
import { GuestHealth, HeartbeatMessage, HeartbeatVersion } from './spec.ts';

const INTERVAL_NS = 2 * NS_PER_SECOND;
/** Beats without an answer until contact counts as lost. */
const LOST_AFTER = 5;

const beatEvent = traceType('heartbeat', 'beat', { channel: u32, sequence: u64 });
const missedEvent = traceType('heartbeat', 'missed', { channel: u32, count: u32 });
const answerEvent = traceType('heartbeat', 'answer', {
  channel: u32,
  sequence: u64,
  health: GuestHealth,
});

/** `noContact` until the first answer; `ok` and `lost` as Hyper-V Manager shows them. */
export type HeartbeatStatus = 'noContact' | 'ok' | 'lost';

export interface HeartbeatOptions extends IcOptions {
  /** Called when the status changes. */
  readonly onStatus?: (status: HeartbeatStatus) => void;
}

/** The heartbeat component: every two seconds the guest shows that it is alive. */
export class Heartbeat extends IcDevice {
  readonly #onStatus: (status: HeartbeatStatus) => void;
  #status: HeartbeatStatus = 'noContact';
  #health: number = GuestHealth.is.unknown;
  #sequence = 0;
  #missed = 0;
  #answers = 0;
  #timer: EventHandle | undefined;
  readonly #onTimer = (): void => this.#beat();
  readonly #onAnswer: IcDone = (outcome, _status, answer) => this.#answer(outcome, answer);

  constructor(options: HeartbeatOptions) {
    super(
      {
        name: 'heartbeat',
        interfaceId: DeviceClass.heartbeat,
        instanceId: DeviceInstance.heartbeat,
      },
      IcMessageType.is.heartbeat,
      Object.values(HeartbeatVersion),
      options,
    );
    this.#onStatus = options.onStatus ?? (() => undefined);
  }

  protected override restoredDone(): IcDone {
    return this.#onAnswer;
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#status = state.text('status', this.#status);
    this.#health = state.number('health', this.#health);
    this.#sequence = state.number('sequence', this.#sequence);
    this.#missed = state.number('missed', this.#missed);
    this.#answers = state.number('answers', this.#answers);
    this.#timer = state.event('timer', this.#timer, this.#onTimer);
  }

  get status(): HeartbeatStatus {
    return this.#status;
  }

  /** What the guest said of itself last, one of `GuestHealth`. */
  get health(): number {
    return this.#health;
  }

  /** Beats that the guest has answered. */
  get answers(): number {
    return this.#answers;
  }

  protected override negotiated(): void {
    this.#sequence = 0;
    this.#missed = 0;
    this.#beat();
  }

  protected override ended(): void {
    if (this.#timer !== undefined) this.events.cancel(this.#timer);
    this.#timer = undefined;
    this.#health = GuestHealth.is.unknown;
    this.#setStatus('noContact');
  }

  #beat(): void {
    this.#timer = this.events.after(INTERVAL_NS, this.#onTimer);
    if (this.isBusy) this.#miss();
    // A guest that reads nothing gets no further beats, and they do not pile up here.
    if (!this.canSend) return;
    this.abandon();
    this.#sequence += 1;
    this.trace.emit(beatEvent, this.channelId, this.#sequence);
    const body = buildBytes(HeartbeatMessage, (beat) => {
      beat.sequenceLo = this.#sequence >>> 0;
    });
    this.request(body, this.#onAnswer, Infinity);
  }

  #miss(): void {
    this.#missed += 1;
    this.trace.emit(missedEvent, this.channelId, this.#missed);
    if (this.#missed >= LOST_AFTER && this.#status === 'ok') this.#setStatus('lost');
  }

  #answer(outcome: IcOutcome, answer: GuestMessage | undefined): void {
    if (outcome !== 'answered' || answer === undefined) return;
    const isWhole = answer.length >= HeartbeatMessage.offset.reserved;
    const beat = isWhole ? HeartbeatMessage.cursor(answer.view).at(answer.start) : undefined;
    if (beat?.sequenceLo !== (this.#sequence + 1) >>> 0) {
      this.#miss();
      return;
    }
    this.#missed = 0;
    this.#answers += 1;
    this.#health = beat.health;
    this.trace.emit(answerEvent, this.channelId, this.#sequence + 1, this.#health);
    this.#setStatus('ok');
  }

  #setStatus(status: HeartbeatStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#onStatus(status);
  }
}
