import { describe, expect, it } from 'vitest';
import { BASE_FEATURES } from '../../src/cpu/table/table.ts';
import { encodedFeatures, otherFeatures } from '../../src/hypervisor/spec/cpu-features.ts';
import { x86Cpuid } from '../../src/hypervisor/x86-cpuid.ts';
import { TSC_HZ, cpuid, machine } from './machine.ts';

function leaf(number: number, subleaf = 0, processors = 1): number[] {
  const out = new Uint32Array(4);
  x86Cpuid(TSC_HZ, processors)(number, subleaf, out);
  return [...out];
}

describe('CPUID of the processor that executes guests', () => {
  it('is of a model that guests know not to speculate', () => {
    expect(leaf(1)[0]).toBe(0x106ca);
    const [, b, c, d] = leaf(0);
    expect(Buffer.from(Uint32Array.of(b!, d!, c!).buffer).toString()).toBe('GenuineIntel');
  });

  it('has what x86-64-v2 and a Debian kernel ask for', () => {
    const [, , c1, d1] = leaf(1);
    // FPU PSE TSC MSR PAE CX8 APIC SEP PGE CMOV PAT CLFLUSH MMX FXSR SSE SSE2.
    expect(d1! & 0x0789_ab79).toBe(0x0789_ab79);
    // SSE3 SSSE3 CX16 SSE4.1 SSE4.2 x2APIC MOVBE POPCNT AES RDRAND.
    expect((c1! & 0x42f8_2201) >>> 0).toBe(0x42f8_2201);
    const [, , c8, d8] = leaf(0x8000_0001);
    expect(c8! & 1, 'LAHF').toBe(1);
    expect((d8! & 0x2810_0800) >>> 0, 'SYSCALL NX RDTSCP LM').toBe(0x2810_0800);
  });

  it('shows nothing that would need AVX, XSAVE, MONITOR, PCID or five-level paging', () => {
    const [, b7, c7] = leaf(7);
    expect(leaf(1)[2]! & 0x1c02_0008).toBe(0);
    expect(b7! & 0x20).toBe(0);
    expect(c7! & 0x1_0000).toBe(0);
    expect(leaf(7, 1)).toEqual([0, 0, 0, 0]);
  });

  it('gives each feature one bit', () => {
    const bits = [encodedFeatures, otherFeatures].flatMap((group) =>
      Object.entries<Readonly<Record<string, number>>>(group).flatMap(([word, names]) =>
        Object.values(names).map((bit) => `${word}.${bit}`),
      ),
    );
    expect(new Set(bits).size).toBe(bits.length);
  });

  it('agrees with what the decoder knows', () => {
    expect(BASE_FEATURES).toContain('aes');
    expect(BASE_FEATURES).not.toContain('xsave');
  });

  it('shows four processors as the cores of a package with one last-level cache', () => {
    const { partition } = machine({ processorCount: 4, baseCpuid: x86Cpuid(TSC_HZ, 4) });
    const third = partition.processors[3]!;
    expect(cpuid(third, 1)[1]! >>> 24).toBe(3);
    expect((cpuid(third, 1)[3]! >>> 28) & 1, 'HTT').toBe(1);
    expect(cpuid(third, 0xb, 1)).toEqual([2, 4, 0x201, 3]);
    expect(leaf(4, 3, 4)[0]! >>> 26).toBe(3);
    expect((leaf(4, 3, 4)[0]! >>> 14) & 0xfff).toBe(3);
    expect((leaf(4, 0, 4)[0]! >>> 14) & 0xfff).toBe(0);
  });
});
