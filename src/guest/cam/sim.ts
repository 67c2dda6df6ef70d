/** The border between CAM and an adapter's driver: a SCSI interface module. */
import type { Task } from '../kernel/api.ts';
import type { CommandBlock } from './command.ts';

/** What XPT_PATH_INQ tells CAM of an adapter. */
export interface PathInquiry {
  /** Highest target number that may be probed. */
  readonly maxTarget: number;
  readonly maxLun: number;
  /** The adapter's own target number, which no scan probes. */
  readonly initiatorId: number;
  /** Thousands of bytes a second. */
  readonly transferSpeed: number;
  /** Most bytes of one command. */
  readonly maxTransferBytes: number;
}

export interface Sim {
  /** "storvsc" or "blkvsc". */
  readonly name: string;
  readonly unit: number;
  /** VMBus instance GUID of the controller: what firmware knows it by. */
  readonly instanceId: string;
  readonly inquiry: PathInquiry;
  /** Sends the command and waits for its end; the result is in the block. */
  execute(command: CommandBlock): Task;
}
