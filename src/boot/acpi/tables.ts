/** The tables themselves, as bytes with length and checksum. */
import { latin1 } from '../../core/text.ts';
import type { Aml } from './aml.ts';
import { gen1Namespace } from './dsdt-gen1.ts';
import { gen2Namespace } from './dsdt-gen2.ts';
import type { AcpiOptions } from './options.ts';
import {
  BootArchitecture,
  Facs,
  Fadt,
  FADT_BYTES_V2,
  FadtFlags,
  GenericAddress,
  IO_APIC_GPA,
  LOCAL_APIC_GPA,
  Madt,
  MADT_ALL_PROCESSORS,
  MADT_LEVEL_HIGH,
  MadtIoApic,
  MadtLocalApic,
  MadtLocalApicNmi,
  MadtLocalX2Apic,
  MadtOverride,
  MadtType,
  MAX_XAPIC_ID,
  Rsdp,
  RSDP_BYTES_V1,
  SCI_INTERRUPT,
  Srat,
  SratMemory,
  SratProcessor,
  SratType,
  SratX2Apic,
  TableHeader,
  Waet,
} from './spec.ts';
import { ACPI_PM_PORT, AcpiPmRegister, RESET_VALUE } from '../../devices/acpi-pm/spec.ts';

/** Of a table's header, where it is not that of the rest. */
interface Identity {
  readonly oemId: string;
  readonly oemTableId: string;
  readonly oemRevision: number;
  readonly creatorId: string;
  readonly creatorRevision: number;
}

const GEN1: Identity = {
  oemId: 'VRTUAL',
  oemTableId: 'MICROSFT',
  oemRevision: 0x0600_1702,
  creatorId: 'MSFT',
  creatorRevision: 0x97,
};
const GEN2: Identity = { ...GEN1, oemRevision: 1, creatorRevision: 1 };
const GEN1_DSDT: Identity = {
  oemId: 'MSFTVM',
  oemTableId: 'MSFTVM02',
  oemRevision: 2,
  creatorId: 'MSFT',
  creatorRevision: 0x0500_0000,
};
const GEN2_DSDT: Identity = { ...GEN1_DSDT, oemTableId: 'DSDT01', oemRevision: 1 };

const RTC_CENTURY_REGISTER = 0x32;
const NO_C2_US = 101;
const NO_C3_US = 1001;

/** Makes all bytes of a range add up to 0. */
export function seal(bytes: Uint8Array, checksumAt: number, length = bytes.length): void {
  bytes[checksumAt] = 0;
  let sum = 0;
  for (let index = 0; index < length; index += 1) sum += bytes[index]!;
  bytes[checksumAt] = -sum & 0xff;
}

/** Fills in the header of a table whose body is complete. */
function finish(
  bytes: Uint8Array,
  signature: string,
  revision: number,
  identity: Identity,
): Uint8Array {
  const header = TableHeader.cursor(new DataView(bytes.buffer)).at(0);
  header.signature = latin1(signature);
  header.length = bytes.length;
  header.revision = revision;
  header.oemId = latin1(identity.oemId);
  header.oemTableId = latin1(identity.oemTableId.padEnd(8));
  header.oemRevision = identity.oemRevision;
  header.creatorId = latin1(identity.creatorId);
  header.creatorRevision = identity.creatorRevision;
  seal(bytes, TableHeader.offset.checksum);
  return bytes;
}

function identityOf(options: AcpiOptions): Identity {
  return options.generation === 1 ? GEN1 : GEN2;
}

export function dsdt(options: AcpiOptions, nvsGpa: number): Uint8Array {
  const isGen1 = options.generation === 1;
  const terms: Aml = isGen1 ? gen1Namespace(options, nvsGpa) : gen2Namespace(options, nvsGpa);
  const bytes = new Uint8Array(TableHeader.size + terms.length);
  bytes.set(terms, TableHeader.size);
  // Revision 1 means integers of 32 bits, 2 of 64.
  return finish(bytes, 'DSDT', isGen1 ? 1 : 2, isGen1 ? GEN1_DSDT : GEN2_DSDT);
}

