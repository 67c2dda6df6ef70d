/** UFS2 on disk: ufs/ffs/fs.h, ufs/ufs/dinode.h and ufs/ufs/dir.h of FreeBSD. */
import { bytes, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

/** Bytes from the start of the partition to the superblock (SBLOCK_UFS2). */
export const SUPERBLOCK_AT = 65_536;
/** Room that a superblock has, and what `struct fs` takes of it. */
export const SUPERBLOCK_ROOM = 8_192;
export const UFS2_MAGIC = 0x1954_0119;
export const CYLINDER_GROUP_MAGIC = 0x0009_0255;
/** Units of `InodeFields.blocks` (DEV_BSIZE). */
export const DEV_BSIZE = 512;
export const ROOT_INODE = 2;
export const DIRECT_BLOCKS = 12;
export const INDIRECT_LEVELS = 3;
/** Directories are written in units of this many bytes, which no entry crosses. */
export const DIRECTORY_BLOCK = 512;
/** No name is longer. */
export const MAX_NAME = 255;

/** `fs_flags`. */
export const FS_DOSOFTDEP = 0x02;
/** `fs_old_inodefmt` and `fs_old_postblformat` of every file system of this age. */
export const FS_44INODEFMT = 2;
export const FS_DYNAMICPOSTBLFMT = 1;

/** `struct fs`. Times are seconds, positions are fragments, unless told. */
export const Superblock = struct('UfsSuperblock', 1376, {
  firstField: u32,
  unused1: u32,
  /** Fragments from the start of a cylinder group to its copy of this, and to what follows. */
  superblockFragment: u32,
  cylinderGroupFragment: u32,
  inodesFragment: u32,
  dataFragment: u32,
  oldOffset: u32,
  oldMask: u32,
  oldTime: u32,
  oldSize: u32,
  oldDataSize: u32,
  cylinderGroups: u32,
  blockBytes: u32,
  fragmentBytes: u32,
  fragmentsPerBlock: u32,
  minimumFreePercent: u32,
  oldRotation: u64,
  blockMask: u32,
  fragmentMask: u32,
  blockShift: u32,
  fragmentShift: u32,
  maxContiguous: u32,
  maxBlocksPerGroup: u32,
  fragmentsPerBlockShift: u32,
  fragmentToSectorShift: u32,
  superblockBytes: u32,
  spare1: bytes(8),
  indirectEntries: u32,
  inodesPerBlock: u32,
  oldSectorsPerFragment: u32,
  optimization: u32,
  oldGeometry: bytes(12),
  idLo: u32,
  idHi: u32,
  oldSummaryAt: u32,
  summaryBytes: u32,
  cylinderGroupBytes: u32,
  oldSpare: bytes(20),
  inodesPerGroup: u32,
  fragmentsPerGroup: u32,
  oldTotals: bytes(16),
  isModified: u8,
  isClean: u8,
  isReadOnly: u8,
  oldFlags: u8,
  mountedOn: bytes(468),
  volumeName: bytes(32),
  systemUid: u64,
  pad: u32,
  groupRotor: u32,
  kernelPointers: bytes(128),
  oldCyclesPerCycle: u32,
  maxBlockBytes: u32,
  unreferenced: u64,
  providerSectors: u64,
  metadataSpace: u64,
  spare64: bytes(104),
  actualPosition: u64,
  superblockPosition: u64,
  directories: u64,
  freeBlocks: u64,
  freeInodes: u64,
  freeFragments: u64,
  freeClusters: u64,
  spareTotals: bytes(24),
  time: u64,
  sizeFragments: u64,
  dataFragments: u64,
  summaryAt: u64,
  pendingBlocks: u64,
  pendingInodes: u32,
  snapshotInodes: bytes(80),
  averageFileBytes: u32,
  averageFilesPerDirectory: u32,
  savedGroupBytes: u32,
  mountTime: u64,
  journalFree: u32,
  spare32: bytes(84),
  checkHash: u32,
  metadataHash: u32,
  flags: u32,
  clusterSummaryEntries: u32,
  maxSymbolicLink: u32,
  oldInodeFormat: u32,
  maxFileBytes: u64,
  blockOffsetMask: u64,
  fragmentOffsetMask: u64,
  state: u32,
  oldPositionFormat: u32,
  oldPositions: u32,
  spare5: bytes(8),
  magic: u32,
});

/** `struct cg`, before its bitmaps. */
export const CylinderGroup = struct('CylinderGroup', 168, {
  firstField: u32,
  magic: u32,
  oldTime: u32,
  index: u32,
  oldCylinders: u16,
  oldInodes: u16,
  fragments: u32,
  directories: u32,
  freeBlocks: u32,
  freeInodes: u32,
  freeFragments: u32,
  blockRotor: u32,
  fragmentRotor: u32,
  inodeRotor: u32,
  /** How many runs of 1 to 7 free fragments there are, by length. */
  fragmentRuns: bytes(32),
  oldTotalsAt: u32,
  oldPositionsAt: u32,
  inodesUsedAt: u32,
  fragmentsFreeAt: u32,
  nextFree: u32,
  clusterSummaryAt: u32,
  clustersAt: u32,
  clusterBlocks: u32,
  inodes: u32,
  /** Inodes from here on were never written. */
  initializedInodes: u32,
  unreferenced: u32,
  spare32: u32,
  checkHash: u32,
  time: u64,
  spare64: bytes(24),
});

/** `struct csum`, one a cylinder group. */
export const GroupSummary = struct('GroupSummary', 16, {
  directories: u32,
  freeBlocks: u32,
  freeInodes: u32,
  freeFragments: u32,
});

/** `struct ufs2_dinode`. */
export const Inode = struct('UfsInode', 256, {
  mode: u16,
  links: u16,
  uid: u32,
  gid: u32,
  blockBytes: u32,
  sizeBytes: u64,
  blocks: u64,
  accessTime: u64,
  modifyTime: u64,
  changeTime: u64,
  birthTime: u64,
  modifyNs: u32,
  accessNs: u32,
  changeNs: u32,
  birthNs: u32,
  generation: u32,
  kernelFlags: u32,
  flags: u32,
  extendedBytes: u32,
  extendedBlocks: bytes(16),
  /** Twelve of them, eight bytes each. */
  direct: bytes(96),
  indirect: bytes(24),
  modification: u64,
  freeLink: u32,
  checkHash: u32,
  spare: u64,
});

/** The type bits of `Inode.mode`. */
export const ModeType = { mask: 0o170_000, directory: 0o040_000, file: 0o100_000 } as const;

/** `struct direct`, before its name. */
export const DirectoryEntry = struct('UfsDirectoryEntry', 8, {
  inode: u32,
  recordBytes: u16,
  type: openEnum(u8, { directory: 4, file: 8 }),
  nameBytes: u8,
});
