import type { OfferProperties } from '../../vmbus/device.ts';
import {
  IDE_ACCELERATOR_INTERFACE_ID,
  IDE_OFFER_FLAG,
  IdeOfferProperties,
  SCSI_INTERFACE_ID,
} from './spec.ts';

/** A SCSI controller, or the accelerator channel of one emulated IDE disk. */
export type StorvscKind =
  | { readonly type: 'scsi'; readonly instanceId: string }
  | { readonly type: 'ide'; readonly channel: number; readonly device: number };

/** OfferChannel flag: the guest enumerates the device by its interface. */
const ENUMERATE_DEVICE_INTERFACE = 0x1;

/** @param order place among the offers, see `OfferProperties.order` */
export function storvscOffer(kind: StorvscKind, order: number): OfferProperties {
  const common = {
    flags: ENUMERATE_DEVICE_INTERFACE,
    mmioMegabytes: 0,
    mmioMegabytesOptional: 0,
    order,
  };
  if (kind.type === 'scsi') {
    return {
      ...common,
      name: 'scsi',
      interfaceId: SCSI_INTERFACE_ID,
      instanceId: kind.instanceId,
      userDefined: new Uint8Array(0),
    };
  }
  const userDefined = new Uint8Array(IdeOfferProperties.size);
  const properties = IdeOfferProperties.cursor(new DataView(userDefined.buffer)).at(0);
  properties.path = kind.channel;
  properties.target = kind.device;
  properties.flags = IDE_OFFER_FLAG;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
  return {
    ...common,
    name: 'ide',
    interfaceId: IDE_ACCELERATOR_INTERFACE_ID,
    // Guests read the channel and the device out of this GUID.
    instanceId: `${hex(kind.channel, 8)}-${hex(kind.device, 4)}-8899-0000-000000000000`,
    userDefined,
  };
}
