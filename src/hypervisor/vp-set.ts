import { SET_FORMAT_ALL, SET_FORMAT_SPARSE } from './spec/hypercalls.ts';

function countBits(word: number): number {
  let count = 0;
  for (let bits = word; bits !== 0; bits &= bits - 1) count += 1;
  return count;
}

/**
 * The processors that a hypercall names: all, a mask of the first 64, or HV_VP_SET (TLFS "Virtual
 * Processor Sets"). Reused from call to call.
 */
export class VpSet {
  #isAll = false;
  #validLow = 0;
  #validHigh = 0;
  #view: DataView = new DataView(new ArrayBuffer(8));
  #banksAt = 0;

  useAll(): void {
    this.#isAll = true;
  }

  useMask(view: DataView, at: number): void {
    this.#isAll = false;
    this.#validLow = 1;
    this.#validHigh = 0;
    this.#view = view;
    this.#banksAt = at;
  }

  /**
   * @param formatAt position of the format, followed by the mask of valid banks
   * @param banksAt position of the banks, one u64 for each valid one
   * @param bankCount how many the caller's control word promises
   * @returns false when the format is unknown or the count does not fit the mask
   */
  useSparse(view: DataView, formatAt: number, banksAt: number, bankCount: number): boolean {
    const format = view.getUint32(formatAt, true);
    if (view.getUint32(formatAt + 4, true) !== 0) return false;
    this.#isAll = format === SET_FORMAT_ALL;
    if (this.#isAll) return true;
    if (format !== SET_FORMAT_SPARSE) return false;
    this.#validLow = view.getUint32(formatAt + 8, true);
    this.#validHigh = view.getUint32(formatAt + 12, true);
    this.#view = view;
    this.#banksAt = banksAt;
    return countBits(this.#validLow) + countBits(this.#validHigh) === bankCount;
  }

  has(vpIndex: number): boolean {
    if (this.#isAll) return true;
    const bank = vpIndex >>> 6;
    if (bank > 63) return false;
    const isHigh = bank > 31;
    const bit = 1 << (bank & 31);
    if (((isHigh ? this.#validHigh : this.#validLow) & bit) === 0) return false;
    const below = isHigh
      ? countBits(this.#validLow) + countBits(this.#validHigh & (bit - 1))
      : countBits(this.#validLow & (bit - 1));
    const word = this.#banksAt + below * 8 + ((vpIndex & 32) >> 3);
    return ((this.#view.getUint32(word, true) >>> (vpIndex & 31)) & 1) !== 0;
  }
}
