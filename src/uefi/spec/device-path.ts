/** UEFI 2.10, section 10.3, and EFI_LOAD_OPTION (3.1.3). */
import { flags, guid, struct, u8, u16, u32, u64 } from '../../core/wire.ts';

export const DevicePathHeader = struct('DevicePathHeader', 4, {
  type: u8,
  subType: u8,
  bytes: u16,
});

export const PathType = {
  hardware: 0x01,
  acpi: 0x02,
  messaging: 0x03,
  media: 0x04,
  bios: 0x05,
  end: 0x7f,
} as const;
export const HardwareSubType = { vendor: 0x04 } as const;
export const MessagingSubType = { scsi: 0x02 } as const;
export const MediaSubType = { hardDrive: 0x01, cdrom: 0x02, filePath: 0x04 } as const;
export const EndSubType = { instance: 0x01, entire: 0xff } as const;

/** Followed by vendor data; on VMBus the interface and instance GUIDs of the channel. */
export const VendorNode = struct('VendorNode', 20, {
  type: u8,
  subType: u8,
  bytes: u16,
  vendorGuid: guid,
});

export const ScsiNode = struct('ScsiNode', 8, {
  type: u8,
  subType: u8,
  bytes: u16,
  target: u16,
  lun: u16,
});

export const HardDriveNode = struct('HardDriveNode', 42, {
  type: u8,
  subType: u8,
  bytes: u16,
  partitionNumber: u32,
  startLba: u64,
  sizeLba: u64,
  /** GPT: the partition's unique GUID. MBR: the disk signature, then zeros. */
  signature: guid,
  format: u8,
  signatureType: u8,
});
export const PartitionFormat = { mbr: 1, gpt: 2 } as const;
export const SignatureType = { none: 0, mbr: 1, guid: 2 } as const;

export const CdromNode = struct('CdromNode', 24, {
  type: u8,
  subType: u8,
  bytes: u16,
  bootEntry: u32,
  startLba: u64,
  sizeLba: u64,
});

/** Followed by the description (UTF-16, NUL), the device path and optional data. */
export const LoadOption = struct(
  'LoadOption',
  6,
  {
    attributes: flags(u32, { ACTIVE: 1, FORCE_RECONNECT: 2, HIDDEN: 8, CATEGORY_APP: 0x100 }),
    pathBytes: u16,
  },
  { packed: true },
);
export const LOAD_OPTION_ACTIVE = 1;

/** 3.5.1.1: what removable media are started by, and a disk with no boot option. */
export const FALLBACK_LOADER_PATH = '\\EFI\\BOOT\\BOOTX64.EFI';
