/** Each scenario in both modes: the symptom with the figures of the report, and its absence. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as interruptGiant from '../../scenarios/1.1-interrupt-giant.ts';
import * as interruptCounters from '../../scenarios/1.11-interrupt-counters.ts';
import * as tscCalibration from '../../scenarios/1.12-tsc-calibration.ts';
import * as generation2 from '../../scenarios/1.13-generation-2.ts';
import * as sixteenDisks from '../../scenarios/1.14-sixteen-disks.ts';
import * as channelTable from '../../scenarios/1.2-channel-table.ts';
import * as ringWritable from '../../scenarios/1.3-ring-writable.ts';
import * as eventTimer from '../../scenarios/1.5-event-timer.ts';
import * as nicOrder from '../../scenarios/1.7-nic-order.ts';
import * as revokedWhileOpening from '../../scenarios/S10-revoked-while-opening.ts';
import * as earlyEvent from '../../scenarios/S14-event-before-registration.ts';
import * as ringSignalRace from '../../scenarios/S16-ring-signal-race.ts';
import * as rescindWhileOpening from '../../scenarios/S17-rescind-while-opening.ts';
import * as hzDependentTimeouts from '../../scenarios/S2-hz-dependent-timeouts.ts';
import * as unloadOnWrongCpu from '../../scenarios/S20-unload-on-wrong-cpu.ts';
import * as srbFlagMask from '../../scenarios/S25-srb-flag-mask.ts';
import * as hotplugRejected from '../../scenarios/S3-hotplug-rejected.ts';
import * as checkConditionIgnored from '../../scenarios/S37-check-condition-ignored.ts';
import * as shortInquiry from '../../scenarios/S5-short-inquiry-detach.ts';
import * as gpadlPostThrottle from '../../scenarios/S6-gpadl-post-throttle.ts';
import * as lunAbove7 from '../../scenarios/S7-lun-above-7.ts';

describe('1.1 INTR_MPSAFE', () => {
  it('broken: one handler at a time, the last after 400 us, three waits for Giant', () => {
    const { mostAtOnce, lastUs, giantWaits } = interruptGiant.broken();
    expect(mostAtOnce).toBe(1);
    expect(giantWaits).toBe(3);
    expect(lastUs).toBeGreaterThanOrEqual(400);
    // What the switches between threads add.
    expect(lastUs).toBeLessThan(430);
  });

  it('fixed: four at once, the last after 100 us, no wait', () => {
    const { mostAtOnce, lastUs, giantWaits } = interruptGiant.fixed();
    expect(mostAtOnce).toBe(4);
    expect(giantWaits).toBe(0);
    expect(lastUs).toBeGreaterThanOrEqual(100);
    expect(lastUs).toBeLessThan(105);
  });
});

describe('1.2 look-up of a channel', () => {
  it.each([
    ['broken', channelTable.broken, 40],
    ['fixed', channelTable.fixed, 1],
  ] as const)('%s: an unknown id is counted, the 40th channel costs', (_, facts, nodes) => {
    expect(facts()).toEqual({
      nodesVisited: nodes,
      packetsHandled: 1,
      unknownIds: 1,
      isAlive: true,
    });
  });
});

describe('1.3 the ring is writable again', () => {
  it('broken: the packet waits for the next look of the host, every 100 ms', () => {
    const { handled, parked, lateUs, writableSignals } = ringWritable.broken();
    expect({ handled, parked, writableSignals }).toEqual({
      handled: 8,
      parked: 1,
      writableSignals: 0,
    });
    // Somewhat less than the interval, which began before the guest drained.
    expect(lateUs).toBeGreaterThan(95_000);
    expect(lateUs).toBeLessThanOrEqual(100_000);
  });

  it('fixed: it comes within the microsecond, after exactly one signal', () => {
    const { handled, lateUs, writableSignals, ringState } = ringWritable.fixed();
    expect({ handled, writableSignals }).toEqual({ handled: 8, writableSignals: 1 });
    expect(lateUs).toBeLessThan(1);
    expect(ringState).toMatch(/^intrcnt:1 .* psndsz:0 /);
  });
});

describe('1.5 the event timer', () => {
  it('broken: the local APIC at half its rate, many interrupts a shot', () => {
    const facts = eventTimer.broken();
    expect(facts.choice).not.toContain('Hyper-V');
    expect(facts.timer).toBe('LAPIC');
    expect(Math.abs(facts.rateRatio - 0.5057)).toBeLessThan(0.0005);
    expect(facts.interruptsPerShot).toBeGreaterThan(2);
    expect(facts.jitterNs).toBeGreaterThan(0);
  });

  it('fixed: Hyper-V(1000), one interrupt a shot, no jitter', () => {
    expect(eventTimer.fixed()).toMatchObject({
      choice: expect.stringMatching(/^Hyper-V\(1000\) /),
      timer: 'Hyper-V',
      rateRatio: 1,
      jitterNs: 0,
    });
    expect(eventTimer.fixed().interruptsPerShot).toBeLessThan(1.1);
  });
});

describe('1.7 hn0 and hn1', () => {
  it('broken: both orders come up in 200 boots, the right one mostly', () => {
    const { boots, swapped, lines } = nicOrder.broken();
    expect(boots).toBe(200);
    expect(swapped).toBeGreaterThanOrEqual(1);
    expect(swapped).toBeLessThan(100);
    expect(lines).toEqual([
      `hn0: Ethernet address: ${nicOrder.SECOND_ADDRESS}`,
      `hn1: Ethernet address: ${nicOrder.FIRST_ADDRESS}`,
    ]);
  });

  it('fixed: never swapped', () => {
    expect(nicOrder.fixed()).toEqual({
      boots: 200,
      swapped: 0,
      lines: [
        `hn0: Ethernet address: ${nicOrder.FIRST_ADDRESS}`,
        `hn1: Ethernet address: ${nicOrder.SECOND_ADDRESS}`,
      ],
    });
  });
});

describe('1.11 interrupt counters', () => {
  it('broken: vmstat -i knows nothing of VMBus', () => {
    const { shown, delivered } = interruptCounters.broken();
    expect(shown).toEqual([]);
    expect(delivered[0]).toBeGreaterThan(0);
  });

  it('fixed: cpu0:hyperv has what the hypervisor delivered', () => {
    const { shown, total, delivered } = interruptCounters.fixed();
    expect(shown).toHaveLength(1);
    expect(total).toBeGreaterThanOrEqual(delivered[0]);
    expect(total).toBeLessThanOrEqual(delivered[1]);
    expect(delivered[0]).toBeGreaterThan(0);
  });
});

describe('1.12 TSC against the i8254', () => {
  it('broken: half the rate, and run times that fall to 0.5057', () => {
    const { megahertz, calcru, ratio } = tscCalibration.broken();
    expect(megahertz).toBe(1668.79);
    expect(calcru).toMatch(/from \d+ usec to \d+ usec for pid 0 \(kernel\)$/);
    expect(Math.abs(ratio - 0.5057)).toBeLessThan(0.0005);
  });

  it('fixed: 3300 MHz and no such line', () => {
    const { megahertz, calcru } = tscCalibration.fixed();
    expect(Math.abs(megahertz - 3300)).toBeLessThan(0.02);
    expect(calcru).toBe('');
  });

  it('a sound i8254 does no harm', () => {
    const { megahertz, calcru } = tscCalibration.soundTimer();
    // The three accesses of the last read come after the second is over.
    expect(Math.abs(megahertz / 3300 - 1)).toBeLessThan(0.000_17);
    expect(calcru).toBe('');
  });

  it('where the TSC is known to be invariant, the wrong rate stays', () => {
    const { megahertz, calcru } = tscCalibration.invariantTsc();
    expect(megahertz).toBeLessThan(1700);
    expect(calcru).toBe('');
  });
});

describe('1.13 Generation 2', () => {
  it('broken: five obstacles, each at a stage of its own', () => {
    const { stages, reasons } = generation2.broken();
    expect(stages).toEqual(['loader-stage', 'delay-hang', 'no-vmbus', 'mountroot', 'no-input']);
    for (const reason of reasons) expect(reason).toMatch(/^[a-z-]+: .{20}/);
  });

  it('fixed: a login', () => {
    expect(generation2.fixed().stages).toEqual(['login', 'login']);
  });
});

describe('1.14 sixteen disks', () => {
  it('broken: da0 to da15 for one disk, fifteen of them empty', () => {
    const { disks, empty, lastLines } = sixteenDisks.broken();
    expect(disks).toEqual(Array.from({ length: 16 }, (_, unit) => `da${unit}`));
    expect(empty).toBe(15);
    expect(lastLines.slice(1)).toEqual([
      'da15: <  > Fixed Direct Access SCSI-0 device',
      'da15: 300.000MB/s transfers',
      'da15: 0MB (0 512 byte sectors: 64H 32S/T 0C)',
    ]);
  });

  it('fixed, and on a host that tells absent LUNs: da0', () => {
    expect(sixteenDisks.fixed()).toMatchObject({ disks: ['da0'], empty: 0 });
    expect(sixteenDisks.on2012R2()).toMatchObject({ disks: ['da0'], empty: 0 });
  });

  it('counts as many as the table of the report', () => {
    const counts = sixteenDisks.LAYOUTS.map((layout) => {
      const { real, bogus } = sixteenDisks.count(layout);
      return `${real}+${bogus}`;
    });
    expect(counts).toEqual(['1+15', '0+16', '1+8', '2+14', '0+16', '2+0', '1+3']);
  });

  it('can keep a machine from booting', () => {
    const { boots, failed, line } = sixteenDisks.mountFailures('legacy');
    expect(failed).toBeGreaterThanOrEqual(1);
    expect(failed).toBeLessThan(boots);
    expect(line).toMatch(/^Mounting from ufs:\/dev\/da0s1a failed with error (19|22)\.$/);
    expect(sixteenDisks.mountFailures('workaround').failed).toBe(0);
  });
});

describe('S2 time-outs in ticks', () => {
  it('broken: at 1000 Hz an answer after one second is too late', () => {
    const { status, lines } = hzDependentTimeouts.broken();
    expect(status).toBe(60);
    expect(lines.at(-1)).toContain('device_attach: taker0 attach returned 60');
  });

  it('fixed: at 100 Hz it is in time', () => {
    expect(hzDependentTimeouts.fixed().status).toBe(0);
  });
});

describe('S3 a disk is added on 2012 R2', () => {
  it('broken: it never appears', () => {
    expect(hotplugRejected.broken()).toMatchObject({ before: ['da0'], after: ['da0'] });
  });

  it('fixed: da1', () => {
    expect(hotplugRejected.fixed()).toMatchObject({ before: ['da0'], after: ['da0', 'da1'] });
  });
});

describe('S5 a short INQUIRY', () => {
  it('broken: the disk is gone', () => {
    expect(shortInquiry.broken().disks).toEqual(['da0']);
  });

  it('fixed: it is there', () => {
    expect(shortInquiry.fixed().disks).toEqual(['da0', 'da1']);
  });
});

describe('S6 a host that is short of message buffers', () => {
  it('broken: eight tries in 11.3 ms are not enough for a host that needs 20 ms', () => {
    const { isAttached, mostInARow, longestRowMs, seconds, lines } = gpadlPostThrottle.broken();
    expect(isAttached).toBe(false);
    expect(mostInARow).toBe(8);
    expect(longestRowMs).toBeCloseTo(11.3, 1);
    expect(seconds).toBeLessThan(0.05);
    expect(lines).toContain('hn0: rxbuf GPADL connect failed');
  });

  it('fixed: 285 messages but for the 128 buffers, 20 ms each', () => {
    const { isAttached, refused, seconds } = gpadlPostThrottle.fixed();
    expect(isAttached).toBe(true);
    expect(refused).toBeGreaterThan(285);
    expect(seconds).toBeGreaterThan((285 - 128) * 0.02);
    expect(seconds).toBeLessThan(4);
  });

  it('broken gets through while a buffer is free within its last try', () => {
    expect(gpadlPostThrottle.attach(false, 11).isAttached).toBe(true);
    expect(gpadlPostThrottle.attach(false, 12).isAttached).toBe(false);
  });
});

describe('S7 LUN 9', () => {
  it('broken: never probed', () => {
    expect(lunAbove7.broken().found).toEqual([]);
  });

  it('fixed: found', () => {
    const { found } = lunAbove7.fixed();
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/ target 0 lun 9$/);
  });
});

describe('S10 revoked while opening', () => {
  it('broken: the open waits, and everything behind it', () => {
    expect(revokedWhileOpening.broken()).toMatchObject({
      status: -1,
      waitedMs: -1,
      isNextAttached: false,
    });
  });

  it('fixed: ENXIO after 100 ticks of a millisecond', () => {
    const { status, waitedMs, isNextAttached } = revokedWhileOpening.fixed();
    expect(status).toBe(6);
    expect(waitedMs).toBeGreaterThanOrEqual(100);
    expect(waitedMs).toBeLessThan(103);
    expect(isNextAttached).toBe(true);
  });
});

describe('S14 an event before the registration', () => {
  it('broken: it is lost, and no second one comes', () => {
    const { handled, lostEvents, ringState } = earlyEvent.broken();
    expect({ handled, lostEvents }).toEqual({ handled: 0, lostEvents: 1 });
    expect(ringState).toContain('rindex:0 windex:96 ');
  });

  it('fixed: nothing is lost', () => {
    expect(earlyEvent.fixed()).toMatchObject({ handled: 3, lostEvents: 0 });
  });
});

describe('S16 the race of signal and mask', () => {
  it('broken: instants between the last look and the unmasking stall the ring', () => {
    const { tried, stalledAtNs } = ringSignalRace.broken();
    expect(tried).toBe(100);
    expect(stalledAtNs.length).toBeGreaterThanOrEqual(5);
    expect(stalledAtNs.length).toBeLessThan(20);
    // One window, without a gap.
    const span = stalledAtNs.at(-1)! - stalledAtNs[0]!;
    expect(span).toBe((stalledAtNs.length - 1) * 100);
  });

  it('fixed: none', () => {
    expect(ringSignalRace.fixed()).toEqual({ tried: 100, stalledAtNs: [] });
  });
});

describe('S17 rescinded while a sub-channel opens', () => {
  it('broken: a deadlock', () => {
    expect(rescindWhileOpening.broken()).toMatchObject({
      released: 0,
      isDetached: false,
      isNextAttached: false,
    });
  });

  it('fixed: both channels go, the next device comes', () => {
    expect(rescindWhileOpening.fixed()).toMatchObject({
      released: 2,
      isDetached: true,
      isNextAttached: true,
    });
  });
});

describe('S20 unload from another processor', () => {
  it('broken: the panic hangs and is never reported', () => {
    const { ending, reportedMs, lines } = unloadOnWrongCpu.broken();
    expect({ ending, reportedMs }).toEqual({ ending: 'virtual-time', reportedMs: -1 });
    expect(lines[1]).toBe('cpuid = 3');
  });

  it('fixed: reported within one look', () => {
    const { ending, reportedMs } = unloadOnWrongCpu.fixed();
    expect(ending).toBe('guest-crash');
    expect(reportedMs).toBeLessThanOrEqual(10);
  });
});

describe('S25 flags in the SRB status', () => {
  it('broken: the disk is lost to a success with a flag', () => {
    expect(srbFlagMask.broken().outcomes).toEqual([
      '0x01 read',
      '0x81 failed, disk gone',
      '0x41 failed, disk gone',
      '0xc1 failed, disk gone',
    ]);
  });

  it('fixed: every one is read', () => {
    expect(srbFlagMask.fixed().outcomes).toEqual([
      '0x01 read',
      '0x81 read',
      '0x41 read',
      '0xc1 read',
    ]);
  });
});

describe('S37 a failed read', () => {
  it('broken: a success with the bytes of the read before', () => {
    expect(checkConditionIgnored.broken()).toMatchObject({ error: 'none', staleReads: 2 });
  });

  it('fixed: EIO', () => {
    const { error, staleReads, lines } = checkConditionIgnored.fixed();
    expect({ error, staleReads }).toEqual({ error: 'Input/output error', staleReads: 1 });
    expect(lines.some((line) => line.includes('MEDIUM ERROR asc:11,0'))).toBe(true);
  });
});

it.each([
  ['1.1', interruptGiant.broken],
  ['1.5', eventTimer.broken],
  ['1.12', tscCalibration.broken],
  ['S16', ringSignalRace.broken],
  ['S17', rescindWhileOpening.fixed],
] as const)('%s gives the same facts every time', (_, facts) => {
  expect(facts()).toEqual(facts());
});

it('README.md lists every scenario', () => {
  const folder = join(import.meta.dirname, '../../scenarios');
  const listed = [
    ...readFileSync(join(folder, 'README.md'), 'utf8').matchAll(/\(([\w.-]+\.ts)\)/g),
  ];
  const files = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  expect(listed.map((match) => match[1]!).sort()).toEqual(files.sort());
});
