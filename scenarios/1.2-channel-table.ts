/**
 * From an event to its channel: 10.2 walks the list of all channels under a mutex, the fix looks
 * into a table of 2048 (freebsd-bis.md 1.2).
 */
import { scenario } from 'synthvm';
import { findsRoot, inside, legacy } from './support/machines.ts';

const CHANNELS = 40;
/** An id that no channel has. */
const STRAY_ID = 1999;
const VMBUS_SINT = 2;

for (const [mode, chanLookup, steps] of [
  ['broken', 'list', CHANNELS],
  ['fixed', 'table', 1],
] as const) {
  scenario(
    `1.2 ${mode}: steps to the 40th channel`,
    { ...legacy, set: { ...findsRoot, chanLookup, offerQueue: 'global' } },
    async ({ vm, expect, note }) => {
      // Offered before all else, so that the last of them is the 40th of the list.
      const devices = Array.from({ length: CHANNELS }, (_, index) =>
        vm.addTestDevice({ order: index - CHANNELS, pages: 2 }),
      );
      await vm.boot();
      await vm.run('100ms');
      const { bus, board, kernel } = inside(vm);
      const before = bus.directory.nodesVisited;
      devices.at(-1)!.send(1);
      await vm.run('1ms');
      const nodesVisited = bus.directory.nodesVisited - before;
      note('steps', nodesVisited);
      expect(nodesVisited).toBe(steps);
      expect(devices.at(-1)!.driver.handledNs).toHaveLength(1);
      // An event for no channel at all is counted and ignored.
      board.partition.signalEvent(0, VMBUS_SINT, STRAY_ID);
      await vm.run('1ms');
      expect(bus.directory.unknownIds).toBe(1);
      expect(kernel.isHalted).toBe(false);
    },
  );
}
