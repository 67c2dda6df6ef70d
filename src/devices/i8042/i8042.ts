import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { EventQueue } from '../../core/events.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { Keyboard } from './keyboard.ts';
import { Ps2Mouse } from './mouse.ts';
import {
  CommandByte,
  ControllerCommand,
  ControllerStatus,
  I8042_COMMAND_PORT,
  I8042_DATA_PORT,
  WIRE_TEST_PASSED,
  OutputPort,
  SELF_TEST_PASSED,
  SET2_BY_SET1,
} from './spec.ts';

/** What the controller's output port is wired to. Called from within guest execution. */
export interface KeyboardControllerHost {
  reset(): void;
  /** The guest opened or closed the A20 gate. */
  setA20(isOpen: boolean): void;
}

export interface I8042Options {
  /** IRQ 1. */
  readonly line: InterruptLine;
  /** IRQ 12. */
  readonly mouseLine: InterruptLine;
  readonly events: EventQueue;
  readonly host: KeyboardControllerHost;
}

/** A device's wire takes about this long for a byte (11 bits at some 12 kHz). */
const WIRE_BYTE_NS = 900_000;
const CONTROLLER_RAM_BYTES = 32;

const SET1_BY_SET2 = new Uint8Array(256);
for (const [set1, set2] of SET2_BY_SET1.entries()) if (set2 !== 0) SET1_BY_SET2[set2] = set1;

/** The keyboard controller of a Gen-1 machine with its keyboard and its mouse. Gen-2 has none. */
export class I8042 extends BytePortDevice {
  readonly #line: InterruptLine;
  readonly #mouseLine: InterruptLine;
  readonly #events: EventQueue;
  readonly #host: KeyboardControllerHost;
  readonly #keyboard = new Keyboard();
  readonly #mouse = new Ps2Mouse();
  readonly #ram = new Uint8Array(CONTROLLER_RAM_BYTES);
  /** Bytes that the controller itself owes; they pass before the keyboard's. */
  readonly #replies: number[] = [];
  #output = 0;
  #isOutputFull = false;
  #isFromMouse = false;
  /** What command D3 had looped back as if the mouse had sent it, or -1. */
  #loopedByte = -1;
  #lastWasCommand = false;
  /** A controller command that waits for its data byte, or 0. */
  #pendingCommand = 0;
  #outputPort: number = OutputPort.notReset | OutputPort.a20;
  /** Set 2's break prefix was swallowed: the next translated byte gets bit 7. */
  #sawBreak = false;
  #wireEvent = 0;

  constructor(options: I8042Options) {
    super();
    this.#line = options.line;
    this.#mouseLine = options.mouseLine;
    this.#events = options.events;
    this.#host = options.host;
    // What PC firmware leaves: self test passed, interrupt and translation on.
    this.#ram[0] =
      CommandByte.keyboardInterrupt |
      CommandByte.systemFlag |
      CommandByte.translate |
      CommandByte.mouseDisabled;
  }

  attach(ports: PortBus): void {
    ports.attach(I8042_DATA_PORT, 1, this);
    ports.attach(I8042_COMMAND_PORT, 1, this);
  }

