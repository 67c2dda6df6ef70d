/**
 * String instructions (SDM volume 2, MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS, REP). Repeated, one call
 * does what lies in one page of each side, leaves RCX, RSI and RDI as the architecture has them
 * between two iterations, and sets `isRepeating` when there is more to do.
 */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { checkWrite, readMemory, writeMemory, writeWide } from '../mmu/access.ts';
import { Flags, GPR, OPERAND_BUFFER } from '../state.ts';
import { checkPort, portSize, readPort, writePort } from './port.ts';
import { readRegister } from './operands.ts';
import {
  advance,
  compared,
  countDown,
  destination,
  DESTINATION_SEGMENT,
  elementSize,
  isDown,
  repeatCount,
  source,
  type StringOperand,
} from './string-operand.ts';

const AX = 0;
const DX = 2;
const REPE = 0xf3;
/** As many bytes, a loop moves faster than a call does. */
const FEW_BYTES = 64;
/** Device accesses of one call: they cost more than bytes of RAM. */
const MAX_DEVICE_ELEMENTS = 512;

/** @returns false when a repeated instruction has a count of 0 and so does nothing */
function begin(cpu: Cpu, insn: Instruction): boolean {
  cpu.isRepeating = false;
  return repeatCount(cpu, insn) !== 0;
}

function finish(cpu: Cpu, insn: Instruction, done: number): void {
  cpu.isRepeating = countDown(cpu, insn, done);
}

/** Lowest position of `bytes` that go up or down from an element. */
function lowest(cpu: Cpu, position: number, bytes: number, size: number): number {
  return isDown(cpu) ? position - bytes + size : position;
}

function aboutToWrite(cpu: Cpu, position: number, bytes: number): void {
  if (cpu.host.hasCode(position)) cpu.host.codeWritten(position, bytes);
}

/** Reads an element into the operand buffer, wherever it lies. */
function loadElement(cpu: Cpu, operand: StringOperand, size: number, to: number): void {
  const { position, linear } = operand;
  if (position >= 0) {
    cpu.u8.copyWithin(to, position, position + size);
    return;
  }
  cpu.view.setUint32(to, readMemory(cpu, linear, Math.min(size, 4)), true);
  if (size === 8) cpu.view.setUint32(to + 4, readMemory(cpu, linear + 4, 4), true);
}

/** Writes an element from the operand buffer or a register. */
function storeElement(cpu: Cpu, operand: StringOperand, size: number, from: number): void {
  const low = cpu.view.getUint32(from, true);
  if (size === 8) writeWide(cpu, operand.linear, low, cpu.view.getUint32(from + 4, true));
  else writeMemory(cpu, operand.linear, size, low);
}

/** Copies forward as byte after byte would: where the destination begins inside the source, a pattern repeats. */
function copyForward(cpu: Cpu, to: number, from: number, bytes: number): void {
  const distance = to - from;
  if (bytes <= FEW_BYTES) {
    const { u8 } = cpu;
    for (let byte = 0; byte < bytes; byte += 1) u8[to + byte] = u8[from + byte]!;
    return;
  }
  if (distance <= 0 || distance >= bytes) {
    cpu.u8.copyWithin(to, from, from + bytes);
    return;
  }
  let done = 0;
  let step = distance;
  while (done < bytes) {
    const piece = Math.min(step, bytes - done);
    cpu.u8.copyWithin(to + done, from, from + piece);
    done += piece;
    step = done + distance;
  }
}

/** The bytes of `count` elements, of which both sides are RAM. */
function copyElements(cpu: Cpu, count: number, size: number): void {
  const bytes = count * size;
  const down = isDown(cpu);
  const to = destination.position;
  const from = source.position;
  aboutToWrite(cpu, lowest(cpu, to, bytes, size), bytes);
  const distance = to - from;
  const isTangled = down
    ? distance < 0 && -distance < bytes
    : distance > 0 && distance < Math.min(bytes, size);
  if (isTangled) {
    const step = down ? -size : size;
    for (let index = 0; index < count; index += 1) {
      const at = index * step;
      cpu.u8.copyWithin(to + at, from + at, from + at + size);
    }
  } else if (down) {
    const low = lowest(cpu, from, bytes, size);
    cpu.u8.copyWithin(lowest(cpu, to, bytes, size), low, low + bytes);
  } else copyForward(cpu, to, from, bytes);
}

