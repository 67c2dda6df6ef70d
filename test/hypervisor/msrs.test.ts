import { describe, expect, it } from 'vitest';
import { handlers } from '../../src/hypervisor/msrs.ts';
import type { Halves } from '../../src/hypervisor/partition.ts';
import {
  IA32_APIC_BASE,
  IA32_TSC,
  IA32_TSC_DEADLINE,
  Msr,
  syntheticMsrs,
} from '../../src/hypervisor/spec/msrs.ts';
import {
  APIC_HZ,
  HYPERCALL_PAGE,
  TSC_HZ,
  enableHypercalls,
  machine,
  rdmsr,
  without,
  wrmsr,
} from './machine.ts';

describe('the table of registers', () => {
  it('has a handler behind every row, and a row for every number', () => {
    const names = new Set(syntheticMsrs.map((row) => row.name));
    expect(Object.keys(handlers).toSorted()).toEqual([...names].toSorted());
    const covered = new Set(
      syntheticMsrs.flatMap(({ first, count }) =>
        Array.from({ length: count }, (_, index) => first + index),
      ),
    );
    for (const number of Object.values(Msr)) expect(covered).toContain(number);
  });

  it('an unknown register raises #GP and leaves a trace', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    for (const msr of [0x4000_0004, 0x4000_01ff, 0x4000_0200, 0xc000_0080]) {
      expect(rdmsr(vp!, msr)).toBeUndefined();
      expect(wrmsr(vp!, msr, 0)).toBe(false);
    }
    expect(test.traced.filter((name) => name === 'msr-fault')).toHaveLength(8);
  });

  it.each(
    syntheticMsrs
      .filter(({ privilege }) => privilege !== undefined)
      .map(({ name, first, privilege }) => ({
        name,
        first,
        word: privilege!.word,
        bit: Math.log2(privilege!.mask),
      })),
  )('$name raises #GP without its privilege, word $word bit $bit', ({ first, word, bit }) => {
    const [vp] = machine({ profile: without([word, bit]) }).partition.processors;
    expect(rdmsr(vp!, first)).toBeUndefined();
    expect(wrmsr(vp!, first, 0)).toBe(false);
    const [granted] = machine().partition.processors;
    const isThere = rdmsr(granted!, first) !== undefined || wrmsr(granted!, first, 0);
    expect(isThere).toBe(true);
  });

  it.each(['VP_INDEX', 'VP_RUNTIME', 'TIME_REF_COUNT', 'TSC_FREQUENCY', 'APIC_FREQUENCY'] as const)(
    '%s is read-only: writing it raises #GP',
    (name) => {
      expect(wrmsr(machine().partition.processors[0]!, Msr[name], 0)).toBe(false);
    },
  );
});

describe('HYPERCALL', () => {
  it('stays disabled while no guest OS identity was written', () => {
    const { partition } = machine();
    const [vp] = partition.processors;
    expect(wrmsr(vp!, Msr.HYPERCALL, HYPERCALL_PAGE + 1)).toBe(true);
    expect(rdmsr(vp!, Msr.HYPERCALL)! & 1n).toBe(0n);
    expect(vp!.hypercall(new Uint32Array(6))).toBe(false);
  });

  it('overlays VMCALL; RET, and gives RAM back when the guest OS identity is cleared', () => {
    const { partition, memory } = machine();
    const [vp] = partition.processors;
    memory.u8.fill(0x5a, HYPERCALL_PAGE, HYPERCALL_PAGE + 4096);
    enableHypercalls(vp!);
    expect(Array.from(memory.u8.subarray(HYPERCALL_PAGE, HYPERCALL_PAGE + 5))).toEqual([
      0x0f, 0x01, 0xc1, 0xc3, 0xcc,
    ]);
    expect(rdmsr(vp!, Msr.HYPERCALL)).toBe(BigInt(HYPERCALL_PAGE + 1));
    wrmsr(vp!, Msr.GUEST_OS_ID, 0);
    expect(rdmsr(vp!, Msr.HYPERCALL)! & 1n).toBe(0n);
    expect(memory.u8[HYPERCALL_PAGE]).toBe(0x5a);
    expect(vp!.hypercall(new Uint32Array(6))).toBe(false);
  });

  it('moves with its content, and is immutable once locked', () => {
    const { partition, memory } = machine();
    const [vp] = partition.processors;
    enableHypercalls(vp!);
    wrmsr(vp!, Msr.HYPERCALL, 0x2_0000 + 3);
    expect(memory.u8[HYPERCALL_PAGE]).toBe(0);
    expect(memory.u8[0x2_0000]).toBe(0x0f);
    expect(wrmsr(vp!, Msr.HYPERCALL, HYPERCALL_PAGE + 1)).toBe(false);
    partition.reset();
    expect(memory.u8[0x2_0000]).toBe(0);
    enableHypercalls(vp!);
    expect(memory.u8[HYPERCALL_PAGE]).toBe(0x0f);
  });

  it('beyond the guest physical address space raises #GP; in a hole it is seen there', () => {
    const { partition } = machine();
    const [vp] = partition.processors;
    enableHypercalls(vp!);
    expect(wrmsr(vp!, Msr.HYPERCALL, (1n << 40n) + 1n)).toBe(false);
    expect(wrmsr(vp!, Msr.HYPERCALL, 0xf900_0000 + 1)).toBe(true);
    expect(vp!.mmioRead(0xf900_0000, 4)).toBe(0xc3c1_010f);
    vp!.mmioWrite(0xf900_0000, 4, 0);
    expect(vp!.mmioRead(0xf900_0001, 2)).toBe(0xc101);
  });

  it('is partition-wide', () => {
    const { partition } = machine({ processorCount: 2 });
    enableHypercalls(partition.processors[0]!);
    expect(rdmsr(partition.processors[1]!, Msr.HYPERCALL)).toBe(BigInt(HYPERCALL_PAGE + 1));
  });
});

