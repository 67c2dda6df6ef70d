/** What a DVD drive says of itself and its disc, from MMC-6. Every answer is built in scratch. */
import { bytes, struct, u16be, u32be, u8 } from '../../core/wire.ts';
import { DVD_BLOCK_BYTES, ScsiStatus, Sense, SrbStatus } from './spec.ts';
import type { ScsiTask } from './task.ts';

const PROFILE_DVD_ROM = 0x0010;
const PROFILE_CD_ROM = 0x0008;
/** A data track, with the Q sub-channel's position encoding (MMC-6 tables 488 and 489). */
const DATA_TRACK = 0x14;
const LEAD_OUT = 0xaa;
/** Blocks before LBA 0 on a CD: two seconds. */
const LEAD_IN_BLOCKS = 150;
/** Physical sector number of LBA 0 on a DVD. */
const DVD_FIRST_SECTOR = 0x03_0000;
/** READ DVD STRUCTURE answers with 2048 bytes behind its header. */
const DVD_STRUCTURE_BYTES = 2048;
/** 24 times the DVD rate of 1350 thousand bytes a second. */
const NOMINAL_PERFORMANCE = 1350 * 24;

/** Feature descriptors, MMC-6 5.3: code, version and the two bits, then their own bytes. */
interface Feature {
  readonly code: number;
  readonly version: number;
  readonly isPersistent: boolean;
  /** Current only with a disc (true), always (undefined), or never (false). */
  readonly needsDisc?: boolean;
  readonly data: readonly number[];
}

const features: readonly Feature[] = [
  // Profile list: DVD-ROM, CD-ROM; the current bit of the first is set with a disc.
  {
    code: 0x0000,
    version: 0,
    isPersistent: true,
    data: [0, PROFILE_DVD_ROM, 0, 0, 0, PROFILE_CD_ROM, 0, 0],
  },
  { code: 0x0001, version: 2, isPersistent: true, data: [0, 0, 0, 0, 0, 0, 0, 0] },
  // Morphing: operational change events, no asynchronous notification.
  { code: 0x0002, version: 1, isPersistent: true, data: [0x02, 0, 0, 0] },
  // Removable medium: tray, eject, load, lock.
  { code: 0x0003, version: 1, isPersistent: true, data: [0x39, 0, 0, 0] },
  {
    code: 0x0010,
    version: 0,
    isPersistent: false,
    needsDisc: true,
    data: [0, 0, DVD_BLOCK_BYTES >> 8, 0, 0, 16, 1, 0],
  },
  { code: 0x001e, version: 2, isPersistent: false, needsDisc: false, data: [0, 0, 0, 0] },
  { code: 0x001f, version: 1, isPersistent: false, needsDisc: true, data: [0, 0, 0, 0] },
  { code: 0x0100, version: 0, isPersistent: true, data: [] },
  { code: 0x0105, version: 1, isPersistent: true, data: [1, 0, 2, 0] },
  { code: 0x0107, version: 5, isPersistent: true, needsDisc: true, data: [0x10, 0, 0, 0] },
];

function isBufferTooSmall(task: ScsiTask, allocation: number): boolean {
  if (allocation <= task.data.length) return false;
  task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
  return true;
}

/** GET CONFIGURATION, MMC-6 6.5. */
export function getConfiguration(task: ScsiTask, hasDisc: boolean): void {
  const allocation = task.cdb16(7);
  if (isBufferTooSmall(task, allocation)) return;
  const request = task.cdb[1]! & 3;
  const start = task.cdb16(2);
  if (request === 3) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.invalidRequest);
    return;
  }
  const { scratch, scratchView: view } = task;
  let length = 8;
  for (const feature of features) {
    const isCurrent = feature.needsDisc === undefined || (feature.needsDisc && hasDisc);
    const isWanted = request === 2 ? feature.code === start : feature.code >= start;
    if (!isWanted || (request === 1 && !isCurrent)) continue;
    view.setUint16(length, feature.code);
    scratch[length + 2] =
      (feature.version << 2) | (feature.isPersistent ? 2 : 0) | (isCurrent ? 1 : 0);
    scratch[length + 3] = feature.data.length;
    scratch.set(feature.data, length + 4);
    if (feature.code === 0 && hasDisc) scratch[length + 6] = 1;
    length += 4 + feature.data.length;
  }
  scratch.fill(0, 0, 8);
  view.setUint32(0, length - 4);
  view.setUint16(6, hasDisc ? PROFILE_DVD_ROM : 0);
  task.reply(length, allocation);
}

