import type { GuestMemory } from '../core/memory.ts';
import { PAGE_BYTES } from '../core/memory.ts';
import { LOADER_HANDOFF_GUID, LoaderHandoff } from '../guest/spec.ts';
import type { FoundLoader } from '../uefi/boot-manager.ts';
import { findLoader } from '../uefi/boot-manager.ts';
import { devicePathText, encodeDevicePath } from '../uefi/device-path.ts';
import { FirmwareMemory } from '../uefi/memory-map.ts';
import type { LoadedPe } from '../uefi/pe-loader.ts';
import { loadPe } from '../uefi/pe-loader.ts';
import { EfiGuid } from '../uefi/spec/guids.ts';
import { EfiMemoryType, MEMORY_DESCRIPTOR_STRIDE } from '../uefi/spec/memory.ts';
import type { Framebuffer, VendorTable } from '../uefi/system-table.ts';
import { FirmwareTables } from '../uefi/system-table.ts';
import { VariableStore } from '../uefi/variables.ts';
import { acpiRun } from './acpi/build.ts';
import type { LongModeTables } from './long-mode.ts';
import { writeLongModeTables } from './long-mode.ts';
import type { FirmwareOutcome } from './outcome.ts';
import { nothingBoots } from './outcome.ts';
import type { PhaseLog } from './phases.ts';
import type { PowerOnOptions } from './power-on.ts';
import { acpiOptions } from './acpi-options.ts';
import { SMBIOS_BYTES, writeSmbios } from './smbios.ts';
import { SMBIOS_TABLE_GUID } from '../core/spec/smbios.ts';

/** Where Hyper-V puts its firmware, which stays in use: 6 MiB of image, then its tables and blob. */
const FIRMWARE_CODE_GPA = 0x10_0000;
const FIRMWARE_CODE_BYTES = 0x60_0000;
const FIRMWARE_DATA_GPA = 0x70_0000;
const FIRMWARE_DATA_BYTES = 0x10_a000;
/** Below this there is no room for the firmware, a loader and a kernel. */
const LEAST_RAM_BYTES = 32 * 1024 * 1024;
const STACK_BYTES = 0x2_0000;
/** As many descriptors as fit two pages: far more than the firmware makes. */
const MAP_BYTES = 2 * PAGE_BYTES;
/** The addresses of a PC's ROM and video memory, where RAM lies unused. */
const LEGACY_HOLE_GPA = 0xa_0000;
const LEGACY_HOLE_BYTES = 0x2_0000;
const ROM_GPA = 0xc_0000;
const ROM_BYTES = 0x4_0000;

/** Gen-2: UEFI from power-on to the loader's entry point. */
export function bootEfi(options: PowerOnOptions, log: PhaseLog): FirmwareOutcome {
  const { memory } = options;
  if (memory.ramBytes < LEAST_RAM_BYTES) {
    const mib = memory.ramBytes / (1024 * 1024);
    return { phase: 'firmware', reason: `${mib} MiB of RAM, UEFI needs at least 32 MiB` };
  }
  const platform = new EfiPlatform(options);
  log.enter('firmware', 'UEFI');
  const variables = options.variables ?? new VariableStore();
  const { loader, failures } = findLoader({
    devices: [...options.disks, ...options.dvds],
    variables,
    warn: log.warn,
  });
  if (loader === undefined) {
    const reached = failures.find((failure) => failure.hasLoader);
    if (reached !== undefined) log.enter('boot-device', reached.place);
    return nothingBoots(failures);
  }
  for (const { label, reason } of failures) log.warn(`${label}: ${reason}`);
  log.enter('boot-device', loader.volume.place);
  const loaded = loadPe(loader.image, platform.pages);
  if (typeof loaded === 'string') {
    return { phase: 'loader', reason: `${loader.volume.label}: ${loader.filePath} ${loaded}` };
  }
  if (loader.option !== undefined) {
    variables.set('BootCurrent', Uint8Array.of(loader.option.number, loader.option.number >> 8));
  }
  const start = platform.handOff(loader, loaded);
  const bytes = loader.image.file.length;
  log.enter(
    'loader',
    `${loader.filePath}, ${bytes} bytes at 0x${loaded.baseGpa.toString(16)}`,
    bytes,
  );
  return {
    start,
    device: loader.volume.device,
    loader: devicePathText([...loader.volume.path, { kind: 'file', path: loader.filePath }]),
  };
}

/** What the firmware keeps in guest memory. */
class EfiPlatform {
  readonly pages: FirmwareMemory;
  readonly #memory: GuestMemory;
  readonly #tables: FirmwareTables;
  readonly #framebuffer: Framebuffer | undefined;
  readonly #handoffGpa: number;
  readonly #longMode: LongModeTables;
  readonly #mapGpa: number;
  readonly #stackGpa: number;

