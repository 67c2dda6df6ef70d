/**
 * What the x86-64 processor can do, once: CPUID shows these bits, and the decoder knows the
 * encodings that go with them (Intel SDM volume 2, CPUID). x86-64-v2 with AES, RDRAND and FSGSBASE.
 */

/** Leaves that hold features, and their registers. */
export const FEATURE_WORDS = {
  '1.ecx': { leaf: 1, register: 2 },
  '1.edx': { leaf: 1, register: 3 },
  '7.ebx': { leaf: 7, register: 1 },
  '7.ecx': { leaf: 7, register: 2 },
  '7.edx': { leaf: 7, register: 3 },
  '80000001.ecx': { leaf: 0x8000_0001, register: 2 },
  '80000001.edx': { leaf: 0x8000_0001, register: 3 },
} as const;

type Bits = Readonly<Partial<Record<keyof typeof FEATURE_WORDS, Readonly<Record<string, number>>>>>;

/** Features with encodings of their own, by the name that the decode table gives them after an `@`. */
export const encodedFeatures = {
  '1.edx': {
    x87: 0,
    cx8: 8,
    sep: 11,
    cmov: 15,
    clflush: 19,
    mmx: 23,
    fxsr: 24,
    sse: 25,
    sse2: 26,
  },
  '1.ecx': {
    sse3: 0,
    pclmulqdq: 1,
    ssse3: 9,
    cx16: 13,
    sse41: 19,
    sse42: 20,
    movbe: 22,
    popcnt: 23,
    aes: 25,
    rdrand: 30,
  },
  '7.ebx': { fsgsbase: 0 },
  // Linux's sync_core() is IRET without it, a hundred thousand times in a boot.
  '7.edx': { serialize: 14 },
  '80000001.ecx': { lahf: 0 },
  '80000001.edx': { syscall: 11, rdtscp: 27 },
} as const satisfies Bits;

/** Features of paging, of control registers, and of instructions that every processor here has. */
export const otherFeatures = {
  '1.edx': {
    debuggingExtensions: 2,
    largePages: 3,
    tsc: 4,
    msr: 5,
    pae: 6,
    machineCheckException: 7,
    apic: 9,
    mtrr: 12,
    globalPages: 13,
    machineCheckArchitecture: 14,
    pat: 16,
    pse36: 17,
  },
  '1.ecx': { x2Apic: 21 },
  '7.ebx': { smep: 7, fastRepString: 9 },
  '7.ecx': { umip: 2 },
  '7.edx': { fastShortRepMov: 4, archCapabilities: 29 },
  '80000001.edx': { noExecute: 20, gigabytePages: 26, longMode: 29 },
} as const satisfies Bits;
