/** CAM's existing device table: buses, targets and logical units (cam_eb, cam_et, cam_ed). */
import { INQUIRY_KEPT_BYTES } from './inquiry.ts';
import type { Sim } from './sim.ts';

/** An instance of a peripheral driver on a logical unit. */
export interface Peripheral {
  /** "da". */
  readonly driver: string;
  readonly unit: number;
  /** "da0". */
  readonly name: string;
  isAnnounced: boolean;
  /** The unit is gone; commands still out fail. */
  isInvalid: boolean;
}

export class LogicalUnit {
  readonly bus: Bus;
  readonly target: Target;
  readonly lun: number;
  /** The device's INQUIRY buffer: what the host does not write keeps its old value, first zero. */
  readonly inquiry = new Uint8Array(INQUIRY_KEPT_BYTES);
  serialNumber = '';
  /** Codes of the vital product data pages that it says it has. */
  vpdPages: Uint8Array = new Uint8Array(0);
  /** The reverse of CAM_DEV_UNCONFIGURED. */
  isConfigured = false;
  /** The last probe's INQUIRY completed, whatever it said. */
  inquiryCompleted = false;
  readonly peripherals: Peripheral[] = [];

  constructor(bus: Bus, target: Target, lun: number) {
    this.bus = bus;
    this.target = target;
    this.lun = lun;
  }
}

export class Target {
  readonly bus: Bus;
  readonly id: number;
  /** In ascending order of LUN; a unit under probe has an entry before it is configured. */
  readonly units: LogicalUnit[] = [];
  /** What REPORT LUNS said, LUN 0 first if listed; undefined before it was asked. */
  reportedLuns: readonly number[] | undefined;

  constructor(bus: Bus, id: number) {
    this.bus = bus;
    this.id = id;
  }

  find(lun: number): LogicalUnit | undefined {
    return this.units.find((unit) => unit.lun === lun);
  }

  /** The entry to probe: a known unit keeps its INQUIRY data, a lost one starts from zero. */
  obtain(lun: number): LogicalUnit {
    const known = this.find(lun);
    if (known?.isConfigured === true) return known;
    if (known !== undefined) this.forget(known);
    const unit = new LogicalUnit(this.bus, this, lun);
    const after = this.units.findIndex((other) => other.lun > lun);
    this.units.splice(after < 0 ? this.units.length : after, 0, unit);
    return unit;
  }

  /** Drops the entry of a unit that no probe holds any more. */
  forget(unit: LogicalUnit): void {
    const index = this.units.indexOf(unit);
    if (index >= 0) this.units.splice(index, 1);
  }
}

export class Bus {
  readonly sim: Sim;
  /** The number of "scbus0". */
  readonly pathId: number;
  readonly targets: readonly Target[];
  /** Targets that a running scan has not finished. */
  scansLeft = 0;
  /** A rescan was asked for while one ran. */
  rescanWanted = false;
  isGone = false;

  constructor(sim: Sim, pathId: number) {
    this.sim = sim;
    this.pathId = pathId;
    const targets: Target[] = [];
    for (let id = 0; id <= sim.inquiry.maxTarget; id += 1) {
      if (id !== sim.inquiry.initiatorId) targets.push(new Target(this, id));
    }
    this.targets = targets;
  }
}

/** "(da0:storvsc0:0:0:0): ", the start of every message about a path. */
export function pathText(peripheral: string, sim: Sim, target: number, lun: number): string {
  return `(${peripheral}:${sim.name}${sim.unit}:0:${target}:${lun.toString(16)}): `;
}
