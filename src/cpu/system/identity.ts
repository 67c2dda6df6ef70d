/** What a program learns from outside the processor: CPUID, time, chance, and the hypervisor's answers. */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { GPR, System } from '../state.ts';
import { Mode } from '../mode.ts';
import { nextRip } from './operands.ts';

const AX = 0;
const CX = 1;
const DX = 2;
const BX = 3;
const SI = 6;
const DI = 7;
const R8 = 8;

const words = new Uint32Array(6);

export function cpuid(cpu: Cpu): void {
  cpu.vp.cpuid(cpu.reg32(AX), cpu.reg32(CX), words);
  cpu.setReg32(AX, words[0]!);
  cpu.setReg32(BX, words[1]!);
  cpu.setReg32(CX, words[2]!);
  cpu.setReg32(DX, words[3]!);
}

export function rdtsc(cpu: Cpu): void {
  cpu.host.syncClock();
  cpu.vp.readTsc(words);
  cpu.setReg32(AX, words[0]!);
  cpu.setReg32(DX, words[1]!);
}

export function rdtscp(cpu: Cpu): void {
  rdtsc(cpu);
  cpu.setReg32(CX, cpu.u32[System.tscAux >> 2]!);
}

/** There are no performance counters, so that none can be read. */
export function rdpmc(): never {
  return raise(Vector.generalProtection, 0);
}

const randomSources = new WeakMap<Cpu, () => number>();

/** Gives a processor the seeded stream of 32-bit numbers behind RDRAND. Without one, RDRAND has nothing to give. */
export function setRandomSource(cpu: Cpu, source: () => number): void {
  randomSources.set(cpu, source);
}

export function rdrand(cpu: Cpu, insn: Instruction): void {
  const source = randomSources.get(cpu);
  const size = insn.operandSize;
  const low = source === undefined ? 0 : source();
  const field = (GPR >> 2) + 2 * insn.rm;
  if (size === 2) cpu.u16[2 * field] = low;
  else {
    cpu.u32[field] = low;
    cpu.u32[field + 1] = size === 8 && source !== undefined ? source() : 0;
  }
  // CF says that there is a number; the other arithmetic flags are cleared.
  cpu.eflags = (cpu.eflags & ~0x8d5) | (source === undefined ? 0 : 1);
}

function copyPair(cpu: Cpu, to: number, highRegister: number, lowRegister: number): void {
  words[to] = cpu.reg32(lowRegister);
  words[to + 1] = cpu.reg32(highRegister);
}

function copyRegister(cpu: Cpu, to: number, register: number): void {
  words[to] = cpu.u32[(GPR >> 2) + 2 * register]!;
  words[to + 1] = cpu.u32[(GPR >> 2) + 2 * register + 1]!;
}

/**
 * VMCALL and VMMCALL (TLFS, "Hypercall Interface"): RCX, RDX and R8 in 64-bit mode, else EDX:EAX,
 * EBX:ECX and EDI:ESI. #UD from anywhere but ring 0 of protected mode.
 */
export function hypercall(cpu: Cpu, insn: Instruction): void {
  const is64 = (cpu.mode & Mode.code64) !== 0;
  if ((cpu.mode & Mode.protected) === 0 || cpu.cpl !== 0) raise(Vector.invalidOpcode);
  if (is64) {
    copyRegister(cpu, 0, CX);
    copyRegister(cpu, 2, DX);
    copyRegister(cpu, 4, R8);
  } else {
    copyPair(cpu, 0, DX, AX);
    copyPair(cpu, 2, BX, CX);
    copyPair(cpu, 4, DI, SI);
  }
  cpu.host.syncClock();
  if (!cpu.vp.hypercall(words)) raise(Vector.invalidOpcode);
  if (is64) {
    cpu.u32[GPR >> 2] = words[0]!;
    cpu.u32[(GPR >> 2) + 1] = words[1]!;
  } else {
    cpu.setReg32(AX, words[0]!);
    cpu.setReg32(DX, words[1]!);
  }
  cpu.rip = nextRip(cpu, insn);
  cpu.host.recheck();
}
