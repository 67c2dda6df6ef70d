import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { type FileToCopy, GuestFileCopy } from '../../../src/devices/file-copy/file-copy.ts';
import { IcGuest } from '../support/ic-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const EXISTS = 0x8007_0050;
const DISK_FULL = 0x8007_0070;

function machine(): IcGuest<GuestFileCopy> {
  return new IcGuest((parts) => new GuestFileCopy(parts)).negotiate(0x3_0000, 0x1_0001);
}

function file(bytes: number): FileToCopy {
  const read = (offset: number, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, index) => (offset + index) % 251);
  return { name: 'a.txt', path: '/tmp', bytes, read, overwrite: true };
}

describe('a copy', () => {
  it('starts with names, flags and size in 1088 bytes', () => {
    const guest = machine();
    guest.device.copy(file(0x1_2345_6789), () => undefined);
    const { body, header } = guest.request();
    expect(header.type).toBe(7);
    expect(body.length).toBe(1088);
    expect(hex(body.slice(0, 36))).toBe('00'.concat(' 00'.repeat(35)));
    expect(new TextDecoder('utf-16le').decode(body.slice(36, 48))).toBe('a.txt\0');
    expect(new TextDecoder('utf-16le').decode(body.slice(556, 566))).toBe('/tmp\0');
    expect(hex(body.slice(1076))).toBe('01 00 00 00 89 67 45 23 01 00 00 00');
  });

  it('writes fragments of 6 KiB, each after the answer to the one before, then completes', () => {
    const guest = machine();
    const total = 6144 * 2 + 100;
    const ends: unknown[] = [];
    guest.device.copy(file(total), (...end) => ends.push(end));
    guest.answer(guest.request());
    const received = new Uint8Array(total);
    for (let offset = 0; offset < total; offset += 6144) {
      const write = guest.request();
      expect(guest.hear()).toBeUndefined();
      expect(write.body.length).toBe(6196);
      expect(write.view.getUint32(20, true)).toBe(1);
      expect(write.view.getBigUint64(60, true)).toBe(BigInt(offset));
      const size = write.view.getUint32(68, true);
      received.set(write.body.subarray(52, 52 + size), offset);
      guest.answer(write);
    }
    expect(received).toEqual(file(total).read(0, total));
    const complete = guest.request();
    expect(complete.body.length).toBe(36);
    expect(complete.body[0]).toBe(2);
    expect(ends).toEqual([]);
    guest.answer(complete);
    expect(ends).toEqual([['answered', 0, total]]);
  });

  it('an empty file is start and complete', () => {
    const guest = machine();
    const ends: unknown[] = [];
    guest.device.copy(file(0), (...end) => ends.push(end));
    guest.answer(guest.request());
    guest.answer(guest.request());
    expect(ends).toEqual([['answered', 0, 0]]);
  });

  it.each([
    ['at the start', 0, EXISTS, 0],
    ['when the disk is full', 2, DISK_FULL, 6144],
  ])(
    'a refusal %s ends it, and the guest is told to forget the file',
    (_name, before, status, copied) => {
      const guest = machine();
      const ends: unknown[] = [];
      guest.device.copy(file(20_000), (...end) => ends.push(end));
      for (let count = 0; count < before; count += 1) guest.answer(guest.request());
      guest.answer(guest.request(), status);
      expect(ends).toEqual([['answered', status, copied]]);
      expect(guest.request().body[0]).toBe(3);
    },
  );

  it('can be cancelled, times out, and ends with the channel', () => {
    const guest = machine();
    const outcomes: string[] = [];
    const done = (outcome: string): unknown => outcomes.push(outcome);
    guest.device.copy(file(100), done);
    guest.request();
    guest.device.copy(file(100), done);
    guest.device.cancel();
    guest.pass(1_000_000);
    expect(outcomes).toEqual(['cancelled', 'busy']);
    const cancel = guest.request();
    expect(cancel.body[0]).toBe(3);
    guest.answer(cancel);
    guest.device.copy(file(100), done);
    guest.request();
    guest.pass(30_000_000_000);
    expect(outcomes.at(-1)).toBe('timeout');
    guest.answer(guest.request());
    guest.device.copy(file(100), done);
    guest.channel.close();
    expect(outcomes.at(-1)).toBe('closed');
    guest.device.copy(file(100), done);
    guest.pass(0);
    expect(outcomes.at(-1)).toBe('notReady');
  });

  it('refuses names that the message has no room for', () => {
    const { device } = machine();
    expect(() => device.copy({ ...file(1), name: '' }, () => undefined)).toThrow(InputError);
    const long = { ...file(1), path: 'p'.repeat(260) };
    expect(() => device.copy(long, () => undefined)).toThrow('expected 1 to 259');
  });
});
