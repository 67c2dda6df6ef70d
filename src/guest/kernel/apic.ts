import {
  APIC_BASE_ENABLE,
  APIC_BASE_X2APIC,
  APIC_DEFAULT_BASE,
  ApicRegister,
  COMMAND_ASSERT,
  COMMAND_LEVEL,
  DELIVERY_SHIFT,
  DeliveryMode,
  LVT_MASKED,
  SPURIOUS_ENABLE,
} from '../../hypervisor/spec/apic.ts';
import { IA32_APIC_BASE, X2APIC_FIRST } from '../../hypervisor/spec/msrs.ts';
import type { Hardware } from './hardware.ts';

/** Vectors as FreeBSD lays them out (x86/apicvar.h). */
export const Vector = {
  /** Global system interrupt n is at `ioFirst + n`. */
  ioFirst: 0x30,
  timer: 0xef,
  /** "Look at your run queue and your callouts." */
  wake: 0xf4,
  /** The first vector that a driver may take for itself in the modern kernel. */
  firstDynamic: 0xf8,
  spurious: 0xff,
} as const;

/** The local APIC of the calling processor, in the mode that the kernel chose. */
export class LocalApic {
  readonly #hardware: Hardware;
  #isX2 = false;

  constructor(hardware: Hardware) {
    this.#hardware = hardware;
  }

  get isX2(): boolean {
    return this.#isX2;
  }

  /** Turns the APIC on; every processor calls this for itself. */
  enable(useX2: boolean): void {
    this.#isX2 = useX2;
    const hardware = this.#hardware;
    if (useX2 && hardware.readMsr(IA32_APIC_BASE)) {
      const base = hardware.low | APIC_BASE_ENABLE | APIC_BASE_X2APIC;
      hardware.writeMsr(IA32_APIC_BASE, base, hardware.high);
    }
    this.write(ApicRegister.taskPriority, 0);
    this.write(ApicRegister.spuriousVector, SPURIOUS_ENABLE | Vector.spurious);
    this.write(ApicRegister.lvtLint0, LVT_MASKED);
    this.write(ApicRegister.lvtTimer, LVT_MASKED);
  }

  read(register: number): number {
    if (!this.#isX2) return this.#hardware.mmioRead32(APIC_DEFAULT_BASE + register * 16);
    this.#hardware.readMsr(X2APIC_FIRST + register);
    return this.#hardware.low;
  }

  write(register: number, value: number): void {
    if (this.#isX2) this.#hardware.writeMsr(X2APIC_FIRST + register, value);
    else this.#hardware.mmioWrite32(APIC_DEFAULT_BASE + register * 16, value);
  }

  endOfInterrupt(): void {
    this.write(ApicRegister.endOfInterrupt, 0);
  }

  sendFixed(apicId: number, vector: number): void {
    this.#command(apicId, vector | COMMAND_ASSERT);
  }

  sendInit(apicId: number): void {
    this.#command(apicId, (DeliveryMode.init << DELIVERY_SHIFT) | COMMAND_ASSERT | COMMAND_LEVEL);
  }

  /** @param page where the processor begins in real mode, in units of 4 KiB */
  sendStartup(apicId: number, page: number): void {
    this.#command(apicId, (DeliveryMode.startup << DELIVERY_SHIFT) | COMMAND_ASSERT | page);
  }

  #command(apicId: number, low: number): void {
    if (this.#isX2) {
      this.#hardware.writeMsr(X2APIC_FIRST + ApicRegister.commandLow, low, apicId);
    } else {
      this.write(ApicRegister.commandHigh, apicId * 0x100_0000);
      this.write(ApicRegister.commandLow, low);
    }
  }
}

const SELECT = 0;
const WINDOW = 0x10;
const FIRST_REDIRECTION = 0x10;
const REDIRECTION_MASKED = 0x1_0000;
const REDIRECTION_LEVEL = 0x8000;

/** The I/O APIC that the MADT names (82093AA data sheet). */
export class IoApic {
  readonly #hardware: Hardware;
  readonly #gpa: number;
  readonly firstInterrupt: number;

  constructor(hardware: Hardware, gpa: number, firstInterrupt: number) {
    this.#hardware = hardware;
    this.#gpa = gpa;
    this.firstInterrupt = firstInterrupt;
  }

  /** Version in bits 7:0, last redirection entry in bits 23:16. */
  get version(): number {
    return this.#read(1);
  }

  /** Routes a global system interrupt, edge-triggered unless said otherwise. */
  route(interrupt: number, vector: number, apicId: number, isLevel = false): void {
    const register = FIRST_REDIRECTION + (interrupt - this.firstInterrupt) * 2;
    this.#write(register, REDIRECTION_MASKED);
    this.#write(register + 1, apicId * 0x100_0000);
    this.#write(register, vector | (isLevel ? REDIRECTION_LEVEL : 0));
  }

  mask(interrupt: number): void {
    const register = FIRST_REDIRECTION + (interrupt - this.firstInterrupt) * 2;
    this.#write(register, REDIRECTION_MASKED);
  }

  #read(register: number): number {
    this.#hardware.mmioWrite32(this.#gpa + SELECT, register);
    return this.#hardware.mmioRead32(this.#gpa + WINDOW);
  }

  #write(register: number, value: number): void {
    this.#hardware.mmioWrite32(this.#gpa + SELECT, register);
    this.#hardware.mmioWrite32(this.#gpa + WINDOW, value);
  }
}
