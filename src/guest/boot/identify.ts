/** What CPUID tells the kernel, and the lines that it prints of it. */
import {
  HYPERVISOR_PRESENT,
  HypervisorLeaf,
  INTERFACE_HV1,
  INVARIANT_TSC,
  VENDOR_MICROSOFT_HV,
  X2APIC_PRESENT,
} from '../../hypervisor/spec/cpuid.ts';
import type { Hardware } from '../kernel/hardware.ts';

/** CPUID 0x40000003 EAX and EDX by FreeBSD's names (hyperv_reg.h). */
const FEATURES = [
  'VPRUNTIME',
  'TMREFCNT',
  'SYNIC',
  'SYNTM',
  'APIC',
  'HYPERCALL',
  'VPINDEX',
  'RESET',
  'STATS',
  'REFTSC',
  'IDLE',
  'TMFREQ',
  'DEBUG',
] as const;
const FEATURES3 = [
  'MWAIT',
  'DEBUG',
  'PERFMON',
  'PCPUDPE',
  'XMMHC',
  'IDLE',
  'SLEEP',
  'NUMA',
  'TMFREQ',
  'SYNCMC',
  'CRASH',
  'DEBUGMSR',
  'NPIEP',
  'HVDIS',
] as const;

export const Feature = {
  referenceCounter: 0x2,
  synic: 0x4,
  syntheticTimers: 0x8,
  hypercall: 0x20,
  referenceTsc: 0x200,
  frequencyMsrs: 0x800,
} as const;
export const Feature3 = { crash: 0x400, frequency: 0x100 } as const;

export interface HypervisorFacts {
  readonly build: number;
  readonly major: number;
  readonly minor: number;
  readonly servicePack: number;
  readonly features: number;
  readonly powerFeatures: number;
  readonly features3: number;
  readonly recommendations: number;
}

export interface CpuFacts {
  readonly vendor: string;
  readonly brand: string;
  readonly signature: number;
  readonly hasX2apic: boolean;
  readonly isTscInvariant: boolean;
  readonly hypervisorVendor: string;
}

export function identifyCpu(hardware: Hardware): CpuFacts {
  const [highest, b, c, d] = hardware.cpuid(0);
  const vendor = text([b!, d!, c!]);
  const [signature, , ecx] = highest! >= 1 ? hardware.cpuid(1) : [0, 0, 0];
  const isGuest = (ecx! & HYPERVISOR_PRESENT) !== 0;
  const extended = hardware.cpuid(0x8000_0000)[0]!;
  let brand = '';
  for (let leaf = 0x8000_0002; leaf <= 0x8000_0004 && leaf <= extended; leaf += 1) {
    brand += text([...hardware.cpuid(leaf)]);
  }
  const power = extended >= 0x8000_0007 ? hardware.cpuid(0x8000_0007)[3]! : 0;
  return {
    vendor,
    brand: brand.trim(),
    signature: signature!,
    hasX2apic: (ecx! & X2APIC_PRESENT) !== 0,
    isTscInvariant: (power & INVARIANT_TSC) !== 0,
    hypervisorVendor: isGuest ? text([...hardware.cpuid(HypervisorLeaf.vendor)].slice(1)) : '',
  };
}

/** @returns undefined when this is not Hyper-V */
export function identifyHypervisor(hardware: Hardware): HypervisorFacts | undefined {
  if ((hardware.cpuid(1)[2]! & HYPERVISOR_PRESENT) === 0) return undefined;
  const [maxLeaf, ...vendor] = hardware.cpuid(HypervisorLeaf.vendor);
  const isMicrosoft = VENDOR_MICROSOFT_HV.every((word, index) => vendor[index] === word);
  if (!isMicrosoft || maxLeaf! < HypervisorLeaf.limits) return undefined;
  if (hardware.cpuid(HypervisorLeaf.interface)[0] !== INTERFACE_HV1) return undefined;
  const [build, version, servicePack] = hardware.cpuid(HypervisorLeaf.version);
  const [features, , powerFeatures, features3] = hardware.cpuid(HypervisorLeaf.features);
  return {
    build: build!,
    major: version! >>> 16,
    minor: version! & 0xffff,
    servicePack: servicePack!,
    features: features!,
    powerFeatures: powerFeatures!,
    features3: features3!,
    recommendations: hardware.cpuid(HypervisorLeaf.recommendations)[0]!,
  };
}

export function hypervisorLines(facts: HypervisorFacts): string {
  const { major, minor, build, servicePack, features, powerFeatures, features3 } = facts;
  return (
    `Hyper-V Version: ${major}.${minor}.${build} [SP${servicePack}]\n` +
    `  Features=${bits(features, FEATURES)}\n` +
    `  PM Features=${bits(powerFeatures & ~0xf, ['', '', '', '', 'C3HPET'])} ` +
    `[C${powerFeatures & 0xf}]\n` +
    `  Features3=${bits(features3, FEATURES3)}\n`
  );
}

/** `CPU:` and `Origin=`, with the rate as it was measured. */
export function cpuLines(facts: CpuFacts, frequencyHz: number, isLegacy: boolean): string {
  const { signature } = facts;
  const family = ((signature >>> 8) & 0xf) + ((signature >>> 20) & 0xff);
  const model = ((signature >>> 4) & 0xf) | ((signature >>> 12) & 0xf0);
  const stepping = signature & 0xf;
  // Rounded as FreeBSD does, to hundredths of a megahertz.
  const megahertz = (Math.floor((frequencyHz + 4_999) / 10_000) / 100).toFixed(2);
  const equals = isLegacy ? ' = ' : '=';
  return (
    `CPU: ${facts.brand} (${megahertz}-MHz K8-class CPU)\n` +
    `  Origin${equals}"${facts.vendor}"  Id${equals}0x${signature.toString(16)}  ` +
    `Family${equals}0x${family.toString(16)}  Model${equals}0x${model.toString(16)}  ` +
    `Stepping${equals}${stepping}\n` +
    (facts.hypervisorVendor === '' ? '' : `Hypervisor: Origin = "${facts.hypervisorVendor}"\n`)
  );
}

/** printf's %b: the number, then the names of its bits. */
function bits(value: number, names: readonly string[]): string {
  const set = names.filter((name, bit) => name !== '' && (value & (1 << bit)) !== 0);
  return `0x${(value >>> 0).toString(16)}${set.length > 0 ? `<${set.join(',')}>` : ''}`;
}

function text(words: readonly number[]): string {
  let result = '';
  for (const word of words) {
    for (let shift = 0; shift < 32; shift += 8) {
      const byte = (word >>> shift) & 0xff;
      if (byte !== 0) result += String.fromCharCode(byte);
    }
  }
  return result;
}
