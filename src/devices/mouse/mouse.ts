import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_MS } from '../../core/clock.ts';
import { InputError } from '../../core/errors.ts';
import type { EventHandle } from '../../core/events.ts';
import { traceType } from '../../core/trace.ts';
import { u16, u32, u8 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  Malformed,
  MessageDevice,
  type GuestMessage,
  type MessageDeviceOptions,
} from '../pipe/message-device.ts';
import {
  HID_DESCRIPTOR_BYTES,
  HID_DESCRIPTOR_TYPE,
  HID_VERSION,
  MOUSE_MAX_POSITION,
  MOUSE_PRODUCT_ID,
  MOUSE_REPORT_DESCRIPTOR,
  MOUSE_VENDOR_ID,
  MOUSE_VERSION,
  MOUSE_VERSION_ID,
  MouseButton,
  MouseDeviceInfo,
  MouseDeviceInfoAck,
  MouseHeader,
  MouseInputReport,
  MouseMessage,
  MouseProtocolRequest,
  MouseProtocolResponse,
  REPORT_DESCRIPTOR_TYPE,
} from './spec.ts';

const NOBODY = (): void => undefined;

/** How often a mouse with callbacks to make looks whether the guest has read its reports. */
const READ_POLL_NS = NS_PER_MS;
const MAX_WHEEL = 32_767;
const ALL_BUTTONS = 0x1f;

const negotiatedEvent = traceType('mouse', 'negotiated', {
  channel: u32,
  version: u32,
  accepted: u32,
});
const activeEvent = traceType('mouse', 'active', { channel: u32 });
const reportEvent = traceType('mouse', 'report', {
  channel: u32,
  buttons: u8,
  x: u16,
  y: u16,
  wheel: u16,
});

/** A position is in 1/32767 of the screen, from its top left corner; buttons are `MouseButton`. */
export interface MouseState {
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
  /** Notches of the wheel since the last report; up is positive. */
  readonly wheel: number;
}

interface QueuedReport {
  state: MouseState;
  /** Called when the guest has read this report and all before it. */
  readonly done: (() => void)[];
}

/**
 * The mouse VSP: an absolute pointing device with five buttons and a wheel. Reports wait until the
 * guest's driver is there; movements that wait with the same buttons become one.
 */
