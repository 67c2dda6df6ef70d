/**
 * Guest memory by linear address: the slow path of generated code, and what the system instructions
 * read and write. Whatever can fault is checked before anything changes.
 */
import type { Cpu } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { Mode } from '../mode.ts';
import { ACCESS_ADDRESS, ACCESS_VALUE, CODE_BANKS, TlbEntry } from '../state.ts';
import { Bank, fill, isAlignmentChecked, lookUp } from './tlb.ts';
import { Access, found, isCanonical, walk } from './walk.ts';
import { isWatching, noteAccess } from './watch.ts';

const TWO_32 = 0x1_0000_0000;
const PAGE_BYTES = 4096;
const OFFSET_MASK = 0xfff;

/** The bank of explicit accesses at the present privilege level. */
export function currentBank(cpu: Cpu): number {
  return (cpu.mode & Mode.cplMask) === Mode.cplMask ? Bank.user : Bank.supervisor;
}

/** Walks and fills. @returns the position of the byte, or -1 for what is not RAM: see {@link found} */
function walkAndFill(cpu: Cpu, linear: number, bank: number, access: number): number {
  walk(cpu, linear, bank === Bank.user ? access | Access.user : access);
  const page = cpu.memory.resolve(found.page, PAGE_BYTES);
  fill(cpu, linear, bank, (access & Access.fetch) !== 0, page);
  return page < 0 ? -1 : page + (linear & OFFSET_MASK);
}

function readable(cpu: Cpu, linear: number, bank: number): number {
  const position = lookUp(cpu, linear, bank, TlbEntry.readTag);
  return position >= 0 ? position : walkAndFill(cpu, linear, bank, Access.read);
}

function writable(cpu: Cpu, linear: number, bank: number): number {
  const position = lookUp(cpu, linear, bank, TlbEntry.writeTag);
  return position >= 0 ? position : walkAndFill(cpu, linear, bank, Access.write);
}

/** The first address of the second page of an access that crosses. */
function nextPage(cpu: Cpu, linear: number): number {
  const next = linear - (linear & OFFSET_MASK) + PAGE_BYTES;
  return next === TWO_32 && (cpu.mode & Mode.code64) === 0 ? 0 : next;
}

/** Set when the slow path refuses an address that is not canonical: see system/stack-access.ts. */
export const refusal = { isPending: false };

function mustBeCanonical(cpu: Cpu, linear: number, size: number, isStack = false): void {
  if (isCanonical(linear) && isCanonical(linear + size - 1)) return;
  if ((cpu.mode & Mode.long) === 0) return;
  if (isStack) raise(Vector.stackFault, 0);
  refusal.isPending = true;
  raise(Vector.generalProtection, 0);
}

/** With CR0.AM and EFLAGS.AC, explicit accesses at CPL 3 must be aligned: the user bank has no tags then. */
function checkAlignment(cpu: Cpu, linear: number, size: number, bank: number): void {
  if (bank !== Bank.user || !isAlignmentChecked(cpu)) return;
  const mask = size === 10 ? 7 : size - 1;
  if ((size & (size - 1)) !== 0 && size !== 10) return;
  if (size <= 10 && (linear & mask) !== 0) raise(Vector.alignmentCheck, 0);
}

