/**
 * The page walk: linear to guest physical address through the guest's own tables. Source: SDM volume 3,
 * chapter 4. Numbers only: it runs at every miss of the software TLB.
 */
import { type Cpu, Cr0, Cr4, Efer } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { System } from '../state.ts';

const TWO_32 = 0x1_0000_0000;
export const CANONICAL_LIMIT = 2 ** 47;

/** What an access wants, in the positions of the page fault's error code (SDM volume 3, Figure 4-12). */
export const Access = { read: 0, write: 2, user: 4, fetch: 16 } as const;
const PROTECTION = 1;
const RESERVED = 8;

/** What the tables allow for a page, all levels taken together. */
export const Right = {
  write: 1,
  user: 2,
  execute: 4,
  /** The dirty bit is set: a further write changes no table. */
  dirty: 8,
  global: 16,
} as const;

/** Bits of a paging structure entry. */
export const Entry = {
  present: 1,
  write: 2,
  user: 4,
  accessed: 0x20,
  dirty: 0x40,
  large: 0x80,
  global: 0x100,
} as const;
const NO_EXECUTE = 0x8000_0000;
/** PAE entries have no ignored bits above the address: 62:52 are reserved. */
const PAE_RESERVED_HIGH = 0x7ff0_0000;

/** Where the last walk ended. */
export const found = {
  /** Guest physical address of the 4 KiB page. */
  page: 0,
  /** Bits of {@link Right}. */
  rights: 0,
  /** Size of the guest's page: 12, 21, 22 or 30 bits. */
  bits: 12,
};

/** Positions of the entries of the present walk, from the root; below 0: -1 - guest physical address. */
const used = new Float64Array(4);
let usedCount = 0;
let entryLow = 0;
let entryHigh = 0;

export function isCanonical(linear: number): boolean {
  return linear >= -CANONICAL_LIMIT && linear < CANONICAL_LIMIT;
}

/** Bits 51:32 of an entry that are beyond the guest physical address space. */
function reservedHigh(cpu: Cpu): number {
  const pagesHigh = cpu.vp.partition.pageNumberLimit / 0x10_0000;
  return 0xf_ffff & ~(pagesHigh - 1);
}

function readEntry(cpu: Cpu, gpa: number, bytes: number): void {
  const position = cpu.memory.resolve(gpa, bytes);
  if (position >= 0) {
    used[usedCount++] = position;
    entryLow = cpu.u32[position >>> 2]!;
    entryHigh = bytes === 8 ? cpu.u32[(position >>> 2) + 1]! : 0;
    return;
  }
  used[usedCount++] = -1 - gpa;
  entryLow = cpu.vp.mmioRead(gpa, 4) >>> 0;
  entryHigh = bytes === 8 ? cpu.vp.mmioRead(gpa + 4, 4) >>> 0 : 0;
}

/** Sets bits in an entry that the walk used. */
function mark(cpu: Cpu, entry: number, bits: number): void {
  if (entry < 0) {
    const gpa = -1 - entry;
    const value = cpu.vp.mmioRead(gpa, 4);
    if ((value & bits) !== bits) cpu.vp.mmioWrite(gpa, 4, (value | bits) >>> 0);
    return;
  }
  const value = cpu.u32[entry >>> 2]!;
  if ((value & bits) === bits) return;
  if (cpu.host.hasCode(entry)) cpu.host.codeWritten(entry, 4);
  cpu.u32[entry >>> 2] = value | bits;
}

function hasNoExecute(cpu: Cpu): boolean {
  return (cpu.efer & Efer.nxe) !== 0 && (cpu.cr4 & Cr4.pae) !== 0;
}

function pageFault(cpu: Cpu, linear: number, access: number, reason: number): never {
  cpu.setSigned(System.cr2, linear);
  let code = access | reason;
  // Without NX and SMEP a fetch looks like any read.
  if (!hasNoExecute(cpu) && (cpu.cr4 & Cr4.smep) === 0) code &= ~Access.fetch;
  return raise(Vector.pageFault, code);
}

