/**
 * The key-value items that people give a machine on its host (pool `external`): the host keeps them
 * itself, and its own list decides what a change of one answers.
 */
import type { IcOutcome } from '../devices/ic/ic-device.ts';
import type { KeyValuePair } from '../devices/kvp/key-value-pair.ts';
import { HOST_PROFILES, type HostName } from './profiles.ts';

/** `ErrorCode` of the host's job. */
export const KvpJobError = { none: 0, failed: 32_768, invalidParameter: 32_773 } as const;

/** From this build of Windows on a key that is not there counts as removed. */
const FORGIVING_BUILD = 9_600;

export type KvpJobDone = (error: number) => void;

export class KvpItems {
  readonly #items = new Map<string, string>();

  get items(): ReadonlyMap<string, string> {
    return this.#items;
  }

  add(device: KeyValuePair, key: string, value: string, done: KvpJobDone): void {
    if (this.#items.has(key)) {
      done(KvpJobError.invalidParameter);
      return;
    }
    this.#set(device, key, value, done);
  }

  modify(device: KeyValuePair, key: string, value: string, done: KvpJobDone): void {
    if (this.#items.has(key)) this.#set(device, key, value, done);
    else done(KvpJobError.invalidParameter);
  }

  remove(device: KeyValuePair, key: string, host: HostName, done: KvpJobDone): void {
    if (!this.#items.has(key)) {
      const [build] = HOST_PROFILES[host].hypervisor.version;
      done(build >= FORGIVING_BUILD ? KvpJobError.none : KvpJobError.invalidParameter);
      return;
    }
    device.delete('external', key, (outcome) => {
      if (outcome === 'answered') this.#items.delete(key);
      done(jobError(outcome));
    });
  }

  #set(device: KeyValuePair, key: string, value: string, done: KvpJobDone): void {
    device.set('external', key, { type: 'string', value }, (outcome, status) => {
      const error = outcome === 'answered' && status !== 0 ? KvpJobError.failed : jobError(outcome);
      if (error === KvpJobError.none) this.#items.set(key, value);
      done(error);
    });
  }
}

function jobError(outcome: IcOutcome): number {
  return outcome === 'answered' ? KvpJobError.none : KvpJobError.failed;
}
