/**
 * UTF-16LE with its terminator, cut to fit.
 * @param maxBytes an even number, terminator included
 */
export function encodeUtf16(text: string, maxBytes: number): Uint8Array {
  const units = Math.min(text.length, maxBytes / 2 - 1);
  const bytes = new Uint8Array((units + 1) * 2);
  for (let index = 0; index < units; index += 1) {
    const unit = text.charCodeAt(index);
    bytes[index * 2] = unit & 0xff;
    bytes[index * 2 + 1] = unit >>> 8;
  }
  return bytes;
}

/**
 * Text up to a terminator or to the end, whichever comes first.
 * @param bytes within the view; an odd last one does not count
 */
export function decodeUtf16(view: DataView, at: number, bytes: number): string {
  let text = '';
  for (let index = 0; index + 2 <= bytes; index += 2) {
    const unit = view.getUint16(at + index, true);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}