export function movs(cpu: Cpu, insn: Instruction): void {
  if (!begin(cpu, insn)) return;
  const size = elementSize(insn);
  source.locate(cpu, insn, insn.segment, size);
  destination.locate(cpu, insn, DESTINATION_SEGMENT, size);
  let count = 1;
  if (source.position >= 0 && destination.position >= 0) {
    count = Math.min(repeatCount(cpu, insn), source.room, destination.room);
    copyElements(cpu, count, size);
  } else {
    checkWrite(cpu, destination.linear, size);
    loadElement(cpu, source, size, OPERAND_BUFFER);
    storeElement(cpu, destination, size, OPERAND_BUFFER);
  }
  advance(cpu, source.register, insn.addressSize, count * size);
  advance(cpu, destination.register, insn.addressSize, count * size);
  finish(cpu, insn, count);
}

/** Fills with RAX's low bytes. */
function fillElements(cpu: Cpu, count: number, size: number): void {
  const bytes = count * size;
  const { u8 } = cpu;
  const low = lowest(cpu, destination.position, bytes, size);
  aboutToWrite(cpu, low, bytes);
  const first = u8[GPR]!;
  let isUniform = true;
  for (let byte = 1; byte < size; byte += 1) if (u8[GPR + byte] !== first) isUniform = false;
  if (isUniform) {
    if (bytes > FEW_BYTES) u8.fill(first, low, low + bytes);
    else for (let byte = low; byte < low + bytes; byte += 1) u8[byte] = first;
    return;
  }
  u8.copyWithin(low, GPR, GPR + size);
  for (let done = size; done < bytes;) {
    const piece = Math.min(done, bytes - done);
    u8.copyWithin(low + done, low, low + piece);
    done += piece;
  }
}

export function stos(cpu: Cpu, insn: Instruction): void {
  if (!begin(cpu, insn)) return;
  const size = elementSize(insn);
  destination.locate(cpu, insn, DESTINATION_SEGMENT, size);
  let count = 1;
  if (destination.position >= 0) {
    count = Math.min(repeatCount(cpu, insn), destination.room);
    fillElements(cpu, count, size);
  } else storeElement(cpu, destination, size, GPR);
  advance(cpu, destination.register, insn.addressSize, count * size);
  finish(cpu, insn, count);
}

export function lods(cpu: Cpu, insn: Instruction): void {
  if (!begin(cpu, insn)) return;
  const size = elementSize(insn);
  source.locate(cpu, insn, insn.segment, size);
  let count = 1;
  if (source.position >= 0) {
    count = Math.min(repeatCount(cpu, insn), source.room);
    // Only the last element leaves a trace.
    source.position += (isDown(cpu) ? -size : size) * (count - 1);
  }
  loadElement(cpu, source, size, OPERAND_BUFFER);
  if (size === 4) cpu.setReg32(AX, cpu.view.getUint32(OPERAND_BUFFER, true));
  else cpu.u8.copyWithin(GPR, OPERAND_BUFFER, OPERAND_BUFFER + size);
  advance(cpu, source.register, insn.addressSize, count * size);
  finish(cpu, insn, count);
}

function read32(cpu: Cpu, position: number, size: number): number {
  if (size === 1) return cpu.u8[position]!;
  return size === 2 ? cpu.view.getUint16(position, true) : cpu.view.getUint32(position, true);
}

function isEvenParity(value: number): boolean {
  let bits = value & 0xff;
  bits ^= bits >> 4;
  bits ^= bits >> 2;
  return ((bits ^ (bits >> 1)) & 1) === 0;
}

/** The flags of `left - right`, elements at two positions. */
function setComparison(cpu: Cpu, left: number, right: number, size: number): void {
  const shift = size >= 4 ? 31 : size * 8 - 1;
  const lowLeft = read32(cpu, left, size);
  const lowRight = read32(cpu, right, size);
  const low = lowLeft - lowRight;
  let topLeft = lowLeft;
  let topRight = lowRight;
  let top = low;
  let isZero = low === 0;
  if (size === 8) {
    topLeft = read32(cpu, left + 4, 4);
    topRight = read32(cpu, right + 4, 4);
    isZero &&= topLeft === topRight;
    top = topLeft - topRight - (low < 0 ? 1 : 0);
  }
  let flags = top < 0 ? 1 : 0;
  if (isEvenParity(low)) flags |= 4;
  flags |= (lowLeft ^ lowRight ^ low) & 0x10;
  if (isZero) flags |= 0x40;
  flags |= ((top >>> shift) & 1) << 7;
  flags |= ((((topLeft ^ topRight) & (topLeft ^ top)) >>> shift) & 1) << 11;
  cpu.u32[Flags.kind >> 2] = 0;
  cpu.u32[Flags.source >> 2] = flags;
  cpu.u32[(Flags.source >> 2) + 1] = 0;
}

function isEqual(cpu: Cpu, left: number, right: number, size: number): boolean {
  if (read32(cpu, left, size) !== read32(cpu, right, size)) return false;
  return size !== 8 || read32(cpu, left + 4, 4) === read32(cpu, right + 4, 4);
}

