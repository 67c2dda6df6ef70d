/** Buffers of bytes seen as little-endian words, where they are aligned to them. */

/** `wordsOf` of a buffer that cannot be seen as words; copies then go byte by byte. */
const NO_WORDS = new Uint32Array(0);

/** The same memory as little-endian words, or an array of length 0 when it is not aligned to 4. */
export function wordsOf(bytes: Uint8Array): Uint32Array {
  if (bytes.byteOffset % 4 !== 0 || bytes.length < 4) return NO_WORDS;
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

/**
 * A little-endian word at any position; guests align them all, as a rule.
 * @param words the same buffer in words, or of length 0
 */
export function wordAt(bytes: Uint8Array, words: Uint32Array, position: number): number {
  if ((position & 3) === 0 && words.length > 0) return words[position >>> 2]!;
  return (
    (bytes[position]! |
      (bytes[position + 1]! << 8) |
      (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24)) >>>
    0
  );
}

/** The words of the few buffers that a sender uses, looked up by identity. */
export class WordViews {
  #recent: Uint8Array = new Uint8Array(0);
  #recentWords: Uint32Array = NO_WORDS;
  #other: Uint8Array = new Uint8Array(0);
  #otherWords: Uint32Array = NO_WORDS;

  of(bytes: Uint8Array): Uint32Array {
    if (bytes === this.#recent) return this.#recentWords;
    const words = bytes === this.#other ? this.#otherWords : wordsOf(bytes);
    this.#other = this.#recent;
    this.#otherWords = this.#recentWords;
    this.#recent = bytes;
    this.#recentWords = words;
    return words;
  }
}
