/**
 * A host that found the ring full is to be told when there is room again. 10.2 never does, and the
 * packet that waited comes with the host's next retry (freebsd-bis.md 1.3).
 */
import { scenario } from 'synthvm';
import { inside, small } from './support/machines.ts';

/** Of the eight data pages, seven packets of 4 KiB take so much that an eighth does not fit. */
const RING_PAGES = 9;
const PACKETS = 8;

for (const [mode, ringWritableSignal] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `1.3 ${mode}: a packet for which there was no room`,
    { ...small, set: { ringWritableSignal } },
    async ({ vm, expect, note }) => {
      const device = vm.addTestDevice({ pages: RING_PAGES });
      await vm.boot();
      const id = vm.vmbus.channels.find(({ name }) => name === device.name)!.id;
      // The guest stands still meanwhile.
      for (let packet = 0; packet < PACKETS; packet += 1) device.send(new Uint8Array(4096));
      expect(device.waiting).toBe(1);
      await vm.run('500ms');
      const times = device.driver.handledNs;
      expect(times).toHaveLength(PACKETS);
      const lateUs = (times[PACKETS - 1]! - times[PACKETS - 2]!) / 1000;
      const channel = inside(vm).bus.directory.withId(id)!;
      note('the eighth packet after the seventh, us', lateUs);
      if (ringWritableSignal) {
        expect(channel.writableSignals).toBe(1);
        expect(lateUs).toBeLessThan(1);
        expect(channel.ringState('rx')).toMatch(/^intrcnt:1 .* psndsz:0 /);
      } else {
        expect(channel.writableSignals).toBe(0);
        // Somewhat less than the host's interval, which began before the guest drained.
        expect(lateUs).toBeGreaterThan(95_000);
        expect(lateUs).toBeLessThanOrEqual(100_000);
      }
    },
  );
}
