import type { MmioBus, PortBus } from '../core/bus.ts';
import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import { PAGE_BYTES } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import type { BaseCpuid } from './cpuid.ts';
import type { DeviceWindow } from './architectural-msrs.ts';
import { modelCpuid } from './cpuid.ts';
import { Hypercalls } from './hypercalls.ts';
import { InterruptRouter } from './interrupt-router.ts';
import { OverlayPage, OverlaySpace } from './overlay.ts';
import type { HypervisorProfile } from './profile.ts';
import {
  DELIVERY_MASK,
  DELIVERY_SHIFT,
  MSI_ADDRESS_FIRST,
  MSI_ADDRESS_LOGICAL,
  MSI_DATA_LEVEL,
  VECTOR_MASK,
} from './spec/apic.ts';
import { TSC_DEADLINE_PRESENT, X2APIC_PRESENT } from './spec/cpuid.ts';
import { HYPERCALL_PAGE_FILL, hypercallPageCode } from './spec/hypercalls.ts';
import type { Privilege } from './spec/msrs.ts';
import {
  CRASH_PARAMETER_COUNT,
  HYPERCALL_LOCKED,
  PAGE_ENABLE,
  Privileges,
  pageNumberOf,
} from './spec/msrs.ts';
import { ReferenceTscPage } from './spec/time.ts';
import { PartitionTime } from './time.ts';
import { PartitionProcessor } from './virtual-processor.ts';

/** 64 bits as two unsigned halves. */
export interface Halves {
  readonly low: number;
  readonly high: number;
}

/** What the partition asks of the machine and the bus. Called from within guest execution. */
export interface PartitionCallbacks {
  /** An interrupt, NMI, INIT or start-up may now be deliverable: wake that processor. */
  onInterruptPending(vpIndex: number): void;
  /**
   * HvCallPostMessage by a guest that may: type and size are already checked.
   * @param payload reused; copy what must be kept
   * @returns HV_STATUS
   */
  onPostMessage(
    connectionId: number,
    messageType: number,
    payload: Uint8Array,
    start: number,
    length: number,
    vpIndex: number,
  ): number;
  /** HvCallSignalEvent. @returns HV_STATUS */
  onSignalEvent(connectionId: number, flag: number, vpIndex: number): number;
  /** The guest wrote CRASH_CTL: P0 to P4 and the control register as it wrote it. */
  onCrash(
    vpIndex: number,
    parameters: readonly Halves[],
    controlLow: number,
    controlHigh: number,
  ): void;
  onTripleFault(vpIndex: number): void;
  /** The engine lacks what the guest asked for, which is said in one clause. */
  onUnimplemented(vpIndex: number, what: string): void;
  /** The guest wrote the RESET register. */
  onReset(): void;
  /** A level-triggered interrupt ended: the I/O APIC looks for its pins. */
  onEoi(vector: number): void;
  /** A flush hypercall names this processor: drop its cached translations. */
  onFlush(vpIndex: number): void;
  /**
   * HvCallStartVirtualProcessor.
   * @param context HV_INITIAL_VP_CONTEXT, 224 bytes, reused
   * @returns false when the engine cannot start in such a state
   */
  onStartProcessor(vpIndex: number, context: Uint8Array): boolean;
}

const defaultCallbacks: PartitionCallbacks = {
  onInterruptPending: () => undefined,
  onPostMessage: () => 0x12,
  onSignalEvent: () => 0x12,
  onCrash: () => undefined,
  onTripleFault: () => undefined,
  onUnimplemented: () => undefined,
  onReset: () => undefined,
  onEoi: () => undefined,
  onFlush: () => undefined,
  onStartProcessor: () => false,
};

/** The dual 8259: what reaches the first processor through LINT0. */
export interface ExternalInterrupts {
  /** The vector that INTA would return now, or -1 when the output is low. */
  pendingVector(): number;
  acknowledge(): number;
}

