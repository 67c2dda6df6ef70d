import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import { NS_PER_MS } from '../../core/clock.ts';
import type { VirtualClock } from '../../core/clock.ts';
import { InputError } from '../../core/errors.ts';
import type { EventHandle } from '../../core/events.ts';
import { traceType } from '../../core/trace.ts';
import { u16, u32 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  Malformed,
  MessageDevice,
  type GuestMessage,
  type MessageDeviceOptions,
} from '../pipe/message-device.ts';
import { Key, SHIFT_BIT, US_LAYOUT } from './keys.ts';
import {
  KEYBOARD_VERSION,
  KeyboardEvent,
  KeyboardLed,
  KeyboardMessage,
  KeyboardProtocolRequest,
  KeyboardProtocolResponse,
  KeyboardSetLeds,
  KeyFlag,
} from './spec.ts';

/** How often a keyboard with callbacks to make looks whether the guest has read its keys. */
const READ_POLL_NS = NS_PER_MS;
const E0_PREFIX = 0xe0;
const E1_PREFIX = 0xe1;

const negotiatedEvent = traceType('keyboard', 'negotiated', {
  channel: u32,
  version: u32,
  accepted: u32,
});
const keyEvent = traceType('keyboard', 'key', { channel: u32, makeCode: u16, flags: KeyFlag });
const ledsEvent = traceType('keyboard', 'leds', { channel: u32, leds: KeyboardLed });

export interface KeyboardOptions extends MessageDeviceOptions {
  readonly clock: VirtualClock;
  /**
   * Virtual nanoseconds between two key events, default 1 ms. Guests keep 16 events or so, and drop
   * what comes faster than they read.
   */
  readonly keyIntervalNs?: number;
}

interface QueuedKey {
  readonly makeCode: number;
  readonly flags: number;
  /** Called when the guest has read this event and all before it. */
  readonly done: (() => void) | undefined;
}

/**
 * The keyboard VSP. Keys wait until the guest's driver is there, and go out one by one as the guest
 * reads them: the next one only when the ring to the guest is empty.
 */
