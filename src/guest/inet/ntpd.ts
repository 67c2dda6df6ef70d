/** ntpd(8) with one server: asks now and then, and brings the clock where the server's is. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import {
  NTP_PORT,
  NTP_TO_UNIX_SECONDS,
  NTP_VERSION,
  NtpMode,
  NtpPacket,
} from '../../net/spec/ntp.ts';
import type { Task } from '../kernel/api.ts';
import type { NetStack } from './stack.ts';

const US_PER_SECOND = 1_000_000;
/** minpoll 4. */
const POLL_NS = 16 * NS_PER_SECOND;
const ANSWER_NS = 2 * NS_PER_SECOND;
/** STEP threshold: what is further off is stepped, the rest is slewed by a share a poll. */
const STEP_US = 128_000;
const SLEW_SHARE = 0.5;

function toNtp(us: number): bigint {
  const seconds = Math.floor(us / US_PER_SECOND);
  const rest = us - seconds * US_PER_SECOND;
  const fraction = BigInt(Math.floor((rest / US_PER_SECOND) * 0x1_0000_0000));
  return (BigInt(seconds + NTP_TO_UNIX_SECONDS) << 32n) | fraction;
}

function toUs(time: bigint): number {
  const seconds = Number(time >> 32n) - NTP_TO_UNIX_SECONDS;
  return seconds * US_PER_SECOND + (Number(time & 0xffff_ffffn) / 0x1_0000_0000) * US_PER_SECOND;
}

export class NtpDaemon {
  readonly #stack: NetStack;
  readonly #server: number;
  #isKilled = false;
  /** Of the last answer, in microseconds: the server's time less this system's. */
  offsetUs: number | undefined;
  answers = 0;

  constructor(stack: NetStack, server: number) {
    this.#stack = stack;
    this.#server = server;
  }

  kill(): void {
    this.#isKilled = true;
    this.#stack.kernel.wakeup(this);
  }

  *run(): Task {
    while (!this.#isKilled) {
      const offsetUs = yield* this.#ask();
      if (offsetUs !== undefined) this.#adjust(offsetUs);
      if (!this.#isKilled) yield* this.#stack.kernel.tsleep(this, POLL_NS);
    }
  }

  #adjust(offsetUs: number): void {
    const { kernel } = this.#stack;
    this.offsetUs = offsetUs;
    this.answers += 1;
    const change = Math.abs(offsetUs) > STEP_US ? offsetUs : offsetUs * SLEW_SHARE;
    kernel.setWallClockUs(kernel.wallClockUs() + change);
  }

  *#ask(): Task<number | undefined> {
    const { kernel, udp } = this.#stack;
    const wait: { offsetUs: number | undefined } = { offsetUs: undefined };
    const port = udp.bind(0, (bytes, start, length) => {
      if (length < NtpPacket.size) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const answer = NtpPacket.cursor(view).at(start);
      if ((answer.leapVersionMode & 7) !== NtpMode.server) return;
      const { originTime, receiveTime, transmitTime } = answer;
      if (originTime !== sent) return;
      const nowUs = kernel.wallClockUs();
      const there = toUs(receiveTime) - toUs(originTime);
      const back = toUs(transmitTime) - nowUs;
      wait.offsetUs = (there + back) / 2;
      kernel.wakeup(wait);
    });
    const request = new Uint8Array(NtpPacket.size);
    const fields = NtpPacket.cursor(new DataView(request.buffer)).at(0);
    const sent = toNtp(kernel.wallClockUs());
    fields.leapVersionMode = (NTP_VERSION << 3) | NtpMode.client;
    fields.transmitTime = sent;
    yield 50_000;
    udp.send(port, this.#server, NTP_PORT, request, 0, request.length);
    if (wait.offsetUs === undefined) yield* kernel.tsleep(wait, ANSWER_NS);
    udp.close(port);
    return wait.offsetUs;
  }
}
