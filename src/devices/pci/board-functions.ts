/** The functions of a Generation-1 board without behaviour of their own: registers, as firmware leaves them. */
import { PciFunction } from './function.ts';
import {
  HOST_BRIDGE_ID,
  HOST_BRIDGE_REVISION,
  HYPERV_VGA_ID,
  PCI_BAR_IO,
  PCI_HEADER_MULTI_FUNCTION,
  PCI_INTERRUPT,
  PciClass,
  PciCommand,
  PciRegister,
  PciVendor,
  PIIX4_ISA_ID,
  PIIX4_POWER_MANAGEMENT_ID,
  PIIX4_POWER_MANAGEMENT_REVISION,
  PIIX4_REVISION,
} from './spec.ts';

const { io, memory, busMaster } = PciCommand;

/** 82443BX data sheet, 3.3: the registers of DRAM and of shadowing are kept and do nothing. */
const ATTRIBUTE_MAPS = 0x59;
const ATTRIBUTE_MAP_COUNT = 7;
const SMRAM_CONTROL = 0x72;

export function hostBridge(): PciFunction {
  const bridge = new PciFunction({
    vendorId: PciVendor.intel,
    deviceId: HOST_BRIDGE_ID,
    revision: HOST_BRIDGE_REVISION,
    classCode: PciClass.hostBridge,
    command: memory | busMaster,
    commandMask: 0,
  });
  for (let index = 0; index < ATTRIBUTE_MAP_COUNT; index += 1) {
    bridge.define(ATTRIBUTE_MAPS + index, 1, 0x33, 0x33);
  }
  bridge.define(SMRAM_CONTROL, 1, 0x02, 0x78);
  return bridge;
}

/** 82371AB data sheet, 4.1. */
const INTERRUPT_ROUTES = 0x60;
const ROUTE_DISABLED = 0x80;
const SERIAL_INTERRUPTS = 0x64;
const TOP_OF_MEMORY = 0x69;

export function isaBridge(): PciFunction {
  const bridge = new PciFunction({
    vendorId: PciVendor.intel,
    deviceId: PIIX4_ISA_ID,
    revision: PIIX4_REVISION,
    classCode: PciClass.isaBridge,
    headerType: PCI_HEADER_MULTI_FUNCTION,
    command: io | memory | busMaster,
    commandMask: 0,
  });
  bridge.define(INTERRUPT_ROUTES, 1, PCI_INTERRUPT, 0x8f);
  for (let pin = 1; pin < 4; pin += 1) {
    bridge.define(INTERRUPT_ROUTES + pin, 1, ROUTE_DISABLED, 0x8f);
  }
  bridge.define(SERIAL_INTERRUPTS, 1, 0x10, 0xff);
  bridge.define(TOP_OF_MEMORY, 1, 0x02, 0xff);
  return bridge;
}

/** 82371AB data sheet, 7.1. */
const POWER_MANAGEMENT_BASE = 0x40;
const POWER_MANAGEMENT_ENABLE = 0x80;

/** @param port where the ACPI registers are; they do not move */
export function powerManagement(port: number): PciFunction {
  const bridge = new PciFunction({
    vendorId: PciVendor.intel,
    deviceId: PIIX4_POWER_MANAGEMENT_ID,
    revision: PIIX4_POWER_MANAGEMENT_REVISION,
    classCode: PciClass.otherBridge,
    command: io,
    commandMask: 0,
  });
  bridge.define(POWER_MANAGEMENT_BASE, 4, port | PCI_BAR_IO);
  bridge.define(POWER_MANAGEMENT_ENABLE, 1, 0x01);
  return bridge;
}

/** The display's window of memory. It stands where firmware put it, whatever a guest writes. */
const VIDEO_BAR_BYTES = 0x400_0000;

/** @param gpa of the video memory, a multiple of 64 MiB */
export function videoFunction(gpa: number): PciFunction {
  const video = new PciFunction({
    vendorId: PciVendor.microsoft,
    deviceId: HYPERV_VGA_ID,
    revision: 0,
    classCode: PciClass.vga,
    command: io | memory | busMaster,
    commandMask: io | memory | busMaster,
  });
  video.define(PciRegister.bar0, 4, gpa, -VIDEO_BAR_BYTES >>> 0);
  video.define(PciRegister.interruptLine, 1, PCI_INTERRUPT, 0xff);
  video.define(PciRegister.interruptPin, 1, 1);
  return video;
}
