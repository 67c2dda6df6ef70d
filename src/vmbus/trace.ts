/** What the bus says of itself. For observers only: nothing in the machine acts on it. */
import { traceType } from '../core/trace.ts';
import { openEnum, u16, u32 } from '../core/wire.ts';
import { MessageType } from './spec/messages.ts';
import { featureFlags } from './spec/versions.ts';

const messageType = openEnum(u32, MessageType);

export const vmbusMessageIn = traceType('vmbus', 'message-in', {
  type: messageType,
  connectionId: u32,
  length: u16,
});
export const vmbusMessageOut = traceType('vmbus', 'message-out', {
  type: messageType,
  vp: u32,
  sint: u16,
  length: u16,
});
/** A message that the guest should not have sent, and why nothing or a failure came of it. */
export const vmbusMessageRefused = traceType(
  'vmbus',
  'message-refused',
  { type: messageType },
  'reason',
);
/** The guest negotiated a version; 0 means that it was refused one. */
export const vmbusVersion = traceType('vmbus', 'version', {
  requested: u32,
  agreed: u32,
  features: featureFlags,
  messageVp: u32,
});
/** Text: name, class GUID and instance GUID, separated by blanks. */
export const vmbusOffer = traceType(
  'vmbus',
  'offer',
  { channel: u32, subChannel: u16, connectionId: u32, monitorId: u16, flags: u16 },
  'device',
);
export const vmbusRescind = traceType('vmbus', 'rescind', { channel: u32 });
export const vmbusOpen = traceType('vmbus', 'open', { channel: u32, targetVp: u32, status: u32 });
export const vmbusClose = traceType('vmbus', 'close', { channel: u32 });
export const vmbusGpadl = traceType('vmbus', 'gpadl', {
  channel: u32,
  gpadl: u32,
  bytes: u32,
  status: u32,
});
export const vmbusGpadlTorndown = traceType('vmbus', 'gpadl-torndown', { gpadl: u32 });
/** The guest signalled a channel. */
export const vmbusSignalIn = traceType('vmbus', 'signal-in', { channel: u32 });
/** The host signalled a channel: processor and event flag. */
export const vmbusSignalOut = traceType('vmbus', 'signal-out', {
  channel: u32,
  vp: u32,
  flag: u16,
});
/** The host waits for room in the host-to-guest ring, or has got it. */
export const vmbusWriterParked = traceType('vmbus', 'writer-parked', { channel: u32, bytes: u32 });
export const vmbusWriterWoken = traceType('vmbus', 'writer-woken', { channel: u32 });
/** A ring or a packet in it breaks the rules. */
export const vmbusRingFault = traceType('vmbus', 'ring-fault', { channel: u32 }, 'reason');
