/** The registers of de(4)'s chip, and what hangs on its serial wires: the ROM and the transceiver. */
import {
  Csr,
  CSR_STRIDE,
  Mii,
  MII_REGISTERS,
  MiiOperation,
  MiiStatus,
  SerialBit,
  SROM_ADDRESS_BITS,
  SROM_READ,
  SROM_WORDS,
} from '../../devices/tulip/spec.ts';
import type { Kernel } from '../kernel/kernel.ts';

const ROM_COMMAND_BITS = 3 + SROM_ADDRESS_BITS;
const WORD_BITS = 16;
const PREAMBLE_BITS = 32;
/** Start, operation, transceiver, register. */
const MII_HEADER_BITS = 14;
const MII_START = 1;
export const NO_TRANSCEIVER = -1;

export class TulipRegisters {
  readonly #kernel: Kernel;
  readonly #gpa: number;

  /** @param gpa of the chip's window in memory */
  constructor(kernel: Kernel, gpa: number) {
    this.#kernel = kernel;
    this.#gpa = gpa;
  }

  read(register: number): number {
    return this.#kernel.hw.mmioRead32(this.#gpa + register * CSR_STRIDE);
  }

  write(register: number, value: number): void {
    this.#kernel.hw.mmioWrite32(this.#gpa + register * CSR_STRIDE, value);
  }

  /** tulip_srom_read: all of the ROM, word by word. */
  *readRom(): Generator<number, Uint8Array, boolean> {
    const bytes = new Uint8Array(SROM_WORDS * 2);
    for (let index = 0; index < SROM_WORDS; index += 1) {
      const word = this.#readRomWord(index);
      bytes[index * 2] = word & 0xff;
      bytes[index * 2 + 1] = word >> 8;
      yield 0;
    }
    return bytes;
  }

  #readRomWord(index: number): number {
    const { romEnable, read, romSelect, romClock, romDataIn, romDataOut } = SerialBit;
    const selected = romEnable | read | romSelect;
    this.write(Csr.serial, romEnable | read);
    this.write(Csr.serial, selected);
    const command = (((1 << 2) | SROM_READ) << SROM_ADDRESS_BITS) | index;
    for (let bit = ROM_COMMAND_BITS - 1; bit >= 0; bit -= 1) {
      const data = ((command >> bit) & 1) === 0 ? 0 : romDataIn;
      this.write(Csr.serial, selected | data);
      this.write(Csr.serial, selected | data | romClock);
    }
    this.write(Csr.serial, selected);
    let word = 0;
    for (let bit = 0; bit < WORD_BITS; bit += 1) {
      this.write(Csr.serial, selected | romClock);
      word = (word << 1) | ((this.read(Csr.serial) & romDataOut) === 0 ? 0 : 1);
      this.write(Csr.serial, selected);
    }
    this.write(Csr.serial, 0);
    return word;
  }

  /** tulip_mii_readreg. */
  readMii(transceiver: number, register: number): number {
    const { miiInput, miiClock, miiDataIn } = SerialBit;
    this.#sendMii(0xffff_ffff, PREAMBLE_BITS);
    const header = (MII_START << 12) | (MiiOperation.read << 10) | (transceiver << 5) | register;
    this.#sendMii(header, MII_HEADER_BITS);
    // The line turns round: from here on the transceiver drives it.
    this.write(Csr.serial, miiInput);
    this.write(Csr.serial, miiInput | miiClock);
    this.write(Csr.serial, miiInput);
    let value = 0;
    for (let bit = 0; bit < WORD_BITS; bit += 1) {
      this.write(Csr.serial, miiInput | miiClock);
      value = (value << 1) | ((this.read(Csr.serial) & miiDataIn) === 0 ? 0 : 1);
      this.write(Csr.serial, miiInput);
    }
    this.write(Csr.serial, 0);
    return value;
  }

  #sendMii(data: number, bits: number): void {
    const { miiClock, miiDataOut } = SerialBit;
    for (let bit = bits - 1; bit >= 0; bit -= 1) {
      const out = ((data >>> bit) & 1) === 0 ? 0 : miiDataOut;
      this.write(Csr.serial, out);
      this.write(Csr.serial, out | miiClock);
    }
  }

  /** tulip_mii_get_phyaddr: the first address that something answers at. */
  *findTransceiver(): Generator<number, number, boolean> {
    for (let address = 0; address < MII_REGISTERS; address += 1) {
      const status = this.readMii(address, Mii.status);
      if (status !== 0xffff && (status & MiiStatus.abilities) !== 0) return address;
      yield 0;
    }
    return NO_TRANSCEIVER;
  }
}
