import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { InputError } from '../../src/core/errors.ts';
import { Trace } from '../../src/core/trace.ts';
import {
  hypervMac,
  ipv4Text,
  macText,
  netmask,
  parseIpv4,
  parseMac,
} from '../../src/net/addresses.ts';
import { parseOptions } from '../../src/net/dhcp/message.ts';
import { Gateway } from '../../src/net/gateway.ts';
import { VirtualSwitch } from '../../src/net/switch.ts';
import type { SwitchPort } from '../../src/net/switch-port.ts';
import { be16, be32, type Bytes, plainSum } from './frames.ts';

const GATEWAY_MAC = hypervMac(1);
const GATEWAY_IP = parseIpv4('10.0.0.1', 'test');
const ALL = [255, 255, 255, 255, 255, 255];
const SECOND_NS = 1_000_000_000;

interface Answer {
  readonly type: number;
  readonly yourIp: string;
  readonly to: string;
  readonly toIp: string;
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/** A network with a gateway and one station that speaks by hand. */
class Bed {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace = new Trace(this.clock);
  readonly port: SwitchPort;
  readonly gateway: Gateway;
  readonly heard: Bytes[] = [];

  constructor(last = '10.0.0.102') {
    const { clock, events, trace } = this;
    const network = new VirtualSwitch({ clock, events, trace });
    this.gateway = new Gateway(network.connect('host'), clock, trace, {
      mac: GATEWAY_MAC,
      ip: GATEWAY_IP,
      netmask: netmask(24),
      dhcp: {
        first: parseIpv4('10.0.0.100', 'test'),
        last: parseIpv4(last, 'test'),
        leaseSeconds: 600,
        domainName: 'synth.test',
      },
    });
    this.port = network.connect('station');
    this.port.receiver = {
      frame: (bytes, start, length) =>
        this.heard.push(new Uint8Array(bytes.slice(start, start + length))),
      framesEnd: () => {},
      linkChanged: () => {},
    };
  }

  say(bytes: readonly number[]): Bytes | undefined {
    this.heard.length = 0;
    this.port.send(Uint8Array.from(bytes), 0, bytes.length);
    while (this.events.runNext());
    return this.heard[0];
  }

  wait(ns: number): void {
    this.events.after(ns, () => {});
    while (this.events.runNext());
  }

  ipv4(
    protocol: number,
    from: string,
    to: string,
    payload: readonly number[],
    mac = 5,
    destination: readonly number[] = [...GATEWAY_MAC],
  ): Bytes | undefined {
    const source = [...hypervMac(mac)];
    const header = [0x45, 0, ...be16(20 + payload.length), 0, 0, 0, 0, 64, protocol, 0, 0];
    header.push(...be32(parseIpv4(from, 'test')), ...be32(parseIpv4(to, 'test')));
    header.splice(10, 2, ...be16(~plainSum(header) & 0xffff));
    return this.say([...destination, ...source, 8, 0, ...header, ...payload]);
  }

  /** @param options code, length and value of each */
  dhcp(
    options: readonly number[],
    client: { readonly mac?: number; readonly ip?: string; readonly flags?: number } = {},
  ): Answer | undefined {
    const mac = client.mac ?? 5;
    const from = client.ip ?? '0.0.0.0';
    const message = [
      1,
      1,
      6,
      0,
      ...be32(0x1234_5678),
      0,
      0,
      ...be16(client.flags ?? 0),
      ...be32(parseIpv4(from, 'test')),
      ...new Array<number>(12).fill(0),
      ...hypervMac(mac),
      ...new Array<number>(10 + 192).fill(0),
      ...be32(0x6382_5363),
      ...options,
      255,
    ];
    const udp = [...be16(68), ...be16(67), ...be16(8 + message.length), 0, 0, ...message];
    const answer = this.ipv4(17, from, '255.255.255.255', udp, mac, ALL);
    if (answer === undefined) return undefined;
    const view = new DataView(answer.buffer);
    expect(view.getUint32(42 + 4)).toBe(0x1234_5678);
    const found = parseOptions(answer, 42 + 240, answer.length);
    return {
      type: found.get(53)![0]!,
      yourIp: ipv4Text(view.getUint32(42 + 16)),
      to: macText(answer),
      toIp: ipv4Text(view.getUint32(30)),
      options: found,
    };
  }

