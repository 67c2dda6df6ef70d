/** Trace events of the partition, one declaration for each. */
import { traceType } from '../core/trace.ts';
import { openEnum, u16, u32, u64, u8 } from '../core/wire.ts';
import { HypercallCode, HvStatus } from './spec/hypercalls.ts';
import { Msr } from './spec/msrs.ts';
import { MessageType } from './spec/synic.ts';

const MsrNumber = openEnum(u32, Msr);
const Code = openEnum(u16, HypercallCode);

export const msrWritten = traceType('hypervisor', 'msr-write', {
  vp: u8,
  msr: MsrNumber,
  low: u32,
  high: u32,
});
/** The access raised #GP(0) in the guest. */
export const msrRefused = traceType('hypervisor', 'msr-fault', {
  vp: u8,
  msr: MsrNumber,
  write: u8,
  low: u32,
  high: u32,
});
export const hypercallFailed = traceType('hypervisor', 'hypercall-failed', {
  vp: u8,
  code: Code,
  status: HvStatus,
  controlLow: u32,
  controlHigh: u32,
});
export const messagePosted = traceType('hypervisor', 'post-message', {
  vp: u8,
  connection: u32,
  type: MessageType,
  bytes: u32,
  status: HvStatus,
});
export const eventSignaled = traceType('hypervisor', 'signal-event', {
  vp: u8,
  connection: u32,
  flag: u16,
  status: HvStatus,
});
export const messageDelivered = traceType('hypervisor', 'message-delivered', {
  vp: u8,
  sint: u8,
  type: MessageType,
  bytes: u32,
  queued: u32,
});
export const messageRefused = traceType('hypervisor', 'message-queue-full', { vp: u8, sint: u8 });
export const flagRaised = traceType('hypervisor', 'event-flag', { vp: u8, sint: u8, flag: u16 });
export const timerExpired = traceType('hypervisor', 'timer-expired', {
  vp: u8,
  timer: u8,
  dueTick: u64,
  nowTick: u64,
});
/** The local APIC was disabled, so that the interrupt left no mark (SDM 11.4.7.2). */
export const interruptLost = traceType('hypervisor', 'interrupt-lost', { vp: u8, vector: u8 });
export const apicError = traceType('hypervisor', 'apic-error', { vp: u8, error: u8 });
export const startSignal = traceType('hypervisor', 'processor-signal', {
  vp: u8,
  deliveryMode: u8,
  vector: u8,
});
export const guestCrashed = traceType('hypervisor', 'guest-crash', {
  vp: u8,
  p0Low: u32,
  p1Low: u32,
  p2Low: u32,
  p3Low: u32,
  p4Low: u32,
});
