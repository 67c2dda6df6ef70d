import { beforeEach, describe, expect, it } from 'vitest';
import { readMemory, slowRead, writeMemory } from '../../../src/cpu/mmu/access.ts';
import { lookUp } from '../../../src/cpu/mmu/tlb.ts';
import { Activity, System, TlbEntry } from '../../../src/cpu/state.ts';
import {
  afterInstruction,
  beforeInstruction,
  needsStepping,
  resetDebugRegisters,
} from '../../../src/cpu/system/debug.ts';
import { cpuRig, faultOf, type Rig, setAccess } from '../rig.ts';
import { buildWorld, CODE, execute } from './world.ts';

const TF = 0x100;
const RF = 0x1_0000;

let rig: Rig;
beforeEach(() => {
  rig = cpuRig();
  buildWorld(rig, true);
  resetDebugRegisters(rig.cpu);
});

/** Sets a breakpoint. @param kind R/W field; @param length LEN field */
function watch(index: number, address: number, kind: number, length: number): void {
  const { cpu } = rig;
  for (const [register, value] of [
    [index, address],
    [7, 0x400 | (1 << (2 * index)) | ((kind | (length << 2)) << (16 + 4 * index))],
  ] as const) {
    cpu.setReg(0, BigInt(value));
    expect(execute(rig, 0x0f, 0x23, 0xc0 | (register << 3))).toBeUndefined();
  }
}

function after(flags = 2): string | undefined {
  return faultOf(() => {
    afterInstruction(rig.cpu, flags);
  });
}

function dr6(): number {
  return rig.cpu.u32[(System.dr >> 2) + 12]! & 0xe00f;
}

describe('debug exceptions', () => {
  it('single step traps after the instruction, unless SS was loaded', () => {
    const { cpu } = rig;
    expect(needsStepping(cpu)).toBe(false);
    cpu.systemFlags |= TF;
    expect(needsStepping(cpu)).toBe(true);
    expect(after(TF)).toBe('#1');
    expect(dr6()).toBe(0x4000);
    cpu.activity = Activity.movSsShadow;
    expect(after(TF)).toBeUndefined();
    cpu.activity = 0;
    // The instruction that sets TF is not itself traced.
    expect(after(0)).toBeUndefined();
  });

  it('instruction breakpoints fault before, and RF lets one instruction pass', () => {
    const { cpu } = rig;
    watch(1, CODE, 0, 0);
    cpu.rip = CODE;
    const before = (): string | undefined =>
      faultOf(() => {
        beforeInstruction(cpu);
      });
    expect(before()).toBe('#1');
    expect(dr6()).toBe(2);
    cpu.systemFlags |= RF;
    expect(before()).toBeUndefined();
    expect(after(RF)).toBeUndefined();
    expect(cpu.systemFlags & RF).toBe(0);
    expect(before()).toBe('#1');
    cpu.rip = CODE + 1;
    expect(before()).toBeUndefined();
  });

  it('data breakpoints trap after accesses of their kind and reach', () => {
    const { cpu } = rig;
    watch(2, 0x7004, 1, 3);
    readMemory(cpu, 0x7004, 4);
    expect(lookUp(cpu, 0x7000, 0, TlbEntry.readTag)).toBe(-1);
    expect(after()).toBeUndefined();
    writeMemory(cpu, 0x7007, 1, 0);
    expect(after()).toBe('#1');
    expect(dr6()).toBe(4);
    writeMemory(cpu, 0x7008, 4, 0);
    expect(after()).toBeUndefined();
    watch(2, 0x7004, 3, 0);
    setAccess(rig, 0x7000n);
    slowRead(cpu, 4);
    expect(after()).toBeUndefined();
    slowRead(cpu, 8);
    expect(after()).toBe('#1');
  });

  it('port breakpoints need CR4.DE', () => {
    const { cpu } = rig;
    watch(0, 0x80, 2, 0);
    execute(rig, 0xe6, 0x80);
    expect(after()).toBeUndefined();
    cpu.u32[System.cr4 >> 2]! |= 8;
    execute(rig, 0xe6, 0x80);
    expect(after()).toBe('#1');
    expect(dr6()).toBe(1);
  });
});
