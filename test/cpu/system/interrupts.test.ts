import { beforeEach, describe, expect, it } from 'vitest';
import { Eflags } from '../../../src/cpu/cpu.ts';
import type { CpuException } from '../../../src/cpu/exception.ts';
import { slowRead } from '../../../src/cpu/mmu/access.ts';
import { Activity, GPR, SegmentIndex, System } from '../../../src/cpu/state.ts';
import {
  deliverException,
  deliverInterrupt,
  deliverNmi,
} from '../../../src/cpu/system/interrupts.ts';
import { loadSegment, setReal } from '../../../src/cpu/system/segments.ts';
import { type Rig, setAccess } from '../rig.ts';
import {
  buildWorld,
  CODE,
  enterRing,
  except,
  execute,
  GDT,
  IST_1,
  Sel,
  setGate,
  STACK,
  STACK_0,
  stack,
  TSS,
  where,
  worldRig,
} from './world.ts';

const HANDLER = 0x4321;
const SP_FIELD = GPR + 32;

let rig: Rig;
beforeEach(() => {
  rig = worldRig();
});

describe('real mode', () => {
  beforeEach(() => {
    const { cpu } = rig;
    for (let segment: number = SegmentIndex.es; segment <= SegmentIndex.gs; segment += 1) {
      cpu.u32[(0x520 >> 2) + segment] = 0xffff;
      setReal(cpu, segment, 0x100);
    }
    cpu.u32[System.idtrLimit >> 2] = 0x3ff;
    cpu.setReg32(4, 0x200);
    cpu.rip = 0x50;
    cpu.eflags = 0x302;
    cpu.updateMode();
  });

  it('uses the vector table, three words of stack, no error code, and clears IF and TF', () => {
    rig.put(0x40 * 4, 4, 0x1234_5678);
    expect(execute(rig, 0xcd, 0x40)).toBeUndefined();
    expect(where(rig)).toBe('1234:5678 100:1fa cpl 0');
    expect(stack(rig, 3, 2)).toEqual(['52', '100', '302']);
    expect(rig.cpu.eflags).toBe(2);
    rig.put(13 * 4, 4, 0x2000_0010);
    except(rig, 13, 0);
    expect(where(rig)).toBe('2000:10 100:1f4 cpl 0');
  });

  it('comes back with IRET, which brings IOPL and NT too', () => {
    rig.put(0x40 * 4, 4, 0x1234_5678);
    execute(rig, 0xcd, 0x40);
    rig.put(0x11fe, 2, 0x7302);
    expect(execute(rig, 0xcf)).toBeUndefined();
    expect(where(rig)).toBe('100:52 100:200 cpl 0');
    expect(rig.cpu.eflags).toBe(0x7302);
  });

  it('ends in shutdown when the vector table is too short for the double fault', () => {
    rig.cpu.u32[System.idtrLimit >> 2] = 3;
    except(rig, 13, 0);
    expect(rig.calls.tripleFault).toBe(1);
    expect(rig.cpu.activity & Activity.shutdown).not.toBe(0);
  });
});

