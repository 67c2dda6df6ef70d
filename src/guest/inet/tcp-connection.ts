/** One TCP connection (RFC 9293): in-order data, one retransmission timer, no window scaling. */
import { NS_PER_MS, NS_PER_SECOND } from '../../core/clock.ts';
import { TcpFlag } from '../../net/spec/ip.ts';
import type { Task } from '../kernel/api.ts';
import type { Tcp } from './tcp.ts';
import { StreamBuffer } from './tcp-buffer.ts';

/** sendspace and recvspace; the window is not scaled, so that more would be of no use. */
const BUFFER_BYTES = 65_536;
const MAX_WINDOW = 65_535;
const INITIAL_SEGMENTS = 10;
const FIRST_TIMEOUT_NS = NS_PER_SECOND;
const MAX_TIMEOUT_NS = 64 * NS_PER_SECOND;
const MAX_RETRANSMITS = 12;
/** net.inet.tcp.keepinit: how long a connection may take to be made. */
const OPEN_LIMIT_NS = 75 * NS_PER_SECOND;
/** net.inet.tcp.delacktime. */
const DELAYED_ACK_NS = 40 * NS_PER_MS;
/** Twice the maximum segment lifetime, shortened as net.inet.tcp.msl allows. */
const TIME_WAIT_NS = 2 * NS_PER_SECOND;
/** What the adapter may cut up at once. */
const MAX_SEGMENTED_BYTES = 61_440;

export type TcpState =
  | 'SYN_SENT'
  | 'SYN_RCVD'
  | 'ESTABLISHED'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT'
  | 'CLOSED';

/** The part of a segment that a connection looks at; one object, filled anew. */
export interface Segment {
  sequence: number;
  acknowledgment: number;
  flags: number;
  window: number;
  /** MSS option, or 0. */
  mss: number;
  bytes: Uint8Array;
  start: number;
  length: number;
}

function distance(from: number, to: number): number {
  return (to - from) | 0;
}

export class TcpConnection {
  readonly localIp: number;
  readonly localPort: number;
  readonly remoteIp: number;
  readonly remotePort: number;
  state: TcpState;
  /** Payload of a full segment. */
  mss = 536;
  /** Why it ended, when it did not end well. */
  error: 'refused' | 'timeout' | 'reset' | undefined;
  /** Called with data as it comes, in place of `read`; from the adapter's event thread. */
  onData: ((connection: TcpConnection) => void) | undefined;
  retransmits = 0;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #tcp: Tcp;
  readonly #send = new StreamBuffer(BUFFER_BYTES);
  readonly #receive = new StreamBuffer(BUFFER_BYTES);
  #sendUnacked: number;
  #sendNext: number;
  #receiveNext = 0;
  #window = MAX_WINDOW;
  #congestion: number;
  #isFinQueued = false;
  #isFinSent = false;
  #unackedSegments = 0;
  #attempts = 0;
  #openLimitNs = 0;
  #timeoutNs = FIRST_TIMEOUT_NS;
  /** When the retransmission, or the end of TIME_WAIT, is due. */
  timerNs = Infinity;
  ackTimerNs = Infinity;

  constructor(
    tcp: Tcp,
    state: TcpState,
    local: readonly [number, number],
    remote: readonly [number, number],
    initialSequence: number,
  ) {
    this.#tcp = tcp;
    this.state = state;
    [this.localIp, this.localPort] = local;
    [this.remoteIp, this.remotePort] = remote;
    this.#sendUnacked = initialSequence;
    this.#sendNext = initialSequence;
    this.#congestion = INITIAL_SEGMENTS * 1460;
  }

  get isEstablished(): boolean {
    return this.state === 'ESTABLISHED' || this.state === 'CLOSE_WAIT';
  }

  /** No more data will come. */
  get isEnded(): boolean {
    return !['SYN_SENT', 'SYN_RCVD', 'ESTABLISHED', 'FIN_WAIT_1', 'FIN_WAIT_2'].includes(
      this.state,
    );
  }

  /** Bytes that `push` would take now. */
  get sendRoom(): number {
    return this.#send.room;
  }

