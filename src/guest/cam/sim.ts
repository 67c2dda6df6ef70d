/** The border between CAM and an adapter's driver: a SCSI interface module. */
import type { Task } from '../kernel/api.ts';
import type { CommandBlock } from './command.ts';
import type { Bus } from './topology.ts';

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
  /** VMBus instance GUID that firmware knows the controller of a target by. */
  instanceOf(target: number): string;
  readonly inquiry: PathInquiry;
  /** What its disks are behind the speed of their transfers: " (WDMA2, PIO 65536bytes)". */
  transferDetails?(target: number): string;
  /** Finds the units by itself, in place of CAM's scan of SCSI targets. */
  scan?(bus: Bus): Task;
  /** Sends the command and waits for its end; the result is in the block. */
  execute(command: CommandBlock): Task;
}