function ioRegister(offset: number, bytes: number, accessBytes: number): Uint8Array {
  const register = new Uint8Array(GenericAddress.size);
  const address = GenericAddress.cursor(new DataView(register.buffer)).at(0);
  address.space = 1;
  address.bitWidth = bytes * 8;
  address.accessSize = Math.log2(accessBytes) + 1;
  address.addressLo = ACPI_PM_PORT + offset;
  return register;
}

export function fadt(options: AcpiOptions, dsdtGpa: number, facsGpa: number): Uint8Array {
  return options.generation === 1 ? fadtGen1(dsdtGpa, facsGpa) : fadtGen2(dsdtGpa, facsGpa);
}

function fadtCommon(bytes: Uint8Array): ReturnType<typeof Fadt.cursor> {
  const table = Fadt.cursor(new DataView(bytes.buffer)).at(0);
  table.sciInterrupt = SCI_INTERRUPT;
  table.pm1EventBytes = 4;
  table.pm1ControlBytes = 2;
  table.pmTimerBytes = 4;
  table.gpe0Bytes = 4;
  table.c2LatencyUs = NO_C2_US;
  table.c3LatencyUs = NO_C3_US;
  table.centuryRegister = RTC_CENTURY_REGISTER;
  table.resetRegister = ioRegister(AcpiPmRegister.reset, 1, 1);
  table.resetValue = RESET_VALUE;
  return table;
}

/**
 * ACPI 2.0's, with ports in the 32-bit fields. No SMI command port on either generation: the
 * machine is in ACPI mode from the start.
 */
function fadtGen1(dsdtGpa: number, facsGpa: number): Uint8Array {
  const whole = new Uint8Array(Fadt.size);
  const table = fadtCommon(whole);
  const { bit } = FadtFlags;
  table.facsGpa = facsGpa;
  table.dsdtGpa = dsdtGpa;
  table.pm1aEventPort = ACPI_PM_PORT + AcpiPmRegister.pm1Status;
  table.pm1aControlPort = ACPI_PM_PORT + AcpiPmRegister.pm1Control;
  table.pmTimerPort = ACPI_PM_PORT + AcpiPmRegister.timer;
  table.gpe0Port = ACPI_PM_PORT + AcpiPmRegister.gpe0Status;
  table.bootArchitecture = BootArchitecture.bit.LEGACY_DEVICES | BootArchitecture.bit.I8042;
  table.flags =
    bit.WBINVD | bit.PROC_C1 | bit.SLP_BUTTON | bit.RTC_S4 | bit.TMR_VAL_EXT | bit.RESET_REG_SUP;
  return finish(whole.slice(0, FADT_BYTES_V2), 'FACP', 2, GEN1);
}

/** ACPI 6.2's, not hardware-reduced, with everything in the extended fields. */
function fadtGen2(dsdtGpa: number, facsGpa: number): Uint8Array {
  const bytes = new Uint8Array(Fadt.size);
  const table = fadtCommon(bytes);
  const { bit } = FadtFlags;
  table.minorVersion = 2;
  table.bootArchitecture = BootArchitecture.bit.VGA_NOT_PRESENT;
  table.flags =
    bit.WBINVD |
    bit.PROC_C1 |
    bit.PWR_BUTTON |
    bit.SLP_BUTTON |
    bit.TMR_VAL_EXT |
    bit.RESET_REG_SUP |
    bit.USE_PLATFORM_CLOCK;
  table.xFacsGpa = BigInt(facsGpa);
  table.xDsdtGpa = BigInt(dsdtGpa);
  table.xPm1aEvent = ioRegister(AcpiPmRegister.pm1Status, 4, 2);
  table.xPm1aControl = ioRegister(AcpiPmRegister.pm1Control, 2, 2);
  table.xPmTimer = ioRegister(AcpiPmRegister.timer, 4, 4);
  table.xGpe0 = ioRegister(AcpiPmRegister.gpe0Status, 4, 2);
  table.sleepControl = ioRegister(AcpiPmRegister.pm1Control + 1, 1, 1);
  table.sleepStatus = ioRegister(AcpiPmRegister.pm1Status + 1, 1, 1);
  table.hypervisorVendor = latin1('MsHyperV');
  return finish(bytes, 'FACP', 6, GEN2);
}

