import { describe, expect, it } from 'vitest';
import { NS_PER_MS } from '../../../src/core/clock.ts';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import type { LogicalUnit } from '../../../src/devices/scsi/logical-unit.ts';
import { ScsiOperation, ScsiStatus, Sense, SrbStatus } from '../../../src/devices/scsi/spec.ts';
import type { BlockDevice } from '../../../src/storage/block.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { Bench } from '../storvsc/bench.ts';
import { disksAt, flavours, scsiDisk } from '../storvsc/hosts.ts';

/** A disk that only says how large it is. */
function emptyDisk(sizeBytes: number): BlockDevice {
  return {
    name: 'empty',
    sectorBytes: 512,
    physicalSectorBytes: 4096,
    sizeBytes,
    readOnly: false,
    diskId: new Uint8Array(16),
    read: (_position, target, start, length) => target.fill(0, start, start + length),
    write: () => {},
    unmap: () => {},
    flush: () => {},
    close: () => {},
  };
}

function at(
  lun: number,
  unit: LogicalUnit,
): { address: { target: number; lun: number }; unit: LogicalUnit } {
  return { address: { target: 0, lun }, unit };
}

function boot(
  units: ReturnType<typeof at>[],
  bench = new Bench(),
  flavour = flavours.ws2016tp,
): Bench {
  bench.plug({ profile: flavour, luns: units });
  bench.kernel.settle();
  return bench;
}

const legacy = { release: 'legacy', storvscMode: 'legacy' } as const;
const MODERN_128G = 266_338_304 * 512;

describe('announcements', () => {
  it('of a disk today', () => {
    const bench = boot([at(0, new ScsiDisk(emptyDisk(MODERN_128G)))]);
    expect(bench.kernel.lines).toEqual([
      'da0 at storvsc0 bus 0 scbus0 target 0 lun 0',
      'da0: <Msft Virtual Disk 1.0> Fixed Direct Access SPC-3 SCSI device',
      'da0: 300.000MB/s transfers',
      'da0: Command Queueing enabled',
      'da0: 130048MB (266338304 512 byte sectors)',
    ]);
  });

  it('of a disk and a bogus one in 10.2', () => {
    const bench = boot([at(0, new ScsiDisk(emptyDisk(16_777_216 * 512)))], new Bench(legacy));
    const { lines } = bench.kernel;
    expect(lines.slice(0, 5)).toEqual([
      'da0 at storvsc0 bus 0 scbus0 target 0 lun 0',
      'da0: <Msft Virtual Disk 1.0> Fixed Direct Access SCSI-4 device',
      'da0: 300.000MB/s transfers',
      'da0: Command Queueing enabled',
      'da0: 8192MB (16777216 512 byte sectors: 255H 63S/T 1044C)',
    ]);
    const first = lines.indexOf('da2: <  > Fixed Direct Access SCSI-0 device');
    expect(lines.slice(first - 1, first + 3)).toEqual([
      expect.stringMatching(/^da2 at storvsc0 bus 0 scbus0 target [01] lun \d$/),
      'da2: <  > Fixed Direct Access SCSI-0 device',
      'da2: 300.000MB/s transfers',
      'da2: 0MB (0 512 byte sectors: 64H 32S/T 0C)',
    ]);
  });

  it('of a disk beyond 2 TiB, whose size READ CAPACITY(10) cannot tell', () => {
    const huge = new ScsiDisk(emptyDisk(5 * 2 ** 40));
    for (const bench of [new Bench(), new Bench(legacy)]) {
      boot([at(0, huge)], bench);
      expect(bench.cam.disks[0]!.sectors).toBe((5 * 2 ** 40) / 512);
    }
  });

  it('of drives, empty and with a disc, and what camcontrol says of all', () => {
    const disc = new ArrayDisk(2048 * 100, { sectorBytes: 2048, readOnly: true });
    const bench = boot([
      at(0, scsiDisk()),
      at(1, new ScsiDvd('empty')),
      at(2, new ScsiDvd('disc', disc)),
    ]);
    expect(bench.kernel.lines).toEqual(
      expect.arrayContaining([
        'cd0 at storvsc0 bus 0 scbus0 target 0 lun 1',
        'cd0: <Msft Virtual DVD-ROM 1.0> Removable CD-ROM SPC-3 SCSI device',
        'cd0: Attempt to query device size failed: NOT READY, Medium not present - tray closed',
        'cd1: cd present [100 x 2048 byte records]',
      ]),
    );
    expect(bench.cam.deviceList()).toEqual([
      '<Msft Virtual Disk 1.0>            at scbus0 target 0 lun 0 (da0,pass0)',
      '<Msft Virtual DVD-ROM 1.0>         at scbus0 target 0 lun 1 (cd0,pass1)',
      '<Msft Virtual DVD-ROM 1.0>         at scbus0 target 0 lun 2 (cd1,pass2)',
    ]);
    const devlist = bench.kernel.commands.find(({ name }) => name === 'camcontrol')!;
    bench.kernel.text = '';
    bench.kernel.run(devlist.run(['devlist']));
    expect(bench.kernel.lines.length).toBe(3);
  });

  it('are traced with what a summary needs', () => {
    const bench = new Bench();
    const seen: unknown[] = [];
    bench.kernel.trace.subscribe((_, type, values, text) => {
      if (type.category === 'guest') seen.push([type.name, ...values.slice(0, 5), text]);
    });
    bench.plug({ profile: flavours.ws2016 });
    bench.plug({ profile: flavours.ws2016, luns: disksAt('1:3') });
    bench.kernel.settle();
    expect(seen).toEqual([['disk', 0, 1, 1, 3, 65_536, 'Msft Virtual Disk 1.0']]);
  });
});