describe('32-bit protected mode', () => {
  beforeEach(() => {
    buildWorld(rig, false);
  });

  it('enters an interrupt gate on the same level, and IRET returns', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8e);
    rig.cpu.eflags = 0x202;
    execute(rig, 0xcd, 0x80);
    expect(where(rig)).toBe(`8:4321 10:${(STACK - 12).toString(16)} cpl 0`);
    expect(stack(rig, 3, 4)).toEqual([(CODE + 2).toString(16), '8', '202']);
    expect(rig.cpu.eflags).toBe(2);
    execute(rig, 0xcf);
    expect(where(rig)).toBe(`8:${(CODE + 2).toString(16)} 10:8000 cpl 0`);
    expect(rig.cpu.eflags).toBe(0x202);
  });

  it('leaves IF alone through a trap gate', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8f);
    rig.cpu.eflags = 0x302;
    execute(rig, 0xcd, 0x80);
    expect(rig.cpu.eflags).toBe(0x202);
  });

  it('changes the stack to ring 0, and back to ring 3 with useless segments dropped', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0xee);
    enterRing(rig, 3);
    execute(rig, 0xcd, 0x80);
    expect(where(rig)).toBe(`8:4321 10:${(STACK_0 - 20).toString(16)} cpl 0`);
    expect(stack(rig, 5, 4)).toEqual([(CODE + 2).toString(16), '2b', '2', '8000', '33']);
    loadSegment(rig.cpu, SegmentIndex.ds, Sel.data0);
    execute(rig, 0xcf);
    expect(where(rig)).toBe(`2b:${(CODE + 2).toString(16)} 33:8000 cpl 3`);
    expect(rig.cpu.selector(SegmentIndex.ds)).toBe(0);
    expect(rig.cpu.selector(SegmentIndex.es)).toBe(0x33);
  });

  it('pushes error codes and the resume flag for faults', () => {
    setGate(rig, 14, Sel.code0, HANDLER, 0x8e);
    except(rig, 14, 6);
    expect(stack(rig, 4, 4)).toEqual(['6', CODE.toString(16), '8', '10002']);
    setGate(rig, 1, Sel.code0, HANDLER, 0x8e);
    rig.cpu.eflags = 2;
    except(rig, 1);
    expect(stack(rig, 3, 4)).toEqual([HANDLER.toString(16), '8', '2']);
  });

  it('enters 16-bit gates with words', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x86);
    execute(rig, 0xcd, 0x80);
    expect(where(rig)).toBe(`8:4321 10:${(STACK - 6).toString(16)} cpl 0`);
    expect(stack(rig, 3, 2)).toEqual(['2', '8', '2']);
  });

  it('blames the gate with the IDT bit, and EXT for events from outside only', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8e);
    enterRing(rig, 3);
    expect(execute(rig, 0xcd, 0x80)).toBe('#13(402)');
    expect(where(rig)).toBe('2b:10000 33:8000 cpl 3');
    setGate(rig, 0x81, Sel.code0, HANDLER, 0x6e);
    expect(execute(rig, 0xcd, 0x81)).toBe('#11(40a)');
    setGate(rig, 0x82, 0, HANDLER, 0xee);
    expect(execute(rig, 0xcd, 0x82)).toBe('#13(0)');
    setGate(rig, 0x83, Sel.absent, HANDLER, 0xee);
    expect(execute(rig, 0xcd, 0x83)).toBe('#11(78)');
    setGate(rig, 0x84, Sel.data0, HANDLER, 0xee);
    expect(execute(rig, 0xcd, 0x84)).toBe('#13(10)');
    rig.cpu.u32[System.idtrLimit >> 2] = 0x80 * 8 + 6;
    expect(execute(rig, 0xcd, 0x80)).toBe('#13(402)');
    // From outside: a #GP with EXT reaches its handler.
    setGate(rig, 13, Sel.code0, HANDLER, 0x8e);
    deliverInterrupt(rig.cpu, 0x90);
    expect(stack(rig, 2, 4)).toEqual([(0x90 * 8 + 3).toString(16), CODE.toString(16)]);
  });

  it('checks the inner stack: #TS for the TSS, #SS for the stack itself', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0xee);
    enterRing(rig, 3);
    rig.put(TSS + 8, 2, Sel.data3);
    expect(execute(rig, 0xcd, 0x80)).toBe('#10(30)');
    rig.put(TSS + 8, 2, 0);
    expect(execute(rig, 0xcd, 0x80)).toBe('#10(0)');
    rig.put(TSS + 8, 2, Sel.data0);
    rig.put(GDT + Sel.data0 + 5, 1, 0x12);
    expect(execute(rig, 0xcd, 0x80)).toBe('#12(10)');
    rig.put(GDT + Sel.data0 + 5, 1, 0x92);
    rig.cpu.u32[(0x520 >> 2) + SegmentIndex.tr] = 10;
    expect(execute(rig, 0xcd, 0x80)).toBe('#10(38)');
  });

  it('makes a double fault of two contributory ones, and a triple fault of three', () => {
    setGate(rig, 8, Sel.code0, HANDLER, 0x8e);
    except(rig, 13, 0x10);
    expect(stack(rig, 3, 4)).toEqual(['0', CODE.toString(16), '8']);
    expect(rig.cpu.rip).toBe(HANDLER);
    setGate(rig, 8, Sel.code0, HANDLER, 0x0e);
    except(rig, 13, 0x10);
    expect(rig.calls.tripleFault).toBe(1);
  });

  it('delivers a fault after a benign exception by itself', () => {
    setGate(rig, 8, Sel.code0, 0x8888, 0x8e);
    setGate(rig, 11, Sel.code0, 0xbbbb, 0x8e);
    setGate(rig, 6, Sel.code0, 0x6666, 0x0e);
    except(rig, 6);
    expect(rig.cpu.rip).toBe(0xbbbb);
    expect(stack(rig, 1, 4)).toEqual([(6 * 8 + 3).toString(16)]);
    setGate(rig, 0, Sel.code0, 0x6666, 0x0e);
    except(rig, 0);
    expect(rig.cpu.rip).toBe(0x8888);
  });

  it('blocks NMIs until IRET', () => {
    setGate(rig, 2, Sel.code0, HANDLER, 0x8e);
    deliverNmi(rig.cpu);
    expect(rig.cpu.activity & Activity.nmiBlocked).not.toBe(0);
    execute(rig, 0xcf);
    expect(rig.cpu.activity & Activity.nmiBlocked).toBe(0);
  });

  it('wakes a halted processor', () => {
    setGate(rig, 0x40, Sel.code0, HANDLER, 0x8e);
    execute(rig, 0xf4);
    expect(rig.cpu.isHalted).toBe(true);
    deliverInterrupt(rig.cpu, 0x40);
    expect(rig.cpu.isHalted).toBe(false);
  });
});

