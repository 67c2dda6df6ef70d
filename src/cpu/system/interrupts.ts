/**
 * Delivery of interrupts and exceptions in every mode (SDM volume 3, chapter 6; 21.3 for virtual-8086
 * mode; volume 2, INT n).
 */
import { type Cpu, Cr0, Eflags } from '../cpu.ts';
import { CpuException, NO_ERROR_CODE, raise, Vector } from '../exception.ts';
import { readMemory } from '../mmu/access.ts';
import { Bank } from '../mmu/tlb.ts';
import { watchHits } from '../mmu/watch.ts';
import { Activity, GPR, SegmentIndex, System } from '../state.ts';
import { pendingDebug } from './debug-state.ts';
import {
  Descriptor,
  isLongMode,
  markAccessed,
  needDescriptor,
  selectorError,
  SystemType,
  wrapLinear,
} from './descriptor.ts';
import {
  checkTarget,
  enterCode,
  enterStack,
  innerStack,
  innerStackPointer,
  taskOfGate,
  tssPointer,
} from './far.ts';
import { isNull, isVirtual8086, setNull, setReal } from './segments.ts';
import { settleRefusal } from './stack-access.ts';
import { Frame, setStackPointer } from './stack.ts';
import { switchTask, TaskSwitch } from './task.ts';

const GP = Vector.generalProtection;
const NP = Vector.segmentNotPresent;
const SP = 4;
const SP_FIELD = GPR + 8 * SP;
/** An error code bit: the index is one of the IDT. */
const IDT_ERROR = 2;
/** DR7.GD: a debug register access raises #DB. Cleared when #DB is delivered. */
const GENERAL_DETECT = 0x2000;
const IST_OFFSET = 0x24;
const DR6 = (System.dr >> 2) + 12;

/** One event to deliver. */
export interface Delivery {
  readonly vector: number;
  readonly errorCode: number;
  /** INT n, INT3 or INTO: the gate's DPL counts. */
  readonly isSoftware: boolean;
  /** Bit 0 of error codes: 0 for those three, 1 for all else. */
  readonly external: number;
  /** Offset that the handler returns to. */
  readonly returnRip: number;
  /** EFLAGS as the handler finds them on its stack. */
  readonly image: number;
}

function gateError(event: Delivery): number {
  return event.vector * 8 + IDT_ERROR + event.external;
}

/** Enters the handler of an event. Throws, with nothing changed, when that faults. */
function deliver(cpu: Cpu, event: Delivery): void {
  if ((cpu.cr0 & Cr0.pe) === 0) deliverReal(cpu, event);
  else if (isLongMode(cpu)) deliverLong(cpu, event);
  else deliverProtected(cpu, event);
  if (event.vector === Vector.debug && !event.isSoftware) {
    cpu.u32[(System.dr >> 2) + 14]! &= ~GENERAL_DETECT;
  }
  cpu.activity &= ~(Activity.halted | Activity.idle | Activity.stiShadow | Activity.movSsShadow);
}

function deliverReal(cpu: Cpu, event: Delivery): void {
  const offset = event.vector * 4;
  if (offset + 3 > cpu.u32[System.idtrLimit >> 2]!) raise(GP, gateError(event));
  const entry = readMemory(cpu, (cpu.signed(System.idtrBase) + offset) >>> 0, 4, Bank.supervisor);
  const frame = Frame.current(cpu);
  frame.push(event.image, 2);
  frame.push(cpu.selector(SegmentIndex.cs), 2);
  frame.push(event.returnRip, 2);
  setStackPointer(cpu, frame.pointer);
  cpu.systemFlags &= ~(Eflags.if | Eflags.tf | Eflags.ac | Eflags.rf);
  setReal(cpu, SegmentIndex.cs, entry >>> 16);
  cpu.rip = entry & 0xffff;
  cpu.updateMode();
}

/** Reads a gate of the IDT and checks what does not depend on its type. */
function readGate(cpu: Cpu, event: Delivery, bytes: number): Descriptor {
  const offset = event.vector * bytes;
  const error = gateError(event);
  if (offset + bytes - 1 > cpu.u32[System.idtrLimit >> 2]!) raise(GP, error);
  const address = wrapLinear(cpu, cpu.signed(System.idtrBase) + offset);
  const low = readMemory(cpu, address, 4, Bank.supervisor);
  const high = readMemory(cpu, wrapLinear(cpu, address + 4), 4, Bank.supervisor);
  const upper = bytes === 16 ? readMemory(cpu, address + 8, 4, Bank.supervisor) : 0;
  const gate = new Descriptor(0, address, low, high, upper);
  const isWide = gate.type === SystemType.interruptGate32 || gate.type === SystemType.trapGate32;
  const isNarrow =
    gate.type === SystemType.interruptGate16 ||
    gate.type === SystemType.trapGate16 ||
    gate.type === SystemType.taskGate;
  if (gate.isSegment || (!isWide && (bytes === 16 || !isNarrow))) raise(GP, error);
  if (event.isSoftware && gate.dpl < cpu.cpl) raise(GP, error);
  if (!gate.isPresent) raise(NP, error);
  return gate;
}

