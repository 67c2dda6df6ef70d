/** Text in bytes: one byte a character, or UTF-16 as Windows and UEFI have it; numbers in hex. */

/** Latin-1, of which ASCII is a part: one byte a character. */
export function latin1(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/** The other way. */
export function latin1Text(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * UTF-16 up to a NUL or to the end, whichever comes first.
 * @param bytes within the view; an odd last one does not count
 */
export function readUtf16(view: DataView, at: number, bytes: number, littleEndian = true): string {
  let text = '';
  for (let done = 0; done + 2 <= bytes; done += 2) {
    const unit = view.getUint16(at + done, littleEndian);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/** UTF-16 without a NUL. @returns the position after it */
export function writeUtf16(view: DataView, at: number, text: string, littleEndian = true): number {
  for (let index = 0; index < text.length; index += 1) {
    view.setUint16(at + index * 2, text.charCodeAt(index), littleEndian);
  }
  return at + text.length * 2;
}

/**
 * UTF-16LE with its NUL, cut to fit.
 * @param maxBytes an even number, the NUL included
 */
export function utf16(text: string, maxBytes = Infinity): Uint8Array {
  const cut = text.length * 2 + 2 > maxBytes ? text.slice(0, maxBytes / 2 - 1) : text;
  const bytes = new Uint8Array((cut.length + 1) * 2);
  writeUtf16(new DataView(bytes.buffer), 0, cut);
  return bytes;
}

/** Bytes in two digits each. */
export function hexBytes(bytes: Iterable<number>, separator = ''): string {
  return Array.from(bytes, (byte) => hex(byte, 2)).join(separator);
}

export function hex(value: number | bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
