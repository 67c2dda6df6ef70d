import { crc32 } from '../core/crc32.ts';
import { Arena } from './arena.ts';
import { utf16 } from '../core/text.ts';
import type { FirmwareMemory } from './memory-map.ts';
import { pointAtStubs, writeServiceStubs } from './services.ts';
import { EfiGuid } from './spec/guids.ts';
import { EfiMemoryType } from './spec/memory.ts';
import type { PointerTable } from './spec/tables.ts';
import {
  BOOT_SERVICES,
  BOOT_SERVICES_SIGNATURE,
  BootServicesTable,
  ConfigurationTable,
  DEFAULT_TEXT_ATTRIBUTE,
  EFI_REVISION,
  GRAPHICS_OUTPUT,
  GraphicsMode,
  GraphicsModeInfo,
  GraphicsOutput,
  LOADED_IMAGE_REVISION,
  LoadedImage,
  PixelFormat,
  RUNTIME_SERVICES,
  RUNTIME_SERVICES_SIGNATURE,
  RuntimeServicesTable,
  ServiceBase,
  SYSTEM_TABLE_SIGNATURE,
  SystemTable,
  TableHeader,
  TEXT_INPUT,
  TEXT_OUTPUT,
  TextInput,
  TextMode,
  TextOutput,
} from './spec/tables.ts';

/** The frame buffer that the firmware set up: 32 bits a pixel, blue lowest. */
export interface Framebuffer {
  readonly gpa: number;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
  /** Pixels from one line to the next. */
  readonly stride: number;
}

/** An entry of the configuration table. */
export interface VendorTable {
  readonly guid: string;
  readonly gpa: number;
}

/** A protocol on a handle, both as a guest sees them. */
export interface InstalledProtocol {
  readonly handle: number;
  readonly guid: string;
  readonly interfaceGpa: number;
}

export interface SystemTableOptions {
  readonly pages: FirmwareMemory;
  readonly configurationTables: readonly VendorTable[];
  readonly framebuffer?: Framebuffer;
}

export interface LoadedImageOptions {
  readonly baseGpa: number;
  readonly imageBytes: number;
  /** Encoded device path of the device (without the file), and of the file alone. */
  readonly devicePath: Uint8Array;
  readonly filePath: Uint8Array;
  readonly loadOptions: Uint8Array;
}

const VENDOR = 'Microsoft';
/** "Hyper-V UEFI Release v4.1", major << 16 | minor. */
const FIRMWARE_REVISION = 0x0004_0001;
const ARENA_BYTES = 0x8000;
/** InstallConfigurationTable() may add entries later: this many fit in all. */
const MAX_CONFIGURATION_TABLES = 32;
/** "hndl" */
const HANDLE_SIGNATURE = 0x6c64_6e68;
const HANDLE_BYTES = 16;
const TEXT_MODE_COUNT = 1;

/** Everything that `EFI_SYSTEM_TABLE` leads to, written into guest memory. */
export class FirmwareTables {
  readonly systemTableGpa: number;
  readonly protocols: InstalledProtocol[] = [];
  readonly #bootData: Arena;
  readonly #runtimeData: Arena;
  readonly #bootCode: Arena;
  readonly #runtimeCode: Arena;
  #handleCount = 0;

