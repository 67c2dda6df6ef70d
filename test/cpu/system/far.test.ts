import { beforeEach, describe, expect, it } from 'vitest';
import { Cr0, Eflags } from '../../../src/cpu/cpu.ts';
import { SegmentIndex, System } from '../../../src/cpu/state.ts';
import { afterInstruction } from '../../../src/cpu/system/debug.ts';
import { faultOf, type Rig } from '../rig.ts';
import {
  buildWorld,
  CODE,
  enterRing,
  except,
  execute,
  gate,
  GDT,
  Sel,
  setGate,
  STACK,
  STACK_0,
  STACK_1,
  stack,
  TSS,
  TSS_B,
  where,
  worldRig,
} from './world.ts';

let rig: Rig;
beforeEach(() => {
  rig = worldRig();
});

/** `call` or `jmp` with an immediate far pointer of 32-bit code. */
function far(opcode: 0x9a | 0xea, selector: number, offset: number): string | undefined {
  const bytes = [0, 8, 16, 24].map((shift) => (offset >>> shift) & 0xff);
  return execute(rig, opcode, ...bytes, selector & 0xff, selector >> 8);
}

function putGate(access: number, selector: number, offset: number, parameters = 0): void {
  rig.put(GDT + Sel.gate, 8, gate(selector, offset, access, parameters));
}

describe('far transfers of 32-bit code', () => {
  beforeEach(() => {
    buildWorld(rig, false);
  });

  it('jump and call on the same level, and return', () => {
    expect(far(0xea, Sel.code16, 0x1234)).toBeUndefined();
    expect(where(rig)).toBe('48:1234 10:8000 cpl 0');
    enterRing(rig, 0);
    expect(far(0x9a, Sel.code0, 0x2000)).toBeUndefined();
    expect(where(rig)).toBe('8:2000 10:7ff8 cpl 0');
    expect(stack(rig, 2, 4)).toEqual([(CODE + 7).toString(16), '8']);
    expect(execute(rig, 0xcb)).toBeUndefined();
    expect(where(rig)).toBe(`8:${(CODE + 7).toString(16)} 10:8000 cpl 0`);
  });

  it('refuse what is no code of the same level', () => {
    expect(far(0xea, Sel.code3, 0)).toBe('#13(28)');
    expect(far(0xea, Sel.data0, 0)).toBe('#13(10)');
    expect(far(0xea, 0, 0)).toBe('#13(0)');
    expect(far(0xea, 0x100, 0)).toBe('#13(100)');
    expect(far(0xea, Sel.absent, 0)).toBe('#11(78)');
    expect(far(0xea, Sel.code16, 0x1_0000)).toBe('#13(0)');
    expect(where(rig)).toBe('8:10000 10:8000 cpl 0');
    enterRing(rig, 3);
    expect(far(0xea, Sel.code0, 0)).toBe('#13(8)');
    expect(far(0xea, Sel.conforming, 0x500)).toBeUndefined();
    // Conforming code runs at the caller's level.
    expect(where(rig)).toBe('53:500 33:8000 cpl 3');
  });

  it('call through a gate to an inner ring, with parameters, and return over them', () => {
    putGate(0xec, Sel.code0, 0x3000, 2);
    enterRing(rig, 3);
    rig.put(STACK, 4, 0x1111_1111);
    rig.put(STACK + 4, 4, 0x2222_2222);
    expect(far(0x9a, Sel.gate | 3, 0x9999)).toBeUndefined();
    expect(where(rig)).toBe(`8:3000 10:${(STACK_0 - 24).toString(16)} cpl 0`);
    expect(stack(rig, 6, 4)).toEqual([
      (CODE + 7).toString(16),
      '2b',
      '11111111',
      '22222222',
      '8000',
      '33',
    ]);
    expect(execute(rig, 0xca, 8, 0)).toBeUndefined();
    expect(where(rig)).toBe(`2b:${(CODE + 7).toString(16)} 33:8008 cpl 3`);
  });

  it('jump through a gate only to the same level', () => {
    putGate(0xec, Sel.code0, 0x3000);
    expect(far(0xea, Sel.gate, 0)).toBeUndefined();
    expect(where(rig)).toBe('8:3000 10:8000 cpl 0');
    enterRing(rig, 3);
    expect(far(0xea, Sel.gate, 0)).toBe('#13(8)');
    putGate(0x8c, Sel.code0, 0x3000);
    expect(far(0x9a, Sel.gate, 0)).toBe('#13(58)');
    putGate(0x6c, Sel.code0, 0x3000);
    expect(far(0x9a, Sel.gate, 0)).toBe('#11(58)');
  });

  it('take the stack of ring 1 from its own place in the TSS', () => {
    putGate(0xec, Sel.code1, 0x3000);
    enterRing(rig, 3);
    expect(far(0x9a, Sel.gate, 0)).toBeUndefined();
    expect(where(rig)).toBe(`19:3000 21:${(STACK_1 - 16).toString(16)} cpl 1`);
  });

  it('return only outwards', () => {
    enterRing(rig, 3);
    rig.put(STACK, 4, 0x500);
    rig.put(STACK + 4, 4, Sel.code0);
    expect(execute(rig, 0xcb)).toBe('#13(8)');
    enterRing(rig, 0);
    rig.put(STACK + 4, 4, Sel.code3);
    rig.put(STACK + 8, 4, 0x7000);
    rig.put(STACK + 12, 4, Sel.data0);
    expect(execute(rig, 0xcb)).toBe('#13(10)');
    rig.put(STACK + 12, 4, Sel.data3);
    expect(execute(rig, 0xcb)).toBeUndefined();
    expect(where(rig)).toBe('2b:500 33:7000 cpl 3');
  });
});

