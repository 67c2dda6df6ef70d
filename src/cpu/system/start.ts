/** Power-on, INIT and start-up state, and the states in which firmware hands over (SDM volume 3, Table 10-1). */
import type { FlatSegments, ProcessorStart } from '../../hypervisor/processor.ts';
import { type Cpu, Cr0, Cr4, Efer } from '../cpu.ts';
import { flushAll } from '../mmu/tlb.ts';
import {
  Activity,
  ACTIVITY,
  BUDGET,
  GPR,
  MXCSR,
  SegmentIndex,
  System,
  X87,
  XMM,
} from '../state.ts';
import { Attribute, findDescriptor, SystemType, TSS_BUSY } from './descriptor.ts';
import { resetDebugRegisters } from './debug.ts';
import { setFromDescriptor, setNull, setReal, setSegment } from './segments.ts';

const AX = 0;
const CX = 1;
const DX = 2;
const BX = 3;
const SP = 4;
const SI = 6;
const { es, cs, ss, ds, fs, gs, ldtr, tr } = SegmentIndex;
const REAL_LIMIT = 0xffff;
const REAL_DATA = 0x93;
const REAL_CODE = 0x9b;
const CR0_RESET = Cr0.cd | Cr0.nw | Cr0.et;
const RESET_VECTOR_BASE = 0xffff_0000;
const RESET_VECTOR_IP = 0xfff0;
/** What CPUID.1 answers is in DX after reset. */
const SIGNATURE_LEAF = 1;
const MXCSR_RESET = 0x1f80;
const X87_CONTROL_RESET = 0x40;
const X87_CONTROL_INIT = 0x37f;

/** What reset and INIT have in common. */
function initialize(cpu: Cpu): void {
  const { u32 } = cpu;
  u32.fill(0, GPR >> 2, (GPR + 16 * 8) >> 2);
  cpu.eflags = 2;
  u32[System.cr0 >> 2] = CR0_RESET;
  for (const field of [System.cr2, System.cr3, System.cr4, System.efer]) cpu.setSigned(field, 0);
  for (let segment: number = es; segment <= gs; segment += 1) {
    setSegment(cpu, segment, 0, 0, REAL_LIMIT, REAL_DATA);
  }
  setSegment(cpu, cs, 0xf000, RESET_VECTOR_BASE, REAL_LIMIT, REAL_CODE);
  setSegment(cpu, ldtr, 0, 0, REAL_LIMIT, Attribute.present | SystemType.ldt);
  setSegment(cpu, tr, 0, 0, REAL_LIMIT, Attribute.present | SystemType.tss32 | TSS_BUSY);
  cpu.rip = RESET_VECTOR_IP;
  for (const [base, limit] of [
    [System.gdtrBase, System.gdtrLimit],
    [System.idtrBase, System.idtrLimit],
  ] as const) {
    cpu.setSigned(base, 0);
    u32[limit >> 2] = REAL_LIMIT;
  }
  const words = new Uint32Array(4);
  cpu.vp.cpuid(SIGNATURE_LEAF, 0, words);
  cpu.setReg32(DX, words[0]!);
  resetDebugRegisters(cpu);
  cpu.isRepeating = false;
  flushAll(cpu);
  cpu.updateMode(0);
}

/** Power-on state. All but the first processor then wait for INIT and a start-up IPI. */
export function resetProcessor(cpu: Cpu): void {
  const { u32, u8 } = cpu;
  for (let field: number = System.sysenterCs; field <= System.tscAux; field += 8) {
    cpu.setSigned(field, 0);
  }
  u8.fill(0, XMM, XMM + 256);
  u32[MXCSR >> 2] = MXCSR_RESET;
  u8.fill(0, X87.control, X87.st + 128);
  cpu.u16[X87.control >> 1] = X87_CONTROL_RESET;
  u32[BUDGET >> 2] = 0;
  cpu.setSigned(System.retired, 0);
  initialize(cpu);
  u32[ACTIVITY >> 2] = cpu.vp.index === 0 ? 0 : Activity.waitForStartup;
}

/** INIT: as reset, but for floating point state and the MSRs; then it waits for a start-up IPI. */
export function initProcessor(cpu: Cpu): void {
  initialize(cpu);
  cpu.activity = Activity.waitForStartup;
}

