import type { StateStream } from '../../core/state.ts';
import { ScsiOperation, ScsiStatus, SrbStatus } from './spec.ts';
import type { ScsiTask } from './task.ts';

export type FaultAccess = 'read' | 'write' | 'any';

/** One failure to inject: matches commands, and says what they answer. */
export interface InjectedFault {
  /** Only this operation code. */
  readonly operation?: number;
  /** Only medium commands of this kind; without it, and without an LBA range, any command. */
  readonly access?: FaultAccess;
  /** Only medium commands that touch a block of this range. */
  readonly firstLba?: number;
  readonly blocks?: number;
  /** How many matching commands pass first. */
  readonly after?: number;
  /** How many then fail; without it, all. */
  readonly times?: number;
  /** `Sense` value for a CHECK CONDITION; without it, a plain status. */
  readonly sense?: number;
  /** Replaces the SCSI status. */
  readonly scsiStatus?: number;
  /** Replaces the whole SRB status byte, flags included (0xC4 sets "queue frozen" as well). */
  readonly srbStatus?: number;
  /** Added to the command's latency. A fault with a delay and nothing else only delays. */
  readonly delayNs?: number;
}

interface ArmedFault {
  readonly fault: InjectedFault;
  passesLeft: number;
  timesLeft: number;
}

const writes: ReadonlySet<number> = new Set([
  ScsiOperation.write6,
  ScsiOperation.write10,
  ScsiOperation.write12,
  ScsiOperation.write16,
  ScsiOperation.writeAndVerify10,
  ScsiOperation.writeAndVerify12,
  ScsiOperation.writeAndVerify16,
  ScsiOperation.writeSame10,
  ScsiOperation.writeSame16,
]);

/** The failures of one logical unit. Empty costs one comparison a command. */
export class FaultTable {
  readonly #armed: ArmedFault[] = [];

  exchange(state: StateStream): void {
    const armed = state.list('armed', this.#armed, (entry) => ({
      fault: state.data<InjectedFault>('fault', entry?.fault ?? {}),
      passesLeft: state.number('passesLeft', entry?.passesLeft ?? 0),
      timesLeft: state.number('timesLeft', entry?.timesLeft ?? 0),
    }));
    if (state.isRestoring) this.#armed.splice(0, Infinity, ...armed);
  }

  get isEmpty(): boolean {
    return this.#armed.length === 0;
  }

  /** @returns a function that takes the fault away again */
  inject(fault: InjectedFault): () => void {
    const armed = { fault, passesLeft: fault.after ?? 0, timesLeft: fault.times ?? Infinity };
    this.#armed.push(armed);
    return () => {
      const index = this.#armed.indexOf(armed);
      if (index >= 0) this.#armed.splice(index, 1);
    };
  }

  /** @returns true when the command is answered by a fault and must not run */
  apply(task: ScsiTask): boolean {
    for (const armed of this.#armed) {
      if (!matches(armed.fault, task)) continue;
      if (armed.passesLeft > 0) {
        armed.passesLeft -= 1;
        continue;
      }
      if (armed.timesLeft <= 0) continue;
      armed.timesLeft -= 1;
      if (answer(armed.fault, task)) return true;
    }
    return false;
  }
}

function matches(fault: InjectedFault, task: ScsiTask): boolean {
  if (fault.operation !== undefined && fault.operation !== task.operation) return false;
  const isMediumOnly = fault.access !== undefined || fault.firstLba !== undefined;
  if (!isMediumOnly) return true;
  const blocks = task.mediumBlocks;
  if (blocks === 0) return false;
  const isWrite = writes.has(task.operation);
  if (fault.access !== undefined && fault.access !== 'any') {
    if ((fault.access === 'write') !== isWrite) return false;
  }
  if (fault.firstLba === undefined) return true;
  const end = fault.firstLba + (fault.blocks ?? 1);
  return task.mediumLba < end && fault.firstLba < task.mediumLba + blocks;
}

function answer(fault: InjectedFault, task: ScsiTask): boolean {
  task.extraDelayNs += fault.delayNs ?? 0;
  if (fault.sense !== undefined) task.fail(fault.sense);
  else if (fault.scsiStatus !== undefined || fault.srbStatus !== undefined) {
    task.failPlain(ScsiStatus.good, SrbStatus.error);
  } else return false;
  if (fault.scsiStatus !== undefined) task.scsiStatus = fault.scsiStatus;
  if (fault.srbStatus !== undefined) task.srbStatus = fault.srbStatus;
  return true;
}
