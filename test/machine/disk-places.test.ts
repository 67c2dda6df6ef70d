import { describe, expect, it } from 'vitest';
import {
  type DiskPlace,
  type DisksWanted,
  parseDiskPlace,
  planDisks,
} from '../../src/machine/disk-places.ts';

const at = (text: string): DiskPlace => parseDiskPlace('disk', text);
const show = (place: DiskPlace): string =>
  place.bus === 'ide' ? `ide ${place.channel}:${place.device}` : `scsi 0:${place.lun}`;

/** @param places of disks; '' for one that may be anywhere */
function plan(
  generation: 1 | 2,
  places: readonly string[],
  rest: Partial<DisksWanted> = {},
): { readonly disks: string[]; readonly drives: string[] } {
  const { disks, drives } = planDisks({
    generation,
    places: places.map((text) => (text === '' ? undefined : at(text))),
    discs: 0,
    hasEmptyDrive: true,
    ...rest,
  });
  return { disks: disks.map(show), drives: drives.map(show) };
}

const anywhere = (count: number): string[] => new Array<string>(count).fill('');

describe('places of disks', () => {
  it('Generation 1: one disk and a DVD drive, each on a channel of its own', () => {
    expect(plan(1, [''])).toEqual({ disks: ['ide 0:0'], drives: ['ide 1:0'] });
    expect(plan(1, [''], { hasEmptyDrive: false }).drives).toEqual([]);
  });

  it('Generation 1: disks fill IDE, then SCSI; an empty drive gives way', () => {
    expect(plan(1, anywhere(3))).toEqual({
      disks: ['ide 0:0', 'ide 0:1', 'ide 1:1'],
      drives: ['ide 1:0'],
    });
    expect(plan(1, anywhere(6))).toEqual({
      disks: ['ide 0:0', 'ide 0:1', 'ide 1:0', 'ide 1:1', 'scsi 0:0', 'scsi 0:1'],
      drives: [],
    });
  });

  it('Generation 1: discs come before disks that may go to SCSI', () => {
    expect(plan(1, anywhere(4), { discs: 2 })).toEqual({
      disks: ['ide 0:0', 'ide 0:1', 'scsi 0:0', 'scsi 0:1'],
      drives: ['ide 1:0', 'ide 1:1'],
    });
  });

  it('Generation 2: LUNs from 0 on, discs after the disks', () => {
    expect(plan(2, anywhere(2), { discs: 1 })).toEqual({
      disks: ['scsi 0:0', 'scsi 0:1'],
      drives: ['scsi 0:2'],
    });
  });

  it('are those that the user says, and others go around them', () => {
    expect(plan(1, ['scsi 0:5', 'ide 1:0', ''])).toEqual({
      disks: ['scsi 0:5', 'ide 1:0', 'ide 0:0'],
      drives: ['ide 1:1'],
    });
    expect(plan(2, ['scsi 0:0', '', 'scsi 0:1']).disks).toEqual([
      'scsi 0:0',
      'scsi 0:2',
      'scsi 0:1',
    ]);
  });

  it('that there are not, or are taken, are refused in one line', () => {
    expect(() => plan(2, ['ide 0:0'])).toThrow('Generation 2 has no IDE controller');
    expect(() => plan(1, ['scsi 0:3', 'scsi 0:3'])).toThrow('two disks want this place');
    expect(() => plan(1, [''], { discs: 4 })).toThrow('4 do not fit');
    expect(() => plan(2, anywhere(65))).toThrow('every place for a disk is taken');
    const all = ['ide 0:0', 'ide 0:1', 'ide 1:0', 'ide 1:1'];
    expect(() => plan(1, all, { discs: 1 })).toThrow('disks have taken their places');
    for (const text of ['ide 2:0', 'ide 0:2', 'scsi 1:0', 'scsi 0:64', 'scsi 0', 'sata 0:0']) {
      expect(() => at(text)).toThrow(`"${text}" is no place for a disk`);
    }
  });
});
