/** What CAM does about a command that did not complete: cam_periph_error of cam/cam_periph.c. */
import { NS_PER_MS } from '../../core/clock.ts';
import { ScsiStatus } from '../../devices/scsi/spec.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { CommandBlock } from './command.ts';
import { operationName, readSense, senseAction, SenseKey, senseWords } from './sense.ts';
import { CamStatus, camStatusText, PeripheralErrno } from './status.ts';
import { pathText, type Bus } from './topology.ts';

/** kern.cam.periph_busy_delay and the others. */
const BUSY_DELAY_MS = 500;
const SELECTION_TIMEOUT_DELAY_MS = 1000;
const SCSI_BUSY_DELAY_MS = 1000;
const SENSE_RETRY_DELAY_MS = 500;

export interface RecoveryOptions {
  readonly retries: number;
  /** SF_RETRY_UA: a unit attention is expected here. */
  readonly retryUnitAttention?: boolean;
  /** SF_QUIET_IR: an ILLEGAL REQUEST is expected here. */
  readonly quietIllegalRequest?: boolean;
  /** SF_NO_PRINT. */
  readonly quiet?: boolean;
  /** SF_NO_RETRY. */
  readonly noRetry?: boolean;
  /** CAM_RETRY_SELTO. */
  readonly retrySelectionTimeout?: boolean;
}

/** Every LUN of a target. */
export const ALL_LUNS = -1;

/** What recovery needs of the transport layer. */
export interface LossHandler {
  readonly kernel: KernelApi;
  /** AC_LOST_DEVICE. */
  lose(bus: Bus, target: number, lun: number): void;
  rescan(bus: Bus): void;
}

type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number; readonly isFree: boolean }
  | {
      readonly kind: 'fail';
      readonly errno: number;
      readonly isLost: boolean;
      readonly why: string;
    }
  | { readonly kind: 'ok' };

const fail = (errno: number, why: string, isLost = false): Verdict => ({
  kind: 'fail',
  errno,
  isLost,
  why,
});
const retry = (delayMs: number, isFree = false): Verdict => ({ kind: 'retry', delayMs, isFree });

/**
 * Runs a command, with the retries that its result calls for.
 * @returns 0, or an errno; the block holds the last result
 */
export function* runCommand(
  cam: LossHandler,
  bus: Bus,
  command: CommandBlock,
  options: RecoveryOptions,
): Task<number> {
  let retries = options.retries;
  for (;;) {
    if (bus.isGone) {
      command.status = CamStatus.deviceNotThere;
      return PeripheralErrno.ENXIO;
    }
    yield* bus.sim.execute(command);
    if (command.status === CamStatus.completed) return 0;
    let verdict = judge(command, options);
    if (verdict.kind === 'retry' && !verdict.isFree) {
      if (retries === 0) verdict = exhausted(command);
      else if (options.noRetry === true) verdict = fail(PeripheralErrno.EIO, 'Retry was blocked');
      else retries -= 1;
    }
    report(cam.kernel, bus, command, options, verdict);
    if (verdict.kind === 'ok') return 0;
    if (verdict.kind === 'retry') {
      if (verdict.delayMs > 0) yield* cam.kernel.tsleep(command, verdict.delayMs * NS_PER_MS);
      continue;
    }
    if (verdict.isLost) {
      // A selection timeout speaks for the target, "not there" for one unit (CAM, SSQ_LOST).
      const isWholeTarget = command.status === CamStatus.selectionTimeout;
      cam.lose(bus, command.target, isWholeTarget ? ALL_LUNS : command.lun);
    }
    return verdict.errno;
  }
}

function exhausted(command: CommandBlock): Verdict {
  if (command.status === CamStatus.selectionTimeout) return fail(PeripheralErrno.ENXIO, '', true);
  return fail(PeripheralErrno.EIO, 'Retries exhausted');
}

function judge(command: CommandBlock, options: RecoveryOptions): Verdict {
  switch (command.status) {
    case CamStatus.scsiStatusError:
      return judgeScsiStatus(command, options);
    case CamStatus.selectionTimeout:
      if (options.retrySelectionTimeout === true && options.retries > 0) {
        return retry(SELECTION_TIMEOUT_DELAY_MS);
      }
      return fail(PeripheralErrno.ENXIO, '', true);
    case CamStatus.deviceNotThere:
      return fail(PeripheralErrno.ENXIO, '', true);
    case CamStatus.invalidRequest:
    case CamStatus.provideFail:
      return fail(PeripheralErrno.EINVAL, 'Unretryable error');
    case CamStatus.busReset:
    case CamStatus.requeueRequest:
      // Innocent bystanders are queued again without counting, unless retries are forbidden.
      return retry(BUSY_DELAY_MS, options.noRetry !== true);
    case CamStatus.busy:
      return retry(BUSY_DELAY_MS);
    default:
      return retry(0);
  }
}

function judgeScsiStatus(command: CommandBlock, options: RecoveryOptions): Verdict {
  if (command.scsiStatus === ScsiStatus.busy) return retry(SCSI_BUSY_DELAY_MS);
  if (command.scsiStatus !== ScsiStatus.checkCondition) {
    return fail(PeripheralErrno.EIO, 'Unretryable error');
  }
  const sense = command.hasSense ? readSense(command.sense) : -1;
  if (sense < 0) return retry(0);
  if (sense >> 16 === SenseKey.unitAttention && options.retryUnitAttention === true) {
    return retry(0);
  }
  const action = senseAction(sense);
  if (action === 'ok') return { kind: 'ok' };
  if (action === 'retry') return retry(SENSE_RETRY_DELAY_MS);
  return fail(action, 'Unretryable error');
}

function report(
  kernel: KernelApi,
  bus: Bus,
  command: CommandBlock,
  options: RecoveryOptions,
  verdict: Verdict,
): void {
  if (options.quiet === true || verdict.kind === 'ok') return;
  if (verdict.kind === 'fail' && verdict.isLost) return;
  if (verdict.kind === 'retry' && verdict.isFree) return;
  const sense = command.hasSense ? readSense(command.sense) : -1;
  const isIllegal = sense >> 16 === SenseKey.illegalRequest;
  if (options.quietIllegalRequest === true && isIllegal && sense >= 0) return;
  const path = pathText(command.peripheral, bus.sim, command.target, command.lun);
  const bytes = Array.from(command.cdb.subarray(0, command.cdbLength), (byte) =>
    byte.toString(16).padStart(2, '0'),
  );
  kernel.printf(`${path}${operationName(command.operation)}. CDB: ${bytes.join(' ')} \n`);
  kernel.printf(`${path}CAM status: ${camStatusText[command.status] ?? 'Unknown'}\n`);
  if (command.status === CamStatus.scsiStatusError) {
    kernel.printf(`${path}SCSI status: ${scsiStatusText(command.scsiStatus)}\n`);
    if (sense >= 0) {
      const { key, code } = senseWords(sense);
      const [high, low] = [(sense >> 8) & 0xff, sense & 0xff];
      kernel.printf(
        `${path}SCSI sense: ${key} asc:${high.toString(16)},${low.toString(16)} (${code})\n`,
      );
    }
  }
  if (verdict.kind === 'fail') kernel.printf(`${path}Error ${verdict.errno}, ${verdict.why}\n`);
  else kernel.printf(`${path}Retrying command\n`);
}

function scsiStatusText(status: number): string {
  if (status === ScsiStatus.checkCondition) return 'Check Condition';
  if (status === ScsiStatus.busy) return 'Busy';
  return status === ScsiStatus.reservationConflict ? 'Reservation Conflict' : 'Unknown';
}
