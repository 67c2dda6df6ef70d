/**
 * What a machine offers on its VMBus, in the order of a real Generation-2 host (FreeBSD 13's verbose
 * boot log on build 19041), and the devices among them that are offered but not built yet.
 */
import type { OpenChannel, OfferProperties, VmbusDevice } from '../vmbus/device.ts';
import { DeviceClass, DeviceInstance } from '../vmbus/spec/guids.ts';
import { OfferFlag, PipeUserDefined, pipeType } from '../vmbus/spec/offers.ts';

/** Places in the order of offers. */
export const OfferOrder = {
  activation: 10,
  guestFileCopy: 20,
  heartbeat: 30,
  keyValuePair: 40,
  shutdown: 50,
  timeSync: 60,
  volumeShadowCopy: 70,
  ide: 75,
  scsi: 80,
  dynamicMemory: 90,
  mouse: 100,
  keyboard: 110,
  video: 120,
  inheritedActivation: 130,
  remoteDesktop: 140,
  network: 150,
} as const;

/** Unbuilt devices refuse to open with STATUS_NOT_SUPPORTED. */
const STATUS_NOT_SUPPORTED = 0xc000_00bb;

/** A device that a real host has and this machine does not: it is offered, and refuses to open. */
class UnbuiltDevice implements VmbusDevice {
  readonly offer: OfferProperties;

  constructor(offer: OfferProperties) {
    this.offer = offer;
  }

  attached(): void {
    // It never sends anything, so it needs no bus.
  }

  open(_channel: OpenChannel): number {
    return STATUS_NOT_SUPPORTED;
  }

  close(): void {
    // Never open.
  }

  signaled(): void {
    // Never open.
  }

  writable(): void {
    // Never open.
  }

  exchange(): void {
    // Never open.
  }
}

interface UnbuiltRow {
  readonly name: keyof typeof DeviceClass;
  readonly order: number;
  readonly instanceId: string;
  /** Packets carry a pipe header of message mode. */
  readonly isPipe: boolean;
}

/** `instanceId` of devices whose real ones differ from machine to machine: any constant will do. */
const UNBUILT: readonly UnbuiltRow[] = [
  {
    name: 'activation',
    order: OfferOrder.activation,
    instanceId: DeviceInstance.activation,
    isPipe: true,
  },
  {
    name: 'inheritedActivation',
    order: OfferOrder.inheritedActivation,
    instanceId: '3375baf4-9e15-4b30-b765-67acb10d607b',
    isPipe: true,
  },
  {
    name: 'remoteDesktop',
    order: OfferOrder.remoteDesktop,
    instanceId: '276aacf4-ac15-426c-98dd-7521ad3f01fe',
    isPipe: true,
  },
];

function pipeUserDefined(): Uint8Array {
  const bytes = new Uint8Array(PipeUserDefined.size);
  PipeUserDefined.cursor(new DataView(bytes.buffer)).pipeType = pipeType.is.message;
  return bytes;
}

/** The devices that are offered and not built. */
export function unbuiltDevices(): VmbusDevice[] {
  return UNBUILT.map(
    ({ name, order, instanceId, isPipe }) =>
      new UnbuiltDevice({
        name,
        order,
        interfaceId: DeviceClass[name],
        instanceId,
        flags: OfferFlag.enumerateDeviceInterface | (isPipe ? OfferFlag.namedPipeMode : 0),
        mmioMegabytes: 0,
        mmioMegabytesOptional: 0,
        userDefined: isPipe ? pipeUserDefined() : new Uint8Array(0),
      }),
  );
}

/** Instance GUID of a network adapter. @param index from 0 */
export function networkInstance(index: number): string {
  return `53595448-564d-4e49-8300-${(index + 1).toString(16).padStart(12, '0')}`;
}

/** Instance GUID of a synthetic SCSI controller. @param index from 0 */
export function scsiInstance(index: number): string {
  return `53595448-564d-5343-8349-${(index + 1).toString(16).padStart(12, '0')}`;
}
