/** Hosts and disks for the tests of the storage stack. */
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import type { LogicalUnit } from '../../../src/devices/scsi/logical-unit.ts';
import type { LunAddress } from '../../../src/devices/storvsc/luns.ts';
import {
  DEFAULT_STORVSC_PROFILE,
  type StorvscProfile,
} from '../../../src/devices/storvsc/profile.ts';
import { VstorVersion } from '../../../src/devices/storvsc/spec.ts';
import { HOST_PROFILES } from '../../../src/machine/profiles.ts';
import { ArrayDisk } from '../../support/array-disk.ts';

/** How hosts differ for a storage driver: the flavours of freebsd-bis.md 1.14. */
export const flavours = {
  ws2012: HOST_PROFILES.ws2012.storvsc,
  ws2012r2: HOST_PROFILES.ws2012r2.storvsc,
  ws2016tp: HOST_PROFILES.ws2016tp.storvsc,
  ws2016: HOST_PROFILES.ws2016.storvsc,
  openvmm: { ...DEFAULT_STORVSC_PROFILE, absentLun: 'openvmm', maxVersion: VstorVersion.blue },
} as const satisfies Record<string, StorvscProfile>;
export type Flavour = keyof typeof flavours;

export const DISK_BYTES = 64 * 1024;

export function scsiDisk(content: Uint8Array | number = DISK_BYTES): ScsiDisk {
  return new ScsiDisk(new ArrayDisk(content));
}

/** "0:0 0:9" as disks at target 0, LUNs 0 and 9. */
export function disksAt(text: string): { address: LunAddress; unit: LogicalUnit }[] {
  const places = text.split(' ').filter((place) => place.includes(':'));
  return places.map((place) => {
    const [target, lun] = place.split(':').map(Number);
    return { address: { target: target!, lun: lun! }, unit: scsiDisk() };
  });
}