describe('virtual-8086 mode', () => {
  /** Ring 0 returns to a task at 2000:0010. */
  function enter(iopl: number): void {
    buildWorld(rig, false);
    const { cpu } = rig;
    const frame = [
      0x10,
      0x2000,
      0x2_0202 | (iopl << 12),
      0x100,
      0x3000,
      0x4000,
      0x5000,
      0x6000,
      0x7000,
    ];
    for (const [index, word] of frame.entries()) rig.put(STACK - 36 + 4 * index, 4, word);
    cpu.setSigned(SP_FIELD, STACK - 36);
    expect(execute(rig, 0xcf)).toBeUndefined();
  }

  it('is entered by IRET with all nine words', () => {
    enter(0);
    const { cpu } = rig;
    expect(where(rig)).toBe('2000:10 3000:100 cpl 3');
    expect([0, 3, 4, 5].map((segment) => cpu.segmentBase(segment))).toEqual([
      0x4_0000, 0x5_0000, 0x6_0000, 0x7_0000,
    ]);
    expect(cpu.eflags).toBe(0x2_0202);
    expect(cpu.attributes(SegmentIndex.cs)).toBe(0xf3);
  });

  it('gives sensitive instructions to the monitor unless IOPL is 3', () => {
    enter(0);
    for (const bytes of [[0xcd, 0x21], [0x9c], [0x9d], [0xfa], [0xfb], [0xcf], [0xf4]]) {
      expect(execute(rig, ...bytes)).toBe('#13(0)');
    }
    enter(3);
    expect(execute(rig, 0xfa)).toBeUndefined();
    expect(rig.cpu.eflags).toBe(0x2_3002);
    expect(execute(rig, 0x9c)).toBeUndefined();
    expect(stack(rig, 1, 2)).toEqual(['3002']);
  });

  it('is left through a gate to ring 0, with the segments on its stack', () => {
    enter(3);
    setGate(rig, 0x21, Sel.code0, HANDLER, 0xee);
    execute(rig, 0xcd, 0x21);
    expect(where(rig)).toBe(`8:4321 10:${(STACK_0 - 36).toString(16)} cpl 0`);
    expect(stack(rig, 9, 4)).toEqual([
      '12',
      '2000',
      '23202',
      '100',
      '3000',
      '4000',
      '5000',
      '6000',
      '7000',
    ]);
    expect(rig.cpu.eflags & Eflags.vm).toBe(0);
    expect(rig.cpu.selector(SegmentIndex.ds)).toBe(0);
    execute(rig, 0xcf);
    expect(where(rig)).toBe('2000:12 3000:100 cpl 3');
  });

  it('cannot be left to another ring', () => {
    enter(3);
    setGate(rig, 0x21, Sel.code1, HANDLER, 0xee);
    expect(execute(rig, 0xcd, 0x21)).toBe('#13(18)');
    setGate(rig, 0x21, Sel.conforming, HANDLER, 0xee);
    expect(execute(rig, 0xcd, 0x21)).toBe('#13(50)');
  });
});

