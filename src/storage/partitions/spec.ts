/**
 * GPT: UEFI Specification 2.10, chapter 5. MBR: the same, section 5.2, and the IBM/Microsoft form
 * of extended partitions. Type GUIDs: UEFI 5.3.3, Microsoft's and FreeBSD's headers, and the
 * Discoverable Partitions Specification.
 */
import { bytes, flags, guid, openEnum, struct, u8, u16, u32, u64 } from '../../core/wire.ts';

/** "EFI PART" as a little-endian number, in halves. */
export const GPT_SIGNATURE_LO = 0x2049_4645;
export const GPT_SIGNATURE_HI = 0x5452_4150;
export const GPT_REVISION = 0x0001_0000;
export const GPT_ENTRY_COUNT = 128;
export const GPT_NAME_CHARACTERS = 36;
export const EMPTY_TYPE = '00000000-0000-0000-0000-000000000000';

/** UEFI 5.3.2, table 5.5. */
export const GptHeader = struct('GptHeader', 92, {
  signature: u64,
  revision: u32,
  headerBytes: u32,
  headerCrc32: u32,
  reserved: u32,
  myLba: u64,
  alternateLba: u64,
  firstUsableLba: u64,
  lastUsableLba: u64,
  diskGuid: guid,
  entriesLba: u64,
  entryCount: u32,
  entryBytes: u32,
  entriesCrc32: u32,
});

/** UEFI 5.3.3, table 5.6. */
export const GptEntry = struct('GptEntry', 128, {
  typeGuid: guid,
  uniqueGuid: guid,
  firstLba: u64,
  /** Inclusive. */
  lastLba: u64,
  attributes: u64,
  /** UTF-16, ended by NUL when shorter. */
  name: bytes(72),
});

/** Bits of `GptEntry.attributes` (UEFI table 5.8); bits 48 to 63 belong to the type. */
export const GptAttribute = {
  requiredPartition: 1n << 0n,
  noBlockIoProtocol: 1n << 1n,
  legacyBiosBootable: 1n << 2n,
} as const;

export const MBR_SIGNATURE = 0xaa55;
export const MBR_SIGNATURE_OFFSET = 510;
export const MBR_BOOT_CODE_BYTES = 440;
export const MBR_PRIMARY_COUNT = 4;

export const MbrStatus = flags(u8, { ACTIVE: 0x80 });

export const MbrType = openEnum(u8, {
  empty: 0x00,
  fat12: 0x01,
  fat16Small: 0x04,
  extended: 0x05,
  fat16: 0x06,
  ntfs: 0x07,
  fat32: 0x0b,
  fat32Lba: 0x0c,
  fat16Lba: 0x0e,
  extendedLba: 0x0f,
  hiddenNtfs: 0x27,
  linuxSwap: 0x82,
  linux: 0x83,
  linuxExtended: 0x85,
  linuxLvm: 0x8e,
  freebsd: 0xa5,
  openbsd: 0xa6,
  netbsd: 0xa9,
  solaris: 0xbf,
  gptProtective: 0xee,
  efiSystem: 0xef,
  linuxRaid: 0xfd,
});

/** UEFI 5.2.1, table 5.2. */
export const MbrEntry = struct('MbrEntry', 16, {
  status: MbrStatus,
  firstChs: bytes(3),
  type: MbrType,
  lastChs: bytes(3),
  firstLba: u32,
  sectorCount: u32,
});

/** UEFI 5.2.1, table 5.1. */
export const MasterBootRecord = struct('MasterBootRecord', 512, {
  bootCode: bytes(MBR_BOOT_CODE_BYTES),
  diskSignature: u32,
  reserved: u16,
  entries: bytes(MbrEntry.size * MBR_PRIMARY_COUNT),
  signature: u16,
});

export const MBR_TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [MbrType.is.fat12, 'FAT12'],
  [MbrType.is.fat16Small, 'FAT16 below 32 MiB'],
  [MbrType.is.extended, 'extended'],
  [MbrType.is.fat16, 'FAT16'],
  [MbrType.is.ntfs, 'NTFS or exFAT'],
  [MbrType.is.fat32, 'FAT32'],
  [MbrType.is.fat32Lba, 'FAT32 (LBA)'],
  [MbrType.is.fat16Lba, 'FAT16 (LBA)'],
  [MbrType.is.extendedLba, 'extended (LBA)'],
  [MbrType.is.hiddenNtfs, 'Windows recovery'],
  [MbrType.is.linuxSwap, 'Linux swap'],
  [MbrType.is.linux, 'Linux'],
  [MbrType.is.linuxExtended, 'Linux extended'],
  [MbrType.is.linuxLvm, 'Linux LVM'],
  [MbrType.is.freebsd, 'FreeBSD'],
  [MbrType.is.openbsd, 'OpenBSD'],
  [MbrType.is.netbsd, 'NetBSD'],
  [MbrType.is.solaris, 'Solaris'],
  [MbrType.is.gptProtective, 'GPT protective'],
  [MbrType.is.efiSystem, 'EFI system'],
  [MbrType.is.linuxRaid, 'Linux RAID'],
]);