  get available(): number {
    return this.#receive.length;
  }

  /** SYN, or SYN and ACK for one that came. */
  open(peerSequence?: number): void {
    this.#openLimitNs = this.#tcp.kernel.uptimeNs() + OPEN_LIMIT_NS;
    if (peerSequence !== undefined) this.#receiveNext = (peerSequence + 1) >>> 0;
    this.#sendNext = (this.#sendUnacked + 1) >>> 0;
    this.#emit(this.#sendUnacked, this.#openFlags(), 0, 0, true);
    this.#arm();
  }

  #openFlags(): number {
    return this.state === 'SYN_SENT' ? TcpFlag.syn : TcpFlag.syn | TcpFlag.ack;
  }

  /** @returns false when the connection ended before all of it was taken */
  *write(bytes: Uint8Array): Task<boolean> {
    let done = 0;
    while (done < bytes.length) {
      if (!this.isEstablished || this.#isFinQueued) return false;
      done += this.push(bytes, done, bytes.length - done);
      if (done < bytes.length) yield* this.#tcp.kernel.tsleep(this, Infinity);
    }
    return true;
  }

  /** Takes what fits and sends what it may. @returns bytes taken */
  push(bytes: Uint8Array, start: number, length: number): number {
    const taken = this.#send.append(bytes, start, length);
    this.#output();
    return taken;
  }

  /** @returns what has come, at most `limit`; undefined at the end of the stream */
  *read(limit = BUFFER_BYTES): Task<Uint8Array | undefined> {
    while (this.#receive.length === 0) {
      if (this.isEnded) return undefined;
      yield* this.#tcp.kernel.tsleep(this, Infinity);
    }
    return this.take(limit);
  }

  take(limit = BUFFER_BYTES): Uint8Array {
    const wasFull = this.#receive.room < this.mss;
    const bytes = new Uint8Array(Math.min(limit, this.#receive.length));
    this.#receive.copyOut(0, bytes, 0, bytes.length);
    this.#receive.drop(bytes.length);
    if (wasFull && bytes.length > 0) this.#acknowledge();
    return bytes;
  }

  /** Ends this side's stream once everything is sent. */
  close(): void {
    if (this.#isFinQueued || this.state === 'CLOSED') return;
    this.#isFinQueued = true;
    if (this.state === 'SYN_SENT') this.finish(undefined);
    else this.#output();
  }

  /** The end: whoever waits is woken. */
  finish(error: TcpConnection['error']): void {
    this.state = 'CLOSED';
    this.error ??= error;
    this.timerNs = Infinity;
    this.ackTimerNs = Infinity;
    this.#tcp.forget(this);
    this.#tcp.kernel.wakeup(this);
  }

  input(segment: Segment): void {
    const { flags } = segment;
    if (this.state === 'SYN_SENT') {
      this.#inputSynSent(segment);
      return;
    }
    if ((flags & TcpFlag.rst) !== 0) {
      const inWindow = distance(this.#receiveNext, segment.sequence);
      if (inWindow >= 0 && inWindow <= MAX_WINDOW) this.finish('reset');
      return;
    }
    if ((flags & TcpFlag.syn) !== 0) {
      // The peer has not heard the SYN and ACK, or the last ACK.
      if (this.state === 'SYN_RCVD') this.#emit(this.#sendUnacked, this.#openFlags(), 0, 0, true);
      else this.#acknowledge();
      return;
    }
    if ((flags & TcpFlag.ack) === 0) return;
    this.#inputAck(segment);
    if (this.state === 'CLOSED') return;
    this.#inputData(segment);
    if (this.#receive.length > 0 || this.isEnded) this.onData?.(this);
    this.#output();
  }

  #inputSynSent({ flags, sequence, acknowledgment, window, mss }: Segment): void {
    const isForMe = (flags & TcpFlag.ack) !== 0 && acknowledgment === this.#sendNext;
    if (!isForMe) return;
    if ((flags & TcpFlag.rst) !== 0) {
      this.finish('refused');
      return;
    }
    if ((flags & TcpFlag.syn) === 0) return;
    if (mss > 0) this.mss = Math.min(this.mss, mss);
    this.#receiveNext = (sequence + 1) >>> 0;
    this.#sendUnacked = acknowledgment;
    this.#window = window;
    this.#establish();
    this.#acknowledge();
    this.#output();
  }

  #establish(): void {
    this.state = 'ESTABLISHED';
    this.#attempts = 0;
    this.#timeoutNs = FIRST_TIMEOUT_NS;
    this.timerNs = Infinity;
    this.#tcp.kernel.wakeup(this);
  }

  #inputAck({ acknowledgment, window }: Segment): void {
    const acked = distance(this.#sendUnacked, acknowledgment);
    const isNew = acked > 0 && distance(acknowledgment, this.#sendNext) >= 0;
    if (acked >= 0) this.#window = window;
    if (!isNew) return;
    if (this.state === 'SYN_RCVD') {
      this.#sendUnacked = (this.#sendUnacked + 1) >>> 0;
      this.#establish();
      this.#tcp.accepted(this);
    }
    const isFinAcked = this.#isFinSent && acknowledgment === this.#sendNext;
    const data = distance(this.#sendUnacked, acknowledgment) - (isFinAcked ? 1 : 0);
    this.#send.drop(Math.min(data, this.#send.length));
    this.#sendUnacked = acknowledgment;
    this.#congestion = Math.min(MAX_WINDOW, this.#congestion + this.mss);
    this.#attempts = 0;
    this.#timeoutNs = FIRST_TIMEOUT_NS;
    if (this.#sendUnacked === this.#sendNext) this.timerNs = Infinity;
    else this.#arm();
    if (isFinAcked) this.#finAcked();
    this.#tcp.kernel.wakeup(this);
  }

  #finAcked(): void {
    if (this.state === 'FIN_WAIT_1') this.state = 'FIN_WAIT_2';
    else if (this.state === 'CLOSING') this.#waitOut();
    else if (this.state === 'LAST_ACK') this.finish(undefined);
  }

  #waitOut(): void {
    this.state = 'TIME_WAIT';
    this.#setTimer(TIME_WAIT_NS);
  }

  #inputData(segment: Segment): void {
    const offset = distance(segment.sequence, this.#receiveNext);
    const hasFin = (segment.flags & TcpFlag.fin) !== 0;
    if (segment.length === 0 && !hasFin) return;
    // What came before is cut off; what comes too early is asked for again.
    if (offset < 0 || offset > segment.length) {
      this.#acknowledge();
      return;
    }
    const fresh = segment.length - offset;
    let taken = 0;
    if (fresh > 0 && !this.isEnded) {
      taken = this.#receive.append(segment.bytes, segment.start + offset, fresh);
      this.#receiveNext = (this.#receiveNext + taken) >>> 0;
      this.bytesReceived += taken;
      this.#unackedSegments += 1;
    }
    if (hasFin && taken === fresh && !this.isEnded) {
      this.#receiveNext = (this.#receiveNext + 1) >>> 0;
      this.#peerFinished();
      this.#acknowledge();
    } else if (taken < fresh || fresh === 0 || this.#unackedSegments >= 2) {
      this.#acknowledge();
    } else {
      this.ackTimerNs = Math.min(this.ackTimerNs, this.#tcp.kernel.uptimeNs() + DELAYED_ACK_NS);
      this.#tcp.timersChanged(this.ackTimerNs);
    }
    this.#tcp.kernel.wakeup(this);
  }

  #peerFinished(): void {
    if (this.state === 'ESTABLISHED') this.state = 'CLOSE_WAIT';
    else if (this.state === 'FIN_WAIT_1') this.state = 'CLOSING';
    else if (this.state === 'FIN_WAIT_2') this.#waitOut();
  }

  /** Sends what the windows allow, then the FIN. */
  #output(): void {
    if (!['ESTABLISHED', 'CLOSE_WAIT', 'FIN_WAIT_1', 'LAST_ACK', 'CLOSING'].includes(this.state)) {
      return;
    }
    const limit = Math.min(this.#window, this.#congestion);
    const most = this.#tcp.canSegment(this.remoteIp) ? MAX_SEGMENTED_BYTES : this.mss;
    for (;;) {
      const inFlight = distance(this.#sendUnacked, this.#sendNext);
      const left = this.#send.length - inFlight;
      const length = Math.min(left, most, limit - inFlight);
      if (left <= 0 || length <= 0 || this.#isFinSent) break;
      const isLast = length === left;
      this.#emit(this.#sendNext, TcpFlag.ack | (isLast ? TcpFlag.psh : 0), inFlight, length, false);
      this.#sendNext = (this.#sendNext + length) >>> 0;
      this.bytesSent += length;
      if (this.timerNs === Infinity) this.#arm();
    }
    const isAllSent = distance(this.#sendUnacked, this.#sendNext) === this.#send.length;
    if (!this.#isFinQueued || this.#isFinSent || !isAllSent) return;
    this.#isFinSent = true;
    this.#emit(this.#sendNext, TcpFlag.fin | TcpFlag.ack, 0, 0, false);
    this.#sendNext = (this.#sendNext + 1) >>> 0;
    this.state = this.state === 'CLOSE_WAIT' ? 'LAST_ACK' : 'FIN_WAIT_1';
    this.#arm();
  }

  #acknowledge(): void {
    this.#emit(this.#sendNext, TcpFlag.ack, 0, 0, false);
  }

  #emit(sequence: number, flags: number, offset: number, length: number, isSyn: boolean): void {
    if ((flags & TcpFlag.ack) !== 0) {
      this.#unackedSegments = 0;
      this.ackTimerNs = Infinity;
    }
    const window = Math.min(MAX_WINDOW, this.#receive.room);
    const acknowledgment = (flags & TcpFlag.ack) === 0 ? 0 : this.#receiveNext;
    this.#tcp.emit(
      this,
      sequence,
      acknowledgment,
      flags,
      window,
      this.#send,
      offset,
      length,
      isSyn,
    );
  }

  #arm(): void {
    // A connection that cannot be made is given up in time.
    const isOpening = this.state === 'SYN_SENT' || this.state === 'SYN_RCVD';
    const left = this.#openLimitNs - this.#tcp.kernel.uptimeNs();
    this.#setTimer(isOpening ? Math.min(this.#timeoutNs, Math.max(0, left)) : this.#timeoutNs);
  }

  #setTimer(delayNs: number): void {
    this.timerNs = this.#tcp.kernel.uptimeNs() + delayNs;
    this.#tcp.timersChanged(this.timerNs);
  }

  /** From the timer's thread. */
  expire(nowNs: number): void {
    if (this.ackTimerNs <= nowNs) this.#acknowledge();
    if (this.timerNs > nowNs) return;
    if (this.state === 'TIME_WAIT') {
      this.finish(undefined);
      return;
    }
    this.#attempts += 1;
    const isOpening = this.state === 'SYN_SENT' || this.state === 'SYN_RCVD';
    if (this.#attempts > MAX_RETRANSMITS || (isOpening && nowNs >= this.#openLimitNs)) {
      this.finish('timeout');
      return;
    }
    this.retransmits += 1;
    this.#tcp.retransmits += 1;
    this.#timeoutNs = Math.min(MAX_TIMEOUT_NS, this.#timeoutNs * 2);
    this.#congestion = this.mss;
    this.#resend();
    this.#arm();
  }

  #resend(): void {
    if (this.state === 'SYN_SENT' || this.state === 'SYN_RCVD') {
      this.#emit(this.#sendUnacked, this.#openFlags(), 0, 0, true);
      return;
    }
    const length = Math.min(this.mss, this.#send.length);
    if (length > 0) this.#emit(this.#sendUnacked, TcpFlag.ack | TcpFlag.psh, 0, length, false);
    else if (this.#isFinSent) this.#emit(this.#sendUnacked, TcpFlag.fin | TcpFlag.ack, 0, 0, false);
  }
}
