import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { formatIpv6, parseIpv4, parseIpv6 } from '../../../src/devices/kvp/ip-address.ts';
import { KeyValuePair } from '../../../src/devices/kvp/key-value-pair.ts';
import { AUTO_KEYS } from '../../../src/devices/kvp/spec.ts';
import { IcGuest } from '../support/ic-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const SECOND = 1_000_000_000;
const NO_MORE_ITEMS = 0x8007_0103;

function machine(version = 0x4_0000): IcGuest<KeyValuePair> {
  return new IcGuest((parts) => new KeyValuePair(parts)).negotiate(0x3_0000, version);
}

/** UTF-16LE by another hand. */
function utf16(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(`${text}\0`, 'utf16le'));
}

function put(view: DataView, at: number, bytes: Uint8Array): void {
  for (const [index, byte] of bytes.entries()) view.setUint8(at + index, byte);
}

/** Writes a `KvpValue` as the guest's daemon does. `at` is from the start of the body. */
function putEntry(body: DataView, at: number, key: string, type: number, value: Uint8Array): void {
  body.setUint32(at, type, true);
  body.setUint32(at + 4, utf16(key).length, true);
  body.setUint32(at + 8, value.length, true);
  put(body, at + 12, utf16(key));
  put(body, at + 524, value);
}

describe('messages', () => {
  it('get: 2580 bytes, operation 0, pool, key with terminator', () => {
    const guest = machine();
    guest.device.get('auto', 'OSName', () => undefined);
    const { body, header } = guest.request();
    expect(header.type).toBe(2);
    expect(body.length).toBe(2580);
    expect(hex(body.slice(0, 16))).toBe('00 02 00 00 00 00 00 00 0e 00 00 00 00 00 00 00');
    expect(hex(body.slice(16, 30))).toBe(hex(utf16('OSName')));
    expect(body.slice(30).every((byte) => byte === 0)).toBe(true);
  });

  it.each([
    [
      { type: 'string', value: '999' } as const,
      '01 00 00 00 08 00 00 00 08 00 00 00',
      '39 00 39 00 39 00 00 00',
    ],
    [
      { type: 'u32', value: 7 } as const,
      '04 00 00 00 08 00 00 00 04 00 00 00',
      '07 00 00 00 00 00 00 00',
    ],
    [
      { type: 'u64', value: 7n } as const,
      '0b 00 00 00 08 00 00 00 08 00 00 00',
      '07 00 00 00 00 00 00 00',
    ],
  ])('set %o', (data, head, value) => {
    const guest = machine();
    guest.device.set('external', 'EEE', data, () => undefined);
    const { body } = guest.request();
    expect(hex(body.slice(0, 4))).toBe('01 00 00 00');
    expect(hex(body.slice(4, 16))).toBe(head);
    expect(hex(body.slice(16, 24))).toBe('45 00 45 00 45 00 00 00');
    expect(hex(body.slice(528, 536))).toBe(value);
  });

  it('delete and enumerate', () => {
    const guest = machine();
    guest.device.delete('external', 'XYZ', () => undefined);
    const request = guest.request();
    expect(hex(request.body.slice(0, 16))).toBe('02 00 00 00 08 00 00 00 58 00 59 00 5a 00 00 00');
    guest.answer(request);
    guest.device.enumerate('autoExternal', 5, () => undefined);
    expect(hex(guest.request().body.slice(0, 8))).toBe('03 03 00 00 05 00 00 00');
  });

  it('refuses keys and values that do not fit', () => {
    const { device } = machine();
    const nothing = (): void => undefined;
    expect(() => device.get('guest', 'k'.repeat(256), nothing)).toThrow(InputError);
    expect(() => device.get('guest', '', nothing)).toThrow('expected 1 to 255');
    const long = { type: 'string', value: 'v'.repeat(1024) } as const;
    expect(() => device.set('guest', 'k', long, nothing)).toThrow('at most 1023');
    device.set('guest', 'k'.repeat(255), { type: 'string', value: 'v'.repeat(1023) }, nothing);
  });
});

