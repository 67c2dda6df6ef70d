/**
 * Where a processor's state lies in the linear memory, which generated code, the reference executor
 * and the system instructions share. Offsets in bytes from the start of the memory: the block of the
 * processor that runs is always at 0, so that generated code addresses it with constants; another
 * processor's turn moves it out and in (see {@link REGISTER_BYTES}).
 */

/** General registers: 16 of 8 bytes, RAX RCX RDX RBX RSP RBP RSI RDI R8 to R15. */
export const GPR = 0;
/** Of the instruction that executes; generated code keeps it at the start of the block. */
export const RIP = 0x80;
/** Always 0: what an absent base or index register reads. */
export const ZERO = 0x88;

/**
 * EFLAGS, lazily: the six arithmetic flags follow from `kind` (see semantics/flags.ts), result and
 * source; all others are in `system`, at their EFLAGS positions.
 */
export const Flags = {
  kind: 0x90,
  system: 0x94,
  result: 0x98,
  source: 0xa0,
} as const;

/** Segment bases: 8 of 8 bytes, by {@link SegmentIndex}. */
export const SEGMENT_BASE = 0xb0;
/** Instructions that may still retire before the run ends: i32, negative once it is used up. */
export const BUDGET = 0xf0;
/** Why generated code came back: i32, {@link Exit}. */
export const EXIT_REASON = 0xf4;
/** Argument of the exit: i32. */
export const EXIT_ARGUMENT = 0xf8;

/** i32: instructions that were left when STI last opened its shadow, itself included; over once two more have retired. */
export const STI_LEFT = 0xfc;

/** XMM0 to XMM15, 16 bytes each. */
export const XMM = 0x100;
export const MXCSR = 0x200;

/** x87. MMX registers are the low 8 bytes of `st`. */
export const X87 = {
  control: 0x204,
  /** TOP is in bits 13:11. */
  status: 0x206,
  /** One bit a physical register: 1 is valid, zero or special, 0 is empty. */
  tags: 0x208,
  opcode: 0x20a,
  instructionSelector: 0x20c,
  dataSelector: 0x20e,
  instructionPointer: 0x210,
  dataPointer: 0x218,
  /** 8 physical registers of 16 bytes, 80-bit values in the low 10. */
  st: 0x220,
} as const;

/** Linear address and value of an access on its way to the slow path. */
export const ACCESS_ADDRESS = 0x2a0;
/** 16 bytes, then 16 more for an access that crosses a page. */
export const ACCESS_VALUE = 0x2b0;
/**
 * u32, since the run began: not 0 if an interrupt waited for the processor to take interrupts, or if something has asked
 * generated code to come out, after which one may wait.
 */
export const INTERRUPT_WAITS = 0x2d0;
/** Selects the block variant that fits the present mode: i32, see mode.ts. */
export const MODE = 0x2d8;
/** `InterruptShadow` bits and others of {@link Activity}: u32. */
export const ACTIVITY = 0x2dc;
/** What a floating point or SIMD instruction takes and gives beside its operands. */
export const FloatTransfer = {
  /** u32, out: CF, PF, AF, ZF, SF and OF as COMISS, FCOMI, PTEST and PCMPISTRI set them. */
  flags: 0x2e0,
  /** u32 and u64, in: segment and offset of the memory operand of an x87 instruction. */
  dataSelector: 0x2e4,
  dataPointer: 0x2e8,
} as const;
/** Memory operand of a floating point or SIMD instruction: 512 bytes, enough for FXSAVE. */
export const OPERAND_BUFFER = 0x300;

/** Beside ES to GS (the numbers of the ModRM reg field): LDTR and TR. */
export const SegmentIndex = { es: 0, cs: 1, ss: 2, ds: 3, fs: 4, gs: 5, ldtr: 6, tr: 7 } as const;

/** Hidden and visible parts of the eight segment registers, arrays by {@link SegmentIndex}. */
export const SegmentState = {
  /** u32 each: selector. */
  selector: 0x500,
  /** u32 each: limit in bytes, granularity applied. */
  limit: 0x520,
  /** u32 each: bits 15:0 are bits 55:40 of the descriptor (type, S, DPL, P, L, D/B, G); bit 16: unusable. */
  attributes: 0x540,
  /**
   * u32 pairs each: first and last offset that a read may touch, outside 64-bit mode; the first is
   * above the last where no read is allowed.
   */
  readBounds: 0x560,
  writeBounds: 0x5a0,
} as const;

/** Control, debug and descriptor table registers, 8 bytes each. */
export const System = {
  cr0: 0x600,
  cr2: 0x608,
  cr3: 0x610,
  cr4: 0x618,
  efer: 0x620,
  gdtrBase: 0x628,
  idtrBase: 0x630,
  /** u32 */
  gdtrLimit: 0x638,
  /** u32 */
  idtrLimit: 0x63c,
  /** DR0 to DR7, 8 bytes each; 4 and 5 unused. */
  dr: 0x640,
  sysenterCs: 0x680,
  sysenterEsp: 0x688,
  sysenterEip: 0x690,
  star: 0x698,
  lstar: 0x6a0,
  cstar: 0x6a8,
  sfmask: 0x6b0,
  kernelGsBase: 0x6b8,
  tscAux: 0x6c0,
  /** Four PDPTEs of PAE paging, loaded with CR3. */
  pdpte: 0x6c8,
  /** Retired instructions since power-on: two u32 halves. */
  retired: 0x6e8,
} as const;

