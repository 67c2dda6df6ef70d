import type { LocalApic } from './apic.ts';
import { x2ApicLogicalId } from './apic-registers.ts';
import {
  COMMAND_ASSERT,
  COMMAND_LEVEL,
  COMMAND_LOGICAL,
  COMMAND_SHORTHAND_SHIFT,
  DELIVERY_MASK,
  DELIVERY_SHIFT,
  DESTINATION_FORMAT_FLAT,
  DeliveryMode,
  ERROR_SEND_ILLEGAL_VECTOR,
  Shorthand,
  VECTOR_MASK,
} from './spec/apic.ts';
import { FIRST_VALID_VECTOR } from './spec/synic.ts';

/** xAPIC and I/O APIC destinations are 8 bits wide; this one is every processor. */
const BROADCAST_8 = 0xff;
const BROADCAST_32 = 0xffff_ffff;

/** Finds who takes an interrupt: SDM volume 3, 11.6 "Issuing Interprocessor Interrupts". */
export class InterruptRouter {
  readonly #apics: readonly LocalApic[];

  constructor(apics: readonly LocalApic[]) {
    this.#apics = apics;
  }

  /** Obeys a write of the command register. */
  send(source: LocalApic, low: number, destination: number): void {
    const mode = (low >>> DELIVERY_SHIFT) & DELIVERY_MASK;
    const vector = low & VECTOR_MASK;
    const isLevel = (low & COMMAND_LEVEL) !== 0;
    // INIT with level trigger and no assertion only set arbitration ids, on processors long gone.
    if (mode === DeliveryMode.init && isLevel && (low & COMMAND_ASSERT) === 0) return;
    const isFixed = mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority;
    if (isFixed && vector < FIRST_VALID_VECTOR) {
      source.raiseError(ERROR_SEND_ILLEGAL_VECTOR);
      return;
    }
    const shorthand = (low >>> COMMAND_SHORTHAND_SHIFT) & 3;
    if (shorthand === Shorthand.none) {
      const isLogical = (low & COMMAND_LOGICAL) !== 0;
      this.#toDestination(destination, isLogical, mode, vector, false, source.isX2Apic);
      return;
    }
    for (const apic of this.#apics) {
      const isSelf = apic === source;
      if (shorthand === Shorthand.self && !isSelf) continue;
      if (shorthand === Shorthand.others && isSelf) continue;
      this.#deliver(apic, mode, vector, false);
    }
  }

  /**
   * An interrupt from outside the processors: a message or an I/O APIC.
   * @param destination APIC id, or a logical mask; 0xff is every processor
   * @param mode `DeliveryMode`
   */
  assert(
    destination: number,
    isLogical: boolean,
    mode: number,
    vector: number,
    isLevel: boolean,
  ): void {
    this.#toDestination(destination, isLogical, mode, vector, isLevel, false);
  }

  #toDestination(
    destination: number,
    isLogical: boolean,
    mode: number,
    vector: number,
    isLevel: boolean,
    isWide: boolean,
  ): void {
    const isLowest = mode === DeliveryMode.lowestPriority;
    let chosen: LocalApic | undefined;
    for (const apic of this.#apics) {
      if (!matches(apic, destination, isLogical, isWide)) continue;
      if (!isLowest) this.#deliver(apic, mode, vector, isLevel);
      else if (apic.isSoftwareEnabled && isLower(apic, chosen)) chosen = apic;
    }
    if (chosen !== undefined) this.#deliver(chosen, DeliveryMode.fixed, vector, isLevel);
  }

  #deliver(apic: LocalApic, mode: number, vector: number, isLevel: boolean): void {
    if (mode === DeliveryMode.fixed || mode === DeliveryMode.lowestPriority) {
      apic.request(vector, isLevel);
    } else {
      apic.owner.signal(mode, vector);
    }
  }
}

/** The lowest processor priority takes it; of equal ones the lowest index. */
function isLower(apic: LocalApic, than: LocalApic | undefined): boolean {
  return than === undefined || apic.processorPriority < than.processorPriority;
}

function matches(
  apic: LocalApic,
  destination: number,
  isLogical: boolean,
  isWide: boolean,
): boolean {
  if (!apic.isHardwareEnabled) return false;
  if (destination === (isWide ? BROADCAST_32 : BROADCAST_8)) return true;
  if (!isLogical) return apic.id === destination;
  if (apic.isX2Apic) {
    const own = x2ApicLogicalId(apic.id);
    return own >>> 16 === destination >>> 16 && (own & destination & 0xffff) !== 0;
  }
  const own = apic.logicalDestination >>> 24;
  if (apic.destinationFormat === DESTINATION_FORMAT_FLAT) return (own & destination) !== 0;
  return own >>> 4 === destination >>> 4 && (own & destination & 0xf) !== 0;
}
