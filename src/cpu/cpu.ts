/**
 * One x86-64 processor: typed access to the state block in the linear memory. What instructions do is
 * elsewhere: semantics/ (what generated code does too), system/, float/, mmu/.
 *
 * A linear address is a JavaScript number: the 64-bit address as a signed integer. Canonical addresses
 * are exact; others are beyond 2^47 in magnitude, which is all that anyone asks of them.
 */
import type { GuestMemory } from '../core/memory.ts';
import type { PartitionProcessor } from '../hypervisor/virtual-processor.ts';
import { FloatContext } from './float/context.ts';
import { Mode } from './mode.ts';
import {
  ACTIVITY,
  Activity,
  Flags,
  GPR,
  MODE,
  MXCSR,
  RIP,
  SEGMENT_BASE,
  SegmentIndex,
  SegmentState,
  STI_LEFT,
  System,
} from './state.ts';

const TWO_32 = 0x1_0000_0000;
const ARITHMETIC_FLAGS = 0x8d5;
const MXCSR_STICKY = 0x3f;
const MXCSR_DEFAULT = 0x1f80;

export const Cr0 = {
  pe: 1,
  mp: 2,
  em: 4,
  ts: 8,
  et: 0x10,
  ne: 0x20,
  wp: 0x1_0000,
  am: 0x4_0000,
  nw: 0x2000_0000,
  cd: 0x4000_0000,
  pg: 0x8000_0000,
} as const;

export const Cr4 = {
  vme: 1,
  pvi: 2,
  tsd: 4,
  de: 8,
  pse: 0x10,
  pae: 0x20,
  mce: 0x40,
  pge: 0x80,
  pce: 0x100,
  osfxsr: 0x200,
  osxmmexcpt: 0x400,
  umip: 0x800,
  fsgsbase: 0x1_0000,
  smep: 0x10_0000,
} as const;

export const Efer = { sce: 1, lme: 0x100, lma: 0x400, nxe: 0x800 } as const;

export const Eflags = {
  cf: 1,
  fixed: 2,
  pf: 4,
  af: 0x10,
  zf: 0x40,
  sf: 0x80,
  tf: 0x100,
  if: 0x200,
  df: 0x400,
  of: 0x800,
  iopl: 0x3000,
  nt: 0x4000,
  rf: 0x1_0000,
  vm: 0x2_0000,
  ac: 0x4_0000,
  vif: 0x8_0000,
  vip: 0x10_0000,
  id: 0x20_0000,
} as const;

/** What the engine gives to instructions that reach beyond the processor. */
export interface CpuHost {
  /** The six flags from kind, result and source, of a kind other than 0. */
  arithmeticFlags(): number;
  /** Brings the virtual clock to the instruction that executes. Call before time matters. */
  syncClock(): void;
  /** Instructions that may still retire in this turn, the one in progress included. */
  readonly left: number;
  /** Something outside may have changed what is due next (device, timer, interrupt): look again soon. */
  recheck(): void;
  /** Guest code may lie at `length` bytes from this position in the linear memory, about to be written. */
  codeWritten(position: number, length: number): void;
  /** Whether the page at this position in the linear memory has decoded code in it. */
  hasCode(position: number): boolean;
}

export class Cpu {
  readonly memory: GuestMemory;
  readonly vp: PartitionProcessor;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** 64-bit words, for what is rare. */
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** What floating point instructions compute in. */
  readonly float: FloatContext;
  /** Set by the engine. */
  host!: CpuHost;
  /**
   * Set by a repeated string instruction that has more to do, and by whatever wants to execute again:
   * RIP stays, and the instruction retires later.
   */
  isRepeating = false;

  constructor(memory: GuestMemory, vp: PartitionProcessor) {
    this.memory = memory;
    this.vp = vp;
    this.u8 = memory.u8;
    this.u16 = memory.u16;
    this.u32 = memory.u32;
    this.i32 = new Int32Array(memory.u8.buffer);
    this.u64 = new BigUint64Array(memory.u8.buffer);
    this.view = memory.view;
    this.float = new FloatContext(memory);
  }

  /** General register, 64 bits. */
  reg(index: number): bigint {
    return this.u64[(GPR >> 3) + index]!;
  }

  setReg(index: number, value: bigint): void {
    this.u64[(GPR >> 3) + index] = value;
  }

  /** Low 32 bits, unsigned. */
  reg32(index: number): number {
    return this.u32[(GPR >> 2) + 2 * index]!;
  }

  /** Writes 32 bits and clears the upper half, as 32-bit instructions do. */
  setReg32(index: number, value: number): void {
    this.u32[(GPR >> 2) + 2 * index] = value;
    this.u32[(GPR >> 2) + 2 * index + 1] = 0;
  }

  /** A 64-bit field of the state block as a signed number: exact for canonical addresses. */
  signed(offset: number): number {
    return this.i32[(offset >> 2) + 1]! * TWO_32 + this.u32[offset >> 2]!;
  }

  /** Writes a signed number into a 64-bit field. */
  setSigned(offset: number, value: number): void {
    this.u32[offset >> 2] = value;
    this.i32[(offset >> 2) + 1] = Math.floor(value / TWO_32);
  }

  /** Offset of the instruction in its code segment; in 64-bit mode its linear address. */
  get rip(): number {
    return this.signed(RIP);
  }