/** Bits of {@link ACTIVITY}. */
export const Activity = {
  /** After STI: no maskable interrupt before the next instruction has retired. */
  stiShadow: 1,
  /** After MOV SS or POP SS: no interrupt and no debug trap either. */
  movSsShadow: 2,
  /** HLT waits for an interrupt. */
  halted: 4,
  /** An NMI is in service, until IRET. */
  nmiBlocked: 8,
  /** Waits for a start-up IPI. */
  waitForStartup: 16,
  /** The guest read GUEST_IDLE: wait until an interrupt is pending, masked or not. */
  idle: 32,
  /** Shutdown after a triple fault. */
  shutdown: 64,
  /** An NMI waits for the end of the one in service. */
  nmiPending: 128,
} as const;

/** What generated code leaves in {@link EXIT_REASON}. */
export const Exit = {
  /** No block at RIP: find, decode or compile one. Argument: 0. */
  lookup: 0,
  /** Fewer instructions may retire than the block has. */
  budget: 1,
  /** A tier 0 block is hot. Argument: its record. */
  hot: 2,
  /** An instruction changed what may run next: interrupts, mode, paging, code. */
  state: 3,
  /** A link slot leads nowhere yet. Argument: the slot. */
  link: 4,
} as const;

/** What a processor switch copies; of the TLB that follows, it moves the entries that are valid. */
export const REGISTER_BYTES = 0x1000;

/**
 * Software TLB: a bank for supervisor and one for user data, then the same for code, which would
 * otherwise compete with data for places; each of {@link TLB_ENTRIES} entries
 * by bits 23:12 of the linear address. A tag is the page's linear address, or {@link TLB_INVALID};
 * whatever needs more than a plain access (MMIO, dirty bit not set, page with code in it) has no tag.
 */
export const TLB = 0x1000;
export const TLB_ENTRIES = 4096;
export const TLB_ENTRY_BYTES = 32;
export const TLB_BANK_BYTES = TLB_ENTRIES * TLB_ENTRY_BYTES;
export const TLB_BANKS = 4;
/** From a bank of data to its bank of code. */
export const CODE_BANKS = 2;
export const TlbEntry = {
  readTag: 0,
  writeTag: 8,
  /** Valid in the banks of code only, where the other two are not. */
  executeTag: 16,
  /** i32: position in the linear memory minus the low 32 bits of the linear address. */
  addend: 24,
  /** u32: guest physical page number, bit 31: global. */
  page: 28,
} as const;
export const TLB_GLOBAL = 0x8000_0000;
/** Never equals the masked address that it is compared with, whose low bits are 0. */
export const TLB_INVALID = -1n;

/**
 * A bit for each entry, in the order of the entries: set where one may be valid. Two maps, for entries of
 * other pages and of global ones, so that whoever flushes or copies entries finds them at once.
 */
export const TLB_FILLED = {
  local: TLB + TLB_BANKS * TLB_BANK_BYTES,
  global: TLB + TLB_BANKS * TLB_BANK_BYTES + (TLB_BANKS * TLB_ENTRIES) / 8,
  bytes: (TLB_BANKS * TLB_ENTRIES) / 8,
} as const;

/** Bytes of a processor, in the place of the one that runs and where the others' are kept. */
export const STATE_BYTES = TLB_FILLED.global + TLB_FILLED.bytes;

/**
 * A bit for each 2 MiB of linear addresses, by their bits 36:21, in which a large page was ever entered
 * into the TLB by any processor: elsewhere INVLPG need not look for the rest of one.
 */
export const LARGE_REGIONS = STATE_BYTES;
export const LARGE_REGION_COUNT = 0x1_0000;

/** A bit for each page of the linear memory that has decoded code in it. */
export const CODE_PAGES = LARGE_REGIONS + LARGE_REGION_COUNT / 8;
export const CODE_PAGES_BYTES = 0x2_0000;

/**
 * Jump cache: entries of 16 bytes by a hash of the code's position in the linear memory. The tag is that
 * position and, above it, the mode word.
 */
export const JUMP_CACHE = CODE_PAGES + CODE_PAGES_BYTES;
export const JUMP_CACHE_ENTRIES = 131_072;
export const JumpCacheEntry = { tag: 0, tableIndex: 8, parameter: 12, bytes: 16 } as const;

/** A second, larger one, for what others have driven out of the first: generated code looks there before it comes out. */
export const JUMP_STORE = JUMP_CACHE + JUMP_CACHE_ENTRIES * JumpCacheEntry.bytes;
export const JUMP_STORE_ENTRIES = 524_288;

/** Tier 0 records and link slots of compiled blocks. */
export const CODE_ARENA = JUMP_STORE + JUMP_STORE_ENTRIES * JumpCacheEntry.bytes;
export const CODE_ARENA_BYTES = 24 * 1024 * 1024;

/** Bytes of the linear memory before the saved states of the processors. */
export const FIXED_BYTES = CODE_ARENA + CODE_ARENA_BYTES;

/** What `MemoryLayout.privateBytes` must be for a machine with so many x86-64 processors. */
export function privateBytes(processors: number): number {
  return FIXED_BYTES + processors * STATE_BYTES;
}
