import {
  MTRR_DEFAULT_TYPE,
  MTRR_ENABLE,
  MTRR_FIXED,
  MTRR_PHYSICAL_BASE,
  MTRR_VALID,
  MemoryType,
  architecturalMsrs,
  type ArchitecturalMsr,
} from './spec/architectural-msrs.ts';

const U32 = 0x1_0000_0000;
const BYTE_MASKS = [0, 8, 16, 24] as const;
/** Bit n: type n exists. */
const MTRR_TYPES = 0b0111_0011;
const PAT_TYPES = 0b1111_0011;
/** Physical addresses have 40 bits. */
const ADDRESS_SPACE = 2 ** 40;
/** The fixed ranges below 640 KiB, of which the first two registers are the whole. */
const FIXED_BELOW_640K = 2;
const FIXED_VIDEO = 0x259;

/** Guest physical addresses of devices; a power of two of bytes, aligned to itself. */
export interface DeviceWindow {
  readonly gpa: number;
  readonly bytes: number;
}

interface Slot {
  readonly row: ArchitecturalMsr;
  /** Position of the low half in `ArchitecturalMsrs.values`. */
  readonly at: number;
}

const slots = new Map<number, Slot>();
for (const row of architecturalMsrs) {
  for (let index = 0; index < row.count; index += 1) {
    slots.set(row.first + index * row.step, { row, at: slots.size * 2 });
  }
}

/** The registers of one processor that are in `architecturalMsrs`. */
export class ArchitecturalMsrs {
  /** Pairs of halves, in the order of the table. */
  readonly values = new Uint32Array(slots.size * 2);
  readonly #devices: readonly DeviceWindow[];

  /** @param devices what firmware makes uncacheable; all else is write-back */
  constructor(devices: readonly DeviceWindow[]) {
    this.#devices = devices;
    this.reset();
  }

  /** As firmware hands the processor over. INIT leaves all of it alone. */
  reset(): void {
    for (const { row, at } of slots.values()) {
      this.values[at] = row.reset[0];
      this.values[at + 1] = row.reset[1];
    }
    const set = (msr: number, low: number, high: number): void => {
      const { at } = slots.get(msr)!;
      this.values[at] = low;
      this.values[at + 1] = high;
    };
    for (const [index, msr] of MTRR_FIXED.entries()) {
      const type = index < FIXED_BELOW_640K ? MemoryType.writeBack : MemoryType.writeProtected;
      const half = (msr === FIXED_VIDEO ? MemoryType.uncacheable : type) * 0x0101_0101;
      set(msr, half, half);
    }
    for (const [index, { gpa, bytes }] of this.#devices.entries()) {
      const base = MTRR_PHYSICAL_BASE + index * 2;
      const mask = ADDRESS_SPACE - bytes;
      set(base, (gpa % U32) + MemoryType.uncacheable, Math.floor(gpa / U32));
      set(base + 1, (mask % U32) + MTRR_VALID, Math.floor(mask / U32));
    }
    set(MTRR_DEFAULT_TYPE, MTRR_ENABLE + MemoryType.writeBack, 0);
  }

  /** @returns false for #GP: there is no such register */
  read(msr: number, out: Uint32Array): boolean {
    const slot = slots.get(msr);
    if (slot === undefined) return false;
    out[0] = this.values[slot.at]!;
    out[1] = this.values[slot.at + 1]!;
    return true;
  }

  /** @returns false for #GP: no such register, or not a value that it can take */
  write(msr: number, low: number, high: number): boolean {
    const slot = slots.get(msr);
    if (slot === undefined) return false;
    const { row, at } = slot;
    const { values } = this;
    if (row.check === 'ignored') return true;
    const changed =
      ((low ^ values[at]!) & ~row.writable[0]) | ((high ^ values[at + 1]!) & ~row.writable[1]);
    if (changed !== 0) return false;
    if (row.check === 'type' && !isType(low & 0xff, MTRR_TYPES)) return false;
    if (row.check === 'types' && !areTypes(low, high, MTRR_TYPES)) return false;
    if (row.check === 'pat-types' && !areTypes(low, high, PAT_TYPES)) return false;
    values[at] = low;
    values[at + 1] = high;
    return true;
  }
}

function isType(type: number, known: number): boolean {
  return type < 8 && (known & (1 << type)) !== 0;
}

function areTypes(low: number, high: number, known: number): boolean {
  return BYTE_MASKS.every(
    (shift) => isType((low >>> shift) & 0xff, known) && isType((high >>> shift) & 0xff, known),
  );
}
