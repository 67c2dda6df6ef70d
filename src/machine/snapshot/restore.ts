import { InputError } from '../../core/errors.ts';
import { StateError } from '../../core/state.ts';
import type { MachineDescription } from '../description.ts';
import { positionOf, repeatInputs, runTo } from '../inputs.ts';
import type { Machine } from '../machine.ts';
import type { Snapshot } from './file.ts';
import { firstDifference } from './sections.ts';

/** A snapshot in memory, of a machine that its owner can describe. */
export type SnapshotPoint = Omit<Snapshot, 'description'>;

/**
 * Takes a snapshot of a machine between two turns.
 * @throws InputError when something of it cannot be saved
 */
export function takeSnapshot(machine: Machine, description: MachineDescription): Snapshot {
  return { description, ...takePoint(machine) };
}

/** As `takeSnapshot` does. */
export function takePoint(machine: Machine): SnapshotPoint {
  const { unrepeatable, entries } = machine.inputs;
  if (unrepeatable !== undefined) {
    throw new InputError('snapshot', `cannot be taken after ${unrepeatable}`);
  }
  try {
    return {
      position: positionOf(machine),
      inputs: [...entries],
      digest: machine.trace.digest,
      sections: machine.save(),
    };
  } catch (error) {
    if (error instanceof StateError) throw new InputError('snapshot', error.message);
    throw error;
  }
}

/**
 * Brings a new machine, which is off, to where a snapshot was taken. The state of a processor that
 * executes instructions is in the snapshot. The threads of the model guest cannot be saved, so that
 * its run is had again from power-on, with everything that came in. Either way the state of every part
 * is compared with the snapshot's.
 * @param where the snapshot's file, for messages
 * @throws InputError when the machine comes to be another
 */
export function restoreSnapshot(machine: Machine, snapshot: SnapshotPoint, where: string): void {
  try {
    if (machine.isGuestSaved) {
      machine.restore(snapshot.sections);
      machine.inputs.adopt(snapshot.inputs);
    } else {
      machine.powerOn();
      repeatInputs(machine, snapshot.inputs);
      runTo(machine, snapshot.position);
    }
    const difference = firstDifference(snapshot.sections, machine.save());
    if (difference !== undefined) {
      throw new StateError(`the machine came to be another: section ${difference} differs`);
    }
  } catch (error) {
    if (error instanceof StateError) throw new InputError(where, error.message);
    throw error;
  }
}