describe('far transfers of long mode', () => {
  beforeEach(() => {
    buildWorld(rig, true);
  });

  it('take 16-byte gates to 64-bit code, without parameters', () => {
    putGate(0xec, Sel.code0, 0x3000);
    rig.put(GDT + Sel.gate + 8, 8, 0);
    enterRing(rig, 3);
    rig.put(0x7000, 4, 0x9999);
    rig.put(0x7004, 2, Sel.gate | 3);
    rig.cpu.setReg(0, 0x7000n);
    // call far [rax]
    expect(execute(rig, 0xff, 0x18)).toBeUndefined();
    expect(where(rig)).toBe(`8:3000 0:${(STACK_0 - 32).toString(16)} cpl 0`);
    expect(stack(rig, 4, 8)).toEqual([(CODE + 2).toString(16), '2b', '8000', '33']);
    expect(execute(rig, 0x48, 0xcb)).toBeUndefined();
    expect(where(rig)).toBe(`2b:${(CODE + 2).toString(16)} 33:8000 cpl 3`);
    rig.put(GDT + Sel.gate + 12, 4, 0x0100);
    expect(execute(rig, 0xff, 0x18)).toBe('#13(58)');
  });

  it('know no 16-bit gates and no tasks', () => {
    putGate(0xe4, Sel.code0, 0x3000);
    rig.put(0x7004, 2, Sel.gate);
    rig.cpu.setReg(0, 0x7000n);
    expect(execute(rig, 0xff, 0x18)).toBe('#13(58)');
    rig.put(0x7004, 2, Sel.tss);
    expect(execute(rig, 0xff, 0x28)).toBe('#13(38)');
  });
});

