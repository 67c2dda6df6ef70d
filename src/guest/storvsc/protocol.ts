/** What the driver knows of the vstor protocol's versions, and which it asks for. */
import { PACKET_BYTES_V1, PACKET_BYTES_V2, VstorVersion } from '../../devices/storvsc/spec.ts';
import type { Switches } from '../switches.ts';

/** How the two lines of requests differ: from Windows 8 on they carry 16 bytes more. */
export interface VstorDialect {
  /** Major << 8 | minor. */
  readonly version: number;
  readonly packetBytes: number;
  /** Room for sense data that the request promises. */
  readonly senseBytes: number;
}

const SENSE_BYTES_BEFORE_WINDOWS_8 = 18;
const SENSE_BYTES_SINCE_WINDOWS_8 = 20;

function dialect(version: number): VstorDialect {
  const isNew = version >= VstorVersion.win8;
  return {
    version,
    packetBytes: isNew ? PACKET_BYTES_V2 : PACKET_BYTES_V1,
    senseBytes: isNew ? SENSE_BYTES_SINCE_WINDOWS_8 : SENSE_BYTES_BEFORE_WINDOWS_8,
  };
}

/** vmstor_proto_list of EN-16:12 and later. */
const dialects: readonly VstorDialect[] = [
  dialect(VstorVersion.threshold),
  dialect(VstorVersion.blue),
  dialect(VstorVersion.win8),
  dialect(VstorVersion.win7),
  dialect(VstorVersion.win6),
];

/** Protocol VMBus 1.1, which is Windows 7 (Windows Server 2008 R2). */
const VMBUS_WINDOWS_7 = 0x0001_0001;

export type StorvscMode = Switches['storvscMode'];

/** Before EN-16:12 the driver asked for one version, chosen by the bus's. */
export function negotiatesVersion(mode: StorvscMode): boolean {
  return mode !== 'legacy' && mode !== 'workaround';
}

/** Versions in the order in which they are asked for. */
export function proposedDialects(mode: StorvscMode, vmbusVersion: number): readonly VstorDialect[] {
  if (negotiatesVersion(mode)) return dialects;
  return [dialect(vmbusVersion <= VMBUS_WINDOWS_7 ? VstorVersion.win7 : VstorVersion.win8)];
}

/** Whether a bus of this version has sub-channels at all. */
export function hasSubChannels(vmbusVersion: number): boolean {
  return vmbusVersion > VMBUS_WINDOWS_7;
}
