import type { BlockDevice, ByteStore } from './block.ts';
import { createImage } from './create-image.ts';
import type { CreateImageOptions } from './create-image.ts';
import type { ImageInfo } from './image.ts';
import { openImage } from './open-image.ts';
import { isZero } from './zeros.ts';

const bufferBytes = 1_048_576;
/** Zeros in less than this are copied: looking closer costs more than it saves. */
const pieceBytes = 65_536;

export interface ConvertOptions extends Omit<CreateImageOptions, 'sizeBytes' | 'parent'> {
  /** Called now and then with the bytes done so far. */
  readonly progress?: (doneBytes: number) => void;
}

/**
 * Makes `target` an image with the content of `source`; runs of zeros take no space. Closes the
 * target, not the source. A sector size is taken over from the source where the format allows it.
 * @throws InputError when the format cannot hold the disk
 */
export function convertImage(
  source: BlockDevice,
  target: ByteStore,
  options: ConvertOptions,
): ImageInfo {
  const vhdx = options.format.startsWith('vhdx');
  createImage(target, {
    ...options,
    sizeBytes: source.sizeBytes,
    sectorBytes: options.sectorBytes ?? (vhdx ? source.sectorBytes : 512),
  });
  const image = openImage(target, { readOnly: false, warn: () => {}, random: options.random });
  try {
    const buffer = new Uint8Array(bufferBytes);
    for (let at = 0; at < source.sizeBytes; at += bufferBytes) {
      const length = Math.min(bufferBytes, source.sizeBytes - at);
      source.read(at, buffer, 0, length);
      writeNonZero(image, at, buffer, length);
      options.progress?.(at + length);
    }
  } finally {
    image.close();
  }
  return image.info();
}

/** Writes the pieces that are not all zeros, those that touch in one go. */
function writeNonZero(image: BlockDevice, at: number, buffer: Uint8Array, length: number): void {
  let from = -1;
  for (let piece = 0; piece < length; piece += pieceBytes) {
    const zero = isZero(buffer, piece, Math.min(pieceBytes, length - piece));
    if (!zero && from < 0) from = piece;
    if (zero && from >= 0) {
      image.write(at + from, buffer, from, piece - from);
      from = -1;
    }
  }
  if (from >= 0) image.write(at + from, buffer, from, length - from);
}