export function facs(): Uint8Array {
  const bytes = new Uint8Array(Facs.size);
  const table = Facs.cursor(new DataView(bytes.buffer)).at(0);
  table.signature = latin1('FACS');
  table.length = Facs.size;
  table.version = 1;
  return bytes;
}

/** Local APICs with UIDs from 1, the I/O APIC, and where ISA interrupts arrive on it. */
export function madt(options: AcpiOptions): Uint8Array {
  const isGen1 = options.generation === 1;
  const apicIds = Array.from({ length: options.processorCount }, (_, index) => index);
  const wide = apicIds.filter((id) => id > MAX_XAPIC_ID).length;
  const overrides = isGen1 ? 2 : 1;
  const bytes = new Uint8Array(
    Madt.size +
      (apicIds.length - wide) * MadtLocalApic.size +
      wide * MadtLocalX2Apic.size +
      MadtLocalApicNmi.size +
      MadtIoApic.size +
      overrides * MadtOverride.size,
  );
  const view = new DataView(bytes.buffer);
  const table = Madt.cursor(view).at(0);
  table.localApicGpa = LOCAL_APIC_GPA;
  table.flags = isGen1 ? 1 : 0;
  let at = Madt.size;
  for (const apicId of apicIds) at += writeProcessor(view, at, apicId);
  const nmi = MadtLocalApicNmi.cursor(view).at(at);
  nmi.type = MadtType.localApicNmi;
  nmi.length = MadtLocalApicNmi.size;
  nmi.processorUid = MADT_ALL_PROCESSORS;
  nmi.lint = 1;
  at += MadtLocalApicNmi.size;
  const ioApic = MadtIoApic.cursor(view).at(at);
  ioApic.type = MadtType.ioApic;
  ioApic.length = MadtIoApic.size;
  ioApic.gpa = IO_APIC_GPA;
  at += MadtIoApic.size;
  // The PIT of Gen-1 arrives on pin 2, which the cascade of the PICs leaves free.
  if (isGen1) at += writeOverride(view, at, 0, 2, 0);
  writeOverride(view, at, SCI_INTERRUPT, SCI_INTERRUPT, MADT_LEVEL_HIGH);
  return finish(bytes, 'APIC', isGen1 ? 1 : 4, identityOf(options));
}

function writeProcessor(view: DataView, at: number, apicId: number): number {
  if (apicId > MAX_XAPIC_ID) {
    const entry = MadtLocalX2Apic.cursor(view).at(at);
    entry.type = MadtType.localX2Apic;
    entry.length = MadtLocalX2Apic.size;
    entry.apicId = apicId;
    entry.processorUid = apicId + 1;
    entry.flags = 1;
    return MadtLocalX2Apic.size;
  }
  const entry = MadtLocalApic.cursor(view).at(at);
  entry.type = MadtType.localApic;
  entry.length = MadtLocalApic.size;
  entry.processorUid = apicId + 1;
  entry.apicId = apicId;
  entry.flags = 1;
  return MadtLocalApic.size;
}

function writeOverride(
  view: DataView,
  at: number,
  irq: number,
  globalInterrupt: number,
  flags: number,
): number {
  const entry = MadtOverride.cursor(view).at(at);
  entry.type = MadtType.override;
  entry.length = MadtOverride.size;
  entry.irq = irq;
  entry.globalInterrupt = globalInterrupt;
  entry.flags = flags;
  return MadtOverride.size;
}

