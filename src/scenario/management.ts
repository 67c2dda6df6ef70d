/** What a host's manager does with a machine between its power cycles: checkpoints, copies. */
import { InputError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import type { Machine } from '../machine/machine.ts';
import type { MachineSettings } from '../machine/config.ts';
import { hypervMac } from '../net/addresses.ts';
import type { BlockDevice } from '../storage/block.ts';
import { OverlayDevice } from '../storage/overlay.ts';
import type { VmExport } from './api.ts';

/** Serial numbers of addresses that copies get. */
const FIRST_COPY_MAC = 0x03_0000;

interface Checkpoint {
  readonly name: string;
  /** Nothing writes to them any more: the machine goes on above. */
  readonly disks: readonly BlockDevice[];
}

/** Settings and disks of a machine, by themselves. */
export class ExportedVm implements VmExport {
  readonly name: string;
  readonly settings: MachineSettings;
  readonly saved: readonly Checkpoint[];

  constructor(name: string, settings: MachineSettings, saved: readonly Checkpoint[]) {
    this.name = name;
    this.settings = settings;
    this.saved = saved;
  }

  get checkpoints(): readonly string[] {
    return this.saved.map(({ name }) => name);
  }
}

/** Disks above disks that stay as they are. */
function above(disks: readonly BlockDevice[]): BlockDevice[] {
  return disks.map((disk) => new OverlayDevice(disk));
}

export class VmManager {
  readonly #name: string;
  readonly #machine: Machine;
  readonly #checkpoints: Checkpoint[] = [];

  constructor(name: string, machine: Machine) {
    this.#name = name;
    this.#machine = machine;
  }

  get checkpoints(): readonly string[] {
    return this.#checkpoints.map(({ name }) => name);
  }

  #mustBeOff(what: string): void {
    const { isOn, isSuspended } = this.#machine;
    if (isOn || isSuspended) throw new InputError(this.#name, `is on: ${what} while it is off`);
  }

  #find(name: string): Checkpoint {
    const found = this.#checkpoints.find((checkpoint) => checkpoint.name === name);
    if (found !== undefined) return found;
    const all = this.checkpoints.join(', ') || 'none';
    throw new InputError(this.#name, `has no checkpoint "${name}"; there are ${all}`);
  }

  take(name: string): void {
    this.#mustBeOff('a checkpoint is taken');
    if (this.checkpoints.includes(name)) {
      throw new InputError(this.#name, `has a checkpoint "${name}" already`);
    }
    const { disks = [] } = this.#machine.settings;
    this.#checkpoints.push({ name, disks });
    this.#machine.reconfigure({ disks: above(disks) });
  }

  apply(name: string): void {
    this.#mustBeOff('a checkpoint is applied');
    this.#machine.reconfigure({ disks: above(this.#find(name).disks) });
  }

  /** Disks that stand above it keep what they see of it. */
  delete(name: string): void {
    this.#checkpoints.splice(this.#checkpoints.indexOf(this.#find(name)), 1);
  }

  export(): ExportedVm {
    this.#mustBeOff('it is exported');
    const { disks = [], ...settings } = this.#machine.settings;
    // From here on the machine writes above, so that the copy has the disks as they are now.
    this.#machine.reconfigure({ disks: above(disks) });
    return new ExportedVm(this.#name, { ...settings, disks }, [...this.#checkpoints]);
  }

  /** @param seed for the copy's own addresses */
  import(exported: VmExport, seed: bigint): void {
    this.#mustBeOff('it is made a copy');
    if (!(exported instanceof ExportedVm)) throw new InputError(this.#name, 'that is no export');
    const { disks = [], adapters, ...settings } = exported.settings;
    const random = new Random(seed, `copy ${this.#name}`);
    const copies = adapters?.map((adapter) => ({
      ...adapter,
      mac: hypervMac(FIRST_COPY_MAC + random.below(0x1_0000)),
    }));
    this.#machine.reconfigure({
      ...settings,
      ...(copies === undefined ? {} : { adapters: copies }),
      disks: above(disks),
    });
    this.#checkpoints.splice(0, Infinity, ...exported.saved);
  }
}
