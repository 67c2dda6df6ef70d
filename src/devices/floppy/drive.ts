import type { StateStream } from '../../core/state.ts';
import { type BlockDevice, DiskFault } from '../../storage/block.ts';
import { FLOPPY_FORMATS, FLOPPY_SECTOR_BYTES, type FloppyFormat, LAST_CYLINDER } from './spec.ts';

/** @returns undefined for a size that is no diskette's */
export function formatOf({ sizeBytes, sectorBytes }: BlockDevice): FloppyFormat | undefined {
  if (sectorBytes !== FLOPPY_SECTOR_BYTES) return undefined;
  return FLOPPY_FORMATS.find((format) => format.sizeBytes === sizeBytes);
}

/** A drive: where its head is, and the diskette in it. */
export class FloppyDrive {
  #block: BlockDevice | undefined;
  #format: FloppyFormat | undefined;
  cylinder = 0;
  /** The change line: the drive was opened, and its head has not moved over a diskette since. */
  #hasChanged = true;

  /** @param block of a size that `formatOf` knows; undefined takes out what is in the drive */
  change(block: BlockDevice | undefined): void {
    const format = block && formatOf(block);
    if (block !== undefined && format === undefined) {
      throw new Error(`${block.name} is no diskette: ${block.sizeBytes} bytes`);
    }
    this.#block = block;
    this.#format = format;
    this.#hasChanged = true;
  }

  exchange(state: StateStream): void {
    this.cylinder = state.number('cylinder', this.cylinder);
    this.#hasChanged = state.flag('hasChanged', this.#hasChanged);
  }

  get block(): BlockDevice | undefined {
    return this.#block;
  }

  /** Of the diskette in it. */
  get format(): FloppyFormat | undefined {
    return this.#format;
  }

  get isWriteProtected(): boolean {
    return this.#block?.readOnly === true;
  }

  get isChangeLineUp(): boolean {
    return this.#hasChanged || this.#block === undefined;
  }

  /** Moves the head to a cylinder, or as far as it goes. */
  step(to: number): void {
    const target = Math.max(0, Math.min(to, LAST_CYLINDER));
    if (target !== this.cylinder && this.#block !== undefined) this.#hasChanged = false;
    this.cylinder = target;
  }

  /** Position of a sector below the head in the image, or -1. @param sector from 1 */
  #position(head: number, sector: number): number {
    const format = this.#format;
    if (format === undefined || this.cylinder >= format.cylinders || head >= format.heads)
      return -1;
    if (sector < 1 || sector > format.sectors) return -1;
    const track = this.cylinder * format.heads + head;
    return (track * format.sectors + sector - 1) * FLOPPY_SECTOR_BYTES;
  }

  /** @returns false when the image does not give it; a sector that is not there is the caller's mistake */
  read(head: number, sector: number, target: Uint8Array): boolean {
    return this.#access(() =>
      this.#block!.read(this.#position(head, sector), target, 0, FLOPPY_SECTOR_BYTES),
    );
  }

  write(head: number, sector: number, source: Uint8Array): boolean {
    return this.#access(() =>
      this.#block!.write(this.#position(head, sector), source, 0, FLOPPY_SECTOR_BYTES),
    );
  }

  hasSector(head: number, sector: number): boolean {
    return this.#position(head, sector) >= 0;
  }

  #access(run: () => void): boolean {
    try {
      run();
      return true;
    } catch (error) {
      if (error instanceof DiskFault) return false;
      throw error;
    }
  }
}
