import { describe, expect, it } from 'vitest';
import { HvStatus } from '../../src/hypervisor/spec/hypercalls.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { sink, Source } from './support/devices.ts';
import type { Sink } from './support/devices.ts';
import { TestMachine } from './support/machine.ts';
import type { TestOptions } from './support/machine.ts';

function machineWith(taker: Sink, sources: Source[], options: TestOptions = {}): TestMachine {
  return new TestMachine({ devices: sources, drivers: [taker.driver], ...options });
}

describe('hot removal', () => {
  function remove(options: TestOptions) {
    const [first, second] = [new Source(1), new Source(2)];
    const taker = sink();
    const machine = machineWith(taker, [first, second], options).boot();
    machine.run(0.1);
    const released: number[] = [];
    machine.trace.subscribe((_, type, values) => {
      if (type.name === 'message-in' && values[0] === MessageType.relIdReleased) released.push(1);
    });
    first.bus!.rescind();
    machine.run(0.5);
    second.send(Uint8Array.of(1));
    machine.run(0.01);
    return { machine, first, taker, released };
  }

  it('modern: the device goes, its id is released, the other works on', () => {
    const { machine, first, taker, released } = remove({});
    expect(machine.console).toContain('sink0: detached\r\n');
    expect(machine.guest.bus!.devices.map(({ name }) => name)).toEqual(['sink1']);
    expect(first.closed).toBe(1);
    expect(released).toHaveLength(1);
    expect(taker.finishedNs).toHaveLength(1);
  });

  it('legacy: the id is never given back', () => {
    const { machine, released } = remove({ preset: 'bis:10.2', generation: 1 });
    expect(machine.console).toContain('sink0: detached\r\n');
    expect(released).toHaveLength(0);
  });

  it('a device that comes later attaches, and takes the free unit', () => {
    const { machine } = remove({});
    machine.server.offer(new Source(3));
    machine.run(0.1);
    expect(machine.guest.bus!.devices.map(({ name }) => name)).toEqual(['sink1', 'sink0']);
  });
});

describe('time-outs in ticks', () => {
  function slowOpen(hz: number): string[] {
    const taker = sink();
    const machine = machineWith(taker, [new Source(1)], {
      preset: 'bis:10.2',
      generation: 1,
      switches: { hz },
    });
    machine.server.messageFilter = (message) => {
      if (message.type !== MessageType.openResult) return true;
      const copy = { ...message, bytes: message.bytes.slice() };
      machine.events.after(1e9, () => machine.server.deliver(copy));
      return false;
    };
    machine.boot();
    machine.run(3);
    const lines = machine.lines.map((line) => line.replace('login: ', ''));
    return lines.filter((line) => line.includes('sink0'));
  }

  it('an answer after one second is in time at hz=100 and too late at hz=1000', () => {
    expect(slowOpen(100)).toEqual(['sink0 on vmbus0']);
    expect(slowOpen(1000)).toEqual(['sink0 on vmbus0', 'device_attach: sink0 attach returned 60']);
  });
});

describe('a host that is short of buffers', () => {
  /** The host takes one message in `periodNs`. */
  function throttled(preset: 'bis:10.2' | 'bis:modern', periodNs: number): number {
    const taker = sink({ pages: 100 });
    const machine = machineWith(taker, [new Source(1)], { preset, generation: 1 });
    const receive = machine.server.receiveMessage.bind(machine.server);
    let nextNs = 0;
    machine.server.receiveMessage = (...message) => {
      if (machine.clock.nowNs < nextNs) return HvStatus.is.insufficientBuffers;
      nextNs = machine.clock.nowNs + periodNs;
      return receive(...message);
    };
    machine.boot();
    machine.run(5);
    return machine.guest.bus!.devices.length;
  }

  it('10.2 gives up after 16.3 ms; the present driver waits longer', () => {
    expect(throttled('bis:10.2', 1e6)).toBe(1);
    expect(throttled('bis:10.2', 20e6)).toBe(0);
    expect(throttled('bis:modern', 20e6)).toBe(1);
  });
});
