/** MASKMOVDQU and MASKMOVQ (SDM volume 2): the bytes whose mask is negative go to [RDI]. */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { checkWrite, writeMemory } from '../mmu/access.ts';
import { Status } from '../float/x87/state.ts';
import { X87, XMM } from '../state.ts';
import { offsetOf } from '../system/operands.ts';
import { checkSegment } from '../system/segments.ts';

const DI = 7;

function store(cpu: Cpu, insn: Instruction, source: number, mask: number, bytes: number): void {
  const { addressSize, segment } = insn;
  const places: number[] = [];
  for (let byte = 0; byte < bytes; byte += 1) {
    if (cpu.u8[mask + byte]! < 0x80) continue;
    const linear = checkSegment(cpu, segment, offsetOf(cpu, DI, addressSize, byte), 1, true);
    checkWrite(cpu, linear, 1);
    places.push(byte, linear);
  }
  for (let at = 0; at < places.length; at += 2) {
    writeMemory(cpu, places[at + 1]!, 1, cpu.u8[source + places[at]!]!);
  }
}

export function maskedStore(cpu: Cpu, insn: Instruction): void {
  store(cpu, insn, XMM + 16 * insn.reg, XMM + 16 * insn.rm, 16);
}

/** Uses MMX registers: all are valid then, and TOP is 0. */
export function maskedStoreMmx(cpu: Cpu, insn: Instruction): void {
  store(cpu, insn, X87.st + 16 * (insn.reg & 7), X87.st + 16 * (insn.rm & 7), 8);
  cpu.u8[X87.tags] = 0xff;
  cpu.u16[X87.status >> 1]! &= ~Status.top;
}