/** Partition types by name, for whoever looks for one or makes one. */
export const GptType = {
  efiSystem: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  biosBoot: '21686148-6449-6e6f-744e-656564454649',
  microsoftReserved: 'e3c9e316-0b5c-4db8-817d-f92df00215ae',
  basicData: 'ebd0a0a2-b9e5-4433-87c0-68b6b72699c7',
  windowsRecovery: 'de94bba4-06d1-4d40-a16a-bfd50179d6ac',
  ldmMetadata: '5808c8aa-7e8f-42e0-85d2-e1e90434cfb3',
  ldmData: 'af9b60a0-1431-4f62-bc68-3311714a69ad',
  storageSpaces: 'e75caf8f-f680-4cee-afa3-b001e56efc2d',
  freebsdDisklabel: '516e7cb4-6ecf-11d6-8ff8-00022d09712b',
  freebsdBoot: '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
  freebsdSwap: '516e7cb5-6ecf-11d6-8ff8-00022d09712b',
  freebsdUfs: '516e7cb6-6ecf-11d6-8ff8-00022d09712b',
  freebsdVinum: '516e7cb8-6ecf-11d6-8ff8-00022d09712b',
  freebsdZfs: '516e7cba-6ecf-11d6-8ff8-00022d09712b',
  linuxFileSystem: '0fc63daf-8483-4772-8e79-3d69d8477de4',
  linuxSwap: '0657fd6d-a4ab-43c4-84e5-0933c84b4f4f',
  linuxRoot: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
  linuxUsr: '8484680c-9521-48c6-9c11-b0720656f69e',
  linuxHome: '933ac7e1-2eb4-4f13-b844-0e14e2aef915',
  linuxBoot: 'bc13c2ff-59e6-4262-a352-b275fd6f7172',
  linuxLvm: 'e6d6d379-f507-44c2-a23c-238f2a3df928',
  linuxRaid: 'a19d880f-05fc-4d3b-a006-743f0f84911e',
  netbsdFfs: '49f48d5a-b10e-11dc-b99b-0019d1879648',
  openbsdData: '824cc7a0-36a8-11e3-890a-952519ad3f61',
  solarisZfs: '6a898cc3-1dd2-11b2-99a6-080020736631',
  appleHfs: '48465300-0000-11aa-aa11-00306543ecac',
  appleApfs: '7c3457ef-0000-11aa-aa11-00306543ecac',
} as const;

export const GPT_TYPE_NAMES: ReadonlyMap<string, string> = new Map([
  [GptType.efiSystem, 'EFI system'],
  [GptType.biosBoot, 'BIOS boot'],
  [GptType.microsoftReserved, 'Microsoft reserved'],
  [GptType.basicData, 'Microsoft basic data'],
  [GptType.windowsRecovery, 'Windows recovery'],
  [GptType.ldmMetadata, 'Windows LDM metadata'],
  [GptType.ldmData, 'Windows LDM data'],
  [GptType.storageSpaces, 'Windows Storage Spaces'],
  [GptType.freebsdDisklabel, 'FreeBSD disklabel'],
  [GptType.freebsdBoot, 'FreeBSD boot'],
  [GptType.freebsdSwap, 'FreeBSD swap'],
  [GptType.freebsdUfs, 'FreeBSD UFS'],
  [GptType.freebsdVinum, 'FreeBSD Vinum'],
  [GptType.freebsdZfs, 'FreeBSD ZFS'],
  [GptType.linuxFileSystem, 'Linux file system'],
  [GptType.linuxSwap, 'Linux swap'],
  [GptType.linuxRoot, 'Linux root (x86-64)'],
  [GptType.linuxUsr, 'Linux /usr (x86-64)'],
  [GptType.linuxHome, 'Linux /home'],
  [GptType.linuxBoot, 'Linux extended boot'],
  [GptType.linuxLvm, 'Linux LVM'],
  [GptType.linuxRaid, 'Linux RAID'],
  [GptType.netbsdFfs, 'NetBSD FFS'],
  [GptType.openbsdData, 'OpenBSD data'],
  [GptType.solarisZfs, 'Solaris /usr or ZFS'],
  [GptType.appleHfs, 'Apple HFS+'],
  [GptType.appleApfs, 'Apple APFS'],
]);

export interface Partition {
  /** From 1; a GPT entry's place in the array, or 1 to 4 for MBR primaries and 5 on for logical ones. */
  readonly index: number;
  /** Bytes from the start of the disk. */
  readonly startByte: number;
  readonly sizeBytes: number;
  /** Lower case, '' on an MBR disk. */
  readonly typeGuid: string;
  /** 0 on a GPT disk. */
  readonly typeByte: number;
  /** The type in words; the GUID or hexadecimal byte when it is not known. */
  readonly typeName: string;
  /** '' on an MBR disk. */
  readonly name: string;
  /** GUID, or on an MBR disk the disk signature and the index, as Linux writes a PARTUUID. */
  readonly uniqueId: string;
  /** The MBR's active flag, or GPT's "legacy BIOS bootable". */
  readonly active: boolean;
  /** 64 bits; 0 on an MBR disk. */
  readonly attributes: bigint;
  /** Why this partition must not be used (outside the disk, overlaps another), or ''. */
  readonly problem: string;
}

export interface PartitionTable {
  readonly kind: 'gpt' | 'mbr' | 'none';
  /** GPT disk GUID, or the MBR disk signature as 8 hexadecimal digits, or ''. */
  readonly diskId: string;
  readonly partitions: readonly Partition[];
}
