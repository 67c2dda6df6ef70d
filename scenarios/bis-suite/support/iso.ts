/** A small ISO 9660 image: one directory with files. */
const BLOCK = 2_048;
const FIRST_DESCRIPTOR = 16;
const ROOT_BLOCK = 18;
const IS_DIRECTORY = 2;

/** A number in both byte orders, as ISO 9660 has it. */
function both32(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint32(at, value, true);
  view.setUint32(at + 4, value, false);
}

function both16(bytes: Uint8Array, at: number, value: number): void {
  const view = new DataView(bytes.buffer);
  view.setUint16(at, value, true);
  view.setUint16(at + 2, value, false);
}

function text(bytes: Uint8Array, at: number, value: string): void {
  bytes.set(new TextEncoder().encode(value), at);
}

/** @returns where the next record goes */
function record(
  image: Uint8Array,
  at: number,
  item: { name: string; block: number; size: number; flags: number },
): number {
  const length = 33 + item.name.length + ((item.name.length + 1) % 2);
  image[at] = length;
  both32(image, at + 2, item.block);
  both32(image, at + 10, item.size);
  image[at + 25] = item.flags;
  both16(image, at + 28, 1);
  image[at + 32] = item.name.length;
  text(image, at + 33, item.name);
  return at + length;
}

export function isoImage(label: string, files: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(files);
  const blocks = ROOT_BLOCK + 1 + entries.length;
  const image = new Uint8Array(blocks * BLOCK);
  const volume = FIRST_DESCRIPTOR * BLOCK;
  const root = { block: ROOT_BLOCK, size: BLOCK, flags: IS_DIRECTORY };
  image[volume] = 1;
  text(image, volume + 1, 'CD001');
  image[volume + 6] = 1;
  text(image, volume + 40, label.padEnd(32));
  both32(image, volume + 80, blocks);
  both16(image, volume + 120, 1);
  both16(image, volume + 124, 1);
  both16(image, volume + 128, BLOCK);
  record(image, volume + 156, { ...root, name: '\0' });
  const end = volume + BLOCK;
  image[end] = 255;
  text(image, end + 1, 'CD001');
  image[end + 6] = 1;
  let at = record(image, ROOT_BLOCK * BLOCK, { ...root, name: '\0' });
  at = record(image, at, { ...root, name: '\u0001' });
  for (const [index, [name, content]] of entries.entries()) {
    const block = ROOT_BLOCK + 1 + index;
    at = record(image, at, { name: `${name};1`, block, size: content.length, flags: 0 });
    text(image, block * BLOCK, content);
  }
  return image;
}
