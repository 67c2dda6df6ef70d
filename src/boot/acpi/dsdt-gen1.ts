/** The namespace of a Gen-1 machine: a 440BX board with VMBus on its ISA bridge. */
import {
  type Aml,
  buffer,
  device,
  eisaId,
  integer,
  join,
  name,
  packageOf,
  processor,
  scope,
} from './aml.ts';
import {
  apicPages,
  generationCounter,
  generationEvent,
  processorName,
  realTimeClock,
  serialPorts,
  sleepStates,
  vmbusDevice,
} from './dsdt-common.ts';
import type { AcpiOptions } from './options.ts';
import {
  type AddressWindow,
  busNumbers,
  currentResources,
  dma,
  dwordMemory,
  io,
  irq,
  qwordMemory,
  wordIo,
} from './resources.ts';

/** PCI configuration ports, which the host bridge keeps for itself. */
const CONFIGURATION_PORT = 0xcf8;
const CONFIGURATION_PORTS = 8;
/** The interrupt that every PCI function is wired to. */
const PCI_INTERRUPT = 11;
/** Devices on bus 0 with an interrupt pin: video, and the emulated network adapters. */
const PCI_DEVICES_WITH_PIN = [0x08, 0x0a, 0x0b, 0x0c, 0x0d];
const ANY_FUNCTION = 0xffff;
const VGA_MEMORY: AddressWindow = { start: 0xa_0000, bytes: 0x2_0000 };
const PIIX4_ISA_BRIDGE = 0x0007_0000;
const PIIX4_IDE = 0x0007_0001;

/** ACPI 6.5, 9.8.1: nothing is known of a tape drive. */
const FDE_TAPE_UNKNOWN = 2;

/** Ports of the board that no device of its own describes. */
const BOARD_PORTS: readonly (readonly [number, number])[] = [
  [0x370, 0x02],
  [0x400, 0x40],
  [0x440, 0x10],
  [0x4d0, 0x02],
];

function routing(): Aml {
  const entries = PCI_DEVICES_WITH_PIN.map((number) =>
    packageOf(
      integer(number * 0x1_0000 + ANY_FUNCTION),
      integer(0),
      integer(0),
      integer(PCI_INTERRUPT),
    ),
  );
  return name('_PRT', packageOf(...entries));
}

/** A device on the ISA bridge that has nothing but an id and its resources. */
function isaDevice(object: string, id: string, ...resources: readonly Aml[]): Aml {
  return device(object, name('_HID', eisaId(id)), currentResources(...resources));
}

/** The floppy controller around the IDE channel's port. _FDE says which of its four drives are there. */
function floppyController(): Aml {
  const drives = [1, 0, 0, 0, FDE_TAPE_UNKNOWN];
  return device(
    'FDC0',
    name('_HID', eisaId('PNP0700')),
    currentResources(io(0x3f0, 6), io(0x3f7, 1), irq(6), dma(2)),
    name('_FDE', buffer(drives.flatMap((value) => [value, 0, 0, 0]))),
  );
}

function isaBridge(options: AcpiOptions): Aml {
  return device(
    'SBRG',
    name('_ADR', integer(PIIX4_ISA_BRIDGE)),
    isaDevice('PIC', 'PNP0000', io(0x20, 2), io(0xa0, 2), irq(2)),
    isaDevice('DMAC', 'PNP0200', io(0x00, 16), io(0x81, 15), io(0xc0, 32), dma(4)),
    isaDevice('TMR', 'PNP0100', io(0x40, 4), irq(0)),
    realTimeClock(),
    isaDevice('SPKR', 'PNP0800', io(0x61, 1)),
    isaDevice('KBC', 'PNP0303', io(0x60, 1), io(0x64, 1), irq(1)),
    isaDevice('PS2M', 'PNP0F03', irq(12)),
    ...serialPorts(options),
    floppyController(),
    device(
      'SYSR',
      name('_HID', eisaId('PNP0C02')),
      name('_UID', integer(0)),
      currentResources(...BOARD_PORTS.map(([port, count]) => io(port, count))),
    ),
    vmbusDevice('VMB8', options.vmbusIrqs ?? [5, 7]),
  );
}

function pciRoot(options: AcpiOptions): Aml {
  const after = CONFIGURATION_PORT + CONFIGURATION_PORTS;
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_UID', integer(0)),
    name('_BBN', integer(0)),
    currentResources(
      busNumbers(1),
      io(CONFIGURATION_PORT, CONFIGURATION_PORTS),
      wordIo({ start: 0, bytes: CONFIGURATION_PORT }),
      wordIo({ start: after, bytes: 0x1_0000 - after }),
      dwordMemory(VGA_MEMORY),
      dwordMemory(options.lowMmio),
      qwordMemory(options.highMmio),
    ),
    routing(),
    isaBridge(options),
    device('IDE0', name('_ADR', integer(PIIX4_IDE))),
  );
}

export function gen1Namespace(options: AcpiOptions, nvsGpa: number): Aml {
  const uids = Array.from({ length: options.processorCount }, (_, index) => index + 1);
  return join(
    [],
    [
      ...sleepStates(),
      scope('\\_PR', ...uids.map((uid) => processor(processorName(uid), uid))),
      scope('\\_SB', pciRoot(options), apicPages()),
      generationCounter(nvsGpa),
      generationEvent(),
    ],
  );
}
