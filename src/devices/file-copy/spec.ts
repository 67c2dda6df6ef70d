/**
 * The guest file copy component (hyperv-host.md 2.10; Linux' include/uapi/linux/hyperv.h, which is
 * the only public description of it).
 */
import { bytes, flags, guid, openEnum, struct, u32, u64 } from '../../core/wire.ts';

export const FileCopyVersion = { v1: 0x1_0000, v1_1: 0x1_0001 } as const;

export const FileCopyOperation = openEnum(u32, { start: 0, write: 1, complete: 2, cancel: 3 });

export const FileCopyHeader = struct('FileCopyHeader', 36, {
  operation: FileCopyOperation,
  service0: guid,
  service1: guid,
});

export const FileCopyFlag = flags(u32, { overwrite: 1, createPath: 2 });

/** Bytes of a name, terminator included: 260 UTF-16 units. */
export const FILE_NAME_BYTES = 520;

export const FileCopyStart = struct('FileCopyStart', 1088, {
  operation: FileCopyOperation,
  service0: guid,
  service1: guid,
  fileName: bytes(FILE_NAME_BYTES),
  pathName: bytes(FILE_NAME_BYTES),
  flags: FileCopyFlag,
  fileBytes: u64,
});

/** Most bytes of the file in one message. */
export const FILE_FRAGMENT_BYTES = 6144;

export const FileCopyWrite = struct(
  'FileCopyWrite',
  6196,
  {
    operation: FileCopyOperation,
    service0: guid,
    service1: guid,
    padding: u32,
    offset: u64,
    size: u32,
    data: bytes(FILE_FRAGMENT_BYTES),
  },
  { packed: true },
);
