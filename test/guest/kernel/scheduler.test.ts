import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.ts';
import { Random } from '../../../src/core/random.ts';
import type { Task } from '../../../src/guest/kernel/api.ts';
import { Lock } from '../../../src/guest/kernel/lock.ts';
import { INTERRUPT_NS, Scheduler, SWITCH_NS } from '../../../src/guest/kernel/scheduler.ts';
import { TaskQueue } from '../../../src/guest/kernel/taskqueue.ts';
import type { VirtualProcessor } from '../../../src/hypervisor/processor.ts';

/** Processors without hardware: interrupts come from `pend`, sleeps end by a list of timers. */
class Bench {
  readonly clock = new VirtualClock();
  readonly pending: number[][] = [];
  readonly timers: { handle: number; atNs: number; run: () => void }[] = [];
  readonly log: string[] = [];
  readonly scheduler: Scheduler;
  readonly #wake: number[];
  #nextHandle = 1;

  constructor(processors: number, seed = 1) {
    const hardware = Array.from({ length: processors }, (_, index) => {
      const vectors: number[] = [];
      this.pending.push(vectors);
      return {
        index,
        clock: this.clock,
        pendingVector: () => vectors[0] ?? -1,
        acknowledgeVector: () => vectors.shift() ?? -1,
      } as unknown as VirtualProcessor;
    });
    this.#wake = hardware.map(() => 0);
    this.scheduler = new Scheduler(
      hardware,
      {
        interrupt: (processor, vector) => this.onInterrupt(processor, vector),
        kick: (_from, to) => {
          this.#wake[to] = this.clock.nowNs;
        },
        startTimeout: (_processor, delayNs, run) => {
          const handle = this.#nextHandle;
          this.#nextHandle += 1;
          this.timers.push({ handle, atNs: this.clock.nowNs + delayNs, run });
          return handle;
        },
        cancelTimeout: (handle) => {
          const index = this.timers.findIndex((timer) => timer.handle === handle);
          if (index >= 0) this.timers.splice(index, 1);
        },
      },
      new Random(seed),
    );
    for (let index = 0; index < processors; index += 1) {
      this.scheduler.start(index);
      this.scheduler.enableInterrupts(index);
    }
  }

  onInterrupt: (processor: number, vector: number) => void = () => {};

  note(text: string): void {
    this.log.push(`${this.clock.nowNs} ${text}`);
  }

  /** Raises a vector at a time to come. */
  pendAt(atNs: number, processor: number, vector: number): void {
    this.timers.push({
      handle: 0,
      atNs,
      run: () => {
        this.pending[processor]!.push(vector);
        this.#wake[processor] = this.clock.nowNs;
      },
    });
  }

