import { describe, expect, it } from 'vitest';
import { TimeSync } from '../../../src/devices/timesync/time-sync.ts';
import { IcGuest } from '../support/ic-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
/** 2015-10-01 00:00:00 UTC. */
const EPOCH_SECONDS = 1_443_657_600;

function machine(version: number): IcGuest<TimeSync> {
  return new IcGuest((parts) => new TimeSync({ ...parts, epochSeconds: EPOCH_SECONDS })).negotiate(
    0x3_0000,
    version,
  );
}

/** FILETIME of a moment, by the calendar of the JavaScript engine. */
function fileTime(iso: string): bigint {
  return BigInt(Date.parse(iso) - Date.UTC(1601, 0, 1)) * 10_000n;
}

describe('version 4.0', () => {
  it('sends one sync, then a sample every five seconds', () => {
    const guest = machine(0x4_0000);
    const flags: number[] = [];
    const times: number[] = [];
    for (let second = 0; second < 17; second += 1) {
      for (const bytes of guest.hearAll()) {
        const view = new DataView(bytes.buffer);
        flags.push(bytes[36]!);
        times.push(Number(view.getBigUint64(28, true)));
        bytes[17] = 5;
        guest.say(bytes);
      }
      guest.pass(SECOND - MS);
    }
    expect(flags).toEqual([1, 2, 2, 2]);
    expect(times[2]! - times[1]!).toBe(50_000_000);
    expect(guest.device.sentCount).toBe(flags.length);
  });

  it('carries UTC since 1601 and the reference time of the same moment', () => {
    const guest = machine(0x4_0000);
    const { body, view, header } = guest.request();
    expect(body.length).toBe(24);
    expect(header.flags).toBe(3);
    const reference = view.getBigUint64(28, true);
    const expected = fileTime('2015-10-01T00:00:00Z') + reference;
    expect(view.getBigUint64(20, true)).toBe(expected);
    expect(hex(body.slice(16))).toBe('01 00 00 00 00 00 00 00');
  });

  it('goes on when the guest does not answer', () => {
    const guest = machine(0x4_0000);
    guest.pass(21 * SECOND);
    expect(guest.hearAll().length).toBe(5);
  });

  it('can send a late sample, and one without reference time', () => {
    const guest = machine(0x4_0000);
    guest.pass(SECOND);
    guest.hearAll();
    expect(guest.device.sendTime('sample', { ageNs: 300 * MS })).toBe(true);
    const late = guest.request().view;
    const nowTicks = BigInt(guest.guest.clock.nowNs / 100);
    expect(late.getBigUint64(28, true)).toBe(nowTicks - 3_000_000n);
    expect(late.getBigUint64(20, true)).toBe(
      fileTime('2015-10-01T00:00:00Z') + nowTicks - 3_000_000n,
    );
    guest.device.sendTime('sync', { referenceTime: 0 });
    expect(guest.request().view.getBigUint64(28, true)).toBe(0n);
  });

  it('follows a host clock that went on while the machine stood still', () => {
    const guest = machine(0x4_0000);
    guest.hearAll();
    guest.device.hostOffsetNs = 600 * SECOND;
    guest.device.sendTime('sync');
    const { view } = guest.request();
    expect(view.getBigUint64(20, true) - view.getBigUint64(28, true)).toBe(
      fileTime('2015-10-01T00:10:00Z'),
    );
  });

  it('sends nothing while nobody is there', () => {
    const guest = machine(0x4_0000);
    guest.channel.close();
    expect(guest.device.sendTime('sync')).toBe(false);
  });
});

describe.each([0x1_0000, 0x3_0000])('version %i', (version) => {
  it('has the older message of 28 bytes, without reference time', () => {
    const { body, view } = machine(version).request();
    expect(body.length).toBe(28);
    expect(view.getBigUint64(20, true)).toBeGreaterThan(fileTime('2015-10-01T00:00:00Z'));
    expect(hex(body.slice(8, 28))).toBe(
      `${Array.from({ length: 16 }, () => '00').join(' ')} 01 00 00 00`,
    );
  });
});
