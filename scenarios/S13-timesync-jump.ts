/**
 * A time sample that was long on its way sets the clock back, unless the driver takes off how long
 * it was (freebsd-bis.md 4, S13; FreeBSD r305111 and r309705). Hosts before Windows Server 2016 do
 * not say when they read their clock, so nothing can be taken off there.
 */
import { scenario } from 'synthvm';
import type { TimeSyncService } from '../src/guest/ic/timesync.ts';
import { inside, small } from './support/machines.ts';

for (const [mode, host, stepSeconds] of [
  ['broken', 'ws2012r2', -30],
  ['fixed', 'ws2016', 0],
] as const) {
  scenario(
    `S13 ${mode}: a sample that is 30 s old`,
    { ...small, host, generation: 1 },
    async ({ vm, expect, note }) => {
      await vm.boot();
      await vm.run('60s');
      const services = inside(vm).bus.devices.map(
        ({ softState }) =>
          (softState as { readonly service?: TimeSyncService } | undefined)?.service,
      );
      const { steps } = services.find((service) => service?.steps !== undefined)!;
      const before = steps.length;
      vm.integration.timeSync.send('sample', { age: '30s' });
      await vm.run('10ms');
      const late = steps.slice(before);
      const seconds = late.reduce((sum, { fromUs, toUs }) => sum + toUs - fromUs, 0) / 1e6;
      note('the clock is set by, s', seconds);
      expect(late).toHaveLength(stepSeconds === 0 ? 0 : 1);
      expect(seconds).toBeCloseTo(stepSeconds, 2);
    },
  );
}
