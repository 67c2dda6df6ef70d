import { describe, expect, it } from 'vitest';
import { NS_PER_SECOND } from '../../../src/core/clock.ts';
import { IcStatus } from '../../../src/devices/ic/spec.ts';
import { DEFAULT_EPOCH_SECONDS } from '../../../src/devices/rtc/spec.ts';
import type { IcSoftState } from '../../../src/guest/ic/drivers.ts';
import type { TimeSyncService } from '../../../src/guest/ic/timesync.ts';
import type { VssDriver } from '../../../src/guest/ic/vss.ts';
import type { TestOptions } from '../support/machine.ts';
import { rig, type Rig } from './rig.ts';

const LEGACY = { preset: 'bis:2015q4', generation: 1 } as const;
const HOUR_NS = 3_600 * NS_PER_SECOND;

/** How far the guest's clock is ahead of the host's, in seconds. */
function aheadSeconds({ machine, timeSync }: Rig): number {
  const hostUs =
    DEFAULT_EPOCH_SECONDS * 1e6 + (machine.clock.nowNs + timeSync.hostOffsetNs) / 1_000;
  return (machine.kernel.wallClockUs() - hostUs) / 1e6;
}

function booted(options: TestOptions = {}): Rig {
  const rigged = rig(options);
  rigged.machine.boot().run(1);
  return rigged;
}

function timeSyncOf(rigged: Rig): TimeSyncService {
  const name = rigged.machine.kernel.isLegacy ? 'hyperv-utils3' : 'hvtimesync0';
  return (rigged.soft(name) as IcSoftState).service as TimeSyncService;
}

describe('heartbeat', () => {
  it.each([['bis:modern', 2] as const, ['bis:10.2', 1] as const])(
    'is answered every two seconds by %s',
    (preset, generation) => {
      const { machine, heartbeat } = rig({ preset, generation });
      machine.boot().run(0.5);
      const before = heartbeat.answers;
      machine.run(20);
      expect(heartbeat.answers - before).toBe(10);
      expect(heartbeat.status).toBe('ok');
    },
  );

  it('is lost when the guest has crashed', () => {
    const { machine, heartbeat } = booted();
    machine.login();
    machine.type('panic', 'Uptime');
    machine.run(20);
    expect(heartbeat.status).toBe('lost');
  });
});

describe('shutdown', () => {
  it.each([{}, LEGACY, { preset: 'bis:10.2', generation: 1 } as const])(
    'answers first, and powers off then: %o',
    (options) => {
      const { machine, shutdown } = booted(options);
      const log: string[] = [];
      shutdown.ask({ type: 'powerOff' }, (outcome, status) => {
        log.push(`${outcome} ${status} ${machine.ended ?? 'still on'}`);
      });
      machine.run(5);
      expect(log).toEqual(['answered 0 still on']);
      expect(machine.ended).toBe('power-off');
      expect(machine.console).toContain('All buffers synced.');
    },
  );

  it('refuses what FreeBSD has no word for', () => {
    // Version 3.0 has no restart either, so that the host does not even ask.
    const { machine, shutdown } = booted();
    let outcome = '';
    shutdown.ask({ type: 'restart' }, (how) => (outcome = how));
    machine.run(1);
    expect(outcome).toBe('notSupported');
    expect(machine.ended).toBeUndefined();
  });

  it('that comes before init waits for it', () => {
    const { machine, shutdown } = rig();
    shutdown.askWhenReady({ type: 'powerOff' }, () => undefined);
    machine.run(10);
    expect(machine.ended).toBe('power-off');
    expect(machine.console.indexOf('Stopping devd.')).toBeGreaterThan(
      machine.console.indexOf('hvshutdown0'),
    );
  });
});

