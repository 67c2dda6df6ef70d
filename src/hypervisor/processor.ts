/**
 * The interface between the partition and what executes guest code. It has two engines: the model
 * guest (guest/) and the x86-64 processor (cpu/). CPUID, MSRs, hypercalls, ports, memory,
 * interrupts and run-until-deadline are all that passes through it.
 */
import type { VirtualClock } from '../core/clock.ts';
import type { GuestMemory } from '../core/memory.ts';

/** What an engine sees of its virtual processor. One object for each processor. */
export interface VirtualProcessor {
  /** VP index (TLFS) and, on this machine, the local APIC id too. */
  readonly index: number;
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;

  /** Writes EAX, EBX, ECX, EDX to `out[0..3]`. */
  cpuid(leaf: number, subleaf: number, out: Uint32Array): void;

  /** Writes the low and high half to `out[0..1]`. @returns false: the instruction raises #GP(0) */
  readMsr(msr: number, out: Uint32Array): boolean;
  /** @returns false: the instruction raises #GP(0) */
  writeMsr(msr: number, low: number, high: number): boolean;

  /**
   * The trapping instruction of the hypercall page. `registers` holds unsigned halves in the 64-bit
   * form: [0,1] control (RCX), [2,3] input (RDX), [4,5] output (R8); the result (RAX) replaces
   * [0,1]. An engine in 32-bit mode marshals EDX:EAX, EBX:ECX, EDI:ESI into the same places.
   * @returns false: the instruction raises #UD, since the guest enabled no hypercall page
   */
  hypercall(registers: Uint32Array): boolean;

  /** @param size 1, 2 or 4 bytes */
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
  /** For guest physical addresses that `memory.resolve` refuses. */
  mmioRead(gpa: number, size: number): number;
  mmioWrite(gpa: number, size: number, value: number): void;

  /** The vector that the interrupt controllers would deliver now, or -1. Does not accept it. */
  pendingVector(): number;
  /** Accepts that vector (INTA): it goes into service until the guest's EOI, unless auto-EOI. */
  acknowledgeVector(): number;
  /** Takes a waiting NMI, INIT or start-up IPI, one at a time. */
  takeSignal(): ProcessorSignal | undefined;

  /** RDTSC: writes the low and high half to `out[0..1]`. */
  readTsc(out: Uint32Array): void;
  /** Task priority of the local APIC, 8 bits; CR8 is bits 7:4. */
  taskPriority: number;
  /**
   * True once after the guest read GUEST_IDLE: the engine then waits until an interrupt is pending,
   * even one that the guest has masked with IF.
   */
  takeIdle(): boolean;

  /** The guest has no way on: triple fault or shutdown. The machine stops with that reason. */
  tripleFault(): void;
  /**
   * The guest is right to ask for something that the engine does not have. The machine stops.
   * @param what one clause: an instruction's bytes, its disassembly and its address
   */
  unimplemented(what: string): void;
}

export type ProcessorSignal =
  | { readonly kind: 'nmi' }
  | { readonly kind: 'init' }
  /** Real mode at `vector << 12`. */
  | { readonly kind: 'startup'; readonly vector: number };

/**
 * A descriptor table in guest memory with the flat segments that a start loads: base 0, limit 4 GiB,
 * ring 0. SS, DS, ES, FS and GS get the data selector.
 */
export interface FlatSegments {
  readonly gdtGpa: number;
  /** Size of the table; the limit in GDTR is one less. */
  readonly gdtBytes: number;
  readonly codeSelector: number;
  readonly dataSelector: number;
}

/**
 * Where firmware or a loader lets the bootstrap processor begin. Other processors wait for INIT and
 * SIPI. What a start does not name is as after reset (SDM volume 3, table 10-1), general registers
 * that it does not name are 0, EFLAGS is 2 (interrupts off), IDTR has base 0 and limit 0.
 */
export type ProcessorStart =
  /**
   * Gen-1: a boot sector in real mode; `drive` is what BIOS leaves in DL. CS:IP is segment:ip, the
   * other segments are 0, IDTR is the vector table at 0 with limit 3FFh.
   */
  | { readonly mode: 'real'; readonly segment: number; readonly ip: number; readonly drive: number }
  /**
   * Gen-2: an EFI application in long mode as below, with the two arguments of its entry point:
   * RCX is the image handle, RDX the system table.
   */
  | {
      readonly mode: 'efi';
      readonly entryGpa: number;
      readonly imageHandle: number;
      readonly systemTableGpa: number;
      readonly stackGpa: number;
      readonly pageTablesGpa: number;
      readonly segments: FlatSegments;
    }
  /**
   * 64-bit mode: CR0 is PE, MP, ET, NE, WP and PG (80010033h), CR4 is PAE, EFER is LME and LMA, CR3 is
   * `pageTablesGpa` (four levels), the code segment has L set. Linux's 64-bit entry finds its
   * boot_params in RSI.
   */
  | {
      readonly mode: 'long';
      readonly entryGpa: number;
      readonly stackGpa: number;
      readonly pageTablesGpa: number;
      readonly segments: FlatSegments;
      readonly rsi: number;
    }
  /**
   * 32-bit protected mode: CR0 is PE and ET (11h), CR4 and EFER are 0, so paging is off. Multiboot 1
   * puts 2BADB002h into EAX and its information structure into EBX; Linux's 32-bit entry finds its
   * boot_params in ESI.
   */
  | {
      readonly mode: 'protected';
      readonly entryGpa: number;
      readonly stackGpa: number;
      readonly segments: FlatSegments;
      readonly eax: number;
      readonly ebx: number;
      readonly esi: number;
    };

/** A start that leaves firmware's tables behind: the only way that the model guest is loaded. */
export type FirmwareStart = Extract<ProcessorStart, { readonly mode: 'real' | 'efi' }>;

/** What the machine sees of an engine. One object for each processor. */
export interface ProcessorEngine {
  /** Puts the processor in its power-on state, then at the given start, if any. */
  reset(start: ProcessorStart | undefined): void;

  /**
   * Executes from `clock.nowNs` and may move the clock up to the deadline, not beyond.
   * @param deadlineNs at the least now
   * @returns the virtual time at which it wants to run again (at the least now), or Infinity when
   * it waits for an interrupt. The machine calls again no later than when an interrupt is pending.
   */
  run(deadlineNs: number): number;

  /**
   * Called from within `run`, by what the instruction in progress touched: the machine stops, an event
   * is now due before the deadline, another processor is to run, or an interrupt became pending
   * here. `run` returns after that instruction, and is called again when there is time left. Absent
   * where `run` never moves the clock.
   */
  endTurn?(): void;

  /** Drops cached translations before the next instruction (HvCallFlushVirtualAddressSpace). */
  flushTranslations?(): void;

  /**
   * It waits, and only a host could wake it: halted with interrupts off, or never started. When all
   * processors do, the guest has halted.
   */
  readonly isDead?: boolean;

  /** The registers as lines of text, for the report of a triple fault. */
  describe?(): string;
}
