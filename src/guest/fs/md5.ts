/** MD5 (RFC 1321), for md5(1). */
const BLOCK_BYTES = 64;
const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const SINES = Uint32Array.from({ length: 64 }, (_, index) =>
  Math.floor(Math.abs(Math.sin(index + 1)) * 0x1_0000_0000),
);

export class Md5 {
  readonly #state = Uint32Array.of(0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476);
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Uint32Array(16);
  #length = 0;

  update(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const at = this.#length % BLOCK_BYTES;
      const run = Math.min(BLOCK_BYTES - at, bytes.length - done);
      this.#block.set(bytes.subarray(done, done + run), at);
      this.#length += run;
      done += run;
      if (at + run === BLOCK_BYTES) this.#mix();
    }
  }

  /** 32 hexadecimal digits; nothing may be added afterwards. */
  finish(): string {
    const bits = this.#length * 8;
    this.update(Uint8Array.of(0x80));
    while (this.#length % BLOCK_BYTES !== 56) this.update(Uint8Array.of(0));
    const tail = new Uint8Array(8);
    const view = new DataView(tail.buffer);
    view.setUint32(0, bits >>> 0, true);
    view.setUint32(4, Math.floor(bits / 0x1_0000_0000), true);
    this.update(tail);
    let text = '';
    for (const word of this.#state) {
      for (let byte = 0; byte < 4; byte += 1) {
        text += ((word >>> (byte * 8)) & 0xff).toString(16).padStart(2, '0');
      }
    }
    return text;
  }

  #mix(): void {
    const words = this.#words;
    const bytes = this.#block;
    for (let index = 0; index < 16; index += 1) {
      const at = index * 4;
      words[index] =
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    }
    let [a = 0, b = 0, c = 0, d = 0] = this.#state;
    for (let step = 0; step < 64; step += 1) {
      const round = step >> 4;
      let mixed: number;
      let index: number;
      if (round === 0) {
        mixed = (b & c) | (~b & d);
        index = step;
      } else if (round === 1) {
        mixed = (d & b) | (~d & c);
        index = (5 * step + 1) & 15;
      } else if (round === 2) {
        mixed = b ^ c ^ d;
        index = (3 * step + 5) & 15;
      } else {
        mixed = c ^ (b | ~d);
        index = (7 * step) & 15;
      }
      const shift = SHIFTS[round * 4 + (step & 3)]!;
      const sum = (a + mixed + SINES[step]! + words[index]!) | 0;
      a = d;
      d = c;
      c = b;
      b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
    }
    const state = this.#state;
    state[0] = state[0]! + a;
    state[1] = state[1]! + b;
    state[2] = state[2]! + c;
    state[3] = state[3]! + d;
  }
}
