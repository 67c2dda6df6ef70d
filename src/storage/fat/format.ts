import { latin1 } from '../../core/text.ts';
import { InputError } from '../../core/errors.ts';
import type { BlockDevice } from '../block.ts';
import { DiskRange } from '../disk-range.ts';
import { readBootSector } from './boot-sector.ts';
import { encodeEntry, FAT_EPOCH, type FatTime } from './directory.ts';
import {
  Attribute,
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  DirectoryEntry,
  END_OF_CHAIN,
  EXTENDED_BOOT_SIGNATURE,
  EXTENDED_BPB_OFFSET,
  ExtendedBpb16,
  ExtendedBpb32,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  FAT32_CLUSTERS,
  type FatType,
  FSINFO_LEAD,
  FSINFO_STRUCT,
  FSINFO_TRAIL,
  FsInfo,
} from './spec.ts';
import { FatVolume } from './volume.ts';

export interface FatFormat {
  /** Up to 11 characters; '' or left out for none. */
  readonly label?: string;
  /** By default FAT32 where the volume is large enough, else FAT16, else FAT12. */
  readonly type?: FatType;
  /** The 32-bit volume id. */
  readonly serial: number;
  /** The range is known to read as zeros, so that only what is not zero is written. */
  readonly blank?: boolean;
  readonly time?: FatTime;
}

const FAT_COUNT = 2;
const MEDIA_FIXED = 0xf8;
const ROOT_ENTRIES = 512;
const FAT32_RESERVED_SECTORS = 32;
const FAT32_INFO_SECTOR = 1;
const FAT32_BACKUP_SECTOR = 6;
const FAT32_ROOT_CLUSTER = 2;
const MAX_CLUSTER_BYTES = 32_768;
/** A BIOS that jumps here is told that there is nothing to boot: INT 18h, then HLT for ever. */
const NOT_BOOTABLE = Uint8Array.of(0xcd, 0x18, 0xf4, 0xeb, 0xfd);

interface Plan {
  readonly type: FatType;
  readonly sectorBytes: number;
  readonly totalSectors: number;
  readonly sectorsPerCluster: number;
  readonly reservedSectors: number;
  readonly rootSectors: number;
  readonly fatSectors: number;
  readonly clusters: number;
}

/** The smallest FAT that covers the clusters which are left beside it. */
function plan(
  type: FatType,
  sectorBytes: number,
  totalSectors: number,
  sectorsPerCluster: number,
): Plan {
  const reservedSectors = type === 32 ? FAT32_RESERVED_SECTORS : 1;
  const rootSectors = type === 32 ? 0 : (ROOT_ENTRIES * DirectoryEntry.size) / sectorBytes;
  const left = totalSectors - reservedSectors - rootSectors;
  // Each cluster costs its own sectors and its entry in both FATs.
  const entryShare = (FAT_COUNT * type) / 8 / sectorBytes;
  const most = Math.max(0, Math.floor(left / (sectorsPerCluster + entryShare)) + 1);
  const fatSectors = Math.ceil(((most + 2) * type) / 8 / sectorBytes);
  const clusters = Math.floor((left - FAT_COUNT * fatSectors) / sectorsPerCluster);
  return {
    type,
    sectorBytes,
    totalSectors,
    sectorsPerCluster,
    reservedSectors,
    rootSectors,
    fatSectors,
    clusters,
  };
}

function isLegal({ type, clusters }: Plan): boolean {
  if (type === 12) return clusters >= 1 && clusters < FAT12_CLUSTERS;
  if (type === 16) return clusters >= FAT12_CLUSTERS && clusters < FAT16_CLUSTERS;
  return clusters >= FAT16_CLUSTERS && clusters <= FAT32_CLUSTERS;
}

/** The cluster that Windows' format chooses for a FAT32 volume; small ones get one sector. */
function fat32ClusterBytes(sizeBytes: number): number {
  const mib = sizeBytes / (1 << 20);
  if (mib <= 260) return 512;
  if (mib <= 8192) return 4096;
  if (mib <= 16_384) return 8192;
  return mib <= 32_768 ? 16_384 : MAX_CLUSTER_BYTES;
}

function choose(disk: BlockDevice, sizeBytes: number, wanted: FatType | undefined): Plan {
  const { sectorBytes } = disk;
  const totalSectors = Math.min(Math.floor(sizeBytes / sectorBytes), 0xffff_ffff);
  for (const type of wanted === undefined ? ([32, 16, 12] as const) : [wanted]) {
    const preferred = type === 32 ? fat32ClusterBytes(sizeBytes) : sectorBytes;
    for (let cluster = sectorBytes; cluster <= MAX_CLUSTER_BYTES; cluster *= 2) {
      if (cluster < preferred) continue;
      const candidate = plan(type, sectorBytes, totalSectors, cluster / sectorBytes);
      if (isLegal(candidate)) return candidate;
    }
  }
  const name = wanted === undefined ? 'FAT' : `FAT${wanted}`;
  throw new InputError(
    disk.name,
    `${sizeBytes} bytes in sectors of ${sectorBytes} cannot be a ${name} volume`,
  );
}

/**
 * Makes an empty FAT volume.
 * @param start,sizeBytes its place on the disk, in whole sectors
 * @throws InputError when the size does not fit the type
 */
