/** Tables of a small kernel in the first 64 KiB, and instructions executed one by one. */
import { afterAll } from 'vitest';
import { PAGE_BYTES } from '../../../src/core/memory.ts';
import { type Cpu, Cr0, Cr4, Efer } from '../../../src/cpu/cpu.ts';
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { type CodeSize, Instruction } from '../../../src/cpu/decode/instruction.ts';
import { CpuException } from '../../../src/cpu/exception.ts';
import { codeSizeOf } from '../../../src/cpu/mode.ts';
import { GPR, SegmentIndex, System } from '../../../src/cpu/state.ts';
import { findDescriptor } from '../../../src/cpu/system/descriptor.ts';
import { deliverException } from '../../../src/cpu/system/interrupts.ts';
import { checkPrivilege } from '../../../src/cpu/system/privilege.ts';
import {
  linearOf,
  setFromDescriptor,
  setNull,
  setSegment,
} from '../../../src/cpu/system/segments.ts';
import { systemInstructionOf } from '../../../src/cpu/system/system.ts';
import { type Encoding, Trait } from '../../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../../src/cpu/table/table.ts';
import { noteRow, writeCoverage } from '../../../tools/record-vectors/coverage.ts';
import {
  EXECUTORS,
  type Machine,
  type Steps,
  UNDEFINED,
} from '../../../tools/record-vectors/executors.ts';
import { linearMemory } from '../linear-memory.ts';
import { cpuRig, type Rig, setControl } from '../rig.ts';

export const GDT = 0x1000;
export const IDT = 0x2000;
export const TSS = 0x3000;
export const TSS_B = 0x3400;
export const STACK = 0x8000;
export const STACK_0 = 0x9000;
export const STACK_1 = 0xa000;
export const IST_1 = 0xb000;
export const CODE = 0x1_0000;

/** Selectors of the GDT. */
export const Sel = {
  code0: 0x08,
  data0: 0x10,
  code1: 0x19,
  data1: 0x21,
  code3: 0x2b,
  data3: 0x33,
  tss: 0x38,
  /** In long mode the TSS takes two places. */
  code16: 0x48,
  conforming: 0x50,
  gate: 0x58,
  taskGate: 0x68,
  tssB: 0x70,
  absent: 0x78,
  code32: 0x80,
} as const;

const rows = encodings();
const functions = rows.map(systemInstructionOf);
const decoder = new Decoder(BASE_FEATURES);

/** A segment descriptor: attributes as bits 55:40, limit in its units. */
export function segment(base: number, limit: number, attributes: number): bigint {
  const [b, l, a] = [BigInt(base), BigInt(limit), BigInt(attributes)];
  const low = (l & 0xffffn) | ((b & 0xff_ffffn) << 16n) | (a << 40n);
  return low | (((l >> 16n) & 0xfn) << 48n) | ((b >> 24n) << 56n);
}

/** A gate: type and DPL in bits 15:8 of `access`. @param low5 parameter count or IST */
export function gate(selector: number, offset: number, access: number, low5 = 0): bigint {
  const whole = BigInt(offset);
  const low = (whole & 0xffffn) | (BigInt(selector) << 16n);
  return (
    low | (BigInt(low5) << 32n) | (BigInt(access) << 40n) | (((whole >> 16n) & 0xffffn) << 48n)
  );
}

function putGdt(rig: Rig, selector: number, value: bigint): void {
  rig.put(GDT + (selector & 0xfff8), 8, value);
}

