/** UEFI 2.10, sections 4.2 to 4.6, 9.1, 12.3, 12.4 and 12.9: what an application is handed. */
import type { Kind, Struct } from '../../core/wire.ts';
import { openEnum, struct, u32, u64 } from '../../core/wire.ts';

export {
  ConfigurationTable,
  SYSTEM_TABLE_SIGNATURE,
  SystemTable,
  TableHeader,
} from '../../core/spec/efi.ts';

/** UEFI 2.7, which mu_msvm reports: major << 16 | minor * 10. */
export const EFI_REVISION = (2 << 16) | 70;
/** "BOOTSERV" and "RUNTSERV". */
export const BOOT_SERVICES_SIGNATURE = 0x5652_4553_544f_4f42n;
export const RUNTIME_SERVICES_SIGNATURE = 0x5652_4553_544e_5552n;

/** In the order of EFI_BOOT_SERVICES. `Reserved` is a data slot and stays null. */
export const BOOT_SERVICES = [
  'RaiseTPL',
  'RestoreTPL',
  'AllocatePages',
  'FreePages',
  'GetMemoryMap',
  'AllocatePool',
  'FreePool',
  'CreateEvent',
  'SetTimer',
  'WaitForEvent',
  'SignalEvent',
  'CloseEvent',
  'CheckEvent',
  'InstallProtocolInterface',
  'ReinstallProtocolInterface',
  'UninstallProtocolInterface',
  'HandleProtocol',
  'Reserved',
  'RegisterProtocolNotify',
  'LocateHandle',
  'LocateDevicePath',
  'InstallConfigurationTable',
  'LoadImage',
  'StartImage',
  'Exit',
  'UnloadImage',
  'ExitBootServices',
  'GetNextMonotonicCount',
  'Stall',
  'SetWatchdogTimer',
  'ConnectController',
  'DisconnectController',
  'OpenProtocol',
  'CloseProtocol',
  'OpenProtocolInformation',
  'ProtocolsPerHandle',
  'LocateHandleBuffer',
  'LocateProtocol',
  'InstallMultipleProtocolInterfaces',
  'UninstallMultipleProtocolInterfaces',
  'CalculateCrc32',
  'CopyMem',
  'SetMem',
  'CreateEventEx',
] as const;

export const RUNTIME_SERVICES = [
  'GetTime',
  'SetTime',
  'GetWakeupTime',
  'SetWakeupTime',
  'SetVirtualAddressMap',
  'ConvertPointer',
  'GetVariable',
  'GetNextVariableName',
  'SetVariable',
  'GetNextHighMonotonicCount',
  'ResetSystem',
  'UpdateCapsule',
  'QueryCapsuleCapabilities',
  'QueryVariableInfo',
] as const;

export const TEXT_INPUT = ['Reset', 'ReadKeyStroke'] as const;
export const TEXT_OUTPUT = [
  'Reset',
  'OutputString',
  'TestString',
  'QueryMode',
  'SetMode',
  'SetAttribute',
  'ClearScreen',
  'SetCursorPosition',
  'EnableCursor',
] as const;
export const GRAPHICS_OUTPUT = ['QueryMode', 'SetMode', 'Blt'] as const;

/** A structure of pointers alone, but for the standard header of some. */
export type PointerTable = Struct<Record<string, Kind<8>>>;

/** A structure of the standard header (if any) and one pointer for each name. */
function pointers(
  name: string,
  size: number,
  hasHeader: boolean,
  names: readonly string[],
): PointerTable {
  const head: Record<string, Kind<8>> = hasHeader
    ? { header0: u64, header8: u64, header16: u64 }
    : {};
  return struct(name, size, { ...head, ...Object.fromEntries(names.map((each) => [each, u64])) });
}

export const BootServicesTable = pointers('BootServicesTable', 376, true, BOOT_SERVICES);
export const RuntimeServicesTable = pointers('RuntimeServicesTable', 136, true, RUNTIME_SERVICES);
export const TextInput = pointers('TextInput', 24, false, [...TEXT_INPUT, 'WaitForKey']);
export const TextOutput = pointers('TextOutput', 80, false, [...TEXT_OUTPUT, 'Mode']);
export const GraphicsOutput = pointers('GraphicsOutput', 32, false, [...GRAPHICS_OUTPUT, 'Mode']);

/** SIMPLE_TEXT_OUTPUT_MODE, INT32 fields. */
export const TextMode = struct('TextMode', 24, {
  maxMode: u32,
  mode: u32,
  attribute: u32,
  cursorColumn: u32,
  cursorRow: u32,
  /** A BOOLEAN and three bytes of padding. */
  cursorVisible: u32,
});
/** EFI_LIGHTGRAY on black. */
export const DEFAULT_TEXT_ATTRIBUTE = 0x07;

export const GraphicsMode = struct('GraphicsMode', 40, {
  maxMode: u32,
  mode: u32,
  info: u64,
  infoBytes: u64,
  framebufferBase: u64,
  framebufferBytes: u64,
});

export const PixelFormat = openEnum(u32, {
  RedGreenBlueReserved: 0,
  BlueGreenRedReserved: 1,
  BitMask: 2,
  BltOnly: 3,
});

export const GraphicsModeInfo = struct('GraphicsModeInfo', 36, {
  version: u32,
  width: u32,
  height: u32,
  pixelFormat: PixelFormat,
  redMask: u32,
  greenMask: u32,
  blueMask: u32,
  reservedMask: u32,
  pixelsPerScanLine: u32,
});

export const LoadedImage = struct('LoadedImage', 96, {
  revision: u32,
  padding: u32,
  parentHandle: u64,
  systemTable: u64,
  deviceHandle: u64,
  filePath: u64,
  reserved: u64,
  loadOptionsBytes: u32,
  padding2: u32,
  loadOptions: u64,
  imageBase: u64,
  imageBytes: u64,
  imageCodeType: u32,
  imageDataType: u32,
  unload: u64,
});
export const LOADED_IMAGE_REVISION = 0x1000;

/**
 * How a service is called. Every function pointer leads to its own stub of this form, in memory
 * that is mapped executable: MOV EAX, service; OUT 0B2h, EAX; RET. A write to that port, the PC's
 * way of calling its firmware (the APM/SMI command port), is where the processor hands over to us.
 */
export const FIRMWARE_CALL_PORT = 0xb2;
export const SERVICE_STUB_BYTES = 8;
/** First service number of each table; the rest follow in the order of the names above. */
export const ServiceBase = {
  boot: 0x0000,
  runtime: 0x0100,
  textInput: 0x0200,
  textOutput: 0x0210,
  graphicsOutput: 0x0220,
} as const;
