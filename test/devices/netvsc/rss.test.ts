import { describe, expect, it } from 'vitest';
import { ReceiveScaling, ToeplitzHash } from '../../../src/devices/netvsc/rss.ts';
import { NdisHash, Oid } from '../../../src/devices/netvsc/spec/oids.ts';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import { wordsOf } from '../../../src/core/words.ts';
import { inspectFrame } from '../../../src/net/inspect.ts';
import { VmbusVersion } from '../../../src/vmbus/spec/versions.ts';
import { hex, ipFrame } from '../../net/frames.ts';
import {
  GUEST_MAC,
  join,
  NetvscGuest,
  nvsp,
  rndis,
  rndisPacket,
  u32s,
} from '../support/netvsc-guest.ts';

/** Microsoft, "Verifying the RSS Hash Calculation". */
const KEY = hex('6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa');

type Vector = readonly [
  to: string,
  toPort: number,
  from: string,
  fromPort: number,
  plain: number,
  tcp: number,
];

const IPV4_VECTORS: readonly Vector[] = [
  ['161.142.100.80', 1766, '66.9.149.187', 2794, 0x323e_8fc2, 0x51cc_c178],
  ['65.69.140.83', 4739, '199.92.111.2', 14_230, 0xd718_262a, 0xc626_b0ea],
  ['12.22.207.184', 38_024, '24.19.198.95', 12_898, 0xd2d0_a5de, 0x5c2b_394a],
  ['209.142.163.6', 2217, '38.27.205.30', 48_228, 0x8298_9176, 0xafc7_327f],
  ['202.188.127.2', 1303, '153.39.163.191', 44_251, 0x5d18_09c5, 0x10e8_28a2],
];

const IPV6_VECTORS: readonly Vector[] = [
  ['3ffe:2501:200:3:0:0:0:1', 1766, '3ffe:2501:200:1fff:0:0:0:7', 2794, 0x2cc1_8cd5, 0x4020_7d3d],
  ['ff02:0:0:0:0:0:0:1', 4739, '3ffe:501:8:0:260:97ff:fe40:efab', 14_230, 0x0f0c_461c, 0xdde5_1bbf],
  [
    'fe80:0:0:0:200:f8ff:fe21:67cf',
    38_024,
    '3ffe:1900:4545:3:200:f8ff:fe21:67cf',
    44_251,
    0x4b61_e985,
    0x02d1_feef,
  ],
];

function address(text: string): number[] {
  if (text.includes('.')) return text.split('.').map(Number);
  return text.split(':').flatMap((part) => {
    const value = Number.parseInt(part, 16);
    return [value >>> 8, value & 255];
  });
}

function frameOf(
  [to, toPort, from, fromPort]: Vector,
  protocol: 'tcp' | 'udp' = 'tcp',
): Uint8Array {
  const ends = { to: address(to), from: address(from), toPort, fromPort };
  return ipFrame({ ...ends, protocol, destination: [...GUEST_MAC] });
}

function hashOf(information: number, frame: Uint8Array): readonly [hash: number, type: number] {
  const scaling = new ReceiveScaling(KEY, information, ReceiveScaling.spread([0]));
  const facts = inspectFrame(frame, wordsOf(frame), 0, frame.length);
  const hash = scaling.hash(frame, 0, facts);
  return [hash, scaling.hashType];
}

describe('the Toeplitz hash', () => {
  const { toeplitz, ipv4, tcpIpv4, ipv6, tcpIpv6, udpIpv4, udpIpv6 } = NdisHash;

  it.each(IPV4_VECTORS)('IPv4 %s:%i from %s:%i', (...vector) => {
    const [, , , , plain, tcp] = vector;
    expect(hashOf(toeplitz | ipv4, frameOf(vector))).toEqual([plain, ipv4]);
    expect(hashOf(toeplitz | ipv4 | tcpIpv4, frameOf(vector))).toEqual([tcp, tcpIpv4]);
    expect(hashOf(toeplitz | ipv4 | tcpIpv4, frameOf(vector, 'udp'))).toEqual([plain, ipv4]);
    expect(hashOf(toeplitz | udpIpv4, frameOf(vector, 'udp'))).toEqual([tcp, udpIpv4]);
  });

  it.each(IPV6_VECTORS)('IPv6 %s:%i from %s:%i', (...vector) => {
    const [, , , , plain, tcp] = vector;
    expect(hashOf(toeplitz | ipv6, frameOf(vector))).toEqual([plain, ipv6]);
    expect(hashOf(toeplitz | ipv6 | tcpIpv6, frameOf(vector))).toEqual([tcp, tcpIpv6]);
    expect(hashOf(toeplitz | udpIpv6, frameOf(vector, 'udp'))).toEqual([tcp, udpIpv6]);
  });

  it('other frames have none', () => {
    expect(hashOf(toeplitz | tcpIpv6, frameOf(IPV4_VECTORS[0]!))).toEqual([0, 0]);
    expect(hashOf(toeplitz | tcpIpv4, frameOf(IPV4_VECTORS[0]!, 'udp'))).toEqual([0, 0]);
    expect(hashOf(toeplitz | ipv4, new Uint8Array(60))).toEqual([0, 0]);
  });

  it('needs a key of 40 bytes', () => {
    expect(() => new ToeplitzHash(new Uint8Array(39))).toThrow('39 bytes');
  });
});

