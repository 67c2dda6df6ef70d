import { MmioBus, PortBus } from '../core/bus.ts';
import type { VirtualClock } from '../core/clock.ts';
import { InputError } from '../core/errors.ts';
import type { EventHandle, EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import { ScsiDisk } from '../devices/scsi/disk.ts';
import type { IdeController } from '../devices/ide/controller.ts';
import { ScsiDvd } from '../devices/scsi/dvd.ts';
import { MICROSOFT_IDE_DVD } from '../devices/scsi/inquiry.ts';
import { DebugExit } from '../devices/debug-exit/debug-exit.ts';
import { DynamicMemory } from '../devices/dynamic-memory/dynamic-memory.ts';
import type { SyntheticKeyboard } from '../devices/keyboard/keyboard.ts';
import type { SyntheticMouse } from '../devices/mouse/mouse.ts';
import type { NetvscAdapter } from '../devices/netvsc/adapter.ts';
import { SyntheticVideo } from '../devices/video/video.ts';
import { Display } from '../fb/display.ts';
import type { LogicalUnit } from '../devices/scsi/logical-unit.ts';
import { StorvscController } from '../devices/storvsc/controller.ts';
import type { BaseCpuid } from '../hypervisor/cpuid.ts';
import { Partition, type Halves } from '../hypervisor/partition.ts';
import { HvStatus } from '../hypervisor/spec/hypercalls.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { VmbusDevice } from '../vmbus/device.ts';
import { VmbusServer } from '../vmbus/server.ts';
import { ideInstance } from '../vmbus/spec/guids.ts';
import { VMBUS_MESSAGE_TYPE } from '../vmbus/spec/ids.ts';
import { buildChipset, type Chipset } from './chipset.ts';
import type { ConsoleLine } from './console.ts';
import { crashText } from './crash-text.ts';
import { buildInput, buildIntegration, type Integration } from './integration.ts';
import { APIC_HZ, DEVICE_WINDOWS, FRAMEBUFFER, TSC_HZ } from './layout.ts';
import { MessageBuffers, type MessageRate } from './message-buffers.ts';
import type { MachineNetwork } from './network.ts';
import { OfferOrder, scsiInstance, unbuiltDevices } from './offers.ts';
import type { HostProfile } from './profiles.ts';

/** IDE places of a Gen-1 machine, channel * 2 + device. */
const IDE_PLACES = [0, 1, 2, 3];
/** Which of them DVD drives take: the second channel first, as Hyper-V does. */
const DVD_PLACES = [2, 3, 1, 0];

const MESSAGE_RETRY_NS = 1_000_000;

/** A disk and where it is plugged in. */
export interface PluggedDisk {
  readonly block: BlockDevice;
  readonly kind: 'disk' | 'dvd';
  readonly controllerId: string;
  readonly target: number;
  readonly lun: number;
  readonly unit: LogicalUnit;
}

export interface BoardHost {
  onInterruptPending(processor: number): void;
  /** @param text what the guest left in memory with it, or nothing */
  onCrash(processor: number, parameters: readonly Halves[], text: string): void;
  onTripleFault(processor: number): void;
  onUnimplemented(processor: number, what: string): void;
  /** Drop this processor's cached translations. */
  onFlush(processor: number): void;
  /** The port of `debugExitPort` was written. */
  onDebugExit(value: number): void;
  onPowerOff(): void;
  onReset(): void;
}

export interface BoardOptions {
  readonly generation: 1 | 2;
  readonly profile: HostProfile;
  readonly processors: number;
  readonly network: MachineNetwork;
  readonly disks: readonly BlockDevice[];
  readonly dvds: readonly BlockDevice[];
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly memory: GuestMemory;
  readonly console: ConsoleLine;
  readonly host: BoardHost;
  /** Of processors that execute instructions; default: the model guest's. */
  readonly cpuid?: BaseCpuid;
  /** A port whose writes go to `onDebugExit`. */
  readonly debugExitPort?: number;
}

/**
 * Everything that a power cycle makes new: partition, buses, chipset, VMBus and its devices. Clock,
 * memory and disks outlive it.
 */
export class Board {
  readonly partition: Partition;
  readonly vmbus: VmbusServer;
  readonly chipset: Chipset;
  /** The synthetic SCSI controller. */
  readonly scsi: StorvscController;
  readonly integration: Integration;
  readonly dynamicMemory: DynamicMemory;
  readonly keyboard: SyntheticKeyboard;
  readonly mouse: SyntheticMouse;
  readonly video: SyntheticVideo;
  /** Network adapters, in the order of their offers. */
  readonly adapters: readonly NetvscAdapter[];
  /** In the order in which firmware looks at them. */
  readonly disks: readonly PluggedDisk[];
  readonly #options: BoardOptions;
  #messageBuffers: MessageBuffers | undefined;
  #isMonitorArmed = false;
  /** How often the host looks at the monitor page; Infinity while no open channel uses it. */
  #monitorIntervalNs = Infinity;
  #isFlushArmed = false;
  #monitorEvent: EventHandle | undefined;
  #flushEvent: EventHandle | undefined;

  constructor(options: BoardOptions) {
    this.#options = options;
    this.limitMessages(options.profile.messageRate);
    const { clock, events, trace, memory, profile, host } = options;
    const ports = new PortBus();
    const mmio = new MmioBus();
    this.partition = new Partition({
      memory,
      clock,
      events,
      trace,
      ports,
      mmio,
      profile: profile.hypervisor,
      processorCount: options.processors,
      tscHz: TSC_HZ,
      apicHz: APIC_HZ,
      deviceWindows: DEVICE_WINDOWS,
      ...(options.cpuid === undefined ? {} : { baseCpuid: options.cpuid }),
      onInterruptPending: (processor) => host.onInterruptPending(processor),
      onPostMessage: (connection, _type, payload, start, length) =>
        this.#receiveMessage(connection, payload, start, length),
      onSignalEvent: (connection, flag) => this.vmbus.receiveEvent(connection, flag),
      onCrash: (processor, parameters, _, controlHigh) =>
        host.onCrash(processor, parameters, crashText(memory, parameters, controlHigh)),
      onTripleFault: (processor) => host.onTripleFault(processor),
      onUnimplemented: (processor, what) => host.onUnimplemented(processor, what),
      onFlush: (processor) => host.onFlush(processor),
      onReset: () => host.onReset(),
      onEoi: (vector) => this.chipset.ioApic.endOfInterrupt(vector),
    });
    this.vmbus = new VmbusServer({
      memory,
      trace,
      maxVersion: profile.vmbusVersion,
      processorCount: options.processors,
      host: {
        sendMessage: (vp, sint, payload, start, length) =>
          this.#sendMessage(vp, sint, payload, start, length),
        signalEvent: (vp, sint, flag) => this.partition.signalEvent(vp, sint, flag),
        after: (delayNs, run) => events.after(delayNs, run),
        cancel: (event) => events.cancel(event),
      },
    });
    this.chipset = buildChipset({
      generation: options.generation,
      clock,
      events,
      ports,
      mmio,
      partition: this.partition,
      memory,
      trace,
      pitAnomaly: profile.pitAnomaly,
      console: options.console,
      host: { powerOff: () => host.onPowerOff(), reset: () => host.onReset() },
    });
    const { debugExitPort } = options;
    if (debugExitPort !== undefined) {
      new DebugExit((value) => host.onDebugExit(value)).attach(ports, debugExitPort);
    }
    options.console.connect(this.chipset.com1);
    const { scsi, disks } = this.#plugDisks();
    this.scsi = scsi;
    this.disks = disks;
    const offer = (device: VmbusDevice): void => {
      this.vmbus.offer(device);
    };
    this.integration = buildIntegration(
      { clock, events, trace, profile: profile.integration },
      offer,
    );
    const { keyboard, mouse } = buildInput({ clock, events, trace }, offer);
    this.dynamicMemory = new DynamicMemory({
      clock,
      events,
      trace,
      memory,
      order: OfferOrder.dynamicMemory,
    });
    offer(this.dynamicMemory);
    this.keyboard = keyboard;
    this.mouse = mouse;
    this.video = this.#video();
    offer(this.video);
    for (const device of unbuiltDevices()) this.vmbus.offer(device);
    this.adapters = options.network.plugIn(events, trace, memory, profile.netvsc);
    for (const adapter of this.adapters) offer(adapter);
  }

  /** Message buffers that the host has for this guest; undefined: any number. */
  limitMessages(rate: MessageRate | undefined): void {
    this.#messageBuffers = rate === undefined ? undefined : new MessageBuffers(rate);
  }

  /** Plugs a disk into the synthetic SCSI controller of a machine that may be running. */
  addDisk(block: BlockDevice, lun: number): PluggedDisk {
    const unit = scsiDisk(block);
    this.scsi.attach({ target: 0, lun }, unit);
    return { block, kind: 'disk', controllerId: scsiInstance(0), target: 0, lun, unit };
  }

  /**
   * Gen-2: everything on the SCSI controller. Gen-1: DVD drives are on IDE, always one at least where
   * there is room; the first disks are on IDE and each on its accelerator channel too, and what is
   * left is on the SCSI controller.
   */
  #plugDisks(): { readonly scsi: StorvscController; readonly disks: readonly PluggedDisk[] } {
    const { disks, dvds } = this.#options;
    const { ide } = this.chipset;
    const plugged: PluggedDisk[] = [];
    const dvdPlaces = ide === undefined ? [] : this.#plugDrives(ide, plugged);
    const diskPlaces = ide === undefined ? [] : IDE_PLACES.filter((at) => !dvdPlaces.includes(at));
    const onIde = disks.slice(0, diskPlaces.length);
    const drives = plugged.splice(0);
    for (const [index, disk] of onIde.entries())
      plugged.push(this.#plugIde(disk, diskPlaces[index]!));
    const controllerId = scsiInstance(0);
    const scsi = this.#controller({ type: 'scsi', instanceId: controllerId }, OfferOrder.scsi);
    let lun = 0;
    const plug = (block: BlockDevice, kind: 'disk' | 'dvd', unit: LogicalUnit): void => {
      scsi.attach({ target: 0, lun }, unit);
      plugged.push({ block, kind, controllerId, target: 0, lun, unit });
      lun += 1;
    };
    for (const disk of disks.slice(onIde.length)) plug(disk, 'disk', scsiDisk(disk));
    if (ide === undefined) for (const dvd of dvds) plug(dvd, 'dvd', new ScsiDvd(dvd.name, dvd));
    this.vmbus.offer(scsi);
    return { scsi, disks: [...plugged, ...drives] };
  }

  /** @returns the IDE places of the DVD drives, of which the one of a machine without DVDs is empty */
  #plugDrives(ide: IdeController, plugged: PluggedDisk[]): readonly number[] {
    const { disks, dvds } = this.#options;
    const most = IDE_PLACES.length - Math.min(disks.length, 1);
    if (dvds.length > most) {
      throw new InputError(
        'DVD drives',
        `${dvds.length} do not fit: Generation 1 has four IDE places, of which ${most} are free for them`,
      );
    }
    const free = IDE_PLACES.length - Math.min(disks.length, IDE_PLACES.length);
    const drives = Math.max(dvds.length, Math.min(free, 1));
    const places = DVD_PLACES.slice(0, drives);
    for (const [index, place] of places.entries()) {
      const dvd = dvds[index];
      const channel = place >> 1;
      const device = place & 1;
      const name = dvd?.name ?? 'empty DVD drive';
      const unit = new ScsiDvd(name, dvd, MICROSOFT_IDE_DVD);
      ide.plugInUnit(channel, device, unit);
      if (dvd === undefined) continue;
      const controllerId = ideInstance(channel, device);
      plugged.push({ block: dvd, kind: 'dvd', controllerId, target: device, lun: 0, unit });
    }
    return places;
  }

  /** A disk on an emulated channel, and the same disk on its accelerator. */
  #plugIde(block: BlockDevice, place: number): PluggedDisk {
    const channel = place >> 1;
    const device = place & 1;
    this.chipset.ide?.plugInDisk(channel, device, block);
    const controller = this.#controller({ type: 'ide', channel, device }, OfferOrder.ide + place);
    const unit = scsiDisk(block);
    controller.attach({ path: channel, target: device, lun: 0 }, unit);
    this.vmbus.offer(controller);
    const controllerId = controller.offer.instanceId;
    return { block, kind: 'disk', controllerId, target: device, lun: 0, unit };
  }

  #controller(
    kind: ConstructorParameters<typeof StorvscController>[0]['kind'],
    order: number,
  ): StorvscController {
    const { clock, events, trace, memory, profile } = this.#options;
    return new StorvscController({
      kind,
      order,
      clock,
      events,
      trace,
      memory,
      profile: profile.storvsc,
    });
  }

  /** Before a guest says otherwise, the display is what Gen-2 firmware set up. */
  #video(): SyntheticVideo {
    const { generation, profile, events, trace, memory } = this.#options;
    const display = new Display();
    if (generation === 2) {
      const { gpa, bytes, width, height, stride } = FRAMEBUFFER;
      display.setVram(gpa, bytes);
      display.setMode({ width, height, bitsPerPixel: 32, pitchBytes: stride * 4, offset: 0 });
    }
    return new SyntheticVideo({
      order: OfferOrder.video,
      events,
      trace,
      memory,
      display,
      generation,
      versions: profile.videoVersions,
    });
  }

  #receiveMessage(connection: number, payload: Uint8Array, start: number, length: number): number {
    if (this.#messageBuffers?.take(this.#options.clock.nowNs) === false) {
      return HvStatus.is.insufficientBuffers;
    }
    const status = this.vmbus.receiveMessage(connection, payload, start, length);
    this.#monitorIntervalNs = this.vmbus.monitorIntervalNs;
    return status;
  }

  /** When a guest lets thousands of messages wait, the bus keeps the rest and tries again. */
  #sendMessage(
    vp: number,
    sint: number,
    payload: Uint8Array,
    start: number,
    length: number,
  ): boolean {
    const isTaken = this.partition.postMessage(
      vp,
      sint,
      VMBUS_MESSAGE_TYPE,
      payload,
      start,
      length,
    );
    if (!isTaken && !this.#isFlushArmed) {
      this.#isFlushArmed = true;
      this.#flushEvent = this.#options.events.after(MESSAGE_RETRY_NS, this.#flush);
    }
    return isTaken;
  }

  /**
   * A processor had its turn and may have written the monitor page. While a channel uses that page,
   * the host looks at it as often as its latency asks; a guest that sleeps has nothing to show.
   */
  guestRan(): void {
    const intervalNs = this.#monitorIntervalNs;
    if (this.#isMonitorArmed || intervalNs === Infinity) return;
    this.#isMonitorArmed = true;
    const { clock, events } = this.#options;
    const dueNs = (Math.floor(clock.nowNs / intervalNs) + 1) * intervalNs;
    this.#monitorEvent = events.at(dueNs, this.#pollMonitor);
  }

  readonly #flush = (): void => {
    this.#isFlushArmed = false;
    this.vmbus.flush();
  };

  /** What the board itself holds; its parts have sections of their own. */
  exchange(state: StateStream): void {
    this.#messageBuffers?.exchange(state);
    this.#isMonitorArmed = state.flag('isMonitorArmed', this.#isMonitorArmed);
    this.#monitorIntervalNs = state.number('monitorIntervalNs', this.#monitorIntervalNs);
    this.#monitorEvent = state.event('monitor', this.#monitorEvent, this.#pollMonitor);
    this.#isFlushArmed = state.flag('isFlushArmed', this.#isFlushArmed);
    this.#flushEvent = state.event('flush', this.#flushEvent, this.#flush);
  }

  readonly #pollMonitor = (): void => {
    this.#isMonitorArmed = false;
    this.vmbus.pollMonitor();
  };
}

function scsiDisk(block: BlockDevice): ScsiDisk {
  return new ScsiDisk(block, { isThin: true });
}
