/**
 * Byte copies between typed arrays, the short ones without a view object for each. A buffer comes as
 * bytes and as the same memory in words; `wordsOf` gives the words once.
 */

/** Above this, a block copy is quicker than a loop, its view object included. */
const BLOCK_COPY_BYTES = 256;

/**
 * Copies `length` bytes; the two runs must not overlap. Both are within their buffers, which the
 * caller has checked.
 */
export function copyBytes(
  source: Uint8Array,
  sourceWords: Int32Array,
  from: number,
  target: Uint8Array,
  targetWords: Int32Array,
  to: number,
  length: number,
): void {
  if (length > BLOCK_COPY_BYTES) {
    if (source === target) target.copyWithin(to, from, from + length);
    else target.set(source.subarray(from, from + length), to);
    return;
  }
  let at = 0;
  if (sourceWords.length > 0 && targetWords.length > 0) {
    if (((from | to) & 3) === 0) {
      const count = length >>> 2;
      copyWords(sourceWords, from >>> 2, targetWords, to >>> 2, count);
      at = count * 4;
    } else if (length >= 16) {
      at = copyAcross(source, sourceWords, from, target, targetWords, to, length);
    }
  }
  for (; at < length; at += 1) target[to + at] = source[from + at]!;
}

/** Runs that are not aligned alike. @returns how many bytes of them are done */
function copyAcross(
  source: Uint8Array,
  sourceWords: Int32Array,
  from: number,
  target: Uint8Array,
  targetWords: Int32Array,
  to: number,
  length: number,
): number {
  let at = 0;
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
  return at + count * 4;
}

function copyWords(
  source: Int32Array,
  from: number,
  target: Int32Array,
  to: number,
  count: number,
): void {
  for (let index = 0; index < count; index += 1) target[to + index] = source[from + index]!;
}

/** Each target word lies across two source words. */
function shiftWords(
  source: Int32Array,
  from: number,
  shift: number,
  target: Int32Array,
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
