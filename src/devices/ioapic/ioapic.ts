import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, MmioDevice } from '../../core/bus.ts';
import {
  ENTRY_HIGH_WRITABLE,
  ENTRY_LEVEL,
  ENTRY_LOGICAL,
  ENTRY_LOW_WRITABLE,
  ENTRY_MASKED,
  ENTRY_MODE_MASK,
  ENTRY_MODE_SHIFT,
  ENTRY_REMOTE_IRR,
  ENTRY_VECTOR,
  IOAPIC_PIN_COUNT,
  IOAPIC_VERSION,
  IOREGSEL,
  IOWIN,
  IoApicRegister,
} from './spec.ts';

/** Sends an interrupt to the local APICs; see `Partition.assertInterrupt`. */
export type DeliverInterrupt = (
  destination: number,
  isLogical: boolean,
  mode: number,
  vector: number,
  isLevel: boolean,
) => void;

/**
 * The I/O APIC with 24 pins (82093AA). Lines are logical: active is active, whatever polarity the
 * guest programs. `endOfInterrupt` belongs to `PartitionCallbacks.onEoi`.
 */
export class IoApic implements MmioDevice {
  readonly #deliver: DeliverInterrupt;

  select = 0;
  registerId = 0;
  /** Redirection entries as pairs of halves. */
  readonly entries = new Uint32Array(IOAPIC_PIN_COUNT * 2);
  /** Bit n: line n is active. */
  lines = 0;

  constructor(deliver: DeliverInterrupt) {
    this.#deliver = deliver;
    this.reset();
  }

  /** Every pin masked; lines stay as the devices hold them. */
  reset(): void {
    this.select = 0;
    this.registerId = 0;
    for (let pin = 0; pin < IOAPIC_PIN_COUNT; pin += 1) {
      this.entries[pin * 2] = ENTRY_MASKED;
      this.entries[pin * 2 + 1] = 0;
    }
  }

  exchange(state: StateStream): void {
    this.select = state.number('select', this.select);
    this.registerId = state.number('registerId', this.registerId);
    state.array('entries', this.entries);
    this.lines = state.number('lines', this.lines);
  }

  /** A device's end of one pin. */
  line(pin: number): InterruptLine {
    if (pin < 0 || pin >= IOAPIC_PIN_COUNT) throw new Error(`I/O APIC has no pin ${pin}`);
    return { set: (active) => this.setLine(pin, active) };
  }

  setLine(pin: number, active: boolean): void {
    const bit = 1 << pin;
    const wasActive = (this.lines & bit) !== 0;
    if (active) this.lines |= bit;
    else this.lines &= ~bit;
    if (!active || wasActive) return;
    const entry = this.entries[pin * 2]!;
    if ((entry & ENTRY_LEVEL) !== 0) this.#evaluate(pin);
    // An edge at a masked pin is neither delivered nor kept (3.2.4, interrupt mask).
    else if ((entry & ENTRY_MASKED) === 0) this.#send(pin, entry);
  }

  /** A local APIC ended a level-triggered interrupt: pins still active ask again. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IOAPIC_PIN_COUNT; pin += 1) {
      const entry = this.entries[pin * 2]!;
      if ((entry & ENTRY_REMOTE_IRR) === 0 || (entry & ENTRY_VECTOR) !== vector) continue;
      this.entries[pin * 2] = entry & ~ENTRY_REMOTE_IRR;
      this.#evaluate(pin);
    }
  }

  mmioRead(address: number, size: number): number {
    let value = 0;
    if (address === IOREGSEL) value = this.select;
    else if (address === IOWIN) value = this.#readRegister(this.select);
    return size === 4 ? value : value & (2 ** (size * 8) - 1);
  }

  mmioWrite(address: number, _size: number, value: number): void {
    if (address === IOREGSEL) this.select = value & 0xff;
    else if (address === IOWIN) this.#writeRegister(this.select, value);
  }

  #readRegister(register: number): number {
    const half = register - IoApicRegister.redirection;
    if (half >= 0) return this.entries[half] ?? 0;
    if (register === IoApicRegister.version) return IOAPIC_VERSION;
    return register === IoApicRegister.id || register === IoApicRegister.arbitration
      ? this.registerId
      : 0;
  }

  #writeRegister(register: number, value: number): void {
    if (register === IoApicRegister.id) this.registerId = value & 0x0f00_0000;
    const half = register - IoApicRegister.redirection;
    if (half < 0 || half >= this.entries.length) return;
    if ((half & 1) === 1) {
      this.entries[half] = value & ENTRY_HIGH_WRITABLE;
      return;
    }
    // Guests clear a stuck remote IRR by making the pin edge-triggered for a moment.
    const isLevel = (value & ENTRY_LEVEL) !== 0;
    const remote = isLevel ? this.entries[half]! & ENTRY_REMOTE_IRR : 0;
    this.entries[half] = (value & ENTRY_LOW_WRITABLE) | remote;
    this.#evaluate(half >> 1);
  }

  /** Sends for a level-triggered pin that is active, unmasked and not being served. */
  #evaluate(pin: number): void {
    const entry = this.entries[pin * 2]!;
    if ((this.lines & (1 << pin)) === 0 || (entry & ENTRY_LEVEL) === 0) return;
    if ((entry & (ENTRY_MASKED | ENTRY_REMOTE_IRR)) !== 0) return;
    this.entries[pin * 2] = entry | ENTRY_REMOTE_IRR;
    this.#send(pin, entry);
  }

  #send(pin: number, entry: number): void {
    const destination = this.entries[pin * 2 + 1]! >>> 24;
    const mode = (entry >>> ENTRY_MODE_SHIFT) & ENTRY_MODE_MASK;
    const isLogical = (entry & ENTRY_LOGICAL) !== 0;
    this.#deliver(destination, isLogical, mode, entry & ENTRY_VECTOR, (entry & ENTRY_LEVEL) !== 0);
  }
}
