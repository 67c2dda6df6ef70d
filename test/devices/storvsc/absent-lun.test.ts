import { describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import type { AbsentLun } from '../../../src/devices/storvsc/profile.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { hex } from '../support/scsi-runner.ts';
import { type Completion, StorvscBench } from '../support/storvsc-bench.ts';

const INQUIRY = '12 00 00 00 24 00';
const NO_SUCH_DEVICE = 0xc000_00c0;
const ascii = (text: string): string => hex(new TextEncoder().encode(text));
const identity = ascii('Msft    Virtual Disk    1.0 ');

function host(absentLun: AbsentLun, luns: readonly [number, number][] = [[0, 0]]): StorvscBench {
  return new StorvscBench(
    {
      luns: luns.map(([target, lun]) => ({
        address: { target, lun },
        unit: new ScsiDisk(new MemoryDisk(65_536)),
      })),
    },
    { absentLun },
  ).initialize(0x0501);
}

/** The guest's buffer after a command that was given 36 bytes of EE. */
function bufferAfter(bench: StorvscBench, srb: Parameters<StorvscBench['execute']>[0]): string {
  bench.memory.u8.fill(0xee, 0x1_0000, 0x1_0000 + 256);
  bench.execute(srb);
  return hex(bench.memory.u8.subarray(0x1_0000, 0x1_0000 + 36));
}

const untouched = 'ee '.repeat(36).trim();

/** Rows of freebsd-bis.md 1.14: flavour, LUN, srb, scsi, NTSTATUS, length, the guest's bytes. */
const inquiryTable: [AbsentLun, number, number, number, number, number, string][] = [
  ['zeroed', 0, 0x20, 0x00, NO_SUCH_DEVICE, 0, untouched],
  ['zeroed', 1, 0x20, 0x00, NO_SUCH_DEVICE, 0, untouched],
  ['qualifier-7f', 0, 0x01, 0x00, 0, 36, `7f 00 05 02 1f 00 00 00 ${identity}`],
  ['qualifier-7f', 1, 0x01, 0x00, 0, 36, `7f 00 05 02 1f${' 00'.repeat(31)}`],
  ['qualifier-7f-short', 0, 0x01, 0x00, 0, 5, `7f 00 00 00 00${' ee'.repeat(31)}`],
  ['qualifier-7f-short', 1, 0x01, 0x00, 0, 5, `7f 00 00 00 00${' ee'.repeat(31)}`],
  ['openvmm', 0, 0x01, 0x00, 0, 36, `7f 00 05 02 63 00 00 00 ${identity}`],
  ['openvmm', 1, 0x01, 0x00, 0, 36, `7f 00 05 02 63${' 00'.repeat(31)}`],
];

describe('INQUIRY of a LUN that is not there', () => {
  it.each(inquiryTable)('%s, LUN %i', (flavour, lun, srb, scsi, status, length, data) => {
    const bench = host(flavour, []);
    const answer = bench.execute({ lun, cdb: INQUIRY, length: 36 });
    expect(answer).toMatchObject({ srb, scsi, status, transferred: length });
    expect(bufferAfter(bench, { lun, cdb: INQUIRY, length: 36 })).toBe(data);
  });

  it('OpenVMM has 104 bytes for who asks', () => {
    const answer = host('openvmm').execute({ target: 1, cdb: '12 00 00 00 ff 00', length: 255 });
    expect(answer.transferred).toBe(104);
  });

  it.each(['qualifier-7f', 'qualifier-7f-short', 'openvmm'] as const)(
    '%s has no vital product data for it',
    (flavour) => {
      const answer = host(flavour).execute({ lun: 3, cdb: '12 01 83 00 ff 00', length: 255 });
      expect(answer).toMatchObject({ srb: 0x86, scsi: 0x02, transferred: 0 });
      expect(hex(answer.sense.subarray(0, 14))).toBe('70 00 05 00 00 00 00 0a 00 00 00 00 24 00');
    },
  );
});

describe('other commands to a LUN that is not there', () => {
  const commands: [string, number][] = [
    ['00', 0],
    ['25', 8],
    ['28 00 00 00 00 00 00 00 01 00', 512],
    ['1a 00 3f 00 ff 00', 255],
  ];
  const table: [AbsentLun, Partial<Completion>][] = [
    ['zeroed', { srb: 0x20, scsi: 0x00, status: NO_SUCH_DEVICE }],
    ['qualifier-7f', { srb: 0x20, scsi: 0x00, status: NO_SUCH_DEVICE }],
    ['qualifier-7f-short', { srb: 0x01, scsi: 0x00, status: 0 }],
    ['openvmm', { srb: 0x20, scsi: 0x02, status: NO_SUCH_DEVICE }],
  ];
  it.each(table)('%s', (flavour, expected) => {
    const bench = host(flavour);
    for (const [cdb, length] of commands) {
      expect(bench.execute({ target: 1, cdb, length })).toMatchObject({
        ...expected,
        transferred: 0,
      });
      expect(bufferAfter(bench, { target: 1, cdb, length })).toBe(untouched);
    }
  });
});

describe('REPORT LUNS', () => {
  const report = 'a0 00 00 00 00 00 00 00 00 80 00 00';
  const read = (
    bench: StorvscBench,
    srb: { path?: number; target?: number; lun?: number },
  ): string => {
    const { transferred } = bench.execute({ ...srb, cdb: report, length: 128 });
    return hex(bench.memory.u8.subarray(0x1_0000, 0x1_0000 + transferred));
  };

  it('lists exactly the path and target, sorted, from any LUN', () => {
    const bench = host('zeroed', [
      [0, 9],
      [0, 0],
      [1, 5],
    ]);
    const expected = '00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 09 00 00 00 00 00 00';
    expect(read(bench, {})).toBe(expected);
    expect(read(bench, { lun: 40 })).toBe(expected);
    expect(read(bench, { target: 1 })).toBe('00 00 00 08 00 00 00 00 00 05 00 00 00 00 00 00');
    expect(read(bench, { target: 2 })).toBe('00 00 00 00 00 00 00 00');
    expect(read(bench, { path: 1 })).toBe('00 00 00 00 00 00 00 00');
  });

  it('is cut to the buffer, which must hold the header', () => {
    const bench = host('zeroed');
    expect(bench.execute({ cdb: report, length: 16 }).transferred).toBe(16);
    expect(bench.execute({ cdb: report, length: 12 }).transferred).toBe(12);
    expect(bench.execute({ cdb: report, length: 4 })).toMatchObject({ srb: 1, transferred: 0 });
  });
});

describe('the version of a disk that is there', () => {
  it.each([
    [0x0402, 4],
    [0x0501, 4],
    [0x0600, 4],
    [0x0602, 5],
  ])('protocol %i shows %i', (version, expected) => {
    const bench = new StorvscBench({
      luns: [{ address: { target: 0, lun: 0 }, unit: new ScsiDisk(new MemoryDisk(65_536)) }],
    }).initialize(version);
    bench.execute({ cdb: INQUIRY, length: 36 });
    expect(bench.memory.u8[0x1_0002]).toBe(expected);
  });
});

describe('an IDE accelerator', () => {
  const ide = (absentLunOnIde?: AbsentLun): StorvscBench =>
    new StorvscBench(
      {
        kind: { type: 'ide', channel: 1, device: 1 },
        luns: [{ address: { target: 1, lun: 0 }, unit: new ScsiDisk(new MemoryDisk(65_536)) }],
      },
      { absentLun: 'zeroed', ...(absentLunOnIde === undefined ? {} : { absentLunOnIde }) },
    ).initialize(0x0501);

  it('finds its disk whatever path the guest set', () => {
    for (const path of [0, 1, 7]) {
      expect(ide().execute({ path, target: 1, cdb: '00' }).srb).toBe(0x01);
    }
    expect(ide().execute({ target: 0, cdb: '00' }).srb).toBe(0x20);
  });

  it('may answer absent LUNs in its own way', () => {
    expect(ide('qualifier-7f-short').execute({ target: 0, cdb: '00' }).srb).toBe(0x01);
  });
});
