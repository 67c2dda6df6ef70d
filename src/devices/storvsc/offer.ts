import type { OfferProperties } from '../../vmbus/device.ts';
import { DeviceClass, ideInstance } from '../../vmbus/spec/guids.ts';
import { OfferFlag } from '../../vmbus/spec/offers.ts';
import { IDE_OFFER_FLAG, IdeOfferProperties } from './spec.ts';

/** A SCSI controller, or the accelerator channel of one emulated IDE disk. */
export type StorvscKind =
  | { readonly type: 'scsi'; readonly instanceId: string }
  | { readonly type: 'ide'; readonly channel: number; readonly device: number };

/** @param order place among the offers, see `OfferProperties.order` */
export function storvscOffer(kind: StorvscKind, order: number): OfferProperties {
  const common = {
    flags: OfferFlag.enumerateDeviceInterface,
    mmioMegabytes: 0,
    mmioMegabytesOptional: 0,
    order,
  };
  if (kind.type === 'scsi') {
    return {
      ...common,
      name: 'scsi',
      interfaceId: DeviceClass.scsi,
      instanceId: kind.instanceId,
      userDefined: new Uint8Array(0),
    };
  }
  const userDefined = new Uint8Array(IdeOfferProperties.size);
  const properties = IdeOfferProperties.cursor(new DataView(userDefined.buffer)).at(0);
  properties.path = kind.channel;
  properties.target = kind.device;
  properties.flags = IDE_OFFER_FLAG;
  return {
    ...common,
    name: 'ide',
    interfaceId: DeviceClass.ide,
    // Guests read the channel and the device out of this GUID.
    instanceId: ideInstance(kind.channel, kind.device),
    userDefined,
  };
}
