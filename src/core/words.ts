/**
 * Buffers of bytes seen as little-endian words, where they are aligned to them. The words are signed:
 * the engine then has no number that is wider than a register to be ready for.
 */

/** `wordsOf` of a buffer that cannot be seen as words; copies then go byte by byte. */
const NO_WORDS = new Int32Array(0);
const NO_WORDS_OF = new Uint8Array(0);

/** The same memory as little-endian words, or an array of length 0 when it is not aligned to 4. */
export function wordsOf(bytes: Uint8Array): Int32Array {
  if (bytes.byteOffset % 4 !== 0 || bytes.length < 4) return NO_WORDS;
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
}

/**
 * A little-endian word at any position; guests align them all, as a rule.
 * @param words the same buffer in words, or of length 0
 */
export function wordAt(bytes: Uint8Array, words: Int32Array, position: number): number {
  if ((position & 3) === 0 && words.length > 0) return words[position >>> 2]! >>> 0;
  return (
    (bytes[position]! |
      (bytes[position + 1]! << 8) |
      (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24)) >>>
    0
  );
}

/** The words of the few buffers that a sender uses, looked up by identity: the four newest ones. */
export class WordViews {
  readonly #bytes: Uint8Array[] = [NO_WORDS_OF, NO_WORDS_OF, NO_WORDS_OF, NO_WORDS_OF];
  readonly #words: Int32Array[] = [NO_WORDS, NO_WORDS, NO_WORDS, NO_WORDS];
  #oldest = 0;
  #last: Uint8Array = NO_WORDS_OF;
  #lastWords: Int32Array = NO_WORDS;

  of(bytes: Uint8Array): Int32Array {
    return bytes === this.#last ? this.#lastWords : this.#find(bytes);
  }

  #find(bytes: Uint8Array): Int32Array {
    let index = this.#bytes.indexOf(bytes);
    if (index < 0) {
      index = this.#oldest;
      this.#oldest = (index + 1) & 3;
      this.#bytes[index] = bytes;
      this.#words[index] = wordsOf(bytes);
    }
    this.#last = bytes;
    this.#lastWords = this.#words[index]!;
    return this.#lastWords;
  }
}
