import type { StateStream } from '../../core/state.ts';
import type { FaultTable } from './faults.ts';
import type { ScsiTask } from './task.ts';

/** What stands behind one path:target:LUN of a controller. */
export interface LogicalUnit {
  /** For messages and traces. */
  readonly name: string;
  /** `PeripheralDeviceType`. */
  readonly deviceType: number;
  /** Failures that a scenario has asked for. */
  readonly faults: FaultTable;
  /** Executes the command in the task and leaves the answer there. Never throws for guest input. */
  execute(task: ScsiTask): void;
  /** The unit's own state; what is on the disk is the disk's. Without it there are no snapshots. */
  exchange?(state: StateStream): void;
}