describe('answers', () => {
  it.each([
    [1, utf16('FreeBSD'), { type: 'string', value: 'FreeBSD' }],
    [2, utf16('%PATH%'), { type: 'string', value: '%PATH%' }],
    [4, Uint8Array.of(1, 0, 0, 0x80), { type: 'u32', value: 0x8000_0001 }],
    [11, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0x80), { type: 'u64', value: 0x8000_0000_0000_0001n }],
    [8, Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0), { type: 'u64', value: 2n }],
  ])('a value of type %i', (type, bytes, data) => {
    const guest = machine();
    const answers: unknown[] = [];
    guest.device.get('auto', 'OSName', (...answer) => answers.push(answer));
    guest.answer(guest.request(), 0, (body) => putEntry(body, 4, 'OSName', type, bytes));
    expect(answers).toEqual([['answered', 0, { key: 'OSName', data }]]);
  });

  it('lengths and types that make no sense give no entry, and a trace event', () => {
    const spoil: ((body: DataView) => void)[] = [
      (body) => body.setUint32(8, 513, true),
      (body) => body.setUint32(12, 2049, true),
      (body) => body.setUint32(12, 0xffff_ffff, true),
      (body) => body.setUint32(4, 3, true),
      (body) => {
        body.setUint32(4, 4, true);
        body.setUint32(12, 5, true);
      },
    ];
    for (const change of spoil) {
      const guest = machine();
      const answers: unknown[] = [];
      guest.device.get('auto', 'OSName', (...answer) => answers.push(answer));
      guest.answer(guest.request(), 0, (body) => {
        putEntry(body, 4, 'OSName', 1, utf16('x'));
        change(body);
      });
      expect(answers).toEqual([['answered', 0, undefined]]);
      expect(guest.dropped).toEqual([8]);
    }
  });

  it('lists a pool until the guest has no more items', () => {
    const guest = machine();
    const lists: unknown[] = [];
    guest.device.list('auto', (...list) => lists.push(list));
    for (const [index, key] of AUTO_KEYS.entries()) {
      const request = guest.request();
      expect(request.view.getUint32(24, true)).toBe(index);
      guest.answer(request, 0, (body) => putEntry(body, 8, key, 1, utf16(`value ${index}`)));
    }
    guest.answer(guest.request(), NO_MORE_ITEMS);
    const entries = AUTO_KEYS.map((key, index) => ({
      key,
      data: { type: 'string', value: `value ${index}` },
    }));
    expect(lists).toEqual([['answered', NO_MORE_ITEMS, entries]]);
  });

  it('a list that never ends is stopped', () => {
    const guest = machine();
    const counts: number[] = [];
    guest.device.list('guest', (_outcome, _status, entries) => counts.push(entries.length));
    for (let index = 0; counts.length === 0 && index < 5000; index += 1) {
      guest.answer(guest.request(), 0, (body) => putEntry(body, 8, 'k', 4, new Uint8Array(4)));
    }
    expect(counts).toEqual([4096]);
  });
});

describe('one request at a time', () => {
  it('the second goes out when the first is answered', () => {
    const guest = machine();
    const order: string[] = [];
    guest.device.get('auto', 'A', () => order.push('A'));
    guest.device.get('auto', 'B', () => order.push('B'));
    guest.device.get('auto', 'C', () => order.push('C'));
    const first = guest.request();
    guest.pass(SECOND);
    expect(guest.hear()).toBeUndefined();
    expect(guest.device.waitingCount).toBe(2);
    guest.answer(first);
    guest.answer(guest.request());
    guest.answer(guest.request());
    expect(order).toEqual(['A', 'B', 'C']);
  });

  it('a guest that hangs times out after five seconds, and the next request goes out', () => {
    const guest = machine();
    const outcomes: string[] = [];
    const startNs = guest.guest.clock.nowNs;
    guest.device.get('auto', 'A', (outcome) => {
      outcomes.push(outcome);
      expect(guest.guest.clock.nowNs - startNs).toBe(5 * SECOND);
    });
    guest.device.get('auto', 'B', (outcome) => outcomes.push(outcome));
    const late = guest.request();
    guest.pass(5 * SECOND);
    expect(outcomes).toEqual(['timeout']);
    guest.answer(late);
    expect(outcomes).toEqual(['timeout']);
    guest.answer(guest.request());
    expect(outcomes).toEqual(['timeout', 'answered']);
  });

  it('a close ends all of them', () => {
    const guest = machine();
    const outcomes: string[] = [];
    for (const key of ['A', 'B', 'C']) guest.device.get('auto', key, (it) => outcomes.push(it));
    guest.channel.close();
    guest.pass(SECOND);
    expect(outcomes.toSorted()).toEqual(['closed', 'closed', 'notReady']);
  });
});

