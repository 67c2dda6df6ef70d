import { InputError } from '../core/errors.ts';
import type { Machine } from '../machine/machine.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { FloppyDrive, FloppySpec } from './api.ts';

/** Drive A: as a script uses it. */
export class FloppyHandle implements FloppyDrive {
  readonly #machine: Machine;
  readonly #open: (spec: FloppySpec) => BlockDevice;

  constructor(machine: Machine, open: (spec: FloppySpec) => BlockDevice) {
    this.#machine = machine;
    this.#open = open;
  }

  get name(): string | undefined {
    return this.#machine.settings.floppy?.name;
  }

  insert(diskette: FloppySpec): Promise<void> {
    return this.#change(this.#open(diskette));
  }

  eject(): Promise<void> {
    return this.#change(undefined);
  }

  #change(diskette: BlockDevice | undefined): Promise<void> {
    const machine = this.#machine;
    if (machine.generation === 2) {
      throw new InputError('floppy', 'Generation 2 has no floppy drive');
    }
    if (machine.isSuspended) throw new InputError('floppy', 'the machine is saved');
    machine.inputs.passBy('another diskette');
    machine.changeFloppy(diskette);
    return Promise.resolve();
  }
}