/** Operation codes that reached a unit, in order; EVPD pages as "v83". */
function spy(unit: LogicalUnit): { unit: LogicalUnit; log: string[] } {
  const log: string[] = [];
  return {
    log,
    unit: {
      name: unit.name,
      deviceType: unit.deviceType,
      faults: unit.faults,
      execute: (task) => {
        const isEvpd = task.operation === ScsiOperation.inquiry && (task.cdb[1]! & 1) !== 0;
        log.push(isEvpd ? `v${task.cdb[2]!.toString(16)}` : task.operation.toString(16));
        unit.execute(task);
      },
    },
  };
}

describe('the probe of a LUN', () => {
  it('sends INQUIRY, MODE SENSE, VPD pages, TEST UNIT READY, then READ CAPACITY(16)', () => {
    const { unit, log } = spy(new ScsiDisk(new ArrayDisk(65_536), { isThin: true }));
    boot([at(0, unit)]);
    // REPORT LUNS is the controller's to answer, so the unit does not see it.
    expect(log).toEqual(['12', '1a', 'v0', 'v83', '0', '9e', 'vb2', 'vb0', 'vb1']);
  });

  it('asks an SPC-2 disk for READ CAPACITY(10)', () => {
    const { unit, log } = spy(scsiDisk());
    boot([at(0, unit)], new Bench(legacy), flavours.ws2012r2);
    expect(log.slice(0, 6)).toEqual(['12', '1a', 'v0', 'v83', '0', '25']);
  });

  it('asks again for long INQUIRY data', () => {
    const { unit, log } = spy(new ScsiDisk(new ArrayDisk(65_536), { inquiryBytes: 104 }));
    boot([at(0, unit)]);
    expect(log.slice(0, 3)).toEqual(['12', '12', '1a']);
  });

  it('tests a known LUN 0 first when it looks again, and finds nothing new', () => {
    const { unit, log } = spy(scsiDisk());
    const bench = boot([at(0, unit)]);
    const before = bench.kernel.text;
    log.length = 0;
    bench.cam.rescan(bench.cam.buses[0]!);
    bench.kernel.settle();
    expect(log).toEqual(['0', '12', '1a', 'v0', 'v83']);
    expect(bench.kernel.text).toBe(before);
  });

  it('falls back to READ CAPACITY(10) when the long one is unknown', () => {
    const disk = scsiDisk();
    disk.faults.inject({
      operation: ScsiOperation.serviceActionIn16,
      sense: Sense.invalidCommand,
    });
    const bench = boot([at(0, disk)]);
    expect(bench.cam.disks[0]!.sectors).toBe(128);
  });

  it('gives a disk without a size a line that says why', () => {
    const disk = scsiDisk();
    const sense = Sense.mediumNotPresentTrayClosed;
    disk.faults.inject({ operation: ScsiOperation.serviceActionIn16, sense });
    const bench = boot([at(0, disk)]);
    expect(bench.kernel.lines.at(-1)).toBe(
      'da0: Attempt to query device size failed: NOT READY, Medium not present - tray closed',
    );
  });
});

