import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { modelCpuid } from '../../src/hypervisor/cpuid.ts';
import type { VirtualProcessor } from '../../src/hypervisor/processor.ts';
import { ApicRegister } from '../../src/hypervisor/spec/apic.ts';
import {
  IA32_APIC_BASE,
  IA32_TSC,
  IA32_TSC_DEADLINE,
  Msr,
} from '../../src/hypervisor/spec/msrs.ts';
import { TSC_HZ, machine, rdmsr, takeInterrupts, wrmsr } from './machine.ts';

const BASE = 0xfee0_0000;

function read(vp: VirtualProcessor, register: number): number {
  return vp.mmioRead(BASE + register * 16, 4);
}

function write(vp: VirtualProcessor, register: number, value: number): void {
  vp.mmioWrite(BASE + register * 16, 4, value);
}

/** Writes the interrupt command register of an xAPIC. */
function command(vp: VirtualProcessor, low: number, destination = 0): void {
  write(vp, ApicRegister.commandHigh, destination * 0x100_0000);
  write(vp, ApicRegister.commandLow, low);
}

function processors(count: number, options = {}): VirtualProcessor[] {
  return [...machine({ processorCount: count, ...options }).partition.processors];
}

function pending(all: readonly VirtualProcessor[]): number[] {
  return all.map((vp) => vp.pendingVector());
}

function enableX2Apic(vp: VirtualProcessor): void {
  wrmsr(vp, IA32_APIC_BASE, rdmsr(vp, IA32_APIC_BASE)! | 0x400n);
}

