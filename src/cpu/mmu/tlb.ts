/**
 * The software TLB: state.ts says what an entry means, this fills and flushes it. Generated code
 * looks it up by itself; everything else comes through access.ts.
 */
import { type Cpu, Cr0, Cr4, Eflags } from '../cpu.ts';
import {
  TLB,
  CODE_BANKS,
  TLB_BANK_BYTES,
  TLB_BANKS,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_GLOBAL,
  TlbEntry,
} from '../state.ts';
import { found, Right } from './walk.ts';
import { isWatched } from './watch.ts';

const TWO_32 = 0x1_0000_0000;
const INVALID_HALF = 0xffff_ffff;
const ENTRY_WORDS = TLB_ENTRY_BYTES >> 2;
const FIRST_WORD = TLB >> 2;
const END_WORD = FIRST_WORD + TLB_BANKS * TLB_ENTRIES * ENTRY_WORDS;
/** Entries from here on are for code. */
const CODE_WORD = FIRST_WORD + CODE_BANKS * TLB_ENTRIES * ENTRY_WORDS;
/** Beside {@link TLB_GLOBAL} in `page`, whose address needs 28 bits: part of a larger page of the guest. */
const LARGE_SHIFT = 29;
const LARGE_BYTES = [0, 2 ** 21, 2 ** 22, 2 ** 30];

function largeCode(bits: number): number {
  return bits === 12 ? 0 : bits === 21 ? 1 : bits === 22 ? 2 : 3;
}

/**
 * Regions of 2 MiB in which a large page was ever entered, by any processor and by a hash that may
 * say so of others too: elsewhere INVLPG need not look for the rest of a large page.
 */
const largeRegions = new Uint8Array(0x1_0000);
let isGigabyteUsed = false;

function regionOf(linear: number): number {
  return ((linear >>> 21) | (Math.floor(linear / TWO_32) << 11)) & 0xffff;
}

function noteLarge(linear: number, bits: number): void {
  largeRegions[regionOf(linear)] = 1;
  // 4 MiB are two regions.
  if (bits === 22) largeRegions[regionOf(linear) ^ 1] = 1;
  if (bits === 30) isGigabyteUsed = true;
}

export const Bank = { supervisor: 0, user: 1 } as const;

/** The entry of a linear address as an index of 32-bit words. */
function entryWord(linear: number, bank: number): number {
  return FIRST_WORD + ((bank * TLB_ENTRIES + ((linear >>> 12) & (TLB_ENTRIES - 1))) << 3);
}

/**
 * @param tag one of {@link TlbEntry}'s three tags
 * @returns the position in the linear memory, or -1 when a walk is needed
 */
export function lookUp(cpu: Cpu, linear: number, bank: number, tag: number): number {
  const entry = entryWord(linear, bank);
  const word = entry + (tag >> 2);
  if (cpu.u32[word] !== (linear & ~0xfff) >>> 0) return -1;
  if (cpu.i32[word + 1] !== Math.floor(linear / TWO_32)) return -1;
  return (cpu.i32[entry + (TlbEntry.addend >> 2)]! + (linear | 0)) >>> 0;
}

function setTag(cpu: Cpu, word: number, isValid: boolean, low: number, high: number): void {
  cpu.u32[word] = isValid ? low : INVALID_HALF;
  cpu.i32[word + 1] = isValid ? high : -1;
}

/** The tag of an entry that is valid if any is. */
function firstTag(entry: number): number {
  return entry < CODE_WORD ? entry : entry + (TlbEntry.executeTag >> 2);
}

function drop(cpu: Cpu, entry: number): void {
  cpu.u32.fill(INVALID_HALF, entry, entry + 6);
}

/** Whether accesses at CPL 3 must be aligned now. */
export function isAlignmentChecked(cpu: Cpu): boolean {
  return (cpu.systemFlags & Eflags.ac) !== 0 && (cpu.cr0 & Cr0.am) !== 0 && cpu.cpl === 3;
}

/** After EFLAGS.AC or the privilege level changed: no access of user code may pass unseen. */
export function applyAlignmentCheck(cpu: Cpu): void {
  if (!isAlignmentChecked(cpu)) return;
  const first = FIRST_WORD + (TLB_BANK_BYTES >> 2) * Bank.user;
  cpu.u32.fill(INVALID_HALF, first, first + (TLB_BANK_BYTES >> 2));
}

/**
 * Enters the page of the last walk.
 * @param bank the privilege level's
 * @param position of the page in the linear memory, or -1 where there is no RAM
 */
