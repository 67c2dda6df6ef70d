import { beforeEach, describe, expect, it } from 'vitest';
import { Cr0, Cr4, Efer, Eflags } from '../../../src/cpu/cpu.ts';
import { lookUp } from '../../../src/cpu/mmu/tlb.ts';
import { readMemory } from '../../../src/cpu/mmu/access.ts';
import { Mode } from '../../../src/cpu/mode.ts';
import {
  Activity,
  GPR,
  SEGMENT_BASE,
  SegmentIndex,
  System,
  TlbEntry,
} from '../../../src/cpu/state.ts';
import { setRandomSource } from '../../../src/cpu/system/identity.ts';
import { Msr } from '../../../src/hypervisor/spec/msrs.ts';
import { faultOf, type Rig } from '../rig.ts';
import { buildWorld, CODE, enterRing, execute, GDT, Sel, where, worldRig } from './world.ts';

const [AX, CX, DX, BX] = [0, 1, 2, 3];

let rig: Rig;
beforeEach(() => {
  rig = worldRig();
});

function setRegister(register: number, value: number | bigint): void {
  rig.cpu.setReg(register, BigInt.asUintN(64, BigInt(value)));
}

/** MOV to CRn from RAX. */
function toCr(number: number, value: number | bigint): string | undefined {
  setRegister(AX, value);
  return number === 8
    ? execute(rig, 0x44, 0x0f, 0x22, 0xc0)
    : execute(rig, 0x0f, 0x22, 0xc0 | (number << 3));
}

function toDr(number: number, value: number | bigint): string | undefined {
  setRegister(AX, value);
  return execute(rig, 0x0f, 0x23, 0xc0 | (number << 3));
}

function wrmsr(msr: number, value: bigint): string | undefined {
  setRegister(CX, msr);
  setRegister(AX, value & 0xffff_ffffn);
  setRegister(DX, value >> 32n);
  return execute(rig, 0x0f, 0x30);
}

function rdmsr(msr: number): bigint | string {
  setRegister(CX, msr);
  const fault = execute(rig, 0x0f, 0x32);
  return fault ?? (BigInt(rig.cpu.reg32(DX)) << 32n) | BigInt(rig.cpu.reg32(AX));
}

