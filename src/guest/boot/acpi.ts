/** ACPI tables as the kernel reads them, out of guest memory (ACPI 6.5, chapter 5). */
import type { GuestMemory } from '../../core/memory.ts';

const SDT_HEADER_BYTES = 36;
/** No table of a small machine is larger; longer ones are damaged. */
const MAX_TABLE_BYTES = 0x10_0000;
const MAX_TABLES = 64;
/** How far from its _HID the resources of the VMBus device may lie. */
const VMBUS_DEVICE_BYTES = 160;

export interface SystemTable {
  readonly signature: string;
  readonly gpa: number;
  /** Position in the linear memory. */
  readonly offset: number;
  readonly bytes: number;
  readonly oemId: string;
  readonly oemTableId: string;
}

export interface ProcessorEntry {
  readonly apicId: number;
  readonly isEnabled: boolean;
}

export interface Madt {
  readonly localApicGpa: number;
  readonly processors: readonly ProcessorEntry[];
  readonly ioApics: readonly {
    readonly id: number;
    readonly gpa: number;
    readonly firstInterrupt: number;
  }[];
  /** Global system interrupts of ISA interrupts that are not wired one to one. */
  readonly overrides: ReadonlyMap<number, number>;
}

export interface Fadt {
  readonly facsSignature: string;
  readonly dsdtGpa: number;
  readonly pmTimerPort: number;
  /** TMR_VAL_EXT: the timer counts 32 bits, not 24. */
  readonly isPmTimer32: boolean;
  readonly pm1aControlPort: number;
  readonly resetPort: number;
  readonly resetValue: number;
  /** HW_REDUCED_ACPI or an empty PM1a block: there is nothing to write. */
  readonly hasReset: boolean;
}

export class AcpiTables {
  readonly #memory: GuestMemory;
  readonly tables: readonly SystemTable[];

  private constructor(memory: GuestMemory, tables: readonly SystemTable[]) {
    this.#memory = memory;
    this.tables = tables;
  }

  /** @returns undefined when the RSDP or its root table is not sound */
  static read(memory: GuestMemory, rsdpGpa: number): AcpiTables | undefined {
    const rsdp = memory.resolve(rsdpGpa, 36);
    if (rsdp < 0 || text(memory, rsdp, 8) !== 'RSD PTR ') return undefined;
    const isVersion2 = memory.view.getUint8(rsdp + 15) >= 2;
    const xsdt = isVersion2 ? gpaAt(memory, rsdp + 24) : 0;
    const root = readTable(memory, xsdt !== 0 ? xsdt : memory.view.getUint32(rsdp + 16, true));
    if (root === undefined) return undefined;
    const entryBytes = root.signature === 'XSDT' ? 8 : 4;
    const count = Math.min(MAX_TABLES, Math.floor((root.bytes - SDT_HEADER_BYTES) / entryBytes));
    const tables: SystemTable[] = [];
    for (let index = 0; index < count; index += 1) {
      const at = root.offset + SDT_HEADER_BYTES + index * entryBytes;
      const gpa = entryBytes === 8 ? gpaAt(memory, at) : memory.view.getUint32(at, true);
      const table = readTable(memory, gpa);
      if (table !== undefined) tables.push(table);
    }
    return new AcpiTables(memory, tables);
  }

  find(signature: string): SystemTable | undefined {
    return this.tables.find((table) => table.signature === signature);
  }

  madt(): Madt | undefined {
    const table = this.find('APIC');
    if (table === undefined || table.bytes < 44) return undefined;
    const view = this.#memory.view;
    const processors: ProcessorEntry[] = [];
    const ioApics: { id: number; gpa: number; firstInterrupt: number }[] = [];
    const overrides = new Map<number, number>();
    let at = table.offset + 44;
    const end = table.offset + table.bytes;
    while (at + 2 <= end) {
      const type = view.getUint8(at);
      const length = view.getUint8(at + 1);
      if (length < 2 || at + length > end) break;
      if (type === 0 && length >= 8) {
        const isEnabled = (view.getUint32(at + 4, true) & 1) !== 0;
        processors.push({ apicId: view.getUint8(at + 3), isEnabled });
      } else if (type === 9 && length >= 16) {
        const isEnabled = (view.getUint32(at + 8, true) & 1) !== 0;
        processors.push({ apicId: view.getUint32(at + 4, true), isEnabled });
      } else if (type === 1 && length >= 12) {
        const gpa = view.getUint32(at + 4, true);
        ioApics.push({
          id: view.getUint8(at + 2),
          gpa,
          firstInterrupt: view.getUint32(at + 8, true),
        });
      } else if (type === 2 && length >= 10) {
        overrides.set(view.getUint8(at + 3), view.getUint32(at + 4, true));
      }
      at += length;
    }
    const localApicGpa = view.getUint32(table.offset + 36, true);
    return { localApicGpa, processors, ioApics, overrides };
  }

