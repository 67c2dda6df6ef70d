import type { StateStream } from '../../core/state.ts';
import type { Trace } from '../../core/trace.ts';
import type { AdapterState } from './adapter-state.ts';
import type { NetvscChannel } from './channel.ts';
import type { NvspProtocol } from './protocol.ts';
import { RndisControl } from './rndis-control.ts';
import { NdisStatus } from './spec/rndis.ts';

/** Control messages of a guest that does not free the sections for their answers. */
const MAX_QUEUED_BYTES = 100 * 1024;
const MAX_QUEUED_INDICATIONS = 64;

interface Indication {
  readonly status: number;
  readonly buffer: Uint8Array;
}

/** RNDIS control messages, each of which waits for a section of the receive buffer for its answer. */
export class ControlQueue {
  readonly #state: AdapterState;
  readonly #protocol: NvspProtocol;
  readonly #rndis: RndisControl;
  #messages: Uint8Array[] = [];
  #queuedBytes = 0;
  #indications: Indication[] = [];

  constructor(state: AdapterState, protocol: NvspProtocol, trace: Trace) {
    this.#state = state;
    this.#protocol = protocol;
    this.#rndis = new RndisControl(state, trace);
  }

  exchange(state: StateStream): void {
    this.#messages = state.list('messages', this.#messages, (message) =>
      state.bytes('message', message ?? new Uint8Array(0)),
    );
    this.#queuedBytes = state.number('queuedBytes', this.#queuedBytes);
    this.#indications = state.list('indications', this.#indications, (indication) => ({
      status: state.number('status', indication?.status ?? 0),
      buffer: state.bytes('buffer', indication?.buffer ?? new Uint8Array(0)),
    }));
  }

  clear(): void {
    this.#messages = [];
    this.#indications = [];
    this.#queuedBytes = 0;
  }

  get isWaiting(): boolean {
    return (
      this.#messages.length > 0 || this.#indications.length > 0 || this.#state.isOffloadChanged
    );
  }

  /** @param message a copy. @returns false when too much waits already */
  take(message: Uint8Array): boolean {
    if (this.#queuedBytes + message.length > MAX_QUEUED_BYTES) return false;
    this.#queuedBytes += message.length;
    this.#messages.push(message);
    return true;
  }

  /** The oldest make way for the newest when the guest hears none. */
  indicate(status: number, buffer: Uint8Array): void {
    if (this.#indications.length === MAX_QUEUED_INDICATIONS) this.#indications.shift();
    this.#indications.push({ status, buffer });
  }

  /** Handles what waits while there are sections for the answers. */
  serve(primary: NetvscChannel): void {
    const sections = this.#protocol.receive;
    if (sections === undefined) return;
    while (this.isWaiting) {
      const section = sections.takeControl();
      if (section < 0) return;
      const length = this.#next();
      if (length === 0) {
        sections.putBack(section);
        continue;
      }
      const { response, responseWords } = this.#rndis;
      const size = Math.min(length, sections.sectionBytes);
      sections.writeControl(section, response, responseWords, size);
      primary.sendControl(sections, section, size);
    }
  }

  /** @returns bytes of the next answer or indication, 0 when a message has none */
  #next(): number {
    const message = this.#messages.shift();
    if (message !== undefined) {
      this.#queuedBytes -= message.length;
      return this.#rndis.handle(message);
    }
    const indication = this.#indications.shift();
    if (indication !== undefined) {
      return this.#rndis.indicate(indication.status, indication.buffer);
    }
    this.#state.isOffloadChanged = false;
    return this.#rndis.indicate(NdisStatus.is.offloadCurrentConfig, this.#state.offload.toBytes());
  }
}
