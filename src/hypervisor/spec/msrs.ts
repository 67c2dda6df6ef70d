/**
 * Model-specific registers of a Hyper-V partition: TLFS "Hypercall Interface", "Virtual Processor
 * Properties", "Timers", "Virtual Interrupt Control", "Inter-Partition Communication", "Partition
 * Properties"; the architectural ones from the Intel SDM volume 4.
 */

/** Architectural registers that belong to the partition (time and local APIC). */
export const IA32_TSC = 0x10;
export const IA32_APIC_BASE = 0x1b;
export const IA32_TSC_DEADLINE = 0x6e0;
/** x2APIC registers are at this number plus their MMIO offset divided by 16. */
export const X2APIC_FIRST = 0x800;
export const X2APIC_LAST = 0x83f;

/** Synthetic registers by the name that the TLFS gives them after HV_X64_MSR_. */
export const Msr = {
  GUEST_OS_ID: 0x4000_0000,
  HYPERCALL: 0x4000_0001,
  VP_INDEX: 0x4000_0002,
  RESET: 0x4000_0003,
  VP_RUNTIME: 0x4000_0010,
  TIME_REF_COUNT: 0x4000_0020,
  REFERENCE_TSC: 0x4000_0021,
  TSC_FREQUENCY: 0x4000_0022,
  APIC_FREQUENCY: 0x4000_0023,
  NPIEP_CONFIG: 0x4000_0040,
  EOI: 0x4000_0070,
  ICR: 0x4000_0071,
  TPR: 0x4000_0072,
  VP_ASSIST_PAGE: 0x4000_0073,
  SCONTROL: 0x4000_0080,
  SVERSION: 0x4000_0081,
  SIEFP: 0x4000_0082,
  SIMP: 0x4000_0083,
  EOM: 0x4000_0084,
  /** SINT0; SINT15 is 15 higher. */
  SINT0: 0x4000_0090,
  /** Timer n has its configuration at 2n and its count at 2n + 1. */
  STIMER0_CONFIG: 0x4000_00b0,
  STIMER0_COUNT: 0x4000_00b1,
  GUEST_IDLE: 0x4000_00f0,
  /** CRASH_P0; P4 is 4 higher. */
  CRASH_P0: 0x4000_0100,
  CRASH_CTL: 0x4000_0105,
  REENLIGHTENMENT_CONTROL: 0x4000_0106,
  TSC_EMULATION_CONTROL: 0x4000_0107,
  TSC_EMULATION_STATUS: 0x4000_0108,
  TSC_INVARIANT_CONTROL: 0x4000_0118,
} as const;

export const SYNTHETIC_FIRST = 0x4000_0000;
export const SYNTHETIC_LAST = 0x4000_01ff;

/** A bit of CPUID 0x40000003 that a register needs: index into `HypervisorProfile.features`. */
export interface Privilege {
  readonly word: 0 | 1 | 3;
  readonly mask: number;
}

function privilege(word: 0 | 1 | 3, bit: number): Privilege {
  return { word, mask: 2 ** bit };
}

/** HV_PARTITION_PRIVILEGE_MASK and the feature bits beside it (CPUID 0x40000003 EAX, EBX, EDX). */
export const Privileges = {
  accessVpRuntime: privilege(0, 0),
  accessReferenceCounter: privilege(0, 1),
  accessSynic: privilege(0, 2),
  accessSyntheticTimers: privilege(0, 3),
  accessApic: privilege(0, 4),
  accessHypercall: privilege(0, 5),
  accessVpIndex: privilege(0, 6),
  accessReset: privilege(0, 7),
  accessReferenceTsc: privilege(0, 9),
  accessGuestIdle: privilege(0, 10),
  accessFrequency: privilege(0, 11),
  accessReenlightenment: privilege(0, 13),
  accessTscInvariant: privilege(0, 15),
  postMessages: privilege(1, 4),
  signalEvents: privilege(1, 5),
  accessVpRegisters: privilege(1, 17),
  extendedHypercalls: privilege(1, 20),
  startVirtualProcessor: privilege(1, 21),
  crashRegisters: privilege(3, 10),
  npiep: privilege(3, 12),
  directTimers: privilege(3, 19),
} as const;

