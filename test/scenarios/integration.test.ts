/** Scenarios about the integration components, in both modes. */
import { describe, expect, it } from 'vitest';
import * as kvpHang from '../../scenarios/1.8-kvp-hang.ts';
import * as kvpPoll from '../../scenarios/1.9-kvp-poll.ts';
import * as kvpBlocksHotplug from '../../scenarios/S1-kvp-blocks-hotplug.ts';
import * as timeSyncJump from '../../scenarios/S13-timesync-jump.ts';

describe('1.8 a key hangs', () => {
  it('broken: the host gives up after 5 s, and a lost wake-up costs the rest of them', () => {
    const { outcome, ms, seen, late, longestMs } = kvpHang.broken();
    expect({ outcome, ms, seen }).toEqual({ outcome: 'timeout', ms: 5_000, seen: 0 });
    expect(late).toBeGreaterThan(0);
    // Asked one second after the answer that woke nobody.
    expect(Math.abs(longestMs - 4_000)).toBeLessThan(2);
  });

  it('fixed: every key comes within the millisecond', () => {
    const { outcome, ms, seen, late, longestMs } = kvpHang.fixed();
    expect({ outcome, seen, late }).toEqual({ outcome: 'answered', seen: 1, late: 0 });
    expect(Math.max(ms, longestMs)).toBeLessThan(1);
  });
});

describe('1.9 the daemon polls', () => {
  it('no wake-up, 100 ms: a key takes 0 to 100 ms, and an idle machine wakes ten times a second', () => {
    const { shortestMs, longestMs, meanMs, hung, idleWakeupsPerSecond } = kvpPoll.broken();
    expect({ hung, idleWakeupsPerSecond }).toEqual({ hung: 0, idleWakeupsPerSecond: 10 });
    expect(shortestMs).toBeLessThan(10);
    expect(longestMs).toBeGreaterThan(90);
    expect(longestMs).toBeLessThan(101);
    expect(Math.abs(meanMs - 50)).toBeLessThan(10);
  });

  it('no wake-up, no time-out: every key hangs', () => {
    expect(kvpPoll.cell(false, 'inf')).toEqual({
      shortestMs: 5_000,
      longestMs: 5_000,
      meanMs: 5_000,
      hung: 40,
      idleWakeupsPerSecond: 0,
    });
  });

  it.each([
    ['a wake-up, 100 ms', '100', 10],
    ['a wake-up, no time-out', 'inf', 0],
  ] as const)('%s: a key takes no time', (_, timeout, wakeups) => {
    const { longestMs, hung, idleWakeupsPerSecond } = kvpPoll.cell(true, timeout);
    expect({ hung, idleWakeupsPerSecond }).toEqual({ hung: 0, idleWakeupsPerSecond: wakeups });
    expect(longestMs).toBeLessThan(1);
  });
});

describe('S1 key-value pairs hold up what is added', () => {
  it('broken: for the rest of five seconds, the clock too', () => {
    const { attachMs, clockMs } = kvpBlocksHotplug.broken();
    for (const ms of [attachMs, clockMs]) expect(Math.abs(ms - 4_900)).toBeLessThan(2);
  });

  it('fixed: not at all', () => {
    const { attachMs, clockMs } = kvpBlocksHotplug.fixed();
    expect(Math.max(attachMs, clockMs)).toBeLessThan(1);
  });
});

describe('S13 a late time sample', () => {
  it('broken: sets the clock back by its age', () => {
    const { steps, stepSeconds } = timeSyncJump.broken();
    expect(steps).toBe(1);
    expect(stepSeconds).toBeCloseTo(-30, 2);
  });

  it('fixed: leaves it', () => {
    expect(timeSyncJump.fixed()).toEqual({ steps: 0, stepSeconds: 0 });
  });
});
