/** Children of vmbus0: what the host offered, and the device that a driver made of it. */
import * as wire from '../../vmbus/spec/messages.ts';
import { ConnectionId } from '../../vmbus/spec/ids.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { ChannelOffer, GuestDevice, GuestDriver, WorkQueue } from './api.ts';
import type { Channel } from './channel.ts';

/** What a device asks of its bus. */
export interface DeviceBus {
  readonly devices: readonly GuestDevice[];
  createQueue(name: string): WorkQueue;
}

export class Device implements GuestDevice {
  readonly driver: GuestDriver;
  readonly unit: number;
  readonly channel: Channel;
  readonly kernel: Kernel;
  readonly vmbusVersion: number;
  readonly #bus: DeviceBus;
  softState: unknown;

  constructor(
    driver: GuestDriver,
    unit: number,
    channel: Channel,
    kernel: Kernel,
    vmbusVersion: number,
    bus: DeviceBus,
  ) {
    this.driver = driver;
    this.unit = unit;
    this.channel = channel;
    this.kernel = kernel;
    this.vmbusVersion = vmbusVersion;
    this.#bus = bus;
  }

  createQueue(name: string): WorkQueue {
    return this.#bus.createQueue(name);
  }

  sibling(instanceId: string): GuestDevice | undefined {
    return this.#bus.devices.find((device) => device.channel.offer.instanceId === instanceId);
  }

  get driverName(): string {
    return this.driver.name;
  }

  get name(): string {
    return `${this.driver.name}${this.unit}`;
  }
}

/** @param message an OfferChannel of full length */
export function readOffer(message: DataView, version: number): ChannelOffer {
  const offer = wire.OfferChannel.cursor(message).at(0);
  const isOldest = version === VmbusVersion.v1;
  return {
    interfaceId: offer.interfaceId,
    instanceId: offer.instanceId,
    channelId: offer.channelId,
    subChannelIndex: offer.subChannelIndex,
    flags: offer.flags,
    mmioMegabytes: offer.mmioMegabytes,
    userDefined: offer.userDefined,
    connectionId: isOldest ? ConnectionId.sharedEvent : offer.connectionId,
    monitorId: offer.monitorId,
    isMonitored: (offer.monitorAllocated & 1) !== 0,
  };
}
