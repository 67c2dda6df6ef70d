/**
 * A panic takes leave of VMBus before it reports itself. The answer comes to the processor that was
 * named when the guest connected, processor 0; a panic on processor 3 that looks into its own slot
 * waits without end, and the host never hears of the crash (freebsd-bis.md 4 and 4.1, S20; Linux
 * 74347a99e73a, 911e1987efc8).
 */
import { scenario } from 'synthvm';
import { small } from './support/machines.ts';

const PANICKING = 3;

for (const [mode, panicUnload] of [
  ['broken', 'ownSlot'],
  ['fixed', 'allSlots'],
] as const) {
  scenario(
    `S20 ${mode}: a panic on processor ${PANICKING}`,
    { ...small, cpus: 4, set: { panicUnload } },
    async ({ vm, expect, note }) => {
      const device = vm.addTestDevice({ processor: PANICKING, panics: 'a packet too many' });
      await vm.boot();
      await vm.run('100ms');
      const startNs = vm.time.ns;
      device.send(1);
      if (mode === 'fixed') {
        expect((await vm.crash({ within: '1s' })).message).toBe('a packet too many');
        const reportedMs = (vm.time.ns - startNs) / 1e6;
        note('reported after, ms', reportedMs);
        // Within one look.
        expect(reportedMs).toBeLessThanOrEqual(10);
        return;
      }
      // Longer than the bounded wait of 100 s; the machine would have ended.
      await vm.run('120s');
      expect(vm.console.text).toContain('panic: a packet too many\ncpuid = 3\n');
    },
  );
}