function writeAddress(task: ScsiTask, at: number, lba: number, isMsf: boolean): void {
  if (!isMsf) {
    task.scratchView.setUint32(at, lba);
    return;
  }
  const frames = lba + LEAD_IN_BLOCKS;
  const seconds = Math.floor(frames / 75);
  task.scratch[at] = 0;
  task.scratch[at + 1] = Math.min(255, Math.floor(seconds / 60));
  task.scratch[at + 2] = seconds % 60;
  task.scratch[at + 3] = frames % 75;
}

/** READ TOC/PMA/ATIP, MMC-6 6.25: formats 0 (TOC), 1 (sessions) and 2 (full TOC). */
export function readToc(task: ScsiTask, blocks: number): void {
  const allocation = task.cdb16(7);
  if (isBufferTooSmall(task, allocation)) return;
  const isMsf = (task.cdb[1]! & 2) !== 0;
  // Old initiators put the format into the control byte's top bits.
  const format = task.cdb[2]! & 0x0f || task.cdb[9]! >> 6;
  const startTrack = task.cdb[6]!;
  const { scratch } = task;
  let length = 4;
  scratch.fill(0, 0, 64);
  scratch[2] = 1;
  scratch[3] = 1;
  if (format === 0) {
    if (startTrack > 1 && startTrack !== LEAD_OUT) {
      task.fail(Sense.invalidFieldInCdb);
      return;
    }
    if (startTrack <= 1) {
      scratch.set([0, DATA_TRACK, 1], length);
      writeAddress(task, length + 4, 0, isMsf);
      length += 8;
    }
    scratch.set([0, DATA_TRACK, LEAD_OUT], length);
    writeAddress(task, length + 4, blocks, isMsf);
    length += 8;
  } else if (format === 1) {
    scratch.set([0, DATA_TRACK, 1], length);
    writeAddress(task, length + 4, 0, isMsf);
    length += 8;
  } else if (format === 2) {
    length = fullToc(task, blocks);
  } else {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  task.scratchView.setUint16(0, length - 2);
  task.reply(length, allocation);
}

/** First track, last track, lead-out and track 1, eleven bytes each, addresses as MSF. */
function fullToc(task: ScsiTask, blocks: number): number {
  const { scratch } = task;
  let at = 4;
  for (const point of [0xa0, 0xa1, 0xa2, 1]) {
    scratch.set([1, DATA_TRACK, 0, point, 0, 0, 0, 0, 0, 0, 0], at);
    if (point === 0xa0 || point === 0xa1) scratch[at + 8] = 1;
    else {
      const frames = (point === 1 ? 0 : blocks) + LEAD_IN_BLOCKS;
      const seconds = Math.floor(frames / 75);
      scratch[at + 8] = Math.min(255, Math.floor(seconds / 60));
      scratch[at + 9] = seconds % 60;
      scratch[at + 10] = frames % 75;
    }
    at += 11;
  }
  return at;
}

/** READ DISC INFORMATION, MMC-6 6.21: a complete disc with one session and one track. */
export function discInformation(task: ScsiTask): void {
  const allocation = task.cdb16(7);
  if (isBufferTooSmall(task, allocation)) return;
  if ((task.cdb[1]! & 7) !== 0) {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  const { scratch } = task;
  scratch.fill(0, 0, 34);
  scratch[1] = 32;
  // Complete last session, complete disc.
  scratch[2] = 0x0e;
  scratch[3] = 1;
  scratch[4] = 1;
  scratch[5] = 1;
  scratch[6] = 1;
  // URU: any use.
  scratch[7] = 0x20;
  task.reply(34, allocation);
}

const TrackInformation = struct('TrackInformation', 48, {
  length: u16be,
  track: u8,
  session: u8,
  reserved: u8,
  trackMode: u8,
  dataMode: u8,
  flags: u8,
  start: u32be,
  nextWritable: u32be,
  freeBlocks: u32be,
  fixedPacketSize: u32be,
  size: u32be,
  lastRecorded: u32be,
  tail: bytes(16),
});

/** READ TRACK INFORMATION, MMC-6 6.27, of the only track. */
export function trackInformation(task: ScsiTask, blocks: number): void {
  const allocation = task.cdb16(7);
  if (isBufferTooSmall(task, allocation)) return;
  const type = task.cdb[1]! & 3;
  const number = task.cdb32(2);
  if (type === 3) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.invalidRequest);
    return;
  }
  if (type === 0 && number >= blocks) {
    task.fail(Sense.lbaOutOfRange);
    return;
  }
  if ((task.cdb[1]! & 4) !== 0 || (type !== 0 && number !== 1)) {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  task.scratch.fill(0, 0, TrackInformation.size);
  const information = TrackInformation.cursor(task.scratchView).at(0);
  information.length = TrackInformation.size - 2;
  information.track = 1;
  information.session = 1;
  information.trackMode = 4;
  information.dataMode = 1;
  information.size = blocks;
  task.reply(TrackInformation.size, allocation);
}

/** READ DVD STRUCTURE, MMC-6 6.22: physical format, copyright, manufacturer. */
export function dvdStructure(task: ScsiTask, blocks: number): void {
  const allocation = task.cdb16(8);
  if (isBufferTooSmall(task, allocation)) return;
  if ((task.cdb[1]! & 0x0f) !== 0) {
    task.fail(Sense.incompatibleFormat);
    return;
  }
  const format = task.cdb[7]!;
  if (task.cdb[6] !== 0 || format === 3) {
    // One layer, and no burst cutting area.
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.invalidRequest);
    return;
  }
  const { scratch, scratchView: view } = task;
  let length = 4 + DVD_STRUCTURE_BYTES;
  if (format === 1) length = 8;
  else if (format !== 0 && format !== 4) {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  scratch.fill(0, 0, length);
  view.setUint16(0, length - 2);
  if (format === 0) {
    // DVD-ROM part version 0; 120 mm at the highest rate; one embossed layer.
    scratch[5] = 0x04;
    view.setUint32(8, DVD_FIRST_SECTOR);
    view.setUint32(12, DVD_FIRST_SECTOR + blocks - 1);
  }
  task.reply(length, allocation);
}

/** GET PERFORMANCE, MMC-6 6.8: one speed over the whole disc. */
export function getPerformance(task: ScsiTask, blocks: number): void {
  const dataType = task.cdb[10]!;
  const flags = task.cdb[1]! & 0x1f;
  if (dataType !== 0) {
    task.fail(Sense.invalidFieldInCdb);
    return;
  }
  if ((flags & 0x04) !== 0 || flags >> 3 !== 2 || (flags & 3) === 3) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.invalidRequest);
    return;
  }
  const { scratch, scratchView: view } = task;
  const isNominal = (flags & 3) === 0;
  const hasDescriptor = isNominal && task.cdb16(8) > 0;
  scratch.fill(0, 0, 24);
  view.setUint32(0, isNominal ? 20 : 4);
  scratch[4] = isNominal ? 0 : 1;
  view.setUint32(12, NOMINAL_PERFORMANCE);
  view.setUint32(16, blocks - 1);
  view.setUint32(20, NOMINAL_PERFORMANCE);
  task.reply(hasDescriptor ? 24 : 8, task.data.length);
}

/** MECHANISM STATUS, MMC-6 6.11: no changer, so a header only. */
export function mechanismStatus(task: ScsiTask, isTrayOpen: boolean): void {
  const allocation = task.cdb16(8);
  if (isBufferTooSmall(task, allocation)) return;
  task.scratch.fill(0, 0, 8);
  task.scratch[1] = isTrayOpen ? 0x10 : 0;
  task.reply(8, allocation);
}

/** READ BUFFER CAPACITY, MMC-6 6.18: no buffer for recording. */
export function readBufferCapacity(task: ScsiTask): void {
  const allocation = task.cdb16(7);
  if (isBufferTooSmall(task, allocation)) return;
  task.scratch.fill(0, 0, 12);
  task.scratch[1] = 10;
  task.scratch[3] = task.cdb[1]! & 1;
  task.reply(12, allocation);
}
