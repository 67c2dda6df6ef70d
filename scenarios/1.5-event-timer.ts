/**
 * Interrupts on time: 10.2 has the local APIC's timer, whose rate it takes from an i8254 that
 * strays; since r293873 there is the synthetic timer, which needs no measuring (freebsd-bis.md 1.5).
 */
import { scenario } from 'synthvm';
import { inside, small, straying } from './support/machines.ts';

const SHOTS = 1000;
const SHOT_NS = 1_000_000;
/** The local APIC's timer counts every second tick of its bus of 200 MHz. */
const LAPIC_HZ = 100_000_000;
const SYNTHETIC_HZ = 10_000_000;

for (const [mode, guest] of [
  ['broken', 'bis:10.2'],
  ['fixed', 'bis:2015q4'],
] as const) {
  scenario(
    `1.5 ${mode}: a thousand one-shots of 1 ms`,
    { ...small, guest, generation: 1, ...(mode === 'broken' ? straying : {}) },
    async ({ vm, expect, note }) => {
      await vm.console.login();
      const choice = await vm.console.run('sysctl kern.eventtimer.choice');
      const timer = /: (.*)$/m.exec(await vm.console.run('sysctl kern.eventtimer.timer'))![1]!;
      const { callouts, eventTimers, scheduler } = inside(vm).kernel;
      const trueHz = timer === 'LAPIC' ? LAPIC_HZ : SYNTHETIC_HZ;
      const ratio = eventTimers.find(({ name }) => name === timer)!.frequencyHz / trueHz;
      let interrupts = 0;
      const interrupt = callouts.interrupt.bind(callouts);
      callouts.interrupt = () => {
        interrupts += 1;
        interrupt();
      };
      const times: number[] = [];
      const again = (): void => {
        times.push(vm.time.ns);
        if (times.length <= SHOTS) callouts.schedule(0, SHOT_NS, again);
      };
      scheduler.active = 0;
      callouts.schedule(0, SHOT_NS, again);
      await vm.until(() => times.length > SHOTS, { within: '30s', what: 'the last one-shot' });
      const intervals = times.slice(1).map((time, index) => time - times[index]!);
      const jitterNs = Math.max(...intervals) - Math.min(...intervals);
      note('timer', timer);
      note('its rate over the true one', ratio);
      note('interrupts for each shot', interrupts / SHOTS);
      note('jitter, ns', jitterNs);
      if (mode === 'broken') {
        expect(choice).not.toContain('Hyper-V');
        expect(timer).toBe('LAPIC');
        expect(Math.abs(ratio - 0.5057)).toBeLessThan(0.0005);
        expect(interrupts / SHOTS).toBeGreaterThan(2);
        expect(jitterNs).toBeGreaterThan(0);
      } else {
        expect(choice).toMatch(/: Hyper-V\(1000\) /);
        expect({ timer, ratio, jitterNs }).toEqual({ timer: 'Hyper-V', ratio: 1, jitterNs: 0 });
        expect(interrupts / SHOTS).toBeLessThan(1.1);
      }
    },
  );
}
