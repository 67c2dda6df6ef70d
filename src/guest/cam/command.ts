import { CDB_BYTES, ScsiOperation, ServiceAction } from '../../devices/scsi/spec.ts';
import { CamStatus } from './status.ts';

/** Which way data goes, in storvsc's numbers. */
export const Direction = { out: 0, in: 1, none: 2 } as const;

/** Time for a command of a probe or of a disk, in milliseconds (FreeBSD: 60 s). */
export const COMMAND_TIMEOUT_MS = 60_000;
const MODE_PAGE_CONTROL_CURRENT = 0x00;

/**
 * A SCSI command on its way through CAM and a SIM, and its result: XPT_SCSI_IO's control block.
 * Made once for each user and refilled for each command. Its data lies in guest memory, contiguous.
 */
export class CommandBlock {
  /** For messages: "probe0", "da1". */
  readonly peripheral: string;
  readonly target: number;
  readonly lun: number;
  readonly cdb = new Uint8Array(CDB_BYTES);
  cdbLength = 6;
  /** One of `Direction`. */
  direction: number = Direction.none;
  dataGpa = 0;
  dataLength = 0;
  /** Infinity: none. */
  timeoutMs = COMMAND_TIMEOUT_MS;

  /** One of `CamStatus`. */
  status: number = CamStatus.completed;
  scsiStatus = 0;
  /** Bytes of the request that did not move, as the driver tells it. */
  residual = 0;
  readonly sense = new Uint8Array(20);
  hasSense = false;

  constructor(peripheral: string, target: number, lun: number) {
    this.peripheral = peripheral;
    this.target = target;
    this.lun = lun;
  }

  get operation(): number {
    return this.cdb[0]!;
  }

  #fill(
    operation: number,
    cdbLength: number,
    direction: number,
    gpa: number,
    length: number,
  ): void {
    this.cdb.fill(0);
    this.cdb[0] = operation;
    this.cdbLength = cdbLength;
    this.direction = direction;
    this.dataGpa = gpa;
    this.dataLength = length;
  }

  testUnitReady(): void {
    this.#fill(ScsiOperation.testUnitReady, 6, Direction.none, 0, 0);
  }

  inquiry(gpa: number, length: number): void {
    this.#fill(ScsiOperation.inquiry, 6, Direction.in, gpa, length);
    this.cdb[3] = length >> 8;
    this.cdb[4] = length & 0xff;
  }

  /** INQUIRY with EVPD set. */
  vitalProductData(page: number, gpa: number, length: number): void {
    this.inquiry(gpa, length);
    this.cdb[1] = 1;
    this.cdb[2] = page;
  }

  reportLuns(gpa: number, length: number): void {
    this.#fill(ScsiOperation.reportLuns, 12, Direction.in, gpa, length);
    this.#put32(6, length);
  }

  modeSense6(page: number, gpa: number, length: number): void {
    this.#fill(ScsiOperation.modeSense6, 6, Direction.in, gpa, length);
    this.cdb[2] = MODE_PAGE_CONTROL_CURRENT | page;
    this.cdb[4] = length;
  }

  readCapacity10(gpa: number, length: number): void {
    this.#fill(ScsiOperation.readCapacity10, 10, Direction.in, gpa, length);
  }

  readCapacity16(gpa: number, length: number): void {
    this.#fill(ScsiOperation.serviceActionIn16, 16, Direction.in, gpa, length);
    this.cdb[1] = ServiceAction.readCapacity16;
    this.#put32(10, length);
  }

  /** SYNCHRONIZE CACHE of the whole disk. */
  synchronizeCache(): void {
    this.#fill(ScsiOperation.synchronizeCache10, 10, Direction.none, 0, 0);
  }

  /**
   * The shortest READ or WRITE that reaches, as scsi_read_write chooses it.
   * @param shortest bytes of a command: cd(4) asks for no READ(6)
   */
  transfer(
    isWrite: boolean,
    lba: number,
    blocks: number,
    gpa: number,
    length: number,
    shortest: 6 | 10 = 6,
  ): void {
    const direction = isWrite ? Direction.out : Direction.in;
    if (shortest === 6 && lba <= 0x1f_ffff && blocks <= 0xff) {
      const operation = isWrite ? ScsiOperation.write6 : ScsiOperation.read6;
      this.#fill(operation, 6, direction, gpa, length);
      this.cdb[1] = lba >> 16;
      this.cdb[2] = lba >> 8;
      this.cdb[3] = lba;
      this.cdb[4] = blocks;
    } else if (lba <= 0xffff_ffff && blocks <= 0xffff) {
      const operation = isWrite ? ScsiOperation.write10 : ScsiOperation.read10;
      this.#fill(operation, 10, direction, gpa, length);
      this.#put32(2, lba);
      this.cdb[7] = blocks >> 8;
      this.cdb[8] = blocks;
    } else {
      const operation = isWrite ? ScsiOperation.write16 : ScsiOperation.read16;
      this.#fill(operation, 16, direction, gpa, length);
      this.#put32(2, Math.floor(lba / 0x1_0000_0000));
      this.#put32(6, lba >>> 0);
      this.#put32(10, blocks);
    }
  }

  #put32(at: number, value: number): void {
    this.cdb[at] = value >>> 24;
    this.cdb[at + 1] = value >>> 16;
    this.cdb[at + 2] = value >>> 8;
    this.cdb[at + 3] = value;
  }
}
