import { utf16 } from '../../core/text.ts';
import { NS_PER_SECOND } from '../../core/clock.ts';
import { InputError } from '../../core/errors.ts';
import { traceType } from '../../core/trace.ts';
import { u32, u64 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { IcDevice, type IcOptions, type IcOutcome } from '../ic/ic-device.ts';
import { IcMessageType } from '../ic/spec.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  FILE_FRAGMENT_BYTES,
  FILE_NAME_BYTES,
  FileCopyFlag,
  FileCopyHeader,
  FileCopyOperation,
  FileCopyStart,
  FileCopyVersion,
  FileCopyWrite,
} from './spec.ts';

const ANSWER_TIMEOUT_NS = 30 * NS_PER_SECOND;
const MAX_NAME_UNITS = FILE_NAME_BYTES / 2 - 1;

const startEvent = traceType('filecopy', 'start', { channel: u32, bytes: u64 }, 'file');
const endEvent = traceType('filecopy', 'end', { channel: u32, bytes: u64, status: u32 });

/** A file for the guest. */
export interface FileToCopy {
  /** Name in the guest, without folders. */
  readonly name: string;
  /** Folder in the guest. */
  readonly path: string;
  readonly bytes: number;
  /** The file's bytes from an offset on; at the least `length` of them are there. */
  readonly read: (offset: number, length: number) => Uint8Array;
  /** Replace a file that is there. */
  readonly overwrite?: boolean;
  /** Make the folder if it is missing. */
  readonly createPath?: boolean;
}

/**
 * @param outcome `answered` with status 0 for a file that is there; any other has none or a part
 * @param status the guest's, for example 0x80070050 for a file that exists
 * @param copied bytes that the guest has confirmed
 */
export type CopyDone = (outcome: IcOutcome, status: number, copied: number) => void;

interface CopyJob {
  readonly file: FileToCopy;
  readonly done: CopyDone;
  copied: number;
}

/** The guest service interface: copies a file into the guest, one confirmed fragment at a time. */
export class GuestFileCopy extends IcDevice {
  /** Not in a snapshot: the file is the host's, and a copy under way ends there. */
  #job: CopyJob | undefined;

  constructor(options: IcOptions) {
    super(
      {
        name: 'filecopy',
        interfaceId: DeviceClass.guestFileCopy,
        instanceId: DeviceInstance.guestFileCopy,
      },
      IcMessageType.is.guestFileCopy,
      Object.values(FileCopyVersion),
      options,
    );
  }

  /** One file at a time: `done` hears `busy` while another is on its way. */
  copy(file: FileToCopy, done: CopyDone): void {
    checkName(file.name, 'name');
    checkName(file.path, 'folder');
    const report = (outcome: IcOutcome): void => done(outcome, 0, 0);
    if (this.state !== 'ready') this.fail(report, 'notReady');
    else if (this.#job !== undefined || this.isBusy) this.fail(report, 'busy');
    else this.#start({ file, done, copied: 0 });
  }

  /** Stops the copy that is on its way: its `done` hears `cancelled`, the guest is told. */
  cancel(): void {
    if (this.#job !== undefined) this.abandon();
  }

  protected override negotiated(): void {
    // The host speaks again when there is a file to copy.
  }

  protected override ended(): void {
    this.#job = undefined;
  }

  #start(job: CopyJob): void {
    this.#job = job;
    const { file } = job;
    this.trace.emitText(startEvent, `${file.path}/${file.name}`, this.channelId, file.bytes);
    const { overwrite, createPath } = FileCopyFlag.bit;
    const body = buildBytes(FileCopyStart, (start) => {
      start.operation = FileCopyOperation.is.start;
      start.fileName = utf16(file.name, FILE_NAME_BYTES);
      start.pathName = utf16(file.path, FILE_NAME_BYTES);
      start.flags =
        (file.overwrite === true ? overwrite : 0) | (file.createPath === true ? createPath : 0);
      start.fileBytes = BigInt(file.bytes);
    });
    this.#send(job, body, () => this.#write(job));
  }

  #write(job: CopyJob): void {
    const { file, copied } = job;
    const size = Math.min(FILE_FRAGMENT_BYTES, file.bytes - copied);
    if (size <= 0) {
      this.#send(job, operationOnly(FileCopyOperation.is.complete), () =>
        this.#end(job, 'answered', 0),
      );
      return;
    }
    const body = buildBytes(FileCopyWrite, (write) => {
      write.operation = FileCopyOperation.is.write;
      write.offset = BigInt(copied);
      write.size = size;
      write.data = file.read(copied, size).subarray(0, size);
    });
    this.#send(job, body, () => {
      job.copied += size;
      this.#write(job);
    });
  }

  /** Every message is answered before the next one; the first refusal ends the copy. */
  #send(job: CopyJob, body: Uint8Array, then: () => void): void {
    const next = (outcome: IcOutcome, status: number): void => {
      if (outcome === 'answered' && status === 0) then();
      else {
        this.#end(job, outcome, status);
        // A guest that is in the middle of a file is told to forget it.
        const cancel = operationOnly(FileCopyOperation.is.cancel);
        if (this.state === 'ready') this.request(cancel, () => undefined, ANSWER_TIMEOUT_NS);
      }
    };
    this.request(body, next, ANSWER_TIMEOUT_NS);
  }

  #end(job: CopyJob, outcome: IcOutcome, status: number): void {
    this.#job = undefined;
    this.trace.emit(endEvent, this.channelId, job.copied, status);
    job.done(outcome, status, job.copied);
  }
}

function operationOnly(operation: number): Uint8Array {
  return buildBytes(FileCopyHeader, (header) => {
    header.operation = operation;
  });
}

function checkName(name: string, what: string): void {
  if (name.length > 0 && name.length <= MAX_NAME_UNITS && !name.includes('\0')) return;
  throw new InputError(
    'file copy',
    `the file's ${what} has ${name.length} characters: expected 1 to ${MAX_NAME_UNITS}, none of them zero`,
  );
}
