import { PAGE_BYTES } from '../../core/memory.ts';
import { VstorOperation, VstorScsiRequest } from '../../devices/storvsc/spec.ts';
import { Direction, type CommandBlock } from '../cam/command.ts';
import type { PageRange } from '../vmbus/api.ts';
import { negotiatesVersion, type StorvscMode, type VstorDialect } from './protocol.ts';

/** Pages that one transfer can touch: 128 KiB at any offset. */
export const MAX_TRANSFER_BYTES = 0x2_0000;
const MAX_PAGES = MAX_TRANSFER_BYTES / PAGE_BYTES + 1;

/** Where FreeBSD's heap lies: request pointers are the transaction ids. */
export const POINTER_HI = 0xffff_f800;
const POINTER_BASE = 0x0340_0000;
const POINTER_STEP = 0x400;

const REQUEST_COMPLETION = 1;
/** "Disable synchronous transfer", data in, data out: srb_flags of the Windows 8 extension. */
const SRB_NO_SYNC_TRANSFER = 0x08;
const SRB_DATA_IN = 0x40;
const SRB_DATA_OUT = 0x80;
const SRB_TIMEOUT_SECONDS = 60;

/** The range of a request, rebuilt in place for each use. */
class RequestRange implements PageRange {
  length = 0;
  offset = 0;
  readonly pfns = new Float64Array(MAX_PAGES);

  set(gpa: number, length: number): void {
    const first = Math.floor(gpa / PAGE_BYTES);
    this.offset = gpa - first * PAGE_BYTES;
    this.length = length;
    const count = Math.ceil((this.offset + length) / PAGE_BYTES);
    for (let index = 0; index < count; index += 1) this.pfns[index] = first + index;
  }
}

/** One slot of the driver's request table, with its packet. */
export class StorvscRequest {
  readonly index: number;
  readonly packet = new Uint8Array(VstorScsiRequest.size);
  readonly view = new DataView(this.packet.buffer);
  readonly fields = VstorScsiRequest.cursor(this.view);
  readonly range = new RequestRange();
  readonly ranges: readonly PageRange[] = [this.range];
  command: CommandBlock | undefined;
  isDone = false;

  constructor(index: number) {
    this.index = index;
    this.fields.at(0);
  }

  get transactionLo(): number {
    return POINTER_BASE + this.index * POINTER_STEP;
  }
}

/** Makes the EXECUTE_SRB packet of a command. @param unit the controller's, which goes along */
export function fillRequest(
  request: StorvscRequest,
  command: CommandBlock,
  unit: number,
  dialect: VstorDialect,
  mode: StorvscMode,
): void {
  const { fields, packet } = request;
  const isOld = !negotiatesVersion(mode);
  request.command = command;
  request.isDone = false;
  packet.fill(0);
  fields.operation = VstorOperation.is.executeSrb;
  fields.flags = REQUEST_COMPLETION;
  // 10.2 counted the whole packet here; hosts do not look.
  const headerBytes = VstorScsiRequest.offset.length;
  fields.length = isOld ? dialect.packetBytes : dialect.packetBytes - headerBytes;
  fields.port = unit;
  fields.target = command.target;
  fields.lun = command.lun;
  fields.cdbLength = command.cdbLength;
  fields.senseLength = dialect.senseBytes;
  fields.dataIn = command.direction;
  fields.dataTransferLength = command.dataLength;
  packet.set(command.cdb, VstorScsiRequest.offset.cdbOrSense);
  if (!isOld) {
    const isIn = command.direction === Direction.in;
    const direction = isIn ? SRB_DATA_IN : command.direction === Direction.out ? SRB_DATA_OUT : 0;
    fields.srbFlags = SRB_NO_SYNC_TRANSFER | direction;
    fields.timeoutSeconds = SRB_TIMEOUT_SECONDS;
  }
  if (command.dataLength > 0) request.range.set(command.dataGpa, command.dataLength);
}

/** @returns the index of a request, or -1 when the transaction id is none that this driver made */
export function requestIndex(transactionLo: number, transactionHi: number): number {
  const distance = transactionLo - POINTER_BASE;
  if (transactionHi !== POINTER_HI || distance < 0 || distance % POINTER_STEP !== 0) return -1;
  return distance / POINTER_STEP;
}
