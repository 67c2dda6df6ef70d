/** TCP's segments: to and from connections, listeners, and the one thread of their timers. */
import { IpProtocol, Ipv4Header, TcpFlag, TcpHeader } from '../../net/spec/ip.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { readLong, readWord, writeLong, writeWord } from '../../core/network-order.ts';
import { ChecksumFlag } from './packet.ts';
import { isTransportSound, TRANSPORT_AT } from './ip.ts';
import type { Packet } from './packet.ts';
import type { NetStack } from './stack.ts';
import type { StreamBuffer } from './tcp-buffer.ts';
import { type Segment, TcpConnection } from './tcp-connection.ts';

const TCP = TcpHeader.offset;
const FIRST_EPHEMERAL = 10_000;
const LAST_EPHEMERAL = 65_535;
const MSS_OPTION = 2;
const MSS_OPTION_BYTES = 4;
const MAX_CONNECTIONS = 16_384;
/** Processor time of a segment through tcp_input or tcp_output. */
const SEGMENT_NS = 600;

export type Accept = (connection: TcpConnection) => void;

export class Tcp {
  readonly kernel: KernelApi;
  readonly #stack: NetStack;
  readonly #listeners = new Map<number, Accept>();
  /** By the remote endpoint; the local port tells those of one endpoint apart. */
  readonly #connections = new Map<number, TcpConnection[]>();
  readonly #random;
  readonly #timer = {};
  readonly #segment: Segment = {
    sequence: 0,
    acknowledgment: 0,
    flags: 0,
    window: 0,
    mss: 0,
    bytes: new Uint8Array(0),
    start: 0,
    length: 0,
  };
  #count = 0;
  #nextPort = FIRST_EPHEMERAL;
  #hasTimerThread = false;
  #nextTimerNs = Infinity;
  received = 0;
  badChecksum = 0;
  sent = 0;
  resetsSent = 0;
  retransmits = 0;

  constructor(stack: NetStack) {
    this.#stack = stack;
    this.kernel = stack.kernel;
    this.#random = stack.kernel.random('tcp');
  }

  get connections(): readonly TcpConnection[] {
    return [...this.#connections.values()].flat();
  }

  get listeningPorts(): readonly number[] {
    return [...this.#listeners.keys()];
  }

  /** @param accept called when a connection is established */
  listen(port: number, accept: Accept): void {
    this.#listeners.set(port, accept);
  }

  /** @returns an established connection, or one that is closed and says why */
  *connect(address: number, port: number, localPort = 0): Task<TcpConnection> {
    const connection = this.#create('SYN_SENT', address, port, localPort);
    if (connection.localIp === 0) {
      connection.finish('timeout');
      return connection;
    }
    connection.open();
    while (connection.state === 'SYN_SENT') yield* this.kernel.tsleep(connection, Infinity);
    return connection;
  }

  #create(
    state: 'SYN_SENT' | 'SYN_RCVD',
    address: number,
    port: number,
    localPort: number,
  ): TcpConnection {
    const local = localPort === 0 ? this.#freePort() : localPort;
    const sequence = this.#random.below(0x1_0000_0000);
    const localIp = this.#stack.sourceFor(address);
    const connection = new TcpConnection(this, state, [localIp, local], [address, port], sequence);
    connection.mss = this.#mssFor(address);
    const key = address * 0x1_0000 + port;
    const list = this.#connections.get(key);
    if (list === undefined) this.#connections.set(key, [connection]);
    else list.push(connection);
    this.#count += 1;
    return connection;
  }

  #freePort(): number {
    const port = this.#nextPort;
    this.#nextPort = port >= LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
    return port;
  }

  #mssFor(address: number): number {
    const mtu = this.#stack.route(address)?.mtu ?? 1500;
    return mtu - Ipv4Header.size - TcpHeader.size;
  }

  /** The adapter that leads there cuts large segments up itself. */
  canSegment(address: number): boolean {
    if (this.#stack.isLocal(address)) return false;
    const assist = this.#stack.route(address)?.hwassist ?? 0;
    return (assist & ChecksumFlag.tso) !== 0;
  }

  forget(connection: TcpConnection): void {
    const key = connection.remoteIp * 0x1_0000 + connection.remotePort;
    const list = this.#connections.get(key);
    const index = list?.indexOf(connection) ?? -1;
    if (list === undefined || index < 0) return;
    list.splice(index, 1);
    this.#count -= 1;
    if (list.length === 0) this.#connections.delete(key);
  }

  accepted(connection: TcpConnection): void {
    this.#listeners.get(connection.localPort)?.(connection);
  }

  input(packet: Packet, ip: number, length: number): void {
    this.kernel.charge(SEGMENT_NS);
    const { bytes } = packet;
    const at = ip + (bytes[ip]! & 15) * 4;
    const headerBytes = length < TcpHeader.size ? 0 : (bytes[at + TCP.dataOffset]! >>> 4) * 4;
    if (headerBytes < TcpHeader.size || headerBytes > length) return;
    if (!isTransportSound(packet, ip, IpProtocol.tcp, length)) {
      this.badChecksum += 1;
      return;
    }
    this.received += 1;
    const segment = this.#segment;
    segment.sequence = readLong(bytes, at + TCP.sequence);
    segment.acknowledgment = readLong(bytes, at + TCP.acknowledgment);
    segment.flags = bytes[at + TCP.flags]!;
    segment.window = readWord(bytes, at + TCP.window);
    segment.mss = mssOption(bytes, at + TcpHeader.size, at + headerBytes);
    segment.bytes = bytes;
    segment.start = at + headerBytes;
    segment.length = length - headerBytes;
    const remoteIp = readLong(bytes, ip + Ipv4Header.offset.source);
    const remotePort = readWord(bytes, at + TCP.sourcePort);
    const localIp = readLong(bytes, ip + Ipv4Header.offset.destination);
    const localPort = readWord(bytes, at + TCP.destinationPort);
    const connection = this.#find(remoteIp, remotePort, localIp, localPort);
    if (connection !== undefined) connection.input(segment);
    else this.#inputUnknown(segment, localIp, localPort, remoteIp, remotePort);
  }

  #find(
    remoteIp: number,
    remotePort: number,
    localIp: number,
    localPort: number,
  ): TcpConnection | undefined {
    const list = this.#connections.get(remoteIp * 0x1_0000 + remotePort);
    return list?.find((one) => one.localPort === localPort && one.localIp === localIp);
  }

  #inputUnknown(
    segment: Segment,
    localIp: number,
    localPort: number,
    remoteIp: number,
    remotePort: number,
  ): void {
    const { flags } = segment;
    if ((flags & TcpFlag.rst) !== 0) return;
    const isSyn = (flags & (TcpFlag.syn | TcpFlag.ack)) === TcpFlag.syn;
    if (isSyn && this.#listeners.has(localPort) && this.#count < MAX_CONNECTIONS) {
      const connection = this.#create('SYN_RCVD', remoteIp, remotePort, localPort);
      if (segment.mss > 0) connection.mss = Math.min(connection.mss, segment.mss);
      connection.open(segment.sequence);
      return;
    }
    this.resetsSent += 1;
    const hasAck = (flags & TcpFlag.ack) !== 0;
    const size = segment.length + (isSyn ? 1 : 0) + ((flags & TcpFlag.fin) === 0 ? 0 : 1);
    this.#write(localPort, remotePort, {
      sequence: hasAck ? segment.acknowledgment : 0,
      acknowledgment: hasAck ? 0 : (segment.sequence + size) >>> 0,
      flags: TcpFlag.rst | (hasAck ? 0 : TcpFlag.ack),
      window: 0,
    });
    this.#stack.send(IpProtocol.tcp, localIp, remoteIp, TcpHeader.size);
  }

  #write(
    localPort: number,
    remotePort: number,
    fields: Pick<Segment, 'sequence' | 'acknowledgment' | 'flags' | 'window'>,
  ): void {
    const { bytes } = this.#stack.out;
    writeWord(bytes, TRANSPORT_AT + TCP.sourcePort, localPort);
    writeWord(bytes, TRANSPORT_AT + TCP.destinationPort, remotePort);
    writeLong(bytes, TRANSPORT_AT + TCP.sequence, fields.sequence);
    writeLong(bytes, TRANSPORT_AT + TCP.acknowledgment, fields.acknowledgment);
    bytes[TRANSPORT_AT + TCP.dataOffset] = (TcpHeader.size / 4) << 4;
    bytes[TRANSPORT_AT + TCP.flags] = fields.flags;
    writeWord(bytes, TRANSPORT_AT + TCP.window, fields.window);
    writeWord(bytes, TRANSPORT_AT + TCP.checksum, 0);
    writeWord(bytes, TRANSPORT_AT + TCP.urgent, 0);
  }

  /** tcp_output: one segment of a connection, with `length` bytes of its send buffer. */
  emit(
    connection: TcpConnection,
    sequence: number,
    acknowledgment: number,
    flags: number,
    window: number,
    data: StreamBuffer,
    offset: number,
    length: number,
    isSyn: boolean,
  ): void {
    this.kernel.charge(SEGMENT_NS);
    this.sent += 1;
    const { localIp, localPort, remoteIp, remotePort, mss } = connection;
    this.#write(localPort, remotePort, { sequence, acknowledgment, flags, window });
    const { bytes } = this.#stack.out;
    let headerBytes = TcpHeader.size;
    if (isSyn) {
      const at = TRANSPORT_AT + TcpHeader.size;
      bytes[at] = MSS_OPTION;
      bytes[at + 1] = MSS_OPTION_BYTES;
      writeWord(bytes, at + 2, this.#mssFor(remoteIp));
      headerBytes += MSS_OPTION_BYTES;
      bytes[TRANSPORT_AT + TCP.dataOffset] = (headerBytes / 4) << 4;
    }
    data.copyOut(offset, bytes, TRANSPORT_AT + headerBytes, length);
    const segmentBytes = length > mss ? mss : 0;
    this.#stack.send(IpProtocol.tcp, localIp, remoteIp, headerBytes + length, segmentBytes);
  }

  /** A timer was set: the thread looks again when that one is due before all others. */
  timersChanged(dueNs: number): void {
    if (this.#hasTimerThread) {
      if (dueNs < this.#nextTimerNs) this.kernel.wakeup(this.#timer);
      return;
    }
    this.#hasTimerThread = true;
    this.kernel.spawn('tcp timers', () => this.#runTimers());
  }

  *#runTimers(): Task {
    for (;;) {
      const nowNs = this.kernel.uptimeNs();
      let nextNs = Infinity;
      for (const connection of this.connections) {
        connection.expire(nowNs);
        nextNs = Math.min(nextNs, connection.timerNs, connection.ackTimerNs);
      }
      this.#nextTimerNs = nextNs;
      if (nextNs === Infinity) break;
      yield* this.kernel.tsleep(this.#timer, Math.max(0, nextNs - this.kernel.uptimeNs()));
    }
    this.#hasTimerThread = false;
  }
}

/** The MSS that a SYN announces, or 0. */
function mssOption(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const kind = bytes[at]!;
    if (kind === 0) return 0;
    if (kind === 1) {
      at += 1;
      continue;
    }
    const length = at + 1 < end ? bytes[at + 1]! : 0;
    if (length < 2 || at + length > end) return 0;
    if (kind === MSS_OPTION && length === MSS_OPTION_BYTES) return readWord(bytes, at + 2);
    at += length;
  }
  return 0;
}
