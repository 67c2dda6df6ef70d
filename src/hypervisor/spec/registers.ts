/** HV_REGISTER_NAME: what HvCallGetVpRegisters and HvCallSetVpRegisters may name. TLFS. */
import { Msr } from './msrs.ts';

/** Read-only 128-bit images of CPUID leaves. */
export const registerCpuidLeaves: ReadonlyMap<number, number> = new Map([
  [0x0000_0100, 0x4000_0002],
  [0x0000_0200, 0x4000_0003],
  [0x0000_0201, 0x4000_0004],
  [0x0000_0202, 0x4000_0005],
  [0x0000_0203, 0x4000_0006],
]);

/** Registers that are synthetic MSRs under another number. */
export const registerMsrs: ReadonlyMap<number, number> = new Map([
  [0x0000_0210, Msr.CRASH_P0],
  [0x0000_0211, Msr.CRASH_P0 + 1],
  [0x0000_0212, Msr.CRASH_P0 + 2],
  [0x0000_0213, Msr.CRASH_P0 + 3],
  [0x0000_0214, Msr.CRASH_P0 + 4],
  [0x0000_0215, Msr.CRASH_CTL],
  [0x0009_0000, Msr.VP_RUNTIME],
  [0x0009_0001, Msr.HYPERCALL],
  [0x0009_0002, Msr.GUEST_OS_ID],
  [0x0009_0003, Msr.VP_INDEX],
  [0x0009_0004, Msr.TIME_REF_COUNT],
  [0x0009_0013, Msr.VP_ASSIST_PAGE],
  [0x0009_0017, Msr.REFERENCE_TSC],
  ...Array.from({ length: 16 }, (_, sint): [number, number] => [
    0x000a_0000 + sint,
    Msr.SINT0 + sint,
  ]),
  [0x000a_0010, Msr.SCONTROL],
  [0x000a_0011, Msr.SVERSION],
  [0x000a_0012, Msr.SIEFP],
  [0x000a_0013, Msr.SIMP],
  [0x000a_0014, Msr.EOM],
  ...Array.from({ length: 8 }, (_, index): [number, number] => [
    0x000b_0000 + index,
    Msr.STIMER0_CONFIG + index,
  ]),
]);
