/** A host whose devices take their time: work waits until the test says that it is done. */
import type { DeviceWork } from '../../../src/vmbus/host.ts';

export class SlowHost {
  /** Work is done at once from now on. */
  isQuick = false;
  readonly #waiting: { readonly work: DeviceWork; readonly run: () => void }[] = [];

  /** For `VmbusHost.perform`. */
  readonly perform = (work: DeviceWork, _channelId: number, run: () => void): void => {
    if (this.isQuick) run();
    else this.#waiting.push({ work, run });
  };

  /** What waits, oldest first. */
  get waiting(): readonly DeviceWork[] {
    return this.#waiting.map(({ work }) => work);
  }

  /** Does the oldest work of a kind; throws when there is none. */
  finish(work: DeviceWork): void {
    const index = this.#waiting.findIndex((entry) => entry.work === work);
    if (index < 0) throw new Error(`no ${work} waits`);
    this.#waiting.splice(index, 1)[0]!.run();
  }

  finishAll(): void {
    while (this.#waiting.length > 0) this.#waiting.shift()!.run();
  }
}
