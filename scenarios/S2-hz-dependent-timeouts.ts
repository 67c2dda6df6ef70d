/**
 * 10.2 waits "five seconds" for the host's answers as 500 clock ticks, which is half a second where
 * a kernel ticks a thousand times a second (freebsd-bis.md 4, S2).
 */
import { scenario } from 'synthvm';
import { findsRoot, legacy } from './support/machines.ts';

const ETIMEDOUT = 60;

for (const [mode, hz, expected] of [
  ['broken', 1000, ETIMEDOUT],
  ['fixed', 100, 0],
] as const) {
  scenario(
    `S2 ${mode}: a host that takes a second to open a channel, hz=${hz}`,
    { ...legacy, set: { ...findsRoot, hz } },
    async ({ vm, expect }) => {
      const device = vm.addTestDevice();
      using _late = vm.vmbus.delay({ type: 'openResult', device, by: '1s' });
      await vm.boot();
      await vm.run('3s');
      expect(device.driver.attached.map(({ status }) => status)).toEqual([expected]);
      if (expected !== 0) {
        expect(vm.console.text).toContain(`device_attach: test0 attach returned ${expected}`);
      }
    },
  );
}