function pieceOf(left: number): number {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

function readMmio(cpu: Cpu, gpa: number, size: number, to: number): void {
  cpu.host.syncClock();
  for (let done = 0; done < size;) {
    const piece = pieceOf(size - done);
    const value = cpu.vp.mmioRead(gpa + done, piece);
    for (let byte = 0; byte < piece; byte += 1) cpu.u8[to + done + byte] = value >>> (8 * byte);
    done += piece;
  }
  cpu.host.recheck();
}

function writeMmio(cpu: Cpu, gpa: number, size: number, from: number): void {
  cpu.host.syncClock();
  for (let done = 0; done < size;) {
    const piece = pieceOf(size - done);
    let value = 0;
    for (let byte = piece - 1; byte >= 0; byte -= 1)
      value = value * 256 + cpu.u8[from + done + byte]!;
    cpu.vp.mmioWrite(gpa + done, piece, value);
    done += piece;
  }
  cpu.host.recheck();
}

/** At most 16 bytes: a loop beats the call of `copyWithin`. */
function copyBytes({ u8 }: Cpu, to: number, from: number, size: number): void {
  for (let byte = 0; byte < size; byte += 1) u8[to + byte] = u8[from + byte]!;
}

/** Copies bytes to `to` from RAM at a position or, where that is -1, from a device. */
function load(cpu: Cpu, position: number, gpa: number, size: number, to: number): void {
  if (position >= 0) copyBytes(cpu, to, position, size);
  else readMmio(cpu, gpa, size, to);
}

function store(cpu: Cpu, position: number, gpa: number, size: number, from: number): void {
  if (position < 0) {
    writeMmio(cpu, gpa, size, from);
    return;
  }
  if (cpu.host.hasCode(position)) cpu.host.codeWritten(position, size);
  copyBytes(cpu, position, from, size);
}

/**
 * Where `size` bytes at a linear address can be loaded: in RAM, or at ACCESS_VALUE, where they were
 * put together from two pages or from a device.
 */
function readPosition(cpu: Cpu, linear: number, size: number, bank: number): number {
  checkAlignment(cpu, linear, size, bank);
  const offset = linear & OFFSET_MASK;
  const first = PAGE_BYTES - offset;
  const position = readable(cpu, linear, bank);
  if (size <= first) {
    if (isWatching(cpu)) noteAccess(cpu, linear, size, false);
    if (position >= 0) return position;
    readMmio(cpu, found.page + offset, size, ACCESS_VALUE);
    return ACCESS_VALUE;
  }
  const firstGpa = found.page + offset;
  const second = readable(cpu, nextPage(cpu, linear), bank);
  const secondGpa = found.page;
  if (isWatching(cpu)) noteAccess(cpu, linear, size, false);
  load(cpu, position, firstGpa, first, ACCESS_VALUE);
  load(cpu, second, secondGpa, size - first, ACCESS_VALUE + first);
  return ACCESS_VALUE;
}

/** Stores `size` bytes from ACCESS_VALUE. */
function writeFrom(cpu: Cpu, linear: number, size: number, bank: number): void {
  checkAlignment(cpu, linear, size, bank);
  const offset = linear & OFFSET_MASK;
  const first = PAGE_BYTES - offset;
  const position = writable(cpu, linear, bank);
  const firstGpa = found.page + offset;
  if (size <= first) {
    if (isWatching(cpu)) noteAccess(cpu, linear, size, true);
    store(cpu, position, firstGpa, size, ACCESS_VALUE);
    return;
  }
  const second = writable(cpu, nextPage(cpu, linear), bank);
  const secondGpa = found.page;
  if (isWatching(cpu)) noteAccess(cpu, linear, size, true);
  store(cpu, position, firstGpa, first, ACCESS_VALUE);
  store(cpu, second, secondGpa, size - first, ACCESS_VALUE + first);
}

/**
 * A load whose address, at ACCESS_ADDRESS, misses the TLB.
 * @param size 1 to 16 bytes
 * @param isStack through SS: an address that is not canonical is #SS(0) instead of #GP(0)
 * @returns the position in the linear memory where the bytes are
 */
export function slowRead(cpu: Cpu, size: number, isStack = false): number {
  const linear = cpu.signed(ACCESS_ADDRESS);
  mustBeCanonical(cpu, linear, size, isStack);
  return readPosition(cpu, linear, size, currentBank(cpu));
}

/** A store of the bytes at ACCESS_VALUE to the address at ACCESS_ADDRESS, complete or not at all. */
export function slowWrite(cpu: Cpu, size: number, isStack = false): void {
  const linear = cpu.signed(ACCESS_ADDRESS);
  mustBeCanonical(cpu, linear, size, isStack);
  writeFrom(cpu, linear, size, currentBank(cpu));
}

/**
 * A read of what the same instruction then writes.
 * @returns the position of the bytes: RAM that may be written directly, or ACCESS_VALUE, where the
 * caller changes them and then calls {@link finishModify}
 */
export function slowReadModify(cpu: Cpu, size: number, isStack = false): number {
  const linear = cpu.signed(ACCESS_ADDRESS);
  mustBeCanonical(cpu, linear, size, isStack);
  const bank = currentBank(cpu);
  checkAlignment(cpu, linear, size, bank);
  const offset = linear & OFFSET_MASK;
  const first = PAGE_BYTES - offset;
  const position = writable(cpu, linear, bank);
  const firstGpa = found.page + offset;
  if (size <= first) {
    if (isWatching(cpu)) noteAccess(cpu, linear, size, true);
    if (position >= 0 && !cpu.host.hasCode(position)) return position;
    load(cpu, position, firstGpa, size, ACCESS_VALUE);
    return ACCESS_VALUE;
  }
  const second = writable(cpu, nextPage(cpu, linear), bank);
  const secondGpa = found.page;
  load(cpu, position, firstGpa, first, ACCESS_VALUE);
  load(cpu, second, secondGpa, size - first, ACCESS_VALUE + first);
  return ACCESS_VALUE;
}

/** Stores what {@link slowReadModify} gave out at ACCESS_VALUE; cannot fault any more. */
export function finishModify(cpu: Cpu, size: number): void {
  writeFrom(cpu, cpu.signed(ACCESS_ADDRESS), size, currentBank(cpu));
}

/**
 * Reads an unsigned number.
 * @param linear canonical (the caller checks, since it knows which exception it would be)
 * @param size 1, 2 or 4 bytes
 * @param bank default: by the privilege level. Descriptor tables and TSS take the supervisor's.
 */
export function readMemory(
  cpu: Cpu,
  linear: number,
  size: number,
  bank: number = currentBank(cpu),
): number {
  const position = readPosition(cpu, linear, size, bank);
  if (size === 1) return cpu.u8[position]!;
  return size === 2 ? cpu.view.getUint16(position, true) : cpu.view.getUint32(position, true);
}

/** The 64-bit word at a linear address as a signed number: exact for canonical addresses. */
export function readWide(cpu: Cpu, linear: number, bank: number = currentBank(cpu)): number {
  const position = readPosition(cpu, linear, 8, bank);
  return cpu.view.getInt32(position + 4, true) * TWO_32 + cpu.view.getUint32(position, true);
}

/** Copies 8 bytes at a linear address to a field of the state block. */
export function readField(
  cpu: Cpu,
  linear: number,
  field: number,
  bank: number = currentBank(cpu),
): void {
  const position = readPosition(cpu, linear, 8, bank);
  cpu.u8.copyWithin(field, position, position + 8);
}

/** Writes 1, 2 or 4 bytes. */
export function writeMemory(
  cpu: Cpu,
  linear: number,
  size: number,
  value: number,
  bank: number = currentBank(cpu),
): void {
  cpu.view.setUint32(ACCESS_VALUE, value, true);
  writeFrom(cpu, linear, size, bank);
}

/** Writes 8 bytes, given as two halves. */
export function writeWide(
  cpu: Cpu,
  linear: number,
  low: number,
  high: number,
  bank: number = currentBank(cpu),
): void {
  cpu.view.setUint32(ACCESS_VALUE, low, true);
  cpu.view.setUint32(ACCESS_VALUE + 4, high, true);
  writeFrom(cpu, linear, 8, bank);
}

/** Raises what a write of `size` bytes, at most a page, would raise, and changes no memory. */
export function checkWrite(
  cpu: Cpu,
  linear: number,
  size: number,
  bank: number = currentBank(cpu),
): void {
  writable(cpu, linear, bank);
  if ((linear & OFFSET_MASK) + size > PAGE_BYTES) writable(cpu, nextPage(cpu, linear), bank);
}

/** Raises what a read of `size` bytes, at most a page, would raise. */
export function checkRead(
  cpu: Cpu,
  linear: number,
  size: number,
  bank: number = currentBank(cpu),
): void {
  readable(cpu, linear, bank);
  if ((linear & OFFSET_MASK) + size > PAGE_BYTES) readable(cpu, nextPage(cpu, linear), bank);
}

/** Position of a byte of RAM that may be read, or -1 for a device: for string instructions. */
export function readablePosition(cpu: Cpu, linear: number, bank: number): number {
  return readable(cpu, linear, bank);
}

/** Position of a byte of RAM that may be written, or -1 for a device. Code may lie there. */
export function writablePosition(cpu: Cpu, linear: number, bank: number): number {
  return writable(cpu, linear, bank);
}

/**
 * Position of an instruction's byte. What is not RAM holds no instructions here: as from the open bus
 * of a PC, where all bytes read FFh, a fetch there ends in #UD.
 * @param linear of RIP in its segment
 * @throws CpuException #PF with the fetch bit, #GP(0) for an address that is not canonical
 */
export function fetchPosition(cpu: Cpu, linear: number): number {
  const bank = currentBank(cpu);
  const position = lookUp(cpu, linear, bank + CODE_BANKS, TlbEntry.executeTag);
  if (position >= 0) return position;
  if (!isCanonical(linear) && (cpu.mode & Mode.long) !== 0) raise(Vector.generalProtection, 0);
  const walked = walkAndFill(cpu, linear, bank, Access.fetch);
  return walked >= 0 ? walked : raise(Vector.invalidOpcode);
}

/**
 * Guest physical address of a linear one, with the effects of an access.
 * @param access bits of {@link Access}
 */
export function translate(cpu: Cpu, linear: number, access: number): number {
  mustBeCanonical(cpu, linear, 1);
  walk(cpu, linear, access);
  return found.page + (linear & OFFSET_MASK);
}