export function fill(
  cpu: Cpu,
  linear: number,
  bank: number,
  isFetch: boolean,
  position: number,
): void {
  const entry = entryWord(linear, isFetch ? bank + CODE_BANKS : bank);
  const low = (linear & ~0xfff) >>> 0;
  const high = Math.floor(linear / TWO_32);
  const { rights } = found;
  const isUser = bank === Bank.user;
  const isUnseen = isUser && !isFetch && isAlignmentChecked(cpu);
  if (position < 0 || isUnseen || (!isFetch && isWatched(cpu, high * TWO_32 + low))) {
    const tag = firstTag(entry);
    if (cpu.u32[tag] === low && cpu.i32[tag + 1] === high) drop(cpu, entry);
    return;
  }
  const isReadable = !isUser || (rights & Right.user) !== 0;
  let isWritable = isReadable && (rights & Right.dirty) !== 0 && !cpu.host.hasCode(position);
  if ((rights & Right.write) === 0 && (isUser || (cpu.cr0 & Cr0.wp) !== 0)) isWritable = false;
  let isExecutable = isReadable && (rights & Right.execute) !== 0;
  if (!isUser && (rights & Right.user) !== 0 && (cpu.cr4 & Cr4.smep) !== 0) isExecutable = false;
  setTag(cpu, entry + (TlbEntry.readTag >> 2), isReadable && !isFetch, low, high);
  setTag(cpu, entry + (TlbEntry.writeTag >> 2), isWritable && !isFetch, low, high);
  setTag(cpu, entry + (TlbEntry.executeTag >> 2), isExecutable && isFetch, low, high);
  cpu.i32[entry + (TlbEntry.addend >> 2)] = (position - low) | 0;
  if (found.bits !== 12) noteLarge(linear, found.bits);
  const large = largeCode(found.bits) << LARGE_SHIFT;
  const global = (rights & Right.global) === 0 ? 0 : TLB_GLOBAL;
  cpu.u32[entry + (TlbEntry.page >> 2)] = Math.floor(found.page / 4096) | large | global;
}

/** After CR0.PG, CR0.WP, CR4.PGE and whatever else changes the meaning of every entry. */
export function flushAll(cpu: Cpu): void {
  cpu.u32.fill(INVALID_HALF, FIRST_WORD, END_WORD);
}

/** After MOV to CR3: global pages stay. */
export function flushNonGlobal(cpu: Cpu): void {
  const { u32 } = cpu;
  for (let entry = FIRST_WORD; entry < END_WORD; entry += ENTRY_WORDS) {
    if (u32[firstTag(entry)] === INVALID_HALF) continue;
    if (u32[entry + (TlbEntry.page >> 2)]! >= TLB_GLOBAL) continue;
    drop(cpu, entry);
  }
}

/** INVLPG: the page that the guest's tables give the address, global or not, whatever its size. */
export function flushPage(cpu: Cpu, linear: number): void {
  const { u32 } = cpu;
  for (let bank = 0; bank < TLB_BANKS; bank += 1) {
    const entry = entryWord(linear, bank);
    if (u32[firstTag(entry)] === (linear & ~0xfff) >>> 0) drop(cpu, entry);
  }
  if (isGigabyteUsed || largeRegions[regionOf(linear)] !== 0) dropLarge(cpu, linear);
}

/** All entries of the large page that an address is in. */
function dropLarge(cpu: Cpu, linear: number): void {
  const { u32 } = cpu;
  for (let entry = FIRST_WORD; entry < END_WORD; entry += ENTRY_WORDS) {
    const tag = firstTag(entry);
    if (u32[tag] === INVALID_HALF) continue;
    const code = (u32[entry + (TlbEntry.page >> 2)]! >>> LARGE_SHIFT) & 3;
    if (code === 0) continue;
    const bytes = LARGE_BYTES[code]!;
    const page = cpu.i32[tag + 1]! * TWO_32 + u32[tag]!;
    if (Math.floor(page / bytes) === Math.floor(linear / bytes)) drop(cpu, entry);
  }
}

/**
 * Takes back the right to write without asking, of all entries for a page of the linear memory: when
 * it first has decoded code in it.
 * @param state position of the state block: 0, or where another processor's is kept
 */
export function protectPage(cpu: Cpu, position: number, state = 0): void {
  const { u32, i32 } = cpu;
  const page = (position & ~0xfff) | 0;
  const first = (state + TLB) >> 2;
  const end = first + ((CODE_BANKS * TLB_BANK_BYTES) >> 2);
  const tag = TlbEntry.writeTag >> 2;
  const addend = TlbEntry.addend >> 2;
  for (let entry = first; entry < end; entry += ENTRY_WORDS) {
    const low = u32[entry + tag]!;
    if (low === INVALID_HALF || ((i32[entry + addend]! + low) | 0) !== page) continue;
    u32[entry + tag] = INVALID_HALF;
    u32[entry + tag + 1] = INVALID_HALF;
  }
}