export interface PartitionOptions extends Partial<PartitionCallbacks> {
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly ports: PortBus;
  readonly mmio: MmioBus;
  readonly profile: HypervisorProfile;
  readonly processorCount: number;
  readonly tscHz: number;
  /** Rate of the APIC timer before its divider; hosts use 200 MHz. */
  readonly apicHz: number;
  /** Default: `modelCpuid`. */
  readonly baseCpuid?: BaseCpuid;
  /** Addresses of devices, which firmware makes uncacheable by the MTRRs; at most 8. */
  readonly deviceWindows?: readonly DeviceWindow[];
  /** Firmware's doing: at reset each local APIC is enabled in virtual-wire mode. Default true. */
  readonly virtualWire?: boolean;
}

/**
 * A child partition: its processors, and what they share. The machine runs the processors, the bus
 * answers `onPostMessage` and `onSignalEvent` and calls `postMessage` and `signalEvent`.
 */
export class Partition {
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly ports: PortBus;
  readonly mmio: MmioBus;
  readonly profile: HypervisorProfile;
  readonly apicHz: number;
  readonly baseCpuid: BaseCpuid;
  readonly callbacks: PartitionCallbacks;
  readonly time: PartitionTime;
  readonly overlays: OverlaySpace;
  readonly hypercalls: Hypercalls;
  readonly router: InterruptRouter;
  readonly processors: readonly PartitionProcessor[];
  readonly deviceWindows: readonly DeviceWindow[];
  readonly hasX2Apic: boolean;
  readonly hasTscDeadline: boolean;
  /** Page numbers from here on are beyond the guest physical address space. */
  readonly pageNumberLimit: number;
  readonly #virtualWire: boolean;
  #external: ExternalInterrupts | undefined;

  guestOsLow = 0;
  guestOsHigh = 0;
  hypercallLow = 0;
  hypercallHigh = 0;
  readonly hypercallPage = new OverlayPage('hypercall');
  referenceTscLow = 0;
  referenceTscHigh = 0;
  referenceTscSequence = 0;
  readonly referenceTscPage = new OverlayPage('reference-tsc');
  /** P0 to P4 as pairs of halves. */
  readonly crash = new Uint32Array(CRASH_PARAMETER_COUNT * 2);
  /** REENLIGHTENMENT_CONTROL, TSC_EMULATION_CONTROL, TSC_EMULATION_STATUS as pairs of halves. */
  readonly reenlightenment = new Uint32Array(6);
  tscInvariantControl = 0;

  constructor(options: PartitionOptions) {
    this.memory = options.memory;
    this.clock = options.clock;
    this.events = options.events;
    this.trace = options.trace;
    this.ports = options.ports;
    this.mmio = options.mmio;
    this.profile = options.profile;
    this.apicHz = options.apicHz;
    this.baseCpuid = options.baseCpuid ?? modelCpuid(options.tscHz, options.processorCount);
    this.callbacks = { ...defaultCallbacks, ...options };
    this.time = new PartitionTime(options.clock, options.tscHz);
    this.overlays = new OverlaySpace(options.memory);
    this.hypercalls = new Hypercalls(this);
    const out = new Uint32Array(4);
    this.baseCpuid(1, 0, out);
    this.hasX2Apic = (out[2]! & X2APIC_PRESENT) !== 0;
    this.hasTscDeadline = (out[2]! & TSC_DEADLINE_PRESENT) !== 0;
    this.baseCpuid(0x8000_0008, 0, out);
    this.pageNumberLimit = 2 ** ((out[0]! & 0xff) - 12);
    this.deviceWindows = options.deviceWindows ?? [];
    this.#virtualWire = options.virtualWire ?? true;
    const processors: PartitionProcessor[] = [];
    this.processors = processors;
    this.router = new InterruptRouter([]);
    for (let index = 0; index < options.processorCount; index += 1) {
      processors.push(new PartitionProcessor(this, index));
    }
    this.router = new InterruptRouter(processors.map((processor) => processor.apic));
    this.#enableApics();
  }

