import type { StateStream } from '../core/state.ts';
import type { ByteSink, Uart } from '../devices/uart/uart.ts';

/** The last lines that failures show. */
const KEPT_CHARACTERS = 8192;

/**
 * The host's end of the guest's console line: text out to listeners, input in with back-pressure,
 * so that typing is never lost.
 */
export class ConsoleLine implements ByteSink {
  #uart: Uart | undefined;
  readonly #waiting: number[] = [];
  /** Called when everything that was typed before has gone in. */
  #taken: (() => void)[] = [];
  readonly #listeners: ((byte: number) => void)[] = [];
  #recent = '';

  connect(uart: Uart): void {
    this.#uart = uart;
  }

  /** @param listener hears every byte that the guest prints */
  listen(listener: (byte: number) => void): void {
    this.#listeners.push(listener);
  }

  write(byte: number): void {
    this.#recent += String.fromCharCode(byte);
    if (this.#recent.length > 2 * KEPT_CHARACTERS)
      this.#recent = this.#recent.slice(-KEPT_CHARACTERS);
    for (const listener of this.#listeners) listener(byte);
  }

  /** Who listens is outside of the machine. */
  exchange(state: StateStream): void {
    const waiting = state.list('waiting', this.#waiting, (byte) => state.number('byte', byte ?? 0));
    this.#waiting.splice(0, Infinity, ...waiting);
    this.#recent = state.text('recent', this.#recent);
  }

  inputReady(): void {
    this.#pump();
  }

  /**
   * Queues input; it goes in as the guest makes room.
   * @param taken called when all of it is in the guest's UART
   */
  type(bytes: Uint8Array, taken?: () => void): void {
    for (const byte of bytes) this.#waiting.push(byte);
    if (taken !== undefined) this.#taken.push(taken);
    this.#pump();
  }

  /** What the guest printed last, as Latin-1 text. */
  get recentText(): string {
    return this.#recent;
  }

  /** The last whole and partial lines, for a failure report. */
  lastLines(count: number): string[] {
    return this.#recent
      .split(/\r?\n/)
      .map((line) => line.trimEnd())
      .filter((line) => line !== '')
      .slice(-count);
  }

  #pump(): void {
    const uart = this.#uart;
    if (uart === undefined) return;
    while (this.#waiting.length > 0) {
      const room = uart.inputRoom;
      if (room === 0) return;
      const taken = uart.receive(Uint8Array.from(this.#waiting.slice(0, room)));
      if (taken === 0) return;
      this.#waiting.splice(0, taken);
    }
    const callbacks = this.#taken;
    this.#taken = [];
    for (const callback of callbacks) callback();
  }
}