  run(untilNs = 1e9): this {
    this.#wake.fill(this.clock.nowNs);
    for (let step = 0; step < 100_000; step += 1) {
      this.timers.sort((left, right) => left.atNs - right.atNs);
      const timerNs = this.timers[0]?.atNs ?? Infinity;
      const nextNs = Math.min(timerNs, ...this.#wake);
      if (nextNs > untilNs) return this;
      this.clock.set(Math.max(nextNs, this.clock.nowNs));
      if (timerNs <= nextNs) {
        this.timers.shift()!.run();
        // A time-out is an interrupt too: whoever idles looks at its queue.
        this.#wake.fill(this.clock.nowNs);
        continue;
      }
      const processor = this.#wake.indexOf(nextNs);
      this.#wake[processor] = Infinity;
      const wish = this.scheduler.run(processor);
      this.#wake[processor] = Math.min(this.#wake[processor], wish);
    }
    throw new Error('the bench never came to rest');
  }
}

describe('one processor', () => {
  it('charges what a thread yields, and what was charged before it', () => {
    const bench = new Bench(1);
    bench.scheduler.spawn('a', function* (): Task {
      bench.note('start');
      bench.scheduler.charge(30);
      yield 100;
      bench.note('end');
    });
    bench.run();
    expect(bench.log).toEqual([`${SWITCH_NS} start`, `${SWITCH_NS + 130} end`]);
  });

  it('an interrupt is taken at once and delays the thread by its cost', () => {
    const bench = new Bench(1);
    bench.onInterrupt = (_, vector) => {
      bench.note(`vector ${vector}`);
      bench.scheduler.charge(70);
    };
    bench.scheduler.spawn('a', function* (): Task {
      yield 10_000;
      bench.note('end');
    });
    bench.pendAt(5_000, 0, 33);
    bench.run();
    expect(bench.log).toEqual(['5000 vector 33', `${SWITCH_NS + 10_000 + INTERRUPT_NS + 70} end`]);
  });

  it('a thread of better priority that an interrupt wakes runs first; the other goes on after', () => {
    const bench = new Bench(1);
    const channel = {};
    bench.scheduler.spawn(
      'urgent',
      function* (): Task {
        yield { channel, timeoutNs: Infinity };
        yield 1_000;
        bench.note('urgent');
      },
      { priority: 10 },
    );
    bench.scheduler.spawn(
      'long',
      function* (): Task {
        yield 50_000;
        bench.note('long');
      },
      { priority: 100 },
    );
    bench.onInterrupt = () => bench.scheduler.wakeup(channel);
    bench.pendAt(20_000, 0, 40);
    bench.run();
    expect(bench.log.map((line) => line.split(' ')[1])).toEqual(['urgent', 'long']);
    const [urgent, long] = bench.log.map((line) => Number(line.split(' ')[0]));
    expect(urgent).toBe(20_000 + INTERRUPT_NS + SWITCH_NS + 1_000);
    // Two switches at the start, then one to the urgent thread and one back.
    expect(long).toBe(50_000 + 4 * SWITCH_NS + 1_000 + INTERRUPT_NS);
  });

  it('a sleep ends by wake-up or by time-out, and says which', () => {
    const bench = new Bench(1);
    const never = {};
    const soon = {};
    function* sleeper(name: string, channel: object): Task {
      const woken = yield { channel, timeoutNs: 1_000_000 };
      bench.note(`${name} ${woken}`);
    }
    bench.scheduler.spawn('a', () => sleeper('a', never));
    bench.scheduler.spawn('b', () => sleeper('b', soon));
    bench.scheduler.spawn('c', function* (): Task {
      yield 500_000;
      bench.scheduler.wakeup(soon);
    });
    bench.run();
    const said = bench.log.map((line) => line.split(' ').slice(1).join(' '));
    expect(said).toEqual(['b true', 'a false']);
    expect(bench.timers).toEqual([]);
  });

  it('the seed chooses among equals, and every order comes up', () => {
    const orders = new Set<string>();
    for (let seed = 0; seed < 60; seed += 1) {
      const bench = new Bench(1, seed);
      for (const name of ['a', 'b', 'c']) {
        bench.scheduler.spawn(name, function* (): Task {
          bench.log.push(name);
          yield 1;
        });
      }
      bench.run();
      orders.add(bench.log.join(''));
    }
    expect(orders.size).toBe(6);
  });

  it('equals share a processor by the quantum', () => {
    const bench = new Bench(1);
    const ends: Record<string, number> = {};
    for (const name of ['a', 'b']) {
      bench.scheduler.spawn(name, function* (): Task {
        for (let slice = 0; slice < 50; slice += 1) yield 1_000_000;
        ends[name] = bench.clock.nowNs;
      });
    }
    bench.run();
    expect(Math.abs(ends['a']! - ends['b']!)).toBeLessThan(12_000_000);
  });
});

describe('several processors', () => {
  it('work in parallel in virtual time', () => {
    const bench = new Bench(4);
    for (let index = 0; index < 4; index += 1) {
      bench.scheduler.spawn(
        `t${index}`,
        function* (): Task {
          yield 100_000;
          bench.note(`on ${bench.scheduler.active}`);
        },
        { processor: index },
      );
    }
    bench.run();
    expect(bench.log.sort()).toEqual([0, 1, 2, 3].map((cpu) => `${100_000 + SWITCH_NS} on ${cpu}`));
  });

  it('a thread that any may run goes to one that idles', () => {
    const bench = new Bench(2);
    const places: number[] = [];
    bench.scheduler.spawn('busy', function* (): Task {
      bench.scheduler.spawn('free', function* (): Task {
        yield 1_000;
        places.push(bench.scheduler.active);
      });
      yield 1_000_000;
      places.push(bench.scheduler.active);
    });
    bench.run();
    expect(places).toHaveLength(2);
    expect(new Set(places).size).toBe(2);
  });
});

describe('locks and queues', () => {
  it('a lock is handed on first-in-first-out, and counts who waited', () => {
    const bench = new Bench(4);
    const lock = new Lock('giant', bench.scheduler);
    for (let index = 0; index < 4; index += 1) {
      bench.scheduler.spawn(
        `t${index}`,
        function* (): Task {
          yield 1_000 * (index + 1);
          yield* lock.acquire();
          yield 100_000;
          bench.log.push(String(index));
          lock.release();
        },
        { processor: index },
      );
    }
    bench.run();
    expect(bench.log).toEqual(['0', '1', '2', '3']);
    expect(lock.waits).toBe(3);
    expect(lock.isHeld).toBe(false);
  });

  it('a queue runs tasks in order, and one that is queued twice once', () => {
    const bench = new Bench(1);
    const queue = new TaskQueue('q', bench.scheduler, {});
    const task = (name: string) => ({
      isPending: false,
      *run(): Task {
        yield 10;
        bench.log.push(name);
      },
    });
    const [first, second] = [task('first'), task('second')];
    queue.enqueue(first);
    queue.enqueue(second);
    queue.enqueue(first);
    bench.run();
    queue.enqueue(first);
    bench.run();
    expect(bench.log).toEqual(['first', 'second', 'first']);
  });
});
