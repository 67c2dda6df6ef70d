import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';
import type { TestMachine } from './machine.ts';
import {
  MESSAGE_PAGE,
  consume,
  enableSynic,
  machine,
  payload,
  rdmsr,
  slot,
  takeInterrupts,
  without,
  wrmsr,
} from './machine.ts';

const ENABLED = 1;
const PERIODIC = 2;
const AUTO_ENABLE = 8;
const SINT4 = 4 << 16;
const direct = (vector: number): number => 0x1000 | (vector << 4);
const CONFIG = Msr.STIMER0_CONFIG;
const COUNT = Msr.STIMER0_COUNT;

function timerMachine(): TestMachine {
  const test = machine();
  const vp = test.partition.processors[0]!;
  enableSynic(vp);
  wrmsr(vp, Msr.SINT0 + 4, 0x50);
  return test;
}

/** The expiration message in slot 4; times in units of 100 ns. */
function expiry({ memory }: TestMachine) {
  const at = MESSAGE_PAGE + 4 * 256;
  return {
    type: memory.view.getUint32(at, true),
    bytes: memory.u8[at + 4],
    timer: memory.view.getUint32(at + 16, true),
    expiration: Number(memory.view.getBigUint64(at + 24, true)),
    delivery: Number(memory.view.getBigUint64(at + 32, true)),
  };
}

describe('synthetic timer registers', () => {
  it('all are zero at creation: timers are disabled', () => {
    const [vp] = machine().partition.processors;
    for (let index = 0; index < 8; index += 1) expect(rdmsr(vp!, CONFIG + index)).toBe(0n);
  });

  it.each([0x2000n, 0x8000n, 0x10_0000n, 1n << 32n, 1n << 63n])(
    'reserved configuration bit %s raises #GP',
    (value) => {
      expect(wrmsr(machine().partition.processors[0]!, CONFIG, value)).toBe(false);
    },
  );

  it('without direct mode (EDX bit 19) its bits are reserved', () => {
    const [vp] = machine({ profile: without([3, 19]) }).partition.processors;
    expect(wrmsr(vp!, CONFIG, direct(0x40))).toBe(false);
    expect(wrmsr(vp!, CONFIG, SINT4 | AUTO_ENABLE)).toBe(true);
  });

  it('SINT 0 in an enabled timer that is not direct disables it', () => {
    const [vp] = machine().partition.processors;
    wrmsr(vp!, COUNT, 1000);
    wrmsr(vp!, CONFIG, ENABLED);
    expect(rdmsr(vp!, CONFIG)).toBe(0n);
    wrmsr(vp!, CONFIG, ENABLED | SINT4);
    expect(rdmsr(vp!, CONFIG)).toBe(BigInt(ENABLED | SINT4));
  });

  it('AutoEnable: a non-zero count enables, a zero count disables', () => {
    const [vp] = machine().partition.processors;
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 1000);
    expect(rdmsr(vp!, CONFIG)).toBe(BigInt(ENABLED | AUTO_ENABLE | SINT4));
    wrmsr(vp!, COUNT, 0);
    expect(rdmsr(vp!, CONFIG)).toBe(BigInt(AUTO_ENABLE | SINT4));
  });

  it('without AutoEnable a count arms nothing', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, CONFIG, SINT4);
    wrmsr(vp!, COUNT, 10);
    test.runUntil(1_000_000);
    expect(slot(test.memory, 4).type).toBe(0);
    wrmsr(vp!, CONFIG, SINT4 | ENABLED);
    expect(expiry(test)).toMatchObject({ expiration: 10, delivery: 10_000 });
  });
});

