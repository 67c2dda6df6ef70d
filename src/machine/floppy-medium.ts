import { InputError } from '../core/errors.ts';
import { formatOf } from '../devices/floppy/drive.ts';
import { FLOPPY_FORMATS } from '../devices/floppy/spec.ts';
import type { BlockDevice } from '../storage/block.ts';

/** @throws InputError for an image that is no diskette's, or for a machine without a drive for it */
export function checkFloppy(block: BlockDevice, generation: 1 | 2): void {
  if (generation === 2) {
    throw new InputError(
      block.name,
      'a diskette goes into Generation 1 only: 2 has no floppy drive',
    );
  }
  if (formatOf(block) !== undefined) return;
  const sizes = FLOPPY_FORMATS.map(({ name, sizeBytes }) => `${sizeBytes} (${name})`).join(', ');
  throw new InputError(
    block.name,
    `is no diskette: it has ${block.sizeBytes} bytes, expected ${sizes}`,
  );
}
