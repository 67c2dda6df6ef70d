/** The processor that runs the caller, with what each access to emulated hardware costs a guest. */
import type { GuestMemory } from '../../core/memory.ts';
import type { VirtualProcessor } from '../../hypervisor/processor.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * A port access leaves the guest for the VM's worker process. Deduced from the 98 counts of the
 * i8254 between latched reads of three accesses (FreeBSD commit 07acbd8a3771).
 */
export const PORT_EXIT_NS = 27_400;
/** A synthetic MSR is answered by the hypervisor itself. */
export const MSR_EXIT_NS = 1_100;
export const MMIO_EXIT_NS = 1_800;
export const HYPERCALL_EXIT_NS = 1_400;
export const CPUID_EXIT_NS = 1_000;

export const IA32_TSC = 0x10;

export class Hardware {
  readonly processors: readonly VirtualProcessor[];
  readonly memory: GuestMemory;
  /** Low half of the last `readMsr`. */
  low = 0;
  high = 0;
  readonly #scheduler: Scheduler;
  readonly #pair = new Uint32Array(2);
  readonly #registers = new Uint32Array(6);
  readonly #quad = new Uint32Array(4);

  constructor(processors: readonly VirtualProcessor[], scheduler: Scheduler) {
    this.processors = processors;
    this.memory = processors[0]!.memory;
    this.#scheduler = scheduler;
  }

  get current(): VirtualProcessor {
    return this.processors[this.#scheduler.active]!;
  }

  /** EAX, EBX, ECX, EDX; overwritten by the next call. */
  cpuid(leaf: number, subleaf = 0): Uint32Array {
    this.#scheduler.charge(CPUID_EXIT_NS);
    this.current.cpuid(leaf, subleaf, this.#quad);
    return this.#quad;
  }

  /** Leaves the halves in `low` and `high`. @returns false on #GP(0), with both halves 0 */
  readMsr(msr: number): boolean {
    if (msr !== IA32_TSC) this.#scheduler.charge(MSR_EXIT_NS);
    const isThere = this.current.readMsr(msr, this.#pair);
    this.low = isThere ? this.#pair[0]! : 0;
    this.high = isThere ? this.#pair[1]! : 0;
    return isThere;
  }

  /** The same as one number, exact below 2^53. */
  readMsrNumber(msr: number): number {
    this.readMsr(msr);
    return this.high * 0x1_0000_0000 + this.low;
  }

  /** @returns false on #GP(0) */
  writeMsr(msr: number, low: number, high = 0): boolean {
    this.#scheduler.charge(MSR_EXIT_NS);
    return this.current.writeMsr(msr, low >>> 0, high >>> 0);
  }

  writeMsrNumber(msr: number, value: number): boolean {
    return this.writeMsr(msr, value % 0x1_0000_0000, Math.floor(value / 0x1_0000_0000));
  }

  in8(port: number): number {
    this.#scheduler.charge(PORT_EXIT_NS);
    return this.current.portRead(port, 1);
  }

  in32(port: number): number {
    this.#scheduler.charge(PORT_EXIT_NS);
    return this.current.portRead(port, 4);
  }

  out8(port: number, value: number): void {
    this.#scheduler.charge(PORT_EXIT_NS);
    this.current.portWrite(port, 1, value);
  }

  out32(port: number, value: number): void {
    this.#scheduler.charge(PORT_EXIT_NS);
    this.current.portWrite(port, 4, value >>> 0);
  }

  /** REP INSW into guest memory, which leaves the guest once for the whole run. */
  input16(port: number, gpa: number, words: number): void {
    this.#scheduler.charge(PORT_EXIT_NS);
    const at = this.memory.resolve(gpa, words * 2);
    const { current } = this;
    const { view } = this.memory;
    for (let index = 0; index < words; index += 1) {
      view.setUint16(at + index * 2, current.portRead(port, 2), true);
    }
  }

  /** REP OUTSW, likewise. */
  output16(port: number, gpa: number, words: number): void {
    this.#scheduler.charge(PORT_EXIT_NS);
    const at = this.memory.resolve(gpa, words * 2);
    const { current } = this;
    const { view } = this.memory;
    for (let index = 0; index < words; index += 1) {
      current.portWrite(port, 2, view.getUint16(at + index * 2, true));
    }
  }

  out16(port: number, value: number): void {
    this.#scheduler.charge(PORT_EXIT_NS);
    this.current.portWrite(port, 2, value);
  }

  mmioRead32(gpa: number): number {
    this.#scheduler.charge(MMIO_EXIT_NS);
    return this.current.mmioRead(gpa, 4);
  }

  mmioWrite32(gpa: number, value: number): void {
    this.#scheduler.charge(MMIO_EXIT_NS);
    this.current.mmioWrite(gpa, 4, value >>> 0);
  }

  /**
   * A hypercall by its 64-bit form.
   * @param input a GPA below 2^53, or with the fast bit the first parameter
   * @returns the status, bits 15:0 of RAX; 0xffff when the call page is not enabled
   */
  hypercall(code: number, isFast: boolean, inputLow: number, inputHigh: number): number {
    this.#scheduler.charge(HYPERCALL_EXIT_NS);
    const registers = this.#registers;
    registers.fill(0);
    registers[0] = code | (isFast ? 0x1_0000 : 0);
    registers[2] = inputLow;
    registers[3] = inputHigh;
    return this.current.hypercall(registers) ? registers[0] & 0xffff : 0xffff;
  }
}
