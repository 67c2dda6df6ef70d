/** What the model guest says of itself. For observers only: nothing in the machine acts on it. */
import { traceType } from '../core/trace.ts';
import { u16, u32, u64 } from '../core/wire.ts';

/** Text: kernel, vmbus-connected, offers-delivered, root-mounted, login, halt. */
export const guestPhase = traceType('guest', 'phase', {}, 'phase');
/** A driver attached. Text: "storvsc0". */
export const guestDevice = traceType('guest', 'device', { channel: u32 }, 'device');
/** A disk was announced. `bytes` is its size. Text: the INQUIRY model, trimmed. */
export const guestDisk = traceType(
  'guest',
  'disk',
  { unit: u16, controller: u16, target: u16, lun: u16, bytes: u64 },
  'model',
);
/** The same of an ATA disk, "ada" and its unit, on an emulated channel. */
export const guestAtaDisk = traceType(
  'guest',
  'ata-disk',
  { unit: u16, controller: u16, target: u16, lun: u16, bytes: u64 },
  'model',
);
/** The boot cannot go on. Text: the stage, then ": " and why. */
export const guestStageStopped = traceType('guest', 'stage-stopped', {}, 'stage');
export const guestPanic = traceType('guest', 'panic', {}, 'message');
/** The guest ends: kind 0 halted, 1 powered off, 2 reset. */
export const guestEnd = traceType('guest', 'end', { kind: u16 });
