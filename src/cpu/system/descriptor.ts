/** Segment and gate descriptors as they lie in the guest's tables (SDM volume 3, 3.4.5, 3.5, 7.2.3 and 6.14.1). */
import type { Cpu } from '../cpu.ts';
import { Efer } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { readMemory, writeMemory } from '../mmu/access.ts';
import { Bank } from '../mmu/tlb.ts';
import { SegmentIndex, System } from '../state.ts';

const TWO_32 = 0x1_0000_0000;

/** Bits of the attributes word of state.ts: bits 55:40 of a descriptor, and one of our own. */
export const Attribute = {
  typeMask: 0xf,
  accessed: 1,
  /** Data: writable. Code: readable. */
  writable: 2,
  readable: 2,
  /** Data: expand-down. Code: conforming. */
  expandDown: 4,
  conforming: 4,
  code: 8,
  /** Code or data, not a system descriptor. */
  segment: 0x10,
  dplShift: 5,
  dplMask: 0x60,
  present: 0x80,
  long: 0x2000,
  /** D for code, B for stacks. */
  big: 0x4000,
  granular: 0x8000,
  unusable: 0x1_0000,
} as const;

/** Types of system descriptors. In long mode the 32-bit numbers are 64-bit. */
export const SystemType = {
  tss16: 1,
  ldt: 2,
  tss16Busy: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  tss32Busy: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;
export const TSS_BUSY = 2;

const ACCESSED_BIT = 0x100;

export class Descriptor {
  readonly selector: number;
  /** Linear address of the descriptor. */
  readonly address: number;
  readonly low: number;
  high: number;
  /** Bits 63:32 of the base or offset of a 16-byte descriptor. */
  readonly upper: number;

  constructor(selector: number, address: number, low: number, high: number, upper = 0) {
    this.selector = selector;
    this.address = address;
    this.low = low;
    this.high = high;
    this.upper = upper;
  }

  get attributes(): number {
    return (this.high >>> 8) & 0xffff;
  }

  get type(): number {
    return (this.high >>> 8) & 0xf;
  }

  get isSegment(): boolean {
    return (this.high & 0x1000) !== 0;
  }

  get isCode(): boolean {
    return (this.high & 0x1800) === 0x1800;
  }

  get isConforming(): boolean {
    return (this.high & 0x1c00) === 0x1c00;
  }

  get isWritableData(): boolean {
    return (this.high & 0x1a00) === 0x1200;
  }

  /** Data, or code that may be read. */
  get isReadable(): boolean {
    return this.isSegment && (this.high & 0xa00) !== 0x800;
  }

  get isPresent(): boolean {
    return (this.high & 0x8000) !== 0;
  }

  get isLong(): boolean {
    return (this.high & 0x20_0000) !== 0;
  }

  get isBig(): boolean {
    return (this.high & 0x40_0000) !== 0;
  }

  get dpl(): number {
    return (this.high >>> 13) & 3;
  }

  /** Signed, as all linear addresses. */
  get base(): number {
    const low = ((this.low >>> 16) | ((this.high & 0xff) << 16) | (this.high & 0xff00_0000)) >>> 0;
    return (this.upper | 0) * TWO_32 + low;
  }

  /** Bytes, less one. */
  get limit(): number {
    const limit = (this.low & 0xffff) | (this.high & 0xf_0000);
    return (this.high & 0x80_0000) === 0 ? limit : ((limit << 12) | 0xfff) >>> 0;
  }

  /** Of a gate: the selector that it leads to. */
  get gateSelector(): number {
    return this.low >>> 16;
  }

  get gateOffset16(): number {
    return this.low & 0xffff;
  }

  /** 32 bits, or the signed 64 of a long mode gate. */
  get gateOffset(): number {
    const low = ((this.high & 0xffff_0000) | (this.low & 0xffff)) >>> 0;
    return (this.upper | 0) * TWO_32 + low;
  }
}

export function isLongMode(cpu: Cpu): boolean {
  return (cpu.efer & Efer.lma) !== 0;
}

/** The error code that names a selector. */
export function selectorError(selector: number, external: number): number {
  return (selector & 0xfffc) | external;
}

/** Linear addresses outside long mode have 32 bits. */
export function wrapLinear(cpu: Cpu, linear: number): number {
  return isLongMode(cpu) ? linear : linear >>> 0;
}

function tableAddress(cpu: Cpu, selector: number, bytes: number): number {
  let base = cpu.signed(System.gdtrBase);
  let limit = cpu.u32[System.gdtrLimit >> 2]!;
  if ((selector & 4) !== 0) {
    if ((cpu.attributes(SegmentIndex.ldtr) & Attribute.unusable) !== 0) return Number.NaN;
    base = cpu.segmentBase(SegmentIndex.ldtr);
    limit = cpu.segmentLimit(SegmentIndex.ldtr);
  }
  const offset = selector & 0xfff8;
  if (offset + bytes - 1 > limit) return Number.NaN;
  return wrapLinear(cpu, base + offset);
}

/**
 * Reads the descriptor that a selector names.
 * @returns undefined when it is beyond its table, or the LDT is not there
 */
export function findDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  const address = tableAddress(cpu, selector, 8);
  if (Number.isNaN(address)) return undefined;
  const low = readMemory(cpu, address, 4, Bank.supervisor);
  const high = readMemory(cpu, wrapLinear(cpu, address + 4), 4, Bank.supervisor);
  return new Descriptor(selector, address, low, high);
}

/**
 * The same, where its absence is a fault.
 * @param external 1 while an event from outside the program is delivered: bit 0 of the error code
 */
export function needDescriptor(
  cpu: Cpu,
  selector: number,
  vector: number = Vector.generalProtection,
  external = 0,
): Descriptor {
  return findDescriptor(cpu, selector) ?? raise(vector, selectorError(selector, external));
}

/** In long mode, LDT, TSS and call gate descriptors have 16 bytes, the last half of which is checked. */
export function widenDescriptor(
  cpu: Cpu,
  narrow: Descriptor,
  vector: number = Vector.generalProtection,
  external = 0,
): Descriptor {
  if (!isLongMode(cpu)) return narrow;
  const { selector, address, low, high } = narrow;
  const error = selectorError(selector, external);
  if (Number.isNaN(tableAddress(cpu, selector, 16))) return raise(vector, error);
  const upper = readMemory(cpu, address + 8, 4, Bank.supervisor);
  if ((readMemory(cpu, address + 12, 4, Bank.supervisor) & 0x1f00) !== 0) raise(vector, error);
  return new Descriptor(selector, address, low, high, upper);
}

/** Sets the accessed bit in the table, where it is not set. */
export function markAccessed(cpu: Cpu, descriptor: Descriptor): void {
  if ((descriptor.high & ACCESSED_BIT) !== 0) return;
  descriptor.high = (descriptor.high | ACCESSED_BIT) >>> 0;
  const address = wrapLinear(cpu, descriptor.address + 4);
  writeMemory(cpu, address, 4, descriptor.high, Bank.supervisor);
}

/** Sets or clears the busy bit of a TSS descriptor. */
export function markBusy(cpu: Cpu, descriptor: Descriptor, isBusy: boolean): void {
  const bit = TSS_BUSY << 8;
  descriptor.high = (isBusy ? descriptor.high | bit : descriptor.high & ~bit) >>> 0;
  const address = wrapLinear(cpu, descriptor.address + 4);
  writeMemory(cpu, address, 4, descriptor.high, Bank.supervisor);
}
