/** What an offer says of its channel (hyperv-host.md 2.2 "OfferChannel"). */
import { bytes, flags, guid, openEnum, struct, u16, u32, u8 } from '../../core/wire.ts';

export const OfferFlag = {
  /** The device appears as a device interface in the guest. */
  enumerateDeviceInterface: 0x0001,
  confidentialRingBuffer: 0x0002,
  confidentialExternalMemory: 0x0004,
  requirePinnedExternalMemory: 0x0008,
  /** Packets carry `PipeHeader` of spec/ring.ts, and user data begins with a pipe type. */
  namedPipeMode: 0x0010,
  /** A hvsocket. */
  tlnpiProvider: 0x2000,
} as const;
export const offerFlags = flags(u16, OfferFlag);

/** Bytes of an offer's and of an open request's user-defined data. */
export const USER_DEFINED_BYTES = 120;

/** `monitorId` of an offer without one. */
export const NO_MONITOR_ID = 0xff;

export const pipeType = openEnum(u32, { byteStream: 0, message: 4 });

/** User-defined data of a named-pipe offer. `flags` bit 0: the pipe takes GPA-direct packets. */
export const PipeUserDefined = struct('PipeUserDefined', 120, {
  pipeType,
  userDefined: bytes(112),
  flags: u32,
});

/** User-defined data of a hvsocket offer; unaligned on the wire. */
export const HvsockUserDefined = struct(
  'HvsockUserDefined',
  28,
  {
    pipeType,
    isForGuestAccept: u8,
    isForGuestContainer: u8,
    version: u32,
    siloId: guid,
    padding: u16,
  },
  { packed: true },
);
