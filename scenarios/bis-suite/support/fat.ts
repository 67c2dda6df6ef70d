/** A diskette of 1.44 MB with an empty FAT12 file system, as FORMAT leaves it. */
const SECTOR = 512;
const SECTORS = 2_880;
const FAT_SECTORS = 9;
const ROOT_ENTRIES = 224;
const MEDIA = 0xf0;
const LABEL_ATTRIBUTE = 8;

function text(bytes: Uint8Array, at: number, value: string): void {
  bytes.set(new TextEncoder().encode(value), at);
}

export function fatDiskette(label: string): Uint8Array {
  const image = new Uint8Array(SECTORS * SECTOR);
  const view = new DataView(image.buffer);
  image.set([0xeb, 0x3c, 0x90]);
  text(image, 3, 'MSDOS5.0');
  view.setUint16(11, SECTOR, true);
  image[13] = 1;
  view.setUint16(14, 1, true);
  image[16] = 2;
  view.setUint16(17, ROOT_ENTRIES, true);
  view.setUint16(19, SECTORS, true);
  image[21] = MEDIA;
  view.setUint16(22, FAT_SECTORS, true);
  view.setUint16(24, 18, true);
  view.setUint16(26, 2, true);
  image[38] = 0x29;
  text(image, 43, label.padEnd(11));
  text(image, 54, 'FAT12   ');
  view.setUint16(510, 0xaa55, true);
  for (const fat of [1, 1 + FAT_SECTORS]) image.set([MEDIA, 0xff, 0xff], fat * SECTOR);
  const root = (1 + 2 * FAT_SECTORS) * SECTOR;
  text(image, root, label.padEnd(11));
  image[root + 11] = LABEL_ATTRIBUTE;
  return image;
}
