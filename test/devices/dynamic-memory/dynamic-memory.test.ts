import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { GuestMemory } from '../../../src/core/memory.ts';
import { Balloon } from '../../../src/devices/dynamic-memory/balloon.ts';
import { DynamicMemory } from '../../../src/devices/dynamic-memory/dynamic-memory.ts';
import { MessageGuest } from '../support/message-guest.ts';

const SECOND = 1_000_000_000;
const V2 = '01 00 10 00 05 00 00 00 00 00 02 00 00 00 00 00';
const PAGE = 4096;

function machine(quietNs = 0): MessageGuest<DynamicMemory> {
  return new MessageGuest((parts) => new DynamicMemory({ ...parts, quietNs }));
}

function capabilities(bits: string): string {
  return `03 00 20 00 06 00 00 00 ${bits} 00 00 00 00 00 00 00${' 00'.repeat(16)}`;
}

function ready(bits = '03', quietNs = 0): MessageGuest<DynamicMemory> {
  const bench = machine(quietNs).open().say(V2).say(capabilities(bits));
  bench.hearAll();
  return bench;
}

/** A balloon response. */
function response(
  ranges: readonly (readonly [number, number])[],
  more = false,
  count = ranges.length,
): Uint8Array {
  const bytes = new Uint8Array(16 + ranges.length * 8);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 7, true);
  view.setUint16(2, bytes.length, true);
  view.setUint32(12, count * 2 + Number(more), true);
  for (const [index, [first, pages]] of ranges.entries()) {
    view.setBigUint64(16 + index * 8, BigInt(first) | (BigInt(pages) << 40n), true);
  }
  return bytes;
}

/** Outcomes in the order in which they come. */
function outcomes(): { readonly list: unknown[]; readonly done: (...result: unknown[]) => void } {
  const list: unknown[] = [];
  return { list, done: (...result) => list.push(result) };
}

describe('negotiation', () => {
  it.each([
    ['2.0', '00 00 02 00'],
    ['1.0', '00 00 01 00'],
    ['0.3', '03 00 00 00'],
  ])("accepts %s with the guest's transaction id", (_name, version) => {
    const bench = machine().open().say(`01 00 10 00 05 00 00 00 ${version} 00 00 00 00`);
    expect(bench.heard()).toBe('02 00 10 00 05 00 00 00 01 00 00 00 00 00 00 00');
    bench.say(capabilities('03'));
    expect(bench.heard()).toBe('04 00 10 00 06 00 00 00 01 00 00 00 00 00 00 00');
    expect(bench.device.isReady).toBe(true);
  });

  it('refuses what the host does not have, and takes the next attempt', () => {
    const old = new MessageGuest((parts) => new DynamicMemory({ ...parts, versions: [3] }));
    old.open().say(V2);
    expect(old.heard()).toBe('02 00 10 00 05 00 00 00 00 00 00 00 00 00 00 00');
    old.say('01 00 10 00 07 00 00 00 03 00 00 00 01 00 00 00');
    expect(old.heard()).toBe('02 00 10 00 07 00 00 00 01 00 00 00 00 00 00 00');
    expect(old.device.version).toBe(3);
  });

  it('drops capabilities and reports before their time', () => {
    const bench = machine()
      .open()
      .say(capabilities('03'))
      .say(`05 00 30 00${' 00'.repeat(44)}`);
    expect(bench.dropped).toEqual([7, 7]);
    expect(bench.hear()).toBeUndefined();
  });
});

describe('reports', () => {
  it('keeps the last one, in pages', () => {
    const bench = ready();
    const words = '00 10 00 00 00 00 00 00 00 20 00 00 01 00 00 00';
    bench.say(`05 00 30 00 01 00 00 00 ${words}${' 00'.repeat(24)}`);
    expect(bench.device.status).toMatchObject({ available: 0x1000, committed: 0x1_0000_2000 });
  });
});

