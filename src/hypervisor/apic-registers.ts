import type { LocalApic } from './apic.ts';
import {
  APIC_VERSION,
  ApicRegister,
  COMMAND_LOW_MASK,
  ERROR_ILLEGAL_REGISTER,
  LVT_LINT0,
  LVT_MASKED,
  LVT_TIMER,
  LVT_TIMER_MODE_MASK,
  LVT_TIMER_MODE_SHIFT,
  SPURIOUS_ENABLE,
  SPURIOUS_MASK,
  TimerMode,
  VECTOR_MASK,
  lvtWritable,
} from './spec/apic.ts';

/** Sends what the command register says; the partition finds the destinations. */
export type SendCommand = (source: LocalApic, low: number, destination: number) => void;

/**
 * The register file of a local APIC, as MMIO (xAPIC) and as MSRs (x2APIC): SDM volume 3, 11.4.1
 * and 11.12.1.
 */
export class ApicRegisters {
  readonly #apic: LocalApic;
  readonly #send: SendCommand;
  readonly #hasTscDeadline: boolean;

  constructor(apic: LocalApic, send: SendCommand, hasTscDeadline: boolean) {
    this.#apic = apic;
    this.#send = send;
    this.#hasTscDeadline = hasTscDeadline;
  }

  /** @param offset bytes into the APIC page; registers are 16 bytes apart, 32 bits wide */
  mmioRead(offset: number, size: number): number {
    const byte = offset & 15;
    if (byte + size > 4) return 0;
    const register = offset >> 4;
    const apic = this.#apic;
    let value = this.#read(register);
    if (value < 0) {
      if (register === ApicRegister.commandLow) value = apic.commandLow;
      else if (register === ApicRegister.commandHigh) value = apic.commandHigh;
      else if (register === ApicRegister.destinationFormat) value = apic.destinationFormat;
      else {
        apic.raiseError(ERROR_ILLEGAL_REGISTER);
        value = 0;
      }
    }
    const shifted = value >>> (byte * 8);
    return size === 4 ? shifted : shifted & (size === 2 ? 0xffff : 0xff);
  }

  mmioWrite(offset: number, size: number, value: number): void {
    // Partial writes are undefined by the SDM; a write of any size acts on the whole register.
    if ((offset & 15) !== 0 || size > 4) return;
    const apic = this.#apic;
    switch (offset >> 4) {
      case ApicRegister.commandLow:
        apic.commandLow = value & COMMAND_LOW_MASK;
        this.#send(apic, apic.commandLow, apic.commandHigh >>> 24);
        return;
      case ApicRegister.commandHigh:
        apic.commandHigh = (value & 0xff00_0000) >>> 0;
        return;
      case ApicRegister.logicalDestination:
        apic.logicalDestination = (value & 0xff00_0000) >>> 0;
        return;
      case ApicRegister.destinationFormat:
        apic.destinationFormat = (value | 0x0fff_ffff) >>> 0;
        return;
      case ApicRegister.endOfInterrupt:
        apic.endOfInterrupt();
        return;
      case ApicRegister.errorStatus:
        this.#latchErrors();
        return;
      default:
        if (!this.#write(offset >> 4, value)) apic.raiseError(ERROR_ILLEGAL_REGISTER);
    }
  }

  /** @returns false for #GP */
  x2ApicRead(register: number, out: Uint32Array): boolean {
    const apic = this.#apic;
    out[1] = 0;
    if (register === ApicRegister.commandLow) {
      out[0] = apic.commandLow;
      out[1] = apic.commandHigh;
      return true;
    }
    if (register === ApicRegister.endOfInterrupt || register === ApicRegister.arbitrationPriority) {
      return false;
    }
    const value = this.#read(register);
    if (value < 0) return false;
    out[0] = value;
    return true;
  }

  /** @returns false for #GP */
  x2ApicWrite(register: number, low: number, high: number): boolean {
    const apic = this.#apic;
    if (register === ApicRegister.commandLow) {
      if ((low & ~COMMAND_LOW_MASK) !== 0) return false;
      apic.commandLow = low;
      apic.commandHigh = high;
      this.#send(apic, low, high);
      return true;
    }
    if (high !== 0) return false;
    switch (register) {
      case ApicRegister.endOfInterrupt:
        if (low !== 0) return false;
        apic.endOfInterrupt();
        return true;
      case ApicRegister.errorStatus:
        if (low !== 0) return false;
        this.#latchErrors();
        return true;
      case ApicRegister.selfIpi:
        if (low > VECTOR_MASK) return false;
        apic.request(low, false);
        return true;
      case ApicRegister.taskPriority:
        if (low > 0xff) return false;
        apic.setTaskPriority(low);
        return true;
      default:
        return this.#write(register, low);
    }
  }

  #latchErrors(): void {
    this.#apic.errorStatus = this.#apic.errorsSeen;
    this.#apic.errorsSeen = 0;
  }

