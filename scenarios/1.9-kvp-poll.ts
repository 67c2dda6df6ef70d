/**
 * The daemon of key-value pairs polled with a time-out of 100 ms: ten wake-ups a second on an idle
 * machine, and the accidental work-around for a driver that wakes nobody (freebsd-bis.md 1.9).
 */
import { scenario } from 'synthvm';
import { askForName, kvpDaemon, report } from './support/machines.ts';

const SAMPLES = 40;
/** An answer starts the daemon's 100 ms anew, so that the gap to the next request is its phase. */
const GAP_US = 500_000;
const PHASE_US = 100_000 / SAMPLES;
const IDLE_SECONDS = 10;

for (const [kvpPollWake, kvpPollTimeoutMs, wakeups] of [
  [false, '100', 10],
  [false, 'inf', 0],
  [true, '100', 10],
  [true, 'inf', 0],
] as const) {
  const timeout = kvpPollTimeoutMs === 'inf' ? 'no time-out' : '100 ms';
  scenario(
    `1.9 ${kvpPollWake ? 'a' : 'no'} wake-up, ${timeout}: how long a key takes`,
    { ...report, set: { kvpPollWake, kvpPollTimeoutMs, kvpLostWakeup: false } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      await vm.run('1s');
      const daemon = kvpDaemon(vm);
      const before = daemon.idleWakeups;
      await vm.run(`${IDLE_SECONDS}s`);
      const idle = Math.round((daemon.idleWakeups - before) / IDLE_SECONDS);
      const answers: { readonly outcome: string; readonly ms: number }[] = [];
      for (let index = 0; index < SAMPLES; index += 1) {
        await vm.run(`${GAP_US + index * PHASE_US}us`);
        answers.push(await askForName(vm));
      }
      const latencies = answers.map(({ ms }) => ms);
      const shortestMs = Math.min(...latencies);
      const longestMs = Math.max(...latencies);
      const meanMs = latencies.reduce((sum, ms) => sum + ms, 0) / SAMPLES;
      const hung = answers.filter(({ outcome }) => outcome === 'timeout').length;
      note('idle wake-ups a second', idle);
      note('the longest, ms', longestMs);
      expect(idle).toBe(wakeups);
      if (kvpPollWake) {
        expect(hung).toBe(0);
        expect(longestMs).toBeLessThan(1);
      } else if (kvpPollTimeoutMs === 'inf') {
        expect({ shortestMs, meanMs, hung }).toEqual({ shortestMs: 5000, meanMs: 5000, hung: 40 });
      } else {
        expect(hung).toBe(0);
        expect(shortestMs).toBeLessThan(10);
        expect(longestMs).toBeGreaterThan(90);
        expect(longestMs).toBeLessThan(101);
        expect(Math.abs(meanMs - 50)).toBeLessThan(10);
      }
    },
  );
}