describe('other registers', () => {
  it('VP_INDEX tells the processors apart', () => {
    const { partition } = machine({ processorCount: 3 });
    expect(partition.processors.map((vp) => rdmsr(vp, Msr.VP_INDEX))).toEqual([0n, 1n, 2n]);
  });

  it('frequencies are in Hz', () => {
    const [vp] = machine().partition.processors;
    expect(rdmsr(vp!, Msr.TSC_FREQUENCY)).toBe(BigInt(TSC_HZ));
    expect(rdmsr(vp!, Msr.APIC_FREQUENCY)).toBe(BigInt(APIC_HZ));
  });

  it('VP_RUNTIME counts what the processor ran, in units of 100 ns', () => {
    const [vp] = machine().partition.processors;
    vp!.runtimeNs = 12_345;
    expect(rdmsr(vp!, Msr.VP_RUNTIME)).toBe(123n);
  });

  it('VP_ASSIST_PAGE is accepted without AccessApicMsrs, and never asks to skip an EOI', () => {
    const { partition, memory } = machine({ profile: without([0, 4]) });
    const [vp] = partition.processors;
    memory.u8.fill(0xff, 0x3_0000, 0x3_1000);
    expect(wrmsr(vp!, Msr.VP_ASSIST_PAGE, 0x3_0001)).toBe(true);
    expect(memory.view.getUint32(0x3_0000, true)).toBe(0);
    wrmsr(vp!, Msr.VP_ASSIST_PAGE, 0);
    expect(memory.u8[0x3_0000]).toBe(0xff);
  });

  it('GUEST_IDLE asks the engine to wait, once for each read', () => {
    const [vp] = machine().partition.processors;
    expect(vp!.takeIdle()).toBe(false);
    expect(rdmsr(vp!, Msr.GUEST_IDLE)).toBe(0n);
    expect(vp!.takeIdle()).toBe(true);
    expect(vp!.takeIdle()).toBe(false);
  });

  it('RESET bit 0 resets', () => {
    let resets = 0;
    const [vp] = machine({ onReset: () => (resets += 1) }).partition.processors;
    wrmsr(vp!, Msr.RESET, 0);
    expect(resets).toBe(0);
    wrmsr(vp!, Msr.RESET, 1);
    expect(resets).toBe(1);
  });

  it('CRASH_CTL tells what is supported, and its notify bit reports P0 to P4', () => {
    const reports: { vp: number; parameters: readonly Halves[]; high: number }[] = [];
    const test = machine({
      onCrash: (vp, parameters, _, high) => reports.push({ vp, parameters, high }),
    });
    const [vp] = test.partition.processors;
    expect(rdmsr(vp!, Msr.CRASH_CTL)).toBe(0xc000_0000_0000_0000n);
    for (let index = 0; index < 5; index += 1) {
      wrmsr(vp!, Msr.CRASH_P0 + index, (BigInt(index) << 32n) | 7n);
    }
    wrmsr(vp!, Msr.CRASH_CTL, 0);
    expect(reports).toEqual([]);
    wrmsr(vp!, Msr.CRASH_CTL, 1n << 63n);
    const parameters = [0, 1, 2, 3, 4].map((high) => ({ low: 7, high }));
    expect(reports).toEqual([{ vp: 0, parameters, high: 0x8000_0000 }]);
  });

  it('hosts before Windows Server 2016 take no crash message', () => {
    const profile = { ...without(), version: [9600, 0x0006_0003, 16, 0] as const };
    const [vp] = machine({ profile }).partition.processors;
    expect(rdmsr(vp!, Msr.CRASH_CTL)).toBe(1n << 63n);
  });

  it('IA32_APIC_BASE: BSP flag, legal changes of mode only, reserved bits raise #GP', () => {
    const { partition } = machine({ processorCount: 2 });
    const [first, second] = partition.processors;
    expect(rdmsr(first!, IA32_APIC_BASE)).toBe(0xfee0_0900n);
    expect(rdmsr(second!, IA32_APIC_BASE)).toBe(0xfee0_0800n);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0901n)).toBe(false);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0400n)).toBe(false);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0d00n)).toBe(true);
    expect(rdmsr(first!, 0x802)).toBe(0n);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0900n)).toBe(false);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0000n)).toBe(true);
    expect(wrmsr(first!, IA32_APIC_BASE, 0xfee0_0c00n)).toBe(false);
    expect(rdmsr(first!, IA32_APIC_BASE)).toBe(0xfee0_0100n);
  });

  it('IA32_TSC counts on from what the guest writes; the deadline register needs its CPUID bit', () => {
    const test = machine({ processorCount: 2 });
    const [vp, other] = test.partition.processors;
    test.clock.set(1_000_000_000);
    expect(rdmsr(vp!, IA32_TSC)).toBe(BigInt(TSC_HZ));
    wrmsr(vp!, IA32_TSC, 5);
    test.clock.set(1_000_001_000);
    expect(rdmsr(vp!, IA32_TSC)).toBe(3305n);
    wrmsr(vp!, IA32_TSC, 0xffff_ffff_0000_0000n);
    expect(rdmsr(vp!, IA32_TSC)).toBe(0xffff_ffff_0000_0000n);
    expect(rdmsr(other!, IA32_TSC)).toBe(BigInt(TSC_HZ) + 3300n);
    expect(rdmsr(vp!, IA32_TSC_DEADLINE)).toBeUndefined();
  });
});
