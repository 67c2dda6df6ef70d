import { NS_PER_SECOND } from '../../core/clock.ts';
import { traceType } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { IcDevice, type IcOptions, type IcOutcome } from '../ic/ic-device.ts';
import { IcMessageType, IcStatus } from '../ic/spec.ts';
import { buildBytes } from '../pipe/build.ts';
import type { GuestMessage } from '../pipe/message-device.ts';
import {
  HotBackupFlag,
  VSS_MAX_LUNS,
  VssHeader,
  VssLun,
  VssLunMessage,
  VssMessage,
  VssOperation,
  VssVersion,
} from './spec.ts';

/** A freeze waits for all file systems; Hyper-V gives a guest a minute. */
const ANSWER_TIMEOUT_NS = 60 * NS_PER_SECOND;

const askEvent = traceType('vss', 'ask', { channel: u32, operation: VssOperation });

/** @param status what the guest answered, 0 for yes */
export type VssDone = (outcome: IcOutcome, status: number) => void;

/** How a backup went: `step` is where it ended, `done` when all went well. */
export interface BackupResult {
  readonly step: 'check' | 'freeze' | 'thaw' | 'done';
  readonly outcome: IcOutcome;
  readonly status: number;
}

/** The volume shadow copy component: file systems at rest while the host copies disks. */
export class VolumeShadowCopy extends IcDevice {
  constructor(options: IcOptions) {
    super(
      {
        name: 'vss',
        interfaceId: DeviceClass.volumeShadowCopy,
        instanceId: DeviceInstance.volumeShadowCopy,
      },
      IcMessageType.is.volumeShadowCopy,
      Object.values(VssVersion),
      options,
    );
  }

  /**
   * Asks whether the guest can be backed up while it runs.
   * @param done hears the guest's flags, `HotBackupFlag`, as third
   */
  checkHotBackup(done: (outcome: IcOutcome, status: number, flags: number) => void): void {
    this.#ask(VssOperation.is.checkHotBackup, (outcome, status, answer) => {
      const isWhole = answer !== undefined && answer.length >= VssHeader.size + 4;
      const flags = isWhole ? VssMessage.cursor(answer.view).at(answer.start).flags : 0;
      done(outcome, status, flags);
    });
  }

  /** Needs version 5.0; `notSupported` below it. */
  freeze(done: VssDone): void {
    this.#ask(VssOperation.is.freeze, done);
  }

  /** Needs version 5.0; `notSupported` below it. */
  thaw(done: VssDone): void {
    this.#ask(VssOperation.is.thaw, done);
  }

  backupComplete(done: VssDone): void {
    this.#ask(VssOperation.is.backupComplete, done);
  }

  /**
   * A backup from begin to end: check, freeze, `copy`, thaw. A guest that was asked to freeze is
   * asked to thaw, whatever it answered.
   * @param copy called while the guest's file systems are at rest
   */
  backup(copy: () => void, done: (result: BackupResult) => void): void {
    this.checkHotBackup((outcome, status, flags) => {
      if (outcome !== 'answered' || status !== 0 || (flags & HotBackupFlag.bit.supported) === 0) {
        const denied = status === 0 ? IcStatus.is.notSupported : status;
        done({ step: 'check', outcome, status: denied });
        return;
      }
      this.freeze((frozen, frozenStatus) => {
        const isAtRest = frozen === 'answered' && frozenStatus === 0;
        if (isAtRest) copy();
        this.thaw((thawed, thawedStatus) => {
          if (!isAtRest) done({ step: 'freeze', outcome: frozen, status: frozenStatus });
          else if (thawed === 'answered' && thawedStatus === 0) {
            done({ step: 'done', outcome: thawed, status: 0 });
          } else done({ step: 'thaw', outcome: thawed, status: thawedStatus });
        });
      });
    });
  }

  protected override negotiated(): void {
    // The host asks only when somebody wants a backup.
  }

  protected override ended(): void {
    // Nothing is kept from one opening to the next.
  }

  #ask(
    operation: number,
    done: (outcome: IcOutcome, status: number, answer: GuestMessage | undefined) => void,
  ): void {
    const { freeze, thaw } = VssOperation.is;
    const needed = operation === freeze || operation === thaw ? VssVersion.blue : 0;
    if (this.state === 'ready' && this.messageVersion < needed) {
      this.fail(done, 'notSupported');
      return;
    }
    if (this.state === 'ready') this.trace.emit(askEvent, this.channelId, operation);
    this.request(this.#body(operation), done, ANSWER_TIMEOUT_NS);
  }

  #body(operation: number): Uint8Array {
    if (operation !== VssOperation.is.freeze) {
      return buildBytes(VssMessage, (message) => {
        message.operation = operation;
      });
    }
    const tables = this.messageVersion >= VssVersion.threshold ? 2 : 1;
    const bytes = VssLunMessage.size + tables * VSS_MAX_LUNS * VssLun.size;
    const fill = (message: { operation: number }): void => {
      message.operation = operation;
    };
    return buildBytes(VssLunMessage, fill, bytes);
  }
}
