import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';

function makeQueue(): { clock: VirtualClock; events: EventQueue } {
  const clock = new VirtualClock();
  return { clock, events: new EventQueue(clock) };
}

describe('the event queue', () => {
  it('runs in order of deadline, equal deadlines first-in-first-out', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), (delays) => {
        const { clock, events } = makeQueue();
        const seen: { deadline: number; index: number; now: number }[] = [];
        delays.forEach((delay, index) => {
          events.after(delay, () => seen.push({ deadline: delay, index, now: clock.nowNs }));
        });
        while (events.runNext()) void 0;
        const expected = delays
          .map((deadline, index) => ({ deadline, index, now: deadline }))
          .toSorted((a, b) => a.deadline - b.deadline || a.index - b.index);
        expect(seen).toEqual(expected);
      }),
    );
  });

  it('never runs a cancelled event and knows what is pending', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.boolean()), { maxLength: 40 }),
        (plan) => {
          const { events } = makeQueue();
          const ran = new Set<number>();
          const handles = plan.map(([delay], index) => events.after(delay, () => ran.add(index)));
          plan.forEach(([, cancel], index) => {
            if (cancel) events.cancel(handles[index]!);
          });
          expect(events.pendingCount).toBe(plan.filter(([, cancel]) => !cancel).length);
          while (events.runNext()) void 0;
          expect([...ran].toSorted((a, b) => a - b)).toEqual(
            plan.flatMap(([, cancel], index) => (cancel ? [] : [index])),
          );
          expect(events.nextDeadlineNs).toBe(Infinity);
        },
      ),
    );
  });

  it('runs what an event schedules for its own instant after what was there before', () => {
    const { events } = makeQueue();
    const order: string[] = [];
    events.after(5, () => {
      order.push('first');
      events.after(0, () => order.push('child'));
    });
    events.after(5, () => order.push('second'));
    while (events.runNext()) void 0;
    expect(order).toEqual(['first', 'second', 'child']);
  });

  it('takes a deadline in the past as now, and fractions as the next nanosecond', () => {
    const { clock, events } = makeQueue();
    clock.set(100);
    events.at(50, () => void 0);
    expect(events.nextDeadlineNs).toBe(100);
    events.runNext();
    events.after(0.25, () => void 0);
    expect(events.nextDeadlineNs).toBe(101);
    expect(() => events.at(Number.NaN, () => void 0)).toThrow('not a number');
  });

  it('forgets what is pending, as at a power cycle', () => {
    const { events } = makeQueue();
    let ran = 0;
    events.after(1, () => (ran += 1));
    events.clear();
    expect([events.pendingCount, events.nextDeadlineNs, events.runNext()]).toEqual([
      0,
      Infinity,
      false,
    ]);
    events.after(2, () => (ran += 10));
    events.runNext();
    expect(ran).toBe(10);
  });

  it('passes the argument through', () => {
    const { events } = makeQueue();
    let got = 0;
    events.after(1, (argument) => (got = argument), 42);
    events.runNext();
    expect(got).toBe(42);
  });
});

describe('the virtual clock', () => {
  it('holds whole nanoseconds only', () => {
    const clock = new VirtualClock();
    expect(() => clock.set(0.5)).toThrow('bad virtual time');
    expect(() => clock.set(-1)).toThrow('bad virtual time');
  });
});