  constructor(options: SystemTableOptions) {
    const { pages } = options;
    const { is } = EfiMemoryType;
    this.#runtimeCode = new Arena(pages, is.RuntimeServicesCode, 0x1000);
    this.#runtimeData = new Arena(pages, is.RuntimeServicesData, ARENA_BYTES);
    this.#bootCode = new Arena(pages, is.BootServicesCode, 0x1000);
    this.#bootData = new Arena(pages, is.BootServicesData, ARENA_BYTES);
    const { gpa, fields } = this.#runtimeData.make(SystemTable);
    this.systemTableGpa = gpa;
    fields.firmwareVendor = BigInt(this.#runtimeData.place(utf16(VENDOR)));
    fields.firmwareRevision = FIRMWARE_REVISION;
    const input = this.#installTextInput();
    fields.consoleInHandle = BigInt(input.handle);
    fields.consoleIn = BigInt(input.interfaceGpa);
    const output = this.#installTextOutput(options.framebuffer);
    fields.consoleOutHandle = BigInt(output.handle);
    fields.consoleOut = BigInt(output.interfaceGpa);
    fields.standardErrorHandle = fields.consoleOutHandle;
    fields.standardError = fields.consoleOut;
    fields.runtimeServices = BigInt(this.#writeRuntimeServices());
    fields.bootServices = BigInt(this.#writeBootServices());
    fields.tableCount = BigInt(options.configurationTables.length);
    fields.configurationTables = BigInt(this.#writeVendorTables(options.configurationTables));
    seal(this.#runtimeData, gpa, SystemTable.size, SYSTEM_TABLE_SIGNATURE);
  }

  /** Puts EFI_LOADED_IMAGE on a new handle. @returns the handle */
  installLoadedImage(options: LoadedImageOptions): number {
    const data = this.#bootData;
    const deviceHandle = this.#newHandle();
    const devicePathGpa = data.place(options.devicePath);
    this.#install(deviceHandle, EfiGuid.devicePath, devicePathGpa);
    const imageHandle = this.#newHandle();
    const { gpa, fields } = data.make(LoadedImage);
    fields.revision = LOADED_IMAGE_REVISION;
    fields.systemTable = BigInt(this.systemTableGpa);
    fields.deviceHandle = BigInt(deviceHandle);
    fields.filePath = BigInt(data.place(options.filePath));
    fields.loadOptionsBytes = options.loadOptions.length;
    if (options.loadOptions.length > 0) {
      fields.loadOptions = BigInt(data.place(options.loadOptions));
    }
    fields.imageBase = BigInt(options.baseGpa);
    fields.imageBytes = BigInt(options.imageBytes);
    fields.imageCodeType = EfiMemoryType.is.LoaderCode;
    fields.imageDataType = EfiMemoryType.is.LoaderData;
    this.#install(imageHandle, EfiGuid.loadedImage, gpa);
    return imageHandle;
  }

  /** A handle is an address that a guest only compares; a record stands there for debuggers. */
  #newHandle(): number {
    const gpa = this.#bootData.reserve(HANDLE_BYTES);
    const view = this.#bootData.view;
    view.setUint32(gpa - this.#bootData.gpa, HANDLE_SIGNATURE, true);
    view.setUint32(gpa - this.#bootData.gpa + 4, this.#handleCount, true);
    this.#handleCount += 1;
    return gpa;
  }

  #install(handle: number, guid: string, interfaceGpa: number): InstalledProtocol {
    const protocol = { handle, guid, interfaceGpa };
    this.protocols.push(protocol);
    return protocol;
  }

  /** A table of boot-time functions, each of which leads to its own stub. */
  #makeProtocol(layout: PointerTable, firstService: number, names: readonly string[]): number {
    const { gpa } = this.#bootData.make(layout);
    const stubs = writeServiceStubs(this.#bootCode, firstService, names.length);
    pointAtStubs({ arena: this.#bootData, gpa, layout }, names, stubs);
    return gpa;
  }

  #installTextInput(): InstalledProtocol {
    const gpa = this.#makeProtocol(TextInput, ServiceBase.textInput, TEXT_INPUT);
    this.#bootData.point(gpa + TextInput.offset['WaitForKey']!, this.#newHandle());
    return this.#install(this.#newHandle(), EfiGuid.simpleTextInput, gpa);
  }

  #installTextOutput(framebuffer: Framebuffer | undefined): InstalledProtocol {
    const mode = this.#bootData.make(TextMode);
    mode.fields.maxMode = TEXT_MODE_COUNT;
    mode.fields.attribute = DEFAULT_TEXT_ATTRIBUTE;
    mode.fields.cursorVisible = 1;
    const gpa = this.#makeProtocol(TextOutput, ServiceBase.textOutput, TEXT_OUTPUT);
    this.#bootData.point(gpa + TextOutput.offset['Mode']!, mode.gpa);
    const handle = this.#newHandle();
    if (framebuffer !== undefined) this.#installGraphics(handle, framebuffer);
    return this.#install(handle, EfiGuid.simpleTextOutput, gpa);
  }

  /** The mark of the console goes with it: Linux looks for the handle that has both. */
  #installGraphics(handle: number, framebuffer: Framebuffer): void {
    const info = this.#bootData.make(GraphicsModeInfo);
    info.fields.width = framebuffer.width;
    info.fields.height = framebuffer.height;
    info.fields.pixelFormat = PixelFormat.is.BlueGreenRedReserved;
    info.fields.pixelsPerScanLine = framebuffer.stride;
    const mode = this.#bootData.make(GraphicsMode);
    mode.fields.maxMode = 1;
    mode.fields.info = BigInt(info.gpa);
    mode.fields.infoBytes = BigInt(GraphicsModeInfo.size);
    mode.fields.framebufferBase = BigInt(framebuffer.gpa);
    mode.fields.framebufferBytes = BigInt(framebuffer.bytes);
    const gpa = this.#makeProtocol(GraphicsOutput, ServiceBase.graphicsOutput, GRAPHICS_OUTPUT);
    this.#bootData.point(gpa + GraphicsOutput.offset['Mode']!, mode.gpa);
    this.#install(handle, EfiGuid.graphicsOutput, gpa);
    this.#install(handle, EfiGuid.consoleOutDevice, gpa);
  }

  #writeBootServices(): number {
    const gpa = this.#makeProtocol(BootServicesTable, ServiceBase.boot, BOOT_SERVICES);
    seal(this.#bootData, gpa, BootServicesTable.size, BOOT_SERVICES_SIGNATURE);
    return gpa;
  }

  #writeRuntimeServices(): number {
    const layout = RuntimeServicesTable;
    const { gpa } = this.#runtimeData.make(layout);
    const base = ServiceBase.runtime;
    const stubs = writeServiceStubs(this.#runtimeCode, base, RUNTIME_SERVICES.length);
    pointAtStubs({ arena: this.#runtimeData, gpa, layout }, RUNTIME_SERVICES, stubs);
    seal(this.#runtimeData, gpa, RuntimeServicesTable.size, RUNTIME_SERVICES_SIGNATURE);
    return gpa;
  }

  #writeVendorTables(tables: readonly VendorTable[]): number {
    const gpa = this.#runtimeData.reserve(MAX_CONFIGURATION_TABLES * ConfigurationTable.size);
    const entry = ConfigurationTable.cursor(this.#runtimeData.view);
    for (const [index, table] of tables.entries()) {
      entry.at(gpa - this.#runtimeData.gpa + index * ConfigurationTable.size);
      entry.vendorGuid = table.guid;
      entry.table = BigInt(table.gpa);
    }
    return gpa;
  }
}

/** Fills the standard header in last, since its CRC covers the whole table. */
function seal(arena: Arena, gpa: number, size: number, signature: bigint): void {
  const header = TableHeader.cursor(arena.view).at(gpa - arena.gpa);
  header.signature = signature;
  header.revision = EFI_REVISION;
  header.headerBytes = size;
  header.crc32 = 0;
  header.crc32 = crc32(arena.at(gpa, size));
}