/**
 * Compares element after element in RAM.
 * @param leftStep bytes between the elements of the left side: 0 for a register
 * @returns how many were compared; the last one decides
 */
function scan(
  cpu: Cpu,
  insn: Instruction,
  count: number,
  left: number,
  leftStep: number,
  right: number,
  size: number,
): number {
  const goesOnWhileEqual = insn.repeat === REPE;
  const rightStep = isDown(cpu) ? -size : size;
  let done = 0;
  let equal = true;
  do {
    equal = isEqual(cpu, left + done * leftStep, right + done * rightStep, size);
    done += 1;
  } while (done < count && equal === goesOnWhileEqual);
  setComparison(cpu, left + (done - 1) * leftStep, right + (done - 1) * rightStep, size);
  return done;
}

/** After a comparison: RCX, and whether the condition ends the repetition. */
function finishScan(cpu: Cpu, insn: Instruction, done: number): void {
  const isZero = (cpu.u32[Flags.source >> 2]! & 0x40) !== 0;
  const hasMore = countDown(cpu, insn, done);
  cpu.isRepeating = hasMore && isZero === (insn.repeat === REPE);
}

export function cmps(cpu: Cpu, insn: Instruction): void {
  if (!begin(cpu, insn)) return;
  const size = elementSize(insn);
  source.locate(cpu, insn, insn.segment, size);
  compared.locate(cpu, insn, DESTINATION_SEGMENT, size);
  let done = 1;
  if (source.position >= 0 && compared.position >= 0) {
    const count = Math.min(repeatCount(cpu, insn), source.room, compared.room);
    const step = isDown(cpu) ? -size : size;
    done = scan(cpu, insn, count, source.position, step, compared.position, size);
  } else {
    loadElement(cpu, source, size, OPERAND_BUFFER);
    loadElement(cpu, compared, size, OPERAND_BUFFER + 8);
    setComparison(cpu, OPERAND_BUFFER, OPERAND_BUFFER + 8, size);
  }
  advance(cpu, source.register, insn.addressSize, done * size);
  advance(cpu, compared.register, insn.addressSize, done * size);
  finishScan(cpu, insn, done);
}

export function scas(cpu: Cpu, insn: Instruction): void {
  if (!begin(cpu, insn)) return;
  const size = elementSize(insn);
  compared.locate(cpu, insn, DESTINATION_SEGMENT, size);
  let done = 1;
  if (compared.position >= 0) {
    const count = Math.min(repeatCount(cpu, insn), compared.room);
    done = scan(cpu, insn, count, GPR, 0, compared.position, size);
  } else {
    loadElement(cpu, compared, size, OPERAND_BUFFER + 8);
    setComparison(cpu, GPR, OPERAND_BUFFER + 8, size);
  }
  advance(cpu, compared.register, insn.addressSize, done * size);
  finishScan(cpu, insn, done);
}

/** INS: the destination is known to be writable before the port is read. */
export function ins(cpu: Cpu, insn: Instruction): void {
  const size = portSize(insn);
  const port = readRegister(cpu, DX, 2);
  checkPort(cpu, port, size);
  if (!begin(cpu, insn)) return;
  destination.locate(cpu, insn, DESTINATION_SEGMENT, size);
  if (destination.position < 0) checkWrite(cpu, destination.linear, size);
  const room = destination.position < 0 ? 1 : destination.room;
  const count = Math.min(repeatCount(cpu, insn), room, MAX_DEVICE_ELEMENTS);
  const step = isDown(cpu) ? -size : size;
  const first = destination.linear;
  for (let index = 0; index < count; index += 1) {
    cpu.view.setUint32(OPERAND_BUFFER, readPort(cpu, port, size), true);
    destination.linear = first + index * step;
    storeElement(cpu, destination, size, OPERAND_BUFFER);
  }
  advance(cpu, destination.register, insn.addressSize, count * size);
  finish(cpu, insn, count);
}

export function outs(cpu: Cpu, insn: Instruction): void {
  const size = portSize(insn);
  const port = readRegister(cpu, DX, 2);
  checkPort(cpu, port, size);
  if (!begin(cpu, insn)) return;
  source.locate(cpu, insn, insn.segment, size);
  const room = source.position < 0 ? 1 : source.room;
  const count = Math.min(repeatCount(cpu, insn), room, MAX_DEVICE_ELEMENTS);
  const step = isDown(cpu) ? -size : size;
  for (let index = 0; index < count; index += 1) {
    loadElement(cpu, source, size, OPERAND_BUFFER);
    writePort(cpu, port, size, read32(cpu, OPERAND_BUFFER, size));
    if (source.position >= 0) source.position += step;
  }
  advance(cpu, source.register, insn.addressSize, count * size);
  finish(cpu, insn, count);
}
