/** cd(4): a CD or DVD drive up to its announcement (cam/scsi/scsi_cd.c). */
import { ReadCapacity10Data } from '../../devices/scsi/spec.ts';
import type { Task } from '../kernel/api.ts';
import { CommandBlock } from './command.ts';
import { Disk } from './da.ts';
import { runCommand } from './recovery.ts';
import { readSense, senseWords } from './sense.ts';
import { pathText, type LogicalUnit } from './topology.ts';
import type { Cam } from './transport.ts';

const RETRIES = 4;
const LOGICAL_UNIT_NOT_SUPPORTED = 0x25;

export function attachCdDrive(cam: Cam, device: LogicalUnit): void {
  const drive = new Disk(cam, device, 'cd', cam.takeUnit('cd'));
  device.peripherals.push(drive);
  cam.work(`${drive.name} probe`, () => probeDrive(cam, device, drive));
}

function* probeDrive(cam: Cam, device: LogicalUnit, drive: Disk): Task {
  const { kernel } = cam;
  const bufferGpa = kernel.allocatePages(1);
  const command = new CommandBlock(drive.name, device.target.id, device.lun);
  command.readCapacity10(bufferGpa, ReadCapacity10Data.size);
  const error = yield* runCommand(cam, device.bus, command, {
    retries: RETRIES,
    retryUnitAttention: true,
    retrySelectionTimeout: true,
    quiet: true,
  });
  const { memory } = kernel.hardware;
  const at = memory.resolve(bufferGpa, ReadCapacity10Data.size);
  const { lastLba, blockBytes } = ReadCapacity10Data.cursor(memory.view).at(at);
  kernel.freePages(bufferGpa, 1);
  if (drive.isInvalid) return;
  if (error === 0) {
    drive.sectorBytes = blockBytes;
    drive.sectors = lastLba + 1;
    cam.announce(device, drive, `cd present [${lastLba + 1} x ${blockBytes} byte records]`);
    cam.diskListener?.added(drive);
    return;
  }
  const sense = command.hasSense ? readSense(command.sense) : -1;
  if (sense >= 0 && ((sense >> 8) & 0xff) !== LOGICAL_UNIT_NOT_SUPPORTED) {
    const { key, code } = senseWords(sense);
    cam.announce(device, drive, `Attempt to query device size failed: ${key}, ${code}`);
    return;
  }
  const path = pathText(drive.name, device.bus.sim, device.target.id, device.lun);
  kernel.printf(`${path}got CAM status 0x${command.status.toString(16)}\n`);
  kernel.printf(`${path}fatal error, failed to attach to device\n`);
  cam.abandon(device, drive);
}
