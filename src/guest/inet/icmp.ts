/** ICMP echo: answers, and the questions of ping(8). */
import { IcmpEcho, IcmpType, IpProtocol, Ipv4Header } from '../../net/spec/ip.ts';
import { readLong, readWord, writeWord } from '../../core/network-order.ts';
import { sumOf } from './checksum.ts';
import { TRANSPORT_AT } from './ip.ts';
import type { Packet } from './packet.ts';
import type { NetStack } from './stack.ts';

const ECHO = IcmpEcho.offset;

/** Hears the answers to one program's echo requests. */
export interface EchoListener {
  readonly id: number;
  reply(sequence: number, source: number, timeToLive: number, bytes: number): void;
}

export class Icmp {
  readonly #stack: NetStack;
  readonly #listeners: EchoListener[] = [];
  #nextId = 0x0200;
  badChecksum = 0;
  echoesAnswered = 0;

  constructor(stack: NetStack) {
    this.#stack = stack;
  }

  nextId(): number {
    this.#nextId = (this.#nextId + 1) & 0xffff;
    return this.#nextId;
  }

  listen(listener: EchoListener): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners.splice(this.#listeners.indexOf(listener), 1);
    };
  }

  input(packet: Packet, ip: number, length: number): void {
    const { bytes } = packet;
    const at = ip + (bytes[ip]! & 15) * 4;
    if (length < IcmpEcho.size || sumOf(bytes, at, length) !== 0xffff) {
      this.badChecksum += 1;
      return;
    }
    const type = bytes[at]!;
    const source = readLong(bytes, ip + Ipv4Header.offset.source);
    if (type === IcmpType.echoRequest && bytes[at + ECHO.code] === 0) {
      const destination = readLong(bytes, ip + Ipv4Header.offset.destination);
      if (!this.#stack.isLocal(destination)) return;
      this.echoesAnswered += 1;
      this.#echo(IcmpType.echoReply, bytes, at, length, destination, source);
    } else if (type === IcmpType.echoReply) {
      const id = readWord(bytes, at + ECHO.id);
      const sequence = readWord(bytes, at + ECHO.sequence);
      const ttl = bytes[ip + Ipv4Header.offset.timeToLive]!;
      for (const listener of this.#listeners) {
        if (listener.id === id) listener.reply(sequence, source, ttl, length);
      }
    }
  }

  #echo(
    type: number,
    source: Uint8Array,
    start: number,
    length: number,
    from: number,
    to: number,
  ): void {
    const { bytes } = this.#stack.out;
    for (let index = 0; index < length; index += 1) {
      bytes[TRANSPORT_AT + index] = source[start + index]!;
    }
    this.#finish(type, length, from, to);
  }

  #finish(type: number, length: number, from: number, to: number): boolean {
    const { bytes } = this.#stack.out;
    bytes[TRANSPORT_AT] = type;
    bytes[TRANSPORT_AT + ECHO.code] = 0;
    writeWord(bytes, TRANSPORT_AT + ECHO.checksum, 0);
    const sum = ~sumOf(bytes, TRANSPORT_AT, length) & 0xffff;
    writeWord(bytes, TRANSPORT_AT + ECHO.checksum, sum);
    return this.#stack.send(IpProtocol.icmp, from, to, length);
  }

  /** Sends an echo request with a payload of counting bytes. @returns false without a route */
  request(destination: number, id: number, sequence: number, payload: number): boolean {
    const source = this.#stack.sourceFor(destination);
    if (source === 0) return false;
    const { bytes } = this.#stack.out;
    writeWord(bytes, TRANSPORT_AT + ECHO.id, id);
    writeWord(bytes, TRANSPORT_AT + ECHO.sequence, sequence);
    for (let index = 0; index < payload; index += 1) {
      bytes[TRANSPORT_AT + IcmpEcho.size + index] = index;
    }
    const length = IcmpEcho.size + payload;
    return this.#finish(IcmpType.echoRequest, length, source, destination);
  }
}
