import { Random } from '../core/random.ts';
import type { BlockDevice } from '../storage/block.ts';
import { formatFat } from '../storage/fat/format.ts';
import { makeFatDirectory, writeFatFile } from '../storage/fat/write.ts';
import { MemoryStore } from '../storage/memory-store.ts';
import {
  GptType,
  MBR_SIGNATURE,
  MBR_SIGNATURE_OFFSET,
  MbrType,
} from '../storage/partitions/spec.ts';
import { writeGpt, writeMbr } from '../storage/partitions/write.ts';
import { openRaw } from '../storage/raw.ts';
import { FALLBACK_LOADER_PATH } from '../uefi/spec/device-path.ts';
import { BOOT_SECTOR_CODE, efiLoader, MBR_CODE } from './default-code.ts';
import { writeDisklabel, writeUfs } from './ufs.ts';

const MIB = 1024 * 1024;
const DEFAULT_DISK_BYTES = 8192 * MIB;
const ESP_BYTES = 64 * MIB;
/** "SVM1", for a disk of which there is only one. */
const SERIAL = 0x314d_5653;
const DISK_GUID = '53564d31-0000-4000-8000-000000000001';
const ESP_GUID = '53564d31-0000-4000-8000-000000000002';
const ROOT_GUID = '53564d31-0000-4000-8000-000000000003';

export interface DefaultDiskOptions {
  readonly generation: 1 | 2;
  /** A multiple of 1 MiB; 8 GiB unless told. It takes memory only where it is written. */
  readonly sizeBytes?: number;
  readonly name?: string;
}

/**
 * The disk of a machine whose user gave none, in memory: a loader of ours that says so, and a
 * FreeBSD root partition without files. Every call gives the same bytes.
 */
export function createDefaultDisk(options: DefaultDiskOptions): BlockDevice {
  const sizeBytes = options.sizeBytes ?? DEFAULT_DISK_BYTES;
  const store = new MemoryStore(options.name ?? 'default disk', sizeBytes);
  const write = options.generation === 2 ? writeGen2 : writeGen1;
  write(openRaw(store, { readOnly: false, warn: () => {} }));
  // Opened again, since the identity of a raw disk comes from what is on it.
  return openRaw(store, { readOnly: false, warn: () => {} });
}

const shared = new Map<1 | 2, BlockDevice>();

/**
 * The default disk that all machines of a generation share. Nobody writes to it: each puts an overlay
 * over it.
 */
export function sharedDefaultDisk(generation: 1 | 2): BlockDevice {
  const disk = shared.get(generation) ?? createDefaultDisk({ generation });
  shared.set(generation, disk);
  return disk;
}

function writeGen2(disk: BlockDevice): void {
  const [esp, root] = writeGpt(disk, {
    diskGuid: DISK_GUID,
    random: new Random(SERIAL, 'default disk'),
    partitions: [
      { typeGuid: GptType.efiSystem, sizeBytes: ESP_BYTES, name: 'efiboot0', uniqueId: ESP_GUID },
      { typeGuid: GptType.freebsdUfs, name: 'rootfs', uniqueId: ROOT_GUID },
    ],
  });
  const volume = formatFat(disk, esp!.startByte, esp!.sizeBytes, {
    label: 'EFISYS',
    serial: SERIAL,
    blank: true,
  });
  makeFatDirectory(volume, '\\EFI\\BOOT');
  writeFatFile(volume, FALLBACK_LOADER_PATH, efiLoader());
  writeUfs(disk, root!.startByte, root!.sizeBytes);
}

function writeGen1(disk: BlockDevice): void {
  const [slice] = writeMbr(disk, {
    bootCode: MBR_CODE,
    diskSignature: SERIAL,
    partitions: [{ typeByte: MbrType.is.freebsd, active: true }],
  });
  const { startByte, sizeBytes } = slice!;
  const sector = new Uint8Array(disk.sectorBytes);
  sector.set(BOOT_SECTOR_CODE);
  new DataView(sector.buffer).setUint16(MBR_SIGNATURE_OFFSET, MBR_SIGNATURE, true);
  disk.write(startByte, sector, 0, sector.length);
  writeDisklabel(disk, startByte, sizeBytes);
  writeUfs(disk, startByte, sizeBytes);
}
