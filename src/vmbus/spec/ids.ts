/**
 * Numbers that a guest and the bus must agree on before any message is read: ports, limits and
 * status codes (hyperv-host.md 2.2 "Ids and ports"; TLFS 11 "Inter-partition communication").
 */

/** Synthetic interrupt source that carries VMBus messages and event flags. */
export const VMBUS_SINT = 2;
/** Message type in HvPostMessage and in the SynIC message slot. */
export const VMBUS_MESSAGE_TYPE = 1;
/** Bytes of the largest message (HV_MESSAGE_PAYLOAD_BYTE_COUNT). */
export const MAX_MESSAGE_BYTES = 240;

/** Connection ids of HvPostMessage and HvSignalEvent. */
export const ConnectionId = {
  message: 1,
  /** Signals every channel whose bit is set in the interrupt page; version 0.13 has no other. */
  sharedEvent: 2,
  monitor: 3,
  /** Where a guest that knows 5.0 or later sends InitiateContact. */
  multiClientMessage: 4,
  redirectedMessage: 0x80_0074,
} as const;

/** Event-flag numbers and channel ids: bit 0 of the flags is reserved. */
export const MIN_CHANNEL_ID = 1;
export const MAX_CHANNEL_ID = 2047;

/** @returns the id a guest passes to HvSignalEvent for a channel: id | SINT << 12 | VTL << 16 */
export function channelConnectionId(channelId: number): number {
  return channelId | (VMBUS_SINT << 12);
}

/** OpenChannel `targetVp` of a guest that polls and wants no interrupts. */
export const NO_INTERRUPT_VP = 0xffff_ffff;

/** NTSTATUS values in replies; negative ones as unsigned. */
export const NtStatus = {
  success: 0,
  unsuccessful: 0x8000_ffff,
  invalidParameter: 0xc000_000d,
  invalidDeviceState: 0xc000_0184,
  connectionRefused: 0xc000_0236,
} as const;
