/**
 * A driver opens a sub-channel in the thread that tells it of the offer, the host withdraws the
 * device meanwhile and does not answer. Where offers and rescinds share that thread, the rescind
 * that would end the wait is queued behind it (freebsd-bis.md 4 and 4.1, S17; Linux 37c2578c0c40).
 */
import { scenario } from 'synthvm';
import { small } from './support/machines.ts';

for (const [mode, rescindQueue] of [
  ['broken', 'shared'],
  ['fixed', 'own'],
] as const) {
  scenario(
    `S17 ${mode}: a device is removed while its sub-channel is being opened`,
    { ...small, set: { rescindQueue } },
    async ({ vm, expect }) => {
      const doomed = vm.addTestDevice({ opensSubChannels: true });
      await vm.boot();
      await vm.run('100ms');
      vm.vmbus.hold({ type: 'openResult', device: doomed }, () => doomed.rescind());
      doomed.offerSubChannels(1);
      await vm.run('1s');
      const next = vm.addTestDevice();
      await vm.run('10s');
      const isOver = rescindQueue === 'own';
      expect(doomed.driver.detached).toBe(isOver ? 1 : 0);
      expect(vm.console.text.includes('test0: detached')).toBe(isOver);
      expect(next.isOpen).toBe(isOver);
    },
  );
}
