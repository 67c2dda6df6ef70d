import { crc32 } from '../../core/crc32.ts';
import type { StateStream } from '../../core/state.ts';
import {
  MII_ABILITIES,
  MiiStatus,
  SROM_ADDRESS_BITS,
  SROM_AUTOSENSE,
  SROM_EXTENDED_BLOCK,
  SROM_MII_BLOCK,
  SROM_READ,
  SROM_VERSION,
  SROM_WORDS,
  SromOffset,
  TULIP_SUBSYSTEM,
  TULIP_SUBSYSTEM_VENDOR,
} from './spec.ts';

/** Of abilities: those in full duplex, and those at 10 Mb/s. */
const FULL_DUPLEX = 0x5000;
const TEN_MEGABITS = 0x1800;
const LEAF_AT = 0x1e;
/** Of the transceiver's status: what it can do. */
const ABILITIES = MiiStatus.abilities & 0x7800;
const SELECTOR_MASK = 0x001f;

/** @param mac six bytes @param slot of the PCI device */
export function sromContent(mac: Uint8Array, slot: number): Uint8Array {
  const bytes = new Uint8Array(SROM_WORDS * 2);
  const view = new DataView(bytes.buffer);
  view.setUint16(SromOffset.subsystemVendor, TULIP_SUBSYSTEM_VENDOR, true);
  view.setUint16(SromOffset.subsystem, TULIP_SUBSYSTEM, true);
  bytes[SromOffset.version] = SROM_VERSION;
  bytes[SromOffset.controllers] = 1;
  bytes.set(mac, SromOffset.address);
  bytes[SromOffset.device] = slot;
  view.setUint16(SromOffset.leaf, LEAF_AT, true);
  view.setUint16(LEAF_AT, SROM_AUTOSENSE, true);
  const block = [
    SROM_MII_BLOCK,
    // Transceiver number 0, without sequences of the general-purpose port to select or reset it.
    0,
    0,
    0,
    ...[ABILITIES, MII_ABILITIES & ~SELECTOR_MASK, FULL_DUPLEX, TEN_MEGABITS].flatMap((word) => [
      word & 0xff,
      word >> 8,
    ]),
  ];
  // No pin of the general-purpose port is an output; there is one block.
  bytes.set([0, 1, SROM_EXTENDED_BLOCK | block.length, ...block], LEAF_AT + 2);
  view.setUint16(SromOffset.checksum, crc32(bytes, 0, SromOffset.checksum) & 0xffff, true);
  return bytes;
}

/** A 93C46 on its three wires. Nothing but READ has an effect. */
export class SerialRom {
  readonly #words: DataView;
  #isClockUp = false;
  /** Bits of the command since its start bit, that one included; 0 before it. */
  #count = 0;
  #command = 0;
  #output = 1;
  #bitsOut = 0;

  constructor(content: Uint8Array) {
    this.#words = new DataView(content.buffer, content.byteOffset, content.byteLength);
  }

  exchange(state: StateStream): void {
    this.#isClockUp = state.flag('isClockUp', this.#isClockUp);
    this.#count = state.number('count', this.#count);
    this.#command = state.number('command', this.#command);
    this.#output = state.number('output', this.#output);
    this.#bitsOut = state.number('bitsOut', this.#bitsOut);
  }

  /** What it drives on its data line: 1 where it does not. */
  get output(): number {
    return this.#output;
  }

  drive(isSelected: boolean, isClockUp: boolean, data: number): void {
    const isRising = isClockUp && !this.#isClockUp;
    this.#isClockUp = isClockUp;
    if (!isSelected) {
      this.#count = 0;
      this.#output = 1;
      return;
    }
    if (isRising) this.#clock(data);
  }

  #clock(data: number): void {
    const whole = 3 + SROM_ADDRESS_BITS;
    if (this.#count < whole) {
      // Zeros before the start bit are of no account.
      if (this.#count === 0 && data === 0) return;
      this.#command = this.#count === 0 ? 1 : (this.#command << 1) | data;
      this.#count += 1;
      if (this.#count < whole || this.#operation !== SROM_READ) return;
      // A zero goes before the first word.
      this.#output = 0;
      this.#bitsOut = 0;
      return;
    }
    if (this.#operation !== SROM_READ) return;
    const word = (this.#address + (this.#bitsOut >> 4)) % SROM_WORDS;
    const bit = 15 - (this.#bitsOut & 15);
    this.#output = (this.#words.getUint16(word * 2, true) >> bit) & 1;
    // It goes round after its last word.
    this.#bitsOut = (this.#bitsOut + 1) % (SROM_WORDS * 16);
  }

  get #operation(): number {
    return (this.#command >> SROM_ADDRESS_BITS) & 3;
  }

  get #address(): number {
    return this.#command & (SROM_WORDS - 1);
  }
}
