import type { BaseCpuid } from './cpuid.ts';
import { registerWords, topologyLeaf } from './cpuid.ts';
import { FEATURE_WORDS, encodedFeatures, otherFeatures } from './spec/cpu-features.ts';

type Words = [number, number, number, number];

/**
 * Family 6, model 0x1C, stepping 10. Guests know this model as one that does not speculate, so that they
 * switch off their defences against side channels, which cost time and have nothing to defend here.
 */
const SIGNATURE = 0x0001_06ca;
/** CLFLUSH works on lines of 64 bytes, in units of 8. */
const CLFLUSH_LINE = 0x0800;
const MAX_LEAF = 0xb;
const MAX_EXTENDED_LEAF = 0x8000_0008;
/** ARAT: the APIC timer runs in every sleep state. */
const ALWAYS_RUNNING_APIC_TIMER = 0x4;
/** 40 bits of physical, 48 of linear address. */
const ADDRESS_BITS = 0x3028;

/**
 * The processor that executes unmodified guests: what it can do comes from `spec/cpu-features.ts`.
 * @param brand at most 47 characters; empty names the TSC rate
 */
export function x86Cpuid(tscHz: number, processorCount: number, brand = ''): BaseCpuid {
  const text = brand || `synthvm x86-64 CPU @ ${(tscHz / 1e9).toFixed(2)}GHz`;
  const brandWords = registerWords(text.padEnd(48, '\0'));
  const [vendorB, vendorD, vendorC] = registerWords('GenuineIntel');
  const leaves = new Map<number, Words>([
    [0x0, [MAX_LEAF, vendorB!, vendorC!, vendorD!]],
    [0x1, [SIGNATURE, CLFLUSH_LINE, 0, 0]],
    [0x2, [0x7603_6301, 0x00f0_b5ff, 0, 0x00c1_0000]],
    [0x6, [ALWAYS_RUNNING_APIC_TIMER, 0, 0, 0]],
    [0x7, [0, 0, 0, 0]],
    [0x8000_0000, [MAX_EXTENDED_LEAF, 0, 0, 0]],
    [0x8000_0001, [0, 0, 0, 0]],
    [0x8000_0002, brandWords.slice(0, 4) as Words],
    [0x8000_0003, brandWords.slice(4, 8) as Words],
    [0x8000_0004, brandWords.slice(8, 12) as Words],
    [0x8000_0006, [0, 0, 0x0100_6040, 0]],
    [0x8000_0008, [ADDRESS_BITS, 0, 0, 0]],
  ]);
  for (const group of [encodedFeatures, otherFeatures]) {
    for (const [word, bits] of Object.entries<Readonly<Record<string, number>>>(group)) {
      const { leaf, register } = FEATURE_WORDS[word as keyof typeof FEATURE_WORDS];
      const row = leaves.get(leaf)!;
      for (const bit of Object.values(bits)) row[register] = (row[register] | (1 << bit)) >>> 0;
    }
  }
  return (leaf, subleaf, out) => {
    out.fill(0, 0, 4);
    if (topologyLeaf(leaf, subleaf, processorCount, out)) return;
    const row = leaves.get(leaf);
    // Leaf 7 has no further subleaves; the others do not look at ECX.
    if (row !== undefined && (leaf !== 0x7 || subleaf === 0)) out.set(row);
  };
}

/** The names that the decode table gives to features of this processor. */
export function encodedFeatureNames(): Set<string> {
  const names = Object.values(encodedFeatures).flatMap((bits) => Object.keys(bits));
  // FCMOVcc and FCOMI need both.
  return new Set([...names, 'x87cmov']);
}
