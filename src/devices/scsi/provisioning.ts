import type { BlockDevice } from '../../storage/block.ts';
import { MAX_UNMAP_BLOCKS, MAX_UNMAP_DESCRIPTORS, MAX_WRITE_SAME_BYTES } from './inquiry.ts';
import { LbaStatusData, Sense, UnmapDescriptor, UnmapHeader } from './spec.ts';
import { DataDirection, type ScsiTask } from './task.ts';

/**
 * WRITE SAME (10) and (16), SBC-3 5.43 and 5.44. The UNMAP bit is a hint that is not taken: without
 * LBPRZ the blocks must read as they were given, and writing them is the sure way. The caller has
 * checked the LBA range.
 */
export function writeSame(task: ScsiTask, disk: BlockDevice): void {
  const sector = disk.sectorBytes;
  const length = task.mediumBlocks * sector;
  if (disk.readOnly) {
    task.fail(Sense.writeProtected);
  } else if (length > MAX_WRITE_SAME_BYTES) {
    task.illegal(Sense.lbaOutOfRange);
  } else if (length === 0) {
    task.good();
  } else if (task.data.length < sector || task.direction !== DataDirection.out) {
    task.illegal(Sense.invalidFieldInCdb);
  } else {
    task.data.repeatTo(disk, task.mediumLba * sector, sector, length);
    task.good(sector, length);
  }
}

/** UNMAP, SBC-3 5.28. Every descriptor is checked before the first range is given back. */
export function unmap(task: ScsiTask, disk: BlockDevice, blocks: number): void {
  const length = task.cdb16(7);
  if (
    length < UnmapHeader.size ||
    length !== task.data.length ||
    task.direction !== DataDirection.out
  ) {
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  if (disk.readOnly) {
    task.fail(Sense.writeProtected);
    return;
  }
  const view = task.scratchView;
  task.data.read(0, task.scratch, 0, length);
  const header = UnmapHeader.cursor(view).at(0);
  const listed = header.descriptorsLength;
  if (header.dataLength !== length - 2 || listed !== length - UnmapHeader.size) {
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  const count = Math.floor(listed / UnmapDescriptor.size);
  if (count > MAX_UNMAP_DESCRIPTORS) {
    task.illegal(Sense.invalidFieldInParameterList);
    return;
  }
  const descriptor = UnmapDescriptor.cursor(view);
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    descriptor.at(UnmapHeader.size + index * UnmapDescriptor.size);
    const lba = descriptor.lbaHi * 0x1_0000_0000 + descriptor.lbaLo;
    if (lba >= blocks || descriptor.blocks > blocks - lba) {
      task.illegal(Sense.lbaOutOfRange);
      return;
    }
    total += descriptor.blocks;
  }
  if (total > MAX_UNMAP_BLOCKS) {
    task.illegal(Sense.invalidFieldInParameterList);
    return;
  }
  for (let index = 0; index < count; index += 1) {
    descriptor.at(UnmapHeader.size + index * UnmapDescriptor.size);
    const lba = descriptor.lbaHi * 0x1_0000_0000 + descriptor.lbaLo;
    if (descriptor.blocks > 0) {
      disk.unmap(lba * disk.sectorBytes, descriptor.blocks * disk.sectorBytes);
    }
  }
  task.good(length);
}

/** GET LBA STATUS, SBC-3 5.6: one descriptor, everything up to the end of the disk is mapped. */
export function getLbaStatus(task: ScsiTask, blocks: number): void {
  const lba = task.cdb64(2);
  const allocation = task.cdb32(10);
  if (lba >= blocks) {
    task.illegal(Sense.lbaOutOfRange);
    return;
  }
  if (allocation === 0) {
    task.good();
    return;
  }
  if (allocation !== task.data.length || allocation < LbaStatusData.size) {
    task.illegal(Sense.invalidFieldInCdb);
    return;
  }
  task.scratch.fill(0, 0, LbaStatusData.size);
  const status = LbaStatusData.cursor(task.scratchView).at(0);
  status.parameterLength = LbaStatusData.size - 4;
  status.lbaHi = Math.floor(lba / 0x1_0000_0000);
  status.lbaLo = lba >>> 0;
  status.blocks = Math.min(blocks - lba, 0xffff_ffff);
  task.reply(LbaStatusData.size, allocation);
}
