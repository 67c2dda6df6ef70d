/**
 * What each Windows version is to a guest, as data. `--host` chooses a row; nothing else changes.
 *
 * Sources. CPUID words: boot logs of Linux and FreeBSD guests that print them (privileges low and
 * high, hints, features) on builds 9200/9600 (features 0xe7f, hints 0x2c), 14393 (features 0xed7b2),
 * 17763 (0x2e7f, hints 0x60e24, 0xbed7b2), 20348 (0xae7f, 0x388030, 0x140c2c, 0xc0bed7b2) and 26100
 * (0xae7f, 0x3b8030, 0x902c2c, 0xe0bed7b6). Protocol maxima: the version tables of the open-source
 * guests and of OpenVMM. Answers for absent LUNs: comments and commit logs of FreeBSD's storvsc.
 * No log of a Technical Preview was found: that row takes the words of the release that followed.
 */
import type { PitAnomaly } from '../devices/pit/spec.ts';
import { DEFAULT_NETVSC_PROFILE, type NetvscProfile } from '../devices/netvsc/profile.ts';
import { NvspVersion } from '../devices/netvsc/spec/nvsp.ts';
import { DEFAULT_STORVSC_PROFILE, type StorvscProfile } from '../devices/storvsc/profile.ts';
import { VstorVersion } from '../devices/storvsc/spec.ts';
import { VideoVersion } from '../devices/video/spec.ts';
import type { HypervisorProfile } from '../hypervisor/profile.ts';
import { VmbusVersion } from '../vmbus/spec/versions.ts';
import {
  INTEGRATION_2012,
  INTEGRATION_2012R2,
  INTEGRATION_2016,
  INTEGRATION_2019,
  type IntegrationProfile,
} from './integration.ts';
import type { MessageRate } from './message-buffers.ts';

export const HOST_NAMES = [
  'ws2012',
  'ws2012r2',
  'ws2016tp',
  'ws2016',
  'ws2019',
  'ws2022',
  'ws2025',
] as const;
export type HostName = (typeof HOST_NAMES)[number];
export const DEFAULT_HOST: HostName = 'ws2022';

export interface HostProfile {
  /** As a person would say it. */
  readonly title: string;
  readonly hypervisor: HypervisorProfile;
  /** Newest VMBus version, major << 16 | minor. */
  readonly vmbusVersion: number;
  readonly storvsc: StorvscProfile;
  readonly netvsc: NetvscProfile;
  readonly integration: IntegrationProfile;
  /** Of synthetic video, minor << 16 | major. */
  readonly videoVersions: readonly number[];
  /** Generation 2 came with Windows Server 2012 R2. */
  readonly hasGeneration2: boolean;
  /** How its emulated i8254 errs, or null for a sound one. */
  readonly pitAnomaly: PitAnomaly | null;
  /** How fast it takes messages; undefined: as fast as they come. */
  readonly messageRate?: MessageRate;
}

/** Every host so far: post messages and signal events. */
const POST_AND_SIGNAL = 0x30;
/** Plus debugging, fast hypercall output, extended hypercalls, start virtual processor. */
const PRIVILEGES_HIGH_2022 = 0x38_8030;
/** Plus virtual secure mode and access to virtual processor registers. */
const PRIVILEGES_HIGH_2025 = 0x3b_8030;
/** CPUID 0x40000004 EBX: never notify the hypervisor of a long spin wait. */
const NEVER_NOTIFY = 0xffff_ffff;
const PHYSICAL_ADDRESS_BITS = 42;
/** CPUID 0x40000003 ECX: C2 is the deepest power state. */
const POWER_STATE_C2 = 2;
/** Overlay assist, MSR bitmap, performance counters, second-level translation. */
const HARDWARE_FEATURES = 0xf;

function version(
  major: number,
  minor: number,
  build: number,
  servicePack: number,
): HypervisorProfile['version'] {
  return [build, major * 0x1_0000 + minor, servicePack, 0];
}

/** @param hints CPUID 0x40000004 EAX */
function hypervisor(
  of: HypervisorProfile['version'],
  privilegesLow: number,
  privilegesHigh: number,
  features: number,
  hints: number,
  mostProcessors: number,
): HypervisorProfile {
  return {
    maxLeaf: 0x4000_0006,
    version: of,
    features: [privilegesLow, privilegesHigh, POWER_STATE_C2, features],
    recommendations: [hints, NEVER_NOTIFY, PHYSICAL_ADDRESS_BITS, 0],
    limits: [mostProcessors, mostProcessors, 0, 0],
    hardwareFeatures: HARDWARE_FEATURES,
    // Windows hides it from guests until they ask for it (HV_X64_MSR_TSC_INVARIANT_CONTROL).
    invariantTsc: false,
  };
}

