/**
 * What a VMBus driver of the model guest sees of the guest's bus: its device, its channels and the
 * packets in their rings. channel.ts implements it.
 */
import type { KernelApi, Task } from '../kernel/api.ts';

/** What the host's OfferChannel said. */
export interface ChannelOffer {
  readonly interfaceId: string;
  readonly instanceId: string;
  readonly channelId: number;
  /** 0 for the primary channel. */
  readonly subChannelIndex: number;
  readonly flags: number;
  readonly mmioMegabytes: number;
  readonly userDefined: Uint8Array;
  readonly connectionId: number;
  readonly monitorId: number;
  readonly isMonitored: boolean;
}

/**
 * The packet that `receive` took, a copy out of the ring; the object and its buffer are reused for
 * the next one. Layout: the 16-byte descriptor at 0, the type's extension at 16, then the payload.
 */
export interface GuestPacket {
  /** 6 in-band, 7 transfer pages, 9 GPA direct, 0xB completion. */
  type: number;
  /** Bit 0: a completion is requested. */
  flags: number;
  transactionLo: number;
  transactionHi: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same bytes as little-endian words: header, extension and payload begin at one. */
  readonly words: Uint32Array;
  payloadStart: number;
  /** Padded to eight bytes, as on the wire. */
  payloadLength: number;
}

/** One range of guest memory as GPA-direct packets and GPADLs name it. */
export interface PageRange {
  /** Bytes. */
  readonly length: number;
  /** Bytes into the first page. */
  readonly offset: number;
  /** Page frame numbers, ceil((offset + length) / 4096) of them; more entries are ignored. */
  readonly pfns: ArrayLike<number>;
}

export interface ChannelOpenOptions {
  /** Pages of each ring, guest-to-host first; each has one header page on top of its data. */
  readonly sendPages: number;
  readonly receivePages: number;
  /** At most 120 bytes. */
  readonly userData?: Uint8Array;
  /**
   * Runs in the channel's event thread (hv_event software interrupt in the legacy kernel, the
   * per-CPU event taskqueue in the modern one) when the host signalled. It drains: it calls
   * `receive` until that returns false.
   */
  readonly onEvent: (channel: GuestChannel) => Task;
  /**
   * The event thread masks host interrupts while `onEvent` runs and looks again after unmasking.
   * Integration components turn it off. Default true.
   */
  readonly batchedReading?: boolean;
  /**
   * A sub-channel of this primary was offered ("sc_creation_callback"). Runs in the thread that
   * attaches sub-channels, and may open it there. Without it, `waitSubChannels` tells.
   */
  readonly onSubChannel?: (channel: GuestChannel) => Task;
}

export interface GuestChannel {
  readonly offer: ChannelOffer;
  /** The host's channel id ("relid"). */
  readonly id: number;
  /** The device that the primary channel belongs to; sub-channels share it. */
  readonly device: GuestDevice | undefined;
  readonly isOpen: boolean;
  /** The host has rescinded it. */
  readonly isRevoked: boolean;
  /** Index of the processor that takes its interrupts. */
  readonly processor: number;
  /** Chooses that processor. Only before `open`. */
  assignProcessor(processor: number): void;

  /** @returns 0, or a host status or errno (ETIMEDOUT 60, ENXIO 6) other than 0 */
  open(options: ChannelOpenOptions): Task<number>;
  close(): Task;

  /** Shares memory with the host. @returns the GPADL id, or 0 when the host refused */
  connectGpadl(range: PageRange): Task<number>;
  disconnectGpadl(gpadlId: number): Task;

  /**
   * Sends an in-band packet (type 6).
   * @returns false when the ring has no room (EAGAIN)
   */
  sendInBand(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
    wantsCompletion: boolean,
  ): boolean;
  /** Sends a completion (type 0xB) that echoes the host's transaction id. */
  sendCompletion(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean;
  /** Sends a GPA-direct packet (type 9) that asks for a completion. */
  sendGpaDirect(
    ranges: readonly PageRange[],
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean;
  /** Takes the next packet into `packet`; false when the ring is empty. */
  receive(): boolean;
  readonly packet: GuestPacket;

  /** Waits until `count` sub-channels of this primary were offered. At most `count` come back. */
  waitSubChannels(count: number, timeoutNs: number): Task<readonly GuestChannel[]>;
}

/** A thread that does a driver's work, in order. */
export interface WorkQueue {
  enqueue(work: () => Task): void;
}

/** A newbus device: a child of vmbus0 with a driver attached, or about to be. */
export interface GuestDevice {
  /** "storvsc". */
  readonly driverName: string;
  readonly unit: number;
  /** "storvsc0". */
  readonly name: string;
  readonly channel: GuestChannel;
  readonly kernel: KernelApi;
  /** VMBus version in force, for example 0x00040000. */
  readonly vmbusVersion: number;
  /**
   * A queue with a thread of its own. In 10.2 its work runs under the semaphore that serialises
   * offers and rescinds, unless `offerQueue` is fixed.
   */
  createQueue(name: string): WorkQueue;
  /** Another device of this bus, by its instance GUID. */
  sibling(instanceId: string): GuestDevice | undefined;
  /** What the driver's attach keeps for its detach. */
  softState: unknown;
}

/** A driver in the registry. Offers that no driver claims stay unattached, silently. */
export interface GuestDriver {
  /** Newbus name, without the unit. */
  readonly name: string;
  /** @returns undefined when the offer is not for this driver; else the description, '' for none */
  probe(offer: ChannelOffer, kernel: KernelApi): string | undefined;
  /** @returns 0, or an errno: the device is then left unattached */
  attach(device: GuestDevice): Task<number>;
  /** After a rescind, or when the driver is unloaded. */
  detach?(device: GuestDevice): Task;
  /** Its driver cannot be unloaded now: a mounted disk, for example. */
  isBusy?(device: GuestDevice): boolean;
}

/** errno values that the bus gives. */
export const Errno = {
  ENXIO: 6,
  EIO: 5,
  ENOMEM: 12,
  ENODEV: 19,
  EINVAL: 22,
  EAGAIN: 35,
  EOPNOTSUPP: 45,
  ETIMEDOUT: 60,
} as const;