describe('long mode', () => {
  beforeEach(() => {
    buildWorld(rig, true);
  });

  it('aligns the stack, pushes five quadwords always, and IRETQ takes them', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8e);
    rig.cpu.setSigned(SP_FIELD, STACK - 4);
    rig.cpu.eflags = 0x202;
    execute(rig, 0xcd, 0x80);
    expect(where(rig)).toBe(`8:4321 10:${(STACK - 0x10 - 40).toString(16)} cpl 0`);
    expect(stack(rig, 5, 8)).toEqual(['10002', '8', '202', (STACK - 4).toString(16), '10']);
    execute(rig, 0x48, 0xcf);
    expect(where(rig)).toBe(`8:10002 10:${(STACK - 4).toString(16)} cpl 0`);
  });

  it('loads a null SS when it comes from ring 3, and keeps odd bits of RSP', () => {
    setGate(rig, 14, Sel.code0, HANDLER, 0x8e);
    enterRing(rig, 3);
    rig.cpu.setReg(4, 0x1234_5678_9abc_def1n);
    except(rig, 14, 7);
    expect(where(rig)).toBe(`8:4321 0:${(STACK_0 - 48).toString(16)} cpl 0`);
    expect(stack(rig, 6, 8)).toEqual(['7', '10000', '2b', '10002', '123456789abcdef1', '33']);
    rig.cpu.setSigned(SP_FIELD, rig.cpu.signed(SP_FIELD) + 8);
    execute(rig, 0x48, 0xcf);
    expect(rig.cpu.reg(4)).toBe(0x1234_5678_9abc_def1n);
    expect(rig.cpu.cpl).toBe(3);
    expect(rig.cpu.selector(SegmentIndex.ss)).toBe(0x33);
  });

  it('uses the interrupt stack table', () => {
    setGate(rig, 8, Sel.code0, HANDLER, 0x8e, 1);
    except(rig, 8, 0);
    expect(where(rig)).toBe(`8:4321 10:${(IST_1 - 48).toString(16)} cpl 0`);
    rig.put(TSS + 0x24, 8, 1n << 60n);
    setGate(rig, 12, Sel.code0, 0x1212, 0x8e);
    setGate(rig, 0x80, Sel.code0, HANDLER, 0xee, 1);
    expect(execute(rig, 0xcd, 0x80)).toBe('#12(0)');
  });

  it('has no 16-bit gates, no task gates, and only 64-bit handlers', () => {
    for (const access of [0x86, 0x87, 0x85, 0x8c]) {
      setGate(rig, 0x80, Sel.code0, HANDLER, access);
      expect(execute(rig, 0xcd, 0x80)).toBe('#13(402)');
    }
    setGate(rig, 0x80, Sel.code16, HANDLER, 0x8e);
    expect(execute(rig, 0xcd, 0x80)).toBe('#13(48)');
  });

  it('returns to 32-bit code, and refuses a null stack for ring 3', () => {
    const frame = [0x500n, BigInt(Sel.code32 | 3), 0x202n, 0x7000n, BigInt(Sel.data3)];
    for (const [index, word] of frame.entries()) rig.put(STACK - 40 + 8 * index, 8, word);
    rig.cpu.setSigned(SP_FIELD, STACK - 40);
    execute(rig, 0x48, 0xcf);
    expect(where(rig)).toBe('83:500 33:7000 cpl 3');
    enterRing(rig, 0);
    rig.cpu.setSigned(SP_FIELD, STACK - 40);
    rig.put(STACK - 8, 8, 3);
    expect(execute(rig, 0x48, 0xcf)).toBe('#13(0)');
    rig.cpu.systemFlags |= Eflags.nt;
    expect(execute(rig, 0x48, 0xcf)).toBe('#13(0)');
  });

  it('refuses addresses that are not canonical', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8e);
    rig.put(0x2000 + 0x808, 8, 0x8000);
    expect(execute(rig, 0xcd, 0x80)).toBe('#13(0)');
    rig.cpu.setReg(4, 0x8000_0000_0000n);
    setGate(rig, 0x80, Sel.code0, HANDLER, 0x8e);
    expect(execute(rig, 0xcd, 0x80)).toBe('#14(2)');
    rig.cpu.setReg(4, 0x9000_0000_0000n);
    expect(execute(rig, 0xcd, 0x80)).toBe('#12(0)');
  });

  it('makes #SS of a refused access through RSP or RBP, and #GP of any other', () => {
    const { cpu } = rig;
    setGate(rig, 12, Sel.code0, 0x1212, 0x8e);
    setGate(rig, 13, Sel.code0, 0x1313, 0x8e);
    const handlerOf = (...bytes: number[]): number => {
      enterRing(rig, 0);
      for (const [index, byte] of bytes.entries()) rig.put(CODE + index, 1, byte);
      setAccess(rig, 0x8000_0000_0000n);
      cpu.setReg(5, 0x8000_0000_0000n);
      try {
        slowRead(cpu, 8);
      } catch (error) {
        deliverException(cpu, error as CpuException);
      }
      return cpu.rip;
    };
    // mov rax,[rbp+0]; mov rax,[rax]; pop rax; mov rax,fs:[rbp+0]
    expect(handlerOf(0x48, 0x8b, 0x45, 0)).toBe(0x1212);
    expect(handlerOf(0x48, 0x8b, 0)).toBe(0x1313);
    expect(handlerOf(0x58)).toBe(0x1212);
    expect(handlerOf(0x64, 0x48, 0x8b, 0x45, 0)).toBe(0x1313);
  });

  it('faults while it pushes as a supervisor does', () => {
    setGate(rig, 0x80, Sel.code0, HANDLER, 0xee);
    setGate(rig, 14, Sel.code0, HANDLER, 0x8e);
    enterRing(rig, 3);
    rig.put(TSS + 4, 8, 0x40_0000);
    expect(execute(rig, 0xcd, 0x80)).toBe('#14(2)');
    expect(rig.cpu.signed(System.cr2)).toBe(0x40_0000 - 8);
    expect(rig.cpu.cpl).toBe(3);
  });
});
