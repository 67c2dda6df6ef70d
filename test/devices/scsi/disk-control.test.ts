import { describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { hex, ScsiRunner, unhex } from '../support/scsi-runner.ts';

const MIB = 1 << 20;
const ascii = (text: string): string => hex(new TextEncoder().encode(text));

function disk(options: ConstructorParameters<typeof ScsiDisk>[1] = {}): ScsiRunner {
  return new ScsiRunner(new ScsiDisk(new MemoryDisk(MIB).fillPattern(), options));
}

describe('INQUIRY', () => {
  // SPC-4 6.4.2: type 0, version, format 2, 31 more bytes, CmdQue, then the identity.
  const standard = (version: string): string =>
    `00 00 ${version} 02 1f 00 00 02 ${ascii('Msft    Virtual Disk    1.0 ')}`;

  it('answers the 36 bytes of a Microsoft virtual disk', () => {
    const answer = disk().in('12 00 00 00 24 00', 36);
    expect(answer).toMatchObject({ srb: 0x01, scsi: 0, sense: '', transferred: 36 });
    expect(hex(answer.data)).toBe(standard('05'));
  });

  it('shows the version of the connection', () => {
    const runner = disk();
    runner.task.inquiryVersion = 4;
    expect(hex(runner.in('12 00 00 00 24 00', 36).data)).toBe(standard('04'));
  });

  it('cuts to the allocation length, and is short for a longer one', () => {
    expect(hex(disk().in('12 00 00 00 05 00', 5).data)).toBe('00 00 05 02 1f');
    expect(disk().in('12 00 00 00 ff 00', 255).transferred).toBe(36);
  });

  it('answers 104 bytes where the host does', () => {
    const { data } = disk({ inquiryBytes: 104 }).in('12 00 00 00 ff 00', 255);
    expect(data.length).toBe(104);
    expect(hex(data.subarray(0, 8))).toBe('00 00 05 02 63 00 00 02');
    expect(data.subarray(36).every((byte) => byte === 0)).toBe(true);
  });

  const id = 'a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af';
  it.each([
    ['00, thick', {}, '00', '00 00 00 04 00 83 ce cf'],
    ['00, thin', { isThin: true }, '00', '00 00 00 07 00 83 b0 b1 b2 ce cf'],
    ['00, with serial', { serialNumber: 'S1' }, '00', '00 00 00 05 00 80 83 ce cf'],
    ['80', { serialNumber: 'S1' }, '80', '00 80 00 02 53 31'],
    [
      '83',
      {},
      '83',
      `00 83 00 30 01 01 00 18 ${ascii('Msft    ')} ${id}` +
        ' 01 03 00 10 60 02 24 80 a0 a1 a2 a3 a4 a5 aa ab ac ad ae af',
    ],
    [
      'B0',
      { isThin: true, optimalUnmapBlocks: 4096 },
      'b0',
      `00 b0 00 3c${' 00'.repeat(16)} ff ff ff ff 00 00 10 00 00 00 10 00 80 00 00 00` +
        ` 00 00 00 00 00 00 40 00${' 00'.repeat(20)}`,
    ],
    ['B1', { isThin: true, rotationRate: 1 }, 'b1', `00 b1 00 3c 00 01${' 00'.repeat(58)}`],
    ['B2', { isThin: true }, 'b2', '00 b2 00 04 01 80 02 00'],
    ['CE', {}, 'ce', '00 ce 00 04 01 01 00 00'],
    ['CF', {}, 'cf', '00 cf 00 14 01 00 00 00 15 8f a9 89 28 c9 8b 4d 94 cd ef 51 fa a9 9d 33'],
  ])('VPD page %s', (_, options, page, expected) => {
    const answer = disk(options).in(`12 01 ${page} 00 ff 00`, 255);
    expect(answer.srb).toBe(0x01);
    expect(hex(answer.data)).toBe(expected);
  });

  it('sizes the provisioning threshold of a disk beyond 2^33 blocks', () => {
    const huge = new MemoryDisk(4096, { claimedBytes: 2 ** 34 * 512 });
    const answer = new ScsiRunner(new ScsiDisk(huge, { isThin: true })).in(
      '12 01 b2 00 ff 00',
      255,
    );
    expect(answer.data[4]).toBe(3);
  });

  it.each([
    ['a page without EVPD', '12 00 83 00 24 00', 36],
    ['a page that the disk lacks', '12 01 89 00 24 00', 36],
    ['page 80h of a disk without serial number', '12 01 80 00 24 00', 36],
    ['page B0h of a thick disk', '12 01 b0 00 40 00', 64],
    ['command support data', '12 02 00 00 24 00', 36],
    ['a buffer below the allocation length', '12 00 00 00 24 00', 20],
    ['four bytes', '12 00 00 00 04 00', 4],
  ])('refuses %s', (_, cdb, length) => {
    expect(disk().in(cdb, length)).toMatchObject({
      srb: 0x86,
      scsi: 0x02,
      sense: '5/24/00',
      transferred: 0,
    });
  });
});

describe('sense data', () => {
  it('is 18 bytes of fixed format', () => {
    const answer = disk().plain('ff 00 00 00 00 00');
    expect(answer).toMatchObject({ srb: 0x86, scsi: 0x02, sense: '5/20/00' });
    expect(hex(answer.senseBytes)).toBe('70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00');
  });

  it('REQUEST SENSE repeats the last failure once', () => {
    const runner = disk();
    runner.plain('ff 00 00 00 00 00');
    expect(hex(runner.in('03 00 00 00 12 00', 18).data)).toBe(
      '70 00 05 00 00 00 00 0a 00 00 00 00 20 00 00 00 00 00',
    );
    expect(hex(runner.in('03 00 00 00 12 00', 18).data)).toBe(
      '70 00 00 00 00 00 00 0a 00 00 00 00 00 00 00 00 00 00',
    );
  });

  it('a good command clears it', () => {
    const runner = disk();
    runner.plain('ff 00 00 00 00 00');
    runner.plain('00 00 00 00 00 00');
    expect(runner.in('03 00 00 00 12 00', 18).data[2]).toBe(0);
  });
});

describe('capacity', () => {
  it.each([
    ['READ CAPACITY (10)', '25 00 00 00 00 00 00 00 00 00', 8, '00 00 07 ff 00 00 02 00'],
    [
      'READ CAPACITY (16)',
      '9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00',
      32,
      `00 00 00 00 00 00 07 ff 00 00 02 00 00 03 00 00${' 00'.repeat(16)}`,
    ],
    [
      'READ CAPACITY (16), 12 bytes',
      '9e 10 00 00 00 00 00 00 00 00 00 00 00 0c 00 00',
      12,
      '00 00 00 00 00 00 07 ff 00 00 02 00',
    ],
  ])('%s', (_, cdb, length, expected) => {
    expect(hex(disk().in(cdb, length).data)).toBe(expected);
  });

  it('a thin disk sets LBPME', () => {
    const { data } = disk({ isThin: true }).in('9e 10 00 00 00 00 00 00 00 00 00 00 00 20', 32);
    expect(hex(data.subarray(12, 16))).toBe('00 03 80 00');
  });

  it('a disk of 4 KiB sectors has exponent 0', () => {
    const big = new MemoryDisk(MIB, { sectorBytes: 4096 });
    const runner = new ScsiRunner(new ScsiDisk(big));
    const { data } = runner.in('9e 10 00 00 00 00 00 00 00 00 00 00 00 20', 32);
    expect(hex(data.subarray(0, 16))).toBe('00 00 00 00 00 00 00 ff 00 00 10 00 00 00 00 00');
  });

  it('beyond 2 TiB the short form says FFFFFFFFh and the long form the truth', () => {
    const huge = new MemoryDisk(4096, { claimedBytes: 2304 * 2 ** 30 });
    const runner = new ScsiRunner(new ScsiDisk(huge));
    expect(hex(runner.in('25', 8).data)).toBe('ff ff ff ff 00 00 02 00');
    const { data } = runner.in('9e 10 00 00 00 00 00 00 00 00 00 00 00 20', 32);
    expect(hex(data.subarray(0, 8))).toBe('00 00 00 01 1f ff ff ff');
  });

  it('a buffer below the answer is an overrun', () => {
    const expected = { srb: 0x92, scsi: 0x02, sense: '5/24/00', transferred: 0 };
    expect(disk().in('25', 4)).toMatchObject(expected);
    expect(disk().in('9e 10 00 00 00 00 00 00 00 00 00 00 00 20', 8)).toMatchObject(expected);
  });

  it('an unknown service action is an invalid field', () => {
    expect(disk().in('9e 11', 32)).toMatchObject({ srb: 0x86, sense: '5/24/00' });
  });

  it('a resize is announced once, after INQUIRY let it pass', () => {
    const medium = new MemoryDisk(2 * MIB, { claimedBytes: MIB });
    const runner = new ScsiRunner(new ScsiDisk(medium));
    medium.sizeBytes = 2 * MIB;
    expect(runner.in('12 00 00 00 24 00', 36).scsi).toBe(0);
    expect(runner.plain('00')).toMatchObject({ srb: 0x84, scsi: 0x02, sense: '6/2a/09' });
    expect(runner.plain('00').scsi).toBe(0);
    expect(hex(runner.in('25', 8).data)).toBe('00 00 0f ff 00 00 02 00');
  });

  it('REQUEST SENSE carries the announcement itself', () => {
    const medium = new MemoryDisk(2 * MIB, { claimedBytes: MIB });
    const runner = new ScsiRunner(new ScsiDisk(medium));
    medium.sizeBytes = 2 * MIB;
    const { scsi, data } = runner.in('03 00 00 00 12 00', 18);
    expect([scsi, data[2], data[12], data[13]]).toEqual([0, 6, 0x2a, 9]);
  });

  it('GET LBA STATUS: everything from the LBA on is mapped', () => {
    const cdb = '9e 12 00 00 00 00 00 00 00 10 00 00 00 18 00 00';
    expect(hex(disk().in(cdb, 24).data)).toBe(
      '00 00 00 14 00 00 00 00 00 00 00 00 00 00 00 10 00 00 07 f0 00 00 00 00',
    );
    const beyond = '9e 12 00 00 00 00 00 00 08 00 00 00 00 18 00 00';
    expect(disk().in(beyond, 24)).toMatchObject({ sense: '5/21/00' });
  });
});

describe('mode pages', () => {
  const caching = '08 0a 04 00 00 00 00 00 00 00 00 00';
  it.each([
    ['6, caching', '1a 00 08 00 ff 00', `0f 00 10 00 ${caching}`],
    ['6, all pages', '1a 00 3f 00 ff 00', `0f 00 10 00 ${caching}`],
    ['6, header only', '1a 00 3f 00 04 00', '0f 00 10 00'],
    ['10, caching', '5a 00 08 00 00 00 00 00 ff 00', `00 12 00 10 00 00 00 00 ${caching}`],
    ['6, changeable', '1a 00 48 00 ff 00', '0f 00 10 00 08 0a 00 00 00 00 00 00 00 00 00 00'],
    ['6, default', '1a 00 88 00 ff 00', `0f 00 10 00 ${caching}`],
  ])('MODE SENSE (%s)', (_, cdb, expected) => {
    expect(hex(disk().in(cdb, cdb.includes(' 04 00') ? 4 : 255).data)).toBe(expected);
  });

  it('the write-protect bit follows the image', () => {
    const runner = new ScsiRunner(new ScsiDisk(new MemoryDisk(MIB, { readOnly: true })));
    expect(hex(runner.in('1a 00 3f 00 04 00', 4).data)).toBe('0f 00 90 00');
  });

  it.each([
    ['the control page', '1a 00 0a 00 ff 00'],
    ['saved values', '1a 00 c8 00 ff 00'],
  ])('refuses %s', (_, cdb) => {
    expect(disk().in(cdb, 255)).toMatchObject({ srb: 0x86, scsi: 0x02, sense: '5/24/00' });
  });

  it.each([
    ['a page that changes nothing', '15 10 00 00 10 00', `00 00 00 00 ${caching}`, ''],
    [
      'the same in the long form',
      '55 10 00 00 00 00 00 00 14 00',
      `00 00 00 00 00 00 00 00 ${caching}`,
      '',
    ],
    [
      'the write cache turned off',
      '15 10 00 00 10 00',
      '00 00 00 00 08 0a 00 00 00 00 00 00 00 00 00 00',
      '5/26/00',
    ],
    ['another page', '15 10 00 00 10 00', `00 00 00 00 0a ${caching.slice(3)}`, '5/26/00'],
    ['saved pages', '15 11 00 00 10 00', `00 00 00 00 ${caching}`, '5/24/00'],
    ['a list that is cut', '15 10 00 00 08 00', '00 00 00 00 08 0a 04 00', '5/1a/00'],
    [
      'a block descriptor that covers the page',
      '15 10 00 00 10 00',
      `00 00 00 08 ${caching}`,
      '5/1a/00',
    ],
  ])('MODE SELECT with %s', (_, cdb, list, sense) => {
    expect(disk().out(cdb, unhex(list)).sense).toBe(sense);
  });
});

describe('commands without data', () => {
  it.each([
    ['TEST UNIT READY', '00'],
    ['FORMAT UNIT', '04'],
    ['RESERVE (6)', '16'],
    ['RELEASE (6)', '17'],
    ['PREVENT ALLOW MEDIUM REMOVAL', '1e 00 00 00 01 00'],
    ['SEND DIAGNOSTIC, self-test', '1d 04 00 00 00 00'],
    ['START STOP UNIT, start', '1b 00 00 00 01 00'],
  ])('%s succeeds', (_, cdb) => {
    expect(disk().plain(cdb)).toMatchObject({ srb: 0x01, scsi: 0, transferred: 0 });
  });

  it.each([
    ['SEND DIAGNOSTIC with a self-test code', '1d 20 00 00 00 00', '5/24/00'],
    ['START STOP UNIT with IMMED', '1b 01 00 00 00 00', '5/24/00'],
    ['REPORT SUPPORTED OPERATION CODES', 'a3 0c', '5/20/00'],
    ['ATA PASS-THROUGH (16)', '85', '5/20/00'],
    ['PERSISTENT RESERVE IN of an unshared disk', '5e 00', '5/20/00'],
    ['UNMAP of a thick disk', '42', '5/24/00'],
  ])('%s fails', (_, cdb, sense) => {
    expect(disk().plain(cdb)).toMatchObject({ srb: 0x86, scsi: 0x02, sense });
  });

  it('SYNCHRONIZE CACHE and stopping flush the image', () => {
    const medium = new MemoryDisk(MIB);
    const runner = new ScsiRunner(new ScsiDisk(medium));
    runner.plain('35');
    runner.plain('91');
    runner.plain('1b 00 00 00 00 00');
    expect(medium.flushes).toBe(3);
  });
});
