/** Port accesses and their permission (SDM volume 1, 19.5). */
import { type Cpu, Cr4 } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { readMemory } from '../mmu/access.ts';
import { Bank } from '../mmu/tlb.ts';
import { notePortAccess } from '../mmu/watch.ts';
import { GPR, SegmentIndex } from '../state.ts';
import { Attribute, wrapLinear } from './descriptor.ts';
import { readRegister, writeRegister } from './operands.ts';
import { ioPrivilege } from './privilege.ts';
import { isProtected, isVirtual8086 } from './segments.ts';

const AX = 0;
const DX = 2;
const MAP_BASE = 0x66;

/** The TSS's bitmap: a set bit for any of the ports, or a map that ends before them, is #GP(0). */
function checkBitmap(cpu: Cpu, port: number, size: number): void {
  const attributes = cpu.attributes(SegmentIndex.tr);
  const limit = cpu.segmentLimit(SegmentIndex.tr);
  const base = cpu.segmentBase(SegmentIndex.tr);
  const is32 = (attributes & (Attribute.unusable | 8)) === 8;
  if (!is32 || limit < MAP_BASE + 1) raise(Vector.generalProtection, 0);
  const map = readMemory(cpu, wrapLinear(cpu, base + MAP_BASE), 2, Bank.supervisor);
  const at = map + (port >>> 3);
  // Two bytes are read, so that a map ends with one byte of ones.
  if (at + 1 > limit) raise(Vector.generalProtection, 0);
  const bits = readMemory(cpu, wrapLinear(cpu, base + at), 2, Bank.supervisor);
  if (((bits >>> (port & 7)) & ((1 << size) - 1)) !== 0) raise(Vector.generalProtection, 0);
}

export function checkPort(cpu: Cpu, port: number, size: number): void {
  const isFree = isProtected(cpu) ? cpu.cpl <= ioPrivilege(cpu) : !isVirtual8086(cpu);
  if (!isFree) checkBitmap(cpu, port, size);
}

export function readPort(cpu: Cpu, port: number, size: number): number {
  cpu.host.syncClock();
  const value = cpu.vp.portRead(port, size);
  if ((cpu.cr4 & Cr4.de) !== 0) notePortAccess(cpu, port, size);
  cpu.host.recheck();
  return value >>> 0;
}

export function writePort(cpu: Cpu, port: number, size: number, value: number): void {
  cpu.host.syncClock();
  cpu.vp.portWrite(port, size, value);
  if ((cpu.cr4 & Cr4.de) !== 0) notePortAccess(cpu, port, size);
  cpu.host.recheck();
}

/** Bytes of the access: 1 for even opcodes, else 2 or 4. */
export function portSize(insn: Instruction): number {
  if ((insn.opcode & 1) === 0) return 1;
  return insn.operandSize === 2 ? 2 : 4;
}

/** Opcodes E4 to E7 name the port; EC to EF take it from DX. */
function portOf(cpu: Cpu, insn: Instruction): number {
  return (insn.opcode & 8) === 0 ? insn.immediate & 0xff : readRegister(cpu, DX, 2);
}

export function portIn(cpu: Cpu, insn: Instruction): void {
  const size = portSize(insn);
  const port = portOf(cpu, insn);
  checkPort(cpu, port, size);
  const value = readPort(cpu, port, size);
  if (size === 1) cpu.u8[GPR] = value;
  else writeRegister(cpu, AX, size, value);
}

export function portOut(cpu: Cpu, insn: Instruction): void {
  const size = portSize(insn);
  const port = portOf(cpu, insn);
  checkPort(cpu, port, size);
  const value = cpu.reg32(AX);
  writePort(cpu, port, size, size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value);
}
