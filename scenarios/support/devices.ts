/** A host device that sends what a scenario tells it to, and a guest driver that takes it. */
import type { Task } from '../../src/guest/kernel/api.ts';
import type { GuestChannel, GuestDevice, GuestDriver } from '../../src/guest/vmbus/api.ts';
import type {
  OfferedDevice,
  OfferProperties,
  OpenChannel,
  VmbusDevice,
} from '../../src/vmbus/device.ts';
import { DeviceClass } from '../../src/vmbus/spec/guids.ts';
import { MessageType, OpenResult } from '../../src/vmbus/spec/messages.ts';
import type { Run } from './run.ts';

/** Instance GUIDs of these devices begin so: the driver below knows them by it. */
const INSTANCE_PREFIX = '5343454e-4152-494f-8000-';
/** Behind everything that a machine has. */
const FIRST_ORDER = 1000;

/**
 * A device that counts what comes in and parks what does not fit. Its class is that of network
 * adapters, whose channels 10.2 spreads over the processors.
 */
export class Source implements VmbusDevice {
  readonly offer: OfferProperties;
  bus: OfferedDevice | undefined;
  channel: OpenChannel | undefined;
  readonly subChannels: OpenChannel[] = [];
  /** First byte of each packet from the guest. */
  readonly received: number[] = [];
  /** Packets that wait for room in the ring. */
  readonly parked: Uint8Array[] = [];

  /** @param order among other sources; below 0 for a place before the machine's own devices */
  constructor(order: number, properties: Partial<OfferProperties> = {}) {
    const digits = (order + 0x1000).toString(16).padStart(12, '0');
    this.offer = {
      name: `source${order}`,
      interfaceId: DeviceClass.network,
      instanceId: `${INSTANCE_PREFIX}${digits}`,
      flags: 0,
      mmioMegabytes: 0,
      mmioMegabytesOptional: 0,
      userDefined: new Uint8Array(0),
      order: order < 0 ? order : FIRST_ORDER + order,
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
    if (channel === this.channel) this.channel = undefined;
  }

  signaled(channel: OpenChannel): void {
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

export interface TakerOptions {
  /** Newbus name; default "taker". */
  readonly name?: string;
  /** Processor time that a packet's handling takes. */
  readonly handlerNs?: number;
  /** Between the last look at the ring and the handler's return. */
  readonly afterDrainNs?: number;
  /** Pages of each ring. */
  readonly pages?: number;
  /** Puts channels on these processors in turn; without it, where the bus puts them. */
  readonly processors?: readonly number[];
  /** Runs instead of the count, for each packet. */
  readonly onPacket?: (device: GuestDevice) => void;
  /** Opens sub-channels in the thread that brings their offers. */
  readonly opensSubChannels?: boolean;
}

/** A guest driver for every `Source`. */
export class Taker implements GuestDriver {
  readonly name: string;
  readonly channels: GuestChannel[] = [];
  /** Devices whose attach has ended: name, status, virtual time. */
  readonly attached: { readonly name: string; readonly status: number; readonly atNs: number }[] =
    [];
  /** Virtual time at which each packet's handling was over. */
  readonly finishedNs: number[] = [];
  /** Handlers that ran at the same time. */
  mostAtOnce = 0;
  readonly #options: TakerOptions;
  #running = 0;
  #next = 0;

  constructor(options: TakerOptions = {}) {
    this.name = options.name ?? 'taker';
    this.#options = options;
  }

  probe(offer: { readonly instanceId: string }): string | undefined {
    return offer.instanceId.startsWith(INSTANCE_PREFIX) ? '' : undefined;
  }

  *attach(device: GuestDevice): Task<number> {
    const { channel, kernel } = device;
    const { processors } = this.#options;
    if (processors !== undefined) {
      channel.assignProcessor(processors[this.#next % processors.length]!);
      this.#next += 1;
    }
    this.channels.push(channel);
    const status = yield* this.#open(channel);
    this.attached.push({ name: device.name, status, atNs: kernel.hardware.clock.nowNs });
    return status;
  }

  #open(channel: GuestChannel): Task<number> {
    const { pages = 4, opensSubChannels = false } = this.#options;
    return channel.open({
      sendPages: pages,
      receivePages: pages,
      onEvent: (from) => this.#drain(from),
      ...(opensSubChannels ? { onSubChannel: (sub) => this.#openSubChannel(sub) } : {}),
    });
  }

  *#openSubChannel(channel: GuestChannel): Task {
    this.channels.push(channel);
    yield* this.#open(channel);
  }

  *detach(): Task {
    yield 1_000;
  }

  *#drain(channel: GuestChannel): Task {
    const { handlerNs = 0, afterDrainNs = 0, onPacket } = this.#options;
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    while (channel.receive()) {
      if (handlerNs > 0) yield handlerNs;
      onPacket?.(channel.device!);
      this.finishedNs.push(channel.device!.kernel.hardware.clock.nowNs);
    }
    if (afterDrainNs > 0) yield afterDrainNs;
    this.#running -= 1;
  }
}

/**
 * Keeps the results of opening a source's channels back.
 * @param held told of each with a way to deliver it after all
 */
export function holdOpenResults(
  run: Run,
  source: Source,
  held: (channelId: number, deliver: () => void) => void,
): void {
  const { vmbus } = run.board;
  vmbus.messageFilter = (message) => {
    if (message.type !== MessageType.openResult) return true;
    const copy = { ...message, bytes: message.bytes.slice() };
    const { channelId } = OpenResult.cursor(new DataView(copy.bytes.buffer)).at(0);
    const isOurs = [source.channel, ...source.subChannels].some(
      (channel) => channel?.channelId === channelId,
    );
    if (isOurs) held(channelId, () => vmbus.deliver(copy));
    return !isOurs;
  };
}
