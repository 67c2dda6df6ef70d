/**
 * The host may signal as soon as it has opened a channel, before the guest has read that. A driver
 * that registers the channel for events only afterwards throws that one away; since the ring is not
 * empty any more, there is no second (freebsd-bis.md 4 and 4.1, S14; Linux 8b6a877c060e).
 */
import { scenario } from 'synthvm';
import { inside, small } from './support/machines.ts';

for (const [mode, mapBeforeOpen] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `S14 ${mode}: the host sends before the guest knows that the channel is open`,
    { ...small, set: { mapBeforeOpen } },
    async ({ vm, expect, note }) => {
      await vm.boot();
      const device = vm.addTestDevice({ offered: false });
      vm.vmbus.hold({ type: 'openResult', device }, (message) => {
        vm.after('10us', () => device.send(0));
        vm.after('20us', () => message.deliver());
        vm.after('30us', () => device.send(1));
        vm.after('50us', () => device.send(2));
      });
      const { directory } = inside(vm).bus;
      const before = directory.unknownIds;
      device.offer();
      await vm.run('60s');
      const handled = device.driver.handledNs.length;
      note('of three packets handled', handled);
      expect(handled).toBe(mapBeforeOpen ? 3 : 0);
      expect(directory.unknownIds - before).toBe(mapBeforeOpen ? 0 : 1);
      const id = vm.vmbus.channels.find(({ name }) => name === device.name)!.id;
      // What nobody will ever fetch.
      if (!mapBeforeOpen) {
        expect(directory.withId(id)!.ringState('rx')).toContain('rindex:0 windex:96 ');
      }
    },
  );
}
