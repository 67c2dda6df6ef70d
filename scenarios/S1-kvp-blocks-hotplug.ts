/**
 * In 10.2 the worker of key-value pairs holds the semaphore under which devices are attached, and
 * sleeps with it for up to five seconds: a stuck daemon holds up every device that the host adds,
 * and the clock's synchronisation (freebsd-bis.md 1.7 and 4, S1).
 */
import { scenario } from 'synthvm';
import { findsRoot, inside, legacy } from './support/machines.ts';

const HALF_AN_HOUR_US = 1800e6;

for (const [mode, offerQueue] of [
  ['broken', 'perChannel'],
  ['fixed', 'global'],
] as const) {
  scenario(
    `S1 ${mode}: a device is added beside a stuck daemon`,
    { ...legacy, set: { ...findsRoot, offerQueue, kvpPollWake: false, kvpPollTimeoutMs: 'inf' } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      await vm.run('1s');
      const stuck = vm.integration.kvp.enumerate('auto', 0);
      await vm.run('100ms');
      const { kernel } = inside(vm);
      const startNs = vm.time.ns;
      const clockUs = kernel.wallClockUs();
      vm.integration.timeSync.jump('60m');
      vm.integration.timeSync.send('sync');
      const device = vm.addTestDevice();
      let clockNs = 0;
      await vm.until(
        () => {
          if (clockNs === 0 && kernel.wallClockUs() - clockUs > HALF_AN_HOUR_US) {
            clockNs = vm.time.ns;
          }
          return device.driver.attached.length > 0 && clockNs > 0;
        },
        { within: '30s', what: 'the device and the new time' },
      );
      await stuck;
      const attachMs = (device.driver.attached[0]!.atNs - startNs) / 1e6;
      const clockMs = (clockNs - startNs) / 1e6;
      note('the device is there after, ms', attachMs);
      note('the clock is right after, ms', clockMs);
      for (const ms of [attachMs, clockMs]) {
        if (mode === 'broken') expect(Math.abs(ms - 4900)).toBeLessThan(2);
        else expect(ms).toBeLessThan(1);
      }
    },
  );
}