  constructor(options: PowerOnOptions) {
    const { is } = EfiMemoryType;
    const { memory } = options;
    const pages = new FirmwareMemory(memory);
    this.pages = pages;
    this.#memory = memory;
    this.#framebuffer = options.framebuffer;
    pages.exclude(LEGACY_HOLE_GPA, LEGACY_HOLE_BYTES);
    pages.setType(ROM_GPA, ROM_BYTES, is.Reserved);
    pages.setType(0, PAGE_BYTES, is.BootServicesData);
    pages.setType(FIRMWARE_CODE_GPA, FIRMWARE_CODE_BYTES, is.BootServicesCode);
    pages.setType(FIRMWARE_DATA_GPA, FIRMWARE_DATA_BYTES, is.BootServicesData);
    this.#longMode = writeLongModeTables(pages, FIRMWARE_DATA_GPA);
    const configurationTables: VendorTable[] = [
      { guid: EfiGuid.acpi20Table, gpa: this.#writeAcpi(options) },
    ];
    const smbiosGpa = pages.allocate(SMBIOS_BYTES, is.RuntimeServicesData);
    writeSmbios(options.memory, smbiosGpa, { generation: 2, ramBytes: options.memory.ramBytes });
    configurationTables.push({ guid: SMBIOS_TABLE_GUID, gpa: smbiosGpa });
    this.#mapGpa = pages.allocate(MAP_BYTES, is.LoaderData);
    this.#handoffGpa = pages.allocate(LoaderHandoff.size, is.LoaderData);
    configurationTables.push({ guid: LOADER_HANDOFF_GUID, gpa: this.#handoffGpa });
    this.#stackGpa = pages.allocate(STACK_BYTES, is.BootServicesData);
    this.#tables = new FirmwareTables({
      pages,
      configurationTables,
      ...(options.framebuffer === undefined ? {} : { framebuffer: options.framebuffer }),
    });
  }

  /** @returns the GPA of the RSDP */
  #writeAcpi(options: PowerOnOptions): number {
    const acpi = acpiRun(acpiOptions(options));
    const gpa = this.pages.allocate(acpi.maxBytes, EfiMemoryType.is.AcpiReclaim);
    const nvsGpa = gpa + acpi.maxBytes - acpi.nvsBytes;
    this.pages.setType(nvsGpa, acpi.nvsBytes, EfiMemoryType.is.AcpiNvs);
    return acpi.write(options.memory, gpa);
  }

  /** The last steps before the loader's entry point. */
  handOff(loader: FoundLoader, loaded: LoadedPe) {
    const imageHandle = this.#tables.installLoadedImage({
      baseGpa: loaded.baseGpa,
      imageBytes: loaded.imageBytes,
      devicePath: encodeDevicePath(loader.volume.path),
      filePath: encodeDevicePath([{ kind: 'file', path: loader.filePath }]),
      loadOptions: loader.option?.optionalData ?? new Uint8Array(0),
    });
    this.#writeHandoff();
    return {
      mode: 'efi',
      entryGpa: loaded.entryGpa,
      imageHandle,
      systemTableGpa: this.#tables.systemTableGpa,
      // The entry point finds its stack as after a CALL: 8 below a multiple of 16, and above that
      // the 32 bytes that its convention lets it store its register arguments in.
      stackGpa: this.#stackGpa + STACK_BYTES - 0x28,
      ...this.#longMode,
    } as const;
  }

  #writeHandoff(): void {
    const descriptors = this.pages.descriptors();
    if (descriptors.length > MAP_BYTES) throw new Error('the EFI memory map outgrew its pages');
    this.#memory.writeBytes(this.#mapGpa, descriptors);
    const bytes = new Uint8Array(LoaderHandoff.size);
    const handoff = LoaderHandoff.cursor(new DataView(bytes.buffer)).at(0);
    handoff.memoryMapGpa = BigInt(this.#mapGpa);
    handoff.memoryMapBytes = descriptors.length;
    handoff.descriptorBytes = MEMORY_DESCRIPTOR_STRIDE;
    if (this.#framebuffer !== undefined) {
      handoff.framebufferGpa = BigInt(this.#framebuffer.gpa);
      handoff.framebufferBytes = BigInt(this.#framebuffer.bytes);
      handoff.width = this.#framebuffer.width;
      handoff.height = this.#framebuffer.height;
      handoff.stride = this.#framebuffer.stride;
    }
    this.#memory.writeBytes(this.#handoffGpa, bytes);
  }
}
