/**
 * The software TLB: state.ts says what an entry means, this fills and flushes it. Generated code
 * looks it up by itself; everything else comes through access.ts.
 */
import { type Cpu, Cr0, Cr4, Eflags } from '../cpu.ts';
import {
  TLB,
  CODE_BANKS,
  LARGE_REGION_COUNT,
  LARGE_REGIONS,
  TLB_BANK_BYTES,
  TLB_BANKS,
  TLB_ENTRIES,
  TLB_ENTRY_BYTES,
  TLB_FILLED,
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
const LOCAL_MAP = TLB_FILLED.local >> 2;
const GLOBAL_MAP = TLB_FILLED.global >> 2;
const MAP_WORDS = TLB_FILLED.bytes >> 2;
/** Words of a map for the banks of data, which come first. */
const DATA_MAP_WORDS = (CODE_BANKS * TLB_ENTRIES) >> 5;
/** Beside {@link TLB_GLOBAL} in `page`, whose address needs 28 bits: part of a larger page of the guest. */
export const LARGE_SHIFT = 29;
const LARGE_BYTES = [0, 2 ** 21, 2 ** 22, 2 ** 30];

/** What an entry says of a page of the guest whose size is so many bits. */
export function largeCode(bits: number): number {
  return bits === 12 ? 0 : bits === 21 ? 1 : bits === 22 ? 2 : 3;
}

let isGigabyteUsed = false;

function regionOf(linear: number): number {
  return ((linear >>> 21) | (Math.floor(linear / TWO_32) << 11)) & (LARGE_REGION_COUNT - 1);
}

function noteLarge({ u32 }: Cpu, linear: number, bits: number): void {
  const region = regionOf(linear);
  const word = (LARGE_REGIONS >> 2) + (region >> 5);
  u32[word]! |= 1 << (region & 31);
  // 4 MiB are two regions.
  if (bits === 22) u32[word]! |= 1 << ((region & 31) ^ 1);
  if (bits === 30) isGigabyteUsed = true;
}

function mayHaveLarge({ u32 }: Cpu, linear: number): boolean {
  const region = regionOf(linear);
  const bits = u32[(LARGE_REGIONS >> 2) + (region >> 5)]!;
  return isGigabyteUsed || ((bits >>> (region & 31)) & 1) !== 0;
}

/** Of the last {@link listFilled}: entries as indices of 32-bit words, from the state block's start. */
const listed = new Int32Array(TLB_BANKS * TLB_ENTRIES);

/**
 * Lists the entries that a map has.
 * @param map its first word, in whichever state block
 * @returns how many are in {@link listed}
 */
function listFilled({ u32 }: Cpu, map: number, words = MAP_WORDS): number {
  let count = 0;
  for (let word = 0; word < words; word += 1) {
    let bits = u32[map + word]!;
    while (bits !== 0) {
      const lowest = bits & -bits;
      bits ^= lowest;
      const number = (word << 5) | (31 - Math.clz32(lowest));
      listed[count] = FIRST_WORD + number * ENTRY_WORDS;
      count += 1;
    }
  }
  return count;
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

/** The three tags of an entry: a loop beats the call of `fill`. */
function drop({ u32 }: Cpu, entry: number): void {
  for (let word = entry; word < entry + 6; word += 1) u32[word] = INVALID_HALF;
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
  if (found.bits !== 12) noteLarge(cpu, linear, found.bits);
  const large = largeCode(found.bits) << LARGE_SHIFT;
  const isGlobal = (rights & Right.global) !== 0;
  const global = isGlobal ? TLB_GLOBAL : 0;
  cpu.u32[entry + (TlbEntry.page >> 2)] = Math.floor(found.page / 4096) | large | global;
  const number = (entry - FIRST_WORD) >> 3;
  cpu.u32[(isGlobal ? GLOBAL_MAP : LOCAL_MAP) + (number >> 5)]! |= 1 << (number & 31);
}

/** After CR0.PG, CR0.WP, CR4.PGE and whatever else changes the meaning of every entry. */
export function flushAll(cpu: Cpu): void {
  cpu.u32.fill(INVALID_HALF, FIRST_WORD, END_WORD);
  cpu.u32.fill(0, LOCAL_MAP, GLOBAL_MAP + MAP_WORDS);
}

/** After MOV to CR3: global pages stay. */
export function flushNonGlobal(cpu: Cpu): void {
  const { u32 } = cpu;
  const count = listFilled(cpu, LOCAL_MAP);
  for (let index = 0; index < count; index += 1) {
    const entry = listed[index]!;
    // A global page may have come into the place of another.
    if (u32[entry + (TlbEntry.page >> 2)]! < TLB_GLOBAL) drop(cpu, entry);
  }
  u32.fill(0, LOCAL_MAP, LOCAL_MAP + MAP_WORDS);
}

/** INVLPG: the page that the guest's tables give the address, global or not, whatever its size. */
export function flushPage(cpu: Cpu, linear: number): void {
  const { u32 } = cpu;
  for (let bank = 0; bank < TLB_BANKS; bank += 1) {
    const entry = entryWord(linear, bank);
    if (u32[firstTag(entry)] === (linear & ~0xfff) >>> 0) drop(cpu, entry);
  }
  if (mayHaveLarge(cpu, linear)) dropLarge(cpu, linear);
}

/** All entries of the large page that an address is in. */
function dropLarge(cpu: Cpu, linear: number): void {
  const { u32 } = cpu;
  for (const map of [LOCAL_MAP, GLOBAL_MAP]) {
    const count = listFilled(cpu, map);
    for (let index = 0; index < count; index += 1) {
      const entry = listed[index]!;
      const tag = firstTag(entry);
      if (u32[tag] === INVALID_HALF) continue;
      const code = (u32[entry + (TlbEntry.page >> 2)]! >>> LARGE_SHIFT) & 3;
      if (code === 0) continue;
      const bytes = LARGE_BYTES[code]!;
      const page = cpu.i32[tag + 1]! * TWO_32 + u32[tag]!;
      if (Math.floor(page / bytes) === Math.floor(linear / bytes)) drop(cpu, entry);
    }
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
  const tag = TlbEntry.writeTag >> 2;
  const addend = TlbEntry.addend >> 2;
  const base = state >> 2;
  for (const map of [LOCAL_MAP, GLOBAL_MAP]) {
    const count = listFilled(cpu, base + map, DATA_MAP_WORDS);
    for (let index = 0; index < count; index += 1) {
      const entry = base + listed[index]!;
      const low = u32[entry + tag]!;
      if (low === INVALID_HALF || ((i32[entry + addend]! + low) | 0) !== page) continue;
      u32[entry + tag] = INVALID_HALF;
      u32[entry + tag + 1] = INVALID_HALF;
    }
  }
}

function copyEntries(cpu: Cpu, to: number, from: number): void {
  const { u32 } = cpu;
  for (const map of [LOCAL_MAP, GLOBAL_MAP]) {
    const count = listFilled(cpu, from + map);
    for (let index = 0; index < count; index += 1) {
      const entry = listed[index]!;
      for (let word = entry; word < entry + ENTRY_WORDS; word += 1) {
        u32[to + word] = u32[from + word]!;
      }
    }
    u32.copyWithin(to + map, from + map, from + map + MAP_WORDS);
  }
}

/** Keeps the entries in the state block at another position and leaves none at 0. */
export function putEntriesAway(cpu: Cpu, state: number): void {
  copyEntries(cpu, state >> 2, 0);
  for (const map of [LOCAL_MAP, GLOBAL_MAP]) {
    const count = listFilled(cpu, map);
    for (let index = 0; index < count; index += 1) drop(cpu, listed[index]!);
  }
  cpu.u32.fill(0, LOCAL_MAP, GLOBAL_MAP + MAP_WORDS);
}

/** Brings them back to 0, where there are none. */
export function bringEntriesBack(cpu: Cpu, state: number): void {
  copyEntries(cpu, 0, state >> 2);
}