export class SyntheticMouse extends MessageDevice {
  #reports: QueuedReport[] = [];
  #isAccepted = false;
  #isActive = false;
  #x = 0;
  #y = 0;
  #buttons = 0;
  #pumpEvent: EventHandle | undefined;
  #unreadCallbacks: readonly (() => void)[] = [];
  readonly #onPump = (): void => {
    this.#pumpEvent = undefined;
    this.#pump();
  };

  constructor(options: MessageDeviceOptions) {
    super(
      {
        name: 'mouse',
        interfaceId: DeviceClass.mouse,
        instanceId: DeviceInstance.mouse,
        framing: 'pipe',
      },
      options,
    );
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#reports = state.list('reports', this.#reports, (report) => ({
      state: state.data('report', report?.state ?? { x: 0, y: 0, buttons: 0, wheel: 0 }),
      done: state.list('callbacks', report?.done ?? [], (done) => done ?? NOBODY),
    }));
    this.#isAccepted = state.flag('isAccepted', this.#isAccepted);
    this.#isActive = state.flag('isActive', this.#isActive);
    this.#x = state.number('x', this.#x);
    this.#y = state.number('y', this.#y);
    this.#buttons = state.number('buttons', this.#buttons);
    this.#unreadCallbacks = state.list(
      'unreadCallbacks',
      this.#unreadCallbacks,
      (done) => done ?? NOBODY,
    );
    this.#pumpEvent = state.event('pump', this.#pumpEvent, this.#onPump);
  }

  /** The guest has a driver for the mouse, and has acknowledged its description. */
  get isReady(): boolean {
    return this.#isActive;
  }

  /** Reports that the guest has not been given. */
  get pendingReports(): number {
    return this.#reports.length;
  }

  /**
   * Moves the pointer to a pixel of a screen.
   * @param done called when the guest has read it
   */
  moveTo(x: number, y: number, width: number, height: number, done?: () => void): void {
    if (!(x >= 0 && x < width && y >= 0 && y < height)) {
      throw new InputError('mouse', `(${x}, ${y}) is not on a screen of ${width} by ${height}`);
    }
    this.#x = scaled(x, width);
    this.#y = scaled(y, height);
    this.#report(0, done);
  }

  /** @param button one of `MouseButton` */
  button(button: number, isDown: boolean, done?: () => void): void {
    if (!Object.values<number>(MouseButton).includes(button)) {
      throw new InputError('mouse', `there is no button ${button}: expected 1, 2, 4, 8 or 16`);
    }
    this.#buttons = isDown ? this.#buttons | button : this.#buttons & ~button;
    this.#report(0, done);
  }

  /** @param notches of the wheel, up is positive */
  scroll(notches: number, done?: () => void): void {
    if (!Number.isInteger(notches) || Math.abs(notches) > MAX_WHEEL) {
      throw new InputError('mouse', `${notches} wheel notches: expected a whole number to ±32767`);
    }
    this.#report(notches, done);
  }

  /** A report as it is; out-of-range values are cut to their fields' width. */
  report(state: MouseState, done?: () => void): void {
    this.#x = state.x & 0xffff;
    this.#y = state.y & 0xffff;
    this.#buttons = state.buttons & ALL_BUTTONS;
    this.#report(state.wheel, done);
  }

  protected override opened(): void {
    this.#isAccepted = false;
    this.#isActive = false;
  }

  protected override closed(): void {
    this.#isAccepted = false;
    this.#isActive = false;
    this.#unreadCallbacks = [];
    if (this.#pumpEvent !== undefined) this.events.cancel(this.#pumpEvent);
    this.#pumpEvent = undefined;
  }

  protected override received({ view, start, length }: GuestMessage): void {
    if (length < MouseHeader.size) {
      this.refuse(Malformed.shortMessage, length);
      return;
    }
    const { type } = MouseHeader.cursor(view).at(start);
    if (type === MouseMessage.is.protocolRequest) {
      if (length < MouseProtocolRequest.size) this.refuse(Malformed.shortMessage, length);
      else this.#negotiate(MouseProtocolRequest.cursor(view).at(start).version);
    } else if (type === MouseMessage.is.deviceInfoAck) {
      this.#acknowledge(length);
    } else {
      this.refuse(Malformed.unknownMessage, type);
    }
  }

  /** A guest may ask again at any time, and does after it was suspended. */
  #negotiate(version: number): void {
    const accepted = version === MOUSE_VERSION;
    this.#isAccepted = accepted;
    this.#isActive = false;
    this.trace.emit(negotiatedEvent, this.channelId, version, Number(accepted));
    this.send(
      buildBytes(MouseProtocolResponse, (response) => {
        response.type = MouseMessage.is.protocolResponse;
        response.size = MouseProtocolResponse.size - MouseHeader.size;
        response.version = version;
        response.accepted = Number(accepted);
      }),
    );
    if (accepted) this.send(deviceInfo());
  }

  #acknowledge(length: number): void {
    if (length < MouseDeviceInfoAck.size) {
      this.refuse(Malformed.shortMessage, length);
    } else if (!this.#isAccepted || this.#isActive) {
      this.refuse(Malformed.unexpected, MouseMessage.is.deviceInfoAck);
    } else {
      // Linux sends 0 here and means yes, so the value says nothing.
      this.#isActive = true;
      this.trace.emit(activeEvent, this.channelId);
      this.#pump();
    }
  }

  protected override drained(): void {
    this.#pump();
  }

  #report(wheel: number, done: (() => void) | undefined): void {
    const last = this.#reports[this.#reports.length - 1];
    const callbacks = done === undefined ? [] : [done];
    const state = { x: this.#x, y: this.#y, buttons: this.#buttons, wheel };
    const total = wheel + (last?.state.wheel ?? 0);
    if (last?.state.buttons === state.buttons && Math.abs(total) <= MAX_WHEEL) {
      last.state = { ...state, wheel: total };
      last.done.push(...callbacks);
    } else {
      this.#reports.push({ state, done: callbacks });
    }
    this.#pump();
  }

  /** Gives the next report when the guest has read the one before, and makes the callbacks due. */
  #pump(): void {
    if (!this.#isActive || this.#pumpEvent !== undefined) return;
    if (this.isAllRead) {
      for (const done of this.#unreadCallbacks) this.events.tell(done);
      const next = this.#reports.shift();
      this.#unreadCallbacks = next?.done ?? [];
      if (next !== undefined) this.#sendReport(next.state);
    }
    if (this.#reports.length === 0 && this.#unreadCallbacks.length === 0) return;
    this.#pumpEvent = this.events.after(READ_POLL_NS, this.#onPump);
  }

  #sendReport({ x, y, buttons, wheel }: MouseState): void {
    this.trace.emit(reportEvent, this.channelId, buttons, x, y, wheel & 0xffff);
    this.send(
      buildBytes(MouseInputReport, (report) => {
        report.type = MouseMessage.is.inputReport;
        report.size = MouseInputReport.size - MouseHeader.size;
        report.buttons = buttons;
        report.x = x;
        report.y = y;
        report.wheel = wheel & 0xffff;
      }),
    );
  }
}

function scaled(position: number, size: number): number {
  return size <= 1 ? 0 : Math.round((Math.floor(position) * MOUSE_MAX_POSITION) / (size - 1));
}

function deviceInfo(): Uint8Array {
  const size = MouseDeviceInfo.size + MOUSE_REPORT_DESCRIPTOR.length;
  const message = buildBytes(
    MouseDeviceInfo,
    (info) => {
      info.type = MouseMessage.is.deviceInfo;
      info.size = size - MouseHeader.size;
      info.attributesSize = 32;
      info.vendorId = MOUSE_VENDOR_ID;
      info.productId = MOUSE_PRODUCT_ID;
      info.versionId = MOUSE_VERSION_ID;
      info.descriptorLength = HID_DESCRIPTOR_BYTES;
      info.descriptorType = HID_DESCRIPTOR_TYPE;
      info.hidVersion = HID_VERSION;
      info.descriptorCount = 1;
      info.reportDescriptorType = REPORT_DESCRIPTOR_TYPE;
      info.reportDescriptorLength = MOUSE_REPORT_DESCRIPTOR.length;
    },
    size,
  );
  message.set(MOUSE_REPORT_DESCRIPTOR, MouseDeviceInfo.size);
  return message;
}
