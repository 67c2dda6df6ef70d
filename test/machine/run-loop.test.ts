import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { Random } from '../../src/core/random.ts';
import type { ProcessorEngine } from '../../src/hypervisor/processor.ts';
import { RunLoop } from '../../src/machine/run-loop.ts';

interface Rig {
  readonly clock: VirtualClock;
  readonly events: EventQueue;
  readonly loop: RunLoop;
  readonly log: string[];
}

/** Engines that work for `costs[i]` ns at a turn, without moving the clock themselves. */
function rig(costs: readonly number[], turns: number): Rig {
  const clock = new VirtualClock();
  const events = new EventQueue(clock);
  const log: string[] = [];
  const engines: ProcessorEngine[] = costs.map((cost, index) => {
    let left = turns;
    return {
      reset: () => void 0,
      run: () => {
        log.push(`${index}@${clock.nowNs}`);
        left -= 1;
        return left > 0 ? clock.nowNs + cost : Infinity;
      },
    };
  });
  const loop = new RunLoop({ clock, events, engines });
  return { clock, events, loop, log };
}

describe('the run loop', () => {
  it('lets processors work in parallel in virtual time', () => {
    const { loop, log } = rig([100, 30], 3);
    loop.wake(0);
    loop.wake(1);
    expect(loop.run(1_000, 100)).toBe('idle');
    expect(log).toEqual(['0@0', '1@0', '1@30', '1@60', '0@100', '0@200']);
  });

  it('runs events before processors of the same instant', () => {
    const { events, loop, log } = rig([50], 2);
    events.at(50, () => log.push('event'));
    loop.wake(0);
    loop.run(1_000, 100);
    expect(log).toEqual(['0@0', 'event', '0@50']);
  });

  it('stops at the deadline with the clock there, and goes on from it', () => {
    const { clock, loop, log } = rig([100], 4);
    loop.wake(0);
    expect(loop.run(150, 100)).toBe('deadline');
    expect(clock.nowNs).toBe(150);
    expect(loop.run(250, 100)).toBe('deadline');
    expect(log).toEqual(['0@0', '0@100', '0@200']);
  });

  it('comes back after so many steps, and when it is stopped', () => {
    const { events, loop, log } = rig([10], 5);
    loop.wake(0);
    expect(loop.run(Infinity, 2)).toBe('steps');
    expect(log).toHaveLength(2);
    events.at(20, () => loop.stop());
    expect(loop.run(Infinity, 100)).toBeUndefined();
    expect(log).toHaveLength(2);
    expect(loop.run(Infinity, 100)).toBe('idle');
  });

  it('jumps over idle time to an event that wakes a processor', () => {
    const { clock, events, loop, log } = rig([10], 1);
    events.at(5_000, () => loop.wake(0));
    expect(loop.run(Infinity, 100)).toBe('idle');
    expect(log).toEqual(['0@5000']);
    expect(clock.nowNs).toBe(5_000);
  });

  it('gives an engine no more time than until the next event or processor', () => {
    const clock = new VirtualClock();
    const events = new EventQueue(clock);
    const deadlines: number[] = [];
    const eager: ProcessorEngine = {
      reset: () => void 0,
      run: (deadlineNs) => {
        deadlines.push(deadlineNs);
        clock.set(deadlineNs);
        return deadlines.length < 3 ? deadlineNs : Infinity;
      },
    };
    const loop = new RunLoop({ clock, events, engines: [eager] });
    events.at(40, () => void 0);
    events.at(70, () => void 0);
    loop.wake(0);
    loop.run(100, 100);
    expect(deadlines).toEqual([40, 70, 100]);
  });

  it('wakes a processor that is woken while it runs', () => {
    const clock = new VirtualClock();
    const events = new EventQueue(clock);
    let runs = 0;
    const loop: RunLoop = new RunLoop({
      clock,
      events,
      engines: [
        {
          reset: () => void 0,
          run: () => {
            runs += 1;
            if (runs === 1) loop.wake(0);
            return Infinity;
          },
        },
      ],
    });
    loop.wake(0);
    expect(loop.run(Infinity, 10)).toBe('idle');
    expect(runs).toBe(2);
  });
});

/** Executes one instruction a nanosecond, and at some of them does something. */
class Executor implements ProcessorEngine {
  readonly turns: [number, number][] = [];
  readonly #clock: VirtualClock;
  readonly #at: ReadonlyMap<number, () => void>;
  #isEnding = false;

  constructor(clock: VirtualClock, at: readonly (readonly [number, () => void])[] = []) {
    this.#clock = clock;
    this.#at = new Map(at);
  }

  reset(): void {}