/** What a guest without the privilege gets is #GP; `undefined` needs none. */
export interface MsrRow {
  readonly name: string;
  readonly first: number;
  readonly count: number;
  readonly privilege: Privilege | undefined;
  /** Written so often that a trace event each time would drown the rest. */
  readonly hot: boolean;
}

function row(
  name: keyof typeof Msr,
  needs: Privilege | undefined,
  options: { readonly count?: number; readonly hot?: boolean } = {},
): MsrRow {
  const { count = 1, hot = false } = options;
  return { name, first: Msr[name], count, privilege: needs, hot };
}

/**
 * Every synthetic register, in ascending order. VP_ASSIST_PAGE needs no privilege: Linux writes it
 * whether or not AccessApicMsrs is granted, and hosts let it.
 */
export const syntheticMsrs: readonly MsrRow[] = [
  row('GUEST_OS_ID', Privileges.accessHypercall),
  row('HYPERCALL', Privileges.accessHypercall),
  row('VP_INDEX', Privileges.accessVpIndex),
  row('RESET', Privileges.accessReset),
  row('VP_RUNTIME', Privileges.accessVpRuntime),
  row('TIME_REF_COUNT', Privileges.accessReferenceCounter),
  row('REFERENCE_TSC', Privileges.accessReferenceTsc),
  row('TSC_FREQUENCY', Privileges.accessFrequency),
  row('APIC_FREQUENCY', Privileges.accessFrequency),
  row('NPIEP_CONFIG', Privileges.npiep),
  row('EOI', Privileges.accessApic, { hot: true }),
  row('ICR', Privileges.accessApic, { hot: true }),
  row('TPR', Privileges.accessApic, { hot: true }),
  row('VP_ASSIST_PAGE', undefined),
  row('SCONTROL', Privileges.accessSynic),
  row('SVERSION', Privileges.accessSynic),
  row('SIEFP', Privileges.accessSynic),
  row('SIMP', Privileges.accessSynic),
  row('EOM', Privileges.accessSynic, { hot: true }),
  row('SINT0', Privileges.accessSynic, { count: 16 }),
  row('STIMER0_CONFIG', Privileges.accessSyntheticTimers, { count: 8, hot: true }),
  row('GUEST_IDLE', Privileges.accessGuestIdle, { hot: true }),
  row('CRASH_P0', Privileges.crashRegisters, { count: 5 }),
  row('CRASH_CTL', Privileges.crashRegisters),
  row('REENLIGHTENMENT_CONTROL', Privileges.accessReenlightenment),
  row('TSC_EMULATION_CONTROL', Privileges.accessReenlightenment),
  row('TSC_EMULATION_STATUS', Privileges.accessReenlightenment),
  row('TSC_INVARIANT_CONTROL', Privileges.accessTscInvariant),
];

/** Low half of every register that places a page: HYPERCALL, REFERENCE_TSC, SIMP and the like. */
export const PAGE_ENABLE = 1;
/** HYPERCALL bit 1: only a reset makes the register writable again. */
export const HYPERCALL_LOCKED = 2;

/** CRASH_CTL, high half (HV_CRASH_CTL_REG_CONTENTS). */
export const CRASH_NOTIFY = 0x8000_0000;
/** P3 and P4 are the address and length of a text of at most 4096 bytes. */
export const CRASH_MESSAGE = 0x4000_0000;
export const CRASH_PARAMETER_COUNT = 5;

/** @returns the page number in bits 63:12, exact since it has 52 bits */
export function pageNumberOf(low: number, high: number): number {
  return high * 0x10_0000 + (low >>> 12);
}
