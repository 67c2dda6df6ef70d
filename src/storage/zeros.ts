/** Whether a run of bytes is all zeros. */
export function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  const end = start + length;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const first = bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!;
    const second = bytes[at + 4]! | bytes[at + 5]! | bytes[at + 6]! | bytes[at + 7]!;
    if ((first | second) !== 0) return false;
  }
  for (; at < end; at += 1) if (bytes[at] !== 0) return false;
  return true;
}
