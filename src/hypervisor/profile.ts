/** What a Windows version's hypervisor tells a guest. Values live in machine/profiles.ts. */
export interface HypervisorProfile {
  /** CPUID 0x40000000 EAX, the last hypervisor leaf. */
  readonly maxLeaf: number;
  /** CPUID 0x40000002: build, major << 16 | minor, service pack, branch << 24 | number. */
  readonly version: readonly [number, number, number, number];
  /** CPUID 0x40000003: privileges low, privileges high, power management, features. */
  readonly features: readonly [number, number, number, number];
  /** CPUID 0x40000004: recommendations, spin count, physical address bits implemented, 0. */
  readonly recommendations: readonly [number, number, number, number];
  /** CPUID 0x40000005: most virtual processors, most logical processors, remappable vectors, 0. */
  readonly limits: readonly [number, number, number, number];
  /** CPUID 0x40000006 EAX. */
  readonly hardwareFeatures: number;
  /** CPUID 0x80000007 EDX bit 8: hidden by older hosts. */
  readonly invariantTsc: boolean;
}
