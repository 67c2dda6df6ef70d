import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { Random } from '../../src/core/random.ts';
import { Trace } from '../../src/core/trace.ts';
import { LinkFaults } from '../../src/net/faults.ts';
import { FrameQueue } from '../../src/net/frame-queue.ts';
import { MacTable } from '../../src/net/mac-table.ts';
import { VirtualSwitch } from '../../src/net/switch.ts';
import type { PortOptions, SwitchPort } from '../../src/net/switch-port.ts';
import { be16, type Bytes, ipFrame, tagged } from './frames.ts';

interface Arrival {
  readonly timeNs: number;
  readonly bytes: Uint8Array;
}

/** A station that keeps what it hears. */
class Station {
  readonly port: SwitchPort;
  readonly heard: Arrival[] = [];
  batches = 0;
  readonly links: boolean[] = [];

  constructor(bed: Bed, options?: PortOptions) {
    this.port = bed.network.connect(`port${bed.network.ports.length}`, options);
    this.port.receiver = {
      frame: (bytes, start, length) => {
        this.heard.push({ timeNs: bed.clock.nowNs, bytes: bytes.slice(start, start + length) });
      },
      framesEnd: () => {
        this.batches += 1;
      },
      linkChanged: (isUp) => this.links.push(isUp),
    };
  }

  say(frame: Uint8Array): void {
    this.port.send(frame, 0, frame.length);
  }
}

class Bed {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace = new Trace(this.clock);
  readonly network: VirtualSwitch;

  constructor(ageNs?: number) {
    const { clock, events, trace } = this;
    this.network = new VirtualSwitch({
      clock,
      events,
      trace,
      ...(ageNs === undefined ? {} : { ageNs }),
    });
  }

  run(): void {
    while (this.events.runNext());
  }
}

function mac(index: number): number[] {
  return [0x00, 0x15, 0x5d, 0, 0, index];
}

function frame(from: number, to: number | 'all', payload: readonly number[] = [1]): Bytes {
  const destination = to === 'all' ? [255, 255, 255, 255, 255, 255] : mac(to);
  return ipFrame({ source: mac(from), destination, payload });
}