/** Start-up IPI: real mode at `vector << 12`. */
export function startupProcessor(cpu: Cpu, vector: number): void {
  if ((cpu.activity & Activity.waitForStartup) === 0) return;
  setReal(cpu, cs, vector << 8);
  cpu.rip = 0;
  cpu.updateMode();
  cpu.activity = 0;
}

function flatSegments(cpu: Cpu, segments: FlatSegments): void {
  cpu.setSigned(System.gdtrBase, segments.gdtGpa);
  cpu.u32[System.gdtrLimit >> 2] = segments.gdtBytes - 1;
  cpu.setSigned(System.idtrBase, 0);
  cpu.u32[System.idtrLimit >> 2] = 0;
  loadFlat(cpu, cs, segments.codeSelector);
  for (const segment of [ss, ds, es, fs, gs]) loadFlat(cpu, segment, segments.dataSelector);
  setNull(cpu, ldtr, 0);
}

function loadFlat(cpu: Cpu, segment: number, selector: number): void {
  const descriptor = findDescriptor(cpu, selector);
  if (descriptor === undefined || !descriptor.isSegment) {
    throw new Error(`selector 0x${selector.toString(16)} names no segment of the start's GDT`);
  }
  setFromDescriptor(cpu, segment, selector, descriptor);
}

function startReal(cpu: Cpu, start: Extract<ProcessorStart, { readonly mode: 'real' }>): void {
  for (const segment of [es, ss, ds, fs, gs]) setReal(cpu, segment, 0);
  setReal(cpu, cs, start.segment);
  cpu.rip = start.ip;
  cpu.setReg32(DX, start.drive);
  cpu.u32[System.idtrLimit >> 2] = 0x3ff;
}

function startProtected(
  cpu: Cpu,
  start: Extract<ProcessorStart, { readonly mode: 'protected' }>,
): void {
  cpu.u32[System.cr0 >> 2] = Cr0.pe | Cr0.et;
  flatSegments(cpu, start.segments);
  cpu.rip = start.entryGpa;
  cpu.setReg32(SP, start.stackGpa);
  cpu.setReg32(AX, start.eax);
  cpu.setReg32(BX, start.ebx);
  cpu.setReg32(SI, start.esi);
}

function startLong(
  cpu: Cpu,
  start: Extract<ProcessorStart, { readonly mode: 'long' | 'efi' }>,
): void {
  // Segments first, while the table is reached without paging.
  flatSegments(cpu, start.segments);
  cpu.u32[System.cr0 >> 2] = (Cr0.pe | Cr0.mp | Cr0.et | Cr0.ne | Cr0.wp | Cr0.pg) >>> 0;
  cpu.setSigned(System.cr3, start.pageTablesGpa);
  cpu.u32[System.cr4 >> 2] = Cr4.pae;
  cpu.u32[System.efer >> 2] = Efer.lme | Efer.lma;
  cpu.rip = start.entryGpa;
  cpu.setSigned(GPR + 8 * SP, start.stackGpa);
}

/** Puts a processor that {@link resetProcessor} has prepared where firmware or a loader lets it begin. */
export function startProcessor(cpu: Cpu, start: ProcessorStart): void {
  cpu.setReg32(DX, 0);
  cpu.activity = 0;
  switch (start.mode) {
    case 'real':
      startReal(cpu, start);
      break;
    case 'protected':
      startProtected(cpu, start);
      break;
    case 'long':
      startLong(cpu, start);
      cpu.setSigned(GPR + 8 * SI, start.rsi);
      break;
    case 'efi':
      startLong(cpu, start);
      cpu.setSigned(GPR + 8 * CX, start.imageHandle);
      cpu.setSigned(GPR + 8 * DX, start.systemTableGpa);
      // UEFI 2.10, 2.3.4: floating point and SSE are ready for use.
      cpu.u32[System.cr4 >> 2] = Cr4.pae | Cr4.osfxsr | Cr4.osxmmexcpt;
      cpu.u16[X87.control >> 1] = X87_CONTROL_INIT;
      break;
    default:
  }
  flushAll(cpu);
  cpu.updateMode(0);
}