  run(deadlineNs: number): number {
    const startNs = this.#clock.nowNs;
    this.#isEnding = false;
    while (this.#clock.nowNs < deadlineNs && !this.#isEnding) {
      const nowNs = this.#clock.nowNs;
      this.#clock.set(nowNs + 1);
      this.#at.get(nowNs)?.();
    }
    this.turns.push([startNs, this.#clock.nowNs]);
    return this.#clock.nowNs;
  }

  endTurn(): void {
    this.#isEnding = true;
  }
}

describe('processors that execute instructions', () => {
  function executors(quantumNs: number, ...scripts: (readonly [number, () => void])[][]) {
    const clock = new VirtualClock();
    const events = new EventQueue(clock);
    const engines = scripts.map((script) => new Executor(clock, script));
    const loop = new RunLoop({ clock, events, engines, quantumNs: () => quantumNs });
    return { clock, events, engines, loop };
  }

  it('take turns of a quantum', () => {
    const { engines, loop } = executors(100, [], []);
    loop.wake(0);
    loop.wake(1);
    loop.run(400, 100);
    expect(engines[0]!.turns).toEqual([
      [0, 100],
      [200, 300],
    ]);
    expect(engines[1]!.turns).toEqual([
      [100, 200],
      [300, 400],
    ]);
  });

  it('stop for an event that was scheduled during the turn', () => {
    const ran: number[] = [];
    const { clock, events, engines, loop } = executors(100, [
      [10, () => void events.at(30, () => ran.push(clock.nowNs))],
    ]);
    loop.wake(0);
    loop.run(100, 100);
    expect(ran).toEqual([30]);
    expect(engines[0]!.turns.slice(0, 3)).toEqual([
      [0, 11],
      [11, 30],
      [30, 100],
    ]);
  });

  it('give way at once to a processor that they wake', () => {
    const { engines, loop } = executors(100, [[10, () => loop.wake(1)]], []);
    loop.wake(0);
    loop.run(150, 100);
    expect(engines[0]!.turns[0]).toEqual([0, 11]);
    expect(engines[1]!.turns[0]).toEqual([11, 111]);
  });

  it('go on with their turn when the host only looked up', () => {
    const whole = executors(100, [], []);
    const sliced = executors(100, [], []);
    for (const { loop } of [whole, sliced]) {
      loop.wake(0);
      loop.wake(1);
    }
    whole.loop.run(400, 100);
    for (let deadline = 30; deadline < 400; deadline += 30) sliced.loop.run(deadline, 100);
    sliced.loop.run(400, 100);
    const joined = (turns: readonly [number, number][]): [number, number][] => {
      const result: [number, number][] = [];
      for (const [from, to] of turns) {
        const last = result.at(-1);
        if (last?.[1] === from) last[1] = to;
        else result.push([from, to]);
      }
      return result;
    };
    for (const index of [0, 1]) {
      expect(joined(sliced.engines[index]!.turns)).toEqual(joined(whole.engines[index]!.turns));
    }
  });

  it('execute nothing after the machine was stopped', () => {
    const { clock, loop } = executors(100, [[42, () => loop.stop()]]);
    loop.wake(0);
    expect(loop.run(1_000, 100)).toBeUndefined();
    expect(clock.nowNs).toBe(43);
  });

  it('take the same turns wherever their caller looks up', () => {
    const times = fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 12 });
    const run = (cuts: readonly number[], stops: readonly number[]): unknown[] => {
      const clock = new VirtualClock();
      const events = new EventQueue(clock);
      const quanta = new Random(1, 'quanta');
      const log: unknown[] = [];
      const stopAt = stops.map((at) => [at, () => loop.stop()] as const);
      const wakes = [120, 333, 480].map((at) => [at, () => loop.wake(1)] as const);
      const timers = [50, 260, 700].map(
        (at) => [at, () => void events.at(at + 35, () => log.push(clock.nowNs))] as const,
      );
      const engines = [
        new Executor(clock, [...stopAt, ...wakes, ...timers]),
        new Executor(clock, stopAt),
      ];
      const loop: RunLoop = new RunLoop({
        clock,
        events,
        engines,
        quantumNs: () => 20 + quanta.below(150),
        onTurn: (processor, busyNs) => log.push([processor, busyNs, clock.nowNs]),
      });
      events.at(400, () => log.push('event'));
      loop.wake(0);
      loop.wake(1);
      for (const cut of cuts.toSorted((left, right) => left - right)) {
        while (loop.run(cut, 3) !== 'deadline');
      }
      while (loop.run(1_000, 100) !== 'deadline');
      return log.filter((entry) => !Array.isArray(entry) || entry[2] < 950);
    };
    const whole = run([], []);
    expect(whole.length).toBeGreaterThan(10);
    const own = new Set([50, 120, 260, 333, 480, 700]);
    fc.assert(
      fc.property(times, times, (cuts, stops) => {
        const others = stops.filter((at) => !own.has(at));
        expect(run(cuts, others)).toEqual(whole);
      }),
      { numRuns: 200 },
    );
  });
});
