/** Hardware task switches through 16 and 32-bit TSSs (SDM volume 3, chapter 8). Long mode has none. */
import { type Cpu, Cr0, Cr4, Eflags } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { checkWrite, readMemory, writeMemory } from '../mmu/access.ts';
import { applyAlignmentCheck, Bank, flushNonGlobal } from '../mmu/tlb.ts';
import { loadPdptes } from '../mmu/walk.ts';
import { SegmentIndex, SegmentState, System } from '../state.ts';
import {
  type Descriptor,
  findDescriptor,
  markAccessed,
  markBusy,
  needDescriptor,
  selectorError,
  SystemType,
  TSS_BUSY,
} from './descriptor.ts';
import { pendingDebug } from './debug-state.ts';
import { checkStackDescriptor, isNull, setFromDescriptor, setNull, setReal } from './segments.ts';

export const TaskSwitch = { jump: 0, call: 1, interrupt: 2, iret: 3 } as const;

const TS = Vector.invalidTss;
/** Bits of EFLAGS that exist. */
const EFLAGS_MASK = 0x3f_7fd5;
/** L0 to L3 and LE of DR7. */
const LOCAL_BREAKPOINTS = 0x155;
/** DR6.BT: a task with the T bit starts. */
const DR6_TASK = 0x8000;

/** Offsets in a TSS. Registers lie in the order EAX to EDI, selectors in the order ES, CS, SS, DS, FS, GS. */
interface Layout {
  readonly size: 2 | 4;
  readonly minimumLimit: number;
  readonly ip: number;
  readonly flags: number;
  readonly registers: number;
  readonly selectors: number;
  readonly selectorCount: number;
  readonly ldt: number;
}

const LAYOUT_16: Layout = {
  size: 2,
  minimumLimit: 0x2b,
  ip: 0xe,
  flags: 0x10,
  registers: 0x12,
  selectors: 0x22,
  selectorCount: 4,
  ldt: 0x2a,
};
const LAYOUT_32: Layout = {
  size: 4,
  minimumLimit: 0x67,
  ip: 0x20,
  flags: 0x24,
  registers: 0x28,
  selectors: 0x48,
  selectorCount: 6,
  ldt: 0x60,
};
const TSS32_CR3 = 0x1c;
const TSS32_TRAP = 0x64;

function layoutOf(type: number): Layout {
  return (type & 8) === 0 ? LAYOUT_16 : LAYOUT_32;
}

function read(cpu: Cpu, base: number, offset: number, size: number): number {
  return readMemory(cpu, (base + offset) >>> 0, size, Bank.supervisor);
}

function write(cpu: Cpu, base: number, offset: number, size: number, value: number): void {
  writeMemory(cpu, (base + offset) >>> 0, size, value, Bank.supervisor);
}

/** Everything that a task keeps in its TSS. */
class TaskState {
  readonly registers = new Uint32Array(8);
  readonly selectors = new Uint32Array(6);
  ip = 0;
  flags = 0;
  cr3 = 0;
  ldt = 0;
  trap = false;

  readonly layout: Layout;

  constructor(cpu: Cpu, base: number, layout: Layout) {
    const { size } = layout;
    this.layout = layout;
    for (let index = 0; index < 8; index += 1) {
      const value = read(cpu, base, layout.registers + index * size, size);
      this.registers[index] = size === 2 ? (value | 0xffff_0000) >>> 0 : value;
    }
    for (let index = 0; index < layout.selectorCount; index += 1) {
      this.selectors[index] = read(cpu, base, layout.selectors + index * size, 2);
    }
    this.ip = read(cpu, base, layout.ip, size);
    this.flags = read(cpu, base, layout.flags, size) & EFLAGS_MASK;
    this.ldt = read(cpu, base, layout.ldt, 2);
    if (size === 2) return;
    this.cr3 = read(cpu, base, TSS32_CR3, 4);
    this.trap = (read(cpu, base, TSS32_TRAP, 2) & 1) !== 0;
  }
}

function saveState(cpu: Cpu, nextRip: number, flags: number): void {
  const layout = layoutOf(cpu.attributes(SegmentIndex.tr));
  const { size } = layout;
  const base = cpu.segmentBase(SegmentIndex.tr);
  const first = layout.ip;
  const last = layout.selectors + layout.selectorCount * size;
  checkWrite(cpu, (base + first) >>> 0, last - first, Bank.supervisor);
  write(cpu, base, layout.ip, size, nextRip);
  write(cpu, base, layout.flags, size, flags);
  for (let index = 0; index < 8; index += 1) {
    write(cpu, base, layout.registers + index * size, size, cpu.reg32(index));
  }
  for (let index = 0; index < layout.selectorCount; index += 1) {
    write(cpu, base, layout.selectors + index * size, 2, cpu.selector(index));
  }
}

/**
 * Leaves the present task for another. Faults up to the switch belong to the old task, later ones
 * to the new one.
 * @param task available, or busy for IRET: the caller has checked that
 * @param nextRip where the old task goes on
 * @param external bit 0 of error codes
 * @param image EFLAGS that the old task keeps
 */
