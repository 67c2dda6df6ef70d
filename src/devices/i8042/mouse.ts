import type { StateStream } from '../../core/state.ts';
import { KeyboardReply, MOUSE_BUFFER_BYTES, MouseCommand, MouseStatus } from './spec.ts';

const DEFAULT_RATE = 100;
const DEFAULT_RESOLUTION = 2;
const PACKET_BYTES = 3;
const MOST_COUNTS = 255;

/** Buttons as a packet has them. */
export const MouseButton = { left: 1, right: 2, middle: 4 } as const;

/** A PS/2 mouse with three buttons: takes command bytes, gives packets of three bytes. */
export class Ps2Mouse {
  readonly #queue: number[] = [];
  #isReporting = false;
  /** Packets only when they are asked for. */
  #isRemote = false;
  #isWrapping = false;
  #isScaling = false;
  #rate = DEFAULT_RATE;
  #resolution = DEFAULT_RESOLUTION;
  #awaitsArgumentOf = 0;
  #lastSent = 0;
  #buttons = 0;
  /** Movement that no packet has told yet: right and up are positive. */
  #x = 0;
  #y = 0;

  get hasOutput(): boolean {
    return this.#queue.length > 0;
  }

  exchange(state: StateStream): void {
    const queue = state.list('queue', this.#queue, (byte) => state.number('byte', byte ?? 0));
    this.#queue.splice(0, Infinity, ...queue);
    this.#isReporting = state.flag('isReporting', this.#isReporting);
    this.#isRemote = state.flag('isRemote', this.#isRemote);
    this.#isWrapping = state.flag('isWrapping', this.#isWrapping);
    this.#isScaling = state.flag('isScaling', this.#isScaling);
    this.#rate = state.number('rate', this.#rate);
    this.#resolution = state.number('resolution', this.#resolution);
    this.#awaitsArgumentOf = state.number('awaitsArgumentOf', this.#awaitsArgumentOf);
    this.#lastSent = state.number('lastSent', this.#lastSent);
    this.#buttons = state.number('buttons', this.#buttons);
    this.#x = state.number('x', this.#x);
    this.#y = state.number('y', this.#y);
  }

  /** The next byte for the controller; call only when `hasOutput`. */
  takeOutput(): number {
    this.#lastSent = this.#queue.shift()!;
    return this.#lastSent;
  }

  /**
   * The user moves the mouse or presses buttons.
   * @param x to the right, in counts
   * @param y upwards
   * @param buttons all that are down, `MouseButton`
   */
  move(x: number, y: number, buttons: number): void {
    this.#buttons = buttons;
    this.#x += x;
    this.#y += y;
    const hasRoom = this.#queue.length + PACKET_BYTES <= MOUSE_BUFFER_BYTES;
    if (this.#isReporting && !this.#isRemote && !this.#isWrapping && hasRoom) this.#packet();
  }

  /** A byte from the controller. */
  command(byte: number): void {
    const pending = this.#awaitsArgumentOf;
    this.#awaitsArgumentOf = 0;
    if (pending !== 0) {
      this.#argument(pending, byte);
      return;
    }
    if (this.#isWrapping && byte !== MouseCommand.reset && byte !== MouseCommand.unwrap) {
      this.#reply(byte);
      return;
    }
    switch (byte) {
      case MouseCommand.scale:
      case MouseCommand.unscale:
        this.#isScaling = byte === MouseCommand.scale;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.setResolution:
      case MouseCommand.setRate:
        this.#awaitsArgumentOf = byte;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.status:
        this.#reply(KeyboardReply.acknowledge, this.#status, this.#resolution, this.#rate);
        break;
      case MouseCommand.stream:
      case MouseCommand.remote:
        this.#isRemote = byte === MouseCommand.remote;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.read:
        this.#reply(KeyboardReply.acknowledge);
        this.#packet();
        break;
      case MouseCommand.wrap:
      case MouseCommand.unwrap:
        this.#isWrapping = byte === MouseCommand.wrap;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.identify:
        this.#reply(KeyboardReply.acknowledge, 0);
        break;
      case MouseCommand.enable:
      case MouseCommand.disable:
        this.#isReporting = byte === MouseCommand.enable;
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.setDefaults:
        this.#setDefaults();
        this.#reply(KeyboardReply.acknowledge);
        break;
      case MouseCommand.resend:
        this.#reply(this.#lastSent);
        break;
      case MouseCommand.reset:
        this.#setDefaults();
        this.#isWrapping = false;
        this.#queue.length = 0;
        this.#reply(KeyboardReply.acknowledge, KeyboardReply.testPassed, 0);
        break;
      default:
        this.#reply(KeyboardReply.resend);
    }
  }

  #argument(command: number, value: number): void {
    if (command === MouseCommand.setRate) this.#rate = value;
    else this.#resolution = value & 3;
    this.#reply(KeyboardReply.acknowledge);
  }

  get #status(): number {
    const { left, right, middle } = MouseButton;
    const has = (button: number, bit: number): number => ((this.#buttons & button) === 0 ? 0 : bit);
    return (
      has(right, 1) |
      has(middle, 2) |
      has(left, 4) |
      (this.#isScaling ? MouseStatus.scaling : 0) |
      (this.#isReporting ? MouseStatus.reporting : 0) |
      (this.#isRemote ? MouseStatus.remote : 0)
    );
  }

  #setDefaults(): void {
    this.#isReporting = false;
    this.#isRemote = false;
    this.#isScaling = false;
    this.#rate = DEFAULT_RATE;
    this.#resolution = DEFAULT_RESOLUTION;
    this.#x = 0;
    this.#y = 0;
  }

  /** Buttons with signs, then the movement since the last packet as far as it fits. */
  #packet(): void {
    const clamp = (counts: number): number => Math.max(-256, Math.min(MOST_COUNTS, counts));
    const [x, y] = [clamp(this.#x), clamp(this.#y)];
    this.#x -= x;
    this.#y -= y;
    const signs = (x < 0 ? 0x10 : 0) | (y < 0 ? 0x20 : 0);
    this.#queue.push(this.#buttons | 0x08 | signs, x & 0xff, y & 0xff);
  }

  /** What was not read yet gives way to an answer, so that the queue never grows. */
  #reply(...bytes: number[]): void {
    if (this.#queue.length + bytes.length > MOUSE_BUFFER_BYTES) this.#queue.length = 0;
    this.#queue.push(...bytes);
  }
}
