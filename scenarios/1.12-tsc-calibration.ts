/**
 * The TSC measured against an i8254 that jumps ahead once a period: DELAY(1 s) ends after half of
 * it, the CPU seems half as fast, and when the kernel learns the true rate 16 seconds later, every
 * run time halves (freebsd-bis.md 1.12).
 */
import { scenario } from 'synthvm';
import { findsRoot, legacy, straying } from './support/machines.ts';

/** Behind the second turn of the kernel's 16-second calibrator. */
const WATCHED_SECONDS = 33;
/** The three accesses of the last read come after the second is over. */
const SOUND_ERROR = 0.000_17;

for (const [mode, earlyTimecounter, hostProfile] of [
  ['broken', false, {}],
  ['fixed', true, {}],
  ['broken where the i8254 does not stray', false, { pitAnomaly: null }],
  // Nothing ever corrects the rate.
  ['broken where the TSC is invariant', false, { hypervisor: { invariantTsc: true } }],
] as const) {
  scenario(
    `1.12 ${mode}: the rate of the TSC`,
    {
      ...legacy,
      ...(earlyTimecounter || 'pitAnomaly' in hostProfile ? {} : straying),
      hostProfile,
      set: { ...findsRoot, earlyTimecounter },
    },
    async ({ vm, expect, note }) => {
      await vm.console.login();
      // ps shows run times, and so finds out which have gone down since it last looked.
      for (let second = 0; second < WATCHED_SECONDS; second += 1) {
        await vm.console.run('ps');
        await vm.run('1s');
      }
      const megahertz = Number(/\((\d+\.\d\d)-MHz/.exec(vm.console.text)?.[1]);
      const calcru = vm.console.lines('calcru: runtime went backwards')[0] ?? '';
      note('MHz of 3300', megahertz);
      if (mode === 'broken') {
        note('run times', calcru);
        expect(megahertz).toBe(1668.79);
        expect(calcru).toMatch(/from \d+ usec to \d+ usec for pid 0 \(kernel\)$/);
        const [, from, to] = /from (\d+) usec to (\d+) usec/.exec(calcru)!;
        expect(Math.abs(Number(to) / Number(from) - 0.5057)).toBeLessThan(0.0005);
        return;
      }
      expect(calcru).toBe('');
      if (mode === 'fixed') expect(Math.abs(megahertz - 3300)).toBeLessThan(0.02);
      else if (mode === 'broken where the TSC is invariant') expect(megahertz).toBeLessThan(1700);
      else expect(Math.abs(megahertz / 3300 - 1)).toBeLessThan(SOUND_ERROR);
    },
  );
}
