import { IcMessageType, IcStatus } from '../../devices/ic/spec.ts';
import { KvpVersion } from '../../devices/kvp/spec.ts';
import type { Random } from '../../core/random.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestDevice, WorkQueue } from '../vmbus/api.ts';
import { IcComponent, type IcService } from './component.ts';
import {
  answerForHost,
  type KvpAnswer,
  type KvpRequest,
  requestForDaemon,
} from './kvp-messages.ts';

/** How long the worker waits for the daemon. */
const DAEMON_TIMEOUT_NS = 5_000_000_000;
/** Conversions between UTF-16 and UTF-8, and the copy to or from the daemon. */
const CONVERT_NS = 6_000;
/** From handing a request over to sleeping; now and then something else runs in between. */
const WINDOW_NS = 1_000;
const LATE_ONE_IN = 8;
const LATE_NS = 400_000;

/** What `poll` on the device gives a program. */
export type PollResult = 'readable' | 'timeout';

/**
 * The key-value driver and its character device, /dev/hv_kvp_dev. A worker takes the host's
 * messages one by one, hands each to the daemon, and sleeps until the daemon has written its
 * answer, which goes to the host from within that write.
 */
export class KvpDriver implements IcService {
  readonly type = IcMessageType.is.keyValuePair;
  readonly messageVersion = KvpVersion.v4;
  readonly #kernel: KernelApi;
  readonly #component: IcComponent;
  readonly #queue: WorkQueue;
  readonly #random: Random;
  /** Whoever polls sleeps here; a driver that does not note its pollers never wakes it. */
  readonly #pollers = {};
  /** Posted once for each request that the daemon may read. */
  readonly #semaphore = {};
  #posted = 0;
  #isRegistered = false;
  #isQueued = false;
  /** 10.2: events that have come since the worker took its last message. */
  #pendingRequests = 0;
  #isInProgress = false;
  #isTimedOut = false;
  #isDaemonBusy = false;
  #request: KvpRequest | undefined;

  constructor(device: GuestDevice) {
    this.#kernel = device.kernel;
    this.#component = new IcComponent(device, this);
    this.#queue = device.createQueue(this.#isLegacy ? 'KVP Service' : 'thread taskq');
    this.#random = device.kernel.random('kvp');
  }

  get #isLegacy(): boolean {
    return this.#kernel.switches.release === 'legacy';
  }

  get component(): IcComponent {
    return this.#component;
  }

  *attach(): Task<number> {
    const take = (): void => this.#event();
    return yield* this.#component.attach(function* () {
      yield 1_000;
      take();
    });
  }

  /** Until the daemon has registered, the host's messages stay in the ring. */
  #event(): void {
    if (!this.#isRegistered) return;
    this.#pendingRequests += 1;
    if (this.#isLegacy ? this.#pendingRequests > 1 : this.#isQueued) return;
    this.#isQueued = true;
    const work = (): Task => this.#work();
    this.#queue.enqueue(work);
  }

  /** Requests are the worker's; this one is only asked for by components that answer at once. */
  request(): undefined {
    return undefined;
  }

  *#work(): Task {
    this.#isQueued = false;
    const { message, device } = this.#component;
    let hasMessage = message.receive(device.channel);
    while (hasMessage || (this.#isLegacy && this.#pendingRequests > 0)) {
      if (hasMessage) yield* this.#take();
      // Nothing that the daemon writes from here on is for the host.
      this.#isTimedOut = true;
      if (this.#isInProgress) this.#respond(IcStatus.is.fail);
      if (this.#pendingRequests > 0) this.#pendingRequests -= 1;
      hasMessage = message.receive(device.channel);
    }
  }

  *#take(): Task {
    const { message } = this.#component;
    this.#isInProgress = true;
    if (message.isNegotiation) {
      if (this.#component.negotiate(true)) this.#respond(IcStatus.is.success);
      this.#isInProgress = false;
      return;
    }
    if (!this.#isDaemonBusy) {
      this.#isTimedOut = false;
      this.#isDaemonBusy = true;
      yield CONVERT_NS;
      this.#handOver();
    }
    const { kvpLostWakeup } = this.#kernel.switches;
    if (kvpLostWakeup) {
      const isLate = this.#random.below(LATE_ONE_IN) === 0;
      yield WINDOW_NS + (isLate ? this.#random.below(LATE_NS) : 0);
    }
    // Without a lock around look and sleep, an answer in between wakes nobody.
    if (kvpLostWakeup || this.#isInProgress) yield* this.#kernel.tsleep(this, DAEMON_TIMEOUT_NS);
  }

  #handOver(): void {
    this.#request = requestForDaemon(this.#component.message);
    this.#posted += 1;
    this.#kernel.wakeup(this.#semaphore);
    if (this.#kernel.switches.kvpPollWake) this.#kernel.wakeup(this.#pollers);
  }

  #respond(status: number): void {
    this.#component.message.header.status = status;
    this.#component.reply();
    this.#isInProgress = false;
  }

  /** "hn0" for the GUID in braces with which the host names an adapter; '' without one. */
  interfaceOf(adapterId: string): string {
    const instanceId = adapterId.replaceAll(/[{}]/g, '').toLowerCase();
    return this.#component.device.sibling(instanceId)?.name ?? '';
  }

  // What the character device gives the daemon.

  /** The daemon's first write: it is there, and messages that waited are taken now. */
  register(): void {
    this.#isRegistered = true;
    this.#event();
  }

  /** The daemon has ended; what the host sends waits for the next one. */
  close(): void {
    this.#isRegistered = false;
    this.#isDaemonBusy = false;
    this.#posted = 0;
    this.#kernel.wakeup(this.#pollers);
  }

  *poll(timeoutNs: number): Task<PollResult> {
    if (this.#isDaemonBusy) return 'readable';
    const isNoted = this.#kernel.switches.kvpPollWake;
    const woken = yield* this.#kernel.tsleep(isNoted ? this.#pollers : {}, timeoutNs);
    return woken ? 'readable' : 'timeout';
  }

  *read(): Task<KvpRequest> {
    while (this.#posted === 0) yield* this.#kernel.tsleep(this.#semaphore, Infinity);
    this.#posted -= 1;
    yield CONVERT_NS;
    return this.#request!;
  }

  *write(answer: KvpAnswer): Task {
    yield CONVERT_NS;
    if (!this.#isTimedOut) {
      const { message } = this.#component;
      answerForHost(message, answer);
      // 10.2 tells the host of success whatever its daemon said.
      this.#respond(this.#isLegacy ? IcStatus.is.success : answer.status);
      this.#kernel.wakeup(this);
    }
    this.#isDaemonBusy = false;
  }
}