  lease(mac: number): string {
    const offer = this.dhcp([53, 1, 1], { mac })!;
    const server = [54, 4, ...be32(GATEWAY_IP)];
    const asked = [50, 4, ...be32(parseIpv4(offer.yourIp, 'test'))];
    const answer = this.dhcp([53, 1, 3, ...server, ...asked], { mac })!;
    expect(answer.type).toBe(5);
    return answer.yourIp;
  }
}

function request(ip: string, serverIp = ''): number[] {
  const server = serverIp === '' ? [] : [54, 4, ...be32(parseIpv4(serverIp, 'test'))];
  return [53, 1, 3, ...server, 50, 4, ...be32(parseIpv4(ip, 'test'))];
}

describe('ARP and echo', () => {
  const arp = (target: string): number[] => [
    ...ALL,
    ...hypervMac(5),
    8,
    6,
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    1,
    ...hypervMac(5),
    ...be32(parseIpv4('10.0.0.7', 'test')),
    0,
    0,
    0,
    0,
    0,
    0,
    ...be32(parseIpv4(target, 'test')),
  ];

  it('answers for its own address only', () => {
    const bed = new Bed();
    const answer = bed.say(arp('10.0.0.1'))!;
    expect(Array.from(answer.slice(0, 42))).toEqual([
      ...hypervMac(5),
      ...GATEWAY_MAC,
      8,
      6,
      0,
      1,
      8,
      0,
      6,
      4,
      0,
      2,
      ...GATEWAY_MAC,
      10,
      0,
      0,
      1,
      ...hypervMac(5),
      10,
      0,
      0,
      7,
    ]);
    expect(bed.say(arp('10.0.0.2'))).toBeUndefined();
    expect(bed.say(arp('10.0.0.1').slice(0, 30))).toBeUndefined();
  });

  it('echoes ICMP with the same data, and drops what has a bad checksum', () => {
    const bed = new Bed();
    const data = Array.from({ length: 57 }, (_, index) => index);
    const icmp = [8, 0, 0, 0, 0, 9, 0, 1, ...data];
    icmp.splice(2, 2, ...be16(~plainSum(icmp) & 0xffff));
    const answer = bed.ipv4(1, '10.0.0.7', '10.0.0.1', icmp)!;
    expect(Array.from(answer.slice(26, 34))).toEqual([10, 0, 0, 1, 10, 0, 0, 7]);
    expect(plainSum(Array.from(answer.slice(14, 34)))).toBe(0xffff);
    expect(plainSum(Array.from(answer.slice(34)))).toBe(0xffff);
    expect([answer[34], ...answer.slice(38)]).toEqual([0, 0, 9, 0, 1, ...data]);
    icmp[12] = 99;
    expect(bed.ipv4(1, '10.0.0.7', '10.0.0.1', icmp)).toBeUndefined();
    expect(bed.port.counters.badIcmpIn).toBe(1);
  });
});

describe('DHCP', () => {
  it('DISCOVER, OFFER, REQUEST, ACK, with every option a client needs', () => {
    const bed = new Bed();
    const offer = bed.dhcp([53, 1, 1])!;
    expect(offer).toMatchObject({ type: 2, yourIp: '10.0.0.100', toIp: '10.0.0.100' });
    expect(offer.to).toBe(macText(hypervMac(5)));
    const answer = bed.dhcp(request('10.0.0.100', '10.0.0.1'))!;
    expect(answer).toMatchObject({ type: 5, yourIp: '10.0.0.100' });
    const option = (code: number): number[] => [...(answer.options.get(code) ?? [])];
    expect(option(1)).toEqual([255, 255, 255, 0]);
    expect(option(3)).toEqual([10, 0, 0, 1]);
    expect(option(6)).toEqual([10, 0, 0, 1]);
    expect(option(15)).toEqual([...new TextEncoder().encode('synth.test')]);
    expect(option(51)).toEqual(be32(600));
    expect(option(54)).toEqual([10, 0, 0, 1]);
    expect(option(58)).toEqual(be32(300));
    expect(option(59)).toEqual(be32(525));
    expect(bed.gateway.dhcp!.leases).toMatchObject([{ address: GATEWAY_IP + 99, isBound: true }]);
  });

  it('answers to all where the client says that it cannot hear otherwise', () => {
    const answer = new Bed().dhcp([53, 1, 1], { flags: 0x8000 })!;
    expect(answer).toMatchObject({ to: 'ff:ff:ff:ff:ff:ff', toIp: '255.255.255.255' });
  });

  it('clients get addresses of their own, keep them, and find them again', () => {
    const bed = new Bed();
    expect([bed.lease(5), bed.lease(6), bed.lease(5)]).toEqual([
      '10.0.0.100',
      '10.0.0.101',
      '10.0.0.100',
    ]);
    bed.wait(700 * SECOND_NS);
    expect(bed.gateway.dhcp!.leases).toEqual([]);
    expect(bed.lease(6)).toBe('10.0.0.101');
    // Renewal comes from the address itself and names no server.
    const renewed = bed.dhcp([53, 1, 3], { mac: 6, ip: '10.0.0.101' });
    expect(renewed).toMatchObject({ type: 5, yourIp: '10.0.0.101' });
  });

  it('refuses an address that is not the client’s, and is silent where another server speaks', () => {
    const bed = new Bed();
    bed.lease(5);
    expect(bed.dhcp(request('10.0.0.102', '10.0.0.1'))).toMatchObject({
      type: 6,
      yourIp: '0.0.0.0',
    });
    expect(bed.dhcp(request('192.168.7.7'))).toMatchObject({ type: 6 });
    expect(bed.dhcp(request('10.0.0.50'), { mac: 9 })).toBeUndefined();
    bed.dhcp([53, 1, 1], { mac: 9 });
    expect(bed.dhcp(request('10.0.0.101', '10.0.0.9'), { mac: 9 })).toBeUndefined();
  });

  it('has an end: no offer when all are taken, and released or declined ones count', () => {
    const bed = new Bed('10.0.0.101');
    bed.lease(5);
    bed.lease(6);
    expect(bed.dhcp([53, 1, 1], { mac: 7 })).toBeUndefined();
    bed.dhcp([53, 1, 7], { mac: 5, ip: '10.0.0.100' });
    expect(bed.lease(7)).toBe('10.0.0.100');
    bed.dhcp([53, 1, 4, 50, 4, ...be32(parseIpv4('10.0.0.101', 'test'))], { mac: 6 });
    expect(bed.dhcp([53, 1, 1], { mac: 6 })).toBeUndefined();
    bed.wait(601 * SECOND_NS);
    expect(bed.dhcp([53, 1, 1], { mac: 6 })).toMatchObject({ type: 2 });
  });

  it('INFORM gets settings and no lease', () => {
    const bed = new Bed();
    const answer = bed.dhcp([53, 1, 8], { ip: '10.0.0.50' })!;
    expect(answer).toMatchObject({ type: 5, yourIp: '0.0.0.0', toIp: '10.0.0.50' });
    expect(answer.options.has(51)).toBe(false);
    expect(bed.gateway.dhcp!.leases).toEqual([]);
  });

  it('ignores what is cut off or no request', () => {
    const bed = new Bed();
    for (const options of [[], [53], [53, 9, 1], [53, 1], [53, 1, 2], [53, 1, 77]]) {
      expect(bed.dhcp(options)).toBeUndefined();
    }
    expect(parseOptions(Uint8Array.of(0, 0, 12, 1, 65, 12, 1, 66, 255), 0, 9)).toEqual(
      new Map([[12, Uint8Array.of(65, 66)]]),
    );
  });
});

describe('addresses in text', () => {
  it('read as written', () => {
    expect(macText(hypervMac(0x12_3456))).toBe('00:15:5d:12:34:56');
    expect(parseMac('00-15-5D-12-34-56', 'x')).toEqual(hypervMac(0x12_3456));
    expect(ipv4Text(parseIpv4('192.168.255.1', 'x'))).toBe('192.168.255.1');
    expect([netmask(0), netmask(8), netmask(32)]).toEqual([0, 0xff00_0000, 0xffff_ffff]);
  });

  it.each(['1.2.3', '1.2.3.256', 'a.b.c.d', ''])('"%s" is no IPv4 address', (text) => {
    expect(() => parseIpv4(text, '--ip')).toThrow(InputError);
  });

  it.each(['00:15:5d:01:02', '00:15:5d:01:02:0g', ''])('"%s" is no MAC address', (text) => {
    expect(() => parseMac(text, '--mac')).toThrow(InputError);
  });
});
