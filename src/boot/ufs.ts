/** What a FreeBSD kernel needs of its disk: BSD disklabel (sys/disklabel.h), and an empty UFS2. */
import { bytes, struct, u8, u16, u32 } from '../core/wire.ts';
import { newFileSystem } from '../guest/ufs/geometry.ts';
import type { BlockDevice } from '../storage/block.ts';
import { DiskRange } from '../storage/disk-range.ts';

/** `struct disklabel` up to its partitions. */
export const Disklabel = struct('Disklabel', 148, {
  magic: u32,
  type: u16,
  subType: u16,
  typeName: bytes(16),
  packName: bytes(16),
  sectorBytes: u32,
  sectorsPerTrack: u32,
  tracksPerCylinder: u32,
  cylinders: u32,
  sectorsPerCylinder: u32,
  sectorsPerUnit: u32,
  rest: bytes(68),
  magic2: u32,
  checksum: u16,
  partitionCount: u16,
  bootAreaBytes: u32,
  superblockBytes: u32,
});

export const DisklabelPartition = struct('DisklabelPartition', 16, {
  sectors: u32,
  firstSector: u32,
  fragmentBytes: u32,
  type: u8,
  fragmentsPerBlock: u8,
  cylindersPerGroup: u16,
});

const DISKLABEL_MAGIC = 0x8256_4557;
const DISKLABEL_SECTOR = 1;
const PARTITION_COUNT = 8;
const ROOT_PARTITION = 0;
const RAW_PARTITION = 2;
const FS_BSDFFS = 7;
const HEADS = 255;
const SECTORS_PER_TRACK = 63;

/** "SVM1", for a file system of which there is only one. */
const FILE_SYSTEM_ID = [0x314d_5653, 1] as const;

export function writeUfs(disk: BlockDevice, startByte: number, sizeBytes: number): void {
  const range = new DiskRange(disk, startByte, sizeBytes, 'UFS partition');
  const pieces = newFileSystem({
    sizeBytes,
    sectorBytes: disk.sectorBytes,
    hasSoftUpdates: true,
    time: 0,
    id: FILE_SYSTEM_ID,
    volumeName: 'rootfs',
  });
  for (const { at, bytes: piece } of pieces) range.write(at, piece, 0, piece.length);
}

/** A label with the root as partition `a` and the whole slice as `c`, in the slice's second sector. */
export function writeDisklabel(disk: BlockDevice, startByte: number, sizeBytes: number): void {
  const sectors = sizeBytes / disk.sectorBytes;
  const block = new Uint8Array(Disklabel.size + PARTITION_COUNT * DisklabelPartition.size);
  const view = new DataView(block.buffer);
  const label = Disklabel.cursor(view).at(0);
  label.magic = DISKLABEL_MAGIC;
  label.magic2 = DISKLABEL_MAGIC;
  label.sectorBytes = disk.sectorBytes;
  label.sectorsPerTrack = SECTORS_PER_TRACK;
  label.tracksPerCylinder = HEADS;
  label.sectorsPerCylinder = HEADS * SECTORS_PER_TRACK;
  label.cylinders = Math.floor(sectors / label.sectorsPerCylinder);
  label.sectorsPerUnit = sectors;
  label.partitionCount = PARTITION_COUNT;
  label.bootAreaBytes = 8192;
  const partition = DisklabelPartition.cursor(view);
  for (const index of [ROOT_PARTITION, RAW_PARTITION]) {
    partition.at(Disklabel.size + index * DisklabelPartition.size);
    partition.sectors = sectors;
    partition.type = index === ROOT_PARTITION ? FS_BSDFFS : 0;
  }
  // The XOR of all 16-bit words, the checksum included, is zero.
  let sum = 0;
  for (let at = 0; at < block.length; at += 2) sum ^= view.getUint16(at, true);
  label.checksum = sum;
  const range = new DiskRange(disk, startByte, sizeBytes, 'FreeBSD slice');
  range.write(DISKLABEL_SECTOR * disk.sectorBytes, block, 0, block.length);
}
