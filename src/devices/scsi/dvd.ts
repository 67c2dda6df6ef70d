import { StateError, type StateStream } from '../../core/state.ts';
import { DiskFault, type BlockDevice } from '../../storage/block.ts';
import {
  discInformation,
  dvdStructure,
  getConfiguration,
  getPerformance,
  mechanismStatus,
  readBufferCapacity,
  readToc,
  trackInformation,
} from './dvd-answers.ts';
import { EventReporter } from './dvd-events.ts';
import { dvdModeSelect, dvdModeSense } from './dvd-mode.ts';
import { FaultTable } from './faults.ts';
import { dvdInquiry, MICROSOFT_DVD, type InquiryIdentity } from './inquiry.ts';
import type { LogicalUnit } from './logical-unit.ts';
import {
  DVD_BLOCK_BYTES,
  PeripheralDeviceType,
  ReadCapacity10Data,
  ScsiOperation,
  ScsiStatus,
  Sense,
  SENSE_BYTES,
  SrbStatus,
} from './spec.ts';
import { DataDirection, fillSense, type ScsiTask } from './task.ts';

/**
 * A virtual DVD drive, as Hyper-V shows one to a guest (MMC-6). The disc is a disk image whose
 * sectors are grouped to blocks of 2048 bytes.
 */
export class ScsiDvd implements LogicalUnit {
  readonly name: string;
  readonly deviceType = PeripheralDeviceType.cdDvd;
  readonly faults = new FaultTable();
  readonly #events = new EventReporter();
  readonly #identity: InquiryIdentity;
  #disc: BlockDevice | undefined;
  #isRemovalPrevented = false;

  constructor(name: string, disc?: BlockDevice, identity: InquiryIdentity = MICROSOFT_DVD) {
    this.name = name;
    this.#identity = identity;
    if (disc !== undefined) this.insert(disc);
  }

  get disc(): BlockDevice | undefined {
    return this.#disc;
  }

  get isTrayOpen(): boolean {
    return this.#events.isTrayOpen;
  }

  /** The host puts a disc in, in the place of any other. */
  insert(disc: BlockDevice): void {
    this.#disc = disc;
    this.#events.inserted();
  }

  /** The host takes the disc out, whatever the guest prevents. */
  eject(): void {
    this.#disc = undefined;
    this.#events.removed();
  }

