/**
 * The least of a FreeBSD disk that its kernel recognises: BSD disklabel (sys/disklabel.h) and UFS2
 * superblock (ufs/ffs/fs.h).
 */
import { bytes, struct, u8, u16, u32, u64 } from '../core/wire.ts';
import type { BlockDevice } from '../storage/block.ts';
import { DiskRange } from '../storage/disk-range.ts';

/** SBLOCK_UFS2: bytes from the start of the partition. */
export const UFS2_SUPERBLOCK_OFFSET = 65_536;
export const UFS2_MAGIC = 0x1954_0119;
const BLOCK_BYTES = 32_768;
const FRAGMENT_BYTES = 4096;

/** `struct fs`, the fields that name the file system and its size. */
export const UfsSuperblock = struct('UfsSuperblock', 1376, {
  first: bytes(8),
  superblockFragment: u32,
  cylinderGroupFragment: u32,
  inodesFragment: u32,
  dataFragment: u32,
  old: bytes(20),
  cylinderGroups: u32,
  blockBytes: u32,
  fragmentBytes: u32,
  fragmentsPerBlock: u32,
  minimumFreePercent: u32,
  middle: bytes(145),
  isClean: u8,
  middle2: bytes(2),
  mountedOn: bytes(468),
  volumeName: bytes(32),
  middle3: bytes(288),
  superblockPosition: u64,
  middle4: bytes(72),
  sizeFragments: u64,
  middle5: bytes(284),
  magic: u32,
});

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

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function writeUfsSuperblock(disk: BlockDevice, startByte: number, sizeBytes: number): void {
  const block = new Uint8Array(UfsSuperblock.size);
  const fields = UfsSuperblock.cursor(new DataView(block.buffer)).at(0);
  fields.superblockFragment = UFS2_SUPERBLOCK_OFFSET / FRAGMENT_BYTES + 8;
  fields.cylinderGroupFragment = fields.superblockFragment + 8;
  fields.inodesFragment = fields.cylinderGroupFragment + 8;
  fields.dataFragment = fields.inodesFragment + 8;
  fields.cylinderGroups = 1;
  fields.blockBytes = BLOCK_BYTES;
  fields.fragmentBytes = FRAGMENT_BYTES;
  fields.fragmentsPerBlock = BLOCK_BYTES / FRAGMENT_BYTES;
  fields.minimumFreePercent = 8;
  fields.isClean = 1;
  fields.mountedOn = ascii('/');
  fields.volumeName = ascii('rootfs');
  fields.superblockPosition = BigInt(UFS2_SUPERBLOCK_OFFSET);
  fields.sizeFragments = BigInt(Math.floor(sizeBytes / FRAGMENT_BYTES));
  fields.magic = UFS2_MAGIC;
  const range = new DiskRange(disk, startByte, sizeBytes, 'UFS partition');
  range.write(UFS2_SUPERBLOCK_OFFSET, block, 0, block.length);
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
