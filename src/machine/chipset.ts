import type { InterruptLine, MmioBus, PortBus } from '../core/bus.ts';
import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { Trace } from '../core/trace.ts';
import { AcpiPm } from '../devices/acpi-pm/acpi-pm.ts';
import { ACPI_PM_PORT } from '../devices/acpi-pm/spec.ts';
import { DmaControllers } from '../devices/dma/dma.ts';
import { FloppyController } from '../devices/floppy/controller.ts';
import { CMOS_FLOPPY_1440K, FLOPPY_IRQ } from '../devices/floppy/spec.ts';
import { I8042 } from '../devices/i8042/i8042.ts';
import { IdeController } from '../devices/ide/controller.ts';
import { IoApic } from '../devices/ioapic/ioapic.ts';
import {
  hostBridge,
  isaBridge,
  powerManagement,
  videoFunction,
} from '../devices/pci/board-functions.ts';
import { PciBus } from '../devices/pci/bus.ts';
import { BoardSlot, PCI_INTERRUPT } from '../devices/pci/spec.ts';
import { DualPic } from '../devices/pic/pic.ts';
import { Pit } from '../devices/pit/pit.ts';
import type { PitAnomaly } from '../devices/pit/spec.ts';
import { Rtc } from '../devices/rtc/rtc.ts';
import { TulipAdapter } from '../devices/tulip/adapter.ts';
import { TULIP_FIRST_SLOT } from '../devices/tulip/spec.ts';
import { Uart, type ByteSink } from '../devices/uart/uart.ts';
import { Vga } from '../devices/vga/vga.ts';
import type { Partition } from '../hypervisor/partition.ts';
import type { PacketLink } from '../net/link.ts';
import { COM1_IRQ, COM1_PORT, IO_APIC_BYTES, IO_APIC_GPA, LOW_MMIO_START } from './layout.ts';

/** What the chipset asks of the machine. Called from within guest execution. */
export interface ChipsetHost {
  powerOff(): void;
  reset(): void;
}

export interface ChipsetOptions {
  readonly generation: 1 | 2;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly ports: PortBus;
  readonly mmio: MmioBus;
  readonly partition: Partition;
  readonly memory: GuestMemory;
  readonly trace: Trace;
  readonly pitAnomaly: PitAnomaly | null;
  readonly console: ByteSink;
  readonly host: ChipsetHost;
  /** Network adapters on the PCI bus; Generation 1 only. */
  readonly legacyAdapters: readonly LegacyAdapter[];
}

/** What is behind an emulated network adapter. */
export interface LegacyAdapter {
  readonly mac: Uint8Array;
  readonly link: PacketLink;
}

export interface Chipset {
  readonly ioApic: IoApic;
  readonly com1: Uart;
  readonly acpiPm: AcpiPm;
  readonly rtc: Rtc;
  /** Generation 1 only, and so the five after it. */
  readonly pic: DualPic | undefined;
  readonly pit: Pit | undefined;
  readonly i8042: I8042 | undefined;
  readonly vga: Vga | undefined;
  readonly dma: DmaControllers | undefined;
  readonly floppy: FloppyController | undefined;
  /** Generation 1 only, with the IDE controller on it. */
  readonly pci: PciBus | undefined;
  readonly ide: IdeController | undefined;
}

const NO_PCI = { pci: undefined, ide: undefined };

const PIT_IRQ = 0;
const KEYBOARD_IRQ = 1;
const MOUSE_IRQ = 12;
const RTC_IRQ = 8;
const SCI_IRQ = 9;
/** The MADT's interrupt source override: the timer comes to the I/O APIC on pin 2. */
const PIT_PIN = 2;

/**
 * The emulated devices of a generation. Both have the I/O APIC, COM1, the clock and ACPI's
 * registers; Gen-1 adds the 8259s, the 8254, the keyboard controller, VGA text, the 8237s with the floppy
 * controller, and a PCI bus with the PIIX4, its IDE channels and the emulated network adapters. A Gen-1 interrupt goes to the 8259s and to the I/O APIC, and whichever
 * the guest has programmed delivers it.
 */