  /** Power-on state of everything; guest RAM under overlays comes back. */
  reset(): void {
    for (const processor of this.processors) processor.reset();
    this.overlays.unmap(this.hypercallPage);
    this.overlays.unmap(this.referenceTscPage);
    this.guestOsLow = 0;
    this.guestOsHigh = 0;
    this.hypercallLow = 0;
    this.hypercallHigh = 0;
    this.referenceTscLow = 0;
    this.referenceTscHigh = 0;
    this.referenceTscSequence = 0;
    this.crash.fill(0);
    this.reenlightenment.fill(0);
    this.tscInvariantControl = 0;
    this.#enableApics();
  }

  exchange(state: StateStream): void {
    this.guestOsLow = state.number('guestOsLow', this.guestOsLow);
    this.guestOsHigh = state.number('guestOsHigh', this.guestOsHigh);
    this.hypercallLow = state.number('hypercallLow', this.hypercallLow);
    this.hypercallHigh = state.number('hypercallHigh', this.hypercallHigh);
    this.referenceTscLow = state.number('referenceTscLow', this.referenceTscLow);
    this.referenceTscHigh = state.number('referenceTscHigh', this.referenceTscHigh);
    this.referenceTscSequence = state.number('referenceTscSequence', this.referenceTscSequence);
    state.array('crash', this.crash);
    state.array('reenlightenment', this.reenlightenment);
    this.tscInvariantControl = state.number('tscInvariantControl', this.tscInvariantControl);
    for (const processor of this.processors) {
      state.part('processor', () => processor.exchange(state));
    }
    const pages = this.processors.flatMap(({ overlayPages }) => overlayPages);
    state.part('overlays', () =>
      this.overlays.exchange(state, [this.hypercallPage, this.referenceTscPage, ...pages]),
    );
  }

  #enableApics(): void {
    if (!this.#virtualWire) return;
    for (const processor of this.processors) processor.apic.enableVirtualWire();
  }

  /** True when the host profile grants a privilege or feature. */
  has(privilege: Privilege): boolean {
    return (this.profile.features[privilege.word] & privilege.mask) !== 0;
  }

  /** With the control register offered, the guest itself uncovers the CPUID bit. */
  get hasInvariantTsc(): boolean {
    if (this.has(Privileges.accessTscInvariant)) return (this.tscInvariantControl & 1) !== 0;
    return this.profile.invariantTsc;
  }

  /**
   * Posts a message to a SINT of a processor. It waits there while its slot is taken or anything
   * on the way is disabled; none is lost or overtaken.
   * @param sender port id for the message header
   * @returns false when 4096 messages wait already, or there is no such processor or SINT
   */
  postMessage(
    vp: number,
    sint: number,
    messageType: number,
    payload: Uint8Array,
    start: number,
    length: number,
    sender = 0,
  ): boolean {
    const synic = this.processors[vp]?.synic;
    if (synic?.queues[sint] === undefined) return false;
    return synic.post(sint, messageType, payload, start, length, sender);
  }

  /** Messages that wait for a slot. */
  queuedMessages(vp: number, sint: number): number {
    return this.processors[vp]?.synic.queues[sint]?.count ?? 0;
  }

  /**
   * Sets event flag 0 to 2047 of a SINT; the interrupt comes only when it was clear.
   * @returns true when the flag is newly set; false when it was set, or is held until enabled
   */
  signalEvent(vp: number, sint: number, flag: number): boolean {
    const synic = this.processors[vp]?.synic;
    if (synic?.queues[sint] === undefined || flag < 0 || flag >= 2048) return false;
    return synic.signal(sint, flag);
  }

  /** Forgets every message that waits, on all processors; slots stay as they are. */
  dropMessages(): void {
    for (const processor of this.processors) processor.synic.dropMessages();
  }

  /**
   * An interrupt from an I/O APIC pin.
   * @param destination APIC id or logical mask, 8 bits; 0xff is every processor
   * @param mode `DeliveryMode`
   */
  assertInterrupt(
    destination: number,
    isLogical: boolean,
    mode: number,
    vector: number,
    isLevel: boolean,
  ): void {
    this.router.assert(destination, isLogical, mode, vector, isLevel);
  }