describe('the scan of a bus', () => {
  it('asks only for the LUNs that REPORT LUNS lists', () => {
    const bench = new Bench();
    let commands = 0;
    bench.kernel.trace.subscribe((_, type) => {
      if (type.category === 'storvsc' && type.name === 'complete') commands += 1;
    });
    bench.plug({ profile: flavours.ws2016tp, luns: disksAt('0:0 0:1 0:5 0:63') });
    bench.kernel.settle();
    expect(bench.cam.disks.map(({ device }) => device.lun)).toEqual([0, 1, 5, 63]);
    // Four disks of at most nine commands, two REPORT LUNS, one absent LUN 0 on target 1.
    expect(commands).toBeLessThanOrEqual(40);
  });

  it('goes past LUN 7 of a dense target only from a LUN that is newer than SCSI-2', () => {
    const dense = disksAt('0:0 0:1 0:2 0:3 0:4 0:5 0:6 0:7 0:8 0:9 0:11');
    const bench = new Bench(legacy);
    bench.plug({ profile: flavours.ws2012r2, luns: dense });
    bench.kernel.settle();
    expect(bench.cam.disks.map(({ device }) => device.lun)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('takes unit numbers on several controllers, and "scbus" in order of attach', () => {
    const bench = new Bench();
    for (let index = 0; index < 3; index += 1) {
      bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0') });
    }
    bench.kernel.settle();
    expect(bench.cam.disks.map((disk) => disk.name)).toEqual(['da0', 'da1', 'da2']);
    expect(bench.cam.buses.map((bus) => bus.pathId)).toEqual([0, 1, 2]);
  });
});

describe('hot plugging', () => {
  it('adds a disk, takes it away, and gives its number to the next', () => {
    const bench = new Bench();
    const { vsp } = bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0') });
    bench.kernel.settle();
    bench.kernel.text = '';
    vsp.attach({ target: 0, lun: 4 }, scsiDisk());
    bench.kernel.settle();
    expect(bench.kernel.lines[0]).toBe('da1 at storvsc0 bus 0 scbus0 target 0 lun 4');
    bench.kernel.text = '';
    vsp.detach({ target: 0, lun: 4 });
    bench.kernel.settle();
    expect(bench.kernel.lines).toEqual([
      'da1 at storvsc0 bus 0 scbus0 target 0 lun 4',
      'da1: <Msft Virtual Disk 1.0> detached',
      '(da1:storvsc0:0:0:4): Periph destroyed',
    ]);
    vsp.attach({ target: 0, lun: 9 }, scsiDisk());
    bench.kernel.settle();
    expect(bench.cam.disks.map(({ name, device }) => `${name} ${device.lun}`)).toEqual([
      'da0 0',
      'da1 9',
    ]);
  });

  it('of several disks at once ends with all of them', () => {
    const bench = new Bench();
    const { vsp } = bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0') });
    bench.kernel.settle();
    for (const lun of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) vsp.attach({ target: 0, lun }, scsiDisk());
    bench.kernel.settle();
    expect(bench.cam.disks.length).toBe(11);
  });

  it('says that REMOVE_DEVICE is not implemented, as the driver does', () => {
    const bench = new Bench();
    const { vsp } = bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0 0:1') });
    bench.kernel.settle();
    vsp.detach({ target: 0, lun: 1 }, 'removeDevice');
    bench.kernel.settle();
    expect(bench.kernel.lines.at(-1)).toBe('VMBUS: storvsc operation 2 not implemented.');
    expect(bench.cam.disks.length).toBe(2);
  });

  it('keeps the unit number of a disk that is in use', () => {
    const bench = new Bench();
    const { vsp } = bench.plug({ profile: flavours.ws2016, luns: disksAt('0:0 0:1') });
    bench.kernel.settle();
    bench.cam.disks[1]!.openCount = 1;
    vsp.detach({ target: 0, lun: 1 });
    bench.kernel.settle();
    expect(bench.kernel.lines.at(-1)).toBe('da1: <Msft Virtual Disk 1.0> detached');
    vsp.attach({ target: 0, lun: 2 }, scsiDisk());
    bench.kernel.settle();
    expect(bench.cam.disks.map((disk) => disk.name)).toEqual(['da0', 'da2']);
  });
});

describe('error recovery', () => {
  function bench(): { unit: ScsiDisk; test: Bench; read: () => number } {
    const unit = scsiDisk();
    const test = boot([at(0, unit)]);
    const gpa = test.kernel.allocatePages(1);
    return { unit, test, read: () => test.kernel.run(test.cam.disks[0]!.read(0, 1, gpa)) };
  }

  it('waits a second for a unit that is BUSY', () => {
    const { unit, test, read } = bench();
    unit.faults.inject({
      access: 'read',
      times: 2,
      scsiStatus: ScsiStatus.busy,
      srbStatus: SrbStatus.busy,
    });
    const startNs = test.kernel.clock.nowNs;
    expect(read()).toBe(0);
    expect(test.kernel.clock.nowNs - startNs).toBeGreaterThan(2000 * NS_PER_MS);
  });

  it('tries again after a UNIT ATTENTION', () => {
    const { unit, read } = bench();
    unit.faults.inject({ access: 'read', times: 1, sense: Sense.capacityDataChanged });
    expect(read()).toBe(0);
  });

  it('gives up after four tries', () => {
    const { unit, test, read } = bench();
    let reads = 0;
    test.kernel.trace.subscribe((_, type) => {
      if (type.name === 'complete') reads += 1;
    });
    unit.faults.inject({ access: 'read', sense: Sense.capacityDataChanged });
    expect(read()).toBe(5);
    expect(reads).toBe(5);
    expect(test.kernel.lines.at(-1)).toBe('(da0:storvsc0:0:0:0): Error 5, Retries exhausted');
  });

  it('does not try again what was wrong', () => {
    const { unit, read } = bench();
    unit.faults.inject({ access: 'read', sense: Sense.invalidFieldInCdb });
    expect(read()).toBe(22);
  });
});

describe('transfers', () => {
  it('move data both ways, in pieces, from and to any address', () => {
    const content = Uint8Array.from(
      { length: 1024 * 512 },
      (_, index) => (index * 7 + (index >> 9)) & 0xff,
    );
    const bench = boot([at(0, new ScsiDisk(new ArrayDisk(content.slice())))]);
    const disk = bench.cam.disks[0]!;
    const { kernel } = bench;
    const gpa = kernel.allocatePages(130) + 1024;
    expect(kernel.run(disk.read(3, 900, gpa))).toBe(0);
    // toEqual would compare half a million numbers one by one.
    const read = kernel.memory.u8.subarray(gpa, gpa + 900 * 512);
    expect(Buffer.compare(read, content.subarray(3 * 512, 903 * 512))).toBe(0);
    expect(kernel.run(disk.write(100, 900, gpa))).toBe(0);
    expect(kernel.run(disk.read(100, 1, gpa + 4096))).toBe(0);
    expect(kernel.memory.u8.slice(gpa + 4096, gpa + 4608)).toEqual(content.slice(3 * 512, 4 * 512));
    expect(kernel.run(disk.flush())).toBe(0);
  });

  it('outside the disk are refused', () => {
    const bench = boot([at(0, scsiDisk())]);
    const disk = bench.cam.disks[0]!;
    for (const [lba, count] of [
      [128, 1],
      [-1, 1],
      [127, 2],
    ] as const) {
      expect(bench.kernel.run(disk.read(lba, count, 0x10_0000))).toBe(22);
    }
  });

  it('use the CDB that fits', () => {
    const lengths: string[] = [];
    const unit = scsiDisk(2 ** 20);
    const spied = spy(unit);
    const bench = boot([at(0, spied.unit)]);
    spied.log.length = 0;
    const gpa = bench.kernel.allocatePages(40);
    bench.kernel.run(bench.cam.disks[0]!.read(0, 255, gpa));
    bench.kernel.run(bench.cam.disks[0]!.read(0, 256, gpa));
    lengths.push(...spied.log);
    expect(lengths).toEqual(['8', '28']);
  });
});
