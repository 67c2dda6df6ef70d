/** A device that sends what a script tells it to, and the model guest's driver for it. */
import type { Task } from '../guest/kernel/api.ts';
import type { GuestChannel, GuestDevice, GuestDriver } from '../guest/vmbus/api.ts';
import type { OfferedDevice, OfferProperties, OpenChannel, VmbusDevice } from '../vmbus/device.ts';
import type { VmbusServer } from '../vmbus/server.ts';
import { DeviceClass } from '../vmbus/spec/guids.ts';
import type { TestDevice, TestDeviceOptions } from './api.ts';
import { durationNs } from './values.ts';

/** Instance GUIDs of these devices begin so: the driver knows them by it. */
const INSTANCE_PREFIX = '5343454e-4152-494f-8000-';
/** Behind everything that a machine has. */
const FIRST_ORDER = 1000;
/** Keeps the digits of a negative order positive. */
const ORDER_BIAS = 0x1000;
const DEFAULT_PAGES = 4;
const LATENCY_UNIT_NS = 100;

/** Handlers of a machine's test devices that run now, and the most that did. */
class Concurrency {
  running = 0;
  most = 0;
}

/** What the guest's driver saw of one device. */
class DriverRecord {
  readonly handledNs: number[] = [];
  readonly attached: { readonly status: number; readonly atNs: number }[] = [];
  detached = 0;
  concurrency = new Concurrency();
  readonly handlerNs: number;
  readonly afterDrainNs: number;
  readonly options: TestDeviceOptions;

  constructor(options: TestDeviceOptions) {
    this.options = options;
    this.handlerNs = durationNs('handler', options.handler ?? '0ns');
    this.afterDrainNs = durationNs('afterDrain', options.afterDrain ?? '0ns');
  }

  get mostAtOnce(): number {
    return this.concurrency.most;
  }
}

/**
 * The host's side: counts what comes in and parks what does not fit. Its class is that of network
 * adapters, whose channels 10.2 spreads over the processors.
 */
class ScriptedDevice implements VmbusDevice {
  readonly offer: OfferProperties;
  readonly received: number[] = [];
  readonly parked: Uint8Array[] = [];
  bus: OfferedDevice | undefined;
  channel: OpenChannel | undefined;
  readonly subChannels: OpenChannel[] = [];
  onOpen: (() => void) | undefined;

  constructor(order: number, latencyNs: number | undefined) {
    const digits = (order + ORDER_BIAS).toString(16).padStart(12, '0');
    this.offer = {
      name: `test${order}`,
      interfaceId: DeviceClass.network,
      instanceId: `${INSTANCE_PREFIX}${digits}`,
      flags: 0,
      mmioMegabytes: 0,
      mmioMegabytesOptional: 0,
      userDefined: new Uint8Array(0),
      order: order < 0 ? order : FIRST_ORDER + order,
      ...(latencyNs === undefined
        ? {}
        : { monitorLatency100ns: Math.round(latencyNs / LATENCY_UNIT_NS) }),
    };
  }

  attached(bus: OfferedDevice): void {
    this.bus = bus;
  }

  open(channel: OpenChannel): number {
    if (channel.subChannelIndex === 0) this.channel = channel;
    else this.subChannels.push(channel);
    this.onOpen?.();
    return 0;
  }

  close(channel: OpenChannel): void {
    if (channel === this.channel) this.channel = undefined;
    const index = this.subChannels.indexOf(channel);
    if (index >= 0) this.subChannels.splice(index, 1);
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

  /** The power is gone, and with it whatever was open. */
  unplugged(): void {
    this.bus = undefined;
    this.channel = undefined;
    this.subChannels.length = 0;
    this.parked.length = 0;
  }

  #write(bytes: Uint8Array): boolean {
    return this.channel?.sendInBand(bytes, 0, bytes.length, 1, 0, false) ?? false;
  }
}

/** A test device as scripts see it. */
export class TestDeviceHandle implements TestDevice {
  readonly device: ScriptedDevice;
  readonly driver: DriverRecord;
  readonly #server: () => VmbusServer;
  #isOffered = false;

