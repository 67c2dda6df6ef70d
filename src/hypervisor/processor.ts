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
}

export type ProcessorSignal =
  | { readonly kind: 'nmi' }
  | { readonly kind: 'init' }
  /** Real mode at `vector << 12`. */
  | { readonly kind: 'startup'; readonly vector: number };

/** Where firmware lets the bootstrap processor begin. Other processors wait for INIT and SIPI. */
export type ProcessorStart =
  /** Gen-1: a boot sector in real mode; `drive` is what BIOS leaves in DL. */
  | { readonly mode: 'real'; readonly segment: number; readonly ip: number; readonly drive: number }
  /** Gen-2: an EFI application in long mode, with the two arguments of its entry point. */
  | {
      readonly mode: 'efi';
      readonly entryGpa: number;
      readonly imageHandle: number;
      readonly systemTableGpa: number;
      readonly stackGpa: number;
    };

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
}
