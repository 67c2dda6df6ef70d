import { MmioBus, PortBus } from '../core/bus.ts';
import type { VirtualClock } from '../core/clock.ts';
import { ExitCode, InputError } from '../core/errors.ts';
import type { EventHandle, EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import { ScsiDisk } from '../devices/scsi/disk.ts';
import { ScsiDvd } from '../devices/scsi/dvd.ts';
import { MICROSOFT_IDE_DVD } from '../devices/scsi/inquiry.ts';
import { DEBUG_EXIT_PORT_COUNT, DebugExit } from '../devices/debug-exit/debug-exit.ts';
import { DynamicMemory } from '../devices/dynamic-memory/dynamic-memory.ts';
import type { SyntheticKeyboard } from '../devices/keyboard/keyboard.ts';
import type { SyntheticMouse } from '../devices/mouse/mouse.ts';
import type { NetvscAdapter } from '../devices/netvsc/adapter.ts';
import { TULIP_ADAPTERS } from '../devices/tulip/spec.ts';
import { SyntheticVideo } from '../devices/video/video.ts';
import { Display } from '../fb/display.ts';
import type { LogicalUnit } from '../devices/scsi/logical-unit.ts';
import { StorvscController } from '../devices/storvsc/controller.ts';
import type { BaseCpuid } from '../hypervisor/cpuid.ts';
import { Partition, type Halves } from '../hypervisor/partition.ts';
import { HvStatus } from '../hypervisor/spec/hypercalls.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { VmbusDevice } from '../vmbus/device.ts';
import type { VmbusHost } from '../vmbus/host.ts';
import { VmbusServer } from '../vmbus/server.ts';
import { ideInstance } from '../vmbus/spec/guids.ts';
import { VMBUS_MESSAGE_TYPE } from '../vmbus/spec/ids.ts';
import { buildChipset, type Chipset } from './chipset.ts';
import type { ConsoleLine } from './console.ts';
import { crashText } from './crash-text.ts';
import { type DiskPlace, planDisks } from './disk-places.ts';
import { checkFloppy } from './floppy-medium.ts';
import { buildInput, buildIntegration, type Integration } from './integration.ts';
import { APIC_HZ, DEVICE_WINDOWS, FRAMEBUFFER, TSC_HZ } from './layout.ts';
import { MessageBuffers, type MessageRate } from './message-buffers.ts';
import type { MachineNetwork } from './network.ts';
import { LateMessages } from './late-messages.ts';
import type { Perturbation } from './perturbation.ts';
import { OfferOrder, scsiInstance, unbuiltDevices } from './offers.ts';
import type { HostProfile } from './profiles.ts';

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
  /** By index; undefined where nobody says. */
  readonly diskPlaces: readonly (DiskPlace | undefined)[];
  readonly dvds: readonly BlockDevice[];
  readonly hasEmptyDrive: boolean;
  /** In the floppy drive. */
  readonly floppy?: BlockDevice | undefined;
  readonly hostName?: string;
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
  /** Delays what the host does for the guest. */
  readonly perturbation?: Perturbation | undefined;
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
      onInterruptPending: (processor) => {
        const delayNs = options.perturbation?.delayNs('wake') ?? 0;
        if (delayNs === 0) host.onInterruptPending(processor);
        else events.after(delayNs, () => host.onInterruptPending(processor));
      },
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
        ...(options.perturbation === undefined ? {} : this.#lateHost(options.perturbation)),
        cancel: (event) => events.cancel(event),
      },
    });
    options.network.clear();
    const { legacy } = options.network;
    checkLegacyAdapters(legacy.length, options.generation);
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
      legacyAdapters: legacy,
    });
    const { debugExitPort } = options;
    if (debugExitPort !== undefined) {
      if (ports.isTaken(debugExitPort, DEBUG_EXIT_PORT_COUNT)) {
        const port = `port 0x${debugExitPort.toString(16)}`;
        throw new InputError('--debug-exit', `${port} belongs to another device`, ExitCode.usage);
      }
      new DebugExit((value) => host.onDebugExit(value)).attach(ports, debugExitPort);
    }
    options.console.connect(this.chipset.com1);
    if (options.floppy !== undefined) {
      checkFloppy(options.floppy, options.generation);
      this.chipset.floppy?.change(options.floppy);
    }
    const { scsi, disks } = this.#plugDisks();
    this.scsi = scsi;
    this.disks = disks;
    const offer = (device: VmbusDevice): void => {
      this.vmbus.offer(device);
    };
    this.integration = buildIntegration(
      {
        clock,
        events,
        trace,
        profile: profile.integration,
        ...(options.hostName === undefined
          ? {}
          : { hostFacts: hostFacts(options.hostName, profile.title) }),
      },
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
    return plugScsi(this.scsi, block, 'disk', scsiDisk(block), lun);
  }

  /**
   * Gen-2: everything on the SCSI controller. Gen-1: DVD drives are on IDE, always one at least where
   * there is room; the first disks are on IDE and each on its accelerator channel too, and what is
   * left is on the SCSI controller. Disks whose place is said go there.
   */
  #plugDisks(): { readonly scsi: StorvscController; readonly disks: readonly PluggedDisk[] } {
    const { generation, disks, dvds, diskPlaces, hasEmptyDrive } = this.#options;
    const plan = planDisks({
      generation,
      places: disks.map((_, index) => diskPlaces[index]),
      discs: dvds.length,
      hasEmptyDrive,
    });
    const scsi = this.#controller({ type: 'scsi', instanceId: scsiInstance(0) }, OfferOrder.scsi);
    const plugged: PluggedDisk[] = [];
    for (const [index, place] of plan.drives.entries()) {
      const drive = this.#plugDrive(scsi, dvds[index], place);
      if (drive !== undefined) plugged.push(drive);
    }
    const drives = plugged.splice(0);
    for (const [index, place] of plan.disks.entries()) {
      const block = disks[index]!;
      plugged.push(
        place.bus === 'ide'
          ? this.#plugIde(block, place.channel, place.device)
          : plugScsi(scsi, block, 'disk', scsiDisk(block), place.lun),
      );
    }
    this.vmbus.offer(scsi);
    return { scsi, disks: [...plugged, ...drives] };
  }

  #plugDrive(
    scsi: StorvscController,
    dvd: BlockDevice | undefined,
    place: DiskPlace,
  ): PluggedDisk | undefined {
    const name = dvd?.name ?? 'empty DVD drive';
    if (place.bus === 'scsi') {
      return dvd && plugScsi(scsi, dvd, 'dvd', new ScsiDvd(name, dvd), place.lun);
    }
    const { channel, device } = place;
    const unit = new ScsiDvd(name, dvd, MICROSOFT_IDE_DVD);
    this.chipset.ide?.plugInUnit(channel, device, unit);
    const controllerId = ideInstance(channel, device);
    return dvd && { block: dvd, kind: 'dvd', controllerId, target: device, lun: 0, unit };
  }

  /** A disk on an emulated channel, and the same disk on its accelerator. */
  #plugIde(block: BlockDevice, channel: number, device: number): PluggedDisk {
    this.chipset.ide?.plugInDisk(channel, device, block);
    const order = OfferOrder.ide + channel * 2 + device;
    const controller = this.#controller({ type: 'ide', channel, device }, order);
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

  /** The same host, whose messages, signals and work come late. */
  #lateHost(perturbation: Perturbation): Partial<VmbusHost> {
    const { clock, events } = this.#options;
    const late = new LateMessages(clock, events, (vp, sint, bytes) =>
      this.partition.postMessage(vp, sint, VMBUS_MESSAGE_TYPE, bytes, 0, bytes.length),
    );
    return {
      sendMessage: (vp, sint, payload, start, length) => {
        const bytes = payload.slice(start, start + length);
        late.send(vp, sint, bytes, perturbation.delayNs('message'));
        return true;
      },
      signalEvent: (vp, sint, flag) => {
        const delayNs = perturbation.delayNs('signal');
        if (delayNs === 0) this.partition.signalEvent(vp, sint, flag);
        else events.after(delayNs, () => this.partition.signalEvent(vp, sint, flag));
      },
      perform: (_work, _channelId, run) => {
        const delayNs = perturbation.delayNs('work');
        if (delayNs === 0) run();
        else {
          events.after(delayNs, () => {
            run();
            // The channel that was opened late may be the first that the monitor page is for.
            this.#monitorIntervalNs = this.vmbus.monitorIntervalNs;
          });
        }
      },
    };
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

