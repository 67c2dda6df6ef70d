import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageQueue } from '../../src/hypervisor/message-queue.ts';

describe('a queue of messages', () => {
  it('is first-in-first-out for any number of pushes, takes and removals, while it grows', () => {
    const step = fc.record({
      kind: fc.constantFrom('push', 'take', 'remove'),
      count: fc.integer({ min: 1, max: 12 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new MessageQueue();
        const model: number[] = [];
        const payload = new Uint8Array(4);
        const slot = new Uint8Array(256);
        let next = 1;
        for (const { kind, count } of steps) {
          if (kind === 'remove') {
            if (count > model.length) continue;
            queue.remove(count - 1);
            model.splice(count - 1, 1);
            continue;
          }
          for (let round = 0; round < count; round += 1) {
            if (kind === 'push') {
              payload[0] = next & 0xff;
              expect(queue.push(next, payload, 0, 1 + (next % 4), next * 2)).toBe(true);
              model.push(next);
              next += 1;
            } else if (model.length > 0) {
              const expected = model.shift()!;
              expect(queue.take(slot, 0)).toBe(1 + (expected % 4));
              const view = new DataView(slot.buffer);
              expect(view.getUint32(0, true)).toBe(expected);
              expect(view.getUint32(8, true)).toBe(expected * 2);
              expect(slot[16]).toBe(expected & 0xff);
            }
          }
          expect(queue.count).toBe(model.length);
        }
      }),
    );
  });
});
