import { describe, expect, it } from 'vitest';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { hex, ScsiRunner } from '../support/scsi-runner.ts';

const BLOCKS = 300;
const disc = (): MemoryDisk => new MemoryDisk(BLOCKS * 2048, { readOnly: true }).fillPattern();
const loaded = (): ScsiRunner => new ScsiRunner(new ScsiDvd('dvd', disc()));
const empty = (): ScsiRunner => new ScsiRunner(new ScsiDvd('dvd'));
const ascii = (text: string): string => hex(new TextEncoder().encode(text));

describe('with a disc', () => {
  it.each([
    [
      'INQUIRY',
      '12 00 00 00 24 00',
      `05 80 00 02 1f 00 00 00 ${ascii('Msft    Virtual DVD-ROM 1.0 ')}`,
    ],
    ['INQUIRY, VPD 00', '12 01 00 00 ff 00', '05 00 00 02 00 83'],
    [
      'INQUIRY, VPD 83',
      '12 01 83 00 ff 00',
      `05 83 00 1c 01 01 00 18 ${ascii('Msft    ')}` +
        ' 73 05 e3 43 77 03 54 46 94 95 7d 7c ed 62 4a 7d',
    ],
    ['READ CAPACITY', '25 00 00 00 00 00 00 00 00 00', '00 00 01 2b 00 00 08 00'],
    [
      'READ TOC, LBA',
      '43 00 00 00 00 00 00 00 ff 00',
      '00 12 01 01 00 14 01 00 00 00 00 00 00 14 aa 00 00 00 01 2c',
    ],
    [
      'READ TOC, MSF: the lead-out is at 0:06:00',
      '43 02 00 00 00 00 00 00 ff 00',
      '00 12 01 01 00 14 01 00 00 00 02 00 00 14 aa 00 00 00 06 00',
    ],
    [
      'READ TOC, lead-out only',
      '43 00 00 00 00 00 aa 00 ff 00',
      '00 0a 01 01 00 14 aa 00 00 00 01 2c',
    ],
    ['READ TOC, header only', '43 00 00 00 00 00 00 00 04 00', '00 12 01 01'],
    ['READ TOC, sessions', '43 00 01 00 00 00 00 00 ff 00', '00 0a 01 01 00 14 01 00 00 00 00 00'],
    [
      'READ TOC, full',
      '43 02 02 00 00 00 00 00 ff 00',
      '00 2e 01 01' +
        ' 01 14 00 a0 00 00 00 00 01 00 00' +
        ' 01 14 00 a1 00 00 00 00 01 00 00' +
        ' 01 14 00 a2 00 00 00 00 00 06 00' +
        ' 01 14 00 01 00 00 00 00 00 02 00',
    ],
    [
      'READ DISC INFORMATION',
      '51 00 00 00 00 00 00 00 22 00',
      `00 20 0e 01 01 01 01 20${' 00'.repeat(26)}`,
    ],
    [
      'READ TRACK INFORMATION',
      '52 01 00 00 00 01 00 00 30 00',
      `00 2e 01 01 00 04 01 00${' 00'.repeat(16)} 00 00 01 2c${' 00'.repeat(20)}`,
    ],
    [
      'READ DVD STRUCTURE, physical',
      'ad 00 00 00 00 00 00 00 00 14 00 00',
      '08 02 00 00 00 04 00 00 00 03 00 00 00 03 01 2b 00 00 00 00',
    ],
    [
      'READ DVD STRUCTURE, copyright',
      'ad 00 00 00 00 00 00 01 00 14 00 00',
      '00 06 00 00 00 00 00 00',
    ],
    ['MECHANISM STATUS', 'bd 00 00 00 00 00 00 00 00 08 00 00', '00 00 00 00 00 00 00 00'],
    [
      'MODE SENSE (10), time-out page',
      '5a 00 1d 00 00 00 00 00 ff 00',
      '00 12 00 00 00 00 00 00 1d 0a 00 00 00 00 00 05 00 14 00 0a',
    ],
    [
      'GET CONFIGURATION, removable medium',
      '46 02 00 03 00 00 00 00 ff 00',
      '00 00 00 0c 00 00 00 10 00 03 07 04 39 00 00 00',
    ],
    [
      'GET CONFIGURATION, current from 1Fh on',
      '46 01 00 1f 00 00 00 00 ff 00',
      '00 00 00 20 00 00 00 10 00 1f 05 04 00 00 00 00 01 00 03 00 01 05 07 04 01 00 02 00' +
        ' 01 07 17 04 10 00 00 00',
    ],
    [
      'GET PERFORMANCE, nominal',
      'ac 10 00 00 00 00 00 00 00 01 00 00',
      '00 00 00 14 00 00 00 00 00 00 00 00 00 00 7e 90 00 00 01 2b 00 00 7e 90',
    ],
    ['REQUEST SENSE', '03 00 00 00 12 00', `70 00 00 00 00 00 00 0a${' 00'.repeat(10)}`],
  ])('%s', (_, cdb, expected) => {
    const length = cdb.startsWith('ad') ? 20 : cdb.startsWith('46') ? 255 : 255;
    const answer = loaded().in(cdb, length);
    expect(answer).toMatchObject({ srb: 0x01, scsi: 0, sense: '' });
    expect(hex(answer.data)).toBe(expected);
  });

  it.each([
    '28 00 00 00 00 02 00 00 03 00',
    'a8 00 00 00 00 02 00 00 00 03',
    '88 00 0000000000000002 00000003',
  ])('%s reads 2048-byte blocks', (cdb) => {
    const { data } = loaded().in(cdb, 3 * 2048);
    expect(Buffer.compare(data, disc().bytes.subarray(4096, 4096 + 6144))).toBe(0);
  });

  it.each([
    ['READ beyond the disc', '28 00 00 00 01 2c 00 00 01 00', 0x84, '5/21/00'],
    ['WRITE (10)', '2a 00 00 00 00 00 00 00 01 00', 0x84, '5/20/00'],
    ['MODE SENSE (6)', '1a 00 3f 00 ff 00', 0x84, '5/20/00'],
    ['MODE SENSE (10) of the capabilities page', '5a 00 2a 00 00 00 00 00 ff 00', 0x84, '5/24/00'],
    ['MODE SENSE (10), saved', '5a 00 c1 00 00 00 00 00 ff 00', 0x84, '5/39/00'],
    ['READ TOC, format 3', '43 00 03 00 00 00 00 00 ff 00', 0x84, '5/24/00'],
    ['READ TOC from track 2', '43 00 00 00 00 00 02 00 ff 00', 0x84, '5/24/00'],
    ['VPD 80', '12 01 80 00 ff 00', 0x84, '5/24/00'],
    ['an asynchronous event request', '4a 00 00 00 10 00 00 00 08 00', 0x84, '5/24/00'],
    ['a Blu-ray structure', 'ad 01 00 00 00 00 00 00 00 14 00 00', 0x84, '5/30/02'],
    ['the burst cutting area', 'ad 00 00 00 00 00 00 03 00 14 00 00', 0x06, ''],
  ])('%s is refused', (_, cdb, srb, sense) => {
    expect(loaded().in(cdb, 2048)).toMatchObject({ srb, scsi: 0x02, sense, transferred: 0 });
  });

  it('a buffer below the transfer is an overrun without sense', () => {
    const expected = { srb: 0x12, scsi: 0x02, sense: '', transferred: 0 };
    expect(loaded().in('28 00 00 00 00 00 00 00 02 00', 2048)).toMatchObject(expected);
    expect(loaded().in('12 00 00 00 24 00', 16)).toMatchObject(expected);
    expect(loaded().in('25', 4)).toMatchObject(expected);
  });

  it('a bad image is a medium error', () => {
    const bad = disc();
    bad.badPosition = 2048;
    const runner = new ScsiRunner(new ScsiDvd('dvd', bad));
    expect(runner.in('28 00 00 00 00 01 00 00 01 00', 2048).sense).toBe('3/11/00');
  });

  it('lists the profiles, DVD-ROM current', () => {
    const { data } = loaded().in('46 00 00 00 00 00 00 00 ff 00', 255);
    expect(hex(data.subarray(6, 20))).toBe('00 10 00 00 03 08 00 10 01 00 00 08 00 00');
    expect(data.length).toBe(4 + data[3]!);
  });
});

