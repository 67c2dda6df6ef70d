/** A processor in ring 3 with the two pages that recorded vectors use, and their state. */
import { Cr0, Cr4 } from '../../src/cpu/cpu.ts';
import { GPR, MXCSR, SegmentIndex, X87, XMM } from '../../src/cpu/state.ts';
import type { Encoding } from '../../src/cpu/table/row.ts';
import { setSegment } from '../../src/cpu/system/segments.ts';
import { linearMemory } from './linear-memory.ts';
import { setSystemSegments } from './rig.ts';
import {
  CODE_ADDRESS,
  DATA_ADDRESS,
  DATA_BYTES,
  FLAG_MASK,
} from '../../tools/record-vectors/state.ts';
import {
  isAdjacent,
  isApproximate,
  isNear,
  isTranscendental,
  STATUS_C1,
} from '../../tools/record-vectors/tolerance.ts';
import type { Vector } from '../../tools/record-vectors/vectors.ts';
import { cpuRig, LONG_MODE, type Rig, rigMemory, setControl } from './rig.ts';

export const CODE_GPA = 0x10_0000;
export const DATA_GPA = 0x11_0000;
const ROOT = 0x1000;
/** The page table of the data page. */
export const DATA_TABLE = 0x5000;
export const PRESENT = 7;
const DATA = 0xcff3;
const CODE_64 = 0xaffb;
const CODE_32 = 0xcffb;
/** IF, and TF: the recorder steps, so that a repeated instruction does one iteration. */
const IF_TF = 0x302;

/** @param executor the reference generates no code */
export function userModeRig(executor = 'tier 1'): Rig {
  const rig = cpuRig(executor === 'reference' ? rigMemory(false) : linearMemory());
  rig.put(ROOT, 8, 0x2000 + PRESENT);
  rig.put(0x2000, 8, 0x3000 + PRESENT);
  rig.put(0x3000 + 8 * ((CODE_ADDRESS >>> 21) & 0x1ff), 8, 0x4000 + PRESENT);
  rig.put(0x4000, 8, CODE_GPA + PRESENT);
  rig.put(0x3000 + 8 * ((DATA_ADDRESS >>> 21) & 0x1ff), 8, DATA_TABLE + PRESENT);
  rig.put(DATA_TABLE, 8, DATA_GPA + PRESENT);
  // The kernel's 2 MiB, with a TSS that has no port bitmap.
  rig.put(0x3000, 8, 0x83);
  rig.put(0x6066, 2, 0x68);
  setControl(rig, {
    ...LONG_MODE,
    cr0: LONG_MODE.cr0! | Cr0.ne | Cr0.mp,
    cr3: ROOT,
    cr4: LONG_MODE.cr4! | Cr4.osfxsr | Cr4.osxmmexcpt,
    cpl: 3,
  });
  setSystemSegments(rig);
  return rig;
}

export function loadVector(rig: Rig, vector: Vector): void {
  const { cpu } = rig;
  const { before, form } = vector;
  const code = form.mode === 64 ? CODE_64 : CODE_32;
  setSegment(cpu, SegmentIndex.cs, form.mode === 64 ? 0x33 : 0x23, 0, 0xffff_ffff, code);
  for (const segment of [SegmentIndex.es, SegmentIndex.ss, SegmentIndex.ds]) {
    setSegment(cpu, segment, 0x2b, 0, 0xffff_ffff, DATA);
  }
  for (const segment of [SegmentIndex.fs, SegmentIndex.gs])
    setSegment(cpu, segment, 0, 0, 0, 0x1_0000);
  cpu.u32.set(before.gpr, GPR >> 2);
  cpu.u32.set(before.xmm, XMM >> 2);
  for (let register = 0; register < 8; register += 1) {
    const words = before.st.subarray(3 * register, 3 * register + 3);
    cpu.u32.set(words, (X87.st + 16 * register) >> 2);
  }
  cpu.u16[X87.control >> 1] = before.fcw;
  cpu.u16[X87.status >> 1] = before.fsw;
  cpu.u8[X87.tags] = before.tags;
  cpu.u32[MXCSR >> 2] = before.mxcsr;
  cpu.eflags = before.eflags | IF_TF;
  cpu.rip = CODE_ADDRESS;
  cpu.activity = 0;
  cpu.updateMode(3);
  cpu.u8.set(form.bytes, rig.at(CODE_GPA));
  cpu.u8.set(before.memory, rig.at(DATA_GPA));
}

function hex(value: number): string {
  return value.toString(16);
}

/** What differs from the recorded result, of all registers and memory. @param open EFLAGS bits that do not count */
export function compareState(rig: Rig, vector: Vector, row: Encoding, open: number): string[] {
  const { cpu } = rig;
  const { after } = vector;
  const wrong: string[] = [];
  for (let word = 0; word < 32; word += 1) {
    const value = cpu.u32[(GPR >> 2) + word]!;
    if (value !== after.gpr[word]) {
      wrong.push(
        `r${word >> 1}.${word & 1} ${value.toString(16)} not ${after.gpr[word]!.toString(16)}`,
      );
    }
  }
  for (let word = 0; word < 64; word += 1) {
    const value = cpu.u32[(XMM >> 2) + word]!;
    const expected = after.xmm[word]!;
    if (value === expected || (isApproximate(row) && isNear(value, expected))) continue;
    wrong.push(`xmm${word >> 2}.${word & 3} ${value.toString(16)} not ${expected.toString(16)}`);
  }
  for (let register = 0; register < 8; register += 1) {
    const at = X87.st + 16 * register;
    const actual = Uint32Array.of(
      cpu.u32[at >> 2]!,
      cpu.u32[(at >> 2) + 1]!,
      cpu.u16[(at + 8) >> 1]!,
    );
    const expected = after.st.subarray(3 * register, 3 * register + 3);
    if (isTranscendental(row) && isAdjacent(actual, expected)) continue;
    if (actual.join() === expected.join()) continue;
    const [got, wanted] = [actual, expected].map((words) => [...words].map(hex).join(' '));
    wrong.push(`x87 ${register} ${got} not ${wanted}`);
  }
  const openStatus = isTranscendental(row) ? STATUS_C1 : 0;
  const state = [
    ['control word', cpu.u16[X87.control >> 1]!, after.fcw],
    ['status word', cpu.u16[X87.status >> 1]! & ~openStatus, after.fsw & ~openStatus],
    ['tags', cpu.u8[X87.tags]!, after.tags],
    ['mxcsr', cpu.u32[MXCSR >> 2]!, after.mxcsr],
  ] as const;
  for (const [name, value, expected] of state) {
    if (value !== expected)
      wrong.push(`${name} ${value.toString(16)} not ${expected.toString(16)}`);
  }
  const flags = (cpu.eflags ^ after.eflags) & FLAG_MASK & ~open;
  if (flags !== 0) wrong.push(`flags differ in ${flags.toString(16)}`);
  const rip = (vector.rip[1]! | 0) * 2 ** 32 + vector.rip[0]!;
  if (cpu.rip !== rip) wrong.push(`rip ${cpu.rip.toString(16)} not ${rip.toString(16)}`);
  const data = rig.at(DATA_GPA);
  for (let byte = 0; byte < DATA_BYTES; byte += 1) {
    if (cpu.u8[data + byte] === after.memory[byte]) continue;
    wrong.push(`memory at ${byte.toString(16)}`);
    break;
  }
  return wrong;
}
