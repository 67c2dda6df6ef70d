/** CPUID leaves of the hypervisor: TLFS "Feature and Interface Discovery". */

export const HypervisorLeaf = {
  vendor: 0x4000_0000,
  interface: 0x4000_0001,
  version: 0x4000_0002,
  features: 0x4000_0003,
  recommendations: 0x4000_0004,
  limits: 0x4000_0005,
  hardwareFeatures: 0x4000_0006,
} as const;

/** "Microsoft Hv" in EBX, ECX, EDX of the vendor leaf. */
export const VENDOR_MICROSOFT_HV: readonly [number, number, number] = [
  0x7263_694d, 0x666f_736f, 0x7648_2074,
];
/** "Hv#1" in EAX of the interface leaf. */
export const INTERFACE_HV1 = 0x3123_7648;

/** Leaf 1 ECX: a hypervisor is present. */
export const HYPERVISOR_PRESENT = 0x8000_0000;
/** Leaf 1 ECX. */
export const X2APIC_PRESENT = 0x20_0000;
export const TSC_DEADLINE_PRESENT = 0x100_0000;
/** Leaf 1 EDX: the local APIC is present and enabled. */
export const APIC_PRESENT = 0x200;
/** Leaf 0x80000007 EDX: the TSC rate never changes. */
export const INVARIANT_TSC = 0x100;
