/** hvkbd: the synthetic keyboard (freebsd-bis.md 2.8). */
import {
  KEYBOARD_VERSION,
  KeyboardEvent,
  KeyboardLed,
  KeyboardMessage,
  KeyboardProtocolRequest,
  KeyboardProtocolResponse,
  KeyboardSetLeds,
  KeyFlag,
} from '../../devices/keyboard/spec.ts';
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import { PacketType } from '../../vmbus/spec/ring.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestChannel, GuestDevice, GuestDriver } from '../vmbus/api.ts';
import { Errno } from '../vmbus/api.ts';
import { Keymap, REBOOT } from './keymap.ts';

const RING_PAGES = 10;
/** From the interrupt to the character in the terminal's queue. */
const KEY_NS = 4_000;

export class Keyboard {
  readonly #kernel: KernelApi;
  readonly #device: GuestDevice;
  readonly #keymap = new Keymap();
  #isAccepted: boolean | undefined;
  #leds = 0;
  /** Make and break codes taken in. */
  keystrokes = 0;

  constructor(device: GuestDevice) {
    this.#kernel = device.kernel;
    this.#device = device;
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
    const request = new Uint8Array(KeyboardProtocolRequest.size);
    const fields = KeyboardProtocolRequest.cursor(new DataView(request.buffer));
    fields.type = KeyboardMessage.is.protocolRequest;
    fields.version = KEYBOARD_VERSION;
    if (!channel.sendInBand(request, 0, request.length, 1, 0, true)) return Errno.EAGAIN;
    while (this.#isAccepted === undefined && !channel.isRevoked) {
      yield* this.#kernel.tsleep(this, Infinity);
    }
    if (this.#isAccepted === true) return 0;
    this.#kernel.printf(`${this.#device.name}: hv_kbd protocol request failed\n`);
    yield* channel.close();
    return Errno.ENODEV;
  }

  *#drain(channel: GuestChannel): Task {
    while (channel.receive()) {
      const { type, view, payloadStart, payloadLength } = channel.packet;
      if (type !== PacketType.inBand || payloadLength < KeyboardProtocolResponse.size) continue;
      const message = view.getUint32(payloadStart, true);
      if (message === KeyboardMessage.is.protocolResponse) {
        const { accepted } = KeyboardProtocolResponse.cursor(view).at(payloadStart);
        this.#isAccepted = (accepted & 1) !== 0;
        this.#kernel.wakeup(this);
      } else if (
        message === KeyboardMessage.is.event &&
        payloadLength >= KeyboardEvent.offset.flags + 4
      ) {
        const { makeCode, flags } = KeyboardEvent.cursor(view).at(payloadStart);
        yield KEY_NS;
        this.#take(makeCode, flags);
      }
    }
  }

  /** Only Windows guests take characters; this one wants keys. */
  #take(makeCode: number, flags: number): void {
    const { bit } = KeyFlag;
    this.keystrokes += 1;
    if ((flags & (bit.unicode | bit.e1)) !== 0) return;
    const isExtended = (flags & bit.e0) !== 0;
    const typed = this.#keymap.key(makeCode, isExtended, (flags & bit.break) !== 0);
    const leds = this.#keymap.isCapsLock ? KeyboardLed.bit.capsLock : 0;
    if (leds !== this.#leds) this.#setLeds(leds);
    const { userland } = this.#kernel;
    if (typed === REBOOT) userland.requestEnd('reboot');
    else for (const character of typed) userland.typed(character.charCodeAt(0));
  }

  #setLeds(leds: number): void {
    this.#leds = leds;
    const message = new Uint8Array(KeyboardSetLeds.size);
    const fields = KeyboardSetLeds.cursor(new DataView(message.buffer));
    fields.type = KeyboardMessage.is.setLeds;
    fields.leds = leds;
    this.#device.channel.sendInBand(message, 0, message.length, 0, 0, false);
  }
}

export const keyboardDriver: GuestDriver = {
  name: 'hvkbd',
  probe: (offer, kernel) =>
    offer.interfaceId === DeviceClass.keyboard && kernel.switches.hvKbd ? 'Hyper-V KBD' : undefined,
  *attach(device: GuestDevice): Task<number> {
    const keyboard = new Keyboard(device);
    device.softState = keyboard;
    return yield* keyboard.attach();
  },
  *detach(device: GuestDevice): Task {
    yield* device.channel.close();
  },
};