describe('control registers', () => {
  it('turn long mode on by PAE, LME and PG, and off again from 32-bit code', () => {
    const { cpu } = rig;
    buildWorld(rig, false);
    rig.put(0x4000, 8, 0x5007);
    rig.put(0x5000, 8, 0x6007);
    rig.put(0x6000, 8, 0x87);
    expect(toCr(3, 0x4000)).toBeUndefined();
    expect(wrmsr(0xc000_0080, 0x100n)).toBeUndefined();
    expect(toCr(0, Cr0.pg | Cr0.pe)).toBe('#13(0)');
    expect(toCr(4, Cr4.pae)).toBeUndefined();
    expect(toCr(0, Cr0.pg | Cr0.pe)).toBeUndefined();
    expect(cpu.efer).toBe(Efer.lme | Efer.lma);
    expect(cpu.mode & Mode.long).not.toBe(0);
    expect(toCr(4, 0)).toBe('#13(0)');
    expect(wrmsr(0xc000_0080, 0n)).toBe('#13(0)');
    expect(toCr(0, Cr0.pe)).toBeUndefined();
    expect(cpu.efer).toBe(Efer.lme);
    // A 64-bit code segment must not be there at the switch.
    rig.put(GDT + 5, 1, 0);
    rig.put(GDT + Sel.code0 + 6, 1, 0xaf);
    enterRing(rig, 0);
    expect(toCr(0, Cr0.pg | Cr0.pe)).toBe('#13(0)');
  });

  it('refuse reserved bits and impossible combinations', () => {
    buildWorld(rig, true);
    expect(toCr(0, Cr0.pg)).toBe('#13(0)');
    expect(toCr(0, Cr0.pg | Cr0.pe | Cr0.nw)).toBe('#13(0)');
    expect(toCr(0, 1n << 32n)).toBe('#13(0)');
    expect(toCr(0, Cr0.pe)).toBe('#13(0)');
    expect(toCr(4, Cr4.pae | 0x4_0000)).toBe('#13(0)');
    expect(toCr(4, Cr4.pae | Cr4.vme)).toBe('#13(0)');
    expect(toCr(3, 1n << 40n)).toBe('#13(0)');
    expect(toCr(8, 0x10)).toBe('#13(0)');
    expect(toCr(1, 0)).toBe('#6');
    expect(wrmsr(0xc000_0080, 0x1000n)).toBe('#13(0)');
    enterRing(rig, 3);
    expect(toCr(3, 0)).toBe('#13(0)');
    expect(execute(rig, 0x0f, 0x06)).toBe('#13(0)');
  });

  it('checks the PDPTEs when CR3 is loaded under PAE', () => {
    buildWorld(rig, false);
    toCr(4, Cr4.pae);
    rig.put(0x4000, 8, 0x5001);
    rig.put(0x5000, 8, 0x87);
    expect(toCr(3, 0x4000)).toBeUndefined();
    expect(toCr(0, Cr0.pe | Cr0.pg)).toBeUndefined();
    rig.put(0x4020, 8, 0x5003);
    expect(toCr(3, 0x4020)).toBe('#13(0)');
    expect(rig.cpu.signed(System.cr3)).toBe(0x4000);
  });

  it('flush translations as their change demands', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    const isCached = (): boolean => lookUp(cpu, 0x1_0000, 0, TlbEntry.readTag) >= 0;
    readMemory(cpu, 0x1_0000, 4);
    expect(isCached()).toBe(true);
    toCr(3, 0x4000);
    expect(isCached()).toBe(false);
    readMemory(cpu, 0x1_0000, 4);
    setRegister(AX, 0x1_0000);
    expect(execute(rig, 0x0f, 0x01, 0x38)).toBeUndefined();
    expect(isCached()).toBe(false);
    readMemory(cpu, 0x1_0000, 4);
    expect(toCr(0, (cpu.cr0 & ~Cr0.wp) >>> 0)).toBeUndefined();
    expect(isCached()).toBe(false);
    readMemory(cpu, 0x1_0000, 4);
    toCr(4, Cr4.pae | Cr4.osfxsr);
    expect(isCached()).toBe(true);
    toCr(4, Cr4.pae | Cr4.pge);
    expect(isCached()).toBe(false);
  });

  it('CR8 is the task priority', () => {
    buildWorld(rig, true);
    expect(toCr(8, 5)).toBeUndefined();
    expect(rig.cpu.vp.taskPriority).toBe(0x50);
    expect(execute(rig, 0x44, 0x0f, 0x20, 0xc3)).toBeUndefined();
    expect(rig.cpu.reg(BX)).toBe(5n);
  });

  it('LMSW sets PE and never clears it; CLTS clears TS', () => {
    buildWorld(rig, false);
    const { cpu } = rig;
    setRegister(AX, 0x1e);
    expect(execute(rig, 0x0f, 0x01, 0xf0)).toBeUndefined();
    expect(cpu.cr0 & 0xf).toBe(0xf);
    execute(rig, 0x0f, 0x06);
    expect(cpu.cr0 & Cr0.ts).toBe(0);
    execute(rig, 0x0f, 0x01, 0xe3);
    expect(cpu.reg32(BX)).toBe(cpu.cr0);
  });
});

describe('debug registers', () => {
  it('keep their fixed bits, and refuse upper halves', () => {
    buildWorld(rig, true);
    expect(toDr(6, 0)).toBeUndefined();
    expect(toDr(7, 0)).toBeUndefined();
    const { u32 } = rig.cpu;
    expect(u32[(System.dr >> 2) + 12]).toBe(0xffff_0ff0);
    expect(u32[(System.dr >> 2) + 14]).toBe(0x400);
    expect(toDr(6, 1n << 32n)).toBe('#13(0)');
    expect(toDr(7, -1)).toBe('#13(0)');
  });

  it('alias 4 and 5 without CR4.DE, and are undefined with it', () => {
    buildWorld(rig, true);
    expect(toDr(5, 0x400)).toBeUndefined();
    toCr(4, Cr4.pae | Cr4.de);
    expect(toDr(5, 0x400)).toBe('#6');
  });

  it('raise #DB for an access under general detect', () => {
    buildWorld(rig, true);
    expect(toDr(7, 0x2000)).toBeUndefined();
    expect(toDr(0, 0)).toBe('#1');
    expect(rig.cpu.u32[(System.dr >> 2) + 12]! & 0x2000).not.toBe(0);
  });
});