export function switchTask(
  cpu: Cpu,
  task: Descriptor,
  kind: number,
  nextRip: number,
  external = 0,
  image: number = cpu.eflags,
): void {
  const layout = layoutOf(task.type);
  const base = task.base;
  const oldSelector = cpu.selector(SegmentIndex.tr);
  if (task.limit < layout.minimumLimit) raise(TS, selectorError(task.selector, external));
  const isNested = kind === TaskSwitch.call || kind === TaskSwitch.interrupt;
  const state = new TaskState(cpu, base, layout);
  const old = isNested ? undefined : findDescriptor(cpu, oldSelector);
  if (isNested) checkWrite(cpu, base, 2, Bank.supervisor);
  const flags = kind === TaskSwitch.iret ? image & ~Eflags.nt : image;
  saveState(cpu, nextRip, flags);
  if (old !== undefined) markBusy(cpu, old, false);
  if (isNested) {
    write(cpu, base, 0, 2, oldSelector);
    state.flags |= Eflags.nt;
  }
  if (kind !== TaskSwitch.iret) markBusy(cpu, task, true);
  setFromDescriptor(cpu, SegmentIndex.tr, task.selector, task);
  const attributes = cpu.attributes(SegmentIndex.tr) | TSS_BUSY;
  cpu.u32[(SegmentState.attributes >> 2) + SegmentIndex.tr] = attributes;
  cpu.u32[System.cr0 >> 2] = (cpu.cr0 | Cr0.ts) >>> 0;
  cpu.u32[(System.dr >> 2) + 14]! &= ~LOCAL_BREAKPOINTS;
  enterTask(cpu, state);
  if (state.trap) pendingDebug.bits |= DR6_TASK;
  checkTask(cpu, state, external);
}

/** Loads what needs no check. */
function enterTask(cpu: Cpu, state: TaskState): void {
  if (state.layout.size === 4 && (cpu.cr0 & Cr0.pg) !== 0) {
    cpu.setSigned(System.cr3, state.cr3);
    if ((cpu.cr4 & Cr4.pae) !== 0 && !loadPdptes(cpu, state.cr3)) raise(TS, 0);
    flushNonGlobal(cpu);
  }
  cpu.rip = state.ip;
  cpu.eflags = state.flags;
  for (let index = 0; index < 8; index += 1) cpu.setReg32(index, state.registers[index]!);
  for (let segment = 0; segment < 6; segment += 1) {
    setNull(cpu, segment, state.selectors[segment]!);
  }
  setNull(cpu, SegmentIndex.ldtr, state.ldt);
  cpu.updateMode(state.selectors[SegmentIndex.cs]! & 3);
  applyAlignmentCheck(cpu);
}

/** The checks of the new task's segments (SDM volume 3, Table 8-1). */
function checkTask(cpu: Cpu, state: TaskState, external: number): void {
  loadLdt(cpu, state.ldt, external);
  if ((state.flags & Eflags.vm) !== 0) {
    for (let segment = 0; segment < 6; segment += 1) {
      setReal(cpu, segment, state.selectors[segment]!);
    }
    cpu.updateMode();
    return;
  }
  const code = loadCode(cpu, state.selectors[SegmentIndex.cs]!, external);
  loadTaskStack(cpu, state.selectors[SegmentIndex.ss]!, external);
  for (const segment of [SegmentIndex.es, SegmentIndex.ds, SegmentIndex.fs, SegmentIndex.gs]) {
    loadData(cpu, segment, state.selectors[segment]!, external);
  }
  cpu.updateMode();
  if (state.ip > code.limit) raise(Vector.generalProtection, external);
}

function loadLdt(cpu: Cpu, selector: number, external: number): void {
  if (isNull(selector)) return;
  const error = selectorError(selector, external);
  if ((selector & 4) !== 0) raise(TS, error);
  const descriptor = needDescriptor(cpu, selector, TS, external);
  if (descriptor.isSegment || descriptor.type !== SystemType.ldt || !descriptor.isPresent) {
    raise(TS, error);
  }
  setFromDescriptor(cpu, SegmentIndex.ldtr, selector, descriptor);
}

function loadCode(cpu: Cpu, selector: number, external: number): Descriptor {
  const error = selectorError(selector, external);
  if (isNull(selector)) raise(TS, external);
  const code = needDescriptor(cpu, selector, TS, external);
  const level = selector & 3;
  if (!code.isCode || (code.isConforming ? code.dpl > level : code.dpl !== level)) {
    raise(TS, error);
  }
  if (!code.isPresent) raise(Vector.segmentNotPresent, error);
  markAccessed(cpu, code);
  setFromDescriptor(cpu, SegmentIndex.cs, selector, code);
  cpu.updateMode(level);
  return code;
}

function loadTaskStack(cpu: Cpu, selector: number, external: number): void {
  if (isNull(selector)) raise(TS, external);
  const stack = needDescriptor(cpu, selector, TS, external);
  checkStackDescriptor(selector, stack, cpu.cpl, TS, external);
  markAccessed(cpu, stack);
  setFromDescriptor(cpu, SegmentIndex.ss, selector, stack);
}

function loadData(cpu: Cpu, segment: number, selector: number, external: number): void {
  if (isNull(selector)) return;
  const error = selectorError(selector, external);
  const data = needDescriptor(cpu, selector, TS, external);
  const level = Math.max(cpu.cpl, selector & 3);
  if (!data.isReadable || (!data.isConforming && data.dpl < level)) raise(TS, error);
  if (!data.isPresent) raise(Vector.segmentNotPresent, error);
  markAccessed(cpu, data);
  setFromDescriptor(cpu, segment, selector, data);
}