describe('task switches', () => {
  const ENTRY = 0x5555;

  beforeEach(() => {
    buildWorld(rig, false);
    rig.put(TSS_B + 0x20, 4, ENTRY);
    rig.put(TSS_B + 0x24, 4, 0x202);
    rig.put(TSS_B + 0x28, 4, 0xaaaa_aaaa);
    rig.put(TSS_B + 0x38, 4, 0x7800);
    const selectors = [Sel.data0, Sel.code0, Sel.data0, Sel.data3, 0, 0];
    for (const [index, selector] of selectors.entries())
      rig.put(TSS_B + 0x48 + 4 * index, 4, selector);
    rig.put(GDT + Sel.tss + 5, 1, 0x8b);
  });

  it('call saves the old task, links it, and IRET goes back', () => {
    const { cpu } = rig;
    cpu.setReg32(0, 0x1234);
    expect(far(0x9a, Sel.tssB, 0)).toBeUndefined();
    expect(where(rig)).toBe('8:5555 10:7800 cpl 0');
    expect(cpu.reg32(0)).toBe(0xaaaa_aaaa);
    expect(cpu.eflags).toBe(0x202 | Eflags.nt);
    expect(cpu.cr0 & Cr0.ts).not.toBe(0);
    expect(rig.get(TSS_B, 2)).toBe(BigInt(Sel.tss));
    expect(rig.get(TSS + 0x20, 4)).toBe(BigInt(CODE + 7));
    expect(rig.get(TSS + 0x28, 4)).toBe(0x1234n);
    expect([rig.get(GDT + Sel.tss + 5, 1), rig.get(GDT + Sel.tssB + 5, 1)]).toEqual([0x8bn, 0x8bn]);
    expect(cpu.selector(SegmentIndex.tr)).toBe(Sel.tssB);
    cpu.rip = 0x6000;
    expect(execute(rig, 0xcf)).toBeUndefined();
    expect(where(rig)).toBe(`8:${(CODE + 7).toString(16)} 10:8000 cpl 0`);
    expect(cpu.reg32(0)).toBe(0x1234);
    // The task that left goes on behind its IRET, without NT, and is free again.
    expect(rig.get(TSS_B + 0x20, 4)).toBe(0x6001n);
    expect(rig.get(TSS_B + 0x24, 4)).toBe(0x202n);
    expect(rig.get(GDT + Sel.tssB + 5, 1)).toBe(0x89n);
  });

  it('jump leaves the old task free', () => {
    expect(far(0xea, Sel.tssB, 0)).toBeUndefined();
    expect(rig.cpu.eflags).toBe(0x202);
    expect(rig.get(GDT + Sel.tss + 5, 1)).toBe(0x89n);
    expect(far(0xea, Sel.tssB, 0)).toBe('#13(70)');
  });

  it('interrupts use task gates too, and push the error code on the new stack', () => {
    setGate(rig, 13, Sel.tssB, 0, 0x85);
    except(rig, 13, 0x4c);
    expect(where(rig)).toBe('8:5555 10:77fc cpl 0');
    expect(stack(rig, 1, 4)).toEqual(['4c']);
    expect(rig.get(TSS + 0x20, 4)).toBe(BigInt(CODE));
  });

  it('fault in the new task when its segments are bad, in the old one before', () => {
    rig.put(TSS_B + 0x4c, 4, Sel.data0);
    expect(far(0x9a, Sel.tssB, 0)).toBe('#10(10)');
    expect(rig.cpu.selector(SegmentIndex.tr)).toBe(Sel.tssB);
    expect(rig.cpu.rip).toBe(ENTRY);
    buildWorld(rig, false);
    rig.put(GDT + Sel.tssB, 2, 0x66);
    expect(far(0x9a, Sel.tssB, 0)).toBe('#10(70)');
    expect(rig.cpu.selector(SegmentIndex.tr)).toBe(Sel.tss);
  });

  it('enter virtual-8086 mode with the VM flag', () => {
    rig.put(TSS_B + 0x24, 4, 0x2_0202);
    rig.put(TSS_B + 0x4c, 4, 0x2000);
    rig.put(TSS_B + 0x50, 4, 0x3000);
    expect(far(0xea, Sel.tssB, 0)).toBeUndefined();
    expect(where(rig)).toBe('2000:5555 3000:7800 cpl 3');
    expect(rig.cpu.segmentBase(SegmentIndex.cs)).toBe(0x2_0000);
  });

  it('return from a task whose link is no busy task: #TS', () => {
    rig.put(TSS, 2, Sel.tssB);
    rig.cpu.systemFlags |= Eflags.nt;
    expect(execute(rig, 0xcf)).toBe('#10(70)');
    rig.put(TSS, 2, Sel.data0);
    expect(execute(rig, 0xcf)).toBe('#10(10)');
  });

  it('16-bit tasks keep words', () => {
    rig.put(GDT + Sel.tssB + 5, 1, 0x81);
    rig.put(TSS_B + 0xe, 2, 0x777);
    rig.put(TSS_B + 0x10, 2, 0x202);
    rig.put(TSS_B + 0x12, 2, 0xbbbb);
    rig.put(TSS_B + 0x1a, 2, 0x6000);
    for (const [index, selector] of [Sel.data0, Sel.code0, Sel.data0, Sel.data0, 0].entries()) {
      rig.put(TSS_B + 0x22 + 2 * index, 2, selector);
    }
    expect(far(0x9a, Sel.tssB, 0)).toBeUndefined();
    expect(rig.cpu.reg32(0)).toBe(0xffff_bbbb);
    expect(rig.cpu.rip).toBe(0x777);
    rig.cpu.rip = 0x778;
    expect(execute(rig, 0xcf)).toBeUndefined();
    expect(rig.cpu.rip).toBe(CODE + 7);
  });

  it('set the debug trap of a task with the T bit', () => {
    rig.put(TSS_B + 0x64, 2, 1);
    expect(far(0xea, Sel.tssB, 0)).toBeUndefined();
    expect(faultOf(() => afterInstruction(rig.cpu, 2))).toBe('#1');
    expect(rig.cpu.u32[(System.dr >> 2) + 12]! & 0xe00f).toBe(0x8000);
  });
});
