import { PAGE_BYTES } from '../../core/memory.ts';
import { VstorScsiRequest } from '../../devices/storvsc/spec.ts';
import type { CommandBlock } from '../cam/command.ts';
import type { PageRange } from '../vmbus/api.ts';

/** Pages that one transfer can touch: 128 KiB at any offset. */
export const MAX_TRANSFER_BYTES = 0x2_0000;
const MAX_PAGES = MAX_TRANSFER_BYTES / PAGE_BYTES + 1;

/** Where FreeBSD's heap lies: request pointers are the transaction ids. */
export const POINTER_HI = 0xffff_f800;
const POINTER_BASE = 0x0340_0000;
const POINTER_STEP = 0x400;

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

  // What the host's completion said, when the driver keeps it.
  srbStatus = 0;
  scsiStatus = 0;
  transferLength = 0;

  constructor(index: number) {
    this.index = index;
    this.fields.at(0);
  }

  get transactionLo(): number {
    return POINTER_BASE + this.index * POINTER_STEP;
  }
}

/** @returns the index of a request, or -1 when the transaction id is none that this driver made */
export function requestIndex(transactionLo: number, transactionHi: number): number {
  const distance = transactionLo - POINTER_BASE;
  if (transactionHi !== POINTER_HI || distance < 0 || distance % POINTER_STEP !== 0) return -1;
  return distance / POINTER_STEP;
}