describe('ballooning', () => {
  it('asks for pages, takes them in several answers, and clears them', () => {
    const bench = ready();
    const { memory } = bench.guest;
    memory.u8.fill(0xee, 0x700 * PAGE, 0x708 * PAGE);
    const { list, done } = outcomes();
    bench.device.balloon(8, done);
    bench.pass(0);
    expect(bench.heard()).toBe('06 00 10 00 01 00 00 00 08 00 00 00 00 00 00 00');
    bench.say(response([[0x700, 3]], true));
    expect(list).toEqual([]);
    bench.say(
      response([
        [0x703, 4],
        [0x707, 1],
      ]),
    );
    expect(list).toEqual([['done', 8]]);
    expect(bench.device.balloonedPages).toBe(8);
    expect(memory.u8.subarray(0x700 * PAGE, 0x708 * PAGE).every((byte) => byte === 0)).toBe(true);
  });

  it('a guest that gives less has refused the rest', () => {
    const bench = ready();
    const { list, done } = outcomes();
    bench.device.balloon(8, done);
    bench.pass(0).say(response([[0x700, 2]]));
    bench.device.balloon(8, done);
    bench.pass(0).say(response([]));
    expect(list).toEqual([
      ['refused', 2],
      ['refused', 0],
    ]);
  });

  it.each([
    ['beyond RAM', [[0x7ff, 2]], 0],
    ['far beyond RAM', [[2 ** 40 - 1, 1]], 0],
    ['more than was asked for', [[0x700, 9]], 0],
    [
      'twice the same',
      [
        [0x700, 4],
        [0x700, 4],
      ],
      4,
    ],
    [
      'an empty range',
      [
        [0x700, 0],
        [0x701, 1],
      ],
      1,
    ],
  ] as const)('%s is not taken', (_name, ranges, taken) => {
    const bench = ready();
    const { list, done } = outcomes();
    bench.device.balloon(8, done);
    bench.pass(0).say(response(ranges));
    expect(list).toEqual([['refused', taken]]);
    expect(bench.device.balloonedPages).toBe(taken);
  });

  it('a count that the message does not hold ends the request', () => {
    const bench = ready();
    const { list, done } = outcomes();
    bench.device.balloon(8, done);
    bench.pass(0).say(response([[0x700, 1]], false, 0x7fff_ffff));
    expect(list).toEqual([['refused', 0]]);
    expect(bench.dropped).toEqual([8]);
  });

  it('answers that nobody waits for take nothing', () => {
    const bench = ready().say(response([[0x700, 1]]));
    expect(bench.device.balloonedPages).toBe(0);
    expect(bench.dropped).toEqual([7]);
  });

  it('gives pages back lowest first, and waits for the answer', () => {
    const bench = ready();
    const { list, done } = outcomes();
    bench.device.balloon(8, done);
    bench.pass(0).say(
      response([
        [0x710, 4],
        [0x700, 4],
      ]),
    );
    bench.hearAll();
    bench.device.unballoon(6, done);
    bench.pass(0);
    expect(bench.heard()).toBe(
      '08 00 20 00 02 00 00 00 00 00 00 00 02 00 00 00' +
        ' 00 07 00 00 00 04 00 00 10 07 00 00 00 02 00 00',
    );
    expect(list.length).toBe(1);
    bench.say('09 00 08 00 02 00 00 00');
    expect(list).toEqual([
      ['done', 8],
      ['done', 6],
    ]);
    expect(bench.device.balloonedPages).toBe(2);
  });

  it('many ranges go out in messages of a page, all but the last with more to come', () => {
    const bench = ready();
    const { list, done } = outcomes();
    const singles = Array.from({ length: 600 }, (_, index) => [0x200 + index * 2, 1] as const);
    bench.device.balloon(600, done);
    bench
      .pass(0)
      .say(response(singles.slice(0, 300), true))
      .say(response(singles.slice(300)));
    bench.hearAll();
    bench.device.unballoon(1000, done);
    bench.pass(0);
    const messages = bench.hearAll();
    expect(messages.map((message) => message.length)).toEqual([4096, 16 + 90 * 8]);
    expect(messages.map((message) => message[8])).toEqual([1, 0]);
    bench.say('09 00 08 00 02 00 00 00');
    expect(list).toEqual([
      ['done', 600],
      ['refused', 600],
    ]);
  });

  it('waits for the end of the quiet time', () => {
    const bench = ready('03', 50 * SECOND);
    bench.device.balloon(1, () => undefined);
    bench.pass(49 * SECOND);
    expect(bench.hear()).toBeUndefined();
    bench.say(response([[0x700, 1]]));
    expect(bench.device.balloonedPages).toBe(0);
    bench.pass(SECOND);
    expect(bench.heard(2)).toBe('06 00');
  });

  it('a guest that starts anew has all its memory', () => {
    const bench = ready();
    const { list, done } = outcomes();
    bench.device.balloon(4, done);
    bench.pass(0).say(response([[0x700, 4]]));
    bench.device.balloon(4, done);
    bench.channel.close();
    expect(list).toEqual([
      ['done', 4],
      ['closed', 0],
    ]);
    expect(bench.device.balloonedPages).toBe(0);
    expect(bench.guest.events.nextDeadlineNs).toBe(Infinity);
  });
});

