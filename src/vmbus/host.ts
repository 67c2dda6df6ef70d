import type { EventHandle } from '../core/events.ts';

/** What the bus needs of the machine around it. Tests stand in for it with a few lines. */

/** Work of a device that takes time on a real host, during which the guest goes on. */
export type DeviceWork = 'open' | 'close' | 'gpadl-create' | 'gpadl-teardown' | 'modify';

export interface VmbusHost {
  /**
   * Puts a message of type 1 in a SynIC slot, or queues it there.
   * @returns false when it cannot be taken now; the bus keeps it until `VmbusServer.flush`
   */
  sendMessage(
    vp: number,
    sint: number,
    payload: Uint8Array,
    start: number,
    length: number,
  ): boolean;

  /** Sets an event flag and raises the interrupt when it was clear. */
  signalEvent(vp: number, sint: number, flag: number): void;

  /**
   * Runs a callback later, in virtual nanoseconds. Without it a blocked ring writer waits for the
   * guest's signal only, which guests without pending send size never give.
   */
  after?(delayNs: number, run: () => void): EventHandle;
  cancel?(event: EventHandle): void;

  /**
   * Decides when device work is done. Without it, at once. A script that keeps `run` for later has
   * channels that stay in opening or closing, as a slow host's do.
   */
  perform?(work: DeviceWork, channelId: number, run: () => void): void;
}

/** A message on its way to the guest, before the SynIC. */
export interface OutgoingMessage {
  /** `MessageType`. */
  readonly type: number;
  readonly vp: number;
  readonly sint: number;
  readonly bytes: Uint8Array;
}

/**
 * Sees every message to the guest. A filter that returns false has taken the message: it may drop
 * it, or give it to `VmbusServer.deliver` later, in any order.
 */
export type MessageFilter = (message: OutgoingMessage) => boolean;
