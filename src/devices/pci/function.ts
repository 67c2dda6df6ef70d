import type { StateStream } from '../../core/state.ts';
import { PCI_CONFIGURATION_BYTES, PCI_STATUS_MEDIUM, PciRegister } from './spec.ts';

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** `PciClass` */
  readonly classCode: number;
  readonly headerType?: number;
  /** `PciCommand` bits that firmware has set. */
  readonly command: number;
  /** `PciCommand` bits that a guest may change. */
  readonly commandMask: number;
}

/**
 * The configuration space of one function: what is in it, and which bits a guest may change. A
 * function with behaviour behind a register overrides `changed`.
 */
export class PciFunction {
  protected readonly registers = new Uint8Array(PCI_CONFIGURATION_BYTES);
  readonly #masks = new Uint8Array(PCI_CONFIGURATION_BYTES);

  constructor(identity: PciIdentity) {
    this.define(PciRegister.vendorId, 2, identity.vendorId);
    this.define(PciRegister.deviceId, 2, identity.deviceId);
    this.define(PciRegister.command, 2, identity.command, identity.commandMask);
    this.define(PciRegister.status, 2, PCI_STATUS_MEDIUM);
    this.define(PciRegister.revision, 1, identity.revision);
    this.define(PciRegister.classCode, 3, identity.classCode);
    this.define(PciRegister.headerType, 1, identity.headerType ?? 0);
    this.define(PciRegister.interruptLine, 1, 0, 0xff);
  }

  /**
   * Sets a register of 1 to 4 bytes.
   * @param mask bits that a guest may change
   */
  define(register: number, size: number, value: number, mask = 0): void {
    for (let index = 0; index < size; index += 1) {
      this.registers[register + index] = value >>> (8 * index);
      this.#masks[register + index] = mask >>> (8 * index);
    }
  }

  exchange(state: StateStream): void {
    state.array('registers', this.registers);
  }

  /** @param size 1, 2 or 4 bytes, not beyond the double word of `register` */
  read(register: number, size: number): number {
    let value = 0;
    for (let index = 0; index < size; index += 1) {
      value |= this.registers[register + index]! << (8 * index);
    }
    return value >>> 0;
  }

  write(register: number, size: number, value: number): void {
    for (let index = 0; index < size; index += 1) {
      const at = register + index;
      const mask = this.#masks[at]!;
      const byte = (value >>> (8 * index)) & 0xff;
      this.registers[at] = (this.registers[at]! & ~mask) | (byte & mask);
    }
    this.changed(register);
  }

  /** A guest has written to the double word that holds `register`. */
  protected changed(_register: number): void {
    // Most registers are only kept.
  }

  get command(): number {
    return this.read(PciRegister.command, 2);
  }
}