  /** @param server the bus of the present power cycle */
  constructor(order: number, options: TestDeviceOptions, server: () => VmbusServer) {
    const { monitorLatency } = options;
    this.device = new ScriptedDevice(
      order,
      monitorLatency === undefined ? undefined : durationNs('monitorLatency', monitorLatency),
    );
    this.driver = new DriverRecord(options);
    this.#server = server;
  }

  /** @throws InputError once the run is over: another machine may have the memory that its rings lie in */
  #mustBeThere(): void {
    this.#server();
  }

  get name(): string {
    return this.device.offer.name;
  }

  get isOpen(): boolean {
    return this.device.channel !== undefined;
  }

  get subChannels(): number {
    return this.device.subChannels.length;
  }

  get waiting(): number {
    return this.device.parked.length;
  }

  get received(): readonly number[] {
    return this.device.received;
  }

  get onOpen(): (() => void) | undefined {
    return this.device.onOpen;
  }

  set onOpen(callback: (() => void) | undefined) {
    this.device.onOpen = callback;
  }

  /** Ids of the channels that it has open. */
  get channelIds(): number[] {
    const { channel, subChannels } = this.device;
    return [channel, ...subChannels].flatMap((open) => open?.channelId ?? []);
  }

  offer(): void {
    this.#isOffered = true;
    this.#server().offer(this.device);
  }

  rescind(): void {
    this.#mustBeThere();
    this.#isOffered = false;
    this.device.bus?.rescind();
  }

  offerSubChannels(count: number): number {
    this.#mustBeThere();
    return this.device.bus?.offerSubChannels(count) ?? 0;
  }

  send(packet: number | Uint8Array): void {
    this.#mustBeThere();
    this.device.send(typeof packet === 'number' ? Uint8Array.of(packet) : packet.slice());
  }

  /** A new power cycle: what is plugged in is offered anew. */
  powerCycled(): void {
    this.device.unplugged();
    if (this.#isOffered) this.#server().offer(this.device);
  }
}

/** The guest's driver for every test device of a machine. */
export class TestDriver implements GuestDriver {
  readonly name = 'test';
  readonly #records = new Map<string, DriverRecord>();
  readonly #concurrency = new Concurrency();

  add({ device, driver }: TestDeviceHandle): void {
    driver.concurrency = this.#concurrency;
    this.#records.set(device.offer.instanceId, driver);
  }

  probe({ instanceId }: { readonly instanceId: string }): string | undefined {
    return this.#records.has(instanceId) ? '' : undefined;
  }

  *attach(device: GuestDevice): Task<number> {
    const { channel, kernel } = device;
    const record = this.#recordOf(channel);
    const { processor } = record.options;
    if (processor !== undefined) channel.assignProcessor(processor);
    const status = yield* this.#open(channel);
    record.attached.push({ status, atNs: kernel.hardware.clock.nowNs });
    return status;
  }

  *detach(device: GuestDevice): Task {
    this.#recordOf(device.channel).detached += 1;
    yield 1_000;
  }

  #recordOf(channel: GuestChannel): DriverRecord {
    return this.#records.get(channel.offer.instanceId)!;
  }

  #open(channel: GuestChannel): Task<number> {
    const { pages = DEFAULT_PAGES, opensSubChannels } = this.#recordOf(channel).options;
    return channel.open({
      sendPages: pages,
      receivePages: pages,
      onEvent: (from) => this.#drain(from),
      ...(opensSubChannels === true ? { onSubChannel: (sub) => this.#openSubChannel(sub) } : {}),
    });
  }

  *#openSubChannel(channel: GuestChannel): Task {
    yield* this.#open(channel);
  }

  *#drain(channel: GuestChannel): Task {
    const record = this.#recordOf(channel);
    const { concurrency, options } = record;
    concurrency.running += 1;
    concurrency.most = Math.max(concurrency.most, concurrency.running);
    while (channel.receive()) {
      if (record.handlerNs > 0) yield record.handlerNs;
      if (options.panics !== undefined) channel.device!.kernel.panic(options.panics);
      record.handledNs.push(channel.device!.kernel.hardware.clock.nowNs);
    }
    if (record.afterDrainNs > 0) yield record.afterDrainNs;
    concurrency.running -= 1;
  }
}
