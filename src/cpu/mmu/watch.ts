/** Breakpoints on data (SDM volume 3, 18.2): watched pages have no TLB tags, so that each access is seen here. */
import type { Cpu } from '../cpu.ts';
import { System } from '../state.ts';

const DR7 = (System.dr >> 2) + 14;
const ENABLES = 0xff;
/** R/W field of DR7: 0 is execution, 1 writes, 2 port accesses, 3 reads and writes. */
const Kind = { execute: 0, write: 1, io: 2, readWrite: 3 } as const;
/** By LEN field. */
const WATCHED_BYTES = [1, 2, 8, 4];

/** What the instruction that executes has hit: bits 3:0 of DR6. Cleared when the trap is taken. */
export const watchHits = { bits: 0 };

function kindOf(dr7: number, index: number): number {
  return (dr7 >>> (16 + 4 * index)) & 3;
}

function firstAddress(cpu: Cpu, index: number, bytes: number): number {
  const address = cpu.signed(System.dr + 8 * index);
  return address - (address & (bytes - 1));
}

function watchedBytes(dr7: number, index: number): number {
  return WATCHED_BYTES[(dr7 >>> (18 + 4 * index)) & 3]!;
}

export function isWatching(cpu: Cpu): boolean {
  return (cpu.u32[DR7]! & ENABLES) !== 0;
}

/** Whether a breakpoint on data lies in the page. */
export function isWatched(cpu: Cpu, linearPage: number): boolean {
  const dr7 = cpu.u32[DR7]!;
  if ((dr7 & ENABLES) === 0) return false;
  for (let index = 0; index < 4; index += 1) {
    if ((kindOf(dr7, index) & 1) === 0 || ((dr7 >>> (2 * index)) & 3) === 0) continue;
    // A watched range is aligned to its size, so that it never crosses a page.
    const distance = firstAddress(cpu, index, watchedBytes(dr7, index)) - linearPage;
    if (distance >= 0 && distance < 4096) return true;
  }
  return false;
}

/** Notes the breakpoints that an access meets, enabled or not, if at least one is enabled. */
function note(cpu: Cpu, address: number, size: number, kinds: number): void {
  const dr7 = cpu.u32[DR7]!;
  let hits = 0;
  let isEnabled = false;
  for (let index = 0; index < 4; index += 1) {
    if (((kinds >>> kindOf(dr7, index)) & 1) === 0) continue;
    const bytes = watchedBytes(dr7, index);
    const first = firstAddress(cpu, index, bytes);
    if (address >= first + bytes || first >= address + size) continue;
    hits |= 1 << index;
    if (((dr7 >>> (2 * index)) & 3) !== 0) isEnabled = true;
  }
  if (isEnabled) watchHits.bits |= hits;
}

export function noteAccess(cpu: Cpu, linear: number, size: number, isWrite: boolean): void {
  if (!isWatching(cpu)) return;
  note(cpu, linear, size, (1 << Kind.readWrite) | (isWrite ? 1 << Kind.write : 0));
}

/** With CR4.DE: an access to a port. */
export function notePortAccess(cpu: Cpu, port: number, size: number): void {
  if (isWatching(cpu)) note(cpu, port, size, 1 << Kind.io);
}

/** Bits 3:0 of DR6 for an instruction about to execute at a linear address. */
export function executionHits(cpu: Cpu, linear: number): number {
  const before = watchHits.bits;
  watchHits.bits = 0;
  note(cpu, linear, 1, 1 << Kind.execute);
  const hits = watchHits.bits;
  watchHits.bits = before;
  return hits;
}