export class SyntheticKeyboard extends MessageDevice {
  readonly #clock: VirtualClock;
  readonly #keyIntervalNs: number;
  #keys: QueuedKey[] = [];
  #isAccepted = false;
  #leds = 0;
  #pumpEvent: EventHandle | undefined;
  #nextKeyNs = 0;
  #unreadCallback: (() => void) | undefined;
  readonly #onPump = (): void => {
    this.#pumpEvent = undefined;
    this.#pump();
  };

  constructor(options: KeyboardOptions) {
    super(
      {
        name: 'keyboard',
        interfaceId: DeviceClass.keyboard,
        instanceId: DeviceInstance.keyboard,
        framing: 'plain',
      },
      options,
    );
    this.#clock = options.clock;
    this.#keyIntervalNs = options.keyIntervalNs ?? NS_PER_MS;
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#keys = state.list('keys', this.#keys, (key) => ({
      makeCode: state.number('makeCode', key?.makeCode ?? 0),
      flags: state.number('flags', key?.flags ?? 0),
      done: exchangeCallback(state, key?.done),
    }));
    this.#isAccepted = state.flag('isAccepted', this.#isAccepted);
    this.#leds = state.number('leds', this.#leds);
    this.#nextKeyNs = state.number('nextKeyNs', this.#nextKeyNs);
    this.#unreadCallback = exchangeCallback(state, this.#unreadCallback);
    this.#pumpEvent = state.event('pump', this.#pumpEvent, this.#onPump);
  }

  /** The guest has a driver for the keyboard. */
  get isReady(): boolean {
    return this.#isAccepted;
  }

  /** Lights that the guest wants, bits of `KeyboardLed`. */
  get leds(): number {
    return this.#leds;
  }

  /** Key events that the guest has not been given. */
  get pendingKeys(): number {
    return this.#keys.length;
  }

  /**
   * Presses keys together, and lets them go in the opposite order: `[Key.leftControl, Key.leftAlt,
   * Key.delete]`.
   * @param codes scan codes of set 1, with E0 or E1 in the high byte where they have it
   * @param done called when the guest has read all of it
   */
  press(codes: readonly number[], done?: () => void): void {
    for (const code of codes) checkCode(code);
    for (const code of codes) this.#push(code, 0, undefined);
    for (let index = codes.length - 1; index >= 0; index -= 1) {
      this.#push(codes[index]!, KeyFlag.bit.break, index === 0 ? done : undefined);
    }
    if (codes.length === 0 && done !== undefined) this.events.tell(done);
    this.#pump();
  }

  /** One key going down or up, as a person's keyboard sends it. */
  key(code: number, isDown: boolean, done?: () => void): void {
    checkCode(code);
    this.#push(code, isDown ? 0 : KeyFlag.bit.break, done);
    this.#pump();
  }

  /**
   * Types text on a US keyboard. Throws `InputError` at the first character that it has no key for;
   * then nothing is typed.
   * @param done called when the guest has read all of it
   */
  type(text: string, done?: () => void): void {
    const characters = Array.from(text);
    for (const [index, character] of characters.entries()) {
      if (!US_LAYOUT.has(character)) throw noKeyFor(character, index);
    }
    for (const [index, character] of characters.entries()) {
      const code = US_LAYOUT.get(character)!;
      const isLast = index === characters.length - 1;
      const isShifted = (code & SHIFT_BIT) !== 0;
      if (isShifted) this.#push(Key.leftShift, 0, undefined);
      this.#push(code & 0xff, 0, undefined);
      this.#push(code & 0xff, KeyFlag.bit.break, isLast && !isShifted ? done : undefined);
      if (isShifted) this.#push(Key.leftShift, KeyFlag.bit.break, isLast ? done : undefined);
    }
    if (characters.length === 0 && done !== undefined) this.events.tell(done);
    this.#pump();
  }

  /**
   * Types text as UTF-16 code units, which is how Hyper-V's own "type clipboard text" does it. Only
   * Windows guests take them.
   */
  typeUnicode(text: string, done?: () => void): void {
    for (let index = 0; index < text.length; index += 1) {
      const makeCode = text.charCodeAt(index);
      const isLast = index === text.length - 1;
      const { unicode } = KeyFlag.bit;
      this.#keys.push({ makeCode, flags: unicode, done: undefined });
      const flags = unicode | KeyFlag.bit.break;
      this.#keys.push({ makeCode, flags, done: isLast ? done : undefined });
    }
    if (text.length === 0 && done !== undefined) this.events.tell(done);
    this.#pump();
  }

  /** Forgets the keys that the guest has not been given, and their callbacks. */
  clear(): void {
    this.#keys = [];
  }

  protected override opened(): void {
    this.#isAccepted = false;
  }

  protected override closed(): void {
    this.#isAccepted = false;
    this.#leds = 0;
    this.#unreadCallback = undefined;
    if (this.#pumpEvent !== undefined) this.events.cancel(this.#pumpEvent);
    this.#pumpEvent = undefined;
  }

  protected override received(message: GuestMessage): void {
    const { view, start, length } = message;
    const type = length < 4 ? -1 : view.getUint32(start, true);
    if (type === KeyboardMessage.is.protocolRequest && length >= KeyboardProtocolRequest.size) {
      this.#negotiate(KeyboardProtocolRequest.cursor(view).at(start).version);
    } else if (type === KeyboardMessage.is.setLeds && length >= KeyboardSetLeds.size) {
      this.#setLeds(KeyboardSetLeds.cursor(view).at(start).leds);
    } else if (type === KeyboardMessage.is.protocolRequest || type === KeyboardMessage.is.setLeds) {
      this.refuse(Malformed.shortMessage, length);
    } else {
      this.refuse(type < 0 ? Malformed.shortMessage : Malformed.unknownMessage, Math.max(type, 0));
    }
  }

  /** A guest may ask again at any time, and does after it was suspended. */
  #negotiate(version: number): void {
    const accepted = version === KEYBOARD_VERSION;
    this.#isAccepted = accepted;
    this.trace.emit(negotiatedEvent, this.channelId, version, Number(accepted));
    this.send(
      buildBytes(KeyboardProtocolResponse, (response) => {
        response.type = KeyboardMessage.is.protocolResponse;
        response.accepted = Number(accepted);
      }),
    );
    this.#pump();
  }

  #setLeds(leds: number): void {
    if (!this.#isAccepted) {
      this.refuse(Malformed.unexpected, KeyboardMessage.is.setLeds);
      return;
    }
    this.#leds = leds;
    this.trace.emit(ledsEvent, this.channelId, leds);
  }

  protected override drained(): void {
    this.#pump();
  }

  #push(code: number, flags: number, done: (() => void) | undefined): void {
    const prefix = code >>> 8;
    const { e0, e1 } = KeyFlag.bit;
    const prefixFlag = prefix === E0_PREFIX ? e0 : prefix === E1_PREFIX ? e1 : 0;
    this.#keys.push({ makeCode: code & 0xff, flags: flags | prefixFlag, done });
  }

  /** Gives the next key when the guest has read the one before, and makes the callbacks due. */
  #pump(): void {
    if (!this.#isAccepted || this.#pumpEvent !== undefined) return;
    if (!this.isAllRead) {
      if (this.#keys.length > 0 || this.#unreadCallback !== undefined)
        this.#pumpAfter(READ_POLL_NS);
      return;
    }
    const done = this.#unreadCallback;
    this.#unreadCallback = undefined;
    if (done !== undefined) this.events.tell(done);
    const waitNs = this.#nextKeyNs - this.#clock.nowNs;
    const key = waitNs > 0 ? undefined : this.#keys.shift();
    if (key !== undefined) {
      this.#nextKeyNs = this.#clock.nowNs + this.#keyIntervalNs;
      this.#unreadCallback = key.done;
      this.#sendKey(key);
    }
    if (this.#keys.length === 0 && this.#unreadCallback === undefined) return;
    this.#pumpAfter(Math.max(this.#nextKeyNs - this.#clock.nowNs, 0));
  }

  #pumpAfter(delayNs: number): void {
    this.#pumpEvent = this.events.after(delayNs, this.#onPump);
  }

  #sendKey({ makeCode, flags }: QueuedKey): void {
    this.trace.emit(keyEvent, this.channelId, makeCode, flags);
    this.send(
      buildBytes(KeyboardEvent, (event) => {
        event.type = KeyboardMessage.is.event;
        event.makeCode = makeCode;
        event.flags = flags;
      }),
    );
  }
}

/** Who asked to be told is outside of the machine; that somebody did decides what it does. */
function exchangeCallback(
  state: StateStream,
  callback: (() => void) | undefined,
): (() => void) | undefined {
  const isThere = state.flag('hasCallback', callback !== undefined);
  return callback ?? (isThere ? () => undefined : undefined);
}

function checkCode(code: number): void {
  const prefix = code >>> 8;
  const isKnownPrefix = prefix === 0 || prefix === E0_PREFIX || prefix === E1_PREFIX;
  const low = code & 0xff;
  if (Number.isInteger(code) && isKnownPrefix && low > 0 && low < 0x80) return;
  throw new InputError(
    'keyboard',
    `0x${code.toString(16)} is not a scan code of set 1: expected 01 to 7f, alone or after e0 or e1`,
  );
}

function noKeyFor(character: string, index: number): InputError {
  const point = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
  return new InputError(
    'keyboard',
    `character ${index + 1} of the text, U+${point}, has no key on a US keyboard`,
  );
}
