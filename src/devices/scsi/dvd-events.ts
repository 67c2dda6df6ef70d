import type { StateStream } from '../../core/state.ts';
import { ScsiStatus, Sense, SrbStatus } from './spec.ts';
import type { ScsiTask } from './task.ts';

/** Notification classes, MMC-6 table 236; the mask bit of a class is 1 << its number. */
const EventClass = {
  none: 0,
  operationalChange: 1,
  powerManagement: 2,
  externalRequest: 3,
  media: 4,
  multiInitiator: 5,
  deviceBusy: 6,
} as const;
const SUPPORTED_CLASSES = 0x7e;

/** Media event codes, MMC-6 table 243. */
const MediaEvent = { noChange: 0, newMedia: 2, mediaRemoval: 3 } as const;
/** The order in which a class is chosen when no media event is pending. */
const priority: readonly number[] = [
  EventClass.operationalChange,
  EventClass.powerManagement,
  EventClass.externalRequest,
  EventClass.multiInitiator,
  EventClass.media,
  EventClass.deviceBusy,
];

/** What a DVD drive has to tell of its tray and disc: GET EVENT STATUS NOTIFICATION, MMC-6 6.6. */
export class EventReporter {
  isPersistentlyPrevented = false;
  #isTrayOpen = false;
  #pending: number = MediaEvent.noChange;

  exchange(state: StateStream): void {
    this.isPersistentlyPrevented = state.flag('isPrevented', this.isPersistentlyPrevented);
    this.#isTrayOpen = state.flag('isTrayOpen', this.#isTrayOpen);
    this.#pending = state.number('pending', this.#pending);
  }

  get isTrayOpen(): boolean {
    return this.#isTrayOpen;
  }

  inserted(): void {
    this.#isTrayOpen = false;
    this.#pending = MediaEvent.newMedia;
  }

  removed(): void {
    this.#isTrayOpen = true;
    this.#pending = MediaEvent.mediaRemoval;
  }

  trayOpened(): void {
    this.#isTrayOpen = true;
  }

  trayClosed(): void {
    this.#isTrayOpen = false;
  }

  report(task: ScsiTask, hasDisc: boolean): void {
    const allocation = task.cdb16(7);
    if (allocation > task.data.length) {
      task.failPlain(ScsiStatus.checkCondition, SrbStatus.dataOverrun);
      return;
    }
    if ((task.cdb[1]! & 1) === 0) {
      // Asynchronous operation is not supported (MMC-6 6.6.2.1).
      task.fail(Sense.invalidFieldInCdb);
      return;
    }
    const requested = task.cdb[4]!;
    const isMediaPending = this.#pending !== MediaEvent.noChange;
    let chosen: number = EventClass.none;
    if (isMediaPending && (requested & (1 << EventClass.media)) !== 0) chosen = EventClass.media;
    else chosen = priority.find((it) => (requested & (1 << it)) !== 0) ?? EventClass.none;
    const { scratch } = task;
    scratch.fill(0, 0, 8);
    scratch[1] = chosen === EventClass.none ? 2 : 6;
    // NEA: none of the requested classes is supported.
    scratch[2] = chosen === EventClass.none ? 0x80 : chosen;
    scratch[3] = SUPPORTED_CLASSES;
    if (chosen === EventClass.media) {
      scratch[4] = this.#pending;
      scratch[5] = (this.#isTrayOpen ? 1 : 0) | (hasDisc ? 2 : 0);
      if (allocation >= 8) this.#pending = MediaEvent.noChange;
    } else if (chosen === EventClass.powerManagement) {
      // Active.
      scratch[5] = 1;
    } else if (chosen !== EventClass.none && chosen !== EventClass.deviceBusy) {
      scratch[5] = this.isPersistentlyPrevented ? 0x80 : 0;
    }
    task.reply(chosen === EventClass.none ? 4 : 8, allocation);
  }
}
