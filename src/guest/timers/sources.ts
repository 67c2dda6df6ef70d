/** The timecounters of a Hyper-V guest. */
import { PAGE_ENABLE, Msr } from '../../hypervisor/spec/msrs.ts';
import { ReferenceTscPage } from '../../hypervisor/spec/time.ts';
import { IA32_TSC } from '../kernel/hardware.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { I8254_HZ, I8254_MAX_COUNT } from './i8254.ts';
import type { Timecounter } from './timecounter.ts';

const NEVER_WRAPS = 2 ** 53;
const REFERENCE_HZ = 10_000_000;
const PM_TIMER_HZ = 3_579_545;

/** The partition's reference counter, by its MSR. */
export function referenceCounter(kernel: Kernel, quality: number): Timecounter {
  return {
    name: 'Hyper-V',
    quality,
    frequencyHz: REFERENCE_HZ,
    modulus: NEVER_WRAPS,
    read: () => kernel.hw.readMsrNumber(Msr.TIME_REF_COUNT),
  };
}

/**
 * The reference TSC page: the same count without leaving the guest. Sequence 0 means that the page
 * is not valid now, and the MSR counts.
 */
export function referenceTsc(kernel: Kernel): Timecounter {
  const gpa = kernel.allocatePages(1);
  kernel.hw.writeMsrNumber(Msr.REFERENCE_TSC, gpa + PAGE_ENABLE);
  const { memory } = kernel.hw;
  const page = ReferenceTscPage.cursor(memory.view).at(memory.resolve(gpa, 4096));
  return {
    name: 'Hyper-V-TSC',
    quality: 3000,
    frequencyHz: REFERENCE_HZ,
    modulus: NEVER_WRAPS,
    read: () => {
      if (page.sequence === 0) return kernel.hw.readMsrNumber(Msr.TIME_REF_COUNT);
      // 53 bits are enough for the product's upper half for as long as the clock runs.
      const scale = page.scaleHi / 2 ** 32 + page.scaleLo / 2 ** 64;
      const offset = (page.offsetHi | 0) * 2 ** 32 + page.offsetLo;
      return Math.floor(kernel.hw.readMsrNumber(IA32_TSC) * scale) + offset;
    },
  };
}

/** The processor's own counter, halved as FreeBSD does to stay in range. */
export function tscLow(kernel: Kernel, tscHz: number, quality: number): Timecounter {
  return {
    name: 'TSC-low',
    quality,
    frequencyHz: Math.floor(tscHz / 2),
    modulus: NEVER_WRAPS,
    read: () => Math.floor(kernel.hw.readMsrNumber(IA32_TSC) / 2),
  };
}

/** The ACPI power-management timer. */
export function pmTimer(kernel: Kernel, port: number, is32Bit: boolean): Timecounter {
  const modulus = is32Bit ? 2 ** 32 : 2 ** 24;
  return {
    name: 'ACPI-fast',
    quality: 900,
    frequencyHz: PM_TIMER_HZ,
    modulus,
    read: () => kernel.hw.in32(port) % modulus,
  };
}

export function i8254Counter(kernel: Kernel): Timecounter {
  return {
    name: 'i8254',
    quality: 0,
    frequencyHz: I8254_HZ,
    modulus: I8254_MAX_COUNT,
    read: () => I8254_MAX_COUNT - 1 - kernel.i8254.readNow(),
  };
}
