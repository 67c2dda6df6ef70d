import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';
import { PartitionTime, nsToTicks, ticksToNs } from '../../src/hypervisor/time.ts';
import { TSC_HZ, cpuid, fullProfile, machine, rdmsr, without, wrmsr } from './machine.ts';

const timeNs = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const hz = fc.integer({ min: 1_000_000, max: 6_000_000_000 });

describe('time as a partition counts it', () => {
  it('TSC is floor(time * rate) for every time and rate, as BigInt arithmetic has it', () => {
    const out = new Uint32Array(2);
    fc.assert(
      fc.property(timeNs, hz, (now, rate) => {
        const clock = new VirtualClock();
        clock.set(now);
        new PartitionTime(clock, rate).readTsc(out);
        const exact = (BigInt(now) * BigInt(rate)) / 1_000_000_000n;
        expect((BigInt(out[1]!) << 32n) | BigInt(out[0]!)).toBe(exact);
      }),
      { numRuns: 3000 },
    );
  });

  it('nsToTicks is exact, and ticksToNs names the first nanosecond that has the ticks', () => {
    const shortNs = fc.integer({ min: 0, max: 1e15 });
    fc.assert(
      fc.property(shortNs, hz, (now, rate) => {
        const ticks = nsToTicks(now, rate);
        expect(BigInt(ticks)).toBe((BigInt(now) * BigInt(rate)) / 1_000_000_000n);
        const due = ticksToNs(ticks, rate);
        expect(due).toBeLessThanOrEqual(now);
        expect(nsToTicks(due, rate)).toBeGreaterThanOrEqual(ticks);
        if (due > 0) expect(nsToTicks(due - 1, rate)).toBeLessThan(ticks);
      }),
      { numRuns: 3000 },
    );
  });

  it('TIME_REF_COUNT counts units of 100 ns from 0', () => {
    const { partition, clock } = machine();
    const [vp] = partition.processors;
    expect(rdmsr(vp!, Msr.TIME_REF_COUNT)).toBe(0n);
    clock.set(199);
    expect(rdmsr(vp!, Msr.TIME_REF_COUNT)).toBe(1n);
    clock.set(Number.MAX_SAFE_INTEGER);
    expect(rdmsr(vp!, Msr.TIME_REF_COUNT)).toBe(BigInt(Number.MAX_SAFE_INTEGER) / 100n);
  });
});