  fadt(): Fadt | undefined {
    const table = this.find('FACP');
    if (table === undefined || table.bytes < 116) return undefined;
    const { view } = this.#memory;
    const at = table.offset;
    const flags = view.getUint32(at + 112, true);
    const isLong = table.bytes >= 148;
    const dsdt64 = isLong ? gpaAt(this.#memory, at + 140) : 0;
    /** A port: the 64-bit form (a generic address, ACPI 6.5, 5.2.3.2) wins where it is not zero. */
    const port = (legacy: number, extended: number): number => {
      const isIo = table.bytes >= extended + 12 && view.getUint8(at + extended) === 1;
      const wide = isIo ? gpaAt(this.#memory, at + extended + 4) & 0xffff : 0;
      return wide !== 0 ? wide : view.getUint32(at + legacy, true);
    };
    const hasReset = (flags & 0x400) !== 0 && table.bytes >= 129 && view.getUint8(at + 116) === 1;
    return {
      facsSignature: table.signature,
      dsdtGpa: dsdt64 !== 0 ? dsdt64 : view.getUint32(at + 40, true),
      pmTimerPort: port(76, 208),
      isPmTimer32: (flags & 0x100) !== 0,
      pm1aControlPort: port(64, 172),
      resetPort: hasReset ? gpaAt(this.#memory, at + 120) & 0xffff : 0,
      resetValue: hasReset ? view.getUint8(at + 128) : 0,
      hasReset,
    };
  }

  /** The differentiated table: the namespace, in AML. */
  dsdt(): SystemTable | undefined {
    const fadt = this.fadt();
    return fadt === undefined ? undefined : readTable(this.#memory, fadt.dsdtGpa);
  }

  /** Whether any definition block holds a text: `"VMBus"` names the bus by its _HID. */
  namespaceHas(word: string): boolean {
    const dsdt = this.dsdt();
    const blocks = this.tables.filter((table) => table.signature === 'SSDT');
    if (dsdt !== undefined) blocks.unshift(dsdt);
    return blocks.some((block) => this.#indexOf(block, word) >= 0);
  }

  /** " irq 5", from the first IRQ descriptor after the bus's name; '' when there is none. */
  vmbusInterrupt(): string {
    const dsdt = this.dsdt();
    const name = dsdt === undefined ? -1 : this.#indexOf(dsdt, 'VMBus');
    if (dsdt === undefined || name < 0) return '';
    const { u8 } = this.#memory;
    const end = Math.min(dsdt.offset + dsdt.bytes - 2, name + VMBUS_DEVICE_BYTES);
    for (let at = name; at < end; at += 1) {
      // Small resource item 4 (IRQ), two or three bytes long: a mask of sixteen interrupts.
      if (u8[at] !== 0x22 && u8[at] !== 0x23) continue;
      const mask = u8[at + 1]! | (u8[at + 2]! << 8);
      if (mask !== 0 && (mask & (mask - 1)) === 0) return ` irq ${31 - Math.clz32(mask)}`;
    }
    return '';
  }

  /** SLP_TYPa of \_S5: the first element of its package; -1 when there is none. */
  sleepTypeS5(): number {
    const dsdt = this.dsdt();
    const name = dsdt === undefined ? -1 : this.#indexOf(dsdt, '_S5_');
    if (name < 0) return -1;
    const { view } = this.#memory;
    let at = name + 4;
    if (view.getUint8(at) !== 0x12) return -1;
    // PkgLength: the top two bits of its first byte count the bytes that follow.
    at += 1 + 1 + (view.getUint8(at + 1) >> 6) + 1;
    const opcode = view.getUint8(at);
    if (opcode === 0x0a) return view.getUint8(at + 1);
    return opcode <= 1 ? opcode : -1;
  }

  #indexOf(table: SystemTable, word: string): number {
    const { u8 } = this.#memory;
    const first = word.charCodeAt(0);
    const last = table.offset + table.bytes - word.length;
    for (let at = table.offset + SDT_HEADER_BYTES; at <= last; at += 1) {
      if (u8[at] === first && text(this.#memory, at, word.length) === word) return at;
    }
    return -1;
  }
}

/** Gen-1: the first RSDP in the EBDA's first KiB or the BIOS area; -1 when there is none. */
export function scanForRsdp(memory: GuestMemory): number {
  const bda = memory.resolve(0x40e, 2);
  const ebda = bda < 0 ? 0 : memory.view.getUint16(bda, true) * 16;
  const areas: [number, number][] = [[0xe_0000, 0x2_0000]];
  if (ebda >= 0x8_0000 && ebda < 0xa_0000) areas.unshift([ebda, 1024]);
  for (const [start, bytes] of areas) {
    const base = memory.resolve(start, bytes);
    if (base < 0) continue;
    for (let at = 0; at + 20 <= bytes; at += 16) {
      if (memory.u8[base + at] === 0x52 && text(memory, base + at, 8) === 'RSD PTR ') {
        return start + at;
      }
    }
  }
  return -1;
}

function readTable(memory: GuestMemory, gpa: number): SystemTable | undefined {
  const header = memory.resolve(gpa, SDT_HEADER_BYTES);
  if (header < 0) return undefined;
  const bytes = memory.view.getUint32(header + 4, true);
  if (bytes < SDT_HEADER_BYTES || bytes > MAX_TABLE_BYTES) return undefined;
  const offset = memory.resolve(gpa, bytes);
  if (offset < 0) return undefined;
  let sum = 0;
  for (let at = offset; at < offset + bytes; at += 1) sum += memory.u8[at]!;
  if ((sum & 0xff) !== 0) return undefined;
  return {
    signature: text(memory, offset, 4),
    gpa,
    offset,
    bytes,
    oemId: text(memory, offset + 10, 6).trimEnd(),
    oemTableId: text(memory, offset + 16, 8).trimEnd(),
  };
}

function gpaAt(memory: GuestMemory, at: number): number {
  return memory.view.getUint32(at + 4, true) * 0x1_0000_0000 + memory.view.getUint32(at, true);
}

function text(memory: GuestMemory, at: number, length: number): string {
  let result = '';
  for (let index = 0; index < length; index += 1) {
    result += String.fromCharCode(memory.u8[at + index]!);
  }
  return result;
}
