/**
 * Instructions that are functions: system instructions, floating point, and what of SIMD is too long
 * for a meaning. One way to them for every executor: checks, operands, the call, RIP.
 */
import { PAGE_BYTES } from '../core/memory.ts';
import { type Cpu, Cr0, Cr4 } from './cpu.ts';
import type { Instruction } from './decode/instruction.ts';
import { raise, Vector } from './exception.ts';
import { FloatFault, type FloatInstruction } from './float/context.ts';
import { floatInstructions } from './float/instructions.ts';
import { Layout } from './float/x87/control.ts';
import { Status } from './float/x87/state.ts';
import {
  checkRead,
  checkWrite,
  currentBank,
  finishModify,
  readablePosition,
  readMemory,
  slowRead,
  slowReadModify,
  writablePosition,
  writeMemory,
} from './mmu/access.ts';
import { isWatching } from './mmu/watch.ts';
import { Mode } from './mode.ts';
import { type BoundInstruction, type BoundOperand, OperandKind } from './semantics/bind.ts';
import {
  ACCESS_ADDRESS,
  ACCESS_VALUE,
  FloatTransfer,
  GPR,
  MXCSR,
  OPERAND_BUFFER,
  X87,
  XMM,
} from './state.ts';
import { effectiveOffset, nextRip } from './system/operands.ts';
import { describeInstruction } from './describe.ts';
import { checkPrivilege } from './system/privilege.ts';
import { checkSegment } from './system/segments.ts';
import { type SystemInstruction, systemInstructionOf } from './system/system.ts';
import { type Encoding, Trait } from './table/row.ts';
import { encodings } from './table/table.ts';

const MXCSR_STICKY = 0x3f;
const TWO_32 = 0x1_0000_0000;
/** Memory that floating point instructions write. */
const STORES = /^(?:fst|fist|fbst|fnst|fnsave|fxsave|stmxcsr)/;
/** x87 instructions that an exception of the one before does not stop. */
const NO_WAIT = /^(?:fn(?!op)|fx(?:save|rstor)$)/;
/** Bytes of operands whose size the mode decides or that `bind` does not know. */
const FXSAVE_BYTES = 512;

interface Callable {
  readonly system: SystemInstruction | undefined;
  readonly float: FloatInstruction | undefined;
  readonly stores: boolean;
  /** CF, PF, AF, ZF, SF and OF, if the function gives them. */
  readonly flags: number;
  /** Whether an x87 exception that is pending comes first. */
  readonly waits: boolean;
}

let callables: readonly Callable[] | undefined;

function callableOf(row: Encoding): Callable {
  const usesMmx = row.operands.some(({ letter }) => 'PQN'.includes(letter));
  return {
    system: systemInstructionOf(row),
    float: floatInstructions()[row.index],
    stores: STORES.test(row.mnemonic),
    flags: row.flags.written | row.flags.cleared,
    waits: row.unit === 'x87' ? !NO_WAIT.test(row.mnemonic) : usesMmx,
  };
}

export function hasFunction(row: Encoding): boolean {
  callables ??= encodings().map(callableOf);
  const { system, float } = callables[row.index]!;
  return system !== undefined || float !== undefined;
}

/**
 * Raises what CR0 and CR4 say of the unit whose registers a row uses, and #MF while an x87 exception
 * waits: before the memory operand is looked at.
 */
function checkUnit(cpu: Cpu, { unit }: Encoding, waits: boolean): void {
  if (unit === 'general') return;
  const { cr0 } = cpu;
  if (unit === 'x87') {
    if ((cr0 & (Cr0.em | Cr0.ts)) !== 0) raise(Vector.deviceNotAvailable);
    if (waits && isPending(cpu)) raise(Vector.x87Error);
    return;
  }
  if ((cr0 & Cr0.em) !== 0) raise(Vector.invalidOpcode);
  if (unit === 'sse' && (cpu.cr4 & Cr4.osfxsr) === 0) raise(Vector.invalidOpcode);
  if ((cr0 & Cr0.ts) !== 0) raise(Vector.deviceNotAvailable);
  if (waits && isPending(cpu)) raise(Vector.x87Error);
}