/** 32-bit protected mode at ring 0 without paging, or long mode with the first 2 MiB mapped. */
export function buildWorld(rig: Rig, isLong: boolean): void {
  const { cpu } = rig;
  const size = isLong ? 0xa000 : 0xc000;
  for (const [selector, dpl] of [
    [Sel.code0, 0],
    [Sel.code1, 1],
    [Sel.code3, 3],
  ] as const) {
    putGdt(rig, selector, segment(0, 0xf_ffff, size | 0x9a | (dpl << 5)));
    putGdt(rig, selector + 8, segment(0, 0xf_ffff, 0xc092 | (dpl << 5)));
  }
  putGdt(rig, Sel.tss, segment(TSS, 0x200, 0x89));
  putGdt(rig, Sel.code16, segment(0, 0xffff, 0x9a));
  putGdt(rig, Sel.conforming, segment(0, 0xf_ffff, size | 0x9e));
  putGdt(rig, Sel.absent, segment(0, 0xf_ffff, size | 0x1a));
  putGdt(rig, Sel.code32, segment(0, 0xf_ffff, 0xc0fa));
  if (!isLong) {
    putGdt(rig, Sel.tssB, segment(TSS_B, 0x67, 0x89));
    putGdt(rig, Sel.taskGate, gate(Sel.tssB, 0, 0xe5));
  }
  cpu.setSigned(System.gdtrBase, GDT);
  cpu.u32[System.gdtrLimit >> 2] = 0xff;
  cpu.setSigned(System.idtrBase, IDT);
  cpu.u32[System.idtrLimit >> 2] = 0xfff;
  setControl(rig, { cr0: Cr0.pe, cr4: 0, efer: 0 });
  setNull(cpu, SegmentIndex.ldtr, 0);
  enterRing(rig, 0);
  if (isLong) {
    rig.put(0x4000, 8, 0x5007);
    rig.put(0x5000, 8, 0x6007);
    rig.put(0x6000, 8, 0x87);
    setControl(rig, {
      cr0: Cr0.pe | Cr0.pg | Cr0.wp,
      cr3: 0x4000,
      cr4: Cr4.pae,
      efer: Efer.lme | Efer.lma | Efer.nxe | Efer.sce,
    });
    enterRing(rig, 0);
    for (let level = 0; level < 3; level += 1) {
      rig.put(TSS + 4 + 8 * level, 8, level === 0 ? STACK_0 : STACK_1);
    }
    rig.put(TSS + 0x24, 8, IST_1);
  } else {
    rig.put(TSS + 4, 4, STACK_0);
    rig.put(TSS + 8, 2, Sel.data0);
    rig.put(TSS + 0xc, 4, STACK_1);
    rig.put(TSS + 0x10, 2, Sel.data1);
  }
  rig.put(TSS + 0x66, 2, 0x100);
  setSegment(cpu, SegmentIndex.tr, Sel.tss, TSS, 0x200, 0x8b);
}

/** Code, stack and data segments of a privilege level, and a stack pointer. */
export function enterRing(rig: Rig, cpl: 0 | 1 | 3): void {
  const { cpu } = rig;
  const code = cpl === 0 ? Sel.code0 : cpl === 1 ? Sel.code1 : Sel.code3;
  setFromDescriptor(cpu, SegmentIndex.cs, code, findDescriptor(cpu, code)!);
  const data = code + 8;
  for (const index of [SegmentIndex.es, SegmentIndex.ss, SegmentIndex.ds]) {
    setFromDescriptor(cpu, index, data, findDescriptor(cpu, data)!);
  }
  for (const index of [SegmentIndex.fs, SegmentIndex.gs]) setNull(cpu, index, 0);
  cpu.setSigned(GPR + 32, STACK);
  cpu.rip = CODE;
  cpu.eflags = 2;
  cpu.updateMode(cpl);
}

/** An IDT gate. @param access P, DPL and type, as in 0x8e */
export function setGate(
  rig: Rig,
  vector: number,
  selector: number,
  offset: number,
  access: number,
  ist = 0,
): void {
  const isLong = (rig.cpu.efer & Efer.lma) !== 0;
  const size = isLong ? 16 : 8;
  rig.put(IDT + size * vector, 8, gate(selector, offset, access, ist));
  if (isLong) rig.put(IDT + size * vector + 8, 8, 0);
}

let makeSteps: ((machine: Machine) => Steps) | undefined;
let executorName = '';
const stepsOf = new WeakMap<Rig, Steps>();

/**
 * {@link execute} goes through an executor, by name, until the end of the test file: without, to the
 * functions themselves.
 */
export function useExecutor(name: string): void {
  makeSteps = EXECUTORS[name]!;
  executorName = name;
  afterAll(() => {
    makeSteps = undefined;
    executorName = '';
    writeCoverage(`system-${name.replace(' ', '-')}`);
  });
}

