/**
 * Interrupts on time: 10.2 has the local APIC's timer, whose rate it takes from an i8254 that
 * strays; since r293873 there is the synthetic timer, which needs no measuring (freebsd-bis.md 1.5).
 */
import { NS_PER_MS } from '../src/core/clock.ts';
import { APIC_HZ } from '../src/machine/layout.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const SHOTS = 1_000;
/** The local APIC's timer counts every second tick of its bus. */
const LAPIC_DIVISOR = 2;

export interface Facts {
  /** sysctl kern.eventtimer.choice. */
  readonly choice: string;
  /** sysctl kern.eventtimer.timer. */
  readonly timer: string;
  /** The rate that the kernel gives its timer, over the true one. */
  readonly rateRatio: number;
  /** Interrupts of that timer for each one-shot of 1 ms. */
  readonly interruptsPerShot: number;
  /** Between the shortest and the longest of 1000 one-shots of 1 ms. */
  readonly jitterNs: number;
}

function measure(preset: 'bis:10.2' | 'bis:2015q4'): Facts {
  const run = new Run({ preset, generation: 1, host: 'ws2012r2' }).boot().login();
  const choice = value(run.type('sysctl kern.eventtimer.choice'));
  const timer = value(run.type('sysctl kern.eventtimer.timer'));
  const { callouts, eventTimers, scheduler } = run.kernel;
  const trueHz = timer === 'LAPIC' ? APIC_HZ / LAPIC_DIVISOR : 10_000_000;
  const ratio = eventTimers.find(({ name }) => name === timer)!.frequencyHz / trueHz;
  let interrupts = 0;
  const interrupt = callouts.interrupt.bind(callouts);
  callouts.interrupt = () => {
    interrupts += 1;
    interrupt();
  };
  const times: number[] = [];
  const again = (): void => {
    times.push(run.nowNs);
    if (times.length <= SHOTS) callouts.schedule(0, NS_PER_MS, again);
  };
  scheduler.active = 0;
  callouts.schedule(0, NS_PER_MS, again);
  run.until(() => times.length > SHOTS);
  const intervals = times.slice(1).map((time, index) => time - times[index]!);
  return {
    choice,
    timer,
    rateRatio: ratio,
    interruptsPerShot: interrupts / SHOTS,
    jitterNs: Math.max(...intervals) - Math.min(...intervals),
  };
}

/** "name: value" out of what a sysctl printed. */
function value(output: string): string {
  return /^[\w.]+: (.*)$/m.exec(output)?.[1] ?? '';
}

export const broken = (): Facts => measure('bis:10.2');
export const fixed = (): Facts => measure('bis:2015q4');

if (import.meta.main) {
  show({
    title: '1.5 A thousand one-shots of 1 ms, on a host whose i8254 strays',
    broken,
    fixed,
    rows: {
      'kern.eventtimer.timer': (facts) => facts.timer,
      'assumed rate / true rate': (facts) => facts.rateRatio.toFixed(4),
      'interrupts for one shot': (facts) => facts.interruptsPerShot.toFixed(2),
      'jitter, ns': (facts) => facts.jitterNs,
    },
    excerpt: (facts) => [`kern.eventtimer.choice: ${facts.choice}`],
    lookFor: 'Hyper-V(1000) among the choices, one interrupt a shot, no jitter.',
  });
}
