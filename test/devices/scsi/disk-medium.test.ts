import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { Sense } from '../../../src/devices/scsi/spec.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { be64, hex, ScsiRunner, unhex } from '../support/scsi-runner.ts';

const MIB = 1 << 20;
const BLOCKS = MIB / 512;

function setUp(
  options: ConstructorParameters<typeof MemoryDisk>[1] = {},
  diskOptions: ConstructorParameters<typeof ScsiDisk>[1] = {},
): { medium: MemoryDisk; unit: ScsiDisk; runner: ScsiRunner } {
  const medium = new MemoryDisk(MIB, options).fillPattern();
  const unit = new ScsiDisk(medium, diskOptions);
  return { medium, unit, runner: new ScsiRunner(unit) };
}

const two = (value: number): string => value.toString(16).padStart(4, '0');
const four = (value: number): string => value.toString(16).padStart(8, '0');

/** Operation codes and CDB forms of one transfer, SBC-3 5.8 to 5.11 and 5.32 to 5.35. */
const forms: [string, (lba: number, blocks: number) => string, string, string][] = [
  ['6', (lba, blocks) => `${four(lba).slice(2)}${two(blocks).slice(2)}00`, '08', '0a'],
  ['10', (lba, blocks) => `00${four(lba)}00${two(blocks)}00`, '28', '2a'],
  ['12', (lba, blocks) => `00${four(lba)}${four(blocks)}0000`, 'a8', 'aa'],
  ['16', (lba, blocks) => `00${be64(lba)}${four(blocks)}0000`, '88', '8a'],
];

describe.each(forms)('READ and WRITE (%s)', (_, rest, read, write) => {
  it('moves the blocks that it names', () => {
    const { medium, runner } = setUp();
    const answer = runner.in(read + rest(5, 3), 3 * 512);
    expect(answer).toMatchObject({ srb: 0x01, scsi: 0, transferred: 1536 });
    expect(hex(answer.data)).toBe(hex(medium.bytes.subarray(5 * 512, 8 * 512)));
    const fresh = new Uint8Array(1024).fill(0x5a);
    expect(runner.out(write + rest(7, 2), fresh)).toMatchObject({ srb: 0x01, transferred: 1024 });
    expect(medium.bytes.subarray(7 * 512, 9 * 512)).toEqual(fresh);
    expect(medium.bytes[9 * 512]).toBe((9 * 512 * 7 + 9 * 31) & 0xff);
  });

  it('reaches the last block and not beyond', () => {
    const { runner } = setUp();
    expect(runner.in(read + rest(BLOCKS - 1, 1), 512).scsi).toBe(0);
    for (const lba of [BLOCKS - 1, BLOCKS]) {
      expect(runner.in(read + rest(lba, 2), 1024)).toMatchObject({
        srb: 0x86,
        scsi: 0x02,
        sense: '5/21/00',
        transferred: 0,
      });
    }
    expect(runner.out(write + rest(BLOCKS, 1), new Uint8Array(512)).sense).toBe('5/21/00');
  });

  it('a buffer smaller than the transfer is an overrun that moves nothing', () => {
    const { medium, runner } = setUp();
    expect(runner.in(read + rest(0, 2), 1023)).toMatchObject({ srb: 0x92, transferred: 0 });
    expect(runner.memory.u8[0x1000]).toBe(0xee);
    const before = medium.bytes.slice();
    expect(runner.out(write + rest(0, 2), new Uint8Array(1023)).srb).toBe(0x92);
    expect(Buffer.compare(medium.bytes, before)).toBe(0);
  });

  it('a larger buffer is left alone behind the transfer', () => {
    const { runner } = setUp();
    expect(runner.in(read + rest(0, 1), 1024).transferred).toBe(512);
    expect(runner.memory.u8[0x1000 + 512]).toBe(0xee);
  });

  it('refuses a buffer of the wrong direction', () => {
    const { medium, runner } = setUp();
    const before = medium.bytes.slice();
    expect(runner.out(read + rest(0, 1), new Uint8Array(512)).sense).toBe('5/24/00');
    expect(runner.in(write + rest(0, 1), 512).sense).toBe('5/24/00');
    expect(Buffer.compare(medium.bytes, before)).toBe(0);
  });

  it('writing to a read-only image is DATA PROTECT', () => {
    const { runner } = setUp({ readOnly: true });
    expect(runner.out(write + rest(0, 1), new Uint8Array(512))).toMatchObject({
      srb: 0x84,
      scsi: 0x02,
      sense: '7/27/00',
    });
    expect(runner.in(read + rest(0, 1), 512).scsi).toBe(0);
  });

  it('a bad image is a medium error', () => {
    const { medium, runner } = setUp();
    medium.badPosition = 600;
    expect(runner.in(read + rest(1, 1), 512)).toMatchObject({ srb: 0x84, sense: '3/11/00' });
    expect(runner.out(write + rest(1, 1), new Uint8Array(512)).sense).toBe('3/0c/00');
    expect(runner.in(read + rest(2, 1), 512).scsi).toBe(0);
  });
});

