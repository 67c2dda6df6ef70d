import { crc32 } from '../../core/crc32.ts';
import type { StateStream } from '../../core/state.ts';
import { MAC_BYTES } from '../../net/spec/ethernet.ts';
import {
  HASH_BITS,
  OperationMode,
  SETUP_ADDRESSES,
  SETUP_BYTES,
  SETUP_HASH_ADDRESS_AT,
  TransmitControl,
} from './spec.ts';

const ENTRY_BYTES = 12;
const WORD_BYTES = 4;

/**
 * Whether the operation mode register lets a frame through that the filter does not.
 * @param mode the register
 */
export function passesAll(isMulticast: boolean, mode: number): boolean {
  if ((mode & (OperationMode.promiscuous | OperationMode.receiveAll)) !== 0) return true;
  return isMulticast && (mode & OperationMode.passAllMulticast) !== 0;
}

/** Which frames the adapter takes: the last setup frame, as perfect, inverse or hash filtering. */
export class AddressFilter {
  readonly #setup = new Uint8Array(SETUP_BYTES);
  /** `OperationMode` bits that tell the host how it filters. */
  modeBits = 0;

  exchange(state: StateStream): void {
    state.array('setup', this.#setup);
    this.modeBits = state.number('modeBits', this.modeBits);
  }

  reset(): void {
    this.#setup.fill(0);
    this.modeBits = 0;
  }

  /** @param control of the descriptor, whose filtering type says how the frame is to be read */
  load(bytes: Uint8Array, control: number): void {
    this.#setup.set(bytes.subarray(0, SETUP_BYTES));
    const isType0 = (control & TransmitControl.filterType0) !== 0;
    const isType1 = (control & TransmitControl.filterType1) !== 0;
    const { hashFilter, hashOnly, inverseFilter } = OperationMode;
    if (isType0) this.modeBits = isType1 ? hashFilter | hashOnly : hashFilter;
    else this.modeBits = isType1 ? inverseFilter : 0;
  }

  /** Whether the filter lets a frame through. */
  matches(bytes: Uint8Array, start: number, isMulticast: boolean): boolean {
    const { hashFilter, hashOnly, inverseFilter } = OperationMode;
    if ((this.modeBits & hashFilter) !== 0) {
      const isHashed = isMulticast || (this.modeBits & hashOnly) !== 0;
      return isHashed
        ? this.#isHashed(bytes, start)
        : this.#isAt(SETUP_HASH_ADDRESS_AT, bytes, start);
    }
    const isListed = this.#isListed(bytes, start);
    return (this.modeBits & inverseFilter) === 0 ? isListed : !isListed;
  }

  #isListed(bytes: Uint8Array, start: number): boolean {
    for (let entry = 0; entry < SETUP_ADDRESSES; entry += 1) {
      if (this.#isAt(entry * ENTRY_BYTES, bytes, start)) return true;
    }
    return false;
  }

  /** Two bytes of an address are in the low half of each double word. */
  #isAt(at: number, bytes: Uint8Array, start: number): boolean {
    for (let index = 0; index < MAC_BYTES; index += 1) {
      const place = at + (index >> 1) * WORD_BYTES + (index & 1);
      if (this.#setup[place] !== bytes[start + index]) return false;
    }
    return true;
  }

  /** The low nine bits of the frame check sequence over the address, before its last inversion. */
  #isHashed(bytes: Uint8Array, start: number): boolean {
    const bit = ~crc32(bytes, start, MAC_BYTES) & (HASH_BITS - 1);
    const place = (bit >> 4) * WORD_BYTES + ((bit >> 3) & 1);
    return (this.#setup[place]! & (1 << (bit & 7))) !== 0;
  }
}
