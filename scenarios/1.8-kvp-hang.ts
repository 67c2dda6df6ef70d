/**
 * Reading a key of the guest can hang: the driver does not note who polls its device, so a request
 * wakes nobody (freebsd-bis.md 1.8, EN-16:04). And a worker that sleeps without looking first can
 * miss the answer that it waits for, and holds the next request up by five seconds.
 */
import { scenario } from 'synthvm';
import { askForName, kvpDaemon, report } from './support/machines.ts';

const REQUESTS = 40;
/** A request that takes longer was held up. */
const LATE_MS = 10;

for (const [mode, isFixed] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  const set = { kvpPollTimeoutMs: 'inf', kvpLostWakeup: !isFixed } as const;
  scenario(
    `1.8 ${mode}: a key is asked for`,
    { ...report, set: { ...set, kvpPollWake: isFixed } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      await vm.run('1s');
      const { outcome, ms } = await askForName(vm);
      const { requests } = kvpDaemon(vm);
      note('ends as', outcome);
      note('after, ms', ms);
      if (isFixed) {
        expect({ outcome, requests }).toEqual({ outcome: 'answered', requests: 1 });
        expect(ms).toBeLessThan(1);
      } else
        expect({ outcome, requests, ms }).toEqual({ outcome: 'timeout', requests: 0, ms: 5000 });
    },
  );
  scenario(
    `1.8 ${mode}: forty keys a second apart, to a driver that wakes its daemon`,
    { ...report, cpus: 2, set: { ...set, kvpPollWake: true } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      let late = 0;
      let longestMs = 0;
      for (let count = 0; count < REQUESTS; count += 1) {
        await vm.run('1s');
        const { ms } = await askForName(vm);
        if (ms > LATE_MS) late += 1;
        longestMs = Math.max(longestMs, ms);
      }
      note('held up', late);
      note('the longest, ms', longestMs);
      if (isFixed) {
        expect(late).toBe(0);
        expect(longestMs).toBeLessThan(1);
      } else {
        expect(late).toBeGreaterThan(0);
        // Asked one second after the answer that woke nobody.
        expect(Math.abs(longestMs - 4000)).toBeLessThan(2);
      }
    },
  );
}
