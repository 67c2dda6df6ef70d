/** The system instructions by name, and which of them stands behind a row of the table; with them what else reaches memory in its own way. */
import type { Cpu } from '../cpu.ts';
import type { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { checkRead } from '../mmu/access.ts';
import { maskedStore, maskedStoreMmx } from '../simd/masked-store.ts';
import { SegmentIndex } from '../state.ts';
import type { Encoding } from '../table/row.ts';
import { clts, invlpg, lmsw, moveFromControl, moveToControl, smsw } from './control.ts';
import { moveFromDebug, moveToDebug } from './debug.ts';
import { readBase, swapgs, syscall, sysenter, sysexit, sysret, writeBase } from './fast-call.ts';
import { farReturn } from './far.ts';
import { cli, hlt, popf, pushf, sti } from './flags.ts';
import { cpuid, hypercall, rdpmc, rdrand, rdtsc, rdtscp } from './identity.ts';
import { debugInterrupt, softwareInterrupt } from './interrupts.ts';
import { iret } from './iret.ts';
import {
  bound,
  callFar,
  enter,
  jumpFar,
  loadFarPointer,
  moveFromSegment,
  moveToSegment,
  popOperand,
  popAll,
  popSegment,
  pushAll,
  pushSegment,
} from './moves.ts';
import { rdmsr, wrmsr } from './msr.ts';
import { nextRip, operandAddress } from './operands.ts';
import { portIn, portOut } from './port.ts';
import { cmps, ins, lods, movs, outs, scas, stos } from './strings.ts';
import {
  arpl,
  lar,
  lgdt,
  lidt,
  lldt,
  lsl,
  ltr,
  sgdt,
  sidt,
  sldt,
  str,
  verr,
  verw,
} from './tables.ts';

const OVERFLOW = 0x800;

/**
 * Executes an instruction whose `checkPrivilege` has passed. All state is in the state block, RIP at
 * the instruction. It returns with the state changed, or raises with nothing changed. Of rows with
 * `Trait.branch` it sets RIP; of all others the caller adds the length, unless `isRepeating`.
 */
export type SystemInstruction = (cpu: Cpu, insn: Instruction) => void;

/** UD0, UD1 and UD2, which exist to raise this. */
function undefinedOpcode(): void {
  raise(Vector.invalidOpcode);
}

/** Caches are not modelled: what empties or fills them has nothing to do. */
function nothing(): void {}

function interrupt(vector: number): SystemInstruction {
  return (cpu, insn) => {
    softwareInterrupt(cpu, vector, nextRip(cpu, insn));
  };
}

const { es, cs, ss, ds, fs, gs } = SegmentIndex;
const SEGMENTS = { ES: es, CS: cs, SS: ss, DS: ds, FS: fs, GS: gs } as const;

function segmentStack(): Record<string, SystemInstruction> {
  const result: Record<string, SystemInstruction> = {};
  for (const [name, segment] of Object.entries(SEGMENTS)) {
    result[`push ${name}`] = (cpu, insn) => {
      pushSegment(cpu, insn, segment);
    };
    result[`pop ${name}`] = (cpu, insn) => {
      popSegment(cpu, insn, segment);
    };
  }
  return result;
}

function farPointer(segment: number): SystemInstruction {
  return (cpu, insn) => {
    loadFarPointer(cpu, insn, segment);
  };
}

/** By mnemonic; by mnemonic and operands where only some forms are system instructions. */
export const SYSTEM_INSTRUCTIONS: Readonly<Record<string, SystemInstruction>> = {
  ...segmentStack(),
  'mov Mw,Sw': moveFromSegment,
  'mov Rv,Sw': moveFromSegment,
  'mov Sw,Mw': moveToSegment,
  'mov Sw,Rv': moveToSegment,
  'mov Rn,Cn': moveFromControl,
  'mov Cn,Rn': moveToControl,
  'mov Rn,Dn': moveFromDebug,
  'mov Dn,Rn': moveToDebug,
  'pop Ev': popOperand,
  pusha: pushAll,
  popa: popAll,
  'jmp Ap': jumpFar,
  'jmp Mp': jumpFar,
  'call Ap': callFar,
  'call Mp': callFar,
  retf: (cpu, insn) => {
    farReturn(cpu, insn.operandSize, insn.immediate & 0xffff);
  },
  iret: (cpu, insn) => {
    iret(cpu, insn.operandSize, nextRip(cpu, insn));
  },
  int: (cpu, insn) => {
    softwareInterrupt(cpu, insn.immediate & 0xff, nextRip(cpu, insn));
  },
  int3: interrupt(Vector.breakpoint),
  int1: (cpu, insn) => {
    debugInterrupt(cpu, nextRip(cpu, insn));
  },
  into: (cpu, insn) => {
    if ((cpu.eflags & OVERFLOW) === 0) cpu.rip = nextRip(cpu, insn);
    else softwareInterrupt(cpu, Vector.overflow, nextRip(cpu, insn));
  },
  les: farPointer(es),
  lds: farPointer(ds),
  lss: farPointer(ss),
  lfs: farPointer(fs),
  lgs: farPointer(gs),
  bound,
  enter,
  maskmovdqu: maskedStore,
  maskmovq: maskedStoreMmx,
  pushf,
  popf,
  sti,
  cli,
  hlt,
  ud0: undefinedOpcode,
  ud1: undefinedOpcode,
  ud2: undefinedOpcode,
  // Outside SMM, which is never entered.
  rsm: undefinedOpcode,
  pause: nothing,
  invd: nothing,
  wbinvd: nothing,
  clflush: (cpu, insn) => {
    checkRead(cpu, operandAddress(cpu, insn, 1, false), 1);
  },
  in: portIn,
  out: portOut,
  ins,
  outs,
  movs,
  stos,
  lods,
  cmps,
  scas,
  lgdt,
  lidt,
  sgdt,
  sidt,
  lldt,
  ltr,
  sldt,
  str,
  verr,
  verw,
  lar,
  lsl,
  arpl,
  smsw,
  lmsw,
  clts,
  invlpg,
  rdmsr,
  wrmsr,
  rdtsc,
  rdtscp,
  rdpmc,
  cpuid,
  rdrand,
  syscall,
  sysret,
  sysenter,
  sysexit,
  swapgs,
  vmcall: hypercall,
  vmmcall: hypercall,
  rdfsbase: (cpu, insn) => {
    readBase(cpu, insn, fs);
  },
  rdgsbase: (cpu, insn) => {
    readBase(cpu, insn, gs);
  },
  wrfsbase: (cpu, insn) => {
    writeBase(cpu, insn, fs);
  },
  wrgsbase: (cpu, insn) => {
    writeBase(cpu, insn, gs);
  },
};

/** The function behind a row, or undefined when the row is ordinary computation. */
export function systemInstructionOf(row: Encoding): SystemInstruction | undefined {
  const operands = row.operands.map(({ text }) => text).join(',');
  return SYSTEM_INSTRUCTIONS[`${row.mnemonic} ${operands}`] ?? SYSTEM_INSTRUCTIONS[row.mnemonic];
}