const storvscSince2016 = DEFAULT_STORVSC_PROFILE;
const storvsc2012: StorvscProfile = {
  ...DEFAULT_STORVSC_PROFILE,
  maxVersion: VstorVersion.win8,
  absentLun: 'qualifier-7f-short',
};

/**
 * `ahead` and `after`: the reads that FreeBSD's commit on the TSC and the i8254 records. The phase at
 * which a guest finds the counter is chance; at this one the reads of DELAY(1 s), the one that begins
 * it included, take as long as those of the report: 1668.79 of 3300 MHz.
 */
const driftingPit: PitAnomaly = { aheadCounts: 306, reanchorAfter: 356, startPhase: 52_136 };

/** Synthetic video: up to Windows 8.1, and since Windows 10 "Threshold 2". */
const videoSince2012 = [VideoVersion.win7, VideoVersion.win8];
const videoSince2016 = [...videoSince2012, VideoVersion.threshold2];

/** Network adapters differ by the newest protocol. */
function netvsc(maxVersion: number): NetvscProfile {
  return {
    ...DEFAULT_NETVSC_PROFILE,
    maxVersion,
    coalescesReceived: maxVersion >= NvspVersion.v61,
  };
}

export const HOST_PROFILES: Readonly<Record<HostName, HostProfile>> = {
  ws2012: {
    title: 'Windows Server 2012',
    hypervisor: hypervisor(version(6, 2, 9200, 16), 0xe7f, POST_AND_SIGNAL, 0x7b2, 0x2c, 64),
    vmbusVersion: VmbusVersion.win8,
    storvsc: storvsc2012,
    hasGeneration2: false,
    netvsc: { ...netvsc(NvspVersion.v4), breaksUdpChecksum: true },
    integration: INTEGRATION_2012,
    videoVersions: videoSince2012,
    pitAnomaly: driftingPit,
  },
  ws2012r2: {
    title: 'Windows Server 2012 R2',
    hypervisor: hypervisor(version(6, 3, 9600, 16), 0xe7f, POST_AND_SIGNAL, 0x7b2, 0x2c, 64),
    vmbusVersion: VmbusVersion.win8_1,
    storvsc: { ...storvsc2012, maxVersion: VstorVersion.blue },
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v5),
    integration: INTEGRATION_2012R2,
    videoVersions: videoSince2012,
    pitAnomaly: driftingPit,
  },
  ws2016tp: {
    title: 'Windows Server 2016 Technical Preview',
    hypervisor: hypervisor(version(10, 0, 10586, 0), 0x2e7f, POST_AND_SIGNAL, 0xe_d7b2, 0xc2c, 240),
    vmbusVersion: VmbusVersion.win10,
    storvsc: { ...storvscSince2016, absentLun: 'zeroed' },
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v5),
    integration: INTEGRATION_2016,
    videoVersions: videoSince2016,
    pitAnomaly: driftingPit,
  },
  ws2016: {
    title: 'Windows Server 2016',
    hypervisor: hypervisor(version(10, 0, 14393, 0), 0x2e7f, POST_AND_SIGNAL, 0xe_d7b2, 0xc2c, 240),
    vmbusVersion: VmbusVersion.win10,
    storvsc: storvscSince2016,
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v6),
    integration: INTEGRATION_2016,
    videoVersions: videoSince2016,
    pitAnomaly: null,
  },
  ws2019: {
    title: 'Windows Server 2019',
    hypervisor: hypervisor(
      version(10, 0, 17763, 0),
      0x2e7f,
      POST_AND_SIGNAL,
      0xbe_d7b2,
      0x6_0c2c,
      240,
    ),
    vmbusVersion: VmbusVersion.rs5,
    storvsc: storvscSince2016,
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v61),
    integration: INTEGRATION_2019,
    videoVersions: videoSince2016,
    pitAnomaly: null,
  },
  ws2022: {
    title: 'Windows Server 2022',
    hypervisor: hypervisor(
      version(10, 0, 20348, 0),
      0xae7f,
      PRIVILEGES_HIGH_2022,
      0xc0be_d7b2,
      0x14_0c2c,
      1024,
    ),
    vmbusVersion: VmbusVersion.iron,
    storvsc: storvscSince2016,
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v61),
    integration: INTEGRATION_2019,
    videoVersions: videoSince2016,
    pitAnomaly: null,
  },
  ws2025: {
    title: 'Windows Server 2025',
    hypervisor: hypervisor(
      version(10, 0, 26100, 0),
      0xae7f,
      PRIVILEGES_HIGH_2025,
      0xe0be_d7b6,
      0x90_2c2c,
      2048,
    ),
    vmbusVersion: VmbusVersion.copper,
    storvsc: storvscSince2016,
    hasGeneration2: true,
    netvsc: netvsc(NvspVersion.v61),
    integration: INTEGRATION_2019,
    videoVersions: videoSince2016,
    pitAnomaly: null,
  },
};
