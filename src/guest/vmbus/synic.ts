/** The guest's end of the SynIC: its pages, the interrupt, posting messages and signalling. */
import type { GuestMemory } from '../../core/memory.ts';
import { HvStatus, HypercallCode, PostMessageInput } from '../../hypervisor/spec/hypercalls.ts';
import { Msr, PAGE_ENABLE } from '../../hypervisor/spec/msrs.ts';
import {
  MESSAGE_PENDING,
  MessageHeader,
  SCONTROL_ENABLE,
  SINT_AUTO_EOI,
  SINT_MASKED,
  SLOT_BYTES,
} from '../../hypervisor/spec/synic.ts';
import { VMBUS_MESSAGE_TYPE, VMBUS_SINT } from '../../vmbus/spec/ids.ts';
import type { Task } from '../kernel/api.ts';
import type { Hardware } from '../kernel/hardware.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { TIMER_SINT } from '../timers/event-timers.ts';

/** HV_X64_MSR_GUEST_OS_ID: open source, FreeBSD, version in bits 47:16. */
const GUEST_OS_OPEN_SOURCE = 0x8000_0000;
const GUEST_OS_FREEBSD_SHIFT = 24;
const GUEST_OS_FREEBSD = 2;
/** Waits between posts that met "insufficient buffers", in microseconds (hv_vmbus_post_message). */
const LEGACY_POST_DELAYS_US = [100, 100, 100, 500, 500, 5_000, 5_000, 5_000] as const;
const MODERN_POST_TRIES = 20;
const MODERN_POST_FIRST_US = 1_000;
const MODERN_POST_MOST_US = 2_000_000;
/** Signal input within the hypercall page, after the post input. */
const SIGNAL_INPUT = PostMessageInput.size;

interface ProcessorPages {
  readonly messages: number;
  readonly events: number;
  /** Hypercall input. */
  readonly inputGpa: number;
  readonly input: number;
  vpIndex: number;
}

/** Gives the hypervisor the guest's identity and gets the page to call it by. */
export function enableHypercalls(kernel: Kernel, release: number): boolean {
  const high = GUEST_OS_OPEN_SOURCE | (GUEST_OS_FREEBSD << GUEST_OS_FREEBSD_SHIFT);
  kernel.hw.writeMsr(
    Msr.GUEST_OS_ID,
    (release & 0xffff) * 0x1_0000,
    (high | (release >>> 16)) >>> 0,
  );
  const gpa = kernel.allocatePages(1);
  kernel.hw.writeMsrNumber(Msr.HYPERCALL, gpa + PAGE_ENABLE);
  kernel.hw.readMsr(Msr.HYPERCALL);
  return (kernel.hw.low & PAGE_ENABLE) !== 0;
}