describe('edges of a transfer', () => {
  it('READ (6) of 0 blocks means 256, of the others none', () => {
    const { runner } = setUp();
    expect(runner.in('08 00 00 00 00 00', 256 * 512).transferred).toBe(256 * 512);
    expect(runner.plain('28 00 00 00 00 00 00 00 00 00')).toMatchObject({ srb: 1, transferred: 0 });
    expect(runner.plain('88')).toMatchObject({ srb: 1, transferred: 0 });
  });

  it('READ (6) ignores the old LUN bits above its 21-bit address', () => {
    const { medium, runner } = setUp();
    const { data } = runner.in('08 e0 00 02 01 00', 512);
    expect(hex(data)).toBe(hex(medium.bytes.subarray(1024, 1536)));
  });

  it('an address of 64 bits does not wrap', () => {
    const { runner } = setUp();
    for (const lba of ['0000000100000000', 'ffffffffffffffff', 'fffffffffffffffe']) {
      expect(runner.in(`88 00 ${lba} 00000001 0000`, 512).sense).toBe('5/21/00');
    }
    expect(runner.in('88 00 0000000000000001 ffffffff 0000', 512).sense).toBe('5/21/00');
  });

  it('4 KiB sectors', () => {
    const { medium, runner } = setUp({ sectorBytes: 4096 });
    const { data } = runner.in('28 00 00 00 00 03 00 00 01 00', 4096);
    expect(hex(data)).toBe(hex(medium.bytes.subarray(3 * 4096, 4 * 4096)));
    expect(runner.in('28 00 00 00 01 00 00 00 01 00', 4096).sense).toBe('5/21/00');
  });

  it('any scatter of guest memory gives the bytes of the disk, and changes nothing else', () => {
    const cut = fc.record({
      sector: fc.constantFrom(512, 4096),
      blocks: fc.integer({ min: 1, max: 24 }),
      lba: fc.integer({ min: 0, max: 200 }),
      cuts: fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 12 }),
      isWrite: fc.boolean(),
    });
    const runs = (length: number, cuts: readonly number[]): [number, number][] => {
      const result: [number, number][] = [];
      let at = 0x2000;
      let left = length;
      for (const size of [...cuts, length]) {
        if (left === 0) break;
        const part = Math.min(size, left);
        result.push([at, part]);
        at += part + 16;
        left -= part;
      }
      return result;
    };
    fc.assert(
      fc.property(cut, ({ sector, blocks, lba, cuts, isWrite }) => {
        const { medium, runner } = setUp({ sectorBytes: sector });
        const length = blocks * sector;
        const scatter = runs(length, cuts);
        const cdb = `${isWrite ? '2a' : '28'}00${four(lba)}00${two(blocks)}00`;
        const before = medium.bytes.slice();
        if (isWrite) {
          const fresh = Uint8Array.from({ length }, (_, index) => (index * 13) & 0xff);
          expect(runner.out(cdb, fresh, scatter).transferred).toBe(length);
          before.set(fresh, lba * sector);
          expect(Buffer.compare(medium.bytes, before)).toBe(0);
          return;
        }
        const { data } = runner.in(cdb, length, scatter);
        const expected = medium.bytes.subarray(lba * sector, lba * sector + length);
        expect(Buffer.compare(data, expected)).toBe(0);
        for (const [offset, size] of scatter) expect(runner.memory.u8[offset + size]).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});

describe('VERIFY and WRITE AND VERIFY', () => {
  it.each(['2f 00 00 00 00 04 00 00 02 00', 'af 00 00 00 00 04 00 00 00 02', '8f'])(
    '%s without byte check moves nothing',
    (cdb) => {
      expect(setUp().runner.plain(cdb)).toMatchObject({ srb: 1, scsi: 0, transferred: 0 });
    },
  );

  it('checks the range all the same', () => {
    expect(setUp().runner.plain('2f 00 00 00 08 00 00 00 01 00').sense).toBe('5/21/00');
  });

  it('byte check compares', () => {
    const { medium, runner } = setUp();
    const same = medium.bytes.slice(4 * 512, 6 * 512);
    expect(runner.out('2f 02 00 00 00 04 00 00 02 00', same).transferred).toBe(1024);
    same[1023]! ^= 1;
    expect(runner.out('2f 02 00 00 00 04 00 00 02 00', same)).toMatchObject({
      srb: 0x84,
      scsi: 0x02,
      sense: 'e/1d/00',
    });
  });

  it.each([
    '2e 02 00 00 00 04 00 00 01 00',
    'ae 02 00 00 00 04 00 00 00 01',
    `8e 02 ${be64(4)} 00000001`,
  ])('%s writes', (cdb) => {
    const { medium, runner } = setUp();
    expect(runner.out(cdb, new Uint8Array(512).fill(3)).transferred).toBe(512);
    expect(medium.bytes.subarray(4 * 512, 5 * 512).every((byte) => byte === 3)).toBe(true);
  });
});

describe('WRITE SAME', () => {
  it.each([
    ['10', '41 00 00 00 00 08 00 01 00 00'],
    ['16', `93 00 ${be64(8)} 00000100`],
    ['16 with the UNMAP bit', `93 08 ${be64(8)} 00000100`],
  ])('(%s) repeats one block over 256', (_, cdb) => {
    const { medium, runner } = setUp();
    const before = medium.bytes.slice();
    const block = Uint8Array.from({ length: 512 }, (_, index) => index & 0xff);
    expect(runner.out(cdb, block)).toMatchObject({ srb: 1, transferred: 512 });
    for (let index = 8; index < 8 + 256; index += 1) before.set(block, index * 512);
    expect(Buffer.compare(medium.bytes, before)).toBe(0);
  });

  it.each([
    ['more than 8 MiB', `93 00 ${be64(0)} 00004001`, 512, '5/21/00'],
    ['beyond the disk', `93 00 ${be64(BLOCKS)} 00000001`, 512, '5/21/00'],
    ['less than a block of data', `93 00 ${be64(0)} 00000001`, 511, '5/24/00'],
  ])('refuses %s', (_, cdb, length, sense) => {
    const { runner } = setUp({ claimedBytes: cdb.includes('4001') ? 64 * MIB : MIB });
    expect(runner.out(cdb, new Uint8Array(length)).sense).toBe(sense);
  });
});

describe('UNMAP', () => {
  const descriptor = (lba: number, blocks: number): string => `${be64(lba)}${four(blocks)}00000000`;
  const list = (...descriptors: string[]): Uint8Array => {
    const length = descriptors.length * 16;
    return unhex(`${two(length + 6)}${two(length)}00000000${descriptors.join('')}`);
  };
  const cdb = (length: number): string => `42 00 00000000 00 ${two(length)} 00`;
  const thin = (): ReturnType<typeof setUp> => setUp({}, { isThin: true });

  it('gives back every range that it lists', () => {
    const { medium, runner } = thin();
    const data = list(descriptor(8, 16), descriptor(100, 0), descriptor(1024, 1024));
    expect(runner.out(cdb(data.length), data)).toMatchObject({ srb: 1, scsi: 0 });
    expect(medium.unmapped).toEqual([
      [4096, 8192],
      [524_288, 524_288],
    ]);
  });

  it('one range beyond the disk leaves all as they are', () => {
    const { medium, runner } = thin();
    const data = list(descriptor(8, 16), descriptor(BLOCKS - 1, 2));
    expect(runner.out(cdb(data.length), data)).toMatchObject({ srb: 0x86, sense: '5/21/00' });
    expect(medium.unmapped).toEqual([]);
  });

  it.each([
    ['a list of seven bytes', cdb(7), unhex('00000000000000')],
    ['a wrong data length', cdb(24), unhex(`0017 0010 00000000 ${descriptor(0, 1)}`)],
    ['a wrong descriptor length', cdb(24), unhex(`0016 0020 00000000 ${descriptor(0, 1)}`)],
    ['a buffer that is not the list', cdb(24), list()],
  ])('refuses %s', (_, command, data) => {
    expect(thin().runner.out(command, data)).toMatchObject({ srb: 0x86, sense: '5/24/00' });
  });

  it('more blocks in all than page B0h allows are refused', () => {
    const { runner, medium } = setUp({ claimedBytes: 2 ** 32 * 512 }, { isThin: true });
    const data = list(descriptor(0, 0xffff_ffff), descriptor(5, 1));
    expect(runner.out(cdb(data.length), data).sense).toBe('5/26/00');
    expect(medium.unmapped).toEqual([]);
    expect(runner.out(cdb(24), list(descriptor(0, 0xffff_ffff))).scsi).toBe(0);
  });

  it('an empty list is good', () => {
    expect(thin().runner.out(cdb(8), list())).toMatchObject({ srb: 1, scsi: 0 });
  });
});

describe('injected faults', () => {
  it('fails one LBA with the sense that it was given, and leaves the buffer', () => {
    const { unit, runner } = setUp();
    unit.faults.inject({ access: 'read', firstLba: 10, sense: Sense.unrecoveredReadError });
    expect(runner.in('28 00 00 00 00 08 00 00 08 00', 4096)).toMatchObject({
      srb: 0x84,
      scsi: 0x02,
      sense: '3/11/00',
      transferred: 0,
    });
    expect(runner.memory.u8[0x1000]).toBe(0xee);
    expect(runner.in('28 00 00 00 00 08 00 00 02 00', 1024).scsi).toBe(0);
    expect(runner.out('2a 00 00 00 00 0a 00 00 01 00', new Uint8Array(512)).scsi).toBe(0);
  });

  it('counts: after the second, three times', () => {
    const { unit, runner } = setUp();
    unit.faults.inject({ operation: 0x00, after: 2, times: 3, scsiStatus: 0x08, srbStatus: 0x05 });
    const seen = Array.from({ length: 7 }, () => runner.plain('00').scsi);
    expect(seen).toEqual([0, 0, 8, 8, 8, 0, 0]);
  });

  it('sets any SRB status byte, flags included', () => {
    const { unit, runner } = setUp();
    unit.faults.inject({ operation: 0x28, sense: Sense.writeError, srbStatus: 0xc4 });
    expect(runner.in('28 00 00 00 00 00 00 00 01 00', 512)).toMatchObject({ srb: 0xc4, scsi: 2 });
  });

  it('a delay alone changes nothing but the time, and can be taken back', () => {
    const { unit, runner } = setUp();
    const remove = unit.faults.inject({ access: 'any', delayNs: 5000 });
    expect(runner.in('28 00 00 00 00 00 00 00 01 00', 512).transferred).toBe(512);
    expect(runner.task.extraDelayNs).toBe(5000);
    remove();
    runner.in('28 00 00 00 00 00 00 00 01 00', 512);
    expect(runner.task.extraDelayNs).toBe(0);
  });
});

describe('PERSISTENT RESERVE of a shared disk', () => {
  const shared = (): ScsiRunner => setUp({}, { isShared: true }).runner;
  const out = (action: number, type: number): string =>
    `5f ${two(action).slice(2)} ${two(type).slice(2)} 0000 00000018 00`;
  const keys = (key: string, newKey: string): Uint8Array =>
    unhex(`${key.padStart(16, '0')}${newKey.padStart(16, '0')}0000000000000000`);

  it('registers, reserves, reports, releases', () => {
    const runner = shared();
    expect(hex(runner.in('5e 00 00000000 00 0040 00', 64).data)).toBe('00 00 00 00 00 00 00 00');
    expect(runner.out(out(0, 0), keys('0', 'abc')).scsi).toBe(0);
    expect(runner.out(out(1, 5), keys('abc', '0')).scsi).toBe(0);
    expect(hex(runner.in('5e 00 00000000 00 0040 00', 64).data)).toBe(
      '00 00 00 01 00 00 00 08 00 00 00 00 00 00 0a bc',
    );
    expect(hex(runner.in('5e 01 00000000 00 0040 00', 64).data)).toBe(
      '00 00 00 01 00 00 00 10 00 00 00 00 00 00 0a bc 00 00 00 00 00 05 00 00',
    );
    expect(runner.out(out(2, 5), keys('abc', '0')).scsi).toBe(0);
    expect(runner.in('5e 01 00000000 00 0040 00', 64).transferred).toBe(8);
  });

  it.each([
    ['a key that is not registered', out(1, 5), keys('1', '0'), 0x18, ''],
    ['a reservation without a key', out(1, 5), keys('0', '0'), 0x18, ''],
    ['an unknown type', out(1, 2), keys('0', '0'), 0x02, '5/24/00'],
    ['an unknown scope', out(1, 0x15), keys('0', '0'), 0x02, '5/24/00'],
    ['an unknown action', out(9, 5), keys('0', '0'), 0x02, '5/24/00'],
    ['a short list', '5f 00 00 0000 00000010 00', keys('0', '0'), 0x02, '5/1a/00'],
  ])('refuses %s', (_, cdb, list, scsi, sense) => {
    expect(shared().out(cdb, list)).toMatchObject({ scsi, sense });
  });
});