function isPending(cpu: Cpu): boolean {
  return (cpu.u16[X87.status >> 1]! & Status.summary) !== 0;
}

/**
 * Executes an instruction that is a function. On entry RIP is the instruction's; on return the next
 * one's, or where a branch went, or unchanged while {@link Cpu.isRepeating}. The mode, what interrupts
 * may come and everything else may have changed.
 * @throws CpuException with RIP, and all that counts, unchanged
 */
export function callInstruction(cpu: Cpu, { insn, row, operands }: BoundInstruction): void {
  callables ??= encodings().map(callableOf);
  const callable = callables[row.index]!;
  cpu.isRepeating = false;
  checkPrivilege(cpu, row.traits);
  checkUnit(cpu, row, callable.waits);
  const { system, float } = callable;
  if (system !== undefined) {
    system(cpu, insn);
    if (cpu.isRepeating || (row.traits & Trait.branch) !== 0) return;
  } else if (float !== undefined) callFloat(cpu, insn, row, operands, callable, float);
  else {
    cpu.vp.unimplemented(describeInstruction(cpu, insn));
    cpu.isRepeating = true;
    return;
  }
  cpu.rip = nextRip(cpu, insn);
}

function memoryBytes(row: Encoding, insn: Instruction, operand: BoundOperand): number {
  if (operand.size !== 0) return operand.size;
  const isShort = insn.operandSize === 2;
  switch (row.mnemonic) {
    case 'fldenv':
    case 'fnstenv':
      return isShort ? 14 : 28;
    case 'frstor':
    case 'fnsave':
      return isShort ? 94 : 108;
    default:
      return FXSAVE_BYTES;
  }
}

/** Copies an operand of any even size, at most a page, to the operand buffer. */
function loadOperand(cpu: Cpu, linear: number, bytes: number): void {
  checkRead(cpu, linear, bytes);
  let done = 0;
  for (; done + 4 <= bytes; done += 4) {
    cpu.u32[(OPERAND_BUFFER + done) >> 2] = readMemory(cpu, along(cpu, linear, done), 4);
  }
  for (; done + 2 <= bytes; done += 2) {
    cpu.u16[(OPERAND_BUFFER + done) >> 1] = readMemory(cpu, along(cpu, linear, done), 2);
  }
}

function storeOperand(cpu: Cpu, linear: number, bytes: number): void {
  let done = 0;
  for (; done + 4 <= bytes; done += 4) {
    writeMemory(cpu, along(cpu, linear, done), 4, cpu.u32[(OPERAND_BUFFER + done) >> 2]!);
  }
  for (; done + 2 <= bytes; done += 2) {
    writeMemory(cpu, along(cpu, linear, done), 2, cpu.u16[(OPERAND_BUFFER + done) >> 1]!);
  }
}

/** Outside long mode, linear addresses wrap at 4 GiB. */
function along(cpu: Cpu, linear: number, distance: number): number {
  const sum = linear + distance;
  return sum >= TWO_32 && (cpu.mode & Mode.long) === 0 ? sum - TWO_32 : sum;
}

/** Operands of that many bytes fit at ACCESS_VALUE. */
const VALUE_BYTES = 16;

/** Where an operand lies in one page of RAM that has no code in it, or -1. */
function positionInRam(cpu: Cpu, linear: number, bytes: number, stores: boolean): number {
  if ((linear & (PAGE_BYTES - 1)) + bytes > PAGE_BYTES || isWatching(cpu)) return -1;
  const bank = currentBank(cpu);
  if (!stores) return readablePosition(cpu, linear, bank);
  const position = writablePosition(cpu, linear, bank);
  return position >= 0 && cpu.host.hasCode(position) ? -1 : position;
}

/**
 * Where a memory operand is, or a copy of it.
 * @param stores whether it will be written, and then {@link finishOperand} called
 */