describe('the reference TSC page', () => {
  const PAGE = 0x4_0000;

  it.each([TSC_HZ, 2_100_000_000, 1_000_000_000])(
    '((TSC * scale) >> 64) + offset is the reference counter at %d Hz',
    (tscHz) => {
      const { partition, clock, memory } = machine({ tscHz });
      const [vp] = partition.processors;
      wrmsr(vp!, Msr.REFERENCE_TSC, PAGE + 1);
      expect(memory.view.getUint32(PAGE, true)).toBe(1);
      const scale = memory.view.getBigUint64(PAGE + 8, true);
      const offset = memory.view.getBigInt64(PAGE + 16, true);
      fc.assert(
        fc.property(fc.integer({ min: 0, max: 4e15 }), (now) => {
          clock.set(now);
          const tsc = rdmsr(vp!, 0x10)!;
          expect(((tsc * scale) >> 64n) + offset).toBe(rdmsr(vp!, Msr.TIME_REF_COUNT)!);
        }),
        { numRuns: 1000 },
      );
    },
  );

  it('at a rate that is no multiple of 10 MHz it stays within one tick of the counter', () => {
    const { partition, clock, memory } = machine({ tscHz: 2_394_230_771 });
    const [vp] = partition.processors;
    wrmsr(vp!, Msr.REFERENCE_TSC, PAGE + 1);
    const scale = memory.view.getBigUint64(PAGE + 8, true);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4e15 }), (now) => {
        clock.set(now);
        const page = (rdmsr(vp!, 0x10)! * scale) >> 64n;
        const difference = Number(rdmsr(vp!, Msr.TIME_REF_COUNT)! - page);
        expect(Math.abs(difference)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('has a new sequence, neither 0 nor all ones, each time it is enabled', () => {
    const { partition, memory } = machine();
    const [vp] = partition.processors;
    wrmsr(vp!, Msr.REFERENCE_TSC, PAGE + 1);
    wrmsr(vp!, Msr.REFERENCE_TSC, 0);
    expect(memory.view.getUint32(PAGE, true)).toBe(0);
    wrmsr(vp!, Msr.REFERENCE_TSC, PAGE + 1);
    expect(memory.view.getUint32(PAGE, true)).toBe(2);
    partition.referenceTscSequence = 0xffff_fffe;
    wrmsr(vp!, Msr.REFERENCE_TSC, PAGE + 1);
    expect(memory.view.getUint32(PAGE, true)).toBe(1);
  });
});

describe('CPUID', () => {
  const vp = machine({ processorCount: 4 }).partition.processors;

  it('announces the hypervisor, its vendor and its interface', () => {
    expect(cpuid(vp[0]!, 1)[2]! >>> 31).toBe(1);
    const [max, ...vendor] = cpuid(vp[0]!, 0x4000_0000);
    expect(max).toBe(0x4000_000a);
    expect(Buffer.from(Uint32Array.from(vendor).buffer).toString()).toBe('Microsoft Hv');
    expect(Buffer.from(Uint32Array.of(cpuid(vp[0]!, 0x4000_0001)[0]!).buffer).toString()).toBe(
      'Hv#1',
    );
  });

  it('shows version, features, recommendations and limits of the profile', () => {
    expect(cpuid(vp[0]!, 0x4000_0002)).toEqual(fullProfile.version);
    expect(cpuid(vp[0]!, 0x4000_0003)).toEqual(fullProfile.features);
    expect(cpuid(vp[0]!, 0x4000_0004)).toEqual(fullProfile.recommendations);
    expect(cpuid(vp[0]!, 0x4000_0005)).toEqual(fullProfile.limits);
    expect(cpuid(vp[0]!, 0x4000_0006)).toEqual([0xf, 0, 0, 0]);
    expect(cpuid(vp[0]!, 0x4000_000a)).toEqual([0, 0, 0, 0]);
  });

  it('is zero above the highest hypervisor leaf of the profile', () => {
    const profile = { ...fullProfile, maxLeaf: 0x4000_0005 };
    const [narrow] = machine({ profile }).partition.processors;
    expect(cpuid(narrow!, 0x4000_0005)).toEqual(fullProfile.limits);
    expect(cpuid(narrow!, 0x4000_0006)).toEqual([0, 0, 0, 0]);
  });

  it('has the processor id in leaves 1 and 0xB', () => {
    expect(cpuid(vp[3]!, 1)[1]! >>> 24).toBe(3);
    expect((cpuid(vp[3]!, 1)[1]! >>> 16) & 0xff).toBe(4);
    expect(cpuid(vp[3]!, 0xb, 0)[3]).toBe(3);
    expect(cpuid(vp[3]!, 0xb, 1)).toEqual([2, 4, 0x201, 3]);
  });

  it('brand string names the rate of the TSC', () => {
    const words = [2, 3, 4].flatMap((leaf) => cpuid(vp[0]!, 0x8000_0000 + leaf));
    const brand = Buffer.from(Uint32Array.from(words).buffer).toString().replaceAll('\0', '');
    expect(brand).toBe('Virtual x86-64 CPU @ 3.30GHz');
  });

  it('TSC_INVARIANT_CONTROL uncovers the invariant TSC; without that register the profile says', () => {
    const [vp0] = machine().partition.processors;
    expect(cpuid(vp0!, 0x8000_0007)[3]).toBe(0);
    wrmsr(vp0!, Msr.TSC_INVARIANT_CONTROL, 1);
    expect(cpuid(vp0!, 0x8000_0007)[3]).toBe(0x100);
    expect(wrmsr(vp0!, Msr.TSC_INVARIANT_CONTROL, 2)).toBe(false);
    const [old] = machine({ profile: without([0, 15]) }).partition.processors;
    expect(cpuid(old!, 0x8000_0007)[3]).toBe(0x100);
  });

  it('leaf 1 drops the APIC bit while the local APIC is disabled', () => {
    const [vp0] = machine().partition.processors;
    expect(cpuid(vp0!, 1)[3]! & 0x200).toBe(0x200);
    wrmsr(vp0!, 0x1b, 0xfee0_0000);
    expect(cpuid(vp0!, 1)[3]! & 0x200).toBe(0);
  });
});
