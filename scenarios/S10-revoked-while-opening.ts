/**
 * A host may rescind a channel that a guest is about to open, and then it never answers the open.
 * A driver that waits for the answer alone waits forever, and with it everything that its thread
 * would attach next (freebsd-bis.md 4, S10). drivers/devices-come-and-go.ts is the test of it, for
 * `synthvm explore`.
 */
import { scenario } from 'synthvm';
import { small } from './support/machines.ts';

const ENXIO = 6;

for (const [mode, openPollsRescind] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `S10 ${mode}: a channel is rescinded between OPEN and its result, which never comes`,
    { ...small, set: { openPollsRescind } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      const doomed = vm.addTestDevice({ offered: false });
      let rescindedNs = 0;
      vm.vmbus.hold({ type: 'openResult', device: doomed }, () => {
        rescindedNs = vm.time.ns;
        doomed.rescind();
      });
      doomed.offer();
      await vm.run('1s');
      const next = vm.addTestDevice();
      await vm.run('60s');
      const [attached] = doomed.driver.attached;
      expect(next.isOpen).toBe(openPollsRescind);
      if (!openPollsRescind) {
        expect(attached).toBeUndefined();
        return;
      }
      // A hundred ticks of a millisecond.
      const waitedMs = (attached!.atNs - rescindedNs) / 1e6;
      note('ends after, ms', waitedMs);
      expect(attached!.status).toBe(ENXIO);
      expect(waitedMs).toBeGreaterThanOrEqual(100);
      expect(waitedMs).toBeLessThan(103);
    },
  );
}
