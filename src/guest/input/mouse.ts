/** hvhid: the synthetic mouse as a HID device, and hms on top of it (freebsd-bis.md 2.8). */
import {
  MOUSE_VERSION,
  MouseDeviceInfo,
  MouseDeviceInfoAck,
  MouseHeader,
  MouseMessage,
  MouseProtocolRequest,
  MouseProtocolResponse,
} from '../../devices/mouse/spec.ts';
import { PipeHeader, PipePacketType } from '../../devices/pipe/spec.ts';
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import { PacketType } from '../../vmbus/spec/ring.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestChannel, GuestDevice, GuestDriver } from '../vmbus/api.ts';
import { Errno } from '../vmbus/api.ts';
import { type HidInput, type HidReport, HidUsage } from './hid-report.ts';
import { parseReportDescriptor, readInput } from './hid-report.ts';

const RING_PAGES = 10;
/** How long the driver waits for the host's description of the device. */
const DESCRIPTION_TIMEOUT_NS = 3_000_000_000;
const REPORT_NS = 3_000;
const DESCRIPTOR_LENGTH_AT = MouseDeviceInfo.offset.descriptorLength;

/** What the pointer last was, as `sysctl dev.hms.0` shows it. */
export interface PointerState {
  readonly x: number;
  readonly y: number;
  /** Bit 0 is the left one. */
  readonly buttons: number;
  /** Notches of the wheel in all, up is positive. */
  readonly wheel: number;
  readonly reports: number;
}

export class Mouse {
  readonly #kernel: KernelApi;
  readonly #device: GuestDevice;
  #isAccepted: boolean | undefined;
  #report: HidReport | undefined;
  #state: PointerState = { x: 0, y: 0, buttons: 0, wheel: 0, reports: 0 };

  constructor(device: GuestDevice) {
    this.#kernel = device.kernel;
    this.#device = device;
  }

  get state(): PointerState {
    return this.#state;
  }

  *attach(): Task<number> {
    const { channel } = this.#device;
    const error = yield* channel.open({
      sendPages: RING_PAGES,
      receivePages: RING_PAGES,
      batchedReading: false,
      onEvent: (from) => this.#drain(from),
    });
    if (error !== 0) return error;
    const failure = yield* this.#connect(channel);
    if (failure !== 0) yield* channel.close();
    else this.#announce();
    return failure;
  }

