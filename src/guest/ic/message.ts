import { IcFlag, IcHeader, IcMessageType } from '../../devices/ic/spec.ts';
import { PipeHeader } from '../../devices/pipe/spec.ts';
import type { GuestChannel } from '../vmbus/api.ts';

/** The receive buffer of today's driver, and of 10.2's, which is as large as a ring. */
const BUFFER_BYTES = 4 * 4096;
const HEADER_END = PipeHeader.size + IcHeader.size;

/**
 * The one message that an integration component works at: the host's request, a copy in the
 * driver's buffer, which is changed in place and sent back as the answer.
 */
export class IcMessage {
  readonly bytes = new Uint8Array(BUFFER_BYTES);
  readonly view = new DataView(this.bytes.buffer);
  readonly header = IcHeader.cursor(this.view).at(PipeHeader.size);
  /** Where the component's own part begins. */
  readonly bodyStart = HEADER_END;
  #length = 0;
  #transactionLo = 0;
  #transactionHi = 0;

  /** Takes the next message of the host. @returns false when there is none */
  receive(channel: GuestChannel): boolean {
    while (channel.receive()) {
      const { packet } = channel;
      const length = Math.min(packet.payloadLength, BUFFER_BYTES);
      if (length < HEADER_END) continue;
      const { payloadStart } = packet;
      this.bytes.set(packet.bytes.subarray(payloadStart, payloadStart + length));
      this.#length = length;
      this.#transactionLo = packet.transactionLo;
      this.#transactionHi = packet.transactionHi;
      return true;
    }
    return false;
  }

  get isNegotiation(): boolean {
    return this.header.type === IcMessageType.is.negotiate;
  }

  /** Bytes of the component's own part, the packet's padding included. */
  get bodyLength(): number {
    return this.#length - HEADER_END;
  }

  /** Makes the answer longer than the request was; what is new is zero. */
  extendBody(length: number): void {
    if (length <= this.bodyLength) return;
    this.bytes.fill(0, this.#length, HEADER_END + length);
    this.#length = HEADER_END + length;
  }

  /** Sends it back as the answer. @returns false when the ring has no room */
  reply(channel: GuestChannel): boolean {
    this.header.flags = IcFlag.bit.transaction | IcFlag.bit.response;
    return channel.sendInBand(
      this.bytes,
      0,
      this.#length,
      this.#transactionLo,
      this.#transactionHi,
      false,
    );
  }
}
