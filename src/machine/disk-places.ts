/** Where disks and DVD drives are plugged in: where the user says, else where Hyper-V puts them. */
import { InputError } from '../core/errors.ts';

export type DiskPlace =
  /** Generation 1: two channels of two devices, each with its accelerator channel on VMBus. */
  | { readonly bus: 'ide'; readonly channel: number; readonly device: number }
  /** The synthetic SCSI controller. */
  | { readonly bus: 'scsi'; readonly lun: number };

/** LUNs that Hyper-V gives on one controller. */
export const SCSI_LUNS = 64;
/** IDE places of a Gen-1 machine, channel * 2 + device. */
const IDE_PLACES = [0, 1, 2, 3];
/** Which of them DVD drives take: the second channel first, as Hyper-V does. */
const DVD_PLACES = [2, 3, 1, 0];

export interface DiskPlan {
  /** In the order of the disks. */
  readonly disks: readonly DiskPlace[];
  /** DVD drives; on Gen-1 there may be one more than there are discs. */
  readonly drives: readonly DiskPlace[];
}

export interface DisksWanted {
  readonly generation: 1 | 2;
  /** One for each disk; undefined: anywhere. */
  readonly places: readonly (DiskPlace | undefined)[];
  readonly discs: number;
  /** False: no DVD drive without a disc. */
  readonly hasEmptyDrive: boolean;
}

const textOf = (place: DiskPlace): string =>
  place.bus === 'ide' ? `ide ${place.channel}:${place.device}` : `scsi 0:${place.lun}`;
const idePlace = (number: number): DiskPlace => ({
  bus: 'ide',
  channel: number >> 1,
  device: number & 1,
});

/** "ide 0:1", "scsi 0:3". @throws InputError */
export function parseDiskPlace(where: string, text: string): DiskPlace {
  const [, bus, first = '', second = ''] = /^(ide|scsi) (\d+):(\d+)$/.exec(text) ?? [];
  const [one, two] = [Number(first), Number(second)];
  if (bus === 'ide' && one <= 1 && two <= 1) return { bus, channel: one, device: two };
  if (bus === 'scsi' && one === 0 && two < SCSI_LUNS) return { bus, lun: two };
  throw new InputError(
    where,
    `"${text}" is no place for a disk: expected "ide 0:0" to "ide 1:1", or "scsi 0:0" to "scsi 0:63"`,
  );
}

/** @throws InputError when two disks want one place, or there is no such place or no room */
export function planDisks(wanted: DisksWanted): DiskPlan {
  const { generation, places } = wanted;
  const taken = new Set<string>();
  for (const place of places) {
    if (place === undefined) continue;
    const text = textOf(place);
    if (place.bus === 'ide' && generation === 2) {
      throw new InputError(text, 'Generation 2 has no IDE controller');
    }
    if (taken.has(text)) throw new InputError(text, 'two disks want this place');
    taken.add(text);
  }
  const drives = generation === 1 ? planDrives(wanted, taken) : [];
  const disks = places.map((place) => place ?? nextPlace(generation, taken));
  if (generation === 1) return { disks, drives };
  return { disks, drives: Array.from({ length: wanted.discs }, () => nextPlace(2, taken)) };
}

function planDrives(
  { places, discs, hasEmptyDrive }: DisksWanted,
  taken: Set<string>,
): DiskPlace[] {
  const onIde = places.filter((place) => place === undefined || place.bus === 'ide').length;
  const most = IDE_PLACES.length - Math.min(onIde, 1);
  if (discs > most) {
    throw new InputError(
      'DVD drives',
      `${discs} do not fit: Generation 1 has four IDE places, of which ${most} are free for them`,
    );
  }
  const free = IDE_PLACES.length - Math.min(onIde, IDE_PLACES.length);
  const count = Math.max(discs, hasEmptyDrive ? Math.min(free, 1) : 0);
  const open = DVD_PLACES.map(idePlace).filter((place) => !taken.has(textOf(place)));
  const drives = open.slice(0, count);
  if (drives.length < count) throw new InputError('DVD drives', 'disks have taken their places');
  for (const drive of drives) taken.add(textOf(drive));
  return drives;
}

function nextPlace(generation: 1 | 2, taken: Set<string>): DiskPlace {
  const candidates: DiskPlace[] = generation === 1 ? IDE_PLACES.map(idePlace) : [];
  for (let lun = 0; lun < SCSI_LUNS; lun += 1) candidates.push({ bus: 'scsi', lun });
  const place = candidates.find((candidate) => !taken.has(textOf(candidate)));
  if (place === undefined) throw new InputError('disks', 'every place for a disk is taken');
  taken.add(textOf(place));
  return place;
}
