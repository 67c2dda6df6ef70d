/**
 * INTR_MPSAFE: 10.2 registers the VMBus software interrupts without it, so that the kernel takes
 * Giant around each. Four channels on four processors then work one after the other
 * (freebsd-bis.md 1.1).
 */
import { scenario } from 'synthvm';
import { findsRoot, inside, legacy } from './support/machines.ts';

const PROCESSORS = 4;

for (const [mode, intrMpsafe] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `1.1 ${mode}: four handlers of 100 us at the same time, under Giant`,
    { ...legacy, cpus: PROCESSORS, set: { ...findsRoot, intrMpsafe } },
    async ({ vm, expect, note }) => {
      const devices = Array.from({ length: PROCESSORS }, () =>
        vm.addTestDevice({ handler: '100us' }),
      );
      await vm.boot();
      await vm.run('10ms');
      const { giant } = inside(vm).kernel;
      const waitsBefore = giant.waits;
      const startNs = vm.time.ns;
      for (const device of devices) device.send(1);
      await vm.run('10ms');
      const ends = devices.flatMap(({ driver }) => driver.handledNs);
      const lastUs = (Math.max(...ends) - startNs) / 1000;
      const { mostAtOnce } = devices[0]!.driver;
      const giantWaits = giant.waits - waitsBefore;
      note('handlers at once', mostAtOnce);
      note('last one done, us', lastUs);
      note('waits for Giant', giantWaits);
      // Beside the handlers' own time, what the switches between threads add.
      if (intrMpsafe) {
        expect({ mostAtOnce, giantWaits }).toEqual({ mostAtOnce: 4, giantWaits: 0 });
        expect(lastUs).toBeGreaterThanOrEqual(100);
        expect(lastUs).toBeLessThan(105);
      } else {
        expect({ mostAtOnce, giantWaits }).toEqual({ mostAtOnce: 1, giantWaits: 3 });
        expect(lastUs).toBeGreaterThanOrEqual(400);
        expect(lastUs).toBeLessThan(430);
      }
    },
  );
}
