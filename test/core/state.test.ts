import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { StateError, StateReader, StateWriter } from '../../src/core/state.ts';

const queue = (): EventQueue => new EventQueue(new VirtualClock());

function written(write: (state: StateWriter) => void): Uint8Array {
  const writer = new StateWriter(queue());
  write(writer);
  return writer.finish();
}

describe('state', () => {
  it('comes back as it was, whatever the values are', () => {
    const numbers = fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger());
    const facts = fc.record({
      number: numbers,
      optional: fc.option(numbers, { nil: undefined }),
      flag: fc.boolean(),
      text: fc.string({ unit: 'binary' }),
      wide: fc.bigInt(0n, (1n << 64n) - 1n),
      bytes: fc.uint8Array({ maxLength: 300 }),
      list: fc.array(fc.integer(), { maxLength: 5 }),
    });
    fc.assert(
      fc.property(facts, (of) => {
        const bytes = written((state) => {
          state.number('number', of.number);
          state.optionalNumber('optional', of.optional);
          state.flag('flag', of.flag);
          state.text('text', of.text);
          state.wide('wide', of.wide);
          state.part('part', () => state.bytes('bytes', of.bytes));
          state.list('list', of.list, (item) => state.number('item', item ?? 0));
        });
        const state = new StateReader(bytes, queue());
        expect(state.number('number')).toBe(of.number);
        expect(state.optionalNumber('optional')).toBe(of.optional);
        expect(state.flag('flag')).toBe(of.flag);
        expect(state.text('text')).toBe(of.text);
        expect(state.wide('wide')).toBe(of.wide);
        state.part('part', () => expect(Buffer.compare(state.bytes('bytes'), of.bytes)).toBe(0));
        const item = (): number => state.number('item');
        expect(state.list('list', [], item)).toEqual(of.list);
        state.finish();
      }),
    );
  });

  it('goes by names: another name, another kind or a missing end is told', () => {
    const bytes = written((state) => state.number('depth', 7));
    expect(() => new StateReader(bytes, queue()).number('width')).toThrow(
      new StateError('holds "depth" in place of "width"'),
    );
    expect(() => new StateReader(bytes, queue()).flag('depth')).toThrow(
      'depth is not true or false',
    );
    const cut = bytes.subarray(0, bytes.length - 1);
    expect(() => new StateReader(cut, queue()).number('depth')).toThrow('ends in the middle');
    expect(() => new StateReader(bytes, queue()).finish()).toThrow('bytes are left over');
  });

  it('puts events back in their places, before and behind others of the same time', () => {
    const clock = new VirtualClock();
    const before = new EventQueue(clock);
    const nothing = (): void => undefined;
    const handles = [5, 3, 5, 3].map((delayNs) => before.after(delayNs, nothing));
    before.cancel(handles[1]!);
    before.tell(nothing);
    const claimed = new Set<number>();
    const writer = new StateWriter(before, claimed);
    for (const handle of handles) writer.event('event', handle);
    before.exchange(writer, claimed);

    const after = new EventQueue(clock);
    const order: number[] = [];
    const reader = new StateReader(writer.finish(), after);
    for (const index of handles.keys()) {
      reader.event('event', undefined, () => order.push(index));
    }
    after.exchange(reader, new Set());
    expect(after.pendingCount).toBe(4);
    while (after.runNext());
    expect(order).toEqual([3, 0, 2]);
    expect(after.after(1, nothing)).toBe(before.after(1, nothing));
  });

  it('does not leave an event behind that nobody owns', () => {
    const events = queue();
    events.after(1, function blink() {});
    expect(() => events.exchange(new StateWriter(events), new Set())).toThrow(
      'no part owns the event of blink',
    );
  });
});
