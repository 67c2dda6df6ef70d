/**
 * On-disk structures that only FreeBSD knows: its disk label (sys/disklabel.h) and what tells a UFS
 * superblock (ufs/ffs/fs.h).
 */
import { bytes, struct, u16, u32, u8 } from '../../core/wire.ts';

export const DISKLABEL_MAGIC = 0x8256_4557;
/** Sector of a slice that holds the label. */
export const DISKLABEL_SECTOR = 1;
export const DISKLABEL_PARTITIONS = 8;
/** Index of partition c, the whole slice. */
export const DISKLABEL_RAW = 2;

/** The head of struct disklabel; the parts that no one reads any more are bytes. */
export const DiskLabel = struct('DiskLabel', 148, {
  magic: u32,
  geometry: bytes(128),
  magic2: u32,
  checksum: u16,
  partitionCount: u16,
  bootBlockBytes: u32,
  superblockBytes: u32,
});

export const DiskLabelPartition = struct('DiskLabelPartition', 16, {
  sectors: u32,
  offset: u32,
  fragmentBytes: u32,
  fileSystem: u8,
  fragmentsPerBlock: u8,
  cylindersPerGroup: u16,
});
export const DISKLABEL_UFS = 7;

/** Byte positions of superblocks in a partition, and of the magic number in a superblock. */
export const UFS2_SUPERBLOCK = 65_536;
export const UFS1_SUPERBLOCK = 8_192;
export const UFS_MAGIC_OFFSET = 1_372;
export const UFS2_MAGIC = 0x1954_0119;
export const UFS1_MAGIC = 0x0001_1954;