describe('one-shot timers', () => {
  it('expire when the reference counter reaches the count, once, and disable themselves', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, CONFIG + 2, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT + 2, 5000);
    test.runUntil(499_999);
    expect(vp!.pendingVector()).toBe(-1);
    test.runUntil(500_000);
    expect(takeInterrupts(vp!)).toEqual([0x50]);
    expect(expiry(test)).toEqual({
      type: 0x8000_0010,
      bytes: 24,
      timer: 1,
      expiration: 5000,
      delivery: 5000,
    });
    expect(rdmsr(vp!, CONFIG + 2)).toBe(BigInt(AUTO_ENABLE | SINT4));
    expect(test.events.pendingCount).toBe(0);
  });

  it('a count one tick ahead is not in the past', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    test.clock.set(99_950);
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 1000);
    expect(vp!.pendingVector()).toBe(-1);
    test.runUntil(100_000);
    expect(expiry(test)).toMatchObject({ expiration: 1000, delivery: 1000 });
  });

  it('a count in the past expires immediately', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    test.clock.set(1_000_000);
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 1);
    expect(expiry(test)).toMatchObject({ expiration: 1, delivery: 10_000 });
    expect(takeInterrupts(vp!)).toEqual([0x50]);
  });

  it('a count of 2^63 never comes', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 1n << 63n);
    expect(test.events.pendingCount).toBe(0);
    expect(rdmsr(vp!, COUNT)).toBe(1n << 63n);
    expect(rdmsr(vp!, CONFIG)! & 1n).toBe(1n);
  });

  it('direct mode asserts the vector and writes no message', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, CONFIG, AUTO_ENABLE | direct(0xed));
    wrmsr(vp!, COUNT, 77);
    test.runUntil(7700);
    expect(takeInterrupts(vp!)).toEqual([0xed]);
    expect(slot(test.memory, 4).type).toBe(0);
    expect(slot(test.memory, 0).type).toBe(0);
  });

  it('an expiration whose slot is taken waits for EOM and tells when it was delivered', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    test.partition.postMessage(0, 4, 1, payload('busy'), 0, 4);
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 100);
    test.runUntil(50_000);
    expect(consume(vp!, test.memory, 4)).toMatchObject({ text: 'busy', pending: true });
    expect(expiry(test)).toMatchObject({ expiration: 100, delivery: 500 });
  });

  it('arming again withdraws an expiration that the guest has not seen', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    test.partition.postMessage(0, 4, 1, payload('busy'), 0, 4);
    wrmsr(vp!, CONFIG, AUTO_ENABLE | SINT4);
    wrmsr(vp!, COUNT, 100);
    test.runUntil(10_000);
    test.partition.postMessage(0, 4, 1, payload('next'), 0, 4);
    wrmsr(vp!, COUNT, 900);
    expect(consume(vp!, test.memory, 4).text).toBe('busy');
    expect(consume(vp!, test.memory, 4)).toMatchObject({ text: 'next', pending: false });
    expect(slot(test.memory, 4).type).toBe(0);
    test.runUntil(90_000);
    expect(expiry(test)).toMatchObject({ expiration: 900 });
  });
});

describe('periodic timers', () => {
  it('the first period begins when the timer is enabled, and it stays enabled', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    test.clock.set(20_000);
    wrmsr(vp!, COUNT, 1000);
    wrmsr(vp!, CONFIG, ENABLED | PERIODIC | SINT4);
    const expirations: number[] = [];
    for (let time = 20_000; time <= 420_000; time += 10_000) {
      test.runUntil(time);
      if (takeInterrupts(vp!).length === 0) continue;
      expirations.push(expiry(test).expiration);
      consume(vp!, test.memory, 4);
    }
    expect(expirations).toEqual([1200, 2200, 3200, 4200]);
    expect(rdmsr(vp!, CONFIG)! & 1n).toBe(1n);
  });

  it('skips what it missed while its slot was taken, and keeps its phase', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, COUNT, 1000);
    wrmsr(vp!, CONFIG, ENABLED | PERIODIC | SINT4);
    test.runUntil(1_050_000);
    expect(consume(vp!, test.memory, 4).pending).toBe(true);
    expect(expiry(test)).toMatchObject({ expiration: 2000, delivery: 10_500 });
    expect(consume(vp!, test.memory, 4).pending).toBe(false);
    test.runUntil(1_100_000);
    expect(expiry(test)).toMatchObject({ expiration: 11_000, delivery: 11_000 });
    expect(test.partition.queuedMessages(0, 4)).toBe(0);
  });

  it('a period of one tick does not flood the event queue', () => {
    const test = timerMachine();
    const [vp] = test.partition.processors;
    wrmsr(vp!, COUNT, 1);
    wrmsr(vp!, CONFIG, ENABLED | PERIODIC | direct(0x60));
    let events = 0;
    while (test.events.nextDeadlineNs <= 1_000_000) {
      test.events.runNext();
      events += 1;
    }
    expect(events).toBe(100);
    wrmsr(vp!, CONFIG, 0);
    expect(test.events.nextDeadlineNs).toBe(Infinity);
  });
});

describe('any use of the timers', () => {
  it('never delivers before the expiration time, and tells true times', () => {
    const action = fc.record({
      timer: fc.integer({ min: 0, max: 3 }),
      config: fc.constantFrom(
        AUTO_ENABLE | SINT4,
        ENABLED | SINT4,
        AUTO_ENABLE | PERIODIC | SINT4,
        ENABLED | PERIODIC | SINT4,
        0,
      ),
      count: fc.integer({ min: 0, max: 3000 }),
      isAbsolute: fc.boolean(),
      advanceNs: fc.integer({ min: 0, max: 200_000 }),
      consumes: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const test = timerMachine();
        const vp = test.partition.processors[0]!;
        for (const { timer, config, count, isAbsolute, advanceNs, consumes } of actions) {
          const now = test.partition.time.referenceCount;
          wrmsr(vp, CONFIG + timer * 2, config);
          wrmsr(vp, COUNT + timer * 2, count === 0 || isAbsolute ? count : now + count);
          test.runUntil(test.clock.nowNs + advanceNs);
          const message = expiry(test);
          if (message.type === 0) continue;
          expect(message.delivery).toBeGreaterThanOrEqual(message.expiration);
          expect(message.delivery).toBeLessThanOrEqual(test.partition.time.referenceCount);
          if (consumes) consume(vp, test.memory, 4);
        }
        expect(test.partition.queuedMessages(0, 4)).toBeLessThanOrEqual(4);
      }),
      { numRuns: 150 },
    );
  });
});