/** The code segment behind an interrupt or trap gate. */
function handlerCode(cpu: Cpu, gate: Descriptor, external: number): Descriptor {
  const selector = gate.gateSelector;
  if (isNull(selector)) raise(GP, external);
  const code = needDescriptor(cpu, selector, GP, external);
  const error = selectorError(selector, external);
  if (!code.isCode || code.dpl > cpu.cpl) raise(GP, error);
  if (isLongMode(cpu) && (!code.isLong || code.isBig)) raise(GP, error);
  if (!code.isPresent) raise(NP, error);
  return code;
}

function clearFlags(cpu: Cpu, gate: Descriptor): void {
  const isInterruptGate = (gate.type & 1) === 0;
  let cleared = Eflags.tf | Eflags.nt | Eflags.vm | Eflags.rf;
  if (isInterruptGate) cleared |= Eflags.if;
  cpu.systemFlags &= ~cleared;
}

function deliverTask(cpu: Cpu, gate: Descriptor, event: Delivery): void {
  const task = taskOfGate(cpu, gate.gateSelector, event.external);
  const size = task.type === SystemType.tss32 ? 4 : 2;
  const { returnRip, external, image } = event;
  switchTask(cpu, task, TaskSwitch.interrupt, returnRip, external, image);
  if (event.errorCode === NO_ERROR_CODE) return;
  const frame = Frame.current(cpu, external);
  frame.push(event.errorCode, size);
  setStackPointer(cpu, frame.pointer);
}

function pushTail(cpu: Cpu, frame: Frame, event: Delivery, size: number): void {
  frame.push(event.image, size);
  frame.push(cpu.selector(SegmentIndex.cs), size);
  frame.push(event.returnRip, size);
  if (event.errorCode !== NO_ERROR_CODE) frame.push(event.errorCode, size);
}

function deliverProtected(cpu: Cpu, event: Delivery): void {
  const gate = readGate(cpu, event, 8);
  if (gate.type === SystemType.taskGate) {
    deliverTask(cpu, gate, event);
    return;
  }
  const { external } = event;
  const size = (gate.type & 8) === 0 ? 2 : 4;
  const offset = size === 2 ? gate.gateOffset16 : gate.gateOffset;
  const code = handlerCode(cpu, gate, external);
  if (!code.isConforming && code.dpl < cpu.cpl) {
    deliverInner(cpu, gate, code, offset, size, event);
    return;
  }
  if (isVirtual8086(cpu)) raise(GP, selectorError(code.selector, external));
  const frame = Frame.current(cpu, external);
  checkTarget(cpu, code, offset, external);
  pushTail(cpu, frame, event, size);
  markAccessed(cpu, code);
  setStackPointer(cpu, frame.pointer);
  enterCode(cpu, code, offset, cpu.cpl);
  clearFlags(cpu, gate);
  cpu.updateMode();
}

const VIRTUAL_8086_SEGMENTS = [
  SegmentIndex.gs,
  SegmentIndex.fs,
  SegmentIndex.ds,
  SegmentIndex.es,
] as const;

function deliverInner(
  cpu: Cpu,
  gate: Descriptor,
  code: Descriptor,
  offset: number,
  size: number,
  event: Delivery,
): void {
  const { external } = event;
  const cpl = code.dpl;
  const fromVirtual = isVirtual8086(cpu);
  if (fromVirtual && cpl !== 0) raise(GP, selectorError(code.selector, external));
  const { stack, pointer } = innerStack(cpu, cpl, external);
  const frame = Frame.on(cpu, stack, pointer, cpl, selectorError(stack.selector, external));
  checkTarget(cpu, code, offset, external);
  if (fromVirtual) {
    for (const segment of VIRTUAL_8086_SEGMENTS) frame.push(cpu.selector(segment), size);
  }
  frame.push(cpu.selector(SegmentIndex.ss), size);
  frame.push(cpu.reg32(SP), size);
  pushTail(cpu, frame, event, size);
  markAccessed(cpu, code);
  markAccessed(cpu, stack);
  if (fromVirtual) {
    for (const segment of VIRTUAL_8086_SEGMENTS) setNull(cpu, segment, 0);
  }
  clearFlags(cpu, gate);
  enterCode(cpu, code, offset, cpl);
  enterStack(cpu, stack, cpl);
  setStackPointer(cpu, frame.pointer);
}