describe('addresses', () => {
  const info = {
    isDhcp: true,
    addresses: [
      { address: '192.168.1.20', subnet: '255.255.255.0' },
      { address: 'fe80::215:5dff:fe01:203', subnet: '/64' },
    ],
    gateways: ['192.168.1.1', 'fe80::1'],
    dnsServers: ['8.8.8.8', '2001:4860:4860::8888'],
  };
  const adapter = '{2B1D1A5F-6D1C-4C7C-9B79-4E0C6E0A4A11}';

  it.each([0x3_0000, 0x4_0000, 0x5_0000])('version %i: set, and get the same back', (version) => {
    const guest = machine(version);
    const answers: unknown[] = [];
    guest.device.setIpInfo(adapter, info, (...answer) => answers.push(answer));
    const set = guest.request();
    expect(set.body.length).toBe(7428);
    expect(set.body[0]).toBe(5);
    guest.answer(set);
    guest.device.getIpInfo(adapter, (...answer) => answers.push(answer));
    const get = guest.request();
    expect(get.body[0]).toBe(4);
    guest.answer(get, 0, (body) => {
      for (let at = 2; at < 7428; at += 1) body.setUint8(at, set.body[at]!);
    });
    expect(answers).toEqual([
      ['answered', 0],
      ['answered', 0, info],
    ]);
  });

  it('the text form stands right behind operation and pool', () => {
    const guest = machine(0x4_0000);
    guest.device.setIpInfo(adapter, info, () => undefined);
    const { body } = guest.request();
    expect(hex(body.slice(2, 2 + 78))).toBe(hex(utf16(adapter)));
    expect(hex(body.slice(258, 260))).toBe('03 01');
    const text = new TextDecoder('utf-16le').decode(body.slice(260, 260 + 72));
    expect(text).toBe('192.168.1.20;fe80::215:5dff:fe01:203');
    const subnets = new TextDecoder('utf-16le').decode(body.slice(2308, 2308 + 34));
    expect(subnets).toBe('255.255.255.0;/64');
  });

  it('the binary form has counts first and network byte order', () => {
    const guest = machine(0x5_0000);
    guest.device.setIpInfo(adapter, info, () => undefined);
    const { body } = guest.request();
    expect(hex(body.slice(4, 28))).toBe(Array.from({ length: 6 }, () => '01 00 00 00').join(' '));
    expect(hex(body.slice(288, 292))).toBe('c0 a8 01 14');
    expect(hex(body.slice(544, 560))).toBe('fe 80 00 00 00 00 00 00 02 15 5d ff fe 01 02 03');
    expect(hex(body.slice(1568, 1572))).toBe('ff ff ff 00');
    expect(hex(body.slice(1824, 1828))).toBe('40 00 00 00');
    expect(hex(body.slice(2080, 2084))).toBe('c0 a8 01 01');
  });

  it('counts beyond the arrays give nothing', () => {
    const guest = machine(0x5_0000);
    const answers: unknown[] = [];
    for (const [at, count] of [
      [4, 65],
      [8, 0xffff_ffff],
      [12, 6],
      [20, 65],
    ] as const) {
      guest.device.getIpInfo(adapter, (...answer) => answers.push(answer));
      guest.answer(guest.request(), 0, (body) => body.setUint32(at, count, true));
    }
    expect(answers).toEqual(Array.from({ length: 4 }, () => ['answered', 0, undefined]));
  });

  it('refuses what is no address', () => {
    const { device } = machine(0x5_0000);
    const bad = { ...info, gateways: ['300.1.1.1'] };
    expect(() => device.setIpInfo(adapter, bad, () => undefined)).toThrow('"300.1.1.1" is no IPv4');
    const mask = { ...info, addresses: [{ address: '1.2.3.4', subnet: '/24' }] };
    expect(() => device.setIpInfo(adapter, mask, () => undefined)).toThrow('"/24" is no subnet');
  });

  it('IPv6 in the form of RFC 5952', () => {
    for (const text of [
      '::',
      '::1',
      '1::',
      '2001:db8::1:0:0:1',
      'ff02::1:2',
      '1:2:3:4:5:6:7:8',
      '0:1:2:3:4:5:6:7',
    ]) {
      expect(formatIpv6(Uint8Array.from(parseIpv6(text)!), 0)).toBe(text);
    }
    expect(formatIpv6(Uint8Array.from(parseIpv6('2001:DB8:0:0:1:0:0:1')!), 0)).toBe(
      '2001:db8::1:0:0:1',
    );
    for (const text of [
      '',
      ':',
      ':::',
      '1:2:3',
      '1::2::3',
      '12345::',
      'g::',
      '1:2:3:4:5:6:7:8:9',
    ]) {
      expect(parseIpv6(text)).toBeUndefined();
    }
    for (const text of ['1.2.3', '1.2.3.256', '1.2.3.4.5', 'a.b.c.d', '']) {
      expect(parseIpv4(text)).toBeUndefined();
    }
  });
});
