import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { EventQueue } from '../../core/events.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { Receiver } from './receiver.ts';
import {
  FIFO_BYTES,
  FifoControl,
  InterruptEnable,
  InterruptId,
  LineControl,
  LineStatus,
  ModemControl,
  ModemStatus,
  UART_CLOCK_HZ,
  UART_PORT_COUNT,
  UartRegister,
} from './spec.ts';

/** The host's end of a serial line. */
export interface ByteSink {
  /** The guest has sent a byte. */
  write(byte: number): void;
  /** The guest has made room for input: `inputRoom` is above 0. */
  inputReady?(): void;
}

export interface UartOptions {
  /** First of eight ports. */
  readonly port: number;
  readonly line: InterruptLine;
  readonly events: EventQueue;
  readonly host: ByteSink;
  /**
   * `instant` (the default): a byte is gone as soon as it is written, which costs a boot nothing.
   * `baud`: it takes the time that the divisor and the word format say, through a 16-byte FIFO.
   */
  readonly pacing?: 'instant' | 'baud';
}

/** In instant pacing the "transmitter empty" interrupt follows a write by this much. */
const INSTANT_INTERRUPT_DELAY_NS = 10_000;
const CONNECTED = ModemStatus.clearToSend | ModemStatus.dataSetReady | ModemStatus.carrierDetect;

/**
 * A 16550A. The host gives input with `receive`, which takes no more than the receiver has room
 * for, so that nothing is ever lost to overrun; `ByteSink.inputReady` asks for more.
 */
export class Uart extends BytePortDevice {
  readonly #port: number;
  readonly #line: InterruptLine;
  readonly #events: EventQueue;
  readonly #host: ByteSink;
  readonly #baudPacing: boolean;
  readonly #receiver = new Receiver();
  readonly #transmitFifo = new Uint8Array(FIFO_BYTES);
  #transmitHead = 0;
  #transmitCount = 0;
  /** Byte on the wire in baud pacing, or -1. */
  #shifting = -1;
  #interruptEnable = 0;
  #lineControl = 0;
  #modemControl = 0;
  #modemStatus: number = CONNECTED;
  #scratch = 0;
  #divisor = 12;
  #fifosEnabled = false;
  #transmitInterrupt = false;
  #timeout = false;
  #timeoutEvent = 0;
  #transmitEvent = 0;

  constructor(options: UartOptions) {
    super();
    this.#port = options.port;
    this.#line = options.line;
    this.#events = options.events;
    this.#host = options.host;
    this.#baudPacing = options.pacing === 'baud';
  }

