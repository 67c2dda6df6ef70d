/** Archives that a kernel unpacks as its first root: cpio, "new ASCII" form (Linux's buffer-format.rst). */

export type ArchiveEntry =
  | { readonly path: string; readonly kind: 'folder' }
  | {
      readonly path: string;
      readonly kind: 'file';
      readonly bytes: Uint8Array;
      readonly isExecutable?: boolean;
    }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }
  | {
      readonly path: string;
      readonly kind: 'character-device';
      readonly major: number;
      readonly minor: number;
    };

const MODE = { folder: 0o040_755, file: 0o100_644, link: 0o120_777, 'character-device': 0o020_600 };
const EXECUTABLE = 0o111;
const TRAILER = 'TRAILER!!!';
const ALIGNMENT = 4;
const encoder = new TextEncoder();

/** @param entries each folder before what is in it; the same entries give the same bytes */
export function writeCpio(entries: readonly ArchiveEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let length = 0;
  const push = (bytes: Uint8Array): void => {
    parts.push(bytes);
    const padding = -bytes.length & (ALIGNMENT - 1);
    if (padding > 0) parts.push(new Uint8Array(padding));
    length += bytes.length + padding;
  };
  for (const [index, entry] of entries.entries()) {
    const content =
      entry.kind === 'file'
        ? entry.bytes
        : encoder.encode(entry.kind === 'link' ? entry.target : '');
    const mode =
      MODE[entry.kind] | (entry.kind === 'file' && entry.isExecutable === true ? EXECUTABLE : 0);
    const device = entry.kind === 'character-device' ? entry : { major: 0, minor: 0 };
    push(header({ inode: index + 1, mode, size: content.length, path: entry.path, ...device }));
    if (content.length > 0) push(content);
  }
  push(header({ inode: 0, mode: 0, size: 0, path: TRAILER, major: 0, minor: 0 }));
  const archive = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    archive.set(part, at);
    at += part.length;
  }
  return archive;
}

/** Header and name, which belong together; the caller pads them. */
function header(of: {
  readonly inode: number;
  readonly mode: number;
  readonly size: number;
  readonly path: string;
  readonly major: number;
  readonly minor: number;
}): Uint8Array {
  const name = encoder.encode(`${of.path}\0`);
  const hex = (value: number): string => value.toString(16).padStart(8, '0');
  const links = 1;
  const fields = [
    of.inode,
    of.mode,
    0,
    0,
    links,
    0,
    of.size,
    0,
    0,
    of.major,
    of.minor,
    name.length,
    0,
  ];
  const text = encoder.encode(`070701${fields.map(hex).join('')}`);
  const bytes = new Uint8Array(text.length + name.length);
  bytes.set(text);
  bytes.set(name, text.length);
  return bytes;
}
