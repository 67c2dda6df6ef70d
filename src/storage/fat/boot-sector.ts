import { InputError } from '../../core/errors.ts';
import type { DiskRange } from '../disk-range.ts';
import {
  BOOT_SIGNATURE,
  BOOT_SIGNATURE_OFFSET,
  BootSector,
  EXTENDED_BOOT_SIGNATURE,
  EXTENDED_BPB_OFFSET,
  ExtendedBpb16,
  ExtendedBpb32,
  FAT12_CLUSTERS,
  FAT16_CLUSTERS,
  FAT32_CLUSTERS,
  FatFlags,
  type FatType,
} from './spec.ts';

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

/** Reads and checks the BIOS parameter block. @throws InputError that says which field is wrong */
export function readBootSector(range: DiskRange): FatGeometry {
  const fail = (message: string): never => {
    throw new InputError(range.disk.name, `no FAT volume at offset ${range.startByte}: ${message}`);
  };
  if (range.sizeBytes < 512) fail(`${range.sizeBytes} bytes are too few`);
  const sector = range.bytes(0, 512);
  const view = new DataView(sector.buffer);
  const boot = BootSector.cursor(view).at(0);
  const [jump] = sector;
  if (view.getUint16(BOOT_SIGNATURE_OFFSET, true) !== BOOT_SIGNATURE) {
    fail('the boot sector does not end in 55 AA');
  }
  if (jump !== 0xeb && jump !== 0xe9) {
    fail(`the boot sector starts with 0x${jump!.toString(16)}, expected a jump (EB or E9)`);
  }
  const sectorBytes = boot.bytesPerSector;
  if (![512, 1024, 2048, 4096].includes(sectorBytes)) {
    fail(`${sectorBytes} bytes a sector (offset 11), expected 512, 1024, 2048 or 4096`);
  }
  const sectorsPerCluster = boot.sectorsPerCluster;
  if (sectorsPerCluster === 0 || (sectorsPerCluster & (sectorsPerCluster - 1)) !== 0) {
    fail(`${sectorsPerCluster} sectors a cluster (offset 13), expected a power of two`);
  }
  if (boot.reservedSectors === 0) fail('no reserved sectors (offset 14), expected at least 1');
  if (boot.fatCount === 0 || boot.fatCount > 16) {
    fail(`${boot.fatCount} FATs (offset 16), expected 1 or 2`);
  }
  if (boot.media !== 0xf0 && boot.media < 0xf8) {
    fail(`media byte 0x${boot.media.toString(16)} (offset 21), expected F0 or F8 to FF`);
  }
  const extended = ExtendedBpb32.cursor(view).at(EXTENDED_BPB_OFFSET);
  const isFat32 = boot.fatSectors16 === 0;
  const fatSectors = isFat32 ? extended.fatSectors32 : boot.fatSectors16;
  if (fatSectors === 0) fail('FATs of 0 sectors (offsets 22 and 36)');
  const totalSectors = boot.totalSectors16 === 0 ? boot.totalSectors32 : boot.totalSectors16;
  const rootSectors = Math.ceil((boot.rootEntries * 32) / sectorBytes);
  const dataSector = boot.reservedSectors + boot.fatCount * fatSectors + rootSectors;
  if (totalSectors <= dataSector) {
    fail(`${totalSectors} sectors in total, but the data starts at sector ${dataSector}`);
  }
  const clusters = Math.floor((totalSectors - dataSector) / sectorsPerCluster);
  const type = isFat32 ? 32 : clusters < FAT12_CLUSTERS ? 12 : 16;
  if (clusters === 0) fail('no room for a single cluster');
  if (type === 16 && clusters >= FAT16_CLUSTERS) {
    fail(`${clusters} clusters, which only FAT32 can have, with the layout of FAT16`);
  }
  if (clusters > FAT32_CLUSTERS) fail(`${clusters} clusters, more than FAT32 can have`);
  if (isFat32 && extended.version !== 0) {
    fail(`FAT32 version ${extended.version >> 8}.${extended.version & 0xff}, expected 0.0`);
  }
  if (!isFat32 && boot.rootEntries === 0) fail('a root directory of 0 entries (offset 17)');
  const noMirror = isFat32 && (extended.extendedFlags & FatFlags.bit.NO_MIRROR) !== 0;
  const activeFat = noMirror ? extended.extendedFlags & 0x0f : 0;
  if (activeFat >= boot.fatCount) {
    fail(`FAT ${activeFat} is the active one (offset 40), but there are ${boot.fatCount}`);
  }
  const entriesInFat = Math.floor((fatSectors * sectorBytes * 8) / type);
  const identity = isFat32 ? extended : ExtendedBpb16.cursor(view).at(EXTENDED_BPB_OFFSET);
  const identified = identity.bootSignature === EXTENDED_BOOT_SIGNATURE;
  const hasInfo =
    isFat32 && extended.infoSector !== 0 && extended.infoSector < boot.reservedSectors;
  return {
    type,
    sectorBytes,
    clusterBytes: sectorsPerCluster * sectorBytes,
    clusterCount: Math.max(0, Math.min(clusters, entriesInFat - 2)),
    fatStart: boot.reservedSectors * sectorBytes,
    fatBytes: fatSectors * sectorBytes,
    fatCount: boot.fatCount,
    activeFat,
    mirrored: !noMirror,
    rootStart: (dataSector - rootSectors) * sectorBytes,
    rootBytes: isFat32 ? 0 : boot.rootEntries * 32,
    rootCluster: isFat32 ? extended.rootCluster & 0x0fff_ffff : 0,
    dataStart: dataSector * sectorBytes,
    totalBytes: totalSectors * sectorBytes,
    infoStart: hasInfo ? extended.infoSector * sectorBytes : 0,
    serial: identified ? identity.serial : 0,
    label: identified ? labelText(identity.label) : '',
  };
}

function labelText(label: Uint8Array): string {
  const text = String.fromCharCode(...label).trimEnd();
  return text === 'NO NAME' ? '' : text;
}
