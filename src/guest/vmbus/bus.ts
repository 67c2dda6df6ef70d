/** vmbus0: the interrupt, the messages, and the devices that offers become. */
import { VMBUS_SINT } from '../../vmbus/spec/ids.ts';
import * as wire from '../../vmbus/spec/messages.ts';
import { MessageType } from '../../vmbus/spec/messages.ts';
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import type { Task } from '../kernel/api.ts';
import { Vector } from '../kernel/apic.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { TaskQueue } from '../kernel/taskqueue.ts';
import { Priority } from '../kernel/thread.ts';
import { TIMER_SINT } from '../timers/event-timers.ts';
import { guestDevice } from '../trace.ts';
import type { GuestDriver, WorkQueue } from './api.ts';
import { Channel } from './channel.ts';
import type { ChannelHost } from './channel.ts';
import { Device, type DeviceBus, readOffer } from './child.ts';
import { build, Connection } from './connection.ts';
import { ChannelDirectory, queueEvents, runEvents } from './events.ts';
import { GlobalQueue, PerChannelQueues } from './offers.ts';
import type { OfferQueue } from './offers.ts';
import { Synic } from './synic.ts';

/** Both drivers number their GPADLs from here. */
const FIRST_GPADL_ID = 0xe1e10;
/** newbus: adding a child and asking every driver. */
const PROBE_NS = 25_000;
/** Handling one channel message. */
const MESSAGE_NS = 2_500;
/** Between two looks for the answer to a panic's UNLOAD, and the longest wait for it. */
const UNLOAD_POLL_NS = 10_000_000;
const UNLOAD_WAIT_NS = 100_000_000_000;

/** What 10.2 spreads over all processors; everything else stays on the first. */
const HIGH_PERFORMANCE: ReadonlySet<string> = new Set([
  DeviceClass.network,
  DeviceClass.ide,
  DeviceClass.scsi,
]);

export class VmBus implements ChannelHost, DeviceBus {
  readonly kernel: Kernel;
  readonly synic: Synic;
  readonly connection: Connection;
  readonly directory: ChannelDirectory;
  readonly devices: Device[] = [];
  readonly #drivers: readonly GuestDriver[];
  readonly #offers: OfferQueue;
  /** Messages of each processor: hv_msg (10.2) or hvmsgN. */
  readonly #messageQueues: TaskQueue[] = [];
  /** Events: hv_event (10.2) or hveventN. */
  readonly #eventQueues: TaskQueue[] = [];
  /** 10.2 before the fix hands every message to this thread. */
  #workQueue: TaskQueue | undefined;
  #nextGpadlId = FIRST_GPADL_ID;
  #vector = 0;
  #nextProcessor = 0;
  #isScanDone = false;
  #hasTimer = false;
  /** Deliveries of the VMBus vector, for each processor. */
  readonly interruptCounts: Float64Array;

