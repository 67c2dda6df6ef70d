/**
 * Registers of the processor below that the partition answers for, whichever guest runs on it: Intel
 * SDM volume 4, table 2-2, and volume 3, chapter 12 (memory types). What belongs to execution (EFER,
 * STAR, SYSENTER, FS and GS bases, TSC_AUX) is the executing engine's own.
 */

/** Memory types of MTRRs and PAT. */
export const MemoryType = {
  uncacheable: 0,
  writeCombining: 1,
  writeThrough: 4,
  writeProtected: 5,
  writeBack: 6,
  /** UC-, in PAT only. */
  uncached: 7,
} as const;

/** What a write may change, and what the hardware checks of it. */
export type MsrCheck =
  /** Bits outside `writable` must keep their value. */
  | 'kept'
  /** Written values are dropped. */
  | 'ignored'
  /** Eight bytes, each a memory type of an MTRR. */
  | 'types'
  /** Eight bytes, each a memory type of PAT. */
  | 'pat-types'
  /** A memory type in bits 7:0, and bits of `writable`. */
  | 'type';

export interface ArchitecturalMsr {
  readonly name: string;
  readonly first: number;
  /** Registers in this row, `step` apart. */
  readonly count: number;
  readonly step: number;
  /** Low and high half after reset. */
  readonly reset: readonly [number, number];
  /** Low and high half; all zeros: a write of anything else than the present value is #GP. */
  readonly writable: readonly [number, number];
  readonly check: MsrCheck;
}

type Halves = readonly [number, number];
const NONE: Halves = [0, 0];
const ALL: Halves = [0xffff_ffff, 0xffff_ffff];
/** 40 bits of physical address, as CPUID 0x80000008 says. */
const ADDRESS_HIGH = 0xff;

function row(
  name: string,
  first: number,
  options: Partial<Omit<ArchitecturalMsr, 'name' | 'first'>> = {},
): ArchitecturalMsr {
  return {
    name,
    first,
    count: options.count ?? 1,
    step: options.step ?? 1,
    reset: options.reset ?? NONE,
    writable: options.writable ?? NONE,
    check: options.check ?? 'kept',
  };
}

export const MTRR_PHYSICAL_BASE = 0x200;
export const MTRR_VARIABLE_COUNT = 8;
export const MTRR_VALID = 0x800;
export const MTRR_DEFAULT_TYPE = 0x2ff;
export const MTRR_ENABLE = 0xc00;
export const MTRR_FIXED = [
  0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f,
] as const;

/** Hyper-V shows this microcode revision to its guests, whatever the processor has. */
const MICROCODE_REVISION = 0xffff_ffff;

/**
 * IA32_ARCH_CAPABILITIES: RDCL_NO, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO,
 * SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO, RFDS_NO; high: ITS_NO. Nothing here
 * speculates.
 */
const ARCH_CAPABILITIES: Halves = [0x0d10_e179, 0x4000_0000];

/** In ascending order. */
export const architecturalMsrs: readonly ArchitecturalMsr[] = [
  row('IA32_PLATFORM_ID', 0x17),
  // Locked by firmware, without virtual machine extensions.
  row('IA32_FEATURE_CONTROL', 0x3a, { reset: [1, 0] }),
  row('IA32_BIOS_SIGN_ID', 0x8b, { reset: [0, MICROCODE_REVISION], check: 'ignored' }),
  row('MSR_PLATFORM_INFO', 0xce),
  // Eight variable ranges, fixed ranges, write-combining.
  row('IA32_MTRRCAP', 0xfe, { reset: [0x500 + MTRR_VARIABLE_COUNT, 0] }),
  row('IA32_ARCH_CAPABILITIES', 0x10a, { reset: ARCH_CAPABILITIES }),
  row('MSR_MISC_FEATURES_ENABLES', 0x140),
  // No machine-check banks.
  row('IA32_MCG_CAP', 0x179),
  row('IA32_MCG_STATUS', 0x17a, { writable: [7, 0] }),
  // Fast strings; branch trace storage and precise sampling are not there.
  row('IA32_MISC_ENABLE', 0x1a0, { reset: [0x1801, 0], writable: [1, 0] }),
  row('IA32_DEBUGCTL', 0x1d9),
  row('IA32_MTRR_PHYSBASE', MTRR_PHYSICAL_BASE, {
    count: MTRR_VARIABLE_COUNT,
    step: 2,
    writable: [0xffff_f0ff, ADDRESS_HIGH],
    check: 'type',
  }),
  row('IA32_MTRR_PHYSMASK', MTRR_PHYSICAL_BASE + 1, {
    count: MTRR_VARIABLE_COUNT,
    step: 2,
    writable: [0xffff_f800, ADDRESS_HIGH],
  }),
  row('IA32_MTRR_FIX64K', 0x250, { writable: ALL, check: 'types' }),
  row('IA32_MTRR_FIX16K', 0x258, { count: 2, writable: ALL, check: 'types' }),
  row('IA32_MTRR_FIX4K', 0x268, { count: 8, writable: ALL, check: 'types' }),
  row('IA32_PAT', 0x277, {
    reset: [0x0007_0406, 0x0007_0406],
    writable: ALL,
    check: 'pat-types',
  }),
  row('IA32_MTRR_DEF_TYPE', MTRR_DEFAULT_TYPE, { writable: [0xcff, 0], check: 'type' }),
];