/** Checks the rights of the whole walk, then sets accessed and dirty bits. */
function finish(cpu: Cpu, linear: number, access: number, rights: number, leaf: number): void {
  const isUser = (access & Access.user) !== 0;
  const isWrite = (access & Access.write) !== 0;
  const { cr0, cr4 } = cpu;
  let isAllowed = !isUser || (rights & Right.user) !== 0;
  if (isWrite && (rights & Right.write) === 0 && (isUser || (cr0 & Cr0.wp) !== 0))
    isAllowed = false;
  if ((access & Access.fetch) !== 0) {
    if ((rights & Right.execute) === 0) isAllowed = false;
    if (!isUser && (rights & Right.user) !== 0 && (cr4 & Cr4.smep) !== 0) isAllowed = false;
  }
  if (!isAllowed) pageFault(cpu, linear, access, PROTECTION);
  const last = usedCount - 1;
  for (let level = 0; level < last; level += 1) mark(cpu, used[level]!, Entry.accessed);
  mark(cpu, used[last]!, isWrite ? Entry.accessed | Entry.dirty : Entry.accessed);
  found.rights = rights;
  if (isWrite || (leaf & Entry.dirty) !== 0) found.rights |= Right.dirty;
  if ((leaf & Entry.global) !== 0 && (cr4 & Cr4.pge) !== 0) found.rights |= Right.global;
}

const ALL_RIGHTS = Right.write | Right.user | Right.execute;

function narrow(rights: number): number {
  let left = rights;
  if ((entryLow & Entry.write) === 0) left &= ~Right.write;
  if ((entryLow & Entry.user) === 0) left &= ~Right.user;
  if (entryHigh >= NO_EXECUTE) left &= ~Right.execute;
  return left;
}

/** 2 levels of 4-byte entries; PSE: pages of 4 MiB with 8 more address bits. */
function walkLegacy(cpu: Cpu, linear: number, access: number): void {
  const root = (cpu.u32[System.cr3 >> 2]! & ~0xfff) >>> 0;
  usedCount = 0;
  readEntry(cpu, root + ((linear >>> 22) << 2), 4);
  if ((entryLow & Entry.present) === 0) pageFault(cpu, linear, access, 0);
  let rights = narrow(ALL_RIGHTS);
  if ((entryLow & Entry.large) !== 0 && (cpu.cr4 & Cr4.pse) !== 0) {
    const high = (entryLow >>> 13) & 0xff;
    if ((entryLow & 0x20_0000) !== 0 || (high & reservedHigh(cpu)) !== 0) {
      pageFault(cpu, linear, access, PROTECTION | RESERVED);
    }
    found.page = high * TWO_32 + ((entryLow & 0xffc0_0000) >>> 0) + (linear & 0x3f_f000);
    found.bits = 22;
    finish(cpu, linear, access, rights, entryLow);
    return;
  }
  readEntry(cpu, ((entryLow & ~0xfff) >>> 0) + (((linear >>> 12) & 0x3ff) << 2), 4);
  if ((entryLow & Entry.present) === 0) pageFault(cpu, linear, access, 0);
  rights = narrow(rights);
  found.page = (entryLow & ~0xfff) >>> 0;
  found.bits = 12;
  finish(cpu, linear, access, rights, entryLow);
}

/** Reserved bits of a large page's entry between its flags and its address, by level: 2 MiB, 1 GiB. */
const LARGE_RESERVED = [0, 0, 0x1f_e000, 0x3fff_e000];
const LARGE_MASK = [0, 0, 0x1f_f000, 0x3fff_f000];

