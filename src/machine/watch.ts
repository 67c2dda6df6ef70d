import { bootDetail, bootPhase } from '../boot/phases.ts';
import type { Trace } from '../core/trace.ts';
import { guestAtaDisk, guestDevice, guestDisk, guestPhase } from '../guest/trace.ts';
import { MessageType } from '../vmbus/spec/messages.ts';
import {
  vmbusClose,
  vmbusMessageOut,
  vmbusOffer,
  vmbusOpen,
  vmbusVersion,
} from '../vmbus/trace.ts';

/** The phases of a boot, in order. */
export const PHASES = [
  'firmware',
  'boot-device',
  'loader',
  'kernel',
  'vmbus-connected',
  'offers-delivered',
  'root-mounted',
  'login',
  'halt',
] as const;
export type Phase = (typeof PHASES)[number];

export interface OfferSeen {
  readonly channel: number;
  readonly subChannel: number;
  /** "scsi", "network". */
  readonly name: string;
}

export interface DiskSeen {
  /** "da0", "ada0". */
  readonly name: string;
  readonly controller: number;
  readonly target: number;
  readonly lun: number;
  readonly bytes: number;
  readonly model: string;
}

/** Hears what a boot brings forth, each at its virtual time. */
export interface BootListener {
  phase?(timeNs: number, name: Phase): void;
  /** What the phase before found: the device, the loader's file. */
  detail?(timeNs: number, text: string): void;
  offer?(timeNs: number, offer: OfferSeen): void;
  device?(timeNs: number, name: string): void;
  disk?(timeNs: number, disk: DiskSeen): void;
}

/** Reads a run's trace and keeps what people ask about a boot. */
export class BootWatch {
  readonly phases = new Map<Phase, number>();
  readonly offers: OfferSeen[] = [];
  readonly devices: string[] = [];
  readonly disks: DiskSeen[] = [];
  readonly #open = new Set<number>();
  readonly #listener: BootListener;
  #lastPhase: Phase | undefined;
  /** Ends the watch: what it has seen stays. */
  readonly close: () => void;

  constructor(trace: Trace, listener: BootListener = {}) {
    this.#listener = listener;
    this.close = trace.subscribe((timeNs, type, values, text) => {
      if (type === bootPhase || type === guestPhase) this.#phase(timeNs, text);
      else if (type === vmbusVersion) {
        if (values[1] !== 0) this.#phase(timeNs, 'vmbus-connected');
      } else if (type === vmbusMessageOut) {
        if (values[0] === MessageType.allOffersDelivered) this.#phase(timeNs, 'offers-delivered');
      } else if (type === vmbusOffer) this.#offer(timeNs, values, text);
      else if (type === vmbusOpen) {
        if (values[2] === 0) this.#open.add(values[0]!);
      } else if (type === vmbusClose) this.#open.delete(values[0]!);
      else if (type === guestDevice) {
        this.devices.push(text);
        listener.device?.(timeNs, text);
      } else if (type === guestDisk) this.#disk(timeNs, 'da', values, text);
      else if (type === guestAtaDisk) this.#disk(timeNs, 'ada', values, text);
      else if (type === bootDetail) listener.detail?.(timeNs, text);
    });
  }

  /** Channels that the guest has open: "scsi (channel 8)". */
  get openChannels(): string[] {
    return this.offers
      .filter(({ channel }) => this.#open.has(channel))
      .map(({ name, channel }) => `${name} (channel ${channel})`);
  }

  #offer(timeNs: number, values: Float64Array, text: string): void {
    const [channel, subChannel] = values;
    const offer = { channel: channel!, subChannel: subChannel!, name: text.split(' ')[0]! };
    this.offers.push(offer);
    this.#listener.offer?.(timeNs, offer);
  }

  #disk(timeNs: number, driver: string, values: Float64Array, model: string): void {
    const [unit, controller, target, lun, bytes] = values;
    const disk: DiskSeen = {
      name: `${driver}${unit!}`,
      controller: controller!,
      target: target!,
      lun: lun!,
      bytes: bytes!,
      model,
    };
    this.disks.push(disk);
    this.#listener.disk?.(timeNs, disk);
  }

  /** The phase reached last, with its virtual time. */
  get lastPhase(): { readonly name: Phase; readonly timeNs: number } | undefined {
    const name = this.#lastPhase;
    return name === undefined ? undefined : { name, timeNs: this.phases.get(name)! };
  }

  /** Host and guest may both tell of a phase; the first to do so counts. */
  #phase(timeNs: number, text: string): void {
    const name = PHASES.find((phase) => phase === text);
    if (name === undefined || this.phases.has(name)) return;
    this.phases.set(name, timeNs);
    this.#lastPhase = name;
    this.#listener.phase?.(timeNs, name);
  }
}