describe('model-specific registers', () => {
  beforeEach(() => {
    buildWorld(rig, true);
  });

  it('are the processor’s own, with their checks, or the partition’s', () => {
    expect(wrmsr(0xc000_0082, 0xffff_8000_0000_1234n)).toBeUndefined();
    expect(rdmsr(0xc000_0082)).toBe(0xffff_8000_0000_1234n);
    expect(wrmsr(0xc000_0082, 0x8000_0000_0000n)).toBe('#13(0)');
    expect(wrmsr(0xc000_0100, 0x7fff_0000_0000n)).toBeUndefined();
    expect(rig.cpu.segmentBase(SegmentIndex.fs)).toBe(0x7fff_0000_0000);
    expect(wrmsr(0xc000_0103, 1n << 32n)).toBe('#13(0)');
    expect(rdmsr(0x1b)).toBe(0xfee0_0900n);
    expect(rdmsr(0x1234_5678)).toBe('#13(0)');
    expect(rdmsr(0xc000_0080)).toBe(0xd01n);
    enterRing(rig, 3);
    expect(rdmsr(0x1b)).toBe('#13(0)');
  });

  it('tell of code below a page that the hypervisor lays over it', () => {
    rig.codePages.add(0x1_2000);
    expect(wrmsr(Msr.GUEST_OS_ID, 1n << 56n)).toBeUndefined();
    expect(wrmsr(Msr.HYPERCALL, 0x1_2001n)).toBeUndefined();
    expect(rig.codeWrites).toEqual([[0x1_2000, 0x1000]]);
    expect(wrmsr(Msr.HYPERCALL, 0n)).toBeUndefined();
    expect(rig.codeWrites).toHaveLength(2);
  });

  it('put the processor to sleep when the guest reads GUEST_IDLE', () => {
    expect(rdmsr(Msr.GUEST_IDLE)).toBe(0n);
    expect(rig.cpu.activity & Activity.idle).not.toBe(0);
  });
});

describe('descriptor tables', () => {
  it('load and store bases of the operand’s width', () => {
    buildWorld(rig, true);
    setRegister(AX, 0x7000);
    rig.put(0x7000, 2, 0x1ff);
    rig.put(0x7002, 8, 0xffff_8000_0001_0000n);
    expect(execute(rig, 0x0f, 0x01, 0x10)).toBeUndefined();
    expect(rig.cpu.view.getBigUint64(System.gdtrBase, true)).toBe(0xffff_8000_0001_0000n);
    rig.put(0x7100, 8, 0);
    setRegister(AX, 0x7100);
    expect(execute(rig, 0x0f, 0x01, 0x00)).toBeUndefined();
    expect([rig.get(0x7100, 2), rig.get(0x7102, 8)]).toEqual([0x1ffn, 0xffff_8000_0001_0000n]);
    rig.put(0x7002, 8, 0x8000_0000_0000n);
    setRegister(AX, 0x7000);
    expect(execute(rig, 0x0f, 0x01, 0x10)).toBe('#13(0)');
  });

  it('hide behind UMIP from user mode', () => {
    buildWorld(rig, true);
    toCr(4, Cr4.pae | Cr4.umip);
    enterRing(rig, 3);
    setRegister(AX, 0x7000);
    for (const modRm of [0x00, 0x08, 0x20]) expect(execute(rig, 0x0f, 0x01, modRm)).toBe('#13(0)');
    expect(execute(rig, 0x0f, 0x00, 0x00)).toBe('#13(0)');
  });

  it('LTR marks the task busy and takes only a free one; LLDT takes only an LDT', () => {
    buildWorld(rig, false);
    setRegister(AX, Sel.tss);
    expect(execute(rig, 0x0f, 0x00, 0xd8)).toBeUndefined();
    expect(rig.get(GDT + Sel.tss + 5, 1)).toBe(0x8bn);
    expect(execute(rig, 0x0f, 0x00, 0xd8)).toBe('#13(38)');
    setRegister(AX, 0);
    expect(execute(rig, 0x0f, 0x00, 0xd8)).toBe('#13(0)');
    expect(execute(rig, 0x0f, 0x00, 0xd0)).toBeUndefined();
    setRegister(AX, Sel.data0);
    expect(execute(rig, 0x0f, 0x00, 0xd0)).toBe('#13(10)');
    rig.put(GDT + Sel.absent, 8, 0x0000_0200_2000_0027n);
    setRegister(AX, Sel.absent);
    expect(execute(rig, 0x0f, 0x00, 0xd0)).toBe('#11(78)');
    rig.put(GDT + Sel.absent + 5, 1, 0x82);
    expect(execute(rig, 0x0f, 0x00, 0xd0)).toBeUndefined();
    expect(rig.cpu.segmentBase(SegmentIndex.ldtr)).toBe(0x2000);
    execute(rig, 0x0f, 0x00, 0xc3);
    expect(rig.cpu.reg32(BX)).toBe(Sel.absent);
  });

  it('LAR, LSL, VERR and VERW look without a fault', () => {
    buildWorld(rig, false);
    const zero = (): boolean => (rig.cpu.eflags & Eflags.zf) !== 0;
    const look = (opcode: number, selector: number): number | undefined => {
      setRegister(AX, selector);
      expect(execute(rig, 0x0f, opcode, 0xd8)).toBeUndefined();
      return zero() ? rig.cpu.reg32(BX) : undefined;
    };
    expect(look(0x02, Sel.data0)).toBe(0x00cf_9200);
    expect(look(0x03, Sel.data0)).toBe(0xffff_ffff);
    expect(look(0x03, Sel.code16)).toBe(0xffff);
    expect(look(0x02, Sel.tss)).toBe(0x8900);
    expect(look(0x02, Sel.taskGate)).toBe(0xe500);
    expect(look(0x03, Sel.taskGate)).toBeUndefined();
    expect(look(0x02, 0)).toBeUndefined();
    expect(look(0x02, 0x200)).toBeUndefined();
    const verify = (modRm: number, selector: number): boolean => {
      setRegister(AX, selector);
      expect(execute(rig, 0x0f, 0x00, modRm)).toBeUndefined();
      return zero();
    };
    expect([verify(0xe0, Sel.code0), verify(0xe8, Sel.code0)]).toEqual([true, false]);
    expect([verify(0xe0, Sel.data0), verify(0xe8, Sel.data0)]).toEqual([true, true]);
    enterRing(rig, 3);
    expect([verify(0xe0, Sel.data0), verify(0xe0, Sel.conforming)]).toEqual([false, true]);
    expect(look(0x02, Sel.data0)).toBeUndefined();
  });
});