/** The levels of 8-byte entries from `level` down to 1. */
function walkWide(cpu: Cpu, linear: number, access: number, root: number, top: number): void {
  const low = linear >>> 0;
  const high = Math.floor(linear / TWO_32);
  let reserved = reservedHigh(cpu);
  if (top === 2) reserved |= PAE_RESERVED_HIGH;
  if (!hasNoExecute(cpu)) reserved |= NO_EXECUTE;
  let table = root;
  let rights = ALL_RIGHTS;
  for (let level = top; ; level -= 1) {
    let index: number;
    if (level === 1) index = low >>> 12;
    else if (level === 2) index = low >>> 21;
    else if (level === 3) index = (low >>> 30) | (high << 2);
    else index = high >> 7;
    readEntry(cpu, table + ((index & 0x1ff) << 3), 8);
    if ((entryLow & Entry.present) === 0) pageFault(cpu, linear, access, 0);
    if ((entryHigh & reserved) !== 0) pageFault(cpu, linear, access, PROTECTION | RESERVED);
    rights = narrow(rights);
    const base = (entryHigh & 0xf_ffff) * TWO_32;
    const isLarge = level > 1 && (entryLow & Entry.large) !== 0;
    if (level > 1 && !isLarge) {
      table = base + ((entryLow & ~0xfff) >>> 0);
      continue;
    }
    if (isLarge && (level === 4 || (entryLow & LARGE_RESERVED[level]!) !== 0)) {
      pageFault(cpu, linear, access, PROTECTION | RESERVED);
    }
    const mask = isLarge ? LARGE_MASK[level]! : 0;
    found.page = base + ((entryLow & ~0xfff & ~mask) >>> 0) + (low & mask);
    found.bits = 3 + 9 * level;
    finish(cpu, linear, access, rights, entryLow);
    return;
  }
}

function walkPae(cpu: Cpu, linear: number, access: number): void {
  const at = (System.pdpte >> 2) + 2 * (linear >>> 30);
  const low = cpu.u32[at]!;
  if ((low & Entry.present) === 0) pageFault(cpu, linear, access, 0);
  const root = cpu.u32[at + 1]! * TWO_32 + ((low & ~0xfff) >>> 0);
  usedCount = 0;
  walkWide(cpu, linear, access, root, 2);
}

function walkLong(cpu: Cpu, linear: number, access: number): void {
  const low = cpu.u32[System.cr3 >> 2]!;
  const root = (cpu.u32[(System.cr3 >> 2) + 1]! & 0xf_ffff) * TWO_32 + ((low & ~0xfff) >>> 0);
  usedCount = 0;
  walkWide(cpu, linear, access, root, 4);
}

/**
 * Translates and leaves the result in {@link found}; sets accessed and, for a write, dirty bits.
 * @param linear canonical; outside long mode below 4 GiB
 * @param access bits of {@link Access}; what it wants is checked
 * @throws CpuException #PF, with CR2 set
 */
export function walk(cpu: Cpu, linear: number, access: number): void {
  if ((cpu.cr0 & Cr0.pg) === 0) {
    found.page = linear - (linear & 0xfff);
    found.rights = ALL_RIGHTS | Right.dirty;
    found.bits = 12;
  } else if ((cpu.efer & Efer.lma) !== 0) walkLong(cpu, linear, access);
  else if ((cpu.cr4 & Cr4.pae) !== 0) walkPae(cpu, linear, access);
  else walkLegacy(cpu, linear, access);
}

/**
 * Loads the four PDPTEs of PAE paging from a new CR3 (SDM volume 3, 4.4.1).
 * @returns false when one has reserved bits set: #GP(0), and nothing is loaded
 */
export function loadPdptes(cpu: Cpu, cr3: number): boolean {
  const root = (cr3 & ~0x1f) >>> 0;
  const reserved = reservedHigh(cpu) | PAE_RESERVED_HIGH | NO_EXECUTE;
  const values = new Uint32Array(8);
  for (let index = 0; index < 4; index += 1) {
    usedCount = 0;
    readEntry(cpu, root + 8 * index, 8);
    const isPresent = (entryLow & Entry.present) !== 0;
    if (isPresent && ((entryLow & 0x1e6) !== 0 || (entryHigh & reserved) !== 0)) return false;
    values[2 * index] = entryLow;
    values[2 * index + 1] = entryHigh;
  }
  cpu.u32.set(values, System.pdpte >> 2);
  return true;
}