  /** A disc that the host put in after power-on is not the machine's to find again. */
  exchange(state: StateStream): void {
    const disc = state.text('disc', this.#disc?.name ?? '');
    if (state.isRestoring && disc === '') this.#disc = undefined;
    if (disc !== (this.#disc?.name ?? ''))
      throw new StateError(`has the disc ${disc} in its drive`);
    this.#isRemovalPrevented = state.flag('isRemovalPrevented', this.#isRemovalPrevented);
    state.part('events', () => this.#events.exchange(state));
    state.part('faults', () => this.faults.exchange(state));
  }

  get #blocks(): number {
    return this.#disc === undefined ? 0 : Math.floor(this.#disc.sizeBytes / DVD_BLOCK_BYTES);
  }

  execute(task: ScsiTask): void {
    if (!this.faults.isEmpty && this.faults.apply(task)) return;
    try {
      this.#dispatch(task);
    } catch (error) {
      if (!(error instanceof DiskFault)) throw error;
      task.fail(Sense.unrecoveredReadError);
    }
  }

  #dispatch(task: ScsiTask): void {
    switch (task.operation) {
      case ScsiOperation.read10:
      case ScsiOperation.read12:
      case ScsiOperation.read16:
        this.#read(task);
        return;
      case ScsiOperation.testUnitReady:
        if (this.#isReady(task)) task.good();
        return;
      case ScsiOperation.inquiry:
        dvdInquiry(task, this.#identity);
        return;
      case ScsiOperation.requestSense:
        this.#requestSense(task);
        return;
      case ScsiOperation.getEventStatusNotification:
        this.#events.report(task, this.#disc !== undefined);
        return;
      case ScsiOperation.getConfiguration:
        getConfiguration(task, this.#disc !== undefined);
        return;
      case ScsiOperation.startStopUnit:
        this.#startStop(task);
        return;
      case ScsiOperation.preventAllowMediumRemoval:
        this.#isRemovalPrevented = (task.cdb[4]! & 1) !== 0;
        this.#events.isPersistentlyPrevented = (task.cdb[4]! & 3) === 3;
        task.good();
        return;
      case ScsiOperation.modeSense10:
        dvdModeSense(task);
        return;
      case ScsiOperation.modeSelect10:
        dvdModeSelect(task);
        return;
      case ScsiOperation.mechanismStatus:
        mechanismStatus(task, this.#events.isTrayOpen);
        return;
      case ScsiOperation.readBufferCapacity:
        readBufferCapacity(task);
        return;
      default:
        this.#discCommand(task);
    }
  }

  /** Commands that describe the disc, and so need one. */
  #discCommand(task: ScsiTask): void {
    const answer = discAnswers.get(task.operation);
    if (answer === undefined) task.fail(Sense.invalidCommand);
    else if (this.#isReady(task)) answer(task, this.#blocks);
  }

  #isReady(task: ScsiTask): boolean {
    if (this.#disc !== undefined) return true;
    task.fail(
      this.#events.isTrayOpen ? Sense.mediumNotPresentTrayOpen : Sense.mediumNotPresentTrayClosed,
    );
    return false;
  }

  #read(task: ScsiTask): void {
    const lba = task.mediumLba;
    const count = task.mediumBlocks;
    if (count === 0) {
      task.good();
      return;
    }
    if (!this.#isReady(task)) return;
    const length = count * DVD_BLOCK_BYTES;
    if (lba >= this.#blocks || count > this.#blocks - lba) task.fail(Sense.lbaOutOfRange);
    else if (length > task.data.length) {
      task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
    } else if (task.direction !== DataDirection.in) task.illegal(Sense.invalidFieldInCdb);
    else {
      task.data.readFrom(this.#disc!, lba * DVD_BLOCK_BYTES, length);
      task.good(length);
    }
  }

  /** Sense is always delivered with its command, so there is never any left to ask for. */
  #requestSense(task: ScsiTask): void {
    fillSense(task.scratch.subarray(0, SENSE_BYTES), Sense.none);
    task.reply(SENSE_BYTES, Math.min(task.cdb[4]!, task.data.length));
  }

  /** START STOP UNIT, MMC-6 6.42: LoEj and Start in byte 4. */
  #startStop(task: ScsiTask): void {
    const isLoadEject = (task.cdb[4]! & 2) !== 0;
    const isStart = (task.cdb[4]! & 1) !== 0;
    if (isLoadEject && isStart) {
      this.#events.trayClosed();
    } else if (isLoadEject) {
      if (this.#isRemovalPrevented) {
        task.fail(
          this.#disc === undefined ? Sense.notReadyRemovalPrevented : Sense.mediumRemovalPrevented,
        );
        return;
      }
      // A guest's eject takes the disc out for good: only the host can insert one again.
      if (this.#disc === undefined) this.#events.trayOpened();
      else this.eject();
    }
    task.good();
  }
}

function readCapacity(task: ScsiTask, blocks: number): void {
  if (task.data.length < ReadCapacity10Data.size) {
    task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
    return;
  }
  const capacity = ReadCapacity10Data.cursor(task.scratchView).at(0);
  capacity.lastLba = Math.min(Math.max(0, blocks - 1), 0xffff_ffff);
  capacity.blockBytes = DVD_BLOCK_BYTES;
  task.reply(ReadCapacity10Data.size, ReadCapacity10Data.size);
}

const discAnswers: ReadonlyMap<number, (task: ScsiTask, blocks: number) => void> = new Map([
  [ScsiOperation.readCapacity10, readCapacity],
  [ScsiOperation.readToc, readToc],
  [ScsiOperation.readDiscInformation, discInformation],
  [ScsiOperation.readTrackInformation, trackInformation],
  [ScsiOperation.readDvdStructure, dvdStructure],
  [ScsiOperation.getPerformance, getPerformance],
]);