/** Declares the tests of a file here too: a module is evaluated once for each query behind its name. */
export async function declareTests(file: string): Promise<void> {
  await import(`./${file}?on=${executorName}`);
}

/** Random tests need fewer cases on the executors, which call the same functions. */
export function isExecutorChosen(): boolean {
  return makeSteps !== undefined;
}

/** A new processor for {@link execute}. */
export function worldRig(): Rig {
  return makeSteps === undefined ? cpuRig() : cpuRig(linearMemory());
}

const insn = new Instruction();

/**
 * Executes one system instruction at RIP, in the present mode.
 * @returns the exception, `#vector(error code)`, with the state as it leaves it
 */
export function execute(rig: Rig, ...bytes: number[]): string | undefined {
  const { cpu } = rig;
  const mode: CodeSize = codeSizeOf(cpu.mode);
  const length = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, insn);
  if (length <= 0) return '#6';
  const row = rows[insn.row]!;
  try {
    const linear = linearOf(cpu, SegmentIndex.cs, cpu.rip);
    const isFetchable = makeSteps !== undefined && rig.memory.resolve(linear, PAGE_BYTES) >= 0;
    if (isFetchable) step(rig, makeSteps!, linear, bytes);
    else call(cpu, row);
  } catch (error) {
    if (!(error instanceof CpuException)) throw error;
    return error.errorCode < 0
      ? `#${error.vector}`
      : `#${error.vector}(${error.errorCode.toString(16)})`;
  }
  return undefined;
}

function call(cpu: Cpu, row: Encoding): void {
  const run = functions[row.index];
  if (run === undefined) return;
  checkPrivilege(cpu, row.traits);
  cpu.isRepeating = false;
  run(cpu, insn);
  if ((row.traits & Trait.branch) === 0 && !cpu.isRepeating) cpu.rip += insn.length;
}

/** Puts the bytes where RIP is, for this once. */
function step(
  rig: Rig,
  make: (machine: Machine) => Steps,
  linear: number,
  bytes: readonly number[],
): void {
  const { cpu } = rig;
  let steps = stepsOf.get(rig);
  if (steps === undefined) stepsOf.set(rig, (steps = make(rig)));
  const code = [...bytes, ...UNDEFINED];
  const at = rig.at(linear);
  const before = cpu.u8.slice(at, at + code.length);
  cpu.u8.set(code, at);
  steps.changed(at, code.length);
  const { row } = insn;
  let hasFaulted = true;
  try {
    steps.run(1);
    hasFaulted = false;
  } finally {
    noteRow(executorName, row, hasFaulted);
    // What the instruction wrote there itself stays.
    for (const [index, byte] of code.entries()) {
      if (cpu.u8[at + index] === byte) cpu.u8[at + index] = before[index]!;
    }
    steps.changed(at, code.length);
  }
}

/** Delivers an exception as the run loop does. */
export function except(rig: Rig, vector: number, errorCode = -1): void {
  const exception = new CpuException();
  exception.vector = vector;
  exception.errorCode = errorCode;
  deliverException(rig.cpu, exception);
}

/** Words on the present stack, from its top, in hexadecimal. */
export function stack(rig: Rig, count: number, size: 2 | 4 | 8): string[] {
  const { cpu } = rig;
  const base = (cpu.efer & Efer.lma) !== 0 ? 0 : cpu.segmentBase(SegmentIndex.ss);
  const pointer =
    cpu.reg32(4) & ((cpu.attributes(SegmentIndex.ss) & 0x4000) === 0 && size === 2 ? 0xffff : -1);
  return Array.from({ length: count }, (_, index) =>
    rig.get(base + pointer + index * size, size).toString(16),
  );
}

/** CS:RIP, SS:RSP and privilege level, to compare at a glance. */
export function where(rig: Rig): string {
  const { cpu } = rig;
  const hex = (value: number): string => value.toString(16);
  const { cs, ss } = SegmentIndex;
  return `${hex(cpu.selector(cs))}:${hex(cpu.rip)} ${hex(cpu.selector(ss))}:${hex(cpu.signed(GPR + 32))} cpl ${cpu.cpl}`;
}