function deliverLong(cpu: Cpu, event: Delivery): void {
  const { external } = event;
  const gate = readGate(cpu, event, 16);
  const code = handlerCode(cpu, gate, external);
  const isInner = !code.isConforming && code.dpl < cpu.cpl;
  const cpl = isInner ? code.dpl : cpu.cpl;
  const ist = gate.high & 7;
  let pointer: number;
  if (ist !== 0) pointer = tssPointer(cpu, IST_OFFSET + 8 * (ist - 1), external);
  else if (isInner) pointer = innerStackPointer(cpu, cpl, external);
  else pointer = cpu.signed(SP_FIELD);
  const frame = Frame.long(cpu, pointer - (pointer & 0xf), cpl, external);
  checkTarget(cpu, code, gate.gateOffset, external);
  frame.push(cpu.selector(SegmentIndex.ss), 8);
  frame.pushHalves(cpu.u32[SP_FIELD >> 2]!, cpu.u32[(SP_FIELD >> 2) + 1]!);
  pushTail(cpu, frame, event, 8);
  markAccessed(cpu, code);
  clearFlags(cpu, gate);
  enterCode(cpu, code, gate.gateOffset, cpl);
  if (isInner) {
    setNull(cpu, SegmentIndex.ss, cpl, cpl);
    cpu.updateMode();
  }
  cpu.setSigned(SP_FIELD, frame.pointer);
}

/** Faults whose handler returns to the instruction, with RF so that a breakpoint on it does not hit twice. */
function setsResumeFlag(vector: number): boolean {
  switch (vector) {
    case Vector.debug:
    case Vector.nmi:
    case Vector.breakpoint:
    case Vector.overflow:
    case Vector.doubleFault:
    case Vector.machineCheck:
      return false;
    default:
      return true;
  }
}

/** Contributory exceptions (SDM volume 3, Table 6-4). */
function isContributory(vector: number): boolean {
  return (
    vector === Vector.divideError ||
    (vector >= Vector.invalidTss && vector <= Vector.generalProtection)
  );
}

function makesDoubleFault(first: number, second: number): boolean {
  if (isContributory(first)) return isContributory(second);
  if (first === Vector.pageFault) return second === Vector.pageFault || isContributory(second);
  return false;
}

/** Delivers an event, and whatever its delivery raises, up to the triple fault. */
function deliverAll(cpu: Cpu, first: Delivery, firstIsException: boolean): void {
  let isException = firstIsException;
  let event = first;
  for (;;) {
    try {
      deliver(cpu, event);
      return;
    } catch (error) {
      if (!(error instanceof CpuException)) throw error;
      let { vector, errorCode } = error;
      if (isException && event.vector === Vector.doubleFault) {
        cpu.activity |= Activity.shutdown;
        cpu.vp.tripleFault();
        cpu.host.recheck();
        return;
      }
      if (isException && makesDoubleFault(event.vector, vector)) {
        vector = Vector.doubleFault;
        errorCode = 0;
      }
      isException = true;
      event = exceptionEvent(cpu, vector, errorCode);
    }
  }
}

function exceptionEvent(cpu: Cpu, vector: number, errorCode: number): Delivery {
  const resume = setsResumeFlag(vector) ? Eflags.rf : 0;
  return {
    vector,
    errorCode: (cpu.cr0 & Cr0.pe) === 0 ? NO_ERROR_CODE : errorCode,
    isSoftware: false,
    external: 1,
    returnRip: cpu.rip,
    image: (cpu.eflags & ~Eflags.rf) | resume,
  };
}

/**
 * Delivers an exception that an instruction raised; RIP is still at that instruction, or after it for
 * a trap. Faults on the way become double faults as Table 6-5 says; the third ends in `vp.tripleFault`.
 */
export function deliverException(cpu: Cpu, exception: CpuException): void {
  settleRefusal(cpu, exception);
  deliverAll(cpu, exceptionEvent(cpu, exception.vector, exception.errorCode), true);
}

/** Delivers an interrupt from outside, between two instructions. */
export function deliverInterrupt(cpu: Cpu, vector: number): void {
  const event = {
    vector,
    errorCode: NO_ERROR_CODE,
    isSoftware: false,
    external: 1,
    returnRip: cpu.rip,
    image: cpu.eflags & ~Eflags.rf,
  };
  deliverAll(cpu, event, false);
}

/** Delivers an NMI; further ones wait until IRET. */
export function deliverNmi(cpu: Cpu): void {
  deliverInterrupt(cpu, Vector.nmi);
  cpu.activity |= Activity.nmiBlocked;
}

/** INT n, INT3 and INTO: a fault in their delivery is the instruction's own. */
export function softwareInterrupt(cpu: Cpu, vector: number, nextRip: number): void {
  deliver(cpu, {
    vector,
    errorCode: NO_ERROR_CODE,
    isSoftware: true,
    external: 0,
    returnRip: nextRip,
    image: cpu.eflags & ~Eflags.rf,
  });
  pendingDebug.isStepTaken = true;
}

/**
 * INT1: a #DB of its own kind, for which the gate's DPL does not count. Breakpoints on data that wait
 * behind a load of SS come with it.
 */
export function debugInterrupt(cpu: Cpu, nextRip: number): void {
  deliver(cpu, {
    vector: Vector.debug,
    errorCode: NO_ERROR_CODE,
    isSoftware: false,
    external: 1,
    returnRip: nextRip,
    image: cpu.eflags & ~Eflags.rf,
  });
  cpu.u32[DR6]! |= watchHits.bits;
  watchHits.bits = 0;
  pendingDebug.isStepTaken = true;
}
