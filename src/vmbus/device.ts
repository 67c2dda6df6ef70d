/**
 * What a VMBus device (a VSP) and the bus see of each other. The bus (server.ts) implements
 * `OpenChannel` and `OfferedDevice`; a folder of devices/ implements `VmbusDevice`.
 */
import type { GuestMemory } from '../core/memory.ts';
import { StateError, type StateStream } from '../core/state.ts';

/** What OfferChannel says of a device; the bus adds ids. */
export interface OfferProperties {
  /** For traces and `--json`: "scsi", "network". */
  readonly name: string;
  /** Class GUID, lower case. */
  readonly interfaceId: string;
  readonly instanceId: string;
  /** OfferChannel flags, see `OfferFlags` in spec/. */
  readonly flags: number;
  readonly mmioMegabytes: number;
  readonly mmioMegabytesOptional: number;
  /** At most 120 bytes. */
  readonly userDefined: Uint8Array;
  /** Set when the device wants a monitor id (MNF): the latency in units of 100 ns. */
  readonly monitorLatency100ns?: number;
  /** Offers are made in ascending order of this number; equal ones sort by GUID. */
  readonly order: number;
}

/**
 * One packet out of the guest-to-host ring. It is a host copy, so that the guest cannot change it
 * under the device; the object and its buffer are reused for the next packet.
 */
export interface IncomingPacket {
  /** `PacketType`: 6 in-band, 7 transfer pages, 9 GPA direct, 0xB completion. */
  type: number;
  /** Bit 0: the guest wants a completion. */
  flags: number;
  transactionLo: number;
  transactionHi: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The same bytes as little-endian words: headers, extensions and payloads begin at one. */
  readonly words: Uint32Array;
  /** The payload within `bytes`, after the type's own extension. */
  payloadStart: number;
  payloadLength: number;
  /** The guest memory that a GPA-direct packet names; empty for every other type. */
  readonly ranges: GuestRanges;
}

/**
 * Scattered guest memory as runs of the linear memory, in order, neighbours merged. Only the first
 * `count` entries are valid. `rangeCount` counts what the guest called ranges (a storvsc request
 * must have one).
 */
export interface GuestRanges {
  offsets: Float64Array;
  lengths: Float64Array;
  count: number;
  rangeCount: number;
  totalBytes: number;
}

/** An open channel, as its device sees it. Every call is safe whatever the guest wrote. */
export interface OpenChannel {
  readonly channelId: number;
  /** 0 for the primary channel. */
  readonly subChannelIndex: number;
  /** VP that takes the channel's interrupts; follows ModifyChannel. */
  readonly targetVp: number;
  /** 120 bytes from OpenChannel. */
  readonly userData: Uint8Array;
  readonly memory: GuestMemory;
  /** VMBus version of the connection, for example 0x00050003. */
  readonly vmbusVersion: number;

  /**
   * Takes the next packet into `packet`, and tells the guest of new space when the ring rules say
   * so. Devices drain: they call this until it returns false. A corrupt ring reads as empty; the
   * trace says what was wrong.
   */
  receive(): boolean;
  readonly packet: IncomingPacket;

  /**
   * Writes `source[start, start + length)` as an in-band packet and signals the guest when the ring
   * rules say so.
   * @returns false when the ring has no room now; `VmbusDevice.writable` follows when it has
   */
  sendInBand(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
    wantsCompletion: boolean,
  ): boolean;

  /** The same for a completion packet (type 0xB), which must echo the request's transaction id. */
  sendCompletion(
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean;

  /**
   * Writes a transfer-page packet (type 7): the payload, and where in the GPADL that the guest calls
   * `setId` the rest of the message lies.
   * @param ranges byte count and byte offset of each range, in turn
   * @returns false when the ring has no room now, as `sendInBand` does
   */
  sendTransferPages(
    setId: number,
    ranges: Uint32Array,
    rangeCount: number,
    source: Uint8Array,
    start: number,
    length: number,
    transactionLo: number,
    transactionHi: number,
  ): boolean;

  /** Bytes that the host has sent and the guest has not read yet, packet headers included. */
  readonly unreadBytes: number;

  /**
   * The guest memory behind a GPADL of this channel, or undefined. netvsc's buffers use it. Who writes
   * there calls `GuestMemory.touch` before.
   */
  gpadl(gpadlId: number): GuestRanges | undefined;
}

export interface VmbusDevice {
  readonly offer: OfferProperties;
  /** Called once, when the device is put on the bus. */
  attached(bus: OfferedDevice): void;
  /**
   * The guest opened the primary channel or a sub-channel.
   * @returns 0, or a non-zero status that refuses the open
   */
  open(channel: OpenChannel): number;
  /** The channel is closed, by the guest, by a rescind, or by a reset; drop all references. */
  close(channel: OpenChannel): void;
  /** The guest signalled the channel. Called from within guest execution: schedule, do not block. */
  signaled(channel: OpenChannel): void;
  /** A send failed for lack of room before, and there is room now. */
  writable(channel: OpenChannel): void;
  /**
   * The guest tears a GPADL of the primary channel down. A device that still uses it says no; it is
   * asked again when the channel is closed. Without this every GPADL but the rings' goes at once.
   */
  releaseGpadl?(gpadlId: number): boolean;
  /**
   * The device's own state; a device without this cannot go into a snapshot. The bus has exchanged
   * its channels before.
   * @param channelAt the open channel of a sub-channel index, if it is open
   */
  exchange?(state: StateStream, channelAt: ChannelLookup): void;
}

/** 0 names the primary channel. */
export type ChannelLookup = (subChannelIndex: number) => OpenChannel | undefined;

/** The channel that a device of a snapshot had open; throws when the bus has not. */
export function openChannelAt(channelAt: ChannelLookup, subChannelIndex: number): OpenChannel {
  const channel = channelAt(subChannelIndex);
  if (channel === undefined)
    throw new StateError(`has channel ${subChannelIndex} open, not the bus`);
  return channel;
}

/** What a device may ask of the bus. */
export interface OfferedDevice {
  /**
   * Offers sub-channels 1..count to the guest.
   * @returns how many were offered (0 when the connection is older than 2.4)
   */
  offerSubChannels(count: number): number;
  /** Hot removal: the guest gets RescindChannelOffer for every channel of the device. */
  rescind(): void;
}