  set rip(value: number) {
    this.setSigned(RIP, value);
  }

  /** CF, PF, AF, ZF, SF and OF, at their EFLAGS positions. */
  get arithmeticFlags(): number {
    if (this.u32[Flags.kind >> 2] === 0) return this.u32[Flags.source >> 2]!;
    return this.host.arithmeticFlags();
  }

  /** All of EFLAGS. */
  get eflags(): number {
    return this.u32[Flags.system >> 2]! | this.arithmeticFlags | Eflags.fixed;
  }

  /** Writes all of EFLAGS: bits that an instruction may not change are the caller's business. */
  set eflags(value: number) {
    this.u32[Flags.system >> 2] = value & ~ARITHMETIC_FLAGS & ~Eflags.fixed;
    this.u32[Flags.kind >> 2] = 0;
    this.u32[Flags.source >> 2] = value & ARITHMETIC_FLAGS;
    this.u32[(Flags.source >> 2) + 1] = 0;
  }

  /** The bits of EFLAGS other than the six arithmetic flags, which are kept apart. */
  get systemFlags(): number {
    return this.u32[Flags.system >> 2]!;
  }

  set systemFlags(value: number) {
    this.u32[Flags.system >> 2] = value & ~ARITHMETIC_FLAGS & ~Eflags.fixed;
  }

  get cr0(): number {
    return this.u32[System.cr0 >> 2]!;
  }

  get cr4(): number {
    return this.u32[System.cr4 >> 2]!;
  }

  get efer(): number {
    return this.u32[System.efer >> 2]!;
  }

  get mode(): number {
    return this.u32[MODE >> 2]!;
  }

  /** Current privilege level: SS.DPL, or 0 in real and 3 in virtual-8086 mode. */
  get cpl(): number {
    return (this.u32[MODE >> 2]! & Mode.cplMask) >> Mode.cplShift;
  }

  get activity(): number {
    return this.u32[ACTIVITY >> 2]!;
  }

  set activity(value: number) {
    this.u32[ACTIVITY >> 2] = value;
  }

  /** `host.left` when STI last opened its shadow. */
  get stiLeft(): number {
    return this.i32[STI_LEFT >> 2]!;
  }

  set stiLeft(value: number) {
    this.i32[STI_LEFT >> 2] = value;
  }

  get isHalted(): boolean {
    return (this.activity & (Activity.halted | Activity.waitForStartup | Activity.idle)) !== 0;
  }

  selector(segment: number): number {
    return this.u32[(SegmentState.selector >> 2) + segment]!;
  }

  attributes(segment: number): number {
    return this.u32[(SegmentState.attributes >> 2) + segment]!;
  }

  segmentLimit(segment: number): number {
    return this.u32[(SegmentState.limit >> 2) + segment]!;
  }

  segmentBase(segment: number): number {
    return this.signed(SEGMENT_BASE + 8 * segment);
  }

  /**
   * Works out the mode word after CR0, CR4, EFER, EFLAGS.VM, a segment register or MXCSR changed.
   * `cpl` is the new privilege level where that changed too.
   */
  updateMode(cpl: number = this.cpl): void {
    const cr0 = this.cr0;
    const isVirtual8086 = (this.systemFlags & Eflags.vm) !== 0;
    const isProtected = (cr0 & Cr0.pe) !== 0 && !isVirtual8086;
    const isLong = (this.efer & Efer.lma) !== 0;
    const code = this.attributes(SegmentIndex.cs);
    let mode = 0;
    if (isLong) mode |= Mode.long;
    if (isProtected) mode |= Mode.protected;
    if (isLong && (code & 0x2000) !== 0) mode |= Mode.code64 | Mode.stack32;
    else {
      if ((code & 0x4000) !== 0) mode |= Mode.code32;
      if ((this.attributes(SegmentIndex.ss) & 0x4000) !== 0) mode |= Mode.stack32;
      if (this.#isFlat()) mode |= Mode.flat;
    }
    mode |= (isVirtual8086 ? 3 : (cr0 & Cr0.pe) === 0 ? 0 : cpl) << Mode.cplShift;
    if ((cr0 & (Cr0.em | Cr0.ts)) !== 0) mode |= Mode.x87Faults | Mode.sseFaults;
    if ((this.cr4 & Cr4.osfxsr) === 0) mode |= Mode.sseFaults;
    if ((this.u32[MXCSR >> 2]! & ~MXCSR_STICKY) !== MXCSR_DEFAULT) mode |= Mode.simdExact;
    this.u32[MODE >> 2] = mode;
  }

  #isFlat(): boolean {
    for (let segment: number = SegmentIndex.es; segment <= SegmentIndex.ds; segment += 1) {
      if (this.segmentBase(segment) !== 0) return false;
      const read = (SegmentState.readBounds >> 2) + 2 * segment;
      const write = (SegmentState.writeBounds >> 2) + 2 * segment;
      const isCode = segment === SegmentIndex.cs;
      if (this.segmentLimit(segment) !== 0xffff_ffff) return false;
      if (!isCode && (this.u32[read] !== 0 || this.u32[read + 1] !== 0xffff_ffff)) return false;
      if (!isCode && (this.u32[write] !== 0 || this.u32[write + 1] !== 0xffff_ffff)) return false;
    }
    return true;
  }
}
