/** A SCSI disk whose bytes and answers a scenario chooses. */
import type { Vm } from 'synthvm';
import type { ScsiDiskOptions } from '../../src/devices/scsi/disk.ts';
import type { LogicalUnit } from '../../src/devices/scsi/logical-unit.ts';
import type { BlockDevice } from '../../src/storage/block.ts';
import { inside } from './machines.ts';

const SECTOR_BYTES = 512;

function blockOf(bytes: Uint8Array): BlockDevice {
  return {
    name: 'a disk of the scenario',
    sectorBytes: SECTOR_BYTES,
    physicalSectorBytes: SECTOR_BYTES,
    sizeBytes: bytes.length,
    readOnly: false,
    diskId: new Uint8Array(16),
    read: (position, target, start, length) =>
      target.set(bytes.subarray(position, position + length), start),
    write: (position, source, start, length) =>
      bytes.set(source.subarray(start, start + length), position),
    unmap: (position, length) => bytes.fill(0, position, position + length),
    flush: () => undefined,
    close: () => undefined,
  };
}

/** Plugs it into the synthetic controller. @returns the unit, with its faults */
export function plugIn(
  vm: Vm,
  lun: number,
  bytes: Uint8Array,
  options: ScsiDiskOptions = {},
): LogicalUnit {
  const { board } = inside(vm);
  // The machine's own kind of disk, as its boot disk is.
  const Disk = board.disks[0]!.unit.constructor as new (
    block: BlockDevice,
    options: ScsiDiskOptions,
  ) => LogicalUnit;
  const unit = new Disk(blockOf(bytes), options);
  board.scsi.attach({ target: 0, lun }, unit);
  return unit;
}
