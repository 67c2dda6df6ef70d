/** UDP (RFC 768): sockets by port. */
import { IpProtocol, Ipv4Header, UdpHeader } from '../../net/spec/ip.ts';
import { readLong, readWord, writeWord } from '../../core/network-order.ts';
import type { NetInterface } from './interface.ts';
import { isTransportSound, TRANSPORT_AT } from './ip.ts';
import type { Packet } from './packet.ts';
import type { NetStack } from './stack.ts';

const UDP = UdpHeader.offset;
const FIRST_EPHEMERAL = 10_000;
const LAST_EPHEMERAL = 65_535;

/** A datagram as its receiver sees it; the bytes are valid during the call only. */
export type DatagramHandler = (
  bytes: Uint8Array,
  start: number,
  length: number,
  source: number,
  port: number,
) => void;

export class Udp {
  readonly #stack: NetStack;
  readonly #sockets = new Map<number, DatagramHandler>();
  #nextPort = FIRST_EPHEMERAL;
  received = 0;
  badChecksum = 0;
  noSocket = 0;
  sent = 0;

  constructor(stack: NetStack) {
    this.#stack = stack;
  }

  /** @param port 0 for any free one. @returns the port, or -1 when it is taken */
  bind(port: number, handler: DatagramHandler): number {
    let chosen = port;
    while (chosen === 0) {
      if (!this.#sockets.has(this.#nextPort)) chosen = this.#nextPort;
      this.#nextPort = this.#nextPort >= LAST_EPHEMERAL ? FIRST_EPHEMERAL : this.#nextPort + 1;
    }
    if (this.#sockets.has(chosen)) return -1;
    this.#sockets.set(chosen, handler);
    return chosen;
  }

  close(port: number): void {
    this.#sockets.delete(port);
  }

  input(_ifp: NetInterface, packet: Packet, ip: number, length: number): void {
    const { bytes } = packet;
    const at = ip + (bytes[ip]! & 15) * 4;
    const size = length < UdpHeader.size ? 0 : readWord(bytes, at + UDP.length);
    if (size < UdpHeader.size || size > length) return;
    const hasSum = readWord(bytes, at + UDP.checksum) !== 0;
    if (hasSum && !isTransportSound(packet, ip, IpProtocol.udp, size)) {
      this.badChecksum += 1;
      return;
    }
    const handler = this.#sockets.get(readWord(bytes, at + UDP.destinationPort));
    if (handler === undefined) {
      this.noSocket += 1;
      return;
    }
    this.received += 1;
    const source = readLong(bytes, ip + Ipv4Header.offset.source);
    const port = readWord(bytes, at + UDP.sourcePort);
    handler(bytes, at + UdpHeader.size, size - UdpHeader.size, source, port);
  }

  /** @returns false when there is no way to the destination, or it is too long */
  send(
    port: number,
    destination: number,
    destinationPort: number,
    payload: Uint8Array,
    start: number,
    length: number,
  ): boolean {
    const source = this.#stack.sourceFor(destination);
    if (source === 0) return false;
    const { bytes } = this.#stack.out;
    const size = UdpHeader.size + length;
    if (TRANSPORT_AT + size > bytes.length || size > 0xffff) return false;
    writeWord(bytes, TRANSPORT_AT + UDP.sourcePort, port);
    writeWord(bytes, TRANSPORT_AT + UDP.destinationPort, destinationPort);
    writeWord(bytes, TRANSPORT_AT + UDP.length, size);
    writeWord(bytes, TRANSPORT_AT + UDP.checksum, 0);
    const to = TRANSPORT_AT + UdpHeader.size;
    for (let index = 0; index < length; index += 1) bytes[to + index] = payload[start + index]!;
    this.sent += 1;
    return this.#stack.send(IpProtocol.udp, source, destination, size);
  }
}
