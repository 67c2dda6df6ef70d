import { traceType, type Trace } from '../../core/trace.ts';
import { u32, u64, u8 } from '../../core/wire.ts';
import type { IncomingPacket } from '../../vmbus/device.ts';
import { CDB_BYTES, ScsiStatus, SrbStatus } from '../scsi/spec.ts';
import { DataDirection, type ScsiTask } from '../scsi/task.ts';
import type { LunTable } from './luns.ts';
import { SENSE_FIELD_BYTES, VstorScsiRequest, VstorStatus } from './spec.ts';
import { ntStatusOf } from './status.ts';

/** No request moves more, whatever its guest asks; hosts promise guests far less. */
export const MAX_REQUEST_BYTES = 8 * 1024 * 1024;

const CDB_AT = VstorScsiRequest.offset.cdbOrSense;

/** `address` is path << 16 | target << 8 | LUN, `transaction` the low half of the guest's id. */
const requestEvent = traceType('storvsc', 'request', {
  channel: u32,
  address: u32,
  transaction: u32,
  operation: u8,
  lba: u64,
  bytes: u32,
});

type RequestCursor = ReturnType<typeof VstorScsiRequest.cursor>;

/**
 * Executes one EXECUTE_SRB and turns the request under `request` into its completion, in place.
 * The CDB stays where there is no sense data.
 */
export function executeSrb(
  trace: Trace,
  channelId: number,
  request: RequestCursor,
  packet: IncomingPacket,
  luns: LunTable,
  task: ScsiTask,
): void {
  const { path, target, lun } = request;
  const { bytes, payloadStart, ranges } = packet;
  const { cdb } = task;
  for (let index = 0; index < CDB_BYTES; index += 1) {
    cdb[index] = bytes[payloadStart + CDB_AT + index]!;
  }
  task.begin();
  const direction = Math.min(request.dataIn, DataDirection.none);
  const length = direction === DataDirection.none ? 0 : request.dataTransferLength;
  const address = (path << 16) | (target << 8) | lun;
  trace.emit(
    requestEvent,
    channelId,
    address,
    packet.transactionLo,
    task.operation,
    task.mediumLba,
    length,
  );
  let status: number | undefined;
  if (ranges.rangeCount > 1 || length > ranges.totalBytes || length > MAX_REQUEST_BYTES) {
    status = VstorStatus.is.invalidParameter;
    task.failPlain(ScsiStatus.good, SrbStatus.invalidRequest);
  } else {
    task.direction = direction;
    task.data.attach(ranges, length);
    luns.execute(path, target, lun, task);
  }
  request.status = status ?? ntStatusOf(task.srbStatus);
  request.srbStatus = task.srbStatus;
  request.scsiStatus = task.scsiStatus;
  request.dataTransferLength = task.transferred;
  const asked = request.senseLength;
  request.senseLength = asked === 0 ? SENSE_FIELD_BYTES : Math.min(asked, SENSE_FIELD_BYTES);
  if (task.senseLength > 0) request.cdbOrSense = task.sense;
}