describe('time synchronisation', () => {
  it('sets the clock at once, exactly, with the way of the message taken off', () => {
    const rigged = booted();
    expect(timeSyncOf(rigged).steps.length).toBeGreaterThan(0);
    expect(Math.abs(aheadSeconds(rigged))).toBeLessThan(0.000_01);
  });

  it('steps for a sample that is more than 100 ms off, and leaves a smaller one', () => {
    const rigged = booted();
    const { machine, timeSync } = rigged;
    const steps = timeSyncOf(rigged).steps.length;
    timeSync.hostOffsetNs = 0.09 * NS_PER_SECOND;
    machine.run(10);
    expect(timeSyncOf(rigged).steps).toHaveLength(steps);
    timeSync.hostOffsetNs = HOUR_NS;
    machine.run(10);
    expect(timeSyncOf(rigged).steps).toHaveLength(steps + 1);
    expect(Math.abs(aheadSeconds(rigged))).toBeLessThan(0.000_01);
  });

  it('does not go back for a sample that was long on its way (S13)', () => {
    const rigged = booted();
    const before = timeSyncOf(rigged).steps.length;
    rigged.machine.run(60);
    expect(rigged.timeSync.sendTime('sample', { ageNs: 30 * NS_PER_SECOND })).toBe(true);
    rigged.machine.run(0.01);
    expect(timeSyncOf(rigged).steps).toHaveLength(before);
  });

  it('jumps back for one where the host gives no reference time (S13)', () => {
    // Before version 4.0 there is none, and the driver takes the message for new.
    const rigged = booted({ host: 'ws2012r2', generation: 1 });
    rigged.machine.run(60);
    rigged.timeSync.sendTime('sample', { ageNs: 30 * NS_PER_SECOND });
    rigged.machine.run(0.01);
    const last = timeSyncOf(rigged).steps.at(-1)!;
    expect((last.toUs - last.fromUs) / 1e6).toBeCloseTo(-30, 2);
    rigged.machine.run(6);
    expect(Math.abs(aheadSeconds(rigged))).toBeLessThan(0.01);
  });

  it('jumps ahead for a reference time of zero (S13)', () => {
    const rigged = booted();
    rigged.machine.run(60);
    const uptimeSeconds = rigged.machine.clock.nowNs / 1e9;
    rigged.timeSync.sendTime('sample', { referenceTime: 0 });
    rigged.machine.run(0.01);
    const last = timeSyncOf(rigged).steps.at(-1)!;
    expect((last.toUs - last.fromUs) / 1e6).toBeCloseTo(uptimeSeconds, 2);
  });

  it('of 10.2 sets the clock only when whole seconds differ by more than five', () => {
    const rigged = booted(LEGACY);
    const { machine, timeSync } = rigged;
    // The machine of this test has no battery clock, so the first message sets it from 1970.
    const { steps } = timeSyncOf(rigged);
    expect(steps).toHaveLength(1);
    timeSync.hostOffsetNs = 5 * NS_PER_SECOND;
    timeSync.sendTime('sync');
    machine.run(11);
    expect(steps).toHaveLength(1);
    timeSync.hostOffsetNs = 7 * NS_PER_SECOND;
    machine.run(6);
    expect(steps).toHaveLength(2);
    timeSync.hostOffsetNs = -60 * NS_PER_SECOND;
    timeSync.sendTime('sync');
    machine.run(1);
    expect(steps.at(-1)!.toUs).toBeLessThan(steps.at(-1)!.fromUs);
  });

  it('is what date shows', () => {
    const { machine, timeSync } = booted();
    timeSync.hostOffsetNs = 60 * 24 * HOUR_NS;
    machine.run(6);
    machine.login();
    expect(machine.type('date')).toMatch(/Tue Mar {2}1 00:00:\d\d UTC 2016/);
  });
});

describe('volume snapshots', () => {
  it('hold the file systems still while the host copies', () => {
    const rigged = booted();
    const driver = (rigged.soft('hvvss0') as IcSoftState).service as VssDriver;
    const log: string[] = [];
    rigged.volumeShadowCopy.backup(
      () => log.push(`copy, frozen ${driver.isFrozen}`),
      ({ step, status }) => log.push(`${step} ${status}, frozen ${driver.isFrozen}`),
    );
    rigged.machine.run(1);
    expect(log).toEqual(['copy, frozen true', 'done 0, frozen false']);
  });

  it('are refused until the daemon is there', () => {
    const { machine, volumeShadowCopy } = rig();
    machine.runUntil('hvvss0');
    machine.run(0.005);
    let said: unknown;
    volumeShadowCopy.checkHotBackup((outcome, status) => (said = { outcome, status }));
    machine.run(0.001);
    expect(said).toEqual({ outcome: 'answered', status: IcStatus.is.fail });
  });
});
