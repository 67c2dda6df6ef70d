/**
 * CAM's transport layer (cam_xpt.c): buses by path id, scans with one thread a target, peripheral
 * units in the order in which probes end, and the losses that hot removal and errors bring.
 */
import type { TraceType } from '../../core/trace.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { attachCdDrive } from './cd.ts';
import { attachDisk, Disk } from './da.ts';
import { deviceTypeOf, hasCommandQueueing, inquiryLine, modelOf } from './inquiry.ts';
import type { Prober } from './probe.ts';
import { ALL_LUNS } from './recovery.ts';
import { scanTarget } from './scan.ts';
import type { Sim } from './sim.ts';
import { Bus, pathText, type LogicalUnit, type Peripheral } from './topology.ts';

/** SID_TYPE values that da(4) takes: direct access, optical, simplified direct access. */
const DISK_TYPES: readonly number[] = [0x00, 0x07, 0x0e];
/** CD-ROM and WORM. */
const CD_TYPES: readonly number[] = [0x05, 0x04];

export interface CamOptions {
  /** "scbus" numbers that other adapters have taken: 2 where the emulated ATA channels are. */
  readonly firstPathId?: number;
}

/** Hears of disks that can be read, and of those that are gone; GEOM does. */
export interface DiskListener {
  /** Looks for partitions on it. */
  appeared(disk: Disk): Task;
  /** It has a name, and nobody looks what is on it. */
  added(disk: Disk): void;
  resized(disk: Disk): void;
  vanished(disk: Disk): void;
}

export class Cam implements Prober {
  readonly kernel: KernelApi;
  /** Which kernel: how its lines look and which commands its probes send. */
  readonly release: 'legacy' | 'modern';
  readonly buses: Bus[] = [];
  /** Every da(4) instance that has been announced and is not gone, by unit. */
  readonly disks: Disk[] = [];
  diskListener: DiskListener | undefined;
  #nextPathId: number;
  #holds = 0;
  #releaseRoot: (() => void) | undefined;
  /** Unit numbers in use, by driver. */
  readonly #units = new Map<string, Set<number>>();

  constructor(kernel: KernelApi, options: CamOptions = {}) {
    this.kernel = kernel;
    this.release = kernel.switches.release;
    this.#nextPathId = options.firstPathId ?? 0;
    kernel.addCommand({
      name: 'camcontrol',
      help: 'devlist | rescan all: SCSI units and their drivers',
      run: (words) => this.#camcontrol(words),
    });
  }

  /**
   * Adds an adapter and scans it; `waitIdle` tells when that is done.
   * @param pathId one of those below `firstPathId` that are kept for adapters found before
   */
  registerBus(sim: Sim, pathId?: number): Bus {
    const bus = new Bus(sim, pathId ?? this.#nextPathId);
    if (pathId === undefined) this.#nextPathId += 1;
    this.buses.push(bus);
    this.buses.sort((left, right) => left.pathId - right.pathId);
    this.rescan(bus);
    return bus;
  }

  /** The adapter is gone, with everything on it. */
  deregisterBus(bus: Bus): void {
    bus.isGone = true;
    for (const target of bus.targets) this.lose(bus, target.id, ALL_LUNS);
    const index = this.buses.indexOf(bus);
    if (index >= 0) this.buses.splice(index, 1);
  }

  /**
   * Scans all targets, in parallel once LUN 0 of the target before has been probed: guests on hosts
   * that show bogus disks report the real one as da0, which needs that lead. Asked again while it
   * runs, it scans once more after that.
   */
  rescan(bus: Bus): void {
    if (bus.isGone) return;
    if (bus.scansLeft > 0) {
      bus.rescanWanted = true;
      return;
    }
    if (bus.sim.scan !== undefined) {
      bus.scansLeft = 1;
      this.work(`xpt_thrd ${bus.pathId}`, () => this.#scanItself(bus));
      return;
    }
    bus.scansLeft = bus.targets.length;
    this.#startScan(bus, 0);
  }

  *#scanItself(bus: Bus): Task {
    yield* bus.sim.scan!(bus);
    this.#scanEnds(bus);
  }

  #scanEnds(bus: Bus): void {
    bus.scansLeft -= 1;
    if (bus.scansLeft === 0 && bus.rescanWanted) {
      bus.rescanWanted = false;
      this.rescan(bus);
    }
  }