describe('hot add', () => {
  const range = { firstPage: 0x10_0000, count: 0x8000 };

  it('sends range and region, and hears how much was added', () => {
    const bench = ready('17');
    const { list, done } = outcomes();
    bench.device.hotAdd(range, done, { firstPage: 0x10_0000, count: 0x10_0000 });
    bench.pass(0);
    expect(bench.heard()).toBe(
      '0a 00 18 00 01 00 00 00 00 00 10 00 00 00 80 00 00 00 10 00 00 00 00 10',
    );
    bench.say('0b 00 10 00 01 00 00 00 00 80 00 00 01 00 00 00');
    bench.device.hotAdd(range, done);
    bench.pass(0);
    expect(bench.heard()).toBe('0a 00 10 00 02 00 00 00 00 00 10 00 00 00 80 00');
    bench.say('0b 00 10 00 01 00 00 00 00 10 00 00 00 00 00 00');
    expect(list).toEqual([
      ['done', 0x8000],
      ['refused', 0],
    ]);
  });

  it('keeps to the units that the guest can take: here 32 MiB', () => {
    const bench = ready('17');
    const { list, done } = outcomes();
    bench.device.hotAdd({ firstPage: 0x10_0000, count: 0x1000 }, done);
    bench.pass(0);
    expect(list).toEqual([['misaligned', 0]]);
  });
});

describe('requests that cannot be made', () => {
  it('say why', () => {
    const { list, done } = outcomes();
    machine().device.balloon(1, done);
    const early = machine();
    early.device.balloon(1, done);
    early.pass(0);
    const hotAddOnly = ready('02');
    hotAddOnly.device.balloon(1, done);
    hotAddOnly.pass(0);
    const busy = ready();
    busy.device.balloon(1, done);
    busy.device.unballoon(1, done);
    busy.pass(0);
    expect(list).toEqual([
      ['notReady', 0],
      ['notSupported', 0],
      ['busy', 0],
    ]);
    expect(() => busy.device.balloon(585_729, done)).toThrow(InputError);
    expect(() => busy.device.unballoon(0, done)).toThrow(InputError);
    expect(() => busy.device.hotAdd({ firstPage: 0, count: 2 ** 24 }, done)).toThrow(InputError);
  });
});

describe('the balloon', () => {
  it('knows page numbers on both sides of the gap below 4 GiB', () => {
    const memory = new GuestMemory({ ramBytes: 2 << 20, lowGapStart: 1 << 20 });
    const balloon = new Balloon(memory);
    expect(balloon.take(0xff, 2)).toBe(-1);
    expect(balloon.take(0xff, 1)).toBe(1);
    expect(balloon.take(0x10_0000, 2)).toBe(2);
    expect(balloon.give(9, 100)).toEqual([
      { firstPage: 0xff, count: 1 },
      { firstPage: 0x10_0000, count: 2 },
    ]);
    expect(balloon.held).toBe(0);
  });

  it('cuts runs to the longest that a range can say', () => {
    const memory = new GuestMemory({ ramBytes: 1 << 20, lowGapStart: 1 << 30 });
    const balloon = new Balloon(memory);
    balloon.take(0, 256);
    expect(balloon.give(200, 100).map(({ count }) => count)).toEqual([100, 100]);
    expect(balloon.held).toBe(56);
  });
});
