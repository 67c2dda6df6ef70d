import { IcMessageType, IcStatus } from '../../devices/ic/spec.ts';
import { HotBackupFlag, VssMessage, VssOperation, VssVersion } from '../../devices/vss/spec.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestChannel, GuestDevice } from '../vmbus/api.ts';
import { IcComponent, type IcService } from './component.ts';

/** How long the driver waits for its daemon. */
const DAEMON_TIMEOUT_NS = 15_000_000_000;
/** Suspending all file systems, or letting them go on (/dev/ufssuspend). */
const SUSPEND_NS = 2_000_000;
const RESUME_NS = 200_000;
const TURN_NS = 20_000;

/**
 * Volume snapshots: the driver hands each request of the host to hv_vss_daemon, which suspends the
 * file systems and lets them go on. FreeBSD has had it since 11.0.
 */
export class VssDriver implements IcService {
  readonly type = IcMessageType.is.volumeShadowCopy;
  readonly messageVersion = VssVersion.blue;
  readonly #kernel: KernelApi;
  readonly #component: IcComponent;
  readonly #requests = {};
  readonly #answers = {};
  #hasDaemon = false;
  #operation: number | undefined;
  #answer: number | undefined;
  /** The file systems are at rest. */
  isFrozen = false;

  constructor(device: GuestDevice) {
    this.#kernel = device.kernel;
    this.#component = new IcComponent(device, this);
  }

  *attach(): Task<number> {
    const queue = this.#component.device.createQueue('hv_vss');
    const serve = (channel: GuestChannel): Task => this.#serve(channel);
    const error = yield* this.#component.attach(function* (channel) {
      yield 1_000;
      queue.enqueue(() => serve(channel));
    });
    if (error === 0) this.#kernel.userland.startDaemon('hv_vss_daemon', () => this.#daemon());
    return error;
  }

  /** Requests wait for the daemon, so they are not answered at once. */
  request(): undefined {
    return undefined;
  }

  *#serve(channel: GuestChannel): Task {
    const component = this.#component;
    const { message } = component;
    while (message.receive(channel)) {
      if (message.isNegotiation) {
        if (component.negotiate()) component.reply();
        continue;
      }
      const { operation } = VssMessage.cursor(message.view).at(message.bodyStart);
      message.header.status = yield* this.#ask(operation);
      if (operation === VssOperation.is.checkHotBackup) {
        const { supported, noAutoRecovery } = HotBackupFlag.bit;
        const flags = supported | noAutoRecovery;
        VssMessage.cursor(message.view).at(message.bodyStart).flags = flags;
      }
      component.reply();
    }
  }

  /** @returns an IcStatus */
  *#ask(operation: number): Task<number> {
    const { checkHotBackup, freeze, thaw } = VssOperation.is;
    if (operation !== checkHotBackup && operation !== freeze && operation !== thaw) {
      return operation === VssOperation.is.backupComplete
        ? IcStatus.is.success
        : IcStatus.is.notSupported;
    }
    if (!this.#hasDaemon) return IcStatus.is.fail;
    this.#answer = undefined;
    this.#operation = operation;
    this.#kernel.wakeup(this.#requests);
    const end = this.#kernel.uptimeNs() + DAEMON_TIMEOUT_NS;
    while (this.#answer === undefined) {
      const left = end - this.#kernel.uptimeNs();
      if (left <= 0) return IcStatus.is.fail;
      yield* this.#kernel.tsleep(this.#answers, left);
    }
    return this.#answer;
  }

  *#daemon(): Task {
    this.#hasDaemon = true;
    for (;;) {
      while (this.#operation === undefined) yield* this.#kernel.tsleep(this.#requests, Infinity);
      const operation = this.#operation;
      this.#operation = undefined;
      yield TURN_NS;
      if (operation === VssOperation.is.freeze) {
        yield SUSPEND_NS;
        this.isFrozen = true;
      } else if (operation === VssOperation.is.thaw) {
        yield RESUME_NS;
        this.isFrozen = false;
      }
      this.#answer = IcStatus.is.success;
      this.#kernel.wakeup(this.#answers);
    }
  }
}
