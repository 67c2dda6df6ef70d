/** fdc(4): the controller, and fd(4), its drive (dev/fdc/fdc.c). */
import {
  CommandFlag,
  FLOPPY_FORMATS,
  FLOPPY_SECTOR_BYTES,
  FLOPPY_SIZE_CODE,
  FloppyCommand,
  type FloppyFormat,
  Status0,
  Status1,
  Status3,
} from '../../devices/floppy/spec.ts';
import { NS_PER_MS } from '../../core/clock.ts';
import { PAGE_BYTES } from '../../core/memory.ts';
import { FileErrno } from '../fs/errors.ts';
import type { BlockDisk } from '../fs/media.ts';
import type { KernelLock, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { FloppyRegisters } from './registers.ts';

const DRIVES = 4;
const RESET_US = 100;
const MOTOR_START_NS = 1000 * NS_PER_MS;
const MOTOR_STOP_NS = 4000 * NS_PER_MS;
const COMMAND_TIMEOUT_NS = 1000 * NS_PER_MS;
/** Step rate, head load and unload times that the driver sets, with DMA. */
const SPECIFY_TIMES = [0xd1, 0x04];
const GAP = 0x1b;
const NO_LENGTH = 0xff;
const RETRIES = 4;
/** A track of the densest format, rounded up; it begins at a 64 KiB boundary and stays in it. */
const BUFFER_PAGES = 6;
const DENSE = CommandFlag.doubleDensity;
/** READ and WRITE of both heads. */
const BOTH_HEADS = DENSE | CommandFlag.multiTrack;

export class FloppyController {
  readonly #kernel: Kernel;
  readonly #registers: FloppyRegisters;
  readonly #lock: KernelLock;
  readonly #bufferGpa: number;
  readonly #status = new Uint8Array(7);
  #hasInterrupt = false;
  #motorTimer: number | undefined;
  /** Where the head is; -1: unknown. */
  #cylinder = -1;
  #version = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#registers = new FloppyRegisters(kernel);
    this.#lock = kernel.lock('fdc0');
    this.#bufferGpa = kernel.allocateLow(BUFFER_PAGES);
  }

  /** Interrupt context. */
  interrupt(): void {
    this.#hasInterrupt = true;
    this.#kernel.wakeup(this);
  }

  /** fdc_initial_reset. @returns whether a controller answers */
  *probe(): Task<boolean> {
    if (!(yield* this.#reset())) return false;
    if (!this.#registers.send(FloppyCommand.version.code)) return false;
    this.#version = this.#registers.receive();
    return this.#version >= 0;
  }

  /** As VERSION gives it. */
  get version(): number {
    return this.#version;
  }

  /** Whether a drive comes back to track 0. */
  *findDrive(): Task<boolean> {
    this.#registers.setMotor(true);
    const seen = this.#senseDrive();
    let isThere = seen >= 0;
    // A head that stands at track 0 is moved away first.
    if (isThere && (seen & Status3.track0) !== 0) isThere = yield* this.#seek(10);
    isThere &&= yield* this.#recalibrate();
    this.#registers.setMotor(false);
    return isThere;
  }

  #senseDrive(): number {
    if (!this.#registers.send(FloppyCommand.senseDrive.code, 0)) return -1;
    return this.#registers.receive();
  }

  *#reset(): Task<boolean> {
    this.#hasInterrupt = false;
    this.#registers.reset(true);
    yield* this.#kernel.delay(RESET_US);
    this.#registers.reset(false);
    if (!(yield* this.#waitInterrupt())) return false;
    for (let drive = 0; drive < DRIVES; drive += 1) this.#senseInterrupt();
    this.#cylinder = -1;
    return this.#registers.send(FloppyCommand.specify.code, ...SPECIFY_TIMES);
  }

  *#waitInterrupt(): Task<boolean> {
    while (!this.#hasInterrupt) {
      const isWoken = yield* this.#kernel.tsleep(this, COMMAND_TIMEOUT_NS);
      if (!isWoken && !this.#hasInterrupt) return false;
    }
    this.#hasInterrupt = false;
    return true;
  }

  /** @returns status register 0, with the cylinder above it; -1 when there was nothing to tell */
  #senseInterrupt(): number {
    if (!this.#registers.send(FloppyCommand.senseInterrupt.code)) return -1;
    const status = this.#registers.receive();
    if (status < 0 || (status & Status0.polled) === Status0.invalid) return -1;
    return status | (this.#registers.receive() << 8);
  }

  *#seek(cylinder: number): Task<boolean> {
    if (cylinder === this.#cylinder) return true;
    return yield* this.#moveHead(cylinder, [FloppyCommand.seek.code, 0, cylinder]);
  }

  *#recalibrate(): Task<boolean> {
    return yield* this.#moveHead(0, [FloppyCommand.recalibrate.code, 0]);
  }

  *#moveHead(cylinder: number, command: readonly number[]): Task<boolean> {
    this.#cylinder = -1;
    this.#hasInterrupt = false;
    if (!this.#registers.send(...command) || !(yield* this.#waitInterrupt())) return false;
    const sense = this.#senseInterrupt();
    const isThere = sense >= 0 && (sense & Status0.polled) === 0 && sense >> 8 === cylinder;
    if (isThere && (sense & Status0.equipmentCheck) === 0) this.#cylinder = cylinder;
    return this.#cylinder === cylinder;
  }

  /** A command that ends in seven bytes of status. @returns false when it was not finished well */
  *#run(...command: readonly number[]): Task<boolean> {
    this.#hasInterrupt = false;
    this.#status.fill(0);
    const isDone = this.#registers.send(...command) && (yield* this.#waitInterrupt());
    if (!isDone || !this.#registers.receiveAll(this.#status)) {
      yield* this.#reset();
      this.#status[0] = Status0.abnormal;
      return false;
    }
    return (this.#status[0]! & Status0.polled) === 0;
  }

  /** The motor runs, and stops some time after the last use. */
  *#spin(): Task {
    if (this.#motorTimer !== undefined) this.#kernel.callouts.cancel(this.#motorTimer);
    this.#motorTimer = undefined;
    if (this.#registers.isMotorOn) return;
    this.#registers.setMotor(true);
    yield* this.#kernel.tsleep({}, MOTOR_START_NS);
  }

  #stopLater(): void {
    const { callouts, scheduler } = this.#kernel;
    this.#motorTimer = callouts.schedule(scheduler.active, MOTOR_STOP_NS, () => {
      this.#motorTimer = undefined;
      this.#registers.setMotor(false);
    });
  }

  /**
   * Looks what is in the drive.
   * @param known what was in it; it still is unless the change line tells otherwise
   */
  *examine(known: FloppyFormat | undefined): Task<FloppyFormat | undefined> {
    yield* this.#lock.acquire();
    yield* this.#spin();
    const isChanged = this.#registers.isChanged;
    let format = isChanged ? undefined : known;
    // A step over a diskette puts the line down; without one it stays.
    const isEmpty =
      isChanged &&
      (!(yield* this.#seek(1)) || !(yield* this.#recalibrate()) || this.#registers.isChanged);
    if (!isEmpty && format === undefined) format = yield* this.#autoselect();
    this.#stopLater();
    this.#lock.release();
    return format;
  }

  /** fdautoselect: the format whose address marks and last sector can be read. */
  *#autoselect(): Task<FloppyFormat | undefined> {
    for (const format of FLOPPY_FORMATS.toSorted((left, right) => right.sectors - left.sectors)) {
      this.#registers.rate = format.rate;
      if (!(yield* this.#seek(0))) return undefined;
      if (!(yield* this.#run(FloppyCommand.readId.code | DENSE, 0))) continue;
      this.#registers.startDma(this.#bufferGpa, FLOPPY_SECTOR_BYTES, true);
      const { sectors } = format;
      const place = [0, 0, 0, sectors, FLOPPY_SIZE_CODE, sectors, GAP, NO_LENGTH];
      if (yield* this.#run(FloppyCommand.readData.code | DENSE, ...place)) return format;
    }
    return undefined;
  }

  /** Moves sectors between the diskette and memory. @returns 0 or an errno */
  *transfer(
    format: FloppyFormat,
    isWrite: boolean,
    lba: number,
    count: number,
    gpa: number,
  ): Task<number> {
    yield* this.#lock.acquire();
    yield* this.#spin();
    let error = 0;
    for (let done = 0; done < count && error === 0;) {
      const perCylinder = format.sectors * format.heads;
      const part = Math.min(
        count - done,
        perCylinder - ((lba + done) % perCylinder),
        (BUFFER_PAGES * PAGE_BYTES) / FLOPPY_SECTOR_BYTES,
      );
      error = yield* this.#transferPart(
        format,
        isWrite,
        lba + done,
        part,
        gpa + done * FLOPPY_SECTOR_BYTES,
      );
      done += part;
    }
    this.#stopLater();
    this.#lock.release();
    return error;
  }

  /** Sectors of one cylinder, through the buffer that the DMA controller reaches. */
  *#transferPart(
    format: FloppyFormat,
    isWrite: boolean,
    lba: number,
    count: number,
    gpa: number,
  ): Task<number> {
    const bytes = count * FLOPPY_SECTOR_BYTES;
    const { sectors, heads } = format;
    const track = Math.floor(lba / sectors);
    const [cylinder, head, sector] = [
      Math.floor(track / heads),
      track % heads,
      (lba % sectors) + 1,
    ];
    if (isWrite) this.#copy(gpa, this.#bufferGpa, bytes);
    this.#registers.rate = format.rate;
    for (let attempt = 0; attempt < RETRIES; attempt += 1) {
      if (this.#registers.isChanged) return FileErrno.ENXIO;
      if (!(yield* this.#seek(cylinder))) {
        yield* this.#recalibrate();
        continue;
      }
      if (isWrite && (this.#senseDrive() & Status3.writeProtected) !== 0) return FileErrno.EROFS;
      this.#registers.startDma(this.#bufferGpa, bytes, !isWrite);
      const operation = isWrite ? FloppyCommand.writeData : FloppyCommand.readData;
      const isGood = yield* this.#run(
        operation.code | BOTH_HEADS,
        head << 2,
        cylinder,
        head,
        sector,
        FLOPPY_SIZE_CODE,
        sectors,
        GAP,
        NO_LENGTH,
      );
      if (isGood) {
        if (!isWrite) this.#copy(this.#bufferGpa, gpa, bytes);
        return 0;
      }
      if ((this.#status[1]! & Status1.notWritable) !== 0) return FileErrno.EROFS;
      yield* this.#recalibrate();
    }
    this.#complain(isWrite, lba);
    return FileErrno.EIO;
  }

  #complain(isWrite: boolean, lba: number): void {
    const [st0, st1, st2, cylinder, head, sector] = this.#status;
    const hex = (value: number | undefined): string => (value ?? 0).toString(16);
    this.#kernel.printf(
      `fd0: hard error ${isWrite ? 'writing' : 'reading'} fsbn ${lba} ` +
        `(ST0 ${hex(st0)} ST1 ${hex(st1)} ST2 ${hex(st2)} cyl ${cylinder} hd ${head} sec ${sector})\n`,
    );
  }

  #copy(from: number, to: number, bytes: number): void {
    const { memory } = this.#kernel.hw;
    const source = memory.resolve(from, bytes);
    const target = memory.resolve(to, bytes);
    memory.u8.copyWithin(target, source, source + bytes);
  }
}

/** fd(4). */
export class FloppyDisk implements BlockDisk {
  readonly name = 'fd0';
  readonly sectorBytes = FLOPPY_SECTOR_BYTES;
  readonly isInvalid = false;
  openCount = 0;
  readonly #controller: FloppyController;
  #format: FloppyFormat | undefined;

  constructor(controller: FloppyController) {
    this.#controller = controller;
  }

  get sectors(): number {
    return (this.#format?.sizeBytes ?? 0) / FLOPPY_SECTOR_BYTES;
  }

  /** Without a diskette there is no such device, as far as a program can tell. */
  *open(): Task<number> {
    this.#format = yield* this.#controller.examine(this.#format);
    return this.#format === undefined ? FileErrno.ENXIO : 0;
  }

  read(lba: number, count: number, gpa: number): Task<number> {
    return this.#transfer(false, lba, count, gpa);
  }

  write(lba: number, count: number, gpa: number): Task<number> {
    return this.#transfer(true, lba, count, gpa);
  }

  /** The controller keeps nothing back. */
  *flush(): Task<number> {
    yield 0;
    return 0;
  }

  *#transfer(isWrite: boolean, lba: number, count: number, gpa: number): Task<number> {
    if (this.#format === undefined) return FileErrno.ENXIO;
    if (lba < 0 || count < 0 || lba + count > this.sectors) return FileErrno.EINVAL;
    return yield* this.#controller.transfer(this.#format, isWrite, lba, count, gpa);
  }
}
