import type { Hardware } from './hardware.ts';

/** 16550 registers as offsets from the port (PC16550D data sheet). */
const Register = {
  data: 0,
  interruptEnable: 1,
  fifoControl: 2,
  lineControl: 3,
  modemControl: 4,
  lineStatus: 5,
  scratch: 7,
} as const;
const DATA_READY = 0x01;
const TRANSMITTER_EMPTY = 0x20;
const FIFO_BYTES = 16;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
/** Bytes of the message buffer that `dmesg` shows (msgbufsize). */
const MESSAGE_BUFFER_BYTES = 98_304;
/** Most bytes that one interrupt takes out of the receiver. */
const MAX_INPUT_BURST = 256;

export const COM1_PORT = 0x3f8;
export const COM1_IRQ = 4;

/** A console that shows text instead of sending it. */
export interface ScreenConsole {
  /** @param isKernel a message of the kernel, not the output of a program */
  write(text: string, isKernel: boolean): void;
  /** Shows at once what was written. */
  flush(): void;
}

/** The system console on COM1 and on the screen, and the message buffer behind it. */
export class Console {
  /** Where there is a screen: it shows all that the port is sent. */
  screen: ScreenConsole | undefined;
  readonly #hardware: Hardware;
  readonly #messages: string[] = [];
  #messageBytes = 0;
  /** Bytes that the transmitter had no room for. */
  #backlog = '';
  #room = 0;
  /** The carriage return before the line feed that comes next is out already. */
  #hasReturned = false;
  #isPresent = false;

  constructor(hardware: Hardware) {
    this.#hardware = hardware;
  }

  /** Finds and programs the port: 115200 8N1, FIFOs on. @returns whether there is one */
  probe(): boolean {
    const hardware = this.#hardware;
    hardware.out8(COM1_PORT + Register.scratch, 0x5a);
    this.#isPresent = hardware.in8(COM1_PORT + Register.scratch) === 0x5a;
    if (!this.#isPresent) return false;
    hardware.out8(COM1_PORT + Register.interruptEnable, 0);
    hardware.out8(COM1_PORT + Register.lineControl, 0x80);
    hardware.out8(COM1_PORT + Register.data, 1);
    hardware.out8(COM1_PORT + Register.interruptEnable, 0);
    hardware.out8(COM1_PORT + Register.lineControl, 0x03);
    hardware.out8(COM1_PORT + Register.fifoControl, 0x07);
    hardware.out8(COM1_PORT + Register.modemControl, 0x0b);
    return true;
  }

  get isPresent(): boolean {
    return this.#isPresent;
  }

  enableInput(): void {
    if (this.#isPresent) this.#hardware.out8(COM1_PORT + Register.interruptEnable, 1);
  }

  /** Kernel messages: to the buffer, the screen and the port. */
  message(text: string): void {
    this.#messages.push(text);
    this.#messageBytes += text.length;
    while (this.#messageBytes > MESSAGE_BUFFER_BYTES) {
      this.#messageBytes -= this.#messages.shift()!.length;
    }
    this.screen?.write(text, true);
    this.#transmit(text);
  }

  get messages(): string {
    return this.#messages.join('');
  }

  /** What programs print: to the screen and the port. Latin-1. */
  write(text: string): void {
    if (text === '') return;
    this.screen?.write(text, false);
    this.#transmit(text);
  }

  /** A line feed becomes CR LF. */
  #transmit(text: string): void {
    if (!this.#isPresent) return;
    const whole = this.#backlog === '' ? text : this.#backlog + text;
    this.#backlog = '';
    for (let index = 0; index < whole.length; index += 1) {
      const byte = whole.charCodeAt(index);
      const isSent =
        byte === LINE_FEED && !this.#hasReturned
          ? (this.#hasReturned = this.#send(CARRIAGE_RETURN)) && this.#send(byte)
          : this.#send(byte);
      if (!isSent) {
        this.#backlog = whole.slice(index);
        return;
      }
      this.#hasReturned = false;
    }
  }

  get hasBacklog(): boolean {
    return this.#backlog !== '';
  }

  /** Tries again to send what the transmitter had no room for. */
  flush(): void {
    this.#transmit('');
  }

  #send(byte: number): boolean {
    if (this.#room === 0) {
      if ((this.#hardware.in8(COM1_PORT + Register.lineStatus) & TRANSMITTER_EMPTY) === 0) {
        return false;
      }
      this.#room = FIFO_BYTES;
    }
    this.#room -= 1;
    this.#hardware.out8(COM1_PORT + Register.data, byte);
    return true;
  }

  /** Calls `take` for every byte that has arrived. */
  receive(take: (byte: number) => void): void {
    if (!this.#isPresent) return;
    for (let count = 0; count < MAX_INPUT_BURST; count += 1) {
      if ((this.#hardware.in8(COM1_PORT + Register.lineStatus) & DATA_READY) === 0) return;
      take(this.#hardware.in8(COM1_PORT + Register.data));
    }
  }
}
