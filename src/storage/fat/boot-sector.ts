import { InputError } from '../../core/errors.ts';
import type { DiskRange } from '../disk-range.ts';
import {
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  DirectoryEntry,
  EXTENDED_BOOT_SIGNATURE,
  EXTENDED_BPB_OFFSET,
  ExtendedBpb16,
  ExtendedBpb32,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  FAT32_CLUSTERS,
  FatFlags,
  type FatType,
  FIRST_CLUSTER,
} from './spec.ts';

/** The number in bits 3:0 of FAT32's flags names a FAT. */
const MAX_FATS = 16;

/** Where everything of a volume lies, in bytes from its start. */
export interface FatGeometry {
  readonly type: FatType;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  /** Data clusters; they are numbered from 2. */
  readonly clusterCount: number;
  readonly fatStart: number;
  readonly fatBytes: number;
  readonly fatCount: number;
  /** The FAT that is read; all are written unless `mirrored` is false. */
  readonly activeFat: number;
  readonly mirrored: boolean;
  /** The fixed root directory of FAT12 and FAT16; 0 bytes on FAT32. */
  readonly rootStart: number;
  readonly rootBytes: number;
  /** FAT32 only, else 0. */
  readonly rootCluster: number;
  readonly dataStart: number;
  readonly totalBytes: number;
  /** Position of the FSInfo sector, or 0. */
  readonly infoStart: number;
  readonly serial: number;
  /** The label in the boot sector, without trailing spaces. */
  readonly label: string;
}

type Fail = (message: string) => never;

/** Reads and checks the BIOS parameter block. @throws InputError that says which field is wrong */
export function readBootSector(range: DiskRange): FatGeometry {
  const fail: Fail = (message) => {
    throw new InputError(range.disk.name, `no FAT volume at offset ${range.startByte}: ${message}`);
  };
  if (range.sizeBytes < 512) fail(`${range.sizeBytes} bytes are too few`);
  const sector = range.bytes(0, 512);
  const view = new DataView(sector.buffer);
  checkSector(sector, view, fail);
  const boot = BootSector.cursor(view).at(0);
  const extended = ExtendedBpb32.cursor(view).at(EXTENDED_BPB_OFFSET);
  const { reservedSectors, fatCount, rootEntries, sectorsPerCluster } = boot;
  const sectorBytes = boot.bytesPerSector;
  const isFat32 = boot.fatSectors16 === 0;
  const fatSectors = isFat32 ? extended.fatSectors32 : boot.fatSectors16;
  if (fatSectors === 0) fail('FATs of 0 sectors (offsets 22 and 36)');
  const totalSectors = boot.totalSectors16 === 0 ? boot.totalSectors32 : boot.totalSectors16;
  const rootSectors = Math.ceil((rootEntries * DirectoryEntry.size) / sectorBytes);
  const dataSector = reservedSectors + fatCount * fatSectors + rootSectors;
  if (totalSectors <= dataSector) {
    fail(`${totalSectors} sectors in total, but the data starts at sector ${dataSector}`);
  }
  const clusters = Math.floor((totalSectors - dataSector) / sectorsPerCluster);
  const type = typeOf(isFat32, clusters, fail);
  if (!isFat32 && rootEntries === 0) fail('a root directory of 0 entries (offset 17)');
  if (isFat32 && extended.version !== 0) {
    fail(`FAT32 version ${extended.version >> 8}.${extended.version & 0xff}, expected 0.0`);
  }
  const noMirror = isFat32 && (extended.extendedFlags & FatFlags.bit.NO_MIRROR) !== 0;
  const activeFat = noMirror ? extended.extendedFlags & 0x0f : 0;
  if (activeFat >= fatCount) {
    fail(`FAT ${activeFat} is the active one (offset 40), but there are ${fatCount}`);
  }
  const entriesInFat = Math.floor((fatSectors * sectorBytes * 8) / type);
  const identity = isFat32 ? extended : ExtendedBpb16.cursor(view).at(EXTENDED_BPB_OFFSET);
  const identified = identity.bootSignature === EXTENDED_BOOT_SIGNATURE;
  const hasInfo = isFat32 && extended.infoSector !== 0 && extended.infoSector < reservedSectors;
  return {
    type,
    sectorBytes,
    clusterBytes: sectorsPerCluster * sectorBytes,
    clusterCount: Math.max(0, Math.min(clusters, entriesInFat - FIRST_CLUSTER)),
    fatStart: reservedSectors * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    fatCount,
    activeFat,
    mirrored: !noMirror,
    rootStart: (dataSector - rootSectors) * sectorBytes,
    rootBytes: isFat32 ? 0 : rootEntries * DirectoryEntry.size,
    rootCluster: isFat32 ? extended.rootCluster & 0x0fff_ffff : 0,
    dataStart: dataSector * sectorBytes,
    totalBytes: totalSectors * sectorBytes,
    infoStart: hasInfo ? extended.infoSector * sectorBytes : 0,
    serial: identified ? identity.serial : 0,
    label: identified ? labelText(identity.label) : '',
  };
}

/** The fields that every type has, each by itself. */
function checkSector(sector: Uint8Array, view: DataView, fail: Fail): void {
  const boot = BootSector.cursor(view).at(0);
  const oemName = String.fromCharCode(...boot.oemName).trimEnd();
  if (oemName === 'NTFS' || oemName === 'EXFAT') fail(`it is ${oemName}`);
  if (view.getUint16(BOOT_SIGNATURE_OFFSET, true) !== BOOT_SIGNATURE) {
    fail('the boot sector does not end in 55 AA');
  }
  const [jump] = sector;
  if (jump !== 0xeb && jump !== 0xe9) {
    fail(`the boot sector starts with 0x${jump!.toString(16)}, expected a jump (EB or E9)`);
  }
  const { bytesPerSector, sectorsPerCluster, fatCount, media } = boot;
  if (![512, 1024, 2048, 4096].includes(bytesPerSector)) {
    fail(`${bytesPerSector} bytes a sector (offset 11), expected 512, 1024, 2048 or 4096`);
  }
  if (sectorsPerCluster === 0 || (sectorsPerCluster & (sectorsPerCluster - 1)) !== 0) {
    fail(`${sectorsPerCluster} sectors a cluster (offset 13), expected a power of two`);
  }
  if (boot.reservedSectors === 0) fail('no reserved sectors (offset 14), expected at least 1');
  if (fatCount === 0 || fatCount > MAX_FATS) {
    fail(`${fatCount} FATs (offset 16), expected 1 or 2`);
  }
  if (media !== 0xf0 && media < 0xf8) {
    fail(`media byte 0x${media.toString(16)} (offset 21), expected F0 or F8 to FF`);
  }
}

function typeOf(isFat32: boolean, clusters: number, fail: Fail): FatType {
  if (clusters === 0) fail('no room for a single cluster');
  if (isFat32) {
    if (clusters > FAT32_CLUSTERS) fail(`${clusters} clusters, more than FAT32 can have`);
    return 32;
  }
  if (clusters >= FAT16_CLUSTERS) {
    fail(`${clusters} clusters, which only FAT32 can have, with the layout of FAT16`);
  }
  return clusters < FAT12_CLUSTERS ? 12 : 16;
}

function labelText(label: Uint8Array): string {
  const text = String.fromCharCode(...label).trimEnd();
  return text === 'NO NAME' ? '' : text;
}
