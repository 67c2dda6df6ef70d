import { describe, expect, it } from 'vitest';
import { architecturalMsrs } from '../../src/hypervisor/spec/architectural-msrs.ts';
import { machine, rdmsr, wrmsr } from './machine.ts';

const PAT = 0x277;
const MISC_ENABLE = 0x1a0;
const MICROCODE = 0x8b;
const WINDOWS = [
  { gpa: 0xf800_0000, bytes: 0x800_0000 },
  { gpa: 0xf_e000_0000, bytes: 0x2000_0000 },
];

function processor() {
  return machine({ deviceWindows: WINDOWS }).partition.processors[0]!;
}

/** Every register that Debian's 6.1 kernel was seen to read on an Intel processor. */
const READ_BY_LINUX = [
  0x1b,
  0x3a,
  0x8b,
  0xce,
  0xfe,
  0x140,
  0x1a0,
  0x250,
  0x258,
  0x259,
  0x277,
  0x2ff,
  ...Array.from({ length: 16 }, (_, index) => 0x200 + index),
  ...Array.from({ length: 8 }, (_, index) => 0x268 + index),
];

describe('registers of the processor below', () => {
  it.each(READ_BY_LINUX)('%i, which Linux reads, is there', (msr) => {
    expect(rdmsr(processor(), msr)).toBeDefined();
  });

  it('are each in one row', () => {
    const numbers = architecturalMsrs.flatMap(({ first, count, step }) =>
      Array.from({ length: count }, (_, index) => first + index * step),
    );
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('keep what a guest writes, where it may', () => {
    const vp = processor();
    expect(wrmsr(vp, PAT, 0x0407_0500_0105_0006n)).toBe(true);
    expect(rdmsr(vp, PAT)).toBe(0x0407_0500_0105_0006n);
    expect(wrmsr(vp, MISC_ENABLE, 0x1800)).toBe(true);
    expect(rdmsr(vp, MISC_ENABLE)).toBe(0x1800n);
  });

  it('refuse memory types that do not exist, and reserved bits', () => {
    const vp = processor();
    expect(wrmsr(vp, PAT, 2), 'reserved type').toBe(false);
    expect(wrmsr(vp, 0x250, 7), 'UC- is of PAT only').toBe(false);
    expect(wrmsr(vp, 0x250, 0x0606_0606_0606_0600n)).toBe(true);
    expect(wrmsr(vp, 0x200, 0x1000_0002), 'variable range').toBe(false);
    expect(wrmsr(vp, 0x200, 0x100), 'reserved bit').toBe(false);
    expect(wrmsr(vp, 0x201, 1n << 40n), 'beyond the address space').toBe(false);
    expect(wrmsr(vp, 0xfe, 0), 'read-only').toBe(false);
    expect(wrmsr(vp, MISC_ENABLE, 0x1001), 'a bit that cannot change').toBe(false);
    expect(wrmsr(vp, 0x2ff, 0xc06)).toBe(true);
  });

  it('show the microcode revision of Hyper-V, whatever is written before it is read', () => {
    const vp = processor();
    expect(wrmsr(vp, MICROCODE, 0)).toBe(true);
    expect(rdmsr(vp, MICROCODE)).toBe(0xffff_ffff_0000_0000n);
  });

  it('come from firmware with memory write-back and the windows of devices uncacheable', () => {
    const vp = processor();
    expect(rdmsr(vp, 0x2ff)).toBe(0xc06n);
    expect(rdmsr(vp, 0x200)).toBe(0xf800_0000n);
    expect(rdmsr(vp, 0x201)).toBe(0xff_f800_0800n);
    expect(rdmsr(vp, 0x202)).toBe(0xf_e000_0000n);
    expect(rdmsr(vp, 0x203)).toBe(0xff_e000_0800n);
    expect(rdmsr(vp, 0x205)).toBe(0n);
  });

  it('are each processor’s own, outlive INIT and not a reset', () => {
    const { partition } = machine({ processorCount: 2 });
    const [first, second] = partition.processors;
    expect(wrmsr(first!, PAT, 6)).toBe(true);
    expect(rdmsr(second!, PAT)).toBe(0x0007_0406_0007_0406n);
    first!.signal(5, 0);
    expect(rdmsr(first!, PAT)).toBe(6n);
    partition.reset();
    expect(rdmsr(first!, PAT)).toBe(0x0007_0406_0007_0406n);
  });
});
