import type { HypervisorProfile } from './profile.ts';
import {
  APIC_PRESENT,
  HYPERVISOR_PRESENT,
  HypervisorLeaf,
  INTERFACE_HV1,
  INVARIANT_TSC,
  VENDOR_MICROSOFT_HV,
} from './spec/cpuid.ts';

/**
 * The processor below the hypervisor: writes EAX, EBX, ECX, EDX of any leaf to `out[0..3]`, without
 * what the partition adds (hypervisor bit, APIC id, invariant TSC).
 */
export type BaseCpuid = (leaf: number, subleaf: number, out: Uint32Array) => void;

type Words = readonly [number, number, number, number];
const NOTHING: Words = [0, 0, 0, 0];

/** Text as register words, four little-endian bytes each. */
export function registerWords(text: string): number[] {
  const result: number[] = [];
  for (let at = 0; at < text.length; at += 4) {
    let word = 0;
    for (let byte = 3; byte >= 0; byte -= 1) word = word * 256 + (text.charCodeAt(at + byte) || 0);
    result.push(word);
  }
  return result;
}

/**
 * A plain x86-64 processor of the Haswell generation, for the model guest, which executes no
 * instructions: what drivers and `identcpu` look at, and nothing that would need an implementation
 * (no XSAVE, no AVX, no TSC deadline).
 * @param brand at most 47 characters; empty names the TSC rate
 */
export function modelCpuid(tscHz: number, processorCount: number, brand = ''): BaseCpuid {
  const text = brand || `Virtual x86-64 CPU @ ${(tscHz / 1e9).toFixed(2)}GHz`;
  const brandWords = registerWords(text.padEnd(48, '\0'));
  const [vendorB, vendorD, vendorC] = registerWords('GenuineIntel') as [number, number, number];
  const leaves = new Map<number, Words>([
    [0x0, [0xb, vendorB, vendorC, vendorD]],
    // Family 6, model 0x3F, stepping 2; CLFLUSH line of 64 bytes.
    // ECX: SSE3 SSSE3 CX16 SSE4.1 SSE4.2 x2APIC POPCNT; EDX: FPU TSC MSR PAE CX8 APIC SEP MTRR ...
    [0x1, [0x0003_06f2, 0x0000_0800, 0x00b8_2201, 0x178b_fbff]],
    [0x2, [0x7603_6301, 0x00f0_b5ff, 0, 0x00c1_0000]],
    // ARAT: the APIC timer runs in every sleep state.
    [0x6, [0x4, 0, 0, 0]],
    [0x8000_0000, [0x8000_0008, 0, 0, 0]],
    // LAHF; SYSCALL, NX, long mode.
    [0x8000_0001, [0, 0, 0x1, 0x2010_0800]],
    [0x8000_0002, brandWords.slice(0, 4) as unknown as Words],
    [0x8000_0003, brandWords.slice(4, 8) as unknown as Words],
    [0x8000_0004, brandWords.slice(8, 12) as unknown as Words],
    [0x8000_0006, [0, 0, 0x0100_6040, 0]],
    // 40 bits of physical, 48 of linear address.
    [0x8000_0008, [0x3028, 0, 0, 0]],
  ]);
  return (leaf, subleaf, out) => {
    if (!topologyLeaf(leaf, subleaf, processorCount, out)) out.set(leaves.get(leaf) ?? NOTHING);
  };
}

/** Deterministic cache parameters: L1 data, L1 code, L2, L3, of a package with one core. */
const CACHES: readonly Words[] = [
  [0x0000_0121, 0x01c0_003f, 0x3f, 0],
  [0x0000_0122, 0x01c0_003f, 0x3f, 0],
  [0x0000_0143, 0x01c0_003f, 0x1ff, 0],
  [0x0000_0163, 0x04c0_003f, 0x5fff, 0],
];

/**
 * Leaf 4 (caches) and leaf 0xB (one package, a core for each processor, no threads).
 * @returns whether it is one of these
 */
export function topologyLeaf(
  leaf: number,
  subleaf: number,
  processorCount: number,
  out: Uint32Array,
): boolean {
  if (leaf !== 0x4 && leaf !== 0xb) return false;
  const shift = Math.ceil(Math.log2(Math.max(1, processorCount)));
  if (leaf === 0x4) {
    out.set(CACHES[subleaf] ?? NOTHING);
    const others = 2 ** shift - 1;
    // Cores in the package less one; the last level serves all of them.
    if (subleaf < CACHES.length) out[0]! |= Math.min(others, 0x3f) << 26;
    if (subleaf === CACHES.length - 1) out[0]! |= others << 14;
    return true;
  }
  if (subleaf === 0) out.set([0, 1, 0x100, 0]);
  else if (subleaf === 1) out.set([shift, processorCount, 0x201, 0]);
  else out.set([0, 0, subleaf & 0xff, 0]);
  return true;
}

/** Per-processor state that shows in CPUID. */
export interface CpuidState {
  readonly apicId: number;
  readonly isApicEnabled: boolean;
  readonly processorCount: number;
  readonly hasInvariantTsc: boolean;
}

/** TLFS "Feature and Interface Discovery": the hypervisor's own leaves, from the host profile. */
export function hypervisorCpuid(profile: HypervisorProfile, leaf: number, out: Uint32Array): void {
  out.fill(0, 0, 4);
  if (leaf > profile.maxLeaf) return;
  switch (leaf) {
    case HypervisorLeaf.vendor:
      out[0] = profile.maxLeaf;
      out.set(VENDOR_MICROSOFT_HV, 1);
      return;
    case HypervisorLeaf.interface:
      out[0] = INTERFACE_HV1;
      return;
    case HypervisorLeaf.version:
      out.set(profile.version);
      return;
    case HypervisorLeaf.features:
      out.set(profile.features);
      return;
    case HypervisorLeaf.recommendations:
      out.set(profile.recommendations);
      return;
    case HypervisorLeaf.limits:
      out.set(profile.limits);
      return;
    case HypervisorLeaf.hardwareFeatures:
      out[0] = profile.hardwareFeatures;
      return;
    default:
  }
}

/** What the partition puts over a leaf of the processor below. */
export function adjustCpuid(leaf: number, state: CpuidState, out: Uint32Array): void {
  if (leaf === 1) {
    const count = Math.min(state.processorCount, 255);
    out[1] = (out[1]! & 0xffff) | (count << 16) | ((state.apicId & 0xff) << 24);
    out[2]! |= HYPERVISOR_PRESENT;
    if (state.processorCount > 1) out[3]! |= 0x1000_0000;
    if (!state.isApicEnabled) out[3]! &= ~APIC_PRESENT;
  } else if (leaf === 0xb) {
    out[3] = state.apicId;
  } else if (leaf === 0x8000_0007) {
    if (state.hasInvariantTsc) out[3]! |= INVARIANT_TSC;
    else out[3]! &= ~INVARIANT_TSC;
  }
}
