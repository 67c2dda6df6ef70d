import { describe, expect, it } from 'vitest';
import { Run } from '../support/run.ts';
import { TestMachine } from './support/machine.ts';
import type { TestOptions } from './support/machine.ts';

const anomaly = { aheadCounts: 306, reanchorAfter: 356, startPhase: 0 };
const legacy: TestOptions = { preset: 'bis:10.2', generation: 1 };

function megahertz(machine: TestMachine): number {
  return Number(/\((\d+\.\d\d)-MHz/.exec(machine.console)![1]);
}

function calcru(machine: TestMachine): { from: number; to: number } | undefined {
  const line =
    /calcru: runtime went backwards from (\d+) usec to (\d+) usec for pid 0 \(kernel\)/.exec(
      machine.console,
    );
  return line === null ? undefined : { from: Number(line[1]), to: Number(line[2]) };
}

describe('TSC against the i8254', () => {
  it('legacy with an i8254 that strays: half the rate, then the run times halve', () => {
    const machine = new TestMachine({ ...legacy, pitAnomaly: anomaly }).boot();
    // 3300 MHz times 1 - 9 * 65536 / 1193182, and the 82 us of the last read.
    expect(megahertz(machine)).toBeCloseTo(1668.79, 0);
    machine.login();
    machine.type('ps');
    expect(calcru(machine)).toBeUndefined();
    machine.run(17);
    machine.type('ps');
    const { from, to } = calcru(machine)!;
    expect(Math.abs(to / from - 0.5057)).toBeLessThan(0.0005);
  });

  it('the same at every phase: nine or ten periods are lost', () => {
    for (const startPhase of [0, 9_000, 21_000, 33_000, 47_000, 60_000]) {
      const machine = new TestMachine({ ...legacy, pitAnomaly: { ...anomaly, startPhase } }).boot();
      const ratio = megahertz(machine) / 3300;
      expect(ratio).toBeGreaterThan(0.4955);
      expect(ratio).toBeLessThan(0.5062);
    }
  });

  it('a rc script finds it a minute later by itself', () => {
    const machine = new TestMachine({ ...legacy, pitAnomaly: anomaly }).boot();
    machine.run(61);
    expect(calcru(machine)).toBeDefined();
  });

  it('fixed: the Hyper-V timecounter measures the true rate', () => {
    const machine = new TestMachine({
      ...legacy,
      switches: { earlyTimecounter: true },
      pitAnomaly: anomaly,
    }).boot();
    expect(Math.abs(megahertz(machine) - 3300)).toBeLessThan(0.02);
    machine.run(61);
    expect(calcru(machine)).toBeUndefined();
  });

  it('modern: the hypervisor tells it', () => {
    expect(megahertz(new TestMachine({ pitAnomaly: anomaly, generation: 1 }).boot())).toBe(3300);
  });

  it('legacy with a sound i8254: right but for the time of the last read', () => {
    const machine = new TestMachine({ ...legacy, pitAnomaly: null }).boot();
    // Three accesses of 27.4 us after the second is over are one part in 12000.
    expect(Math.abs(megahertz(machine) / 3300 - 1)).toBeLessThan(0.000_17);
    machine.run(61);
    expect(calcru(machine)).toBeUndefined();
  });

  it('legacy with an invariant TSC: wrong rate, but nothing ever corrects it', () => {
    const machine = new TestMachine({
      ...legacy,
      pitAnomaly: anomaly,
      profile: { invariantTsc: true },
      host: 'ws2016tp',
    }).boot();
    expect(megahertz(machine)).toBeLessThan(1700);
    machine.run(61);
    expect(calcru(machine)).toBeUndefined();
  });
});

describe('event timer', () => {
  /** Fires 1000 one-shots of 1 ms, each armed by the one before. @returns intervals in ns */
  function oneShots(machine: TestMachine): number[] {
    const { callouts } = machine.kernel;
    const times: number[] = [];
    const again = (): void => {
      times.push(machine.clock.nowNs);
      if (times.length <= 1_001) callouts.schedule(0, 1_000_000, again);
    };
    machine.kernel.scheduler.active = 0;
    callouts.schedule(0, 1_000_000, again);
    machine.run(3);
    expect(times.length).toBe(1_002);
    return times.slice(2).map((time, index) => time - times[index + 1]!);
  }

  it('fixed: Hyper-V(1000) is the choice, and a one-shot of 1 ms takes 1 ms', () => {
    const machine = new TestMachine({ preset: 'bis:2015q4', generation: 1 }).boot().login();
    expect(machine.type('sysctl kern.eventtimer')).toContain('kern.eventtimer.timer: Hyper-V\n');
    expect(machine.type('sysctl kern.eventtimer.choice')).toContain('Hyper-V(1000)');
    expect(oneShots(machine)).toEqual(Array.from({ length: 1_000 }, () => 1_000_000));
  });

  it('legacy: it is not there, and the LAPIC has the rate that the i8254 gave it', () => {
    const machine = new TestMachine({ ...legacy, pitAnomaly: anomaly }).boot().login();
    const choice = machine.type('sysctl kern.eventtimer.choice');
    expect(choice).toContain('LAPIC(400)');
    expect(choice).not.toContain('Hyper-V');
    const lapic = machine.kernel.eventTimers.find(({ name }) => name === 'LAPIC')!;
    expect(lapic.frequencyHz / 100e6).toBeGreaterThan(0.4955);
    expect(lapic.frequencyHz / 100e6).toBeLessThan(0.5062);
  });

  it('a host without synthetic timers gets no hvet0', () => {
    const machine = new TestMachine({
      profile: { features: [0x2e77, 0x30, 0, 0xbed7b2] },
    }).boot();
    expect(machine.console).not.toContain('hvet0');
    expect(machine.console).toContain('Event timer "LAPIC"');
  });
});

describe('interrupt counters', () => {
  it('fixed: cpu0:hyperv counts every delivery', () => {
    const machine = new TestMachine();
    const processor = machine.partition.processors[0]!;
    const accept = processor.acknowledgeVector.bind(processor);
    let delivered = 0;
    processor.acknowledgeVector = () => {
      const vector = accept();
      if (vector === 0xf8) delivered += 1;
      return vector;
    };
    machine.boot().login();
    const before = delivered;
    const shown = machine.type('vmstat -i');
    const total = Number(/^cpu0:hyperv +(\d+) /m.exec(shown)![1]);
    expect(total).toBeGreaterThanOrEqual(before);
    expect(total).toBeLessThanOrEqual(delivered);
    expect(machine.kernel.interrupts.deliveries(0xf8, 0)).toBe(delivered);
  });

  it('legacy: vmstat knows nothing of them', () => {
    const machine = new TestMachine(legacy).boot().login();
    const shown = machine.type('vmstat -i');
    expect(shown).toContain('irq4: uart0');
    expect(shown).not.toContain('hyperv');
    expect(machine.guest.bus!.interruptCounts[0]).toBeGreaterThan(0);
  });
});

describe('timecounters', () => {
  it('modern: as a Gen-2 guest lists them', () => {
    const machine = new TestMachine().boot().login();
    expect(machine.type('sysctl kern.timecounter')).toContain(
      'kern.timecounter.choice: ACPI-fast(900) Hyper-V-TSC(3000) TSC-low(-100) Hyper-V(2000) ' +
        'dummy(-1000000)\nkern.timecounter.hardware: Hyper-V-TSC\n',
    );
  });

  it('legacy: the quality is the frequency', () => {
    const machine = new TestMachine(legacy).boot();
    expect(machine.console).toContain(
      'Timecounter "Hyper-V" frequency 10000000 Hz quality 10000000\r\n',
    );
  });

  it('a host without the reference counter: nothing is registered, and the boot goes on', () => {
    const machine = new TestMachine({
      generation: 1,
      profile: { features: [0x2c74, 0x30, 0, 0xbed7b2] },
    }).boot();
    expect(machine.console).not.toContain('Timecounter "Hyper-V"');
  });
});

describe('event timers of the board', () => {
  it.each([
    [1, 'Hyper-V(1000) LAPIC(100) i8254(100) RTC(0)'],
    [2, 'Hyper-V(1000) LAPIC(100) RTC(0)'],
  ] as const)('are those of FreeBSD on Generation %i', (generation, choice) => {
    const run = new Run({ generation }).boot().login();
    expect(run.type('sysctl kern.eventtimer.choice')).toContain(
      `kern.eventtimer.choice: ${choice}\n`,
    );
    const counters = run.type('sysctl kern.timecounter.choice');
    expect(counters.includes('i8254(0)')).toBe(generation === 1);
  });

  it.each([
    ['RTC', 'irq8: atrtc0', 0.06],
    ['i8254', 'irq0: attimer0', 0.01],
    ['LAPIC', 'cpu0:timer', 0.01],
  ] as const)('%s drives the kernel’s time-outs, by its own interrupt', (name, counter, lateS) => {
    const run = new Run({ generation: 1 }).boot().login();
    run.type(`sysctl kern.eventtimer.timer=${name}`);
    const { kernel } = run;
    const count = (): number =>
      kernel.interrupts.counters().find((one) => one.name === counter)?.total ?? 0;
    const before = count();
    const startNs = run.nowNs;
    let endNs = Infinity;
    kernel.spawn('sleeper', function* () {
      yield* kernel.tsleep({}, 0.25e9);
      endNs = run.nowNs;
    });
    run.forSeconds(1);
    const tookS = (endNs - startNs) / 1e9;
    expect(tookS).toBeGreaterThanOrEqual(0.25);
    expect(tookS).toBeLessThan(0.25 + lateS);
    expect(count()).toBeGreaterThan(before);
    run.type('sysctl kern.eventtimer.timer=Hyper-V');
    const after = count();
    run.forSeconds(1);
    expect(count(), 'it is off when another is in use').toBe(after);
  });
});

describe('sysctls of channels', () => {
  it('show processor, monitor and both rings of every open channel, sub-channels below', () => {
    const run = new Run({ processors: 2, networkAdapters: 1 }).boot().login();
    const text = run.type('sysctl dev.hn.0.channel');
    const state = /intrcnt:\d+ rindex:\d+ windex:\d+ imask:0 psndsz:0 fvalue:1 ravail:0 wavail:\d+/;
    expect(text).toMatch(/^dev\.hn\.0\.channel\.\d+\.cpu: \d$/m);
    expect(text).toMatch(/^dev\.hn\.0\.channel\.\d+\.mnf: 1$/m);
    for (const ring of ['rx', 'tx']) {
      const line = text.split('\n').find((one) => one.includes(`.br.${ring}.state:`));
      expect(line).toMatch(state);
    }
    expect(text).toMatch(/^dev\.hn\.0\.channel\.\d+\.sub\.1\.chanid: \d+$/m);
    expect(text).toMatch(/^dev\.hn\.0\.channel\.\d+\.sub\.1\.br\.rx\.state: /m);
    expect(run.type('sysctl dev.hvkvp.0.channel')).toMatch(/\.cpu: 0$/m);
  });
});