  /** Registers that both forms share. @returns -1 for none */
  #read(register: number): number {
    const apic = this.#apic;
    const { timer } = apic;
    switch (register) {
      case ApicRegister.id:
        return apic.isX2Apic ? apic.id : (apic.id << 24) >>> 0;
      case ApicRegister.version:
        return APIC_VERSION;
      case ApicRegister.taskPriority:
        return apic.taskPriority;
      case ApicRegister.arbitrationPriority:
      case ApicRegister.processorPriority:
        return apic.processorPriority;
      case ApicRegister.endOfInterrupt:
      case ApicRegister.remoteRead:
        return 0;
      case ApicRegister.logicalDestination:
        return apic.isX2Apic ? x2ApicLogicalId(apic.id) : apic.logicalDestination;
      case ApicRegister.spuriousVector:
        return apic.spurious;
      case ApicRegister.errorStatus:
        return apic.errorStatus;
      case ApicRegister.timerInitialCount:
        return timer!.initialCount;
      case ApicRegister.timerCurrentCount:
        return timer!.currentCount;
      case ApicRegister.timerDivide:
        return timer!.divideRegister;
      default:
        return this.#readArray(register);
    }
  }

  #readArray(register: number): number {
    const apic = this.#apic;
    const entry = register - ApicRegister.lvtTimer;
    if (entry >= 0 && entry < apic.localVectors.length) return apic.localVectors[entry]!;
    if (register >= ApicRegister.inService && register < ApicRegister.errorStatus) {
      const word = register & 7;
      if (register < ApicRegister.triggerMode) return apic.inService[word]!;
      return register < ApicRegister.interruptRequest
        ? apic.triggerMode[word]!
        : apic.requested[word]!;
    }
    return -1;
  }

  /** @returns false when there is no such register, or it cannot be written */
  #write(register: number, value: number): boolean {
    const apic = this.#apic;
    switch (register) {
      case ApicRegister.id:
      case ApicRegister.processorPriority:
        // The id of a virtual processor is fixed; xAPIC writes of it are ignored.
        return !apic.isX2Apic;
      case ApicRegister.taskPriority:
        apic.setTaskPriority(value);
        return true;
      case ApicRegister.spuriousVector:
        this.#writeSpurious(value);
        return true;
      case ApicRegister.timerInitialCount:
        apic.timer!.writeInitialCount(value);
        return true;
      case ApicRegister.timerDivide:
        apic.timer!.writeDivide(value);
        return true;
      default: {
        const entry = register - ApicRegister.lvtTimer;
        if (entry < 0 || entry >= apic.localVectors.length) return false;
        this.#writeLocalVector(entry, value);
        return true;
      }
    }
  }

  #writeSpurious(value: number): void {
    const apic = this.#apic;
    apic.spurious = value & SPURIOUS_MASK;
    if ((value & SPURIOUS_ENABLE) !== 0) return;
    for (let entry = 0; entry < apic.localVectors.length; entry += 1) {
      apic.localVectors[entry]! |= LVT_MASKED;
    }
  }

  #writeLocalVector(entry: number, value: number): void {
    const apic = this.#apic;
    let kept = value & lvtWritable[entry]!;
    if (!apic.isSoftwareEnabled) kept |= LVT_MASKED;
    if (entry !== LVT_TIMER) {
      apic.localVectors[entry] = kept;
      // Unmasking LINT0 may let the 8259 through.
      if (entry === LVT_LINT0) apic.owner.interruptPending();
      return;
    }
    const mode = (kept >>> LVT_TIMER_MODE_SHIFT) & LVT_TIMER_MODE_MASK;
    const isKnown =
      mode < TimerMode.tscDeadline || (mode === TimerMode.tscDeadline && this.#hasTscDeadline);
    if (!isKnown) kept &= ~(TimerMode.tscDeadline << LVT_TIMER_MODE_SHIFT);
    const before = apic.timer!.mode;
    apic.localVectors[LVT_TIMER] = kept;
    apic.timer!.modeChanged(before);
  }
}

/** Cluster in 31:16, one bit in 15:0, both from the id (SDM 11.12.10.2). */
export function x2ApicLogicalId(id: number): number {
  return (((id >>> 4) << 16) | (1 << (id & 15))) >>> 0;
}
