import { DataBuffer, type TransferMemory } from './data-buffer.ts';
import {
  CDB_BYTES,
  ScsiOperation,
  ScsiStatus,
  Sense,
  SENSE_BYTES,
  SRB_AUTOSENSE_VALID,
  SrbStatus,
} from './spec.ts';

/** Which way a request's data goes, in storvsc's numbers. */
export const DataDirection = { out: 0, in: 1, none: 2 } as const;

/** The most bytes that a logical unit answers from its scratch buffer. */
const SCRATCH_BYTES = 65_536;

/**
 * One command and its answer, reused for every command of a controller. The controller fills the
 * upper half, the logical unit the lower by calling `good`, `fail`, `overrun` or `reply` once.
 */
export class ScsiTask {
  readonly cdb = new Uint8Array(CDB_BYTES);
  readonly data: DataBuffer;
  /** One of `DataDirection`. */
  direction: number = DataDirection.none;
  /** The version byte that a disk shows in INQUIRY on this connection. */
  inquiryVersion = 5;

  scsiStatus: number = ScsiStatus.good;
  /** With the autosense flag where there is sense. */
  srbStatus: number = SrbStatus.success;
  /** Bytes moved between guest and host. */
  transferred = 0;
  /** Bytes that the host moved: more than the guest's for WRITE SAME. They cost time. */
  workBytes = 0;
  /** Fixed-format sense, valid when `senseLength` is not 0. */
  readonly sense = new Uint8Array(20);
  senseLength = 0;
  /** Virtual time that this command takes on top of its modelled latency. */
  extraDelayNs = 0;

  /** For answers and parameter lists; zeroed by nobody, so write every byte that is sent. */
  readonly scratch = new Uint8Array(SCRATCH_BYTES);
  readonly scratchView = new DataView(this.scratch.buffer);

  constructor(memory: TransferMemory) {
    this.data = new DataBuffer(memory);
  }

  get operation(): number {
    return this.cdb[0]!;
  }

  /** Clears the answer. */
  begin(): void {
    this.scsiStatus = ScsiStatus.good;
    this.srbStatus = SrbStatus.success;
    this.transferred = 0;
    this.workBytes = 0;
    this.senseLength = 0;
    this.extraDelayNs = 0;
  }

  good(transferred = 0, workBytes = transferred): void {
    this.scsiStatus = ScsiStatus.good;
    this.srbStatus = SrbStatus.success;
    this.transferred = transferred;
    this.workBytes = workBytes;
    this.senseLength = 0;
  }

  /** CHECK CONDITION with sense; nothing counts as moved. */
  fail(sense: number, srbStatus: number = SrbStatus.error): void {
    this.scsiStatus = ScsiStatus.checkCondition;
    this.srbStatus = srbStatus | SRB_AUTOSENSE_VALID;
    this.transferred = 0;
    fillSense(this.sense, sense);
    this.senseLength = SENSE_BYTES;
  }

  /** ILLEGAL REQUEST as Microsoft's disk reports it: SRB status "invalid request". */
  illegal(sense: number): void {
    this.fail(sense, SrbStatus.invalidRequest);
  }

  /** A status without sense. */
  failPlain(scsiStatus: number, srbStatus: number): void {
    this.scsiStatus = scsiStatus;
    this.srbStatus = srbStatus;
    this.transferred = 0;
    this.senseLength = 0;
  }

  /** The command moves more than the request's buffer holds. */
  overrun(): void {
    this.fail(Sense.invalidFieldInCdb, SrbStatus.dataOverrun);
  }

  /**
   * Answers with `length` bytes of the scratch buffer, cut to the allocation length. A request
   * whose buffer the guest marked as data-out cannot take them.
   */
  reply(length: number, allocationLength: number): void {
    const wanted = Math.min(length, allocationLength);
    if (wanted > 0 && this.direction !== DataDirection.in) this.illegal(Sense.invalidFieldInCdb);
    else this.good(this.data.write(0, this.scratch, 0, wanted));
  }

  cdb16(position: number): number {
    return (this.cdb[position]! << 8) | this.cdb[position + 1]!;
  }

  cdb24(position: number): number {
    return (this.cdb[position]! << 16) | this.cdb16(position + 1);
  }

  cdb32(position: number): number {
    return (this.cdb16(position) * 0x1_0000 + this.cdb16(position + 2)) >>> 0;
  }

  /** Exact below 2^53; above, still larger than any disk. */
  cdb64(position: number): number {
    return this.cdb32(position) * 0x1_0000_0000 + this.cdb32(position + 4);
  }

  /** The logical block address of a medium command, 0 for any other. */
  get mediumLba(): number {
    switch (mediumGroup[this.operation] ?? 0) {
      case 6:
        return this.cdb24(1) & 0x1f_ffff;
      case 10:
      case 12:
        return this.cdb32(2);
      case 16:
        return this.cdb64(2);
      default:
        return 0;
    }
  }

  /** The transfer length of a medium command in blocks, 0 for any other. */
  get mediumBlocks(): number {
    switch (mediumGroup[this.operation] ?? 0) {
      case 6:
        return this.cdb[4] === 0 ? 256 : this.cdb[4]!;
      case 10:
        return this.cdb16(7);
      case 12:
        return this.cdb32(6);
      case 16:
        return this.cdb32(10);
      default:
        return 0;
    }
  }
}

/** CDB length of the operations that address blocks; 0 for the rest. */
const mediumGroup = new Uint8Array(256);
for (const operation of [ScsiOperation.read6, ScsiOperation.write6]) mediumGroup[operation] = 6;
for (const operation of [
  ScsiOperation.read10,
  ScsiOperation.write10,
  ScsiOperation.writeAndVerify10,
  ScsiOperation.verify10,
  ScsiOperation.synchronizeCache10,
  ScsiOperation.writeSame10,
]) {
  mediumGroup[operation] = 10;
}
for (const operation of [
  ScsiOperation.read12,
  ScsiOperation.write12,
  ScsiOperation.writeAndVerify12,
  ScsiOperation.verify12,
]) {
  mediumGroup[operation] = 12;
}
for (const operation of [
  ScsiOperation.read16,
  ScsiOperation.write16,
  ScsiOperation.writeAndVerify16,
  ScsiOperation.verify16,
  ScsiOperation.synchronizeCache16,
  ScsiOperation.writeSame16,
]) {
  mediumGroup[operation] = 16;
}

/** Fixed format, current error: 70h, key, additional length 10, code, qualifier (SPC-4 4.5.3). */
export function fillSense(target: Uint8Array, sense: number): void {
  target.fill(0);
  target[0] = 0x70;
  target[2] = (sense >>> 16) & 0x0f;
  target[7] = SENSE_BYTES - 8;
  target[12] = (sense >>> 8) & 0xff;
  target[13] = sense & 0xff;
}
