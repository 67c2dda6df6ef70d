import { beforeEach, describe, expect, it } from 'vitest';
import { readMemory } from '../../../src/cpu/mmu/access.ts';
import { Mode } from '../../../src/cpu/mode.ts';
import { Activity, GPR, SegmentIndex, System } from '../../../src/cpu/state.ts';
import {
  initProcessor,
  resetProcessor,
  startProcessor,
  startupProcessor,
} from '../../../src/cpu/system/start.ts';
import { cpuRig, type Rig } from '../rig.ts';
import { segment, where } from './world.ts';

const GDT = 0x1000;
const SEGMENTS = { gdtGpa: GDT, gdtBytes: 0x20, codeSelector: 8, dataSelector: 0x10 };

let rig: Rig;
beforeEach(() => {
  rig = cpuRig();
  resetProcessor(rig.cpu);
});

describe('the processor', () => {
  it('resets to F000:FFF0 with the base of the last 64 KiB', () => {
    const { cpu } = rig;
    expect(where(rig)).toBe('f000:fff0 0:0 cpl 0');
    expect(cpu.segmentBase(SegmentIndex.cs)).toBe(0xffff_0000);
    expect(cpu.cr0).toBe(0x6000_0010);
    expect(cpu.reg32(2)).toBe(0x106ca);
    expect(cpu.eflags).toBe(2);
    expect(cpu.u32[(System.dr >> 2) + 12]).toBe(0xffff_0ff0);
    expect(readMemory(cpu, 0x1234, 4)).toBe(0);
  });

  it('starts a boot sector in real mode', () => {
    const { cpu } = rig;
    startProcessor(cpu, { mode: 'real', segment: 0, ip: 0x7c00, drive: 0x80 });
    expect(where(rig)).toBe('0:7c00 0:0 cpl 0');
    expect(cpu.reg32(2)).toBe(0x80);
    expect(cpu.u32[System.idtrLimit >> 2]).toBe(0x3ff);
    expect(cpu.mode & (Mode.protected | Mode.codeSizeMask)).toBe(0);
  });

  it('starts a kernel in flat 32-bit protected mode', () => {
    const { cpu } = rig;
    rig.put(GDT + 8, 8, segment(0, 0xf_ffff, 0xc09a));
    rig.put(GDT + 16, 8, segment(0, 0xf_ffff, 0xc092));
    startProcessor(cpu, {
      mode: 'protected',
      entryGpa: 0x10_0000,
      stackGpa: 0x8000,
      segments: SEGMENTS,
      eax: 0x2bad_b002,
      ebx: 0x9000,
      esi: 5,
    });
    expect(where(rig)).toBe('8:100000 10:8000 cpl 0');
    expect([cpu.reg32(0), cpu.reg32(3), cpu.reg32(6)]).toEqual([0x2bad_b002, 0x9000, 5]);
    expect(cpu.cr0).toBe(0x11);
    const flat = Mode.protected | Mode.code32 | Mode.stack32 | Mode.flat;
    expect(cpu.mode & (flat | Mode.code64)).toBe(flat);
  });

  it('starts a kernel and an EFI application in long mode', () => {
    const { cpu } = rig;
    rig.put(GDT + 8, 8, segment(0, 0xf_ffff, 0xa09a));
    rig.put(GDT + 16, 8, segment(0, 0xf_ffff, 0xc092));
    const common = {
      entryGpa: 0x10_0200,
      stackGpa: 0x8000,
      pageTablesGpa: 0x4000,
      segments: SEGMENTS,
    };
    startProcessor(cpu, { mode: 'long', ...common, rsi: 0x9_0000 });
    expect(where(rig)).toBe('8:100200 10:8000 cpl 0');
    expect([cpu.cr0, cpu.cr4, cpu.efer]).toEqual([0x8001_0033, 0x20, 0x500]);
    expect(cpu.reg(6)).toBe(0x9_0000n);
    expect(cpu.mode & Mode.codeSizeMask).toBe(Mode.code64);
    resetProcessor(cpu);
    startProcessor(cpu, { mode: 'efi', ...common, imageHandle: 1, systemTableGpa: 0x2000 });
    expect([cpu.reg(1), cpu.reg(2)]).toEqual([1n, 0x2000n]);
  });

  it('waits after INIT for a start-up IPI, and begins at its page', () => {
    const { cpu } = rig;
    cpu.setSigned(System.lstar, 0x1234);
    initProcessor(cpu);
    expect(cpu.activity).toBe(Activity.waitForStartup);
    expect(cpu.signed(System.lstar)).toBe(0x1234);
    startupProcessor(cpu, 0x9a);
    expect(where(rig)).toBe('9a00:0 0:0 cpl 0');
    expect(cpu.segmentBase(SegmentIndex.cs)).toBe(0x9_a000);
    cpu.rip = 0x55;
    startupProcessor(cpu, 0x10);
    expect(cpu.rip).toBe(0x55);
    expect(cpu.u32[GPR >> 2]).toBe(0);
  });
});
