import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestChannel, GuestDevice } from '../vmbus/api.ts';
import { IcMessage } from './message.ts';
import { type IcVersions, negotiate, negotiateLegacy, showVersion } from './negotiate.ts';

/** Pages of each ring. */
const RING_PAGES = 4;
/** Processor time of a driver for one message. */
const MESSAGE_NS = 3_000;
const FRAMEWORK_VERSION = 0x3_0000;

/** What one integration component does; the rest is the same for all. */
export interface IcService {
  /** IcMessageType of its requests. */
  readonly type: number;
  /** Newest message version that today's driver knows. */
  readonly messageVersion: number;
  /** Versions have been agreed on, and the answer is about to go. */
  negotiated?(): void;
  /** Takes a request, and makes an answer of it. @returns what is to be done once it is sent */
  request(message: IcMessage): (() => void) | undefined;
}

/** An integration component of the guest: its channel, its versions, and its one message buffer. */
export class IcComponent {
  readonly device: GuestDevice;
  readonly kernel: KernelApi;
  readonly message = new IcMessage();
  readonly versions: IcVersions = { framework: 0, message: 0 };
  readonly #service: IcService;

  constructor(device: GuestDevice, service: IcService) {
    this.device = device;
    this.kernel = device.kernel;
    this.#service = service;
  }

  get service(): IcService {
    return this.#service;
  }

  get #isLegacy(): boolean {
    return this.kernel.switches.release === 'legacy';
  }

  /** A line of the driver's. */
  print(text: string): void {
    this.kernel.printf(`${this.device.name}: ${text}\n`);
  }

  /** Opens the channel. @param onEvent takes the messages; by default each is answered at once */
  *attach(onEvent?: (channel: GuestChannel) => Task): Task<number> {
    const error = yield* this.device.channel.open({
      sendPages: RING_PAGES,
      receivePages: RING_PAGES,
      batchedReading: false,
      onEvent: onEvent ?? ((channel) => this.#serve(channel)),
    });
    if (error !== 0 || this.#isLegacy) return error;
    const tree = `dev.${this.device.driverName}.${this.device.unit}`;
    this.kernel.addSysctl(`${tree}.fw_version`, () => showVersion(this.versions.framework));
    this.kernel.addSysctl(`${tree}.msg_version`, () => showVersion(this.versions.message));
    return 0;
  }

  *#serve(channel: GuestChannel): Task {
    while (this.message.receive(channel)) {
      yield MESSAGE_NS;
      this.#answer();
    }
  }

  #answer(): void {
    const { message } = this;
    let afterwards: (() => void) | undefined;
    if (message.isNegotiation) {
      if (!this.negotiate()) return;
    } else if (message.header.type === this.#service.type || this.#isLegacy) {
      afterwards = this.#service.request(message);
    } else {
      this.print(`got 0x${message.header.type.toString(16).padStart(8, '0')} icmsg`);
    }
    this.reply();
    afterwards?.();
  }

  /** Makes the answer to a proposal of versions. @returns false when there is none to give */
  negotiate(isKvp = false): boolean {
    const { message, versions, kernel } = this;
    if (this.#isLegacy) {
      negotiateLegacy(message, versions, isKvp);
    } else {
      const most = { framework: FRAMEWORK_VERSION, message: this.#service.messageVersion };
      const print = (text: string): void => this.print(text);
      if (negotiate(message, most, versions, kernel.verbose, print) !== 0) return false;
    }
    this.#service.negotiated?.();
    return true;
  }

  reply(): void {
    if (this.message.reply(this.device.channel) || this.#isLegacy) return;
    this.print('resp send failed: 35');
  }
}
