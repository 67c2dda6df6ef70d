/**
 * A reader masks interrupts while it drains its ring. What the writer adds between the last look and
 * the unmasking is not signalled: a reader that does not look again sleeps on a ring that is not
 * empty (freebsd-bis.md 4 and 4.1, S16; Linux 1f6ee4e7d835, 3372592a140d).
 */
import { scenario } from 'synthvm';
import { inside, small } from './support/machines.ts';

/** The second packet comes this long after the first: all instants of the handling, one by one. */
const STEP_NS = 100;
const STEPS = 100;
const VMBUS_SINT = 2;

for (const [mode, ringRecheck] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `S16 ${mode}: a second packet at every instant of the handling of a first`,
    { ...small, set: { ringRecheck } },
    async ({ vm, expect, note }) => {
      // Between the driver's last look at the ring and the unmasking.
      const device = vm.addTestDevice({ afterDrain: '500ns' });
      await vm.boot();
      await vm.run('10ms');
      const id = vm.vmbus.channels.find(({ name }) => name === device.name)!.id;
      const stalledAtNs: number[] = [];
      for (let step = 0; step < STEPS; step += 1) {
        const before = device.driver.handledNs.length;
        device.send(1);
        vm.after(`${step * STEP_NS}ns`, () => device.send(2));
        await vm.run('1ms');
        if (device.driver.handledNs.length === before + 2) continue;
        stalledAtNs.push(step * STEP_NS);
        // An interrupt that no host would send gets the guest ready for the next try.
        inside(vm).board.partition.signalEvent(0, VMBUS_SINT, id);
        await vm.run('1ms');
      }
      note('stalls after, ns', stalledAtNs.join(' ') || 'none');
      if (ringRecheck) {
        expect(stalledAtNs).toEqual([]);
        return;
      }
      expect(stalledAtNs.length).toBeGreaterThanOrEqual(5);
      expect(stalledAtNs.length).toBeLessThan(20);
      // One window, without a gap.
      const span = stalledAtNs.at(-1)! - stalledAtNs[0]!;
      expect(span).toBe((stalledAtNs.length - 1) * STEP_NS);
    },
  );
}
