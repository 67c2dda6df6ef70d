/** RDMSR and WRMSR: the registers of execution are here, all others the partition's (SDM volume 4). */
import { type Cpu, Cr0, Efer } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { flushAll } from '../mmu/tlb.ts';
import { isCanonical } from '../mmu/walk.ts';
import { Activity, SEGMENT_BASE, SegmentIndex, System } from '../state.ts';
import { Msr } from '../../hypervisor/spec/msrs.ts';

const TWO_32 = 0x1_0000_0000;
const CX = 1;
const AX = 0;
const DX = 2;
const EFER = 0xc000_0080;
const EFER_WRITABLE = Efer.sce | Efer.lme | Efer.nxe;
const PAGE_BYTES = 4096;

/** What a value must be for its register; otherwise #GP(0). */
type Check = 'any' | 'canonical' | 'low32';

interface Row {
  /** Offset in the state block. */
  readonly field: number;
  readonly check: Check;
}

const ROWS: ReadonlyMap<number, Row> = new Map<number, Row>([
  [0x174, { field: System.sysenterCs, check: 'low32' }],
  [0x175, { field: System.sysenterEsp, check: 'canonical' }],
  [0x176, { field: System.sysenterEip, check: 'canonical' }],
  [0xc000_0081, { field: System.star, check: 'any' }],
  [0xc000_0082, { field: System.lstar, check: 'canonical' }],
  [0xc000_0083, { field: System.cstar, check: 'canonical' }],
  [0xc000_0084, { field: System.sfmask, check: 'low32' }],
  [0xc000_0100, { field: SEGMENT_BASE + 8 * SegmentIndex.fs, check: 'canonical' }],
  [0xc000_0101, { field: SEGMENT_BASE + 8 * SegmentIndex.gs, check: 'canonical' }],
  [0xc000_0102, { field: System.kernelGsBase, check: 'canonical' }],
  [0xc000_0103, { field: System.tscAux, check: 'low32' }],
]);

/** Registers that lay a page over guest memory: enable in bit 0, page number from bit 12. */
const OVERLAYS: ReadonlySet<number> = new Set<number>([
  Msr.HYPERCALL,
  Msr.REFERENCE_TSC,
  Msr.VP_ASSIST_PAGE,
  Msr.SIEFP,
  Msr.SIMP,
]);

const out = new Uint32Array(2);

function give(cpu: Cpu, low: number, high: number): void {
  cpu.setReg32(AX, low);
  cpu.setReg32(DX, high);
}

export function rdmsr(cpu: Cpu): void {
  const msr = cpu.reg32(CX);
  const row = ROWS.get(msr);
  if (row !== undefined) {
    give(cpu, cpu.u32[row.field >> 2]!, cpu.u32[(row.field >> 2) + 1]!);
    return;
  }
  if (msr === EFER) {
    give(cpu, cpu.efer, 0);
    return;
  }
  cpu.host.syncClock();
  if (!cpu.vp.readMsr(msr, out)) raise(Vector.generalProtection, 0);
  give(cpu, out[0]!, out[1]!);
  if (cpu.vp.takeIdle()) cpu.activity |= Activity.idle;
  cpu.host.recheck();
}

function writeEfer(cpu: Cpu, low: number, high: number): void {
  if (high !== 0 || (low & ~(EFER_WRITABLE | Efer.lma)) !== 0) raise(Vector.generalProtection, 0);
  const changed = (cpu.efer ^ low) & EFER_WRITABLE;
  if ((changed & Efer.lme) !== 0 && (cpu.cr0 & Cr0.pg) !== 0) raise(Vector.generalProtection, 0);
  cpu.u32[System.efer >> 2] = (cpu.efer & Efer.lma) | (low & EFER_WRITABLE);
  if ((changed & Efer.nxe) !== 0) flushAll(cpu);
  cpu.updateMode();
}

/** An overlay that comes or goes changes a page of RAM in which code may have been decoded. */
function reportOverlay(cpu: Cpu, low: number, high: number): void {
  if ((low & 1) === 0) return;
  const position = cpu.memory.resolve(high * TWO_32 + ((low & ~0xfff) >>> 0), PAGE_BYTES);
  if (position >= 0 && cpu.host.hasCode(position)) cpu.host.codeWritten(position, PAGE_BYTES);
}

function writeElsewhere(cpu: Cpu, msr: number, low: number, high: number): void {
  cpu.host.syncClock();
  if (OVERLAYS.has(msr)) {
    if (cpu.vp.readMsr(msr, out)) reportOverlay(cpu, out[0]!, out[1]!);
    reportOverlay(cpu, low, high);
  } else if (msr === Msr.GUEST_OS_ID && cpu.vp.readMsr(Msr.HYPERCALL, out)) {
    reportOverlay(cpu, out[0]!, out[1]!);
  }
  if (!cpu.vp.writeMsr(msr, low, high)) raise(Vector.generalProtection, 0);
  cpu.host.recheck();
}

export function wrmsr(cpu: Cpu): void {
  const msr = cpu.reg32(CX);
  const low = cpu.reg32(AX);
  const high = cpu.reg32(DX);
  const row = ROWS.get(msr);
  if (row === undefined) {
    if (msr === EFER) writeEfer(cpu, low, high);
    else writeElsewhere(cpu, msr, low, high);
    return;
  }
  const isGood =
    row.check === 'any' ||
    (row.check === 'low32' ? high === 0 : isCanonical((high | 0) * TWO_32 + low));
  if (!isGood) raise(Vector.generalProtection, 0);
  cpu.u32[row.field >> 2] = low;
  cpu.u32[(row.field >> 2) + 1] = high;
}