/** One NUMA node with every processor and all RAM. */
export function srat(options: AcpiOptions): Uint8Array {
  const narrow = Math.min(options.processorCount, MAX_XAPIC_ID + 1);
  const wide = options.processorCount - narrow;
  const bytes = new Uint8Array(
    Srat.size +
      narrow * SratProcessor.size +
      wide * SratX2Apic.size +
      options.ram.length * SratMemory.size,
  );
  const view = new DataView(bytes.buffer);
  Srat.cursor(view).at(0).tableRevision = 1;
  let at = Srat.size;
  for (let apicId = 0; apicId < options.processorCount; apicId += 1) {
    const isWide = apicId > MAX_XAPIC_ID;
    const entry = (isWide ? SratX2Apic.cursor(view) : SratProcessor.cursor(view)).at(at);
    entry.type = isWide ? SratType.x2Apic : SratType.processor;
    entry.length = isWide ? SratX2Apic.size : SratProcessor.size;
    entry.apicId = apicId;
    entry.flags = 1;
    at += entry.length;
  }
  const memory = SratMemory.cursor(view);
  for (const { start, bytes: length } of options.ram) {
    memory.at(at);
    memory.type = SratType.memory;
    memory.length = SratMemory.size;
    memory.base = BigInt(start);
    memory.bytes = BigInt(length);
    memory.flags = 1;
    at += SratMemory.size;
  }
  return finish(bytes, 'SRAT', 2, identityOf(options));
}

/** Both the RTC and the PM timer are read right at once. */
export function waet(options: AcpiOptions): Uint8Array {
  const bytes = new Uint8Array(Waet.size);
  Waet.cursor(new DataView(bytes.buffer)).at(0).flags = 3;
  return finish(bytes, 'WAET', 1, identityOf(options));
}

/** Hyper-V's table of random bytes. */
export function oem0(options: AcpiOptions, entropy: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(TableHeader.size + entropy.length);
  bytes.set(entropy, TableHeader.size);
  return finish(bytes, 'OEM0', 1, identityOf(options));
}

/** RSDT on Gen-1, XSDT on Gen-2. */
export function rootTable(options: AcpiOptions, gpas: readonly number[]): Uint8Array {
  const isGen1 = options.generation === 1;
  const entryBytes = isGen1 ? 4 : 8;
  const bytes = new Uint8Array(TableHeader.size + gpas.length * entryBytes);
  const view = new DataView(bytes.buffer);
  for (const [index, gpa] of gpas.entries()) {
    const at = TableHeader.size + index * entryBytes;
    if (isGen1) view.setUint32(at, gpa, true);
    else view.setBigUint64(at, BigInt(gpa), true);
  }
  return finish(bytes, isGen1 ? 'RSDT' : 'XSDT', 1, identityOf(options));
}

export function rsdp(options: AcpiOptions, rootGpa: number): Uint8Array {
  const isGen1 = options.generation === 1;
  const bytes = new Uint8Array(Rsdp.size);
  const table = Rsdp.cursor(new DataView(bytes.buffer)).at(0);
  table.signature = latin1('RSD PTR ');
  table.oemId = latin1(isGen1 ? 'ACPIAM' : 'VRTUAL');
  if (isGen1) {
    table.rsdtGpa = rootGpa;
    seal(bytes, Rsdp.offset.checksum, RSDP_BYTES_V1);
    return bytes.slice(0, RSDP_BYTES_V1);
  }
  table.revision = 2;
  table.length = Rsdp.size;
  table.xsdtGpa = BigInt(rootGpa);
  seal(bytes, Rsdp.offset.checksum, RSDP_BYTES_V1);
  seal(bytes, Rsdp.offset.extendedChecksum);
  return bytes;
}