describe('the tray', () => {
  const mediaEvent = '4a 01 00 00 10 00 00 00 08 00';

  it('empty and closed: 2/3A/01 for everything that needs a disc', () => {
    const runner = empty();
    for (const cdb of ['00', '25', '43', '51', '28 00 00 00 00 00 00 00 01 00']) {
      expect(runner.in(cdb, 2048)).toMatchObject({ srb: 0x84, scsi: 0x02, sense: '2/3a/01' });
    }
    expect(runner.in('12 00 00 00 24 00', 36).scsi).toBe(0);
    expect(hex(runner.in('46 02 00 10 00 00 00 00 ff 00', 255).data)).toBe(
      '00 00 00 10 00 00 00 00 00 10 00 08 00 00 08 00 00 10 01 00',
    );
  });

  it('reports a new disc once, then no change', () => {
    const runner = loaded();
    expect(hex(runner.in(mediaEvent, 8).data)).toBe('00 06 04 7e 02 02 00 00');
    expect(hex(runner.in(mediaEvent, 8).data)).toBe('00 06 04 7e 00 02 00 00');
  });

  it('a guest ejects, and only the host brings a disc back', () => {
    const dvd = new ScsiDvd('dvd', disc());
    const runner = new ScsiRunner(dvd);
    runner.in(mediaEvent, 8);
    expect(runner.plain('1b 00 00 00 02 00').scsi).toBe(0);
    expect(dvd.disc).toBeUndefined();
    expect(runner.plain('00')).toMatchObject({ sense: '2/3a/02' });
    expect(hex(runner.in(mediaEvent, 8).data)).toBe('00 06 04 7e 03 01 00 00');
    expect(runner.plain('1b 00 00 00 03 00').scsi).toBe(0);
    expect(runner.plain('00')).toMatchObject({ sense: '2/3a/01' });
    dvd.insert(disc());
    expect(runner.plain('00').scsi).toBe(0);
    expect(hex(runner.in(mediaEvent, 8).data)).toBe('00 06 04 7e 02 02 00 00');
  });

  it('prevented removal: the guest cannot eject, the host can', () => {
    const dvd = new ScsiDvd('dvd', disc());
    const runner = new ScsiRunner(dvd);
    runner.plain('1e 00 00 00 01 00');
    expect(runner.plain('1b 00 00 00 02 00')).toMatchObject({ srb: 0x84, sense: '5/53/02' });
    expect(runner.plain('00').scsi).toBe(0);
    dvd.eject();
    expect(runner.plain('1b 00 00 00 02 00')).toMatchObject({ srb: 0x84, sense: '2/53/02' });
    runner.plain('1e 00 00 00 00 00');
    expect(runner.plain('1b 00 00 00 02 00').scsi).toBe(0);
  });

  it('answers the other event classes, and says which it knows', () => {
    const runner = empty();
    expect(hex(runner.in('4a 01 00 00 04 00 00 00 08 00', 8).data)).toBe('00 06 02 7e 00 01 00 00');
    expect(hex(runner.in('4a 01 00 00 02 00 00 00 08 00', 8).data)).toBe('00 06 01 7e 00 00 00 00');
    expect(hex(runner.in('4a 01 00 00 00 00 00 00 08 00', 8).data)).toBe('00 02 80 7e');
  });
});
