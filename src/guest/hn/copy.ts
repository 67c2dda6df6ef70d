/** Copies `length` bytes between buffers, by words where both runs begin at one. */
export function copyRun(
  source: Uint8Array,
  sourceWords: Int32Array,
  from: number,
  target: Uint8Array,
  targetWords: Int32Array,
  to: number,
  length: number,
): void {
  let done = 0;
  if (((from | to) & 3) === 0) {
    const count = length >>> 2;
    const sourceWord = from >>> 2;
    const targetWord = to >>> 2;
    for (let index = 0; index < count; index += 1) {
      targetWords[targetWord + index] = sourceWords[sourceWord + index]!;
    }
    done = count * 4;
  }
  for (; done < length; done += 1) target[to + done] = source[from + done]!;
}
