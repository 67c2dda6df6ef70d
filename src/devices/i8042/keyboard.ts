import type { StateStream } from '../../core/state.ts';
import {
  KEYBOARD_BUFFER_BYTES,
  KEYBOARD_ID,
  KeyboardCommand,
  KeyboardReply,
  SET2_BY_SET1,
} from './spec.ts';

const BREAK_PREFIX = 0xf0;
const EXTENDED_PREFIX = 0xe0;

/** A PS/2 keyboard: takes command bytes, gives a queue of bytes in scan code set 1 or 2. */
export class Keyboard {
  readonly #queue: number[] = [];
  #set: 1 | 2 = 2;
  #isScanning = true;
  #awaitsArgumentOf = 0;
  #lastSent = 0;

  exchange(state: StateStream): void {
    const queue = state.list('queue', this.#queue, (byte) => state.number('byte', byte ?? 0));
    this.#queue.splice(0, Infinity, ...queue);
    this.#set = state.number('set', this.#set) === 1 ? 1 : 2;
    this.#isScanning = state.flag('isScanning', this.#isScanning);
    this.#awaitsArgumentOf = state.number('awaitsArgumentOf', this.#awaitsArgumentOf);
    this.#lastSent = state.number('lastSent', this.#lastSent);
  }

  get hasOutput(): boolean {
    return this.#queue.length > 0;
  }

  /** The next byte for the controller; call only when `hasOutput`. */
  takeOutput(): number {
    this.#lastSent = this.#queue.shift()!;
    return this.#lastSent;
  }

  /**
   * A key goes down or up.
   * @param code make code of set 1, 01 to 58, without its E0
   */
  key(code: number, isDown: boolean, isExtended: boolean): void {
    if (!this.#isScanning) return;
    const set2 = SET2_BY_SET1[code] ?? 0;
    if (set2 === 0) return;
    const bytes = isExtended ? [EXTENDED_PREFIX] : [];
    if (this.#set === 1) {
      bytes.push(isDown ? code : code | 0x80);
    } else {
      if (!isDown) bytes.push(BREAK_PREFIX);
      bytes.push(set2);
    }
    if (this.#queue.length + bytes.length <= KEYBOARD_BUFFER_BYTES) this.#queue.push(...bytes);
    else if (this.#queue.length < KEYBOARD_BUFFER_BYTES) this.#queue.push(KeyboardReply.overrun);
  }

  /** A byte from the controller. */
  command(byte: number): void {
    const pending = this.#awaitsArgumentOf;
    this.#awaitsArgumentOf = 0;
    if (pending !== 0 && byte < KeyboardCommand.setLeds) {
      this.#argument(pending, byte);
      return;
    }
    switch (byte) {
      case KeyboardCommand.echo:
        this.#reply(KeyboardReply.echo);
        break;
      case KeyboardCommand.setLeds:
      case KeyboardCommand.setRate:
      case KeyboardCommand.scancodeSet:
        this.#awaitsArgumentOf = byte;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case KeyboardCommand.identify:
        this.#reply(KeyboardReply.acknowledge, ...KEYBOARD_ID);
        break;
      case KeyboardCommand.enable:
        this.#queue.length = 0;
        this.#isScanning = true;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case KeyboardCommand.disable:
      case KeyboardCommand.setDefaults:
        this.#queue.length = 0;
        this.#isScanning = byte === KeyboardCommand.setDefaults;
        this.#set = 2;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case KeyboardCommand.resend:
        this.#queue.unshift(this.#lastSent);
        break;
      case KeyboardCommand.reset:
        this.#queue.length = 0;
        this.#isScanning = true;
        this.#set = 2;
        this.#reply(KeyboardReply.acknowledge, KeyboardReply.testPassed);
        break;
      default:
        this.#reply(KeyboardReply.resend);
    }
  }

  #argument(command: number, value: number): void {
    if (command !== KeyboardCommand.scancodeSet) {
      this.#reply(KeyboardReply.acknowledge);
    } else if (value === 0) {
      this.#reply(KeyboardReply.acknowledge, this.#set);
    } else if (value === 1 || value === 2) {
      this.#set = value;
      this.#reply(KeyboardReply.acknowledge);
    } else {
      this.#reply(KeyboardReply.resend);
    }
  }

  /** Replies go before keys, and a guest that never reads cannot make the queue grow. */
  #reply(...bytes: number[]): void {
    this.#queue.length = Math.min(this.#queue.length, KEYBOARD_BUFFER_BYTES);
    this.#queue.push(...bytes);
  }
}
