import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { StateStream } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import { ApicRegisters } from './apic-registers.ts';
import { ApicTimer } from './apic-timer.ts';
import { LocalApic } from './apic.ts';
import { ArchitecturalMsrs } from './architectural-msrs.ts';
import type { CpuidState } from './cpuid.ts';
import { adjustCpuid, hypervisorCpuid } from './cpuid.ts';
import { readMsr, writeMsr } from './msrs.ts';
import type { OverlaySpace } from './overlay.ts';
import { OverlayPage } from './overlay.ts';
import type { Partition } from './partition.ts';
import type { ProcessorSignal, VirtualProcessor } from './processor.ts';
import { APIC_PAGE_BYTES, DeliveryMode } from './spec/apic.ts';
import { PAGE_ENABLE, Privileges, pageNumberOf } from './spec/msrs.ts';
import { TIMER_COUNT } from './spec/synic.ts';
import { Synic } from './synic.ts';
import type { PartitionTime } from './time.ts';
import { SyntheticTimer } from './timers.ts';
import { startSignal } from './trace.ts';

const U32 = 0x1_0000_0000;
const PAGE_BYTES = 4096;
const NMI: ProcessorSignal = { kind: 'nmi' };
const INIT: ProcessorSignal = { kind: 'init' };
const NO_STARTUP = -1;

/** One processor of a partition: registers, interrupt controllers and timers, all its own. */
export class PartitionProcessor implements VirtualProcessor, CpuidState {
  readonly partition: Partition;
  readonly index: number;
  readonly apicId: number;
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly events: EventQueue;
  readonly time: PartitionTime;
  readonly overlays: OverlaySpace;
  readonly synic: Synic;
  readonly apic: LocalApic;
  readonly apicRegisters: ApicRegisters;
  readonly timers: readonly SyntheticTimer[];
  readonly architectural: ArchitecturalMsrs;
  readonly assistPage = new OverlayPage('vp-assist');

  /** Set by what runs the processor: time spent in guest code, for VP_RUNTIME. */
  runtimeNs = 0;
  readonly tsc = { offsetLow: 0, offsetHigh: 0 };
  assistLow = 0;
  assistHigh = 0;
  npiepLow = 0;
  npiepHigh = 0;
  nmiPending = false;
  initPending = false;
  /** Vector of a start-up IPI that waits, or -1. */
  startupPending = NO_STARTUP;
  /** Stopped until a start-up IPI: after INIT, and at power-on for all but the first processor. */
  waitsForStartup = false;
  /** The guest read GUEST_IDLE and the engine has not put it to sleep yet. */
  idlePending = false;

  constructor(partition: Partition, index: number) {
    this.partition = partition;
    this.index = index;
    this.apicId = index;
    this.memory = partition.memory;
    this.clock = partition.clock;
    this.trace = partition.trace;
    this.events = partition.events;
    this.time = partition.time;
    this.overlays = partition.overlays;
    this.synic = new Synic(this);
    this.apic = new LocalApic(this);
    this.apic.timer = new ApicTimer(this.apic, this.time, this.events, this.tsc, partition.apicHz);
    this.apicRegisters = new ApicRegisters(
      this.apic,
      (source, low, destination) => partition.router.send(source, low, destination),
      partition.hasTscDeadline,
    );
    this.architectural = new ArchitecturalMsrs(partition.deviceWindows);
    const hasDirectMode = partition.has(Privileges.directTimers);
    this.timers = Array.from(
      { length: TIMER_COUNT },
      (_, timer) => new SyntheticTimer(this, timer, hasDirectMode),
    );
    this.#resetSignals();
  }

  /** Power-on state. */
  reset(): void {
    for (const timer of this.timers) timer.reset();
    this.synic.reset();
    this.apic.reset();
    this.architectural.reset();
    this.overlays.unmap(this.assistPage);
    this.assistPage.clear();
    this.assistLow = 0;
    this.assistHigh = 0;
    this.npiepLow = 0;
    this.npiepHigh = 0;
    this.tsc.offsetLow = 0;
    this.tsc.offsetHigh = 0;
    this.runtimeNs = 0;
    this.#resetSignals();
  }

