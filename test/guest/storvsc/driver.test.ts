import { describe, expect, it } from 'vitest';
import { NS_PER_SECOND } from '../../../src/core/clock.ts';
import { PAGE_BYTES } from '../../../src/core/memory.ts';
import type { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import {
  ScsiOperation,
  ScsiStatus,
  Sense,
  SrbStatus,
  SRB_QUEUE_FROZEN,
} from '../../../src/devices/scsi/spec.ts';
import type { StorvscProfile } from '../../../src/devices/storvsc/profile.ts';
import { VstorOperation, VstorVersion } from '../../../src/devices/storvsc/spec.ts';
import type { StorvscMode } from '../../../src/guest/storvsc/protocol.ts';
import { Bench } from './bench.ts';
import { disksAt, flavours, scsiDisk } from './hosts.ts';

/** The host's view of the initialisation: operation and operand, in order. */
function controlTrail(bench: Bench): string[] {
  const trail: string[] = [];
  bench.kernel.trace.subscribe((_, type, values) => {
    if (type.category !== 'storvsc' || type.name !== 'control') return;
    const name = VstorOperation.show(values[1]!);
    trail.push(`${name} ${values[2]!.toString(16)} ${values[3] === 0 ? 'ok' : 'refused'}`);
  });
  return trail;
}

describe('initialisation', () => {
  it('of the modern driver goes down the versions', () => {
    const bench = new Bench();
    const trail = controlTrail(bench);
    bench.plug({ profile: { ...flavours.ws2012, maxVersion: VstorVersion.win8 } });
    bench.kernel.settle();
    expect(trail).toEqual([
      'beginInitialization 0 ok',
      'queryProtocolVersion 602 refused',
      'queryProtocolVersion 600 refused',
      'queryProtocolVersion 501 ok',
      'queryProperties 0 ok',
      'endInitialization 0 ok',
    ]);
  });

  it.each([
    [0x0003_0000, 'queryProtocolVersion 501 ok'],
    [0x0001_0001, 'queryProtocolVersion 402 ok'],
  ])('of 10.2 tries one version, by that of the bus (%i)', (vmbusVersion, line) => {
    const bench = new Bench({ storvscMode: 'legacy', release: 'legacy' });
    const trail = controlTrail(bench);
    bench.plug({ profile: flavours.ws2012r2, vmbusVersion });
    bench.kernel.settle();
    expect(trail.filter((step) => step.startsWith('queryProtocolVersion'))).toEqual([line]);
  });

  it('of 10.2 goes on when its version is refused, and takes every error for an empty disk', () => {
    const bench = new Bench({ storvscMode: 'legacy', release: 'legacy' });
    const profile = { ...flavours.ws2012r2, maxVersion: VstorVersion.win7 };
    bench.plug({ profile, luns: disksAt('0:0') });
    bench.kernel.settle();
    expect(bench.cam.disks.map((disk) => disk.sectors)).toEqual(Array(16).fill(0));
  });

  it('works down to protocol 2.0 and its short packets', () => {
    const bench = new Bench();
    bench.plug({
      profile: { ...flavours.ws2012, maxVersion: VstorVersion.win6 },
      luns: disksAt('0:0'),
    });
    bench.kernel.settle();
    expect(bench.cam.disks.map((disk) => disk.name)).toEqual(['da0']);
  });

  it.each([
    ['modern', 4, 3],
    ['legacy', 4, 4],
    ['modern', 16, 8],
    ['modern', 1, 0],
  ] as const)('of %s on %i processors makes %i sub-channels', (release, processors, expected) => {
    const storvscMode: StorvscMode = release === 'modern' ? 'modern' : 'legacy';
    const bench = new Bench({ release, storvscMode, verbose: true }, processors);
    const trail = controlTrail(bench);
    bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0 0:1 0:2') });
    bench.kernel.settle();
    const made = trail.filter((step) => step.startsWith('createSubChannels'));
    expect(made).toEqual(expected === 0 ? [] : [`createSubChannels ${expected} ok`]);
    const told = bench.kernel.lines.includes('Storvsc create multi-channel success!');
    expect(told).toBe(expected > 0);
    expect(bench.cam.disks.length).toBe(3);
  });

  it('spreads requests over sub-channels by LUN', () => {
    const bench = new Bench({}, 3);
    bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0 0:1 0:2') });
    bench.kernel.settle();
    const sends = [...bench.kernel.sysctls]
      .filter(([name]) => name.endsWith('.send_req'))
      .map(([, read]) => Number(read()));
    expect(sends.length).toBe(3);
    expect(Math.min(...sends)).toBeGreaterThan(5);
  });
});

/** Reads two sectors from LBA 100 on, over memory filled with AAh. */
function readBadSector(mode: StorvscMode): { error: number; first: number; text: string } {
  const bench = new Bench({
    storvscMode: mode,
    release: mode === 'modern' ? 'modern' : 'legacy',
  });
  const unit = scsiDisk(new Uint8Array(128 * 512).fill(0x55));
  bench.plug({ profile: flavours.ws2016, luns: [{ address: { target: 0, lun: 0 }, unit }] });
  bench.kernel.settle();
  unit.faults.inject({
    access: 'read',
    firstLba: 100,
    blocks: 1,
    sense: Sense.unrecoveredReadError,
  });
  const { kernel } = bench;
  const gpa = kernel.allocatePages(1);
  kernel.memory.u8.fill(0xaa, gpa, gpa + PAGE_BYTES);
  const error = kernel.run(bench.cam.disks[0]!.read(100, 2, gpa));
  return { error, first: kernel.memory.u8[gpa]!, text: kernel.text };
}

describe('a sector that cannot be read (S37)', () => {
  it.each(['legacy', 'workaround', 'en1612'] as const)('is stale data to %s', (mode) => {
    const { error, first } = readBadSector(mode);
    expect(error).toBe(0);
    expect(first).toBe(0xaa);
  });

  it.each(['en1616', 'd7521', 'r309726', 'modern'] as const)('is EIO to %s', (mode) => {
    const { error, text } = readBadSector(mode);
    expect(error).toBe(5);
    expect(text).toContain(
      '(da0:storvsc0:0:0:0): SCSI sense: MEDIUM ERROR asc:11,0 (Unrecovered read error)\n',
    );
    expect(text).toContain('(da0:storvsc0:0:0:0): Error 5, Unretryable error\n');
  });
});

describe('SRB statuses', () => {
  function readWith(
    mode: StorvscMode,
    fault: { srbStatus: number; times?: number },
    bench = new Bench({ storvscMode: mode }),
  ): number {
    const unit = scsiDisk();
    bench.plug({ profile: flavours.ws2016, luns: [{ address: { target: 0, lun: 0 }, unit }] });
    bench.kernel.settle();
    unit.faults.inject({ access: 'read', scsiStatus: ScsiStatus.good, ...fault });
    const gpa = bench.kernel.allocatePages(1);
    return bench.kernel.run(bench.cam.disks[0]!.read(0, 1, gpa));
  }

  it.each([
    ['d7521', 0],
    ['r309726', 1],
    ['modern', 1],
  ] as const)(
    'with the queue frozen leave %s %i disks: masked flags or not (S25)',
    (mode, left) => {
      const bench = new Bench({ storvscMode: mode });
      const srbStatus = SrbStatus.success | SRB_QUEUE_FROZEN;
      expect(readWith(mode, { srbStatus }, bench)).not.toBe(0);
      expect(bench.cam.disks.length).toBe(left);
    },
  );

  it('BUSY are tried again by the modern driver', () => {
    expect(readWith('modern', { srbStatus: SrbStatus.busy, times: 2 })).toBe(0);
    expect(readWith('modern', { srbStatus: SrbStatus.busy })).toBe(5);
  });

  it('ABORTED are a time-out to the modern driver, and tried again', () => {
    expect(readWith('modern', { srbStatus: SrbStatus.aborted, times: 4 })).toBe(0);
  });
});

describe('a LUN that is not there (S38)', () => {
  function lose(mode: StorvscMode, isIde: boolean): string[] {
    const bench = new Bench({ storvscMode: mode });
    // SPC-2 by the old protocol, so that CAM probes one LUN after another.
    const profile: StorvscProfile = {
      ...flavours.ws2016tp,
      maxVersion: VstorVersion.win7,
      inquiryVersionBefore62: 4,
    };
    const kind = { type: 'ide', channel: 0, device: 0 } as const;
    bench.plug({ profile, luns: disksAt('0:0'), ...(isIde ? { kind } : {}) });
    bench.kernel.settle();
    return bench.cam.disks.map((disk) => disk.name);
  }

  it('takes the whole target along as a selection timeout', () => {
    expect(lose('d7521', false)).toEqual([]);
  });

  it('leaves the others alone on an IDE channel, and for the modern driver', () => {
    expect(lose('d7521', true)).toEqual(['da0']);
    expect(lose('modern', false)).toEqual(['da0']);
  });
});

describe('short INQUIRY data (S5)', () => {
  /** A DVD drive whose INQUIRY tells no names is a device to all but the first fixes. */
  it.each([
    ['legacy', true],
    ['workaround', false],
    ['en1612', false],
    ['en1616', true],
    ['modern', true],
  ] as const)('to %s', (mode, isSeen) => {
    const bench = new Bench({ storvscMode: mode });
    const nameless = {
      name: 'nameless',
      deviceType: 5,
      faults: scsiDisk().faults,
      execute(task: Parameters<ScsiDvd['execute']>[0]): void {
        if (task.operation === ScsiOperation.inquiry && (task.cdb[1]! & 1) === 0) {
          task.scratch.fill(0, 0, 36);
          task.scratch.set([5, 0x80, 0, 2, 0]);
          task.reply(5, task.cdb16(3));
        } else task.illegal(Sense.invalidCommand);
      },
    };
    bench.plug({
      profile: flavours.ws2016,
      luns: [{ address: { target: 0, lun: 0 }, unit: nameless }],
    });
    bench.kernel.settle();
    expect(bench.kernel.text.includes('cd0 at storvsc0')).toBe(isSeen);
  });
});

describe('time', () => {
  function readSlowly(mode: StorvscMode, release: 'legacy' | 'modern', delayNs: number): Bench {
    const bench = new Bench({ storvscMode: mode, release });
    const unit = scsiDisk();
    bench.plug({ profile: flavours.ws2012r2, luns: [{ address: { target: 0, lun: 0 }, unit }] });
    bench.kernel.settle();
    unit.faults.inject({ access: 'read', times: 1, delayNs });
    const gpa = bench.kernel.allocatePages(1);
    expect(bench.kernel.run(bench.cam.disks[0]!.read(0, 1, gpa))).toBe(0);
    return bench;
  }

  it('runs out twice for 10.2, which then freezes the queue', () => {
    const { lines } = readSlowly('legacy', 'legacy', 130 * NS_PER_SECOND).kernel;
    expect(lines.some((line) => /: 60\d\d: IO timed out \(req=0x.*\), wait/.test(line))).toBe(true);
    expect(lines.some((line) => line.includes('for 120 seconds, freezing the queue.'))).toBe(true);
    expect(lines.some((line) => line.includes('storvsc unfreezing softc'))).toBe(true);
  });

  it('never runs out for the modern driver', () => {
    const { text } = readSlowly('modern', 'modern', 130 * NS_PER_SECOND).kernel;
    expect(text).not.toContain('timed out');
  });
});

describe('removal of a controller', () => {
  it('loses its disks and ends the command that is out', () => {
    const bench = new Bench();
    const unit = scsiDisk();
    const { device, driver } = bench.plug({
      profile: flavours.ws2016,
      luns: [{ address: { target: 0, lun: 0 }, unit }],
    });
    bench.kernel.settle();
    unit.faults.inject({ access: 'read', delayNs: 10 * NS_PER_SECOND });
    const disk = bench.cam.disks[0]!;
    const gpa = bench.kernel.allocatePages(1);
    let error = -1;
    bench.kernel.spawn('reader', function* () {
      error = yield* disk.read(0, 1, gpa);
    });
    bench.kernel.settle(bench.kernel.clock.nowNs + NS_PER_SECOND);
    bench.kernel.run(driver.detach!(device));
    bench.kernel.settle();
    expect(error).toBe(6);
    expect(bench.cam.disks).toEqual([]);
    expect(bench.kernel.lines.slice(-3)).toEqual([
      'da0 at storvsc0 bus 0 scbus0 target 0 lun 0',
      'da0: <Msft Virtual Disk 1.0> detached',
      '(da0:storvsc0:0:0:0): Periph destroyed',
    ]);
    expect(bench.kernel.run(disk.read(0, 1, gpa))).toBe(6);
  });
});
