import type { OfferProperties } from '../../vmbus/device.ts';
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import { OfferFlag } from '../../vmbus/spec/offers.ts';

/** What OpenVMM and Windows ask of a monitored notification: 100 us. */
const MONITOR_LATENCY_100NS = 1000;

/** @param order place among the offers, see `OfferProperties.order` */
export function netvscOffer(instanceId: string, order: number): OfferProperties {
  return {
    name: 'network',
    interfaceId: DeviceClass.network,
    instanceId,
    flags: OfferFlag.enumerateDeviceInterface,
    mmioMegabytes: 0,
    mmioMegabytesOptional: 0,
    userDefined: new Uint8Array(0),
    monitorLatency100ns: MONITOR_LATENCY_100NS,
    order,
  };
}
