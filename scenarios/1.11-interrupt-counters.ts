/**
 * `vmstat -i` and VMBus: 10.2 takes an interrupt vector past the interrupt framework, so nothing
 * counts; r293874 gives every processor a counter (freebsd-bis.md 1.11).
 */
import { scenario } from 'synthvm';
import { inside, report } from './support/machines.ts';

for (const [mode, irqCounters] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `1.11 ${mode}: vmstat -i`,
    { ...report, set: { irqCounters } },
    async ({ vm, expect, note }) => {
      const processor = inside(vm).board.partition.processors[0]!;
      const accept = processor.acknowledgeVector.bind(processor);
      const deliveries = new Map<number, number>();
      processor.acknowledgeVector = () => {
        const vector = accept();
        deliveries.set(vector, (deliveries.get(vector) ?? 0) + 1);
        return vector;
      };
      await vm.console.login();
      const delivered = (): number => deliveries.get(inside(vm).bus.vector) ?? 0;
      const before = delivered();
      const shown = (await vm.console.run('vmstat -i'))
        .split('\n')
        .filter((line) => line.includes(':hyperv'));
      expect(before).toBeGreaterThan(0);
      note('shown', shown[0] ?? 'nothing');
      if (!irqCounters) {
        expect(shown).toEqual([]);
        return;
      }
      expect(shown).toHaveLength(1);
      const total = Number(/^cpu0:hyperv +(\d+) /.exec(shown[0]!)?.[1]);
      expect(total).toBeGreaterThanOrEqual(before);
      expect(total).toBeLessThanOrEqual(delivered());
    },
  );
}