function memoryPlace(cpu: Cpu, linear: number, bytes: number, stores: boolean): number {
  const position = positionInRam(cpu, linear, bytes, stores);
  if (position >= 0) return position;
  if (bytes > VALUE_BYTES) {
    if (stores) checkWrite(cpu, linear, bytes);
    // FXSAVE leaves some of its area alone: what is there goes back.
    loadOperand(cpu, linear, bytes);
    return OPERAND_BUFFER;
  }
  cpu.setSigned(ACCESS_ADDRESS, linear);
  return stores ? slowReadModify(cpu, bytes) : slowRead(cpu, bytes);
}

function finishOperand(cpu: Cpu, linear: number, bytes: number, place: number): void {
  if (place === OPERAND_BUFFER) storeOperand(cpu, linear, bytes);
  else if (place === ACCESS_VALUE) finishModify(cpu, bytes);
}

function operandPlace({ kind, register, isHighByte }: BoundOperand, memory: number): number {
  switch (kind) {
    case OperandKind.general:
      return GPR + 8 * register + (isHighByte ? 1 : 0);
    case OperandKind.xmm:
      return XMM + 16 * register;
    case OperandKind.mmx:
      return X87.st + 16 * register;
    default:
      return memory;
  }
}

/** What `floatInstructions` has as the third operand. */
function argumentOf(cpu: Cpu, row: Encoding, insn: Instruction): number {
  if (row.unit === 'sse') {
    const isWide = insn.operandSize === 8;
    if (row.operands.at(-1)!.letter === 'I') return insn.immediate | (isWide ? 0x100 : 0);
    return isWide ? 8 : 4;
  }
  let argument = ((insn.opcode & 7) << 8) | (insn.modRm & 0xff);
  if (insn.operandSize === 2) argument |= Layout.words;
  if ((cpu.mode & Mode.protected) === 0) argument |= Layout.real;
  if (insn.mode === 64) argument |= Layout.long;
  if (insn.operandSize === 8) argument |= Layout.wide;
  return argument;
}

function callFloat(
  cpu: Cpu,
  insn: Instruction,
  row: Encoding,
  operands: readonly BoundOperand[],
  callable: Callable,
  execute: FloatInstruction,
): void {
  const memory = operands.find(({ kind }) => kind === OperandKind.memory);
  let linear = 0;
  let bytes = 0;
  let place = 0;
  if (memory !== undefined) {
    bytes = memoryBytes(row, insn, memory);
    const offset = effectiveOffset(cpu, insn);
    linear = checkSegment(cpu, insn.segment, offset, bytes, callable.stores);
    if ((row.traits & Trait.align) !== 0 && (linear & 15) !== 0) {
      raise(Vector.generalProtection, 0);
    }
    place = memoryPlace(cpu, linear, bytes, callable.stores);
    if (row.unit === 'x87') {
      cpu.u32[FloatTransfer.dataSelector >> 2] = cpu.selector(insn.segment);
      cpu.setSigned(FloatTransfer.dataPointer, offset);
    }
  }
  const [first, second] = operands;
  let destination = first === undefined ? 0 : operandPlace(first, place);
  let source = second === undefined ? destination : operandPlace(second, place);
  if (row.unit === 'x87' && memory !== undefined) {
    destination = place;
    source = place;
  } else if (row.feature === 'x87cmov') source = cpu.eflags;
  const control = cpu.u32[MXCSR >> 2]!;
  const argument = argumentOf(cpu, row, insn);
  finish(cpu, execute(cpu.float, destination, source, argument));
  if (callable.stores && memory !== undefined) finishOperand(cpu, linear, bytes, place);
  if (callable.flags !== 0) {
    const flags = cpu.u32[FloatTransfer.flags >> 2]!;
    cpu.eflags = (cpu.eflags & ~callable.flags) | (flags & callable.flags);
  }
  if (((control ^ cpu.u32[MXCSR >> 2]!) & ~MXCSR_STICKY) !== 0) cpu.updateMode();
}

/** Raises what a floating point function answers. */
function finish(cpu: Cpu, fault: number): void {
  if (fault === FloatFault.none) return;
  if (fault === FloatFault.generalProtection) raise(Vector.generalProtection, 0);
  if (fault === FloatFault.simd && (cpu.cr4 & Cr4.osxmmexcpt) === 0) raise(Vector.invalidOpcode);
  raise(fault);
}