function parameters(
  table: readonly number[],
  changes: { flags?: number; hash?: number; keyBytes?: number; tableBytes?: number } = {},
): Uint8Array {
  const header = new Uint8Array(40);
  const view = new DataView(header.buffer);
  header.set([0x89, 2, 40, 0]);
  view.setUint16(4, changes.flags ?? 0, true);
  view.setUint32(8, changes.hash ?? NdisHash.toeplitz | NdisHash.ipv4 | NdisHash.tcpIpv4, true);
  view.setUint16(12, changes.tableBytes ?? table.length * 4, true);
  view.setUint32(16, 80, true);
  view.setUint16(20, changes.keyBytes ?? 40, true);
  view.setUint32(24, 40, true);
  return join(header, KEY, u32s(...table));
}

const SCALE = Oid.is.receiveScaleParameters;
const INVALID_DATA = 0xc001_0015;

describe('sub-channels and steering', () => {
  it('are granted once, offered after the answer, and then come with a send table', () => {
    const net = new NetvscGuest().start();
    const answer = net.addChannels(3);
    expect([
      answer.getUint32(0, true),
      answer.getUint32(4, true),
      answer.getUint32(8, true),
    ]).toEqual([133, 1, 3]);
    expect(net.guest.offers.map((it) => it.subChannelIndex)).toEqual([1, 2, 3]);
    expect(net.inBand.length).toBe(1);
    const { payload, view } = net.inBand[0]!;
    expect(payload.length).toBe(104);
    expect([view.getUint32(0, true), view.getUint32(4, true), view.getUint32(8, true)]).toEqual([
      134, 16, 40,
    ]);
    const table = Array.from({ length: 16 }, (_, index) => view.getUint32(40 + index * 4, true));
    expect(table).toEqual([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    expect(net.ask(nvsp(133, 1, 1))!.getUint32(4, true)).toBe(2);
  });

  it('are refused beyond the maximum, before the buffers, below NVSP 5 and VMBus 2.4', () => {
    const status = (net: NetvscGuest, operation: number, count: number): number =>
      net.ask(nvsp(133, operation, count))!.getUint32(4, true);
    const net = new NetvscGuest({ profile: { maxSubChannels: 2 } }).start();
    expect(status(net, 1, 3)).toBe(2);
    expect(status(net, 1, 0xffff_ffff)).toBe(2);
    expect(status(net, 0, 1)).toBe(2);
    expect(status(net, 1, 0)).toBe(1);
    const early = new NetvscGuest();
    early.ask(nvsp(1, NvspVersion.v5, NvspVersion.v5));
    expect(status(early, 1, 1)).toBe(2);
    const old = new NetvscGuest({ vmbusVersion: VmbusVersion.win7 }).start();
    expect(status(old, 1, 1)).toBe(2);
    expect(old.guest.offers.length).toBe(1);
  });

  it('every flow goes to the channel that its hash and the table name, with the hash beside it', () => {
    const net = new NetvscGuest().start();
    net.addChannels(3);
    const table = Array.from({ length: 128 }, (_, index) => index % 4);
    expect(net.set(SCALE, parameters(table))).toBe(0);
    for (let flow = 0; flow < 64; flow += 1) {
      net.link.deliver(ipFrame({ destination: [...GUEST_MAC], fromPort: 10_000 + flow }));
    }
    net.run();
    expect(net.frames.length).toBe(64);
    for (const frame of net.frames) {
      const [hash, type] = hashOf(NdisHash.toeplitz | NdisHash.tcpIpv4, frame.bytes);
      expect(frame.info.get(8)).toBe(hash);
      expect(frame.info.get(9)).toBe(type);
      expect(frame.channelIndex).toBe((hash & 127) % 4);
    }
    expect(new Set(net.frames.map((it) => it.channelIndex)).size).toBe(4);
  });

  it('before the parameters, after "disable", and for frames without hash: the primary channel', () => {
    const net = new NetvscGuest({ profile: { rxHashPpi: false } }).start();
    net.addChannels(1);
    const channels = (frame: Uint8Array): number[] => {
      net.frames.length = 0;
      net.link.deliver(frame);
      net.run();
      expect(net.frames[0]!.info.has(8)).toBe(false);
      return net.frames.map((it) => it.channelIndex);
    };
    const frame = ipFrame({ destination: [...GUEST_MAC] });
    expect(channels(frame)).toEqual([0]);
    net.set(SCALE, parameters([1]));
    expect(channels(frame)).toEqual([1]);
    expect(channels(Uint8Array.from([...GUEST_MAC, ...new Array<number>(60).fill(0)]))).toEqual([
      0,
    ]);
    net.set(SCALE, parameters([1], { flags: 0x10 }));
    expect(channels(frame)).toEqual([0]);
    // A table may name a channel that is not open.
    net.set(SCALE, parameters([5]));
    expect(channels(frame)).toEqual([0]);
  });

  it('parameters that make no sense are invalid, and parts may stay as they are', () => {
    const net = new NetvscGuest().start();
    net.addChannels(1);
    expect(net.set(SCALE, parameters([9]))).toBe(INVALID_DATA);
    expect(net.set(SCALE, parameters([0], { keyBytes: 39 }))).toBe(INVALID_DATA);
    expect(net.set(SCALE, parameters([0], { tableBytes: 3 }))).toBe(INVALID_DATA);
    expect(net.set(SCALE, parameters([0], { tableBytes: 400 }))).toBe(INVALID_DATA);
    expect(net.set(SCALE, parameters([]))).toBe(INVALID_DATA);
    expect(net.set(SCALE, new Uint8Array(10).fill(1))).toBe(INVALID_DATA);
    expect(net.set(SCALE, parameters([1]))).toBe(0);
    // Table and key unchanged: only the hash information is looked at.
    const partial = parameters([], { flags: 0x0c, hash: NdisHash.toeplitz | NdisHash.ipv4 });
    expect(net.set(SCALE, partial.slice(0, 40))).toBe(0);
    net.link.deliver(ipFrame({ destination: [...GUEST_MAC] }));
    net.run();
    expect([net.frames[0]!.channelIndex, net.frames[0]!.info.get(9)]).toEqual([1, NdisHash.ipv4]);
  });

  it('a sub-channel sends frames, but no control messages', () => {
    const net = new NetvscGuest().start();
    net.addChannels(1);
    const sub = net.channels[1]!;
    const frame = ipFrame();
    expect(net.sendSection(rndisPacket(frame), 0, 3, sub)).toBe(1);
    expect(net.link.sent).toEqual([frame]);
    expect(net.sendSection(rndis(8, u32s(1)), 1, 3, sub)).toBe(2);
    expect(net.ask(nvsp(103, 0xcafe), sub)!.getUint32(0, true)).toBe(0);
    net.link.deliver(ipFrame({ destination: [...GUEST_MAC] }));
    net.run();
    expect(net.frames.length).toBe(1);
  });

  it('a sub-channel that closes gives its sections back, and its flows go to the primary', () => {
    const net = new NetvscGuest().start();
    net.addChannels(1);
    net.set(SCALE, parameters([1]));
    net.releases = false;
    const data = net.sectionCount - 16;
    const frame = ipFrame({ destination: [...GUEST_MAC] });
    for (let index = 0; index < data + 5; index += 1) net.link.deliver(frame);
    net.run();
    expect(net.frames.length).toBe(data);
    net.channels[1]!.close();
    net.channels.length = 1;
    net.frames.length = 0;
    net.link.deliver(...Array.from({ length: 100 }, () => frame));
    net.run();
    expect(net.frames.map((it) => it.channelIndex)).toEqual(new Array<number>(100).fill(0));
    net.channel.close();
    expect(net.adapter.version).toBe(0);
  });
});
