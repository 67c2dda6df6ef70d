/** The switch `panicUnload`: leaving VMBus from a panic, with an answer and without one. */
import { describe, expect, it } from 'vitest';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { TestMachine } from './support/machine.ts';

function panic(panicUnload: 'none' | 'ownSlot' | 'allSlots', isAnswered: boolean) {
  const machine = new TestMachine({ switches: { panicUnload } }).boot().login();
  const sent: number[] = [];
  machine.trace.subscribe((_, type, values) => {
    if (type.name === 'message-in') sent.push(values[0]!);
  });
  if (!isAnswered) {
    machine.server.messageFilter = (message) => message.type !== MessageType.unloadComplete;
  }
  const startNs = machine.clock.nowNs;
  machine.type('panic', 'never');
  while (machine.ended === undefined && machine.clock.nowNs - startNs < 200e9) machine.run(1);
  return { machine, sent, seconds: (machine.clock.nowNs - startNs) / 1e9 };
}

describe('a panic', () => {
  it('says nothing to VMBus, as FreeBSD does', () => {
    const { machine, sent } = panic('none', true);
    expect(sent).toEqual([]);
    expect(machine.ended).toBe('crash');
  });

  it.each(['ownSlot', 'allSlots'] as const)(
    'on the right processor gets its answer (%s)',
    (how) => {
      const { machine, sent, seconds } = panic(how, true);
      expect(sent).toEqual([MessageType.unload]);
      expect(machine.ended).toBe('crash');
      expect(seconds).toBeLessThan(1);
    },
  );

  it('waits 100 s for an answer that never comes, and reports itself all the same', () => {
    const { machine, seconds } = panic('allSlots', false);
    expect(machine.ended).toBe('crash');
    expect(machine.console).toContain('vmbus0: no answer to UNLOAD');
    expect(seconds).toBeGreaterThanOrEqual(100);
    expect(seconds).toBeLessThan(132);
  });

  it('waits for ever with a bare loop', () => {
    expect(panic('ownSlot', false).machine.ended).toBeUndefined();
  });
});
