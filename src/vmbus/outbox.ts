import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import type { Cursor, Field, Struct } from '../core/wire.ts';
import type { MessageFilter, OutgoingMessage, VmbusHost } from './host.ts';
import { vmbusMessageOut } from './trace.ts';

const NO_BYTES = new Uint8Array(0);

/** Makes a message: the structure, zeroed, with its type and what `fill` sets. */
export function buildMessage<F extends Record<string, Field>>(
  struct: Struct<F>,
  type: number,
  fill?: (message: Cursor<F>) => void,
): Uint8Array {
  const bytes = new Uint8Array(struct.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  fill?.(struct.cursor(view));
  return bytes;
}

/** The one door for messages to the guest: in order, held while the guest paused them. */
export class Outbox {
  filter: MessageFilter | undefined;
  isPaused = false;
  readonly #host: VmbusHost;
  readonly #trace: Trace;
  #waiting: OutgoingMessage[] = [];

  constructor(host: VmbusHost, trace: Trace) {
    this.#host = host;
    this.#trace = trace;
  }

  /** Messages that wait for a slot or for the guest's Resume. */
  get backlog(): number {
    return this.#waiting.length;
  }

  post(message: OutgoingMessage): void {
    if (this.filter === undefined || this.filter(message)) this.deliver(message);
  }

  /** Sends past the filter, behind what waits. */
  deliver(message: OutgoingMessage): void {
    if (this.isPaused || this.#waiting.length > 0 || !this.#send(message)) {
      this.#waiting.push(message);
    }
  }

  /** Sends at once or never: replies of reserved channels are outside the connection. */
  postUnqueued(message: OutgoingMessage): void {
    if (this.filter === undefined || this.filter(message)) this.#send(message);
  }

  /** Tries again what the host refused before. */
  flush(): void {
    if (this.isPaused) return;
    let sent = 0;
    while (sent < this.#waiting.length && this.#send(this.#waiting[sent]!)) sent += 1;
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
  }

  exchange(state: StateStream): void {
    this.isPaused = state.flag('isPaused', this.isPaused);
    this.#waiting = state.list('waiting', this.#waiting, (message) => ({
      type: state.number('type', message?.type ?? 0),
      vp: state.number('vp', message?.vp ?? 0),
      sint: state.number('sint', message?.sint ?? 0),
      bytes: state.bytes('bytes', message?.bytes ?? NO_BYTES),
    }));
  }

  reset(): void {
    this.#waiting = [];
    this.isPaused = false;
  }

  #send(message: OutgoingMessage): boolean {
    const { vp, sint, bytes } = message;
    if (!this.#host.sendMessage(vp, sint, bytes, 0, bytes.length)) return false;
    this.#trace.emit(vmbusMessageOut, message.type, vp, sint, bytes.length);
    return true;
  }
}
