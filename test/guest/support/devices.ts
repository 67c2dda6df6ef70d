/** A host device that sends and counts, and a guest driver that takes its time over each packet. */
import type { Task } from '../../../src/guest/kernel/api.ts';
import type {
  ChannelOffer,
  GuestChannel,
  GuestDevice,
  GuestDriver,
} from '../../../src/guest/vmbus/api.ts';
import type {
  OfferedDevice,
  OfferProperties,
  OpenChannel,
  VmbusDevice,
} from '../../../src/vmbus/device.ts';
import { DeviceClass } from '../../../src/vmbus/spec/guids.ts';

export class Source implements VmbusDevice {
  readonly offer: OfferProperties;
  bus: OfferedDevice | undefined;
  channel: OpenChannel | undefined;
  readonly subChannels: OpenChannel[] = [];
  /** Payloads that the guest sent, first byte of each. */
  readonly received: number[] = [];
  signals = 0;
  /** Packets that wait for room in the ring. */
  readonly parked: Uint8Array[] = [];
  closed = 0;

  constructor(order: number, properties: Partial<OfferProperties> = {}) {
    const digits = order.toString(16).padStart(12, '0');
    this.offer = {
      name: `source${order}`,
      interfaceId: DeviceClass.scsi,
      instanceId: `11111111-2222-3333-4444-${digits}`,
      flags: 0,
      mmioMegabytes: 0,
      mmioMegabytesOptional: 0,
      userDefined: new Uint8Array(120),
      order,
      ...properties,
    };
  }

  attached(bus: OfferedDevice): void {
    this.bus = bus;
  }

  open(channel: OpenChannel): number {
    if (channel.subChannelIndex === 0) this.channel = channel;
    else this.subChannels.push(channel);
    return 0;
  }

  close(channel: OpenChannel): void {
    this.closed += 1;
    if (channel === this.channel) this.channel = undefined;
  }

  signaled(channel: OpenChannel): void {
    this.signals += 1;
    while (channel.receive()) {
      this.received.push(channel.packet.bytes[channel.packet.payloadStart]!);
    }
  }

  writable(): void {
    while (this.parked.length > 0 && this.#write(this.parked[0]!)) this.parked.shift();
  }

  send(bytes: Uint8Array): void {
    if (this.parked.length > 0 || !this.#write(bytes)) this.parked.push(bytes);
  }

  #write(bytes: Uint8Array): boolean {
    return this.channel!.sendInBand(bytes, 0, bytes.length, 1, 0, false);
  }
}

export interface Sink {
  readonly driver: GuestDriver;
  readonly channels: GuestChannel[];
  readonly devices: GuestDevice[];
  /** Virtual time at which each packet's handling was over. */
  readonly finishedNs: number[];
  mostAtOnce: number;
}

export interface SinkOptions {
  readonly name?: string;
  readonly interfaceId?: string;
  readonly handlerNs?: number;
  readonly pages?: number;
  /** Printed after the attach, as a network driver prints its address. */
  readonly attachLine?: (offer: ChannelOffer) => string;
  readonly attachNs?: number;
}

export function sink(options: SinkOptions = {}): Sink {
  const { name = 'sink', interfaceId = DeviceClass.scsi, handlerNs = 0, pages = 4 } = options;
  const state: Sink = {
    channels: [],
    devices: [],
    finishedNs: [],
    mostAtOnce: 0,
    driver: {
      name,
      probe: (offer) => (offer.interfaceId === interfaceId ? '' : undefined),
      attach,
      *detach(): Task {
        yield 1_000;
      },
    },
  };
  let running = 0;
  function* onEvent(channel: GuestChannel): Task {
    running += 1;
    state.mostAtOnce = Math.max(state.mostAtOnce, running);
    while (channel.receive()) {
      if (handlerNs > 0) yield handlerNs;
      state.finishedNs.push(channel.device!.kernel.hardware.clock.nowNs);
    }
    running -= 1;
  }
  function* attach(device: GuestDevice): Task<number> {
    state.devices.push(device);
    state.channels.push(device.channel);
    if (options.attachNs !== undefined) yield options.attachNs;
    const status = yield* device.channel.open({
      sendPages: pages,
      receivePages: pages,
      onEvent,
    });
    if (options.attachLine !== undefined) {
      device.kernel.printf(`${device.name}: ${options.attachLine(device.channel.offer)}\n`);
    }
    return status;
  }
  return state;
}
