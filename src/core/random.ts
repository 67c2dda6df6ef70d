import type { StateStream } from './state.ts';

/**
 * The only source of chance in a run: SplitMix32-seeded xoshiro128** (Blackman and Vigna). A
 * generator is split by name, so that one more draw in one place changes nothing elsewhere.
 */
export class Random {
  readonly #seedLo: number;
  readonly #seedHi: number;
  /** Names of the splits that led here: "guest 1/boot 2". */
  readonly #path: string;
  #s0: number;
  #s1: number;
  #s2: number;
  #s3: number;

  /** @param seed any integer; its low 64 bits count */
  constructor(seed: bigint | number, name = '') {
    const whole = BigInt.asUintN(64, BigInt(seed));
    this.#seedLo = Number(whole & 0xffff_ffffn);
    this.#seedHi = Number(whole >> 32n);
    this.#path = name;
    let state = this.#seedLo ^ Math.imul(this.#seedHi, 0x9e37_79b1);
    for (let index = 0; index < name.length; index += 1) {
      state = Math.imul(state ^ name.charCodeAt(index), 0x0100_0193) + 0x9e37_79b9;
    }
    const next = (): number => {
      state = (state + 0x9e37_79b9) | 0;
      let mixed = state ^ (state >>> 16);
      mixed = Math.imul(mixed, 0x21f0_aaad);
      mixed ^= mixed >>> 15;
      mixed = Math.imul(mixed, 0x735a_2d97);
      return (mixed ^ (mixed >>> 15)) | 0;
    };
    this.#s0 = next();
    this.#s1 = next() ^ this.#seedHi;
    this.#s2 = next() ^ this.#seedLo;
    this.#s3 = next() | 1;
  }

  /** A generator of its own for one named part of the machine, and of that part only. */
  split(name: string): Random {
    const path = this.#path === '' ? name : `${this.#path}/${name}`;
    return new Random((BigInt(this.#seedHi) << 32n) | BigInt(this.#seedLo), path);
  }

  /** An unsigned 32-bit number. */
  u32(): number {
    const product = Math.imul(this.#s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#s1 << 9;
    this.#s2 ^= this.#s0;
    this.#s3 ^= this.#s1;
    this.#s1 ^= this.#s2;
    this.#s0 ^= this.#s3;
    this.#s2 ^= shifted;
    this.#s3 = (this.#s3 << 11) | (this.#s3 >>> 21);
    return result;
  }

  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.u32() / 0x1_0000_0000) * bound);
  }

  /** A fresh array of random bytes. */
  bytes(count: number): Uint8Array {
    const target = new Uint8Array(count);
    this.fill(target);
    return target;
  }

  /** A number from 0 (included) to 1 (not included), with 32 random bits. */
  fraction(): number {
    return this.u32() / 0x1_0000_0000;
  }

  exchange(state: StateStream): void {
    this.#s0 = state.number('s0', this.#s0);
    this.#s1 = state.number('s1', this.#s1);
    this.#s2 = state.number('s2', this.#s2);
    this.#s3 = state.number('s3', this.#s3);
  }

  fill(target: Uint8Array): void {
    for (let index = 0; index < target.length; index += 1) target[index] = this.u32() >>> 24;
  }
}
