import type { Random } from '../core/random.ts';
import { openImage } from '../storage/open-image.ts';
import type { Image } from '../storage/image.ts';
import { OverlayDevice } from '../storage/overlay.ts';
import type { BlockDevice } from '../storage/block.ts';
import { openHostFile, openHostParent } from './host-files.ts';

export interface HostImageOptions {
  readonly readOnly: boolean;
  readonly warn: (message: string) => void;
  readonly random?: Random;
}

/**
 * Opens a disk image of the host, with its parents when it is a differencing one.
 * @param path as the user wrote it
 * @throws InputError with the file, the offset and what was expected
 */
export function openHostImage(path: string, options: HostImageOptions): Image {
  const store = openHostFile(path, { readOnly: options.readOnly });
  try {
    return openImage(store, {
      readOnly: options.readOnly,
      openParent: openHostParent,
      warn: (message) => options.warn(message.startsWith(path) ? message : `${path}: ${message}`),
      ...(options.random === undefined ? {} : { random: options.random }),
    });
  } catch (error) {
    store.close();
    throw error;
  }
}

/** A disk for a machine: the image itself with `write`, else the image under a dropped overlay. */
export function openHostDisk(
  path: string,
  options: {
    readonly write: boolean;
    readonly warn: (message: string) => void;
    readonly random: Random;
  },
): BlockDevice {
  const { write, warn, random } = options;
  const image = openHostImage(path, { readOnly: !write, warn, random });
  return write ? image : new OverlayDevice(image);
}