  *#connect(channel: GuestChannel): Task<number> {
    const isSent = this.#send(channel, MouseProtocolRequest.size, (view, at) => {
      const request = MouseProtocolRequest.cursor(view).at(at);
      request.type = MouseMessage.is.protocolRequest;
      request.size = MouseProtocolRequest.size - MouseHeader.size;
      request.version = MOUSE_VERSION;
    });
    if (!isSent) return Errno.EAGAIN;
    while (this.#isAccepted === undefined && !channel.isRevoked) {
      yield* this.#kernel.tsleep(this, Infinity);
    }
    if (this.#isAccepted !== true) {
      this.#kernel.printf(`${this.#device.name}: proto req failed\n`);
      return Errno.ENODEV;
    }
    const end = this.#kernel.uptimeNs() + DESCRIPTION_TIMEOUT_NS;
    while (this.#report === undefined) {
      const left = end - this.#kernel.uptimeNs();
      if (left <= 0) return Errno.ENODEV;
      yield* this.#kernel.tsleep(this, left);
    }
    return 0;
  }

  #send(channel: GuestChannel, size: number, fill: (view: DataView, at: number) => void): boolean {
    const packet = new Uint8Array(PipeHeader.size + size);
    const view = new DataView(packet.buffer);
    const pipe = PipeHeader.cursor(view);
    pipe.type = PipePacketType.data;
    pipe.length = size;
    fill(view, PipeHeader.size);
    return channel.sendInBand(packet, 0, packet.length, 1, 0, false);
  }

  *#drain(channel: GuestChannel): Task {
    while (channel.receive()) {
      const { packet } = channel;
      const { type, view, payloadLength } = packet;
      const at = packet.payloadStart + PipeHeader.size;
      const length = payloadLength - PipeHeader.size;
      if (type !== PacketType.inBand || length < MouseHeader.size) continue;
      if (PipeHeader.cursor(view).at(packet.payloadStart).type !== PipePacketType.data) continue;
      const header = MouseHeader.cursor(view).at(at);
      const message = header.type;
      const size = Math.min(header.size, length - MouseHeader.size);
      if (message === MouseMessage.is.inputReport) yield REPORT_NS;
      this.#take(channel, message, at, size);
    }
  }

  /** @param size bytes after the mouse's own header that are there */
  #take(channel: GuestChannel, message: number, at: number, size: number): void {
    const { view, bytes } = channel.packet;
    const { is } = MouseMessage;
    if (message === is.protocolResponse) {
      if (size + MouseHeader.size < MouseProtocolResponse.size) return;
      this.#isAccepted = MouseProtocolResponse.cursor(view).at(at).accepted !== 0;
      this.#kernel.wakeup(this);
    } else if (message === is.deviceInfo) {
      this.#describe(channel, bytes, view, at, size + MouseHeader.size);
    } else if (message === is.inputReport && this.#report !== undefined) {
      const start = at + MouseHeader.size;
      if (size >= this.#report.bytes) this.#apply(this.#report, bytes, start);
    }
  }

  #describe(
    channel: GuestChannel,
    bytes: Uint8Array,
    view: DataView,
    at: number,
    length: number,
  ): void {
    this.#send(channel, MouseDeviceInfoAck.size, (target, to) => {
      const ack = MouseDeviceInfoAck.cursor(target).at(to);
      ack.type = MouseMessage.is.deviceInfoAck;
      ack.size = MouseDeviceInfoAck.size - MouseHeader.size;
    });
    // After a resume the host describes what is known already.
    if (this.#report !== undefined || length < MouseDeviceInfo.size) return;
    const info = MouseDeviceInfo.cursor(view).at(at);
    const start = DESCRIPTOR_LENGTH_AT + info.descriptorLength;
    const end = start + info.reportDescriptorLength;
    if (info.descriptorLength === 0 || info.reportDescriptorLength === 0 || end > length) return;
    this.#report = parseReportDescriptor(bytes.subarray(at + start, at + end));
    this.#kernel.wakeup(this);
  }

  #apply(report: HidReport, bytes: Uint8Array, start: number): void {
    let { x, y, wheel } = this.#state;
    let buttons = 0;
    for (const input of report.inputs) {
      const value = readInput(bytes, start, input);
      if (input.usage === HidUsage.x) x = input.isRelative ? x + value : value;
      else if (input.usage === HidUsage.y) y = input.isRelative ? y + value : value;
      else if (input.usage === HidUsage.wheel) wheel += value;
      else if (isButton(input)) buttons |= value << (input.usage - HidUsage.firstButton);
    }
    this.#state = { x, y, buttons, wheel, reports: this.#state.reports + 1 };
  }

  /** hidbus finds a mouse, and hms takes it. */
  #announce(): void {
    const { unit } = this.#device;
    const inputs = this.#report!.inputs;
    const has = (usage: number, letter: string): string =>
      inputs.some((input) => input.usage === usage) ? letter : '';
    const axes = has(HidUsage.x, 'X') + has(HidUsage.y, 'Y') + has(HidUsage.wheel, 'W');
    const buttons = inputs.filter(isButton).length;
    this.#kernel.printf(
      `hidbus${unit}: <HID bus> on ${this.#device.name}\n` +
        `hms${unit}: <Hyper-V Mouse> on hidbus${unit}\n` +
        `hms${unit}: ${buttons} buttons and [${axes}] coordinates ID=0\n`,
    );
    for (const name of ['x', 'y', 'buttons', 'wheel', 'reports'] as const) {
      this.#kernel.addSysctl(`dev.hms.${unit}.${name}`, () => String(this.#state[name]));
    }
  }
}

function isButton({ usage }: HidInput): boolean {
  return usage >= HidUsage.firstButton && usage <= HidUsage.lastButton;
}

export const mouseDriver: GuestDriver = {
  name: 'hvhid',
  probe: (offer, kernel) =>
    offer.interfaceId === DeviceClass.mouse && kernel.switches.hvHid
      ? 'Hyper-V HID device'
      : undefined,
  *attach(device: GuestDevice): Task<number> {
    const mouse = new Mouse(device);
    device.softState = mouse;
    return yield* mouse.attach();
  },
  *detach(device: GuestDevice): Task {
    yield* device.channel.close();
  },
};