describe('alignment checks', () => {
  it('hold at CPL 3 with CR0.AM and EFLAGS.AC, from the instruction that sets them', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    expect(toCr(0, (cpu.cr0 | Cr0.am) >>> 0)).toBeUndefined();
    enterRing(rig, 3);
    readMemory(cpu, 0x7001, 4);
    expect(lookUp(cpu, 0x7000, 1, TlbEntry.readTag)).not.toBe(-1);
    rig.put(0x8000, 8, 0x4_0202);
    expect(execute(rig, 0x9d)).toBeUndefined();
    expect(lookUp(cpu, 0x7000, 1, TlbEntry.readTag)).toBe(-1);
    const fault = (size: number, linear: number): string | undefined =>
      faultOf(() => readMemory(cpu, linear, size));
    expect([fault(4, 0x7000), fault(2, 0x7002), fault(1, 0x7003)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([fault(4, 0x7002), fault(2, 0x7001)]).toEqual(['#17(0)', '#17(0)']);
    expect(faultOf(() => readMemory(cpu, 0x7001, 4, 0))).toBeUndefined();
    enterRing(rig, 0);
    cpu.systemFlags |= Eflags.ac;
    expect(fault(4, 0x7001)).toBeUndefined();
  });
});

describe('frames and selectors', () => {
  it('ARPL raises a level, and touches memory only then', () => {
    buildWorld(rig, false);
    const { cpu } = rig;
    rig.put(GDT + Sel.data0 + 5, 1, 0x90);
    enterRing(rig, 0);
    rig.put(0x7000, 2, 0xfff2);
    setRegister(BX, 0x7000);
    setRegister(AX, 2);
    expect(execute(rig, 0x63, 0x03)).toBeUndefined();
    expect(cpu.eflags & Eflags.zf).toBe(0);
    setRegister(AX, 3);
    expect(execute(rig, 0x63, 0x03)).toBe('#13(0)');
    setRegister(CX, 0x1234_0010);
    expect(execute(rig, 0x63, 0xc1)).toBeUndefined();
    expect(cpu.reg32(CX)).toBe(0x1234_0013);
    expect(cpu.eflags & Eflags.zf).not.toBe(0);
  });

  it('ENTER of 32 bits on a 16-bit stack takes all of ESP into EBP', () => {
    buildWorld(rig, false);
    const { cpu } = rig;
    rig.put(GDT + Sel.data0 + 6, 1, 0x0f);
    enterRing(rig, 0);
    cpu.setReg32(4, 0x5678_8000);
    cpu.setReg32(5, 0x1111_2222);
    expect(execute(rig, 0xc8, 0x10, 0, 0)).toBeUndefined();
    expect(cpu.reg32(5)).toBe(0x5678_7ffc);
    expect(cpu.reg32(4)).toBe(0x5678_7fec);
    expect(rig.get(0x7ffc, 4)).toBe(0x1111_2222n);
  });
});

describe('fast system calls', () => {
  beforeEach(() => {
    buildWorld(rig, true);
    wrmsr(0xc000_0081, 0x0023_0010_0000_0000n);
    wrmsr(0xc000_0082, 0xffff_8000_0000_1000n);
    wrmsr(0xc000_0084, 0x200n);
  });

  it('SYSCALL and SYSRET change rings by STAR alone', () => {
    const { cpu } = rig;
    enterRing(rig, 3);
    cpu.eflags = 0x246;
    expect(execute(rig, 0x0f, 0x05)).toBeUndefined();
    expect(where(rig)).toBe('10:-7ffffffff000 18:8000 cpl 0');
    expect([cpu.reg(CX), cpu.reg(11)]).toEqual([BigInt(CODE + 2), 0x246n]);
    expect(cpu.eflags).toBe(0x46);
    expect(execute(rig, 0x48, 0x0f, 0x07)).toBeUndefined();
    expect(where(rig)).toBe('33:10002 2b:8000 cpl 3');
    expect(cpu.eflags).toBe(0x246);
    expect(cpu.mode & Mode.codeSizeMask).toBe(Mode.code64);
  });

  it('SYSRET to 32-bit code, to an address that is not canonical, and without SCE', () => {
    setRegister(CX, 0x1_0000_1234n);
    setRegister(11, 0x202);
    expect(execute(rig, 0x0f, 0x07)).toBeUndefined();
    expect(where(rig)).toBe('23:1234 2b:8000 cpl 3');
    expect(rig.cpu.mode & Mode.codeSizeMask).toBe(Mode.code32);
    enterRing(rig, 0);
    setRegister(CX, 0x8000_0000_0000n);
    expect(execute(rig, 0x48, 0x0f, 0x07)).toBe('#13(0)');
    wrmsr(0xc000_0080, 0x900n);
    expect(execute(rig, 0x0f, 0x05)).toBe('#6');
  });

  it('SYSENTER and SYSEXIT use their own three registers', () => {
    expect(execute(rig, 0x0f, 0x34)).toBe('#13(0)');
    wrmsr(0x174, 0x10n);
    wrmsr(0x175, 0x9000n);
    wrmsr(0x176, 0x1_2345n);
    enterRing(rig, 3);
    rig.cpu.eflags = 0x202;
    expect(execute(rig, 0x0f, 0x34)).toBeUndefined();
    expect(where(rig)).toBe('10:12345 18:9000 cpl 0');
    expect(rig.cpu.eflags).toBe(2);
    setRegister(DX, 0x4000);
    setRegister(CX, 0x5000);
    expect(execute(rig, 0x48, 0x0f, 0x35)).toBeUndefined();
    expect(where(rig)).toBe('33:4000 3b:5000 cpl 3');
  });

  it('SWAPGS exchanges, and the base instructions need FSGSBASE', () => {
    const { cpu } = rig;
    wrmsr(0xc000_0101, 0x1111n);
    wrmsr(0xc000_0102, 0xffff_8000_0000_2222n);
    expect(execute(rig, 0x0f, 0x01, 0xf8)).toBeUndefined();
    expect(cpu.u64[(SEGMENT_BASE >> 3) + 5]).toBe(0xffff_8000_0000_2222n);
    expect(rdmsr(0xc000_0102)).toBe(0x1111n);
    expect(execute(rig, 0xf3, 0x48, 0x0f, 0xae, 0xc8)).toBe('#6');
    toCr(4, Cr4.pae | Cr4.fsgsbase);
    expect(execute(rig, 0xf3, 0x48, 0x0f, 0xae, 0xc8)).toBeUndefined();
    expect(cpu.reg(AX)).toBe(0xffff_8000_0000_2222n);
    setRegister(AX, 1n << 50n);
    expect(execute(rig, 0xf3, 0x48, 0x0f, 0xae, 0xd0)).toBe('#13(0)');
  });
});

describe('what comes from outside', () => {
  beforeEach(() => {
    buildWorld(rig, true);
  });

  it('time, identity and chance', () => {
    const { cpu } = rig;
    rig.clock.set(1000);
    expect(execute(rig, 0x0f, 0x31)).toBeUndefined();
    expect(cpu.reg(AX)).toBe(1000n);
    expect(rig.calls.syncClock).toBeGreaterThan(0);
    wrmsr(0xc000_0103, 7n);
    expect(execute(rig, 0x0f, 0x01, 0xf9)).toBeUndefined();
    expect(cpu.reg(CX)).toBe(7n);
    setRegister(AX, 0x4000_0000);
    expect(execute(rig, 0x0f, 0xa2)).toBeUndefined();
    expect(cpu.reg32(BX)).toBe(0x7263_694d);
    expect(execute(rig, 0x48, 0x0f, 0xc7, 0xf3)).toBeUndefined();
    expect(cpu.eflags & 1).toBe(0);
    let next = 0xaaaa_0000;
    setRandomSource(cpu, () => next++);
    expect(execute(rig, 0x48, 0x0f, 0xc7, 0xf3)).toBeUndefined();
    expect([cpu.reg(BX), cpu.eflags & 1]).toEqual([0xaaaa_0001_aaaa_0000n, 1]);
    expect(execute(rig, 0x0f, 0x33)).toBe('#13(0)');
    toCr(4, Cr4.pae | Cr4.tsd);
    enterRing(rig, 3);
    expect(execute(rig, 0x0f, 0x31)).toBe('#13(0)');
  });

  it('hypercalls in both register conventions, from ring 0 only', () => {
    const { cpu } = rig;
    expect(execute(rig, 0x0f, 0x01, 0xc1)).toBe('#6');
    wrmsr(Msr.GUEST_OS_ID, 1n << 56n);
    wrmsr(Msr.HYPERCALL, 0x1_2001n);
    // HvSignalEvent, fast, to a connection that is not there: HV_STATUS_INVALID_CONNECTION_ID.
    setRegister(CX, 0x1_005dn);
    setRegister(DX, 5);
    setRegister(8, 0);
    cpu.rip = CODE;
    expect(execute(rig, 0x0f, 0x01, 0xc1)).toBeUndefined();
    expect([cpu.reg(AX), cpu.rip]).toEqual([0x12n, CODE + 3]);
    enterRing(rig, 3);
    expect(execute(rig, 0x0f, 0x01, 0xd9)).toBe('#6');
    buildWorld(rig, false);
    for (const [register, value] of [
      [DX, 0],
      [AX, 0x1_005d],
      [BX, 0],
      [CX, 5],
      [7, 0],
      [6, 0],
    ] as const) {
      setRegister(register, value);
    }
    expect(execute(rig, 0x0f, 0x01, 0xd9)).toBeUndefined();
    expect([cpu.reg32(AX), cpu.reg32(DX)]).toEqual([0x12, 0]);
  });

  it('HLT waits, and STI holds interrupts back for one instruction', () => {
    const { cpu } = rig;
    expect(execute(rig, 0xfb)).toBeUndefined();
    expect(cpu.activity).toBe(Activity.stiShadow);
    cpu.activity = 0;
    expect(execute(rig, 0xfb)).toBeUndefined();
    expect(cpu.activity).toBe(0);
    execute(rig, 0xf4);
    expect(cpu.isHalted).toBe(true);
    setRegister(AX, Sel.data0);
    cpu.activity = 0;
    execute(rig, 0x8e, 0xd0);
    expect(cpu.activity).toBe(Activity.movSsShadow);
    expect(cpu.u32[(GPR >> 2) + 8]).toBe(0x8000);
  });

  it('POPF changes IF and IOPL only where the level allows', () => {
    const { cpu } = rig;
    rig.put(0x8000, 8, 0x3202);
    expect(execute(rig, 0x9d)).toBeUndefined();
    expect(cpu.eflags).toBe(0x3202);
    rig.put(0x8008, 8, 0x24_7dd7);
    execute(rig, 0x9d);
    expect(cpu.eflags).toBe(0x24_7dd7);
    enterRing(rig, 3);
    cpu.setSigned(GPR + 32, 0x8000);
    execute(rig, 0x9d);
    expect(cpu.eflags).toBe(2);
    cpu.eflags = 0x3002;
    cpu.setSigned(GPR + 32, 0x8000);
    execute(rig, 0x9d);
    expect(cpu.eflags).toBe(0x3202);
    expect(execute(rig, 0xfa)).toBeUndefined();
    cpu.eflags = 0x1202;
    expect(execute(rig, 0xfa)).toBe('#13(0)');
  });
});
