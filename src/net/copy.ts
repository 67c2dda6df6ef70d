/**
 * Byte copies between typed arrays, the short ones without a view object for each. A buffer comes as
 * bytes and as the same memory in words; `wordsOf` gives the words once.
 */

/** Above this, a block copy is quicker than a loop, its view object included. */
const BLOCK_COPY_BYTES = 256;

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

/**
 * Copies `length` bytes; the two runs must not overlap. Both are within their buffers, which the
 * caller has checked.
 */
export function copyBytes(
  source: Uint8Array,
  sourceWords: Uint32Array,
  from: number,
  target: Uint8Array,
  targetWords: Uint32Array,
  to: number,
  length: number,
): void {
  if (length > BLOCK_COPY_BYTES) {
    if (source === target) target.copyWithin(to, from, from + length);
    else target.set(source.subarray(from, from + length), to);
    return;
  }
  let at = 0;
  if (length >= 16 && sourceWords.length > 0 && targetWords.length > 0) {
    while (((to + at) & 3) !== 0) {
      target[to + at] = source[from + at]!;
      at += 1;
    }
    let count = (length - at) >>> 2;
    const shift = ((from + at) & 3) * 8;
    const sourceWord = (from + at) >>> 2;
    const targetWord = (to + at) >>> 2;
    if (shift === 0) {
      copyWords(sourceWords, sourceWord, targetWords, targetWord, count);
    } else {
      // The word that holds the last bytes may be cut off by the end of the buffer.
      count = Math.min(count, sourceWords.length - sourceWord - 1);
      shiftWords(sourceWords, sourceWord, shift, targetWords, targetWord, count);
    }
    at += count * 4;
  }
  for (; at < length; at += 1) target[to + at] = source[from + at]!;
}

function copyWords(
  source: Uint32Array,
  from: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  for (let index = 0; index < count; index += 1) target[to + index] = source[from + index]!;
}

/** Each target word lies across two source words. */
function shiftWords(
  source: Uint32Array,
  from: number,
  shift: number,
  target: Uint32Array,
  to: number,
  count: number,
): void {
  const up = 32 - shift;
  let low = source[from]! | 0;
  for (let index = 0; index < count; index += 1) {
    const high = source[from + index + 1]! | 0;
    target[to + index] = (low >>> shift) | (high << up);
    low = high;
  }
}