  constructor(kernel: Kernel, drivers: readonly GuestDriver[]) {
    this.kernel = kernel;
    this.#drivers = drivers;
    this.synic = new Synic(kernel);
    this.synic.allocate();
    this.connection = new Connection(kernel, this.synic);
    this.directory = new ChannelDirectory(kernel);
    this.#offers =
      kernel.switches.offerQueue === 'perChannel'
        ? new PerChannelQueues(kernel)
        : new GlobalQueue(kernel);
    this.interruptCounts = new Float64Array(kernel.processorCount);
    this.connection.on(MessageType.offerChannel, (message) => this.#onOffer(message));
    this.connection.on(MessageType.rescindChannelOffer, (message) => this.#onRescind(message));
    this.connection.on(MessageType.allOffersDelivered, () => this.#onOffersDelivered());
    if (kernel.switches.panicUnload !== 'none') {
      kernel.beforeCrash = () => this.#leaveAfterPanic();
    }
    kernel.addSysctl('dev.vmbus.0.version', () => this.connection.versionText);
    kernel.addSysctl('dev.vmbus.0.%desc', () =>
      kernel.isLegacy ? 'Vmbus Devices' : 'Hyper-V Vmbus',
    );
  }

  createQueue(name: string): WorkQueue {
    return this.#offers.createQueue(name);
  }

  nextGpadlId(): number {
    this.#nextGpadlId += 1;
    return this.#nextGpadlId;
  }

  mapChannel(channel: Channel): void {
    this.directory.map(channel);
  }

  /** Where the hypervisor's interrupts come in. */
  get vector(): number {
    return this.#vector;
  }

  unmapChannel(channel: Channel): void {
    this.directory.unmap(channel);
  }

  /** Threads, vector and the SynIC of every processor. */
  *start(hasTimer: boolean): Task {
    this.#hasTimer = hasTimer;
    this.#allocateVector();
    for (let processor = 0; processor < this.kernel.processorCount; processor += 1) {
      this.#startThreads(processor);
    }
    yield* this.kernel.onEachProcessor((processor) => this.#setUp(processor));
  }

  *#setUp(processor: number): Task {
    this.synic.setUp(processor, this.#vector, this.#hasTimer);
    yield 0;
  }

  /** 10.2 takes the highest free IDT entry itself; today's kernel hands vectors out. */
  #allocateVector(): void {
    const { interrupts, isLegacy, switches } = this.kernel;
    let vector = isLegacy ? Vector.spurious - 1 : Vector.firstDynamic;
    while (!interrupts.isFree(vector)) vector += isLegacy ? -1 : 1;
    this.#vector = vector;
    const name = (processor: number): string => `cpu${processor}:hyperv`;
    const handler = isLegacy ? this.#legacyInterrupt : this.#interrupt;
    interrupts.install(vector, switches.irqCounters ? name : undefined, handler, true);
  }

  #startThreads(processor: number): void {
    const { kernel } = this;
    if (kernel.isLegacy) {
      const options = { processor, priority: Priority.interruptSoftware };
      this.#messageQueues.push(kernel.taskQueue('swi: hv_msg', options));
      this.#eventQueues.push(kernel.taskQueue('swi: hv_event', options));
      if (kernel.switches.offerQueue === 'perChannel' && this.#workQueue === undefined) {
        const priority = Priority.interruptDisk;
        this.#workQueue = kernel.taskQueue('hv_vmbusQ_0 taskq', { priority });
      }
    } else {
      const options = { processor, priority: Priority.interruptNetwork };
      this.#eventQueues.push(kernel.taskQueue(`hvevent${processor}`, options));
      this.#messageQueues.push(kernel.taskQueue(`hvmsg${processor}`, options));
    }
    this.#messageTasks.push({ isPending: false, run: () => this.#runMessages(processor) });
    this.#eventTasks.push({ isPending: false, run: () => this.#runLegacyEvents(processor) });
  }

  readonly #messageTasks: { isPending: boolean; run: () => Task }[] = [];
  readonly #eventTasks: { isPending: boolean; run: () => Task }[] = [];

  /** Negotiates and asks for offers. @returns false when the host refused every version */
  *connect(): Task<boolean> {
    if (!(yield* this.connection.connect())) return false;
    this.kernel.phase('vmbus-connected');
    return true;
  }

  *requestOffers(): Task {
    yield* this.connection.send(build(wire.RequestOffers, MessageType.requestOffers).bytes);
  }

  /** Today's driver: the boot goes on when every device of the first scan is attached. */
  *waitScan(): Task {
    while (!this.#isScanDone) yield* this.kernel.tsleep(this.devices, Infinity);
  }

  /** Timer message, then events, then messages. */
  readonly #interrupt = (processor: number): void => {
    const { synic, kernel } = this;
    this.interruptCounts[processor]! += 1;
    if (this.#hasTimer && synic.messageType(processor, TIMER_SINT) !== 0) {
      synic.releaseMessage(processor, TIMER_SINT);
      kernel.callouts.interrupt();
    }
    this.#takeEvents(processor);
    if (synic.messageType(processor, VMBUS_SINT) !== 0) this.#queueMessages(processor);
  };

  #takeEvents(processor: number): void {
    const { view, i32 } = this.kernel.hw.memory;
    const flags = this.synic.eventFlags(processor);
    if (!this.connection.hasSharedInterruptPage) {
      queueEvents(this.directory, i32, flags, this.#eventQueues);
    } else if (takeFirstFlag(view, flags)) {
      queueEvents(this.directory, i32, this.connection.receiveFlags, this.#eventQueues);
    }
  }

  /** Events before messages; from 2.4 on the event thread runs at every interrupt. */
  readonly #legacyInterrupt = (processor: number): void => {
    const { synic, kernel } = this;
    this.interruptCounts[processor]! += 1;
    if (this.#hasTimer && synic.messageType(processor, TIMER_SINT) !== 0) {
      synic.releaseMessage(processor, TIMER_SINT);
      kernel.callouts.interrupt();
    }
    const isShared = this.connection.hasSharedInterruptPage;
    if (!isShared || takeFirstFlag(kernel.hw.memory.view, synic.eventFlags(processor))) {
      this.#eventQueues[processor]!.enqueue(this.#eventTasks[processor]!);
    }
    if (synic.messageType(processor, VMBUS_SINT) !== 0) this.#queueMessages(processor);
  };

  #queueMessages(processor: number): void {
    this.#messageQueues[processor]!.enqueue(this.#messageTasks[processor]!);
  }

  *#runLegacyEvents(processor: number): Task {
    const { kernel } = this;
    const needsGiant = !kernel.switches.intrMpsafe;
    if (needsGiant) yield* kernel.acquireGiant();
    const flags = this.connection.hasSharedInterruptPage
      ? this.connection.receiveFlags
      : this.synic.eventFlags(processor);
    yield* runEvents(this.directory, kernel.hw.memory.i32, flags);
    if (needsGiant) kernel.releaseGiant();
  }