export class Synic {
  readonly #kernel: Kernel;
  readonly #hardware: Hardware;
  readonly #memory: GuestMemory;
  readonly #pages: (ProcessorPages | undefined)[] = [];
  readonly #header;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#hardware = kernel.hw;
    this.#memory = kernel.hw.memory;
    this.#header = MessageHeader.cursor(this.#memory.view);
  }

  /** Allocates every processor's pages; `setUp` then runs on each. */
  allocate(): void {
    const locate = (gpa: number): number => this.#memory.resolve(gpa, 4096);
    for (let processor = 0; processor < this.#kernel.processorCount; processor += 1) {
      const inputGpa = this.#kernel.allocatePages(1);
      const messagesGpa = this.#kernel.allocatePages(1);
      const eventsGpa = this.#kernel.allocatePages(1);
      this.#pages.push({
        messages: locate(messagesGpa),
        events: locate(eventsGpa),
        inputGpa,
        input: locate(inputGpa),
        vpIndex: processor,
      });
      this.#pageGpas.push([messagesGpa, eventsGpa]);
    }
  }

  readonly #pageGpas: [messages: number, events: number][] = [];

  /** The order of both drivers: SVERSION, SIMP, SIEFP, SINT2 (and 4), SCONTROL, VP index. */
  setUp(processor: number, vector: number, hasTimer: boolean): void {
    const hardware = this.#hardware;
    const [messages, events] = this.#pageGpas[processor]!;
    hardware.readMsr(Msr.SVERSION);
    hardware.writeMsrNumber(Msr.SIMP, messages + PAGE_ENABLE);
    hardware.writeMsrNumber(Msr.SIEFP, events + PAGE_ENABLE);
    hardware.writeMsr(Msr.SINT0 + VMBUS_SINT, vector | SINT_AUTO_EOI);
    if (hasTimer) hardware.writeMsr(Msr.SINT0 + TIMER_SINT, vector | SINT_AUTO_EOI);
    hardware.writeMsr(Msr.SCONTROL, SCONTROL_ENABLE);
    if (hardware.readMsr(Msr.VP_INDEX)) this.#pages[processor]!.vpIndex = hardware.low;
  }

  /** Undoes `setUp`, before the machine is left to another kernel. */
  tearDown(): void {
    const hardware = this.#hardware;
    hardware.writeMsr(Msr.SINT0 + VMBUS_SINT, SINT_MASKED);
    hardware.writeMsr(Msr.SINT0 + TIMER_SINT, SINT_MASKED);
    hardware.writeMsr(Msr.SCONTROL, 0);
    hardware.writeMsr(Msr.SIMP, 0);
    hardware.writeMsr(Msr.SIEFP, 0);
  }

  vpIndexOf(processor: number): number {
    return this.#pages[processor]!.vpIndex;
  }

  /** Linear position of the VMBus event flags of a processor. */
  eventFlags(processor: number): number {
    return this.#pages[processor]!.events + VMBUS_SINT * SLOT_BYTES;
  }

  messageType(processor: number, sint: number): number {
    return this.#header.at(this.#pages[processor]!.messages + sint * SLOT_BYTES).type;
  }

  /** A copy of the message in a slot, its payload only. */
  message(processor: number, sint: number): Uint8Array {
    const slot = this.#pages[processor]!.messages + sint * SLOT_BYTES;
    const length = Math.min(this.#header.at(slot).payloadBytes, SLOT_BYTES - MessageHeader.size);
    const start = slot + MessageHeader.size;
    return this.#memory.u8.slice(start, start + length);
  }

  /** Frees the slot, and asks for the message that waits behind it, if one does. */
  releaseMessage(processor: number, sint: number): void {
    const header = this.#header.at(this.#pages[processor]!.messages + sint * SLOT_BYTES);
    header.type = 0;
    if ((header.flags & MESSAGE_PENDING) !== 0) this.#hardware.writeMsr(Msr.EOM, 0);
  }

  /**
   * Posts one channel message, again and again while the host is short of buffers.
   * @returns the hypercall status of the last try
   */
  *post(connectionId: number, message: Uint8Array): Task<number> {
    const backsOff = this.#kernel.switches.postBackoff;
    const tries = backsOff ? MODERN_POST_TRIES : LEGACY_POST_DELAYS_US.length;
    let waitUs = MODERN_POST_FIRST_US;
    let status = 0;
    for (let attempt = 0; attempt < tries; attempt += 1) {
      status = this.#postOnce(connectionId, message);
      if (status !== HvStatus.is.insufficientBuffers) return status;
      if (backsOff) {
        yield* this.#kernel.tsleep({}, waitUs * 1_000);
        waitUs = Math.min(waitUs * 2, MODERN_POST_MOST_US);
      } else {
        yield* this.#kernel.delay(LEGACY_POST_DELAYS_US[attempt]!);
      }
    }
    return status;
  }

  #postOnce(connectionId: number, message: Uint8Array): number {
    const { input, inputGpa } = this.#pages[this.#kernel.processor]!;
    const post = PostMessageInput.cursor(this.#memory.view).at(input);
    post.connectionId = connectionId;
    post.reserved = 0;
    post.messageType = VMBUS_MESSAGE_TYPE;
    post.payloadBytes = message.length;
    post.payload = message;
    return this.#call(HypercallCode.PostMessage, inputGpa);
  }

  /** HvSignalEvent by its memory form, as FreeBSD makes it. */
  signal(connectionId: number): number {
    const { input, inputGpa } = this.#pages[this.#kernel.processor]!;
    this.#memory.view.setUint32(input + SIGNAL_INPUT, connectionId, true);
    this.#memory.view.setUint32(input + SIGNAL_INPUT + 4, 0, true);
    return this.#call(HypercallCode.SignalEvent, inputGpa + SIGNAL_INPUT);
  }

  #call(code: number, inputGpa: number): number {
    const high = Math.floor(inputGpa / 0x1_0000_0000);
    return this.#hardware.hypercall(code, false, inputGpa % 0x1_0000_0000, high);
  }
}