function checkLegacyAdapters(count: number, generation: 1 | 2): void {
  if (count > 0 && generation === 2) {
    throw new InputError('legacy network adapter', 'there is none in Generation 2');
  }
  if (count > TULIP_ADAPTERS) {
    throw new InputError(
      'legacy network adapters',
      `${count} are more than the ${TULIP_ADAPTERS} that fit`,
    );
  }
}

function scsiDisk(block: BlockDevice): ScsiDisk {
  return new ScsiDisk(block, { isThin: true });
}

function plugScsi(
  scsi: StorvscController,
  block: BlockDevice,
  kind: PluggedDisk['kind'],
  unit: PluggedDisk['unit'],
  lun: number,
): PluggedDisk {
  scsi.attach({ target: 0, lun }, unit);
  const controllerId = scsi.offer.instanceId;
  return { block, kind, controllerId, target: 0, lun, unit };
}

/** What a host says of itself in the pool `autoExternal`. */
function hostFacts(name: string, title: string): ReadonlyMap<string, string> {
  return new Map([
    ['HostName', name],
    ['HostingSystemEditionId', title],
    ['PhysicalHostName', name.split('.')[0]!.toUpperCase()],
    ['PhysicalHostNameFullyQualified', name],
    ['VirtualMachineName', 'synthvm'],
  ]);
}
