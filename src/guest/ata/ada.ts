/** ada(4): an ATA disk (cam/ata/ata_da.c). */
import { Disk } from '../cam/da.ts';
import type { LogicalUnit } from '../cam/topology.ts';
import type { Cam } from '../cam/transport.ts';
import type { Task } from '../kernel/api.ts';
import { guestAtaDisk } from '../trace.ts';
import type { AtaIdentity } from './identity.ts';

const MOST_CYLINDERS = 16_383;

export function attachAtaDisk(cam: Cam, device: LogicalUnit, identity: AtaIdentity): void {
  const disk = new Disk(cam, device, 'ada', cam.takeUnit('ada'), identity.name);
  disk.sectors = identity.sectors;
  device.peripherals.push(disk);
  cam.work(`${disk.name} attach`, () => attach(cam, disk, identity));
}

function* attach(cam: Cam, disk: Disk, identity: AtaIdentity): Task {
  const size = `${Math.floor(disk.mediaBytes / 0x10_0000)}MB`;
  const sectors = `${disk.sectors} 512 byte sectors`;
  const cylinders = Math.min(MOST_CYLINDERS, Math.floor(disk.sectors / (16 * 63)));
  const details =
    cam.release === 'legacy'
      ? `${size} (${sectors}: 16H 63S/T ${cylinders}C)`
      : `${size} (${sectors})`;
  cam.announce(disk.device, disk, details, `<${identity.name}> ${identity.standard} device`);
  if (cam.release === 'legacy') {
    cam.kernel.printf(`${disk.name}: Previously was known as ad${disk.unit}\n`);
  }
  cam.appeared(disk, guestAtaDisk);
  if (cam.diskListener !== undefined) yield* cam.diskListener.appeared(disk);
}