  #resetSignals(): void {
    this.nmiPending = false;
    this.initPending = false;
    this.startupPending = NO_STARTUP;
    this.waitsForStartup = this.index !== 0;
    this.idlePending = false;
  }

  exchange(state: StateStream): void {
    this.runtimeNs = state.number('runtimeNs', this.runtimeNs);
    this.tsc.offsetLow = state.number('tscOffsetLow', this.tsc.offsetLow);
    this.tsc.offsetHigh = state.number('tscOffsetHigh', this.tsc.offsetHigh);
    this.assistLow = state.number('assistLow', this.assistLow);
    this.assistHigh = state.number('assistHigh', this.assistHigh);
    this.npiepLow = state.number('npiepLow', this.npiepLow);
    this.npiepHigh = state.number('npiepHigh', this.npiepHigh);
    this.nmiPending = state.flag('nmiPending', this.nmiPending);
    this.initPending = state.flag('initPending', this.initPending);
    this.startupPending = state.number('startupPending', this.startupPending);
    this.waitsForStartup = state.flag('waitsForStartup', this.waitsForStartup);
    this.idlePending = state.flag('idlePending', this.idlePending);
    state.array('architectural', this.architectural.values);
    state.part('apic', () => this.apic.exchange(state));
    state.part('synic', () => this.synic.exchange(state));
    for (const timer of this.timers) state.part('timer', () => timer.exchange(state));
  }

  /** The pages that this processor lays over guest memory, in a fixed order. */
  get overlayPages(): readonly OverlayPage[] {
    return [this.assistPage, this.synic.messagePage, this.synic.flagPage];
  }

  cpuid(leaf: number, subleaf: number, out: Uint32Array): void {
    if (leaf >= 0x4000_0000 && leaf <= 0x4fff_ffff) {
      hypervisorCpuid(this.partition.profile, leaf, out);
      return;
    }
    this.partition.baseCpuid(leaf, subleaf, out);
    adjustCpuid(leaf, this, out);
  }

  get isApicEnabled(): boolean {
    return this.apic.isHardwareEnabled;
  }

  get processorCount(): number {
    return this.partition.processors.length;
  }

  get hasInvariantTsc(): boolean {
    return this.partition.hasInvariantTsc;
  }

  readMsr(msr: number, out: Uint32Array): boolean {
    return readMsr(this, msr, out);
  }

  writeMsr(msr: number, low: number, high: number): boolean {
    return writeMsr(this, msr, low, high);
  }

  readTsc(out: Uint32Array): void {
    this.time.readTsc(out);
    const low = out[0]! + this.tsc.offsetLow;
    out[0] = low;
    out[1] = out[1]! + this.tsc.offsetHigh + (low >= U32 ? 1 : 0);
  }

  /** IA32_TSC: the guest's count goes on from this value. */
  writeTsc(low: number, high: number, scratch: Uint32Array): void {
    this.time.readTsc(scratch);
    const difference = low - scratch[0]!;
    this.tsc.offsetLow = difference >>> 0;
    this.tsc.offsetHigh = (high - scratch[1]! - (difference < 0 ? 1 : 0)) >>> 0;
    this.apic.timer?.armDeadline();
  }

  writeAssistPage(low: number, high: number): void {
    this.assistLow = low;
    this.assistHigh = high;
    if ((low & PAGE_ENABLE) !== 0) this.overlays.map(this.assistPage, pageNumberOf(low, high));
    else this.overlays.unmap(this.assistPage);
  }

  hypercall(registers: Uint32Array): boolean {
    return this.partition.hypercalls.run(this, registers);
  }

  portRead(port: number, size: number): number {
    return this.partition.ports.read(port, size);
  }

  portWrite(port: number, size: number, value: number): void {
    this.partition.ports.write(port, size, value);
  }

  mmioRead(gpa: number, size: number): number {
    const offset = this.#apicOffset(gpa);
    if (offset >= 0) return this.apicRegisters.mmioRead(offset, size);
    const page = this.overlays.findOutsideRam(gpa);
    if (page === undefined) return this.partition.mmio.read(gpa, size);
    let value = 0;
    for (let byte = size - 1; byte >= 0; byte -= 1) {
      value = value * 256 + (page.u8[page.base + ((gpa + byte) % PAGE_BYTES)] ?? 0);
    }
    return value;
  }

  mmioWrite(gpa: number, size: number, value: number): void {
    const offset = this.#apicOffset(gpa);
    if (offset >= 0) {
      this.apicRegisters.mmioWrite(offset, size, value);
      return;
    }
    const page = this.overlays.findOutsideRam(gpa);
    if (page === undefined) {
      this.partition.mmio.write(gpa, size, value);
      return;
    }
    if (page === this.partition.hypercallPage || page === this.partition.referenceTscPage) return;
    for (let byte = 0; byte < size; byte += 1) {
      page.u8[page.base + ((gpa + byte) % PAGE_BYTES)] = value >>> (byte * 8);
    }
  }

  /** Offset into this processor's xAPIC page, or -1. */
  #apicOffset(gpa: number): number {
    const { apic } = this;
    if (!apic.isHardwareEnabled || apic.isX2Apic) return -1;
    const offset = gpa - (apic.baseHigh * U32 + ((apic.baseLow & ~0xfff) >>> 0));
    return offset >= 0 && offset < APIC_PAGE_BYTES ? offset : -1;
  }

  pendingVector(): number {
    const external = this.partition.externalVector(this);
    return external >= 0 ? external : this.apic.deliverable();
  }

  acknowledgeVector(): number {
    if (this.partition.externalVector(this) >= 0) return this.partition.acknowledgeExternal();
    const vector = this.apic.deliverable();
    if (vector >= 0) this.apic.accept(vector);
    return vector;
  }

  takeSignal(): ProcessorSignal | undefined {
    if (this.initPending) {
      this.initPending = false;
      return INIT;
    }
    if (this.startupPending !== NO_STARTUP) {
      const vector = this.startupPending;
      this.startupPending = NO_STARTUP;
      this.waitsForStartup = false;
      return { kind: 'startup', vector };
    }
    // A processor that waits for start-up holds an NMI back.
    if (!this.nmiPending || this.waitsForStartup) return undefined;
    this.nmiPending = false;
    return NMI;
  }

  takeIdle(): boolean {
    const { idlePending } = this;
    this.idlePending = false;
    return idlePending;
  }

  get taskPriority(): number {
    return this.apic.taskPriority;
  }

  set taskPriority(value: number) {
    this.apic.setTaskPriority(value);
  }

  tripleFault(): void {
    this.partition.callbacks.onTripleFault(this.index);
  }

  unimplemented(what: string): void {
    this.partition.callbacks.onUnimplemented(this.index, what);
  }

  isAutoEoi(vector: number): boolean {
    return this.synic.isAutoEoi(vector);
  }

  interruptEnded(vector: number, isLevel: boolean): void {
    if (isLevel) this.partition.callbacks.onEoi(vector);
    this.synic.endOfInterrupt(vector);
  }

  interruptPending(): void {
    this.partition.callbacks.onInterruptPending(this.index);
  }

  raiseVector(vector: number): void {
    this.apic.request(vector, false);
  }

  referenceCount(): number {
    return this.time.referenceCount;
  }

  timerMessageDelivered(timer: number): void {
    this.timers[timer]?.messageDelivered();
  }

  /** NMI, INIT and start-up IPIs (SDM volume 3, 11.6.1 and 9.4.4). SMI and ExtINT do nothing. */
  signal(deliveryMode: number, vector: number): void {
    this.trace.emit(startSignal, this.index, deliveryMode, vector);
    if (deliveryMode === DeliveryMode.nmi) {
      this.nmiPending = true;
    } else if (deliveryMode === DeliveryMode.init) {
      this.initPending = true;
      this.nmiPending = false;
      this.startupPending = NO_STARTUP;
      this.waitsForStartup = true;
      this.apic.initialize();
    } else if (deliveryMode === DeliveryMode.startup) {
      // Only a processor that waits takes it; the second one of the usual pair finds it running.
      if (!this.waitsForStartup || this.startupPending !== NO_STARTUP) return;
      this.startupPending = vector;
    } else {
      return;
    }
    this.interruptPending();
  }
}
