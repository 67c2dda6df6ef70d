import { describe, expect, it } from 'vitest';
import { type BackupResult, VolumeShadowCopy } from '../../../src/devices/vss/vss.ts';
import { IcGuest } from '../support/ic-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const FAIL = 0x8000_4005;

function machine(version = 0x5_0000): IcGuest<VolumeShadowCopy> {
  return new IcGuest((parts) => new VolumeShadowCopy(parts)).negotiate(0x3_0000, version);
}

/** Answers a check as Linux does: hot backup, no automatic recovery. */
function allow(guest: IcGuest<VolumeShadowCopy>): void {
  guest.answer(guest.request(), 0, (body) => body.setUint32(8, 5, true));
}

describe('operations', () => {
  it('check, complete and thaw are 32 bytes with the operation first', () => {
    const guest = machine();
    const flags: number[] = [];
    guest.device.checkHotBackup((_outcome, _status, value) => flags.push(value));
    const check = guest.request();
    expect(check.header.type).toBe(5);
    expect(hex(check.body)).toBe(`02${' 00'.repeat(31)}`);
    guest.answer(check, 0, (body) => body.setUint32(8, 5, true));
    expect(flags).toEqual([5]);
    guest.device.thaw(() => undefined);
    const thaw = guest.request();
    expect(hex(thaw.body)).toBe(`06${' 00'.repeat(31)}`);
    guest.answer(thaw);
    guest.device.backupComplete(() => undefined);
    expect(guest.request().body[0]).toBe(4);
  });

  it.each([
    [0x5_0000, 20 + 260 * 24],
    [0x6_0000, 20 + 2 * 260 * 24],
    [0x7_0000, 20 + 2 * 260 * 24],
  ])('version %i: freeze has %i bytes', (version, bytes) => {
    const guest = new IcGuest((parts) => new VolumeShadowCopy(parts));
    guest.open({ receivePages: 9 }).pass(1_000_000);
    guest.choose(0x3_0000, version);
    guest.device.freeze(() => undefined);
    const { body } = guest.request();
    expect(body[0]).toBe(5);
    expect(body.length).toBe(bytes);
  });

  it('version 4.0 has no freeze', () => {
    const guest = machine(0x4_0000);
    const outcomes: string[] = [];
    guest.device.freeze((outcome) => outcomes.push(outcome));
    guest.pass(0);
    expect(outcomes).toEqual(['notSupported']);
    expect(guest.hear()).toBeUndefined();
  });
});

describe('a ring that a freeze does not fit', () => {
  it('loses that message, and carries the next ones', () => {
    const guest = new IcGuest((parts) => new VolumeShadowCopy(parts));
    guest.open({ receivePages: 2 }).pass(1_000_000);
    guest.choose(0x3_0000, 0x5_0000);
    const outcomes: string[] = [];
    guest.device.freeze((outcome) => outcomes.push(outcome));
    guest.pass(60_000_000_000);
    expect(outcomes).toEqual(['timeout']);
    expect(guest.dropped).toEqual([9]);
    guest.device.thaw((outcome) => outcomes.push(outcome));
    guest.answer(guest.request());
    expect(outcomes).toEqual(['timeout', 'answered']);
  });

  it('also when it was not empty at that time', () => {
    const guest = new IcGuest((parts) => new VolumeShadowCopy(parts));
    guest.open({ receivePages: 2 }).pass(1_000_000);
    guest.choose(0x3_0000, 0x5_0000);
    guest.device.checkHotBackup(() => undefined);
    guest.pass(60_000_000_000);
    guest.device.freeze(() => undefined);
    guest.pass(60_000_000_000);
    guest.hearAll();
    const outcomes: string[] = [];
    guest.device.thaw((outcome) => outcomes.push(outcome));
    guest.answer(guest.request());
    expect(outcomes).toEqual(['answered']);
  });
});

describe('a backup', () => {
  it('checks, freezes, copies while all is at rest, and thaws', () => {
    const guest = machine();
    const steps: string[] = [];
    guest.device.backup(
      () => steps.push('copy'),
      ({ step }) => steps.push(step),
    );
    allow(guest);
    const freeze = guest.request();
    expect(freeze.body[0]).toBe(5);
    expect(steps).toEqual([]);
    guest.answer(freeze);
    expect(steps).toEqual(['copy']);
    const thaw = guest.request();
    expect(thaw.body[0]).toBe(6);
    guest.answer(thaw);
    expect(steps).toEqual(['copy', 'done']);
  });

  it('ends at the check when the guest cannot', () => {
    const guest = machine();
    const results: BackupResult[] = [];
    const copy = (): void => expect.unreachable();
    guest.device.backup(copy, (result) => results.push(result));
    guest.answer(guest.request(), FAIL);
    guest.device.backup(copy, (result) => results.push(result));
    guest.answer(guest.request());
    expect(results).toEqual([
      { step: 'check', outcome: 'answered', status: FAIL },
      { step: 'check', outcome: 'answered', status: 0x8007_0032 },
    ]);
  });

  it('thaws after a freeze that failed or was never answered, and copies nothing', () => {
    for (const isAnswered of [true, false]) {
      const guest = machine();
      const results: BackupResult[] = [];
      guest.device.backup(
        () => expect.unreachable(),
        (result) => results.push(result),
      );
      allow(guest);
      const freeze = guest.request();
      if (isAnswered) guest.answer(freeze, FAIL);
      else guest.pass(60_000_000_000);
      guest.answer(guest.request());
      const outcome = isAnswered ? 'answered' : 'timeout';
      expect(results).toEqual([{ step: 'freeze', outcome, status: isAnswered ? FAIL : 0 }]);
    }
  });
});