describe('the switch', () => {
  it('floods what it does not know, then sends to the port where it heard the station', () => {
    const bed = new Bed();
    const [a, b, c] = [new Station(bed), new Station(bed), new Station(bed)];
    a.say(frame(1, 2));
    bed.run();
    expect([a.heard.length, b.heard.length, c.heard.length]).toEqual([0, 1, 1]);
    b.say(frame(2, 1));
    a.say(frame(1, 2));
    bed.run();
    expect([a.heard.length, b.heard.length, c.heard.length]).toEqual([1, 2, 1]);
    a.say(frame(1, 'all'));
    bed.run();
    expect([b.heard.length, c.heard.length]).toEqual([3, 2]);
  });

  it('follows a station that moves, and forgets a silent one and a port that is gone', () => {
    const bed = new Bed(1_000_000);
    const [a, b, c] = [new Station(bed), new Station(bed), new Station(bed)];
    b.say(frame(2, 'all'));
    c.say(frame(2, 'all'));
    bed.run();
    b.heard.length = 0;
    c.heard.length = 0;
    a.say(frame(1, 2));
    bed.run();
    expect([b.heard.length, c.heard.length]).toEqual([0, 1]);
    bed.events.after(2_000_000, () => a.say(frame(1, 2)));
    bed.run();
    expect([b.heard.length, c.heard.length]).toEqual([1, 2]);
    c.say(frame(2, 'all'));
    bed.run();
    bed.network.disconnect(c.port);
    b.heard.length = 0;
    a.say(frame(1, 2));
    bed.run();
    expect(b.heard.length).toBe(1);
    expect(bed.network.ports.length).toBe(2);
  });

  it('a frame to a station on the port it came from goes nowhere', () => {
    const bed = new Bed();
    const [a, b] = [new Station(bed), new Station(bed)];
    a.say(frame(1, 'all'));
    a.say(frame(2, 'all'));
    bed.run();
    b.heard.length = 0;
    a.say(frame(1, 2));
    bed.run();
    expect([a.heard, b.heard]).toEqual([[], []]);
  });

  it('takes latency and line time, and keeps the order', () => {
    const bed = new Bed();
    const a = new Station(bed);
    const b = new Station(bed, { bitsPerSecond: 1e9, latencyNs: 20_000, moderationNs: 3_000 });
    for (let index = 0; index < 10; index += 1) {
      a.say(frame(1, 2, [index, ...new Array<number>(945).fill(0)]));
    }
    bed.run();
    expect(b.heard.map((it) => it.bytes[54])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    // 1000 bytes take 8 us at 1 Gb/s.
    expect(b.heard.map((it) => it.timeNs)).toEqual(
      Array.from({ length: 10 }, (_, index) => 20_000 + (index + 1) * 8_000),
    );
    expect(b.batches).toBe(10);
  });

  it('gives frames that come close together as one batch', () => {
    const bed = new Bed();
    const a = new Station(bed);
    const b = new Station(bed, { latencyNs: 1_000, moderationNs: 5_000 });
    for (let index = 0; index < 50; index += 1) a.say(frame(1, 2, [index]));
    bed.run();
    expect(b.heard.length).toBe(50);
    expect(b.batches).toBe(1);
    // 64 bytes take 51.2 ns at 10 Gb/s: the interrupt waits for the last of them.
    expect(b.heard[0]!.timeNs).toBe(Math.ceil(1_000 + 50 * frame(1, 2, [0]).length * 0.8));
  });

  it('refuses frames that are too short or too long, and drops what a port has no room for', () => {
    const bed = new Bed();
    const [a, b] = [new Station(bed), new Station(bed)];
    a.port.send(new Uint8Array(13), 0, 13);
    a.port.send(new Uint8Array(9300), 0, 9300);
    expect(a.port.counters.refusedIn).toBe(2);
    for (let index = 0; index < 3000; index += 1) a.say(frame(1, 2));
    bed.run();
    expect(b.heard.length).toBe(2048);
    expect(b.port.counters.droppedOut).toBe(952);
    // After a wrap of the queue's memory frames are still whole.
    const long = frame(
      1,
      2,
      Array.from({ length: 1460 }, (_, index) => index & 255),
    );
    for (let round = 0; round < 30; round += 1) {
      for (let index = 0; index < 100; index += 1) a.say(long);
      b.heard.length = 0;
      bed.run();
      expect(b.heard.length).toBe(100);
      expect(b.heard.every((it) => Buffer.compare(it.bytes, long) === 0)).toBe(true);
    }
  });

  it('a pulled cable loses frames both ways, and the station is told', () => {
    const bed = new Bed();
    const [a, b] = [new Station(bed), new Station(bed)];
    a.say(frame(1, 2));
    b.port.setLink(false);
    bed.run();
    b.say(frame(2, 1));
    bed.run();
    expect([a.heard.length, b.heard.length]).toEqual([0, 0]);
    expect(b.port.counters.linkDownIn).toBe(1);
    b.port.setLink(true);
    b.port.setLink(true);
    expect(b.links).toEqual([false, true]);
    a.say(frame(1, 2));
    bed.run();
    expect(b.heard.length).toBe(1);
  });

  it('counts bad checksums by port and kind', () => {
    const bed = new Bed();
    const [a, b] = [new Station(bed), new Station(bed, { verifiesChecksums: false })];
    const to = { source: mac(1), destination: mac(2) };
    a.say(ipFrame({ ...to, checksum: 'seed' }));
    a.say(ipFrame({ ...to, protocol: 'udp', checksum: 99 }));
    const header = ipFrame(to);
    header[24] = header[24]! ^ 1;
    a.say(header);
    a.say(ipFrame(to));
    bed.run();
    const { badTcpIn, badUdpIn, badIpIn, badIn, framesIn } = a.port.counters;
    expect({ badTcpIn, badUdpIn, badIpIn, badIn, framesIn }).toEqual({
      badTcpIn: 1,
      badUdpIn: 1,
      badIpIn: 1,
      badIn: 3,
      framesIn: 4,
    });
    expect(b.port.counters.badOut).toBe(3);
    b.say(ipFrame({ checksum: 5 }));
    expect(b.port.counters.badIn).toBe(0);
  });
});

describe('VLANs', () => {
  it('access ports belong to one, trunks carry tags', () => {
    const bed = new Bed();
    const ten = new Station(bed, { vlan: { mode: 'access', id: 10 } });
    const alsoTen = new Station(bed, { vlan: { mode: 'access', id: 10 } });
    const twenty = new Station(bed, { vlan: { mode: 'access', id: 20 } });
    const trunk = new Station(bed, { vlan: { mode: 'trunk', native: 20 } });
    const narrow = new Station(bed, { vlan: { mode: 'trunk', native: 1, allowed: [20] } });
    const plain = frame(1, 'all');
    ten.say(plain);
    bed.run();
    expect(alsoTen.heard.map((it) => it.bytes)).toEqual([plain]);
    expect(twenty.heard).toEqual([]);
    expect(trunk.heard.map((it) => it.bytes)).toEqual([tagged(plain, 10)]);
    expect(narrow.heard).toEqual([]);
    trunk.heard.length = 0;
    alsoTen.heard.length = 0;
    trunk.say(tagged(frame(4, 'all'), 0xa00a));
    trunk.say(frame(4, 'all'));
    bed.run();
    expect(ten.heard.map((it) => it.bytes)).toEqual([frame(4, 'all')]);
    expect(twenty.heard.map((it) => it.bytes)).toEqual([frame(4, 'all')]);
    expect(narrow.heard.map((it) => it.bytes)).toEqual([tagged(frame(4, 'all'), 20)]);
    ten.say(tagged(plain, 20));
    narrow.say(tagged(plain, 30));
    bed.run();
    expect(ten.port.counters.refusedIn).toBe(1);
    expect(narrow.port.counters.refusedIn).toBe(1);
  });

  it('the same address may be a station of each', () => {
    const bed = new Bed();
    const a = new Station(bed, { vlan: { mode: 'access', id: 1 } });
    const b = new Station(bed, { vlan: { mode: 'access', id: 2 } });
    const trunk = new Station(bed, { vlan: { mode: 'trunk', native: 0 } });
    a.say(frame(7, 'all'));
    b.say(frame(7, 'all'));
    bed.run();
    trunk.say(tagged(frame(9, 7), 2));
    bed.run();
    expect([a.heard.length, b.heard.length]).toEqual([0, 1]);
  });
});

describe('faults', () => {
  function lossy(seed: number): { heard: Station; sender: Station; bed: Bed } {
    const bed = new Bed();
    const options = { loss: 0.2, duplication: 0.1, delayNs: 1000, jitterNs: 500_000 };
    const sender = new Station(bed, { faults: new LinkFaults(new Random(seed, 'link'), options) });
    const heard = new Station(bed);
    for (let index = 0; index < 500; index += 1) sender.say(frame(1, 2, be16(index)));
    bed.run();
    return { heard, sender, bed };
  }

  it('lose, double and reorder by the seed, and every frame is accounted for', () => {
    const { heard, sender } = lossy(1);
    const { lostIn, duplicatedIn } = sender.port.counters;
    expect(lostIn).toBeGreaterThan(60);
    expect(lostIn).toBeLessThan(140);
    expect(duplicatedIn).toBeGreaterThan(15);
    expect(heard.heard.length).toBe(500 - lostIn + duplicatedIn);
    const order = heard.heard.map((it) => it.bytes[54]! * 256 + it.bytes[55]!);
    expect(order).not.toEqual(order.toSorted((left, right) => left - right));
  });

  it('equal seeds give equal runs, other seeds others', () => {
    const digests = [1, 1, 2].map((seed) => lossy(seed).bed.trace.digest);
    expect(digests[0]).toBe(digests[1]);
    expect(digests[0]).not.toBe(digests[2]);
  });

  it('a script decides for single frames', () => {
    const bed = new Bed();
    const decide = (bytes: Uint8Array, start: number): number =>
      ({ 1: -1, 2: 1_000_000 })[bytes[start + 54]!] ?? 0;
    const a = new Station(bed, { faults: new LinkFaults(new Random(1), { decide }) });
    const b = new Station(bed);
    for (const index of [0, 1, 2, 3]) a.say(frame(1, 2, [index]));
    bed.run();
    expect(b.heard.map((it) => it.bytes[54])).toEqual([0, 3, 2]);
    expect(b.heard[2]!.timeNs).toBeGreaterThan(1_000_000);
  });
});

describe('the queue of a port', () => {
  it('keeps whole frames in order in any interleaving, and refuses what has no room', () => {
    const step = fc.oneof(fc.integer({ min: 14, max: 600 }), fc.constant(0));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const queue = new FrameQueue(2048, 16);
        const model: { length: number; mark: number }[] = [];
        for (const [mark, length] of steps.entries()) {
          if (length === 0) {
            const expected = model.shift();
            if (expected === undefined) continue;
            expect([queue.firstLength, queue.nextDueNs]).toEqual([expected.length, expected.mark]);
            const bytes = queue.bytes.slice(queue.firstStart, queue.firstStart + queue.firstLength);
            expect(bytes.every((byte) => byte === (expected.mark & 255))).toBe(true);
            queue.dropFirst();
            continue;
          }
          const start = queue.push(length, 0, mark);
          if (start < 0) {
            const held = model.reduce((sum, it) => sum + ((it.length + 7) & ~7), 0);
            expect(model.length === 16 || held + length > 2048 - 608).toBe(true);
            continue;
          }
          queue.bytes.fill(mark & 255, start, start + length);
          model.push({ length, mark });
        }
        expect(queue.count).toBe(model.length);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the table of stations', () => {
  it('holds its size whatever comes, and keeps the newest', () => {
    const table = new MacTable();
    const address = (index: number): Uint8Array =>
      Uint8Array.from([2, 0, ...be16(index >>> 16), ...be16(index & 0xffff)]);
    for (let index = 0; index < 20_000; index += 1) table.learn(address(index), 0, 0, 3, index);
    let known = 0;
    for (let index = 0; index < 20_000; index += 1) {
      if (table.find(address(index), 0, 0, 20_000) === 3) known += 1;
    }
    expect(known).toBe(1024);
    expect(table.find(address(19_999), 0, 0, 20_000)).toBe(3);
    table.forgetPort(3);
    expect(table.find(address(19_999), 0, 0, 20_000)).toBe(-1);
  });
});