  attach(ports: PortBus): void {
    ports.attach(this.#port, UART_PORT_COUNT, this);
  }

  exchange(state: StateStream): void {
    state.part('receiver', () => this.#receiver.exchange(state));
    state.array('transmitFifo', this.#transmitFifo);
    this.#transmitHead = state.number('transmitHead', this.#transmitHead);
    this.#transmitCount = state.number('transmitCount', this.#transmitCount);
    this.#shifting = state.number('shifting', this.#shifting);
    this.#interruptEnable = state.number('interruptEnable', this.#interruptEnable);
    this.#lineControl = state.number('lineControl', this.#lineControl);
    this.#modemControl = state.number('modemControl', this.#modemControl);
    this.#modemStatus = state.number('modemStatus', this.#modemStatus);
    this.#scratch = state.number('scratch', this.#scratch);
    this.#divisor = state.number('divisor', this.#divisor);
    this.#fifosEnabled = state.flag('fifosEnabled', this.#fifosEnabled);
    this.#transmitInterrupt = state.flag('transmitInterrupt', this.#transmitInterrupt);
    this.#timeout = state.flag('timeout', this.#timeout);
    this.#timeoutEvent =
      state.event('timeoutEvent', this.#timeoutEvent, this.#characterTimeout) ?? 0;
    const onTransmit = this.#baudPacing ? this.#shifted : this.#transmitterEmpty;
    this.#transmitEvent = state.event('transmitEvent', this.#transmitEvent, onTransmit) ?? 0;
  }

  /** How many bytes `receive` would take now; 0 in loopback, where the input pin is cut off. */
  get inputRoom(): number {
    return this.#isLoopback ? 0 : this.#receiver.room;
  }

  /**
   * Input from the host, oldest first.
   * @returns how many bytes were taken, at most `inputRoom`; the rest is for `inputReady`
   */
  receive(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.inputRoom);
    for (let index = 0; index < count; index += 1) this.#receiver.push(bytes[index]!, 0);
    if (count > 0) this.#afterInput();
    return count;
  }

  /** A break condition on the line, which kernels use to enter their debugger. */
  receiveBreak(): boolean {
    if (this.inputRoom === 0) return false;
    this.#receiver.push(0, LineStatus.breakInterrupt);
    this.#afterInput();
    return true;
  }

  protected readByte(port: number): number {
    switch (port - this.#port) {
      case UartRegister.data:
        return this.#hasDivisorAccess ? this.#divisor & 0xff : this.#readData();
      case UartRegister.interruptEnable:
        return this.#hasDivisorAccess ? this.#divisor >> 8 : this.#interruptEnable;
      case UartRegister.interruptIdAndFifoControl:
        return this.#readInterruptId();
      case UartRegister.lineControl:
        return this.#lineControl;
      case UartRegister.modemControl:
        return this.#modemControl;
      case UartRegister.lineStatus:
        return this.#readLineStatus();
      case UartRegister.modemStatus: {
        const status = this.#modemStatus;
        this.#modemStatus &= 0xf0;
        this.#updateLine();
        return status;
      }
      case UartRegister.scratch:
        return this.#scratch;
      default:
        return 0xff;
    }
  }

  protected writeByte(port: number, value: number): void {
    switch (port - this.#port) {
      case UartRegister.data:
        if (this.#hasDivisorAccess) this.#divisor = (this.#divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case UartRegister.interruptEnable:
        if (this.#hasDivisorAccess) this.#divisor = (this.#divisor & 0xff) | (value << 8);
        else this.#writeInterruptEnable(value & 0x0f);
        break;
      case UartRegister.interruptIdAndFifoControl:
        this.#writeFifoControl(value);
        break;
      case UartRegister.lineControl:
        this.#lineControl = value;
        break;
      case UartRegister.modemControl:
        this.#writeModemControl(value & 0x1f);
        break;
      case UartRegister.scratch:
        this.#scratch = value;
        break;
      default:
        break;
    }
  }

  get #hasDivisorAccess(): boolean {
    return (this.#lineControl & LineControl.divisorLatchAccess) !== 0;
  }

  get #isLoopback(): boolean {
    return (this.#modemControl & ModemControl.loopback) !== 0;
  }

  /** Time of one character on the wire in nanoseconds, from the divisor and the word format. */
  get #characterNs(): number {
    const dataBits = 5 + (this.#lineControl & LineControl.wordLength);
    const parityBits = (this.#lineControl & LineControl.parity) === 0 ? 0 : 1;
    const stopBits = (this.#lineControl & LineControl.twoStopBits) === 0 ? 1 : 2;
    const bits = 1 + dataBits + parityBits + stopBits;
    return Math.ceil((bits * 16 * Math.max(1, this.#divisor) * NS_PER_SECOND) / UART_CLOCK_HZ);
  }

  #readData(): number {
    const byte = this.#receiver.pop();
    this.#afterInput();
    this.#tellHostOfRoom();
    return byte;
  }

  #tellHostOfRoom(): void {
    if (this.inputRoom > 0) this.#host.inputReady?.();
  }

  /** The receiver's contents changed: the character timeout starts anew (data sheet, "FIFO"). */
  #afterInput(): void {
    this.#timeout = false;
    this.#events.cancel(this.#timeoutEvent);
    if (this.#fifosEnabled && this.#receiver.count > 0) {
      this.#timeoutEvent = this.#events.after(4 * this.#characterNs, this.#characterTimeout);
    }
    this.#updateLine();
  }

  readonly #characterTimeout = (): void => {
    this.#timeout = this.#receiver.count > 0;
    this.#updateLine();
  };

  #readLineStatus(): number {
    let status = this.#receiver.takeStatus();
    if (this.#transmitCount === 0) {
      status |= LineStatus.transmitterHoldingEmpty;
      if (this.#shifting < 0) status |= LineStatus.transmitterEmpty;
    }
    this.#updateLine();
    return status;
  }

  #writeInterruptEnable(value: number): void {
    const isNewlyEnabled =
      (value & ~this.#interruptEnable & InterruptEnable.transmitterEmpty) !== 0;
    this.#interruptEnable = value;
    if (isNewlyEnabled && this.#transmitCount === 0) this.#transmitInterrupt = true;
    this.#updateLine();
  }

  #writeFifoControl(value: number): void {
    const isEnabled = (value & FifoControl.enable) !== 0;
    const hasChanged = isEnabled !== this.#fifosEnabled;
    this.#fifosEnabled = isEnabled;
    this.#receiver.configure(isEnabled, value >> 6);
    if (hasChanged || (value & FifoControl.clearReceiver) !== 0) this.#receiver.clear();
    if (hasChanged || (value & FifoControl.clearTransmitter) !== 0) this.#transmitCount = 0;
    this.#afterInput();
    this.#tellHostOfRoom();
  }

  #writeModemControl(value: number): void {
    this.#modemControl = value;
    const lines = this.#isLoopback
      ? ((value & ModemControl.requestToSend) !== 0 ? ModemStatus.clearToSend : 0) |
        ((value & ModemControl.dataTerminalReady) !== 0 ? ModemStatus.dataSetReady : 0) |
        ((value & ModemControl.out1) !== 0 ? ModemStatus.ringIndicator : 0) |
        ((value & ModemControl.out2) !== 0 ? ModemStatus.carrierDetect : 0)
      : CONNECTED;
    const changed = (lines ^ this.#modemStatus) & 0xf0;
    const ringEnded = changed & ~lines & ModemStatus.ringIndicator;
    const deltas = ((changed & ~ModemStatus.ringIndicator) | ringEnded) >> 4;
    this.#modemStatus = lines | (this.#modemStatus & 0x0f) | deltas;
    this.#updateLine();
    this.#tellHostOfRoom();
  }

  #transmit(byte: number): void {
    this.#transmitInterrupt = false;
    if (this.#isLoopback) {
      this.#receiver.push(byte, 0);
      this.#transmitInterrupt = true;
      this.#afterInput();
      return;
    }
    if (this.#baudPacing) this.#queueForWire(byte);
    else this.#host.write(byte);
    const wantsInterrupt = (this.#interruptEnable & InterruptEnable.transmitterEmpty) !== 0;
    if (!this.#baudPacing && wantsInterrupt && !this.#events.isPending(this.#transmitEvent)) {
      this.#transmitEvent = this.#events.after(INSTANT_INTERRUPT_DELAY_NS, this.#transmitterEmpty);
    }
    this.#updateLine();
  }

  readonly #transmitterEmpty = (): void => {
    this.#transmitInterrupt = true;
    this.#updateLine();
  };

  #queueForWire(byte: number): void {
    if (this.#shifting < 0) {
      this.#shift(byte);
      this.#transmitInterrupt = true;
      return;
    }
    // A write to a full FIFO replaces its newest byte, as the chip does with its holding register.
    const capacity = this.#fifosEnabled ? FIFO_BYTES : 1;
    if (this.#transmitCount < capacity) this.#transmitCount += 1;
    const last = (this.#transmitHead + this.#transmitCount - 1) % FIFO_BYTES;
    this.#transmitFifo[last] = byte;
  }

  #shift(byte: number): void {
    this.#shifting = byte;
    this.#transmitEvent = this.#events.after(this.#characterNs, this.#shifted);
  }

  readonly #shifted = (): void => {
    this.#host.write(this.#shifting);
    this.#shifting = -1;
    if (this.#transmitCount > 0) {
      const next = this.#transmitFifo[this.#transmitHead]!;
      this.#transmitHead = (this.#transmitHead + 1) % FIFO_BYTES;
      this.#transmitCount -= 1;
      this.#shift(next);
      if (this.#transmitCount === 0) this.#transmitInterrupt = true;
    }
    this.#updateLine();
  };

  /** The pending interrupt of the highest priority among those enabled. */
  #interruptId(): number {
    const enabled = this.#interruptEnable;
    const receiver = this.#receiver;
    if ((enabled & InterruptEnable.lineStatus) !== 0 && receiver.hasError) {
      return InterruptId.lineStatus;
    }
    if ((enabled & InterruptEnable.receivedData) !== 0) {
      if (receiver.isAtTrigger) return InterruptId.receivedData;
      if (this.#timeout) return InterruptId.characterTimeout;
    }
    if ((enabled & InterruptEnable.transmitterEmpty) !== 0 && this.#transmitInterrupt) {
      return InterruptId.transmitterEmpty;
    }
    if ((enabled & InterruptEnable.modemStatus) !== 0 && (this.#modemStatus & 0x0f) !== 0) {
      return InterruptId.modemStatus;
    }
    return InterruptId.none;
  }

  #readInterruptId(): number {
    const id = this.#interruptId();
    if (id === InterruptId.transmitterEmpty) {
      this.#transmitInterrupt = false;
      this.#updateLine();
    }
    return id | (this.#fifosEnabled ? InterruptId.fifosEnabled : 0);
  }

  #updateLine(): void {
    // Loopback forces the OUT2 pin inactive, so it silences the interrupt too.
    const isGated = (this.#modemControl & ModemControl.out2) === 0 || this.#isLoopback;
    this.#line.set(!isGated && this.#interruptId() !== InterruptId.none);
  }
}
