import { type GuestMemory, PAGE_BYTES } from '../../core/memory.ts';
import { type AcpiOptions, type AcpiPlacement, GENERATION_ID_OFFSET } from './options.ts';
import { dsdt, facs, fadt, madt, oem0, rootTable, rsdp, srat, waet } from './tables.ts';

const TABLE_ALIGNMENT = 64;

export interface PlacedTable {
  readonly signature: string;
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

export interface AcpiImage {
  readonly rsdpGpa: number;
  /** RSDT on Gen-1, XSDT on Gen-2. */
  readonly rootGpa: number;
  readonly facsGpa: number;
  /** Of the 16-byte VM generation id. */
  readonly generationIdGpa: number;
  /** Every piece, the RSDP and FACS included, in the order of their addresses from the root on. */
  readonly tables: readonly PlacedTable[];
  /** First byte after the tables that begin at `tablesGpa`. */
  readonly tablesEndGpa: number;
}

/** Makes all tables for their addresses, without writing them. */
export function layOutAcpi(options: AcpiOptions, placement: AcpiPlacement): AcpiImage {
  const { rsdpGpa, tablesGpa, nvsGpa } = placement;
  if (tablesGpa % TABLE_ALIGNMENT !== 0 || nvsGpa % TABLE_ALIGNMENT !== 0) {
    throw new Error('ACPI tables must be placed at multiples of 64');
  }
  const dsdtBytes = dsdt(options, nvsGpa);
  const listed: [string, (gpa: number) => Uint8Array][] = [
    ['FACP', () => fadt(options, dsdtGpa, nvsGpa)],
    ['APIC', () => madt(options)],
    ['SRAT', () => srat(options)],
    ['WAET', () => waet(options)],
  ];
  const { entropy } = options;
  if (entropy !== undefined) listed.push(['OEM0', () => oem0(options, entropy)]);

  const rootBytes = rootTable(
    options,
    Array.from(listed, () => 0),
  ).length;
  const dsdtGpa = align(tablesGpa + rootBytes);
  const tables: PlacedTable[] = [{ signature: 'DSDT', gpa: dsdtGpa, bytes: dsdtBytes }];
  let next = align(dsdtGpa + dsdtBytes.length);
  const gpas: number[] = [];
  for (const [signature, make] of listed) {
    const bytes = make(next);
    tables.push({ signature, gpa: next, bytes });
    gpas.push(next);
    next = align(next + bytes.length);
  }
  const root = { gpa: tablesGpa, bytes: rootTable(options, gpas) };
  tables.unshift({ signature: options.generation === 1 ? 'RSDT' : 'XSDT', ...root });
  tables.push({ signature: 'FACS', gpa: nvsGpa, bytes: facs() });
  tables.push({ signature: 'RSD PTR ', gpa: rsdpGpa, bytes: rsdp(options, tablesGpa) });
  return {
    rsdpGpa,
    rootGpa: tablesGpa,
    facsGpa: nvsGpa,
    generationIdGpa: nvsGpa + GENERATION_ID_OFFSET,
    tables,
    tablesEndGpa: next,
  };
}

/** Writes the ACPI tables of a machine to guest memory. All of the placement must be RAM. */
export function buildAcpi(
  memory: GuestMemory,
  options: AcpiOptions,
  placement: AcpiPlacement,
): AcpiImage {
  const image = layOutAcpi(options, placement);
  for (const { gpa, bytes } of image.tables) memory.writeBytes(gpa, bytes);
  memory.writeBytes(image.generationIdGpa, options.generationId);
  return image;
}

/** Where a BIOS puts the RSDP: on a 16-byte boundary in the segments that guests search. */
const GEN1_RSDP_GPA = 0xf_5c00;

export interface AcpiRun {
  /** Bytes in whole pages; the last page must be ACPI NVS, the rest may be ACPI reclaim. */
  readonly maxBytes: number;
  readonly nvsBytes: number;
  /** @returns the GPA of the RSDP */
  write(memory: GuestMemory, gpa: number): number;
}

/** What tables without processors and RAM take at most, and each of those in DSDT, MADT and SRAT. */
const BASE_BYTES = 4096;
const BYTES_PER_PROCESSOR = 96;
const BYTES_PER_RAM_RUN = 40;

/**
 * The tables as one run of pages, for firmware that gives memory away in pages: all tables, then
 * one page of NVS. The RSDP comes first on Gen-2 and stands in the BIOS area on Gen-1.
 */
export function acpiRun(options: AcpiOptions): AcpiRun {
  const bytes =
    BASE_BYTES +
    options.processorCount * BYTES_PER_PROCESSOR +
    options.ram.length * BYTES_PER_RAM_RUN;
  const tableBytes = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  return {
    maxBytes: tableBytes + PAGE_BYTES,
    nvsBytes: PAGE_BYTES,
    write(memory, gpa) {
      const image = buildAcpi(memory, options, {
        rsdpGpa: options.generation === 1 ? GEN1_RSDP_GPA : gpa,
        tablesGpa: gpa + TABLE_ALIGNMENT,
        nvsGpa: gpa + tableBytes,
      });
      if (image.tablesEndGpa > gpa + tableBytes) throw new Error('ACPI tables outgrew their pages');
      return image.rsdpGpa;
    },
  };
}

function align(gpa: number): number {
  return Math.ceil(gpa / TABLE_ALIGNMENT) * TABLE_ALIGNMENT;
}