  /** A message-signalled interrupt: a write of `data` to 0xFEExxxxx. */
  assertMessage(address: number, data: number): void {
    if ((address & 0xfff0_0000) >>> 0 !== MSI_ADDRESS_FIRST) return;
    const mode = (data >>> DELIVERY_SHIFT) & DELIVERY_MASK;
    const isLogical = (address & MSI_ADDRESS_LOGICAL) !== 0;
    const isLevel = (data & MSI_DATA_LEVEL) !== 0;
    this.router.assert((address >>> 12) & 0xff, isLogical, mode, data & VECTOR_MASK, isLevel);
  }

  /** Connects the 8259s to LINT0 of the first processor. */
  attachExternal(source: ExternalInterrupts): void {
    this.#external = source;
  }

  /** The output of the 8259s rose. */
  externalRaised(): void {
    this.callbacks.onInterruptPending(0);
  }

  /** The vector that the 8259s hold for this processor, or -1. */
  externalVector(processor: PartitionProcessor): number {
    if (this.#external === undefined || processor.index !== 0) return -1;
    return processor.apic.takesExternal ? this.#external.pendingVector() : -1;
  }

  acknowledgeExternal(): number {
    return this.#external!.acknowledge();
  }

  get isHypercallEnabled(): boolean {
    return (this.hypercallLow & PAGE_ENABLE) !== 0;
  }

  /** GUEST_OS_ID: zero takes the hypercall page away. */
  writeGuestOsId(low: number, high: number): void {
    this.guestOsLow = low;
    this.guestOsHigh = high;
    if (low !== 0 || high !== 0) return;
    this.hypercallLow &= ~PAGE_ENABLE;
    this.overlays.unmap(this.hypercallPage);
  }

  /** HYPERCALL. @returns false for #GP: locked, or beyond the address space */
  writeHypercall(low: number, high: number): boolean {
    if ((this.hypercallLow & HYPERCALL_LOCKED) !== 0) return false;
    const isKnownGuest = this.guestOsLow !== 0 || this.guestOsHigh !== 0;
    if ((low & PAGE_ENABLE) !== 0 && isKnownGuest) {
      const pageNumber = pageNumberOf(low, high);
      if (pageNumber >= this.pageNumberLimit) return false;
      this.overlays.map(this.hypercallPage, pageNumber);
      const { u8, base } = this.hypercallPage;
      u8.fill(HYPERCALL_PAGE_FILL, base, base + PAGE_BYTES);
      u8.set(hypercallPageCode, base);
      this.hypercallLow = low;
    } else {
      this.overlays.unmap(this.hypercallPage);
      this.hypercallLow = isKnownGuest ? low : (low & ~(PAGE_ENABLE | HYPERCALL_LOCKED)) >>> 0;
    }
    this.hypercallHigh = high;
    return true;
  }

  /** REFERENCE_TSC. A page beyond the address space is simply not seen. */
  writeReferenceTsc(low: number, high: number): void {
    this.referenceTscLow = low;
    this.referenceTscHigh = high;
    if ((low & PAGE_ENABLE) === 0) {
      this.overlays.unmap(this.referenceTscPage);
      return;
    }
    this.overlays.map(this.referenceTscPage, pageNumberOf(low, high));
    // Neither 0 nor all ones: both have told guests "invalid", in different documents.
    this.referenceTscSequence = (this.referenceTscSequence % 0xffff_fffe) + 1;
    const page = ReferenceTscPage.cursor(this.referenceTscPage.view).at(this.referenceTscPage.base);
    page.sequence = this.referenceTscSequence;
    page.scale = this.time.referenceTscScale;
    page.offset = 0n;
  }

  /** CRASH_CTL with its notify bit set. */
  reportCrash(vpIndex: number, controlLow: number, controlHigh: number): void {
    const parameters = Array.from({ length: CRASH_PARAMETER_COUNT }, (_, index) => ({
      low: this.crash[index * 2]!,
      high: this.crash[index * 2 + 1]!,
    }));
    this.callbacks.onCrash(vpIndex, parameters, controlLow, controlHigh);
  }
}