  *#runMessages(processor: number): Task {
    const { kernel, synic } = this;
    const needsGiant = kernel.isLegacy && !kernel.switches.intrMpsafe;
    if (needsGiant) yield* kernel.acquireGiant();
    while (synic.messageType(processor, VMBUS_SINT) !== 0) {
      const bytes = synic.message(processor, VMBUS_SINT);
      this.#take(new DataView(bytes.buffer));
      synic.releaseMessage(processor, VMBUS_SINT);
      yield MESSAGE_NS;
    }
    if (needsGiant) kernel.releaseGiant();
  }

  #take(message: DataView): void {
    if (this.#workQueue === undefined) {
      this.connection.dispatch(message);
      return;
    }
    this.#workQueue.enqueue({ isPending: false, run: () => this.#dispatchLater(message) });
  }

  *#dispatchLater(message: DataView): Task {
    yield MESSAGE_NS;
    this.connection.dispatch(message);
  }

  #onOffer(message: DataView): void {
    if (message.byteLength < wire.OfferChannel.size) return;
    const offer = readOffer(message, this.connection.version);
    const channel = new Channel(offer, this);
    this.kernel.bootverbose(
      `vmbus0: chan${offer.channelId} subidx${offer.subChannelIndex} offer\n`,
    );
    this.#chooseProcessor(channel);
    // A rescind may be the next message: today's driver knows the channel from its offer on.
    if (!this.kernel.isLegacy && !this.#register(channel)) return;
    const hasOwnQueue = offer.subChannelIndex !== 0 && this.#hasRescindQueue;
    this.#offers.add(channel, hasOwnQueue, () => this.#processOffer(channel));
  }

  get #hasRescindQueue(): boolean {
    return this.kernel.switches.rescindQueue === 'own';
  }

  #chooseProcessor(channel: Channel): void {
    const { kernel, connection } = this;
    const isSpread =
      kernel.isLegacy &&
      connection.version >= VmbusVersion.win8 &&
      HIGH_PERFORMANCE.has(channel.offer.interfaceId);
    if (isSpread) {
      this.#nextProcessor += 1;
      channel.assignProcessor(this.#nextProcessor);
    }
    kernel.bootverbose(
      `vmbus0: chan${channel.id} assigned to cpu${channel.processor} ` +
        `[vcpu${this.synic.vpIndexOf(channel.processor)}]\n`,
    );
  }

  *#processOffer(channel: Channel): Task {
    if (this.kernel.isLegacy && !this.#register(channel)) return;
    const { primary } = channel;
    if (primary === undefined) yield* this.#attach(channel);
    else yield* primary.announceSubChannel(channel);
  }

  /** @returns false for a second offer, and for a sub-channel of no device */
  #register(channel: Channel): boolean {
    const { offer } = channel;
    const isSubChannel = offer.subChannelIndex !== 0;
    const primary = this.directory.list.find(
      (other) =>
        other.primary === undefined &&
        other.offer.interfaceId === offer.interfaceId &&
        other.offer.instanceId === offer.instanceId,
    );
    if (isSubChannel !== (primary !== undefined)) return false;
    if (primary === undefined) this.directory.add(channel);
    else this.#adopt(primary, channel);
    return true;
  }

  #adopt(primary: Channel, channel: Channel): void {
    if (this.kernel.isLegacy) {
      this.kernel.printf(`Storvsc get multi-channel offer, rel=${channel.id}.\n`);
    }
    channel.primary = primary;
    channel.device = primary.device;
    this.directory.add(channel);
    primary.subChannels.push(channel);
    this.kernel.wakeup(primary.subChannels);
  }

  /** newbus: probe under Giant as both kernels do, announce, attach. */
  *#attach(channel: Channel): Task {
    const { kernel } = this;
    yield* kernel.acquireGiant();
    yield PROBE_NS;
    for (const driver of this.#drivers) {
      if (this.#unloaded.has(driver.name)) continue;
      const description = driver.probe(channel.offer, kernel);
      if (description === undefined) continue;
      const unit = this.#nextUnit(driver.name);
      const { version } = this.connection;
      const device = new Device(driver, unit, channel, kernel, version, this);
      channel.device = device;
      this.devices.push(device);
      const shown = description === '' ? '' : `: <${description}>`;
      kernel.printf(`${device.name}${shown} on vmbus0\n`);
      yield 0;
      const error = yield* driver.attach(device);
      if (error === 0) {
        kernel.trace.emitText(guestDevice, device.name, channel.id);
      } else {
        kernel.printf(`device_attach: ${device.name} attach returned ${error}\n`);
        this.#forgetDevice(channel);
      }
      break;
    }
    kernel.releaseGiant();
  }

  readonly #unloaded = new Set<string>();

  /** kldunload has taken this driver away. */
  isUnloaded(driver: string): boolean {
    return this.#unloaded.has(driver);
  }

  /** kldunload: every device of the driver is detached. @returns false while one is in use */
  *unloadDriver(name: string): Task<boolean> {
    const { kernel } = this;
    const own = this.devices.filter(({ driverName }) => driverName === name);
    if (own.some((device) => device.driver.isBusy?.(device) === true)) return false;
    this.#unloaded.add(name);
    yield* kernel.acquireGiant();
    for (const device of own) {
      if (device.driver.detach !== undefined) yield* device.driver.detach(device);
      kernel.printf(`${device.name}: detached\n`);
      this.#forgetDevice(device.channel);
    }
    kernel.releaseGiant();
    return true;
  }

  /** kldload: the driver is asked about every offer that nobody has taken. */
  *loadDriver(name: string): Task<boolean> {
    if (!this.#unloaded.delete(name)) return true;
    const waiting = this.directory.list.filter(
      ({ primary, device, isRevoked }) =>
        primary === undefined && device === undefined && !isRevoked,
    );
    for (const channel of waiting) yield* this.#attach(channel);
    return true;
  }

  #nextUnit(name: string): number {
    let unit = 0;
    while (this.devices.some((device) => device.driverName === name && device.unit === unit)) {
      unit += 1;
    }
    return unit;
  }

  #forgetDevice(channel: Channel): void {
    const index = this.devices.findIndex((device) => device.channel === channel);
    if (index >= 0) this.devices.splice(index, 1);
    channel.device = undefined;
  }

  #onRescind(message: DataView): void {
    if (message.byteLength < wire.RescindChannelOffer.size) return;
    const channel = this.directory.withId(wire.RescindChannelOffer.cursor(message).at(0).channelId);
    if (channel === undefined || channel.isRevoked) return;
    if (!this.#hasRescindQueue) {
      this.#offers.add(channel, false, () => this.#detachLate(channel));
      return;
    }
    channel.isRevoked = true;
    this.kernel.wakeup(channel.subChannels);
    this.#offers.add(channel, channel.primary !== undefined, () => this.#detach(channel));
  }

  /** The rescind comes to notice only once everything that was queued before it is done. */
  *#detachLate(channel: Channel): Task {
    channel.isRevoked = true;
    this.kernel.wakeup(channel.subChannels);
    yield* this.#detach(channel);
  }

  *#detach(channel: Channel): Task {
    const { kernel } = this;
    const device = this.devices.find((candidate) => candidate.channel === channel);
    if (device !== undefined) {
      yield* kernel.acquireGiant();
      if (device.driver.detach !== undefined) yield* device.driver.detach(device);
      kernel.printf(`${device.name}: detached\n`);
      this.#forgetDevice(channel);
      kernel.releaseGiant();
    }
    yield* channel.close();
    const siblings = channel.primary?.subChannels;
    siblings?.splice(siblings.indexOf(channel), 1);
    this.directory.remove(channel);
    this.#offers.forget(channel);
    if (!kernel.switches.relidReleased) return;
    const { fields, bytes } = build(wire.RelIdReleased, MessageType.relIdReleased);
    fields.channelId = channel.id;
    yield* this.connection.send(bytes);
  }

  /**
   * The farewell of a panic, when nothing else runs any more: the answer is polled for. It comes to
   * the processor that InitiateContact named, whichever one panics.
   */
  *#leaveAfterPanic(): Task {
    const { connection, kernel, synic } = this;
    if (connection.version === 0) return;
    yield* connection.send(build(wire.Unload, MessageType.unload).bytes);
    const isScan = kernel.switches.panicUnload === 'allSlots';
    const first = isScan ? 0 : kernel.processor;
    const end = isScan ? kernel.processorCount : first + 1;
    const limitNs = isScan ? UNLOAD_WAIT_NS : Infinity;
    for (let waitedNs = 0; waitedNs < limitNs; waitedNs += UNLOAD_POLL_NS) {
      for (let processor = first; processor < end; processor += 1) {
        if (synic.messageType(processor, VMBUS_SINT) === 0) continue;
        const bytes = synic.message(processor, VMBUS_SINT);
        synic.releaseMessage(processor, VMBUS_SINT);
        if (bytes.length < wire.MessageHeader.size) continue;
        if (new DataView(bytes.buffer).getUint32(0, true) === MessageType.unloadComplete) return;
      }
      yield UNLOAD_POLL_NS;
    }
    kernel.printf('vmbus0: no answer to UNLOAD\n');
  }

  /** 10.2 ignores it; today it is queued behind the last attach. */
  #onOffersDelivered(): void {
    if (this.kernel.isLegacy) {
      this.kernel.phase('offers-delivered');
      return;
    }
    this.#offers.add(this, false, () => this.#finishScan());
  }

  *#finishScan(): Task {
    yield 0;
    this.#isScanDone = true;
    this.kernel.phase('offers-delivered');
    this.kernel.bootverbose('vmbus0: device scan, probe and attach done\n');
    this.kernel.wakeup(this.devices);
  }
}

function takeFirstFlag(view: DataView, flags: number): boolean {
  const word = view.getUint32(flags, true);
  view.setUint32(flags, (word & ~1) >>> 0, true);
  return (word & 1) !== 0;
}