  #startScan(bus: Bus, index: number): void {
    if (index >= bus.targets.length) return;
    this.work(`xpt_thrd ${bus.pathId}:${index}`, () => this.#scan(bus, index));
  }

  *#scan(bus: Bus, index: number): Task {
    let isNextStarted = false;
    const startNext = (): void => {
      if (!isNextStarted) this.#startScan(bus, index + 1);
      isNextStarted = true;
    };
    yield* scanTarget(this, bus.targets[index]!, startNext);
    startNext();
    this.#scanEnds(bus);
  }

  /** A thread that the mount of the root waits for. */
  work(name: string, body: () => Task): void {
    this.#holds += 1;
    this.#releaseRoot ??= this.kernel.holdRootMount('CAM');
    this.kernel.spawn(name, () => this.#work(body));
  }

  *#work(body: () => Task): Task {
    yield* body();
    this.#holds -= 1;
    if (this.#holds > 0) return;
    this.#releaseRoot?.();
    this.#releaseRoot = undefined;
    this.kernel.wakeup(this);
  }

  /** Waits until no scan, probe or taste is under way. */
  *waitIdle(): Task {
    while (this.#holds > 0) yield* this.kernel.tsleep(this, Infinity);
  }

  /** AC_FOUND_DEVICE: each driver that wants the unit makes an instance. */
  found(unit: LogicalUnit): void {
    const type = deviceTypeOf(unit.inquiry);
    if (DISK_TYPES.includes(type)) attachDisk(this, unit);
    else if (CD_TYPES.includes(type)) attachCdDrive(this, unit);
    const number = this.takeUnit('pass');
    unit.peripherals.push({
      driver: 'pass',
      unit: number,
      name: `pass${number}`,
      isAnnounced: false,
      isInvalid: false,
    });
  }

  /** AC_LOST_DEVICE for one unit, or for `ALL_LUNS` of a target. */
  lose(bus: Bus, targetId: number, lun: number): void {
    const target = bus.targets.find((candidate) => candidate.id === targetId);
    for (const unit of target?.units ?? []) {
      if (lun !== ALL_LUNS && unit.lun !== lun) continue;
      unit.isConfigured = false;
      for (const peripheral of unit.peripherals.splice(0)) {
        this.#invalidate(unit, peripheral);
      }
    }
  }

  #invalidate(unit: LogicalUnit, peripheral: Peripheral): void {
    peripheral.isInvalid = true;
    if (peripheral.isAnnounced) {
      this.#printPlace(unit, peripheral);
      const serial = unit.serialNumber === '' ? '' : ` s/n ${unit.serialNumber.slice(0, 60)}`;
      this.kernel.printf(`${peripheral.name}: <${modelOf(unit.inquiry)}>${serial} detached\n`);
    }
    if (!(peripheral instanceof Disk)) {
      this.#destroy(unit, peripheral);
      return;
    }
    const index = this.disks.indexOf(peripheral);
    if (index >= 0) this.disks.splice(index, 1);
    this.diskListener?.vanished(peripheral);
    // A file system that is still mounted keeps the unit number taken.
    if (peripheral.openCount === 0) this.#destroy(unit, peripheral);
  }

  #destroy(unit: LogicalUnit, peripheral: Peripheral): void {
    this.#units.get(peripheral.driver)?.delete(peripheral.unit);
    if (!peripheral.isAnnounced) return;
    const path = pathText(peripheral.name, unit.bus.sim, unit.target.id, unit.lun);
    this.kernel.printf(`${path}Periph destroyed\n`);
  }

  /** Ends one peripheral that its own driver gave up on. */
  abandon(unit: LogicalUnit, peripheral: Peripheral): void {
    const index = unit.peripherals.indexOf(peripheral);
    if (index < 0) return;
    unit.peripherals.splice(index, 1);
    this.#invalidate(unit, peripheral);
  }

  /** The lowest free unit number of a driver. */
  takeUnit(driver: string): number {
    let taken = this.#units.get(driver);
    if (taken === undefined) {
      taken = new Set();
      this.#units.set(driver, taken);
    }
    let unit = 0;
    while (taken.has(unit)) unit += 1;
    taken.add(unit);
    return unit;
  }

  /**
   * xpt_announce_periph.
   * @param details the driver's last line
   * @param identity the line of what it is; without it, of its INQUIRY data
   */
  announce(
    unit: LogicalUnit,
    peripheral: Peripheral,
    details: string,
    identity = inquiryLine(unit.inquiry, this.release),
  ): void {
    const { kernel } = this;
    const { name } = peripheral;
    peripheral.isAnnounced = true;
    this.#printPlace(unit, peripheral);
    kernel.printf(`${name}: ${identity}\n`);
    if (unit.serialNumber !== '') {
      kernel.printf(`${name}: Serial Number ${unit.serialNumber.slice(0, 60)}\n`);
    }
    const speed = unit.bus.sim.inquiry.transferSpeed;
    const fraction = String(speed % 1000).padStart(3, '0');
    const more = unit.bus.sim.transferDetails?.(unit.target.id) ?? '';
    kernel.printf(`${name}: ${Math.floor(speed / 1000)}.${fraction}MB/s transfers${more}\n`);
    if (hasCommandQueueing(unit.inquiry)) kernel.printf(`${name}: Command Queueing enabled\n`);
    kernel.printf(`${name}: ${details}\n`);
  }

  /** A disk has been announced: it takes its place among the others. */
  appeared(disk: Disk, event: TraceType): void {
    const { disks, kernel } = this;
    disks.push(disk);
    disks.sort((left, right) => left.driver.length - right.driver.length || left.unit - right.unit);
    const { bus, target, lun } = disk.device;
    kernel.trace.emitText(
      event,
      disk.model,
      disk.unit,
      bus.sim.unit,
      target.id,
      lun,
      disk.mediaBytes,
    );
  }

  #printPlace(unit: LogicalUnit, peripheral: Peripheral): void {
    const { sim, pathId } = unit.bus;
    const place = `bus 0 scbus${pathId} target ${unit.target.id} lun ${unit.lun}`;
    this.kernel.printf(`${peripheral.name} at ${sim.name}${sim.unit} ${place}\n`);
  }

  *#camcontrol(words: readonly string[]): Task {
    const [verb] = words.filter((word) => word !== 'camcontrol');
    if (verb === 'devlist') {
      for (const line of this.deviceList()) this.kernel.printf(`${line}\n`);
    } else if (verb === 'rescan') {
      for (const bus of this.buses) this.rescan(bus);
      yield* this.waitIdle();
      for (const bus of this.buses) {
        this.kernel.printf(`Re-scan of bus ${bus.pathId} was successful\n`);
      }
    } else {
      this.kernel.printf('usage: camcontrol devlist | rescan all\n');
    }
  }

  /** What `camcontrol devlist` prints, line by line. */
  deviceList(): string[] {
    const lines: string[] = [];
    for (const bus of this.buses) {
      for (const target of bus.targets) {
        for (const unit of target.units) {
          if (!unit.isConfigured || unit.peripherals.length === 0) continue;
          const model = `<${modelOf(unit.inquiry)}>`.padEnd(33);
          const place = `at scbus${bus.pathId} target ${target.id} lun ${unit.lun}`;
          const names = unit.peripherals.map((peripheral) => peripheral.name).join(',');
          lines.push(`${model}  ${place} (${names})`);
        }
      }
    }
    return lines;
  }
}
