/**
 * The synthetic interrupt controller: TLFS "Inter-Partition Communication", HV_MESSAGE,
 * HV_TIMER_MESSAGE_PAYLOAD, and the register layouts of "SynIC MSRs" and "Synthetic Timers".
 */
import { flags, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

export const SINT_COUNT = 16;
/** One message slot, and one set of event flags, in bytes. A page holds one for each SINT. */
export const SLOT_BYTES = 256;
export const MESSAGE_PAYLOAD_BYTES = 240;
export const EVENT_FLAG_COUNT = 2048;
/** SVERSION of every host so far. */
export const SYNIC_VERSION = 1;

/** SINTx, low half. */
export const SINT_VECTOR_MASK = 0xff;
export const SINT_MASKED = 0x1_0000;
export const SINT_AUTO_EOI = 0x2_0000;
export const SINT_POLLING = 0x4_0000;
/** Lower vectors raise #GP when the source is not masked. */
export const FIRST_VALID_VECTOR = 16;

export const SCONTROL_ENABLE = 1;

/** HV_MESSAGE_TYPE. Types with the top bit set come from the hypervisor alone. */
export const MessageType = openEnum(u32, {
  none: 0,
  /** What VMBus posts, in both directions. */
  vmbus: 1,
  timerExpired: 0x8000_0010,
});

/** HV_MESSAGE_HEADER; the payload follows. An empty slot has type 0. */
export const MessageHeader = struct('MessageHeader', 16, {
  type: MessageType,
  payloadBytes: u8,
  flags: flags(u8, { MESSAGE_PENDING: 1 }),
  reserved: u16,
  /** Port or partition of the sender. */
  sender: u64,
});

/** HV_TIMER_MESSAGE_PAYLOAD; times in units of 100 ns of the reference counter. */
export const TimerMessagePayload = struct('TimerMessagePayload', 24, {
  timerIndex: u32,
  reserved: u32,
  expirationTime: u64,
  deliveryTime: u64,
});

export const MESSAGE_PENDING = 1;

export const TIMER_COUNT = 4;

/** STIMERx_CONFIG, low half. */
export const TIMER_ENABLED = 0x1;
export const TIMER_PERIODIC = 0x2;
export const TIMER_LAZY = 0x4;
export const TIMER_AUTO_ENABLE = 0x8;
export const TIMER_VECTOR_SHIFT = 4;
export const TIMER_DIRECT = 0x1000;
export const TIMER_SINT_SHIFT = 16;
/** Every other bit is RsvdZ. */
export const TIMER_CONFIG_MASK = 0xf_1fff;
/** Without direct mode (CPUID 0x40000003 EDX bit 19) bits 15:4 are reserved too. */
export const TIMER_CONFIG_MASK_MESSAGE_ONLY = 0xf_000f;