describe('priorities (SDM 11.8)', () => {
  it('the highest vector is delivered first, and a lower class waits for EOI', () => {
    const { partition } = machine();
    const [vp] = partition.processors;
    for (const vector of [0x31, 0x52, 0x5f]) vp!.raiseVector(vector);
    expect(vp!.acknowledgeVector()).toBe(0x5f);
    // 0x52 is of the class in service: it waits too.
    expect(vp!.pendingVector()).toBe(-1);
    expect(read(vp!, ApicRegister.processorPriority)).toBe(0x50);
    vp!.raiseVector(0x61);
    expect(vp!.acknowledgeVector()).toBe(0x61);
    expect(read(vp!, ApicRegister.inService + 2)).toBe(0x8000_0000);
    expect(read(vp!, ApicRegister.inService + 3)).toBe(2);
    write(vp!, ApicRegister.endOfInterrupt, 0);
    expect(read(vp!, ApicRegister.inService + 3)).toBe(0);
    expect(vp!.pendingVector()).toBe(-1);
    expect(read(vp!, ApicRegister.processorPriority)).toBe(0x50);
    write(vp!, ApicRegister.endOfInterrupt, 0);
    expect(vp!.acknowledgeVector()).toBe(0x52);
  });

  it('task priority holds back its class and those below', () => {
    const { partition, woken } = machine();
    const [vp] = partition.processors;
    write(vp!, ApicRegister.taskPriority, 0x5f);
    vp!.raiseVector(0x5e);
    expect(vp!.pendingVector()).toBe(-1);
    expect(vp!.acknowledgeVector()).toBe(-1);
    expect(read(vp!, ApicRegister.interruptRequest + 2)).toBe(0x4000_0000);
    woken.length = 0;
    vp!.taskPriority = 0x40;
    expect(vp!.pendingVector()).toBe(0x5e);
    expect(woken).toEqual([0]);
    expect(rdmsr(vp!, Msr.TPR)).toBe(0x40n);
  });

  it('any sequence of requests and EOIs delivers as a set of bits with priorities would', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('request' as const),
        vector: fc.integer({ min: 16, max: 255 }),
      }),
      fc.record({ kind: fc.constantFrom('take' as const, 'end' as const), vector: fc.constant(0) }),
      fc.record({
        kind: fc.constant('priority' as const),
        vector: fc.integer({ min: 0, max: 255 }),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const [vp] = machine().partition.processors;
        const requested = new Set<number>();
        const served: number[] = [];
        let priority = 0;
        for (const { kind, vector } of steps) {
          if (kind === 'request') {
            vp!.raiseVector(vector);
            requested.add(vector);
          } else if (kind === 'priority') {
            vp!.taskPriority = vector;
            priority = vector;
          } else if (kind === 'end') {
            wrmsr(vp!, Msr.EOI, 0);
            served.pop();
          } else {
            const best = Math.max(-1, ...requested);
            const threshold = Math.max(priority >> 4, (served.at(-1) ?? 0) >> 4);
            const expected = best >> 4 > threshold ? best : -1;
            expect(vp!.acknowledgeVector()).toBe(expected);
            if (expected < 0) continue;
            requested.delete(expected);
            served.push(expected);
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('a software-disabled APIC loses interrupts and masks its local vectors', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.spuriousVector, 0xff);
    expect(read(vp!, ApicRegister.lvtLint0)).toBe(0x1_0700);
    vp!.raiseVector(0x80);
    write(vp!, ApicRegister.lvtTimer, 0x40);
    expect(read(vp!, ApicRegister.lvtTimer)).toBe(0x1_0040);
    write(vp!, ApicRegister.spuriousVector, 0x1ff);
    expect(vp!.pendingVector()).toBe(-1);
    expect(test.traced).toContain('interrupt-lost');
  });

  it('vectors below 16 are errors: ESR shows them after it is written, and LVT error fires once', () => {
    const [vp] = processors(1);
    write(vp!, ApicRegister.lvtError, 0xfe);
    command(vp!, 0x4_000f);
    expect(read(vp!, ApicRegister.errorStatus)).toBe(0);
    write(vp!, ApicRegister.errorStatus, 0);
    expect(read(vp!, ApicRegister.errorStatus)).toBe(0x20);
    expect(takeInterrupts(vp!)).toEqual([0xfe]);
    write(vp!, ApicRegister.errorStatus, 0);
    expect(read(vp!, ApicRegister.errorStatus)).toBe(0);
  });

  it('an error vector that is itself illegal ends there', () => {
    const [vp] = processors(1);
    write(vp!, ApicRegister.lvtError, 0x05);
    command(vp!, 0x4_0001);
    write(vp!, ApicRegister.errorStatus, 0);
    expect(read(vp!, ApicRegister.errorStatus)).toBe(0x60);
  });
});

describe('the interrupt command register (SDM 11.6)', () => {
  it.each([
    ['physical', 0x40, 2, [-1, -1, 0x40, -1]],
    ['physical broadcast', 0x40, 0xff, [0x40, 0x40, 0x40, 0x40]],
    ['self', 0x4_0040, 0, [-1, 0x40, -1, -1]],
    ['all including self', 0x8_0040, 0, [0x40, 0x40, 0x40, 0x40]],
    ['all but self', 0xc_0040, 0, [0x40, -1, 0x40, 0x40]],
    ['logical flat', 0x840, 0b1010, [-1, 0x40, -1, 0x40]],
    ['lowest priority, physical broadcast', 0x140, 0xff, [-1, -1, 0x40, -1]],
  ])('%s', (_, low, destination, expected) => {
    const all = processors(4);
    for (const vp of all) write(vp, ApicRegister.logicalDestination, 1 << (24 + vp.index));
    for (const index of [0, 1, 3]) all[index]!.taskPriority = 0x20;
    command(all[1]!, low, destination);
    expect(pending(all)).toEqual(expected);
  });

  it('logical cluster: cluster in the upper half, processors in the lower', () => {
    const all = processors(4);
    for (const vp of all) {
      write(vp, ApicRegister.destinationFormat, 0x0fff_ffff);
      const cluster = vp.index >> 1;
      write(
        vp,
        ApicRegister.logicalDestination,
        ((cluster << 4) | (1 << (vp.index & 1))) * 0x100_0000,
      );
    }
    command(all[0]!, 0x841, 0x12);
    expect(pending(all)).toEqual([-1, -1, -1, 0x41]);
    command(all[0]!, 0x842, 0x03);
    expect(pending(all)).toEqual([0x42, 0x42, -1, 0x41]);
  });

  it('HV_X64_MSR_ICR and HV_X64_MSR_EOI do what the registers do', () => {
    const all = processors(2);
    wrmsr(all[0]!, Msr.ICR, (1n << 56n) | 0x77n);
    expect(all[1]!.acknowledgeVector()).toBe(0x77);
    expect(rdmsr(all[0]!, Msr.ICR)).toBe((1n << 56n) | 0x77n);
    wrmsr(all[1]!, Msr.EOI, 0);
    expect(read(all[1]!, ApicRegister.inService + 3)).toBe(0);
    expect(rdmsr(all[1]!, Msr.EOI)).toBeUndefined();
  });

  it('INIT, start-up and NMI reach the processor as signals, in that order', () => {
    const all = processors(2);
    expect(all[1]!.takeSignal()).toBeUndefined();
    command(all[0]!, 0xc500, 1);
    command(all[0]!, 0x4400, 1);
    command(all[0]!, 0x4607, 1);
    command(all[0]!, 0x4609, 1);
    expect(all[1]!.takeSignal()).toEqual({ kind: 'init' });
    expect(all[1]!.takeSignal()).toEqual({ kind: 'startup', vector: 7 });
    expect(all[1]!.takeSignal()).toEqual({ kind: 'nmi' });
    expect(all[1]!.takeSignal()).toBeUndefined();
    command(all[0]!, 0x4608, 1);
    expect(all[1]!.takeSignal()).toBeUndefined();
  });

  it('a running processor ignores start-up IPIs, and INIT with level de-asserted does nothing', () => {
    const all = processors(2);
    command(all[1]!, 0x4607, 0);
    command(all[1]!, 0x8500, 0);
    expect(all[0]!.takeSignal()).toBeUndefined();
  });

  it('INIT resets the local APIC but not its base', () => {
    const all = processors(2);
    all[1]!.taskPriority = 0x30;
    command(all[0]!, 0xc500, 1);
    expect(read(all[1]!, ApicRegister.taskPriority)).toBe(0);
    expect(read(all[1]!, ApicRegister.spuriousVector)).toBe(0xff);
    expect(rdmsr(all[1]!, IA32_APIC_BASE)).toBe(0xfee0_0800n);
  });
});

describe('x2APIC (SDM 11.12)', () => {
  it('MSRs raise #GP outside x2APIC mode, and MMIO is gone inside it', () => {
    const [vp] = processors(1);
    expect(rdmsr(vp!, 0x802)).toBeUndefined();
    enableX2Apic(vp!);
    expect(rdmsr(vp!, 0x803)).toBe(0x5_0014n);
    expect(read(vp!, ApicRegister.version)).toBe(0xffff_ffff);
  });

  it.each([
    ['EOI with a value', 0x80b, 1n],
    ['ESR with a value', 0x828, 1n],
    ['a high half', 0x808, 1n << 32n],
    ['the id', 0x802, 1n],
    ['the logical id', 0x80d, 1n],
    ['the destination format', 0x80e, 0xffff_ffffn],
    ['ICR2', 0x831, 0n],
    ['a hole', 0x804, 0n],
    ['a reserved ICR bit', 0x830, 0x1000n],
    ['a self IPI above 255', 0x83f, 0x100n],
  ])('writing %s raises #GP', (_, msr, value) => {
    const [vp] = processors(1);
    enableX2Apic(vp!);
    expect(wrmsr(vp!, msr, value)).toBe(false);
  });

  it('reading EOI raises #GP; logical ids are cluster and bit of the id', () => {
    const all = processors(20);
    for (const vp of all) enableX2Apic(vp);
    expect(rdmsr(all[0]!, 0x80b)).toBeUndefined();
    expect(rdmsr(all[17]!, 0x802)).toBe(17n);
    expect(rdmsr(all[17]!, 0x80d)).toBe(0x1_0002n);
  });

  it('one write of the 64-bit ICR sends, physically or to a logical cluster', () => {
    const all = processors(20);
    for (const vp of all) enableX2Apic(vp);
    wrmsr(all[0]!, 0x830, (19n << 32n) | 0x51n);
    expect(all[19]!.acknowledgeVector()).toBe(0x51);
    wrmsr(all[0]!, 0x830, (0x1_0006n << 32n) | 0x852n);
    expect(all.filter((vp) => vp.pendingVector() === 0x52).map((vp) => vp.index)).toEqual([17, 18]);
    wrmsr(all[3]!, 0x83f, 0x60);
    expect(all[3]!.pendingVector()).toBe(0x60);
  });
});

describe('the APIC timer (SDM 11.5.4)', () => {
  it('one-shot: counts down at the bus rate by the divider, fires once', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.lvtTimer, 0xec);
    write(vp!, ApicRegister.timerDivide, 0x3);
    write(vp!, ApicRegister.timerInitialCount, 1000);
    // 200 MHz / 16 = 12.5 MHz: one count is 80 ns.
    test.runUntil(40_000);
    expect(read(vp!, ApicRegister.timerCurrentCount)).toBe(500);
    test.runUntil(79_999);
    expect(vp!.pendingVector()).toBe(-1);
    test.runUntil(80_000);
    expect(takeInterrupts(vp!)).toEqual([0xec]);
    expect(read(vp!, ApicRegister.timerCurrentCount)).toBe(0);
    expect(test.events.pendingCount).toBe(0);
  });

  it.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])('divide register %d divides by %d', (code, divider) => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.timerDivide, code);
    write(vp!, ApicRegister.timerInitialCount, 0xffff_ffff);
    test.runUntil(640_000);
    expect(0xffff_ffff - read(vp!, ApicRegister.timerCurrentCount)).toBe(128_000 / divider);
  });

  it('periodic: reloads and keeps its phase', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.timerDivide, 0xb);
    write(vp!, ApicRegister.lvtTimer, 0x2_00ec);
    write(vp!, ApicRegister.timerInitialCount, 200_000);
    const fired: number[] = [];
    for (let time = 0; time <= 5_000_000; time += 250_000) {
      test.runUntil(time);
      if (takeInterrupts(vp!).length > 0) fired.push(time);
    }
    expect(fired).toEqual([1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]);
    test.runUntil(5_250_000);
    expect(read(vp!, ApicRegister.timerCurrentCount)).toBe(150_000);
    write(vp!, ApicRegister.timerInitialCount, 0);
    expect(test.events.nextDeadlineNs).toBe(Infinity);
  });

  it('masked: counts, and raises nothing', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.lvtTimer, 0x1_00ec);
    write(vp!, ApicRegister.timerInitialCount, 10);
    test.runUntil(1_000_000);
    expect(vp!.pendingVector()).toBe(-1);
  });

  it('a divider changed on the way goes on from the present count', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.lvtTimer, 0xec);
    write(vp!, ApicRegister.timerDivide, 0xb);
    write(vp!, ApicRegister.timerInitialCount, 1000);
    test.runUntil(2500);
    write(vp!, ApicRegister.timerDivide, 0x0);
    expect(read(vp!, ApicRegister.timerCurrentCount)).toBe(500);
    test.runUntil(7499);
    expect(vp!.pendingVector()).toBe(-1);
    test.runUntil(7500);
    expect(vp!.pendingVector()).toBe(0xec);
  });

  it('never fires early, whatever rate, divider and count', () => {
    const apicHz = fc.integer({ min: 1_000_000, max: 4_000_000_000 });
    fc.assert(
      fc.property(
        apicHz,
        fc.integer({ min: 1, max: 0xffff_ffff }),
        fc.integer({ min: 0, max: 1e9 }),
        (hz, count, start) => {
          const test = machine({ apicHz: hz });
          const [vp] = test.partition.processors;
          test.clock.set(start);
          write(vp!, ApicRegister.timerDivide, 0xb);
          write(vp!, ApicRegister.lvtTimer, 0xec);
          write(vp!, ApicRegister.timerInitialCount, count);
          const due = test.events.nextDeadlineNs;
          expect(BigInt(due - start) * BigInt(hz)).toBeGreaterThanOrEqual(
            BigInt(count) * 1_000_000_000n,
          );
          expect(BigInt(due - start - 1) * BigInt(hz)).toBeLessThan(BigInt(count) * 1_000_000_000n);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('TSC deadline: armed by its MSR, cleared when it fires, follows writes of the TSC', () => {
    const plain = modelCpuid(TSC_HZ, 1);
    const test = machine({
      baseCpuid: (leaf, subleaf, out) => {
        plain(leaf, subleaf, out);
        if (leaf === 1) out[2]! |= 0x100_0000;
      },
    });
    const [vp] = test.partition.processors;
    write(vp!, ApicRegister.lvtTimer, 0x4_00ec);
    wrmsr(vp!, IA32_TSC_DEADLINE, 3_300_000);
    expect(rdmsr(vp!, IA32_TSC_DEADLINE)).toBe(3_300_000n);
    test.runUntil(500_000);
    wrmsr(vp!, IA32_TSC, 0);
    test.runUntil(1_499_999);
    expect(vp!.pendingVector()).toBe(-1);
    test.runUntil(1_500_000);
    expect(takeInterrupts(vp!)).toEqual([0xec]);
    expect(rdmsr(vp!, IA32_TSC_DEADLINE)).toBe(0n);
    wrmsr(vp!, IA32_TSC_DEADLINE, 1);
    test.runUntil(1_500_000);
    expect(takeInterrupts(vp!)).toEqual([0xec]);
  });

  it('without the CPUID bit, deadline mode cannot be chosen', () => {
    const [vp] = processors(1);
    write(vp!, ApicRegister.lvtTimer, 0x4_00ec);
    expect(read(vp!, ApicRegister.lvtTimer)).toBe(0xec);
  });
});

describe('interrupts from outside', () => {
  it('a message (MSI) goes to its destination', () => {
    const test = machine({ processorCount: 3 });
    test.partition.assertMessage(0xfee0_2000, 0x45);
    expect(pending([...test.partition.processors])).toEqual([-1, -1, 0x45]);
    test.partition.assertMessage(0x1234_2000, 0x46);
    expect(test.partition.processors[2]!.pendingVector()).toBe(0x45);
  });

  it('a level-triggered interrupt shows in TMR and its EOI is told to the I/O APIC', () => {
    const ended: number[] = [];
    const test = machine({ onEoi: (vector) => ended.push(vector) });
    const [vp] = test.partition.processors;
    test.partition.assertInterrupt(0, false, 0, 0x39, true);
    expect(read(vp!, ApicRegister.triggerMode + 1)).toBe(1 << 25);
    test.partition.assertInterrupt(0, false, 0, 0x49, false);
    expect(takeInterrupts(vp!)).toEqual([0x49, 0x39]);
    expect(ended).toEqual([0x39]);
    test.partition.assertInterrupt(0, false, 0, 0x39, false);
    expect(read(vp!, ApicRegister.triggerMode + 1)).toBe(0);
    takeInterrupts(vp!);
    expect(ended).toEqual([0x39]);
  });

  it('the 8259 is asked through LINT0 of the first processor, unless that is masked', () => {
    const test = machine({ processorCount: 2 });
    const [vp, other] = test.partition.processors;
    let vector = 0x08;
    test.partition.attachExternal({
      pendingVector: () => vector,
      acknowledge: () => {
        const taken = vector;
        vector = -1;
        return taken;
      },
    });
    expect(other!.pendingVector()).toBe(-1);
    write(vp!, ApicRegister.lvtLint0, 0x1_0700);
    expect(vp!.pendingVector()).toBe(-1);
    write(vp!, ApicRegister.lvtLint0, 0x700);
    expect(vp!.acknowledgeVector()).toBe(0x08);
    expect(read(vp!, ApicRegister.inService)).toBe(0);
    expect(vp!.pendingVector()).toBe(-1);
  });
});
