import { MmioBus, PortBus } from '../../src/core/bus.ts';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { GuestMemory } from '../../src/core/memory.ts';
import type { TraceType } from '../../src/core/trace.ts';
import { Trace } from '../../src/core/trace.ts';
import type { PartitionOptions } from '../../src/hypervisor/partition.ts';
import { Partition } from '../../src/hypervisor/partition.ts';
import type { VirtualProcessor } from '../../src/hypervisor/processor.ts';
import type { HypervisorProfile } from '../../src/hypervisor/profile.ts';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';

/** Every privilege that a register or a call of the tests needs. */
export const fullProfile: HypervisorProfile = {
  maxLeaf: 0x4000_000a,
  version: [17_763, 0x000a_0000, 1, 0x0000_0253],
  features: [0x0000_aeff, 0x003b_8030, 0, 0x00be_d7b2 | 0x0008_0000],
  recommendations: [0x0006_0e24, 0xfff, 40, 0],
  limits: [240, 512, 0x0de0, 0],
  hardwareFeatures: 0xf,
  invariantTsc: true,
};

/** The same without some privileges: `[word, bit]` of CPUID 0x40000003. */
export function without(...bits: readonly (readonly [word: 0 | 1 | 3, bit: number])[]) {
  const features = [...fullProfile.features] as [number, number, number, number];
  for (const [word, bit] of bits) features[word] = (features[word] & ~(2 ** bit)) >>> 0;
  return { ...fullProfile, features };
}

export interface TestMachine {
  readonly partition: Partition;
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly ports: PortBus;
  readonly mmio: MmioBus;
  /** Names of trace events so far. */
  readonly traced: string[];
  /** Processors that were told of an interrupt, in order. */
  readonly woken: number[];
  /** Runs events up to a virtual time and leaves the clock there. */
  runUntil(timeNs: number): void;
}

export const TSC_HZ = 3_300_000_000;
export const APIC_HZ = 200_000_000;

export function machine(options: Partial<PartitionOptions> = {}): TestMachine {
  const clock = new VirtualClock();
  const events = new EventQueue(clock);
  const trace = new Trace(clock);
  const traced: string[] = [];
  trace.subscribe((_, type: TraceType) => traced.push(type.name));
  const memory = new GuestMemory({ ramBytes: 1 << 20, lowGapStart: 0xf800_0000 });
  const ports = new PortBus();
  const mmio = new MmioBus();
  const woken: number[] = [];
  const partition = new Partition({
    memory,
    clock,
    events,
    trace,
    ports,
    mmio,
    profile: fullProfile,
    processorCount: 1,
    tscHz: TSC_HZ,
    apicHz: APIC_HZ,
    onInterruptPending: (vp) => woken.push(vp),
    ...options,
  });
  return {
    partition,
    memory,
    clock,
    events,
    ports,
    mmio,
    traced,
    woken,
    runUntil(timeNs) {
      while (events.nextDeadlineNs <= timeNs) events.runNext();
      clock.set(timeNs);
    },
  };
}

const out = new Uint32Array(4);

/** RDMSR as one number. @returns undefined for #GP */
export function rdmsr(vp: VirtualProcessor, msr: number): bigint | undefined {
  return vp.readMsr(msr, out) ? (BigInt(out[1]!) << 32n) | BigInt(out[0]!) : undefined;
}

/** WRMSR of a whole value. @returns false for #GP */
export function wrmsr(vp: VirtualProcessor, msr: number, value: bigint | number): boolean {
  const whole = BigInt(value);
  return vp.writeMsr(msr, Number(whole & 0xffff_ffffn), Number(whole >> 32n));
}

export function cpuid(vp: VirtualProcessor, leaf: number, subleaf = 0): number[] {
  vp.cpuid(leaf, subleaf, out);
  return [...out];
}

export const MESSAGE_PAGE = 0x1_0000;
export const FLAG_PAGE = 0x1_1000;
export const HYPERCALL_PAGE = 0x1_2000;
export const INPUT_PAGE = 0x1_3000;
export const OUTPUT_PAGE = 0x1_4000;

/** What FreeBSD's driver does on each processor: pages, SINT2 at a vector, control. */
export function enableSynic(vp: VirtualProcessor, vector = 0xf3, autoEoi = false): void {
  const stride = vp.index * 0x2_0000;
  wrmsr(vp, Msr.SIMP, MESSAGE_PAGE + stride + 1);
  wrmsr(vp, Msr.SIEFP, FLAG_PAGE + stride + 1);
  wrmsr(vp, Msr.SINT0 + 2, vector | (autoEoi ? 0x2_0000 : 0));
  wrmsr(vp, Msr.SCONTROL, 1);
}

export function enableHypercalls(vp: VirtualProcessor): void {
  wrmsr(vp, Msr.GUEST_OS_ID, 0x8200_0000_0000_0000n);
  wrmsr(vp, Msr.HYPERCALL, HYPERCALL_PAGE + 1);
}

/** Text bytes as a message payload. */
export function payload(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export interface Slot {
  type: number;
  bytes: number;
  pending: boolean;
  text: string;
}

export function slot(memory: GuestMemory, sint: number, page = MESSAGE_PAGE): Slot {
  const at = page + sint * 256;
  const bytes = memory.u8[at + 4]!;
  return {
    type: memory.view.getUint32(at, true),
    bytes,
    pending: (memory.u8[at + 5]! & 1) !== 0,
    text: new TextDecoder().decode(memory.u8.slice(at + 16, at + 16 + bytes)),
  };
}

/** The guest takes what is in a slot: empties it, and writes EOM when it must. */
export function consume(vp: VirtualProcessor, memory: GuestMemory, sint: number): Slot {
  const taken = slot(memory, sint);
  memory.view.setUint32(MESSAGE_PAGE + sint * 256, 0, true);
  if (taken.pending) wrmsr(vp, Msr.EOM, 0);
  return taken;
}

/** Delivers and ends every pending interrupt, as a guest with interrupts enabled would. */
export function takeInterrupts(vp: VirtualProcessor): number[] {
  const vectors: number[] = [];
  while (vp.pendingVector() >= 0) {
    vectors.push(vp.acknowledgeVector());
    wrmsr(vp, Msr.EOI, 0);
  }
  return vectors;
}