export function buildChipset(options: ChipsetOptions): Chipset {
  const { generation, clock, events, ports, mmio, partition, host } = options;
  const ioApic = new IoApic((...interrupt) => partition.assertInterrupt(...interrupt));
  mmio.attach(IO_APIC_GPA, IO_APIC_BYTES, ioApic);
  const pic = generation === 1 ? new DualPic(() => partition.externalRaised()) : undefined;
  if (pic !== undefined) {
    pic.attach(ports);
    partition.attachExternal(pic);
  }
  const line = (irq: number, pin = irq): InterruptLine => ({
    set: (active) => {
      pic?.setLine(irq, active);
      ioApic.setLine(pin, active);
    },
  });
  const com1 = new Uart({ port: COM1_PORT, line: line(COM1_IRQ), events, host: options.console });
  com1.attach(ports);
  const acpiPm = new AcpiPm({ line: line(SCI_IRQ), clock, events, host });
  acpiPm.attach(ports);
  const rtc = new Rtc({
    line: line(RTC_IRQ),
    clock,
    events,
    ramBytes: options.memory.ramBytes,
    lowGapStart: LOW_MMIO_START,
    ...(generation === 1 ? { floppyType: CMOS_FLOPPY_1440K } : {}),
  });
  rtc.attach(ports);
  const vga = generation === 1 ? new Vga() : undefined;
  vga?.attach(ports);
  let pit: Pit | undefined;
  let i8042: I8042 | undefined;
  let dma: DmaControllers | undefined;
  let floppy: FloppyController | undefined;
  if (generation === 1) {
    const anomaly = options.pitAnomaly;
    pit = new Pit({ line: line(PIT_IRQ, PIT_PIN), clock, events, anomaly });
    pit.attach(ports);
    // The A20 gate is open on Hyper-V whatever a guest writes.
    const keyboardHost = { reset: () => host.reset(), setA20: () => undefined };
    i8042 = new I8042({
      line: line(KEYBOARD_IRQ),
      mouseLine: line(MOUSE_IRQ),
      events,
      host: keyboardHost,
    });
    i8042.attach(ports);
    dma = new DmaControllers(options.memory);
    dma.attach(ports);
    floppy = new FloppyController({ line: line(FLOPPY_IRQ), events, trace: options.trace, dma });
    floppy.attach(ports);
  }
  const { pci, ide } = generation === 1 ? buildPci(options, line) : NO_PCI;
  return { ioApic, com1, acpiPm, rtc, pic, pit, i8042, vga, dma, floppy, pci, ide };
}

/** Bus 0 of a Gen-1 board. */
function buildPci(
  { ports, mmio, events, memory, trace, host, legacyAdapters }: ChipsetOptions,
  line: (irq: number) => InterruptLine,
): Pick<Chipset, 'pci' | 'ide'> {
  const pci = new PciBus(() => host.reset(), line(PCI_INTERRUPT));
  pci.attach(ports);
  pci.plugIn(BoardSlot.hostBridge, hostBridge());
  pci.plugIn(BoardSlot.isaBridge, isaBridge());
  const ide = new IdeController({ line, events, memory, trace });
  ide.attach(ports);
  pci.plugIn(BoardSlot.ide, ide);
  pci.plugIn(BoardSlot.powerManagement, powerManagement(ACPI_PM_PORT));
  pci.plugIn(BoardSlot.video, videoFunction(LOW_MMIO_START));
  for (const [index, { mac, link }] of legacyAdapters.entries()) {
    const slot = TULIP_FIRST_SLOT + index;
    const interrupt = pci.interruptOf(slot);
    const adapter = new TulipAdapter({ index, mac, link, line: interrupt, events, memory, trace });
    adapter.attach(ports, mmio);
    pci.plugIn({ device: slot, function: 0 }, adapter);
  }
  return { pci, ide };
}
