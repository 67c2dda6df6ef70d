import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { NtpServer } from '../../src/net/ntp.ts';
import { NTP_TO_UNIX_SECONDS } from '../../src/net/spec/ntp.ts';

const EPOCH_SECONDS = 1_700_000_000;
const BYTES = 48;
const CLIENT = 3;
const SERVER = 4;

function bench() {
  const clock = new VirtualClock();
  const server = new NtpServer(clock, { epochSeconds: EPOCH_SECONDS });
  const ask = (first: number, length = BYTES): DataView | undefined => {
    const request = new DataView(new ArrayBuffer(BYTES));
    request.setUint8(0, first);
    request.setUint8(2, 6);
    request.setBigUint64(40, 0x1122_3344_5566_7788n);
    const answer = new DataView(new ArrayBuffer(BYTES));
    return server.handle(request, 0, length, answer, 0) ? answer : undefined;
  };
  return { clock, server, ask };
}

const V4_CLIENT = (4 << 3) | CLIENT;
/** Seconds since 1900, whole and in units of 2^-32. */
const time = (answer: DataView, at: number): [number, number] => [
  answer.getUint32(at),
  answer.getUint32(at + 4),
];

describe('the time server', () => {
  it('answers with virtual time, and with what the client sent', () => {
    const { clock, ask } = bench();
    clock.set(2_250_000_000);
    const answer = ask(V4_CLIENT)!;
    const seconds = EPOCH_SECONDS + NTP_TO_UNIX_SECONDS + 2;
    expect([answer.getUint8(0), answer.getUint8(1), answer.getUint8(2)]).toEqual([
      (4 << 3) | SERVER,
      1,
      6,
    ]);
    expect(answer.getBigUint64(24)).toBe(0x1122_3344_5566_7788n);
    for (const at of [16, 32, 40]) expect(time(answer, at)).toEqual([seconds, 0x4000_0000]);
  });

  it('speaks the version of an older client, and its own to a newer one', () => {
    const { ask } = bench();
    expect(ask((3 << 3) | CLIENT)!.getUint8(0) >>> 3).toBe(3);
    expect(ask((7 << 3) | CLIENT)!.getUint8(0) >>> 3).toBe(4);
  });

  it('may be ahead or behind', () => {
    const { server, ask } = bench();
    server.offsetNs = -500_000_000;
    const seconds = EPOCH_SECONDS + NTP_TO_UNIX_SECONDS - 1;
    expect(time(ask(V4_CLIENT)!, 40)).toEqual([seconds, 0x8000_0000]);
  });

  it('says nothing to what is no request of a client', () => {
    const { ask } = bench();
    expect(ask((4 << 3) | SERVER)).toBeUndefined();
    expect(ask(CLIENT)).toBeUndefined();
    expect(ask(V4_CLIENT, BYTES - 1)).toBeUndefined();
  });
});