export function formatFat(
  disk: BlockDevice,
  start: number,
  sizeBytes: number,
  options: FatFormat,
): FatVolume {
  const range = new DiskRange(disk, start, sizeBytes, 'FAT volume');
  const layout = choose(disk, sizeBytes, options.type);
  const label = (options.label ?? '').toUpperCase();
  if (label.length > 11 || !/^[A-Z0-9 !#$%&'()@^_`{}~-]*$/.test(label)) {
    throw new InputError(disk.name, `"${options.label}" is not a FAT label of up to 11 characters`);
  }
  const { sectorBytes, reservedSectors, fatSectors, rootSectors } = layout;
  const rootStart = (reservedSectors + FAT_COUNT * fatSectors) * sectorBytes;
  const rootBytes =
    layout.type === 32 ? layout.sectorsPerCluster * sectorBytes : rootSectors * sectorBytes;
  if (options.blank !== true) range.clear(0, rootStart + rootBytes);

  const boot = bootSector(layout, start, label, options.serial);
  range.write(0, boot, 0, sectorBytes);
  if (layout.type === 32) {
    range.write(FAT32_BACKUP_SECTOR * sectorBytes, boot, 0, sectorBytes);
    const info = infoSector(layout);
    range.write(FAT32_INFO_SECTOR * sectorBytes, info, 0, sectorBytes);
    range.write((FAT32_BACKUP_SECTOR + 1) * sectorBytes, info, 0, sectorBytes);
  }
  if (label !== '')
    range.write(rootStart, labelSector(layout, label, options.time), 0, sectorBytes);
  const volume = new FatVolume(range, readBootSector(range), []);
  volume.table.set(0, (END_OF_CHAIN & ~0xff) | MEDIA_FIXED);
  volume.table.set(1, END_OF_CHAIN);
  if (layout.type === 32) volume.table.set(FAT32_ROOT_CLUSTER, END_OF_CHAIN);
  volume.table.flush();
  return volume;
}

function bootSector(layout: Plan, start: number, label: string, serial: number): Uint8Array {
  const isFat32 = layout.type === 32;
  const sector = new Uint8Array(layout.sectorBytes);
  const view = new DataView(sector.buffer);
  const codeStart = EXTENDED_BPB_OFFSET + (isFat32 ? ExtendedBpb32.size : ExtendedBpb16.size);
  const boot = BootSector.cursor(view).at(0);
  boot.jump = Uint8Array.of(0xeb, codeStart - 2, 0x90);
  boot.oemName = latin1('MSWIN4.1');
  boot.bytesPerSector = layout.sectorBytes;
  boot.sectorsPerCluster = layout.sectorsPerCluster;
  boot.reservedSectors = layout.reservedSectors;
  boot.fatCount = FAT_COUNT;
  boot.rootEntries = isFat32 ? 0 : ROOT_ENTRIES;
  if (!isFat32 && layout.totalSectors < 0x1_0000) boot.totalSectors16 = layout.totalSectors;
  else boot.totalSectors32 = layout.totalSectors;
  boot.media = MEDIA_FIXED;
  boot.fatSectors16 = isFat32 ? 0 : layout.fatSectors;
  boot.sectorsPerTrack = 63;
  boot.heads = 255;
  boot.hiddenSectors = Math.min(start / layout.sectorBytes, 0xffff_ffff);
  if (isFat32) {
    const extended = ExtendedBpb32.cursor(view).at(EXTENDED_BPB_OFFSET);
    extended.fatSectors32 = layout.fatSectors;
    extended.rootCluster = FAT32_ROOT_CLUSTER;
    extended.infoSector = FAT32_INFO_SECTOR;
    extended.backupBootSector = FAT32_BACKUP_SECTOR;
  }
  const identity = (isFat32 ? ExtendedBpb32 : ExtendedBpb16)
    .cursor(view)
    .at(EXTENDED_BPB_OFFSET) as IdentityCursor;
  identity.drive = 0x80;
  identity.bootSignature = EXTENDED_BOOT_SIGNATURE;
  identity.serial = serial;
  identity.label = latin1((label === '' ? 'NO NAME' : label).padEnd(11));
  identity.fileSystem = latin1(`FAT${layout.type}`.padEnd(8));
  sector.set(NOT_BOOTABLE, codeStart);
  view.setUint16(BOOT_SIGNATURE_OFFSET, BOOT_SIGNATURE, true);
  return sector;
}

interface IdentityCursor {
  drive: number;
  bootSignature: number;
  serial: number;
  label: Uint8Array;
  fileSystem: Uint8Array;
}

function infoSector(layout: Plan): Uint8Array {
  const sector = new Uint8Array(layout.sectorBytes);
  const info = FsInfo.cursor(new DataView(sector.buffer)).at(0);
  info.leadSignature = FSINFO_LEAD;
  info.structSignature = FSINFO_STRUCT;
  info.freeCount = layout.clusters - 1;
  info.nextFree = FAT32_ROOT_CLUSTER + 1;
  info.trailSignature = FSINFO_TRAIL;
  return sector;
}

function labelSector(layout: Plan, label: string, time: FatTime = FAT_EPOCH): Uint8Array {
  const sector = new Uint8Array(layout.sectorBytes);
  sector.set(
    encodeEntry({
      short: { bytes: latin1(label.padEnd(11)), caseBits: 0, needsLongName: false },
      longName: '',
      attributes: Attribute.bit.VOLUME_ID,
      firstCluster: 0,
      sizeBytes: 0,
      time,
    }),
  );
  return sector;
}
