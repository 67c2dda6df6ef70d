import { StateError, type StateStream } from '../../core/state.ts';
import type { LogicalUnit } from '../scsi/logical-unit.ts';
import { ScsiOperation } from '../scsi/spec.ts';
import type { ScsiTask } from '../scsi/task.ts';
import { answerAbsentLun, answerReportLuns } from './absent.ts';
import type { StorvscKind } from './offer.ts';
import type { AbsentLun, StorvscProfile } from './profile.ts';

export interface LunAddress {
  /** 0 where nothing is said; an IDE accelerator's is its channel. */
  readonly path?: number;
  readonly target: number;
  readonly lun: number;
}

function keyOf(path: number, target: number, lun: number): number {
  return (path << 16) | (target << 8) | lun;
}

/** The units of one controller, by path, target and LUN, each 0 to 255. */
export class LunTable {
  readonly #units = new Map<number, LogicalUnit>();
  readonly #absentLun: AbsentLun;
  /** Guests do not set the path of an IDE accelerator reliably, so the host knows better. */
  readonly #forcedPath: number;

  constructor(kind: StorvscKind, profile: StorvscProfile) {
    const isIde = kind.type === 'ide';
    this.#forcedPath = isIde ? kind.channel : -1;
    this.#absentLun = (isIde ? profile.absentLunOnIde : undefined) ?? profile.absentLun;
  }

  /** Units themselves cannot be made here: each must be in its place. */
  exchange(state: StateStream): void {
    const keys = state.list('units', [...this.#units.keys()], (known) => {
      const key = state.number('key', known ?? 0);
      const unit = this.#units.get(key);
      if (unit === undefined) throw new StateError(`has a unit ${key >> 8}:${key & 0xff}`);
      if (unit.exchange === undefined) throw new StateError(`unit ${unit.name} cannot be saved`);
      state.part('unit', () => unit.exchange?.(state));
      return key;
    });
    for (const key of this.#units.keys()) if (!keys.includes(key)) this.#units.delete(key);
  }

  attach(address: LunAddress, unit: LogicalUnit): void {
    const key = this.#checkedKey(address);
    if (this.#units.has(key)) throw new Error(`LUN ${address.target}:${address.lun} is taken`);
    this.#units.set(key, unit);
  }

  detach(address: LunAddress): void {
    const key = this.#checkedKey(address);
    if (!this.#units.delete(key)) throw new Error(`LUN ${address.target}:${address.lun} is empty`);
  }

  at(address: LunAddress): LogicalUnit | undefined {
    return this.#units.get(this.#checkedKey(address));
  }

  #checkedKey({ path, target, lun }: LunAddress): number {
    const actualPath = path ?? Math.max(0, this.#forcedPath);
    for (const part of [actualPath, target, lun]) {
      if (!Number.isInteger(part) || part < 0 || part > 255) {
        throw new Error(`SCSI address ${actualPath}:${target}:${lun} is not of bytes`);
      }
    }
    return keyOf(actualPath, target, lun);
  }

  /** Executes the task at an address that the guest chose. */
  execute(path: number, target: number, lun: number, task: ScsiTask): void {
    if (task.operation === ScsiOperation.reportLuns) {
      answerReportLuns(task, this.#lunsOf(path, target));
      return;
    }
    const key = keyOf(this.#forcedPath >= 0 ? this.#forcedPath : path, target, lun);
    const unit = this.#units.get(key);
    if (unit === undefined) answerAbsentLun(task, this.#absentLun, lun);
    else unit.execute(task);
  }

  #lunsOf(path: number, target: number): number[] {
    const prefix = keyOf(this.#forcedPath >= 0 ? this.#forcedPath : path, target, 0);
    const luns: number[] = [];
    for (const key of this.#units.keys()) {
      if ((key & 0xffff00) === prefix) luns.push(key & 0xff);
    }
    return luns.sort((left, right) => left - right);
  }
}