  exchange(state: StateStream): void {
    state.part('keyboard', () => this.#keyboard.exchange(state));
    state.part('mouse', () => this.#mouse.exchange(state));
    this.#isFromMouse = state.flag('isFromMouse', this.#isFromMouse);
    this.#loopedByte = state.number('loopedByte', this.#loopedByte);
    state.array('ram', this.#ram);
    const replies = state.list('replies', this.#replies, (byte) => state.number('byte', byte ?? 0));
    this.#replies.splice(0, Infinity, ...replies);
    this.#output = state.number('output', this.#output);
    this.#isOutputFull = state.flag('isOutputFull', this.#isOutputFull);
    this.#lastWasCommand = state.flag('lastWasCommand', this.#lastWasCommand);
    this.#pendingCommand = state.number('pendingCommand', this.#pendingCommand);
    this.#outputPort = state.number('outputPort', this.#outputPort);
    this.#sawBreak = state.flag('sawBreak', this.#sawBreak);
    this.#wireEvent = state.event('wire', this.#wireEvent, this.#fromWire) ?? 0;
  }

  /**
   * The user presses or releases a key.
   * @param code make code of set 1 without its E0, as the synthetic keyboard has it too
   */
  key(code: number, isDown: boolean, isExtended = false): void {
    this.#keyboard.key(code, isDown, isExtended);
    this.#pump();
  }

  /**
   * The user moves the mouse of this controller.
   * @param x to the right, in counts
   * @param y upwards
   * @param buttons all that are down, `MouseButton`
   */
  moveMouse(x: number, y: number, buttons: number): void {
    this.#mouse.move(x, y, buttons);
    this.#pump();
  }

  protected readByte(port: number): number {
    if (port === I8042_DATA_PORT) return this.#readData();
    if (port !== I8042_COMMAND_PORT) return 0xff;
    return (
      (this.#isOutputFull ? ControllerStatus.outputFull : 0) |
      (this.#ram[0]! & CommandByte.systemFlag) |
      (this.#lastWasCommand ? ControllerStatus.lastWasCommand : 0) |
      (this.#isOutputFull && this.#isFromMouse ? ControllerStatus.fromMouse : 0) |
      ControllerStatus.unlocked
    );
  }

  protected writeByte(port: number, value: number): void {
    if (port === I8042_COMMAND_PORT) {
      this.#lastWasCommand = true;
      this.#command(value);
    } else if (port === I8042_DATA_PORT) {
      this.#lastWasCommand = false;
      this.#data(value);
    }
    this.#pump();
  }

  #readData(): number {
    if (this.#isOutputFull) {
      this.#isOutputFull = false;
      this.#updateLine();
      this.#pump();
    }
    return this.#output;
  }

  #command(command: number): void {
    this.#pendingCommand = 0;
    if (command >= ControllerCommand.pulse) {
      if ((command & OutputPort.notReset) === 0) this.#host.reset();
      return;
    }
    if ((command & 0xe0) === ControllerCommand.readRam) {
      this.#reply(this.#ram[command & 0x1f]!);
      return;
    }
    if ((command & 0xe0) === ControllerCommand.writeRam) {
      this.#pendingCommand = command;
      return;
    }
    switch (command) {
      case ControllerCommand.selfTest:
        this.#ram[0]! |= CommandByte.systemFlag;
        this.#reply(SELF_TEST_PASSED);
        break;
      case ControllerCommand.testKeyboard:
      case ControllerCommand.testMouse:
        this.#reply(WIRE_TEST_PASSED);
        break;
      case ControllerCommand.disableKeyboard:
        this.#ram[0]! |= CommandByte.keyboardDisabled;
        break;
      case ControllerCommand.enableKeyboard:
        this.#ram[0]! &= ~CommandByte.keyboardDisabled;
        break;
      case ControllerCommand.disableMouse:
        this.#ram[0]! |= CommandByte.mouseDisabled;
        break;
      case ControllerCommand.enableMouse:
        this.#ram[0]! &= ~CommandByte.mouseDisabled;
        break;
      case ControllerCommand.readInputPort:
        this.#reply(0x80);
        break;
      case ControllerCommand.readOutputPort:
        this.#reply(this.#outputPort | this.#outputFullBits);
        break;
      case ControllerCommand.writeOutputPort:
      case ControllerCommand.writeKeyboardBuffer:
      case ControllerCommand.writeMouseBuffer:
      case ControllerCommand.writeMouse:
        this.#pendingCommand = command;
        break;
      default:
        break;
    }
  }

  #data(value: number): void {
    const command = this.#pendingCommand;
    this.#pendingCommand = 0;
    if (command === 0) {
      // A command to the keyboard opens its clock line again.
      this.#ram[0]! &= ~CommandByte.keyboardDisabled;
      this.#keyboard.command(value);
    } else if (command === ControllerCommand.writeOutputPort) {
      this.#outputPort = value & (OutputPort.notReset | OutputPort.a20);
      this.#host.setA20((value & OutputPort.a20) !== 0);
      if ((value & OutputPort.notReset) === 0) this.#host.reset();
    } else if (command === ControllerCommand.writeKeyboardBuffer) {
      this.#reply(value);
    } else if (command === ControllerCommand.writeMouseBuffer) {
      this.#loopedByte = value;
    } else if (command === ControllerCommand.writeMouse) {
      this.#ram[0]! &= ~CommandByte.mouseDisabled;
      this.#mouse.command(value);
    } else {
      this.#ram[command & 0x1f] = value;
      this.#updateLine();
    }
  }

  /** One byte at most is owed: a later command replaces an answer that was never read. */
  #reply(value: number): void {
    this.#replies.length = 0;
    this.#replies.push(value);
  }

  get #outputFullBits(): number {
    if (!this.#isOutputFull) return 0;
    return this.#isFromMouse ? OutputPort.mouseFull : OutputPort.keyboardFull;
  }

  get #isKeyboardReady(): boolean {
    return (this.#ram[0]! & CommandByte.keyboardDisabled) === 0 && this.#keyboard.hasOutput;
  }

  get #isMouseReady(): boolean {
    return (this.#ram[0]! & CommandByte.mouseDisabled) === 0 && this.#mouse.hasOutput;
  }

  /** Moves the next byte into the output buffer, the devices' ones at the pace of their wires. */
  #pump(): void {
    if (this.#isOutputFull) return;
    if (this.#replies.length > 0) {
      this.#fill(this.#replies.shift()!, false);
      return;
    }
    if (this.#loopedByte >= 0) {
      this.#fill(this.#loopedByte, true);
      this.#loopedByte = -1;
      return;
    }
    const isReady = this.#isKeyboardReady || this.#isMouseReady;
    if (isReady && !this.#events.isPending(this.#wireEvent)) {
      this.#wireEvent = this.#events.after(WIRE_BYTE_NS, this.#fromWire);
    }
  }

  readonly #fromWire = (): void => {
    if (this.#isOutputFull) return;
    if (this.#isKeyboardReady) {
      const translated = this.#translate(this.#keyboard.takeOutput());
      if (translated >= 0) this.#fill(translated, false);
      else this.#pump();
    } else if (this.#isMouseReady) {
      this.#fill(this.#mouse.takeOutput(), true);
    }
  };

  /** @returns -1 for a byte that translation swallows */
  #translate(byte: number): number {
    if ((this.#ram[0]! & CommandByte.translate) === 0) return byte;
    if (byte === 0xf0) {
      this.#sawBreak = true;
      return -1;
    }
    // Replies and prefixes have no entry and pass unchanged.
    const set1 = SET1_BY_SET2[byte] || byte;
    const code = this.#sawBreak ? set1 | 0x80 : set1;
    this.#sawBreak = false;
    return code;
  }

  #fill(byte: number, isFromMouse: boolean): void {
    this.#output = byte;
    this.#isOutputFull = true;
    this.#isFromMouse = isFromMouse;
    this.#updateLine();
  }

  #updateLine(): void {
    const enabled = this.#ram[0]!;
    const isFull = this.#isOutputFull;
    this.#line.set(isFull && !this.#isFromMouse && (enabled & CommandByte.keyboardInterrupt) !== 0);
    this.#mouseLine.set(
      isFull && this.#isFromMouse && (enabled & CommandByte.mouseInterrupt) !== 0,
    );
  }
}
