import { describe, expect, it } from 'vitest';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import {
  be16,
  HOST_A,
  HOST_B,
  ipFrame,
  plainSum,
  tagged,
  wrongChecksum,
} from '../../net/frames.ts';
import {
  GUEST_MAC,
  type Info,
  join,
  NetvscGuest,
  nvsp,
  rndis,
  rndisPacket,
  u32s,
} from '../support/netvsc-guest.ts';

const IPV6 = {
  from: [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
  to: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
};
const CHECKSUM = 0;
const LARGE_SEND = 2;
const VLAN = 6;
const IPV4 = 1;
const TCP = 4;
const UDP = 8;
const HEADER = 16;
const payload = (length: number): number[] =>
  Array.from({ length }, (_, index) => (index * 7) & 255);

/** Sends one frame with information. @returns what went out, and the status */
function send(
  frame: Uint8Array,
  info: readonly Info[],
  net = new NetvscGuest().start(),
): { status: number; sent: Uint8Array[] } {
  net.link.sent.length = 0;
  return { status: net.sendSection(rndisPacket(frame, info)), sent: net.link.sent };
}

describe('transmission', () => {
  it('from a section, in pages named by the packet, in both, and cut anywhere', () => {
    const net = new NetvscGuest().start();
    const frame = ipFrame({ payload: payload(1400) });
    const message = rndisPacket(frame, [[99, 5]]);
    expect(net.sendSection(message)).toBe(1);
    expect(net.sendDirect(message)).toBe(1);
    expect(net.sendDirect(message, [60])).toBe(1);
    // The header itself may be cut, and pages may begin anywhere.
    expect(net.sendDirect(message, [3, 44, 47, 300], 4097)).toBe(1);
    expect(net.link.sent).toEqual([frame, frame, frame, frame]);
    // The first part in a section, the rest in pages.
    net.guest.memory.writeBytes(net.sendGpa + 6144, message.slice(0, 100));
    const gpa = net.guest.allocate(4096);
    net.guest.memory.writeBytes(gpa, message.slice(100));
    const range = { gpa, bytes: message.length - 100 };
    net.channel.sendGpaDirect(nvsp(107, 0, 1, 100), [range], { transaction: 5 });
    net.run();
    expect(net.completions.at(-1)).toMatchObject({ transactionLo: 5 });
    expect(net.link.sent.at(-1)).toEqual(frame);
  });

  it('a tag beside the frame goes into it, priority and drop bit too', () => {
    const frame = ipFrame();
    const { sent } = send(frame, [[VLAN, (100 << 4) | 8 | 4]]);
    expect(sent).toEqual([tagged(frame, 0x9064)]);
    expect(send(frame, [[VLAN, (100 << 4) | 3]]).sent).toEqual([tagged(frame, 0x6064)]);
  });

  it('several messages in one packet are several frames', () => {
    const net = new NetvscGuest().start();
    const frames = [1, 2, 3].map((index) => ipFrame({ payload: payload(index * 40) }));
    expect(net.sendSection(join(...frames.map((frame) => rndisPacket(frame))))).toBe(1);
    expect(net.link.sent).toEqual(frames);
    expect(net.adapter.statistics.directedFramesTransmitted).toBe(3);
  });

  it('a packet that wants no completion gets none', () => {
    const net = new NetvscGuest().start();
    net.guest.memory.writeBytes(net.sendGpa, rndisPacket(ipFrame()));
    net.channel.send(nvsp(107, 0, 0, rndisPacket(ipFrame()).length));
    net.run();
    expect([net.link.sent.length, net.completions.length]).toEqual([1, 0]);
  });

  it('counts directed, multicast and broadcast', () => {
    const net = new NetvscGuest().start();
    for (const destination of [HOST_B, [1, 0, 0x5e, 0, 0, 1], [255, 255, 255, 255, 255, 255]]) {
      net.sendSection(rndisPacket(ipFrame({ destination })));
    }
    const { statistics } = net.adapter;
    expect(statistics).toMatchObject({
      directedFramesTransmitted: 1,
      multicastFramesTransmitted: 1,
      broadcastFramesTransmitted: 1,
      broadcastBytesTransmitted: 59,
    });
    expect(net.query(0x0002_0101).info).toEqual(u32s(3));
    expect(net.query(0x0002_021a).info).toEqual(u32s(177, 0));
  });

  it('what is wrong fails with "invalid RNDIS packet" and sends nothing of itself', () => {
    const net = new NetvscGuest().start();
    const frame = ipFrame();
    const good = rndisPacket(frame, [[CHECKSUM, 0]]);
    const change = (word: number, value: number): Uint8Array => {
      const bytes = good.slice();
      new DataView(bytes.buffer).setUint32(word * 4, value, true);
      return bytes;
    };
    const wrong: readonly Uint8Array[] = [
      change(1, 0),
      change(1, 7),
      change(1, good.length + 1),
      change(1, 0xffff_ffff),
      change(2, good.length),
      change(2, 0xffff_fff8),
      change(3, 0),
      change(3, 13),
      change(3, frame.length + 1),
      change(3, 0xffff_ffff),
      change(4, 1),
      change(5, 1),
      change(6, 1),
      change(7, good.length - 8 - 15),
      change(7, 0xffff_fff0),
      change(8, 17),
      change(8, 0xffff_fff0),
      change(9, 1),
      change(11, 0),
      change(11, 11),
      change(11, 17),
      change(13, 13),
      change(13, 0xffff_ffff),
      rndis(1, new Uint8Array(20)),
      join(good.slice(0, 8)),
    ];
    for (const [index, message] of wrong.entries()) {
      expect([index, net.sendSection(message)]).toEqual([index, 5]);
    }
    expect(net.link.sent).toEqual([]);
    expect(net.adapter.statistics.transmitErrors).toBe(wrong.length);
    expect(net.sendSection(join(good, rndis(4, u32s(1, 2, 3, 4, 5))))).toBe(5);
    expect(net.sendSection(good)).toBe(1);
  });

  it('information outside its own message is not taken', () => {
    const net = new NetvscGuest().start();
    const plain = rndisPacket(ipFrame());
    const second = rndisPacket(ipFrame(), [[VLAN, 5 << 4]]);
    const view = new DataView(plain.buffer);
    view.setUint32(28, plain.length - 8 + 44, true);
    view.setUint32(32, 16, true);
    expect(net.sendSection(join(plain, second))).toBe(5);
    expect(net.link.sent).toEqual([]);
  });

  it('a message of more pages than the host takes is refused', () => {
    const net = new NetvscGuest().start();
    const gpa = net.guest.allocate(36 * 4096);
    const message = rndisPacket(ipFrame());
    new DataView(message.buffer).setUint32(4, 35 * 4096, true);
    net.guest.memory.writeBytes(gpa, message);
    net.channel.sendGpaDirect(nvsp(107, 0, 0xffff_ffff, 0), [{ gpa, bytes: 35 * 4096 }], {
      transaction: 8,
    });
    net.run();
    expect(net.completions.at(-1)!.view.getUint32(4, true)).toBe(5);
    expect(net.link.sent).toEqual([]);
  });
});

describe('checksum offload', () => {
  it.each([
    ['TCP', {}, IPV4 | TCP],
    ['TCP, told where its header is', {}, IPV4 | TCP | (34 << 16)],
    ['UDP', { protocol: 'udp' }, IPV4 | UDP],
    ['TCP over IPv6', IPV6, 2 | TCP | (54 << 16)],
    ['UDP over IPv6', { ...IPV6, protocol: 'udp' }, 2 | UDP],
    ['odd lengths', { payload: payload(333) }, IPV4 | TCP],
  ] as const)('%s: a seed becomes the checksum', (_name, spec, word) => {
    const { status, sent } = send(ipFrame({ ...spec, checksum: 'seed' }), [[CHECKSUM, word]]);
    expect(status).toBe(1);
    expect(sent).toEqual([ipFrame(spec)]);
    expect(wrongChecksum(sent[0]!)).toBe('');
  });

  it('the IPv4 header’s is made anew', () => {
    const frame = ipFrame();
    frame[24] = 0x55;
    expect(send(frame, [[CHECKSUM, IPV4 | HEADER]]).sent).toEqual([ipFrame()]);
  });

  it('a finished checksum comes out as the folded sum of the pseudo header', () => {
    // PR 203630: what a router forwards with the offload asked for by mistake.
    const frame = ipFrame({ payload: payload(50) });
    const { sent } = send(frame, [[CHECKSUM, IPV4 | TCP]]);
    const tcpBytes = frame.length - 34;
    const pseudo = plainSum([...frame.slice(26, 34), 0, 6, ...be16(tcpBytes)]);
    expect([sent[0]![50], sent[0]![51]]).toEqual(be16(pseudo));
    expect(wrongChecksum(sent[0]!)).toBe('transport');
    expect(send(frame, []).sent).toEqual([frame]);
  });

  it('a sum of zero is sent as ones in UDP', () => {
    // A payload word that makes the sum all ones.
    const plain = ipFrame({ protocol: 'udp', payload: [0, 0] });
    const sum = plain[40]! * 256 + plain[41]!;
    const frame = ipFrame({ protocol: 'udp', payload: be16(sum), checksum: 'seed' });
    const { sent } = send(frame, [[CHECKSUM, IPV4 | UDP]]);
    expect([sent[0]![40], sent[0]![41]]).toEqual([0xff, 0xff]);
    expect(wrongChecksum(sent[0]!)).toBe('');
  });

  it('a host may get UDP wrong', () => {
    const net = new NetvscGuest({ profile: { breaksUdpChecksum: true } }).start();
    const udp = ipFrame({ protocol: 'udp', checksum: 'seed' });
    expect(wrongChecksum(send(udp, [[CHECKSUM, IPV4 | UDP]], net).sent[0]!)).toBe('transport');
    const tcp = ipFrame({ checksum: 'seed' });
    expect(wrongChecksum(send(tcp, [[CHECKSUM, IPV4 | TCP]], net).sent[0]!)).toBe('');
  });

  it('a header offset that cannot be fails the packet', () => {
    for (const offset of [1, 13, 33, 200, 1023]) {
      const { status, sent } = send(ipFrame({ checksum: 'seed' }), [
        [CHECKSUM, IPV4 | TCP | (offset << 16)],
      ]);
      expect([offset, status, sent.length]).toEqual([offset, 5, 0]);
    }
  });

  it('headers that lie are not followed beyond the frame', () => {
    for (const change of [
      [14, 0x4f],
      [14, 0x40],
      [16, 0xff],
    ] as const) {
      const frame = ipFrame({ checksum: 'seed' });
      frame[change[0]] = change[1];
      const { sent } = send(frame, [[CHECKSUM, IPV4 | TCP | HEADER]]);
      for (const out of sent) expect(out.length).toBe(frame.length);
    }
  });
});

describe('large send offload', () => {
  function segments(
    spec: Parameters<typeof ipFrame>[0],
    mss: number,
    info: readonly Info[] = [],
  ): Uint8Array[] {
    const frame = ipFrame({ ...spec, checksum: 0 });
    const isIpv6 = frame[12] === 0x86;
    const offset = isIpv6 ? 54 : 34;
    const word = (mss | (offset << 20) | (isIpv6 ? 0x8000_0000 : 0)) >>> 0;
    const net = new NetvscGuest().start();
    const message = rndisPacket(frame, [...info, [LARGE_SEND, word]]);
    expect(net.sendDirect(message, [200], 5000)).toBe(1);
    return net.link.sent;
  }

  it.each([
    ['IPv4', {}],
    ['IPv4 with TCP options', { options: 3 }],
    ['IPv6', IPV6],
  ] as const)('%s: many segments with sound headers carry the same data', (_name, spec) => {
    const data = payload(10_000);
    const sent = segments({ ...spec, payload: data, flags: 0x99 }, 1448);
    const header = 54 + ('options' in spec ? 12 : 0) + ('from' in spec ? 20 : 0);
    const tcp = 'from' in spec ? 54 : 34;
    expect(sent.length).toBe(Math.ceil(10_000 / 1448));
    expect(sent.map(wrongChecksum)).toEqual(sent.map(() => ''));
    expect(sent.flatMap((it) => Array.from(it.slice(header)))).toEqual(data);
    const view = (frame: Uint8Array): DataView => new DataView(frame.buffer);
    const first = view(sent[0]!).getUint32(tcp + 4);
    for (const [index, frame] of sent.entries()) {
      const isLast = index === sent.length - 1;
      expect(view(frame).getUint32(tcp + 4)).toBe(first + index * 1448);
      // CWR in the first only, FIN and PSH in the last only.
      const expected = 0x10 | (index === 0 ? 0x80 : 0) | (isLast ? 0x09 : 0);
      expect(frame[tcp + 13]).toBe(expected);
      if (tcp === 34) expect(view(frame).getUint16(18)).toBe(1 + index);
    }
  });

  it('segments are tagged like any frame', () => {
    const sent = segments({ payload: payload(3000) }, 1460, [[VLAN, (10 << 4) | 3]]);
    expect(sent.length).toBe(3);
    for (const frame of sent)
      expect(Array.from(frame.slice(12, 18))).toEqual([0x81, 0, 0x60, 10, 8, 0]);
  });

  it('sizes that cannot be fail the packet', () => {
    const net = new NetvscGuest().start();
    const frame = ipFrame({ payload: payload(4000), checksum: 0 });
    for (const word of [
      34 << 20,
      (34 << 20) | 3,
      (34 << 20) | 0xf_ffff | 0,
      (33 << 20) | 1460,
      (600 << 20) | 1460,
    ]) {
      const status = net.sendDirect(rndisPacket(frame, [[LARGE_SEND, word >>> 0]]));
      const fits = (word & 0xf_ffff) >= 4000;
      expect([word, status]).toEqual([word, fits ? 1 : 5]);
    }
    const short = frame.slice();
    short[46] = 0x40;
    expect(net.sendDirect(rndisPacket(short, [[LARGE_SEND, (34 << 20) | 1460]]))).toBe(5);
  });
});

describe('reception', () => {
  const toGuest = { destination: [...GUEST_MAC], source: [...HOST_B] };

  it('frames of a moment come in one packet, each as one RNDIS message', () => {
    const net = new NetvscGuest().start();
    const frames = [0, 1, 500, 1460].map((length) =>
      ipFrame({ ...toGuest, payload: payload(length) }),
    );
    const before = net.channel.reader.availableBytes;
    net.link.deliver(...frames);
    expect(before).toBe(0);
    net.run();
    expect(net.frames.map((it) => it.bytes)).toEqual(frames);
    expect(new Set(net.frames.map((it) => it.transaction)).size).toBe(1);
    expect(net.adapter.statistics.directedFramesReceived).toBe(4);
  });

  it.each([
    ['windows', 0x28, 0x28, 0x01, 0x02],
    ['exact', 0x28, 0x30, 0x01, 0x02],
  ] as const)('%s: says how checksums came out', (rxCsumPpi, tcp, udp, badTcp, badUdp) => {
    const net = new NetvscGuest({ profile: { rxCsumPpi } }).start();
    const badHeader = ipFrame(toGuest);
    badHeader[25] = badHeader[25]! ^ 0x10;
    net.link.deliver(
      ipFrame(toGuest),
      ipFrame({ ...toGuest, protocol: 'udp' }),
      ipFrame({ ...toGuest, checksum: 1 }),
      ipFrame({ ...toGuest, protocol: 'udp', checksum: 1 }),
      ipFrame({ ...toGuest, ...IPV6 }),
      badHeader,
      Uint8Array.from([...GUEST_MAC, ...HOST_B, 8, 6, ...new Array<number>(46).fill(0)]),
    );
    net.run();
    expect(net.frames.map((it) => it.info.get(CHECKSUM))).toEqual([
      tcp,
      udp,
      0x20 | badTcp,
      0x20 | badUdp,
      0x08,
      0x0c,
      undefined,
    ]);
  });

  it('says nothing where the host does not, or the guest switched it off', () => {
    const silent = new NetvscGuest({ profile: { rxCsumPpi: 'off' } }).start();
    silent.link.deliver(ipFrame(toGuest));
    silent.run();
    expect([...silent.frames[0]!.info]).toEqual([]);
    const net = new NetvscGuest().start();
    net.set(
      0xfc01_020c,
      Uint8Array.from([0x80, 1, 20, 0, 2, 2, 4, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    );
    net.link.deliver(ipFrame(toGuest), ipFrame({ ...toGuest, protocol: 'udp' }));
    net.run();
    expect(net.frames.map((it) => it.info.get(CHECKSUM))).toEqual([0, 0x08]);
  });

  it('a tag goes beside the frame, or stays in it when the guest knows no tags', () => {
    const frame = ipFrame({ ...toGuest, payload: payload(1446) });
    const net = new NetvscGuest().start();
    net.link.deliver(tagged(frame, 0x900a), tagged(frame, 0));
    net.run();
    expect(net.frames.map((it) => [it.bytes, it.info.get(VLAN)])).toEqual([
      [frame, (10 << 4) | 8 | 4],
      [frame, 0],
    ]);
    const plain = new NetvscGuest().start(NvspVersion.v61, { caps: 0 });
    plain.link.deliver(tagged(frame, 0xb00a));
    plain.run();
    expect(plain.frames[0]!.bytes).toEqual(tagged(frame, 0xb00a));
    expect(plain.frames[0]!.info.has(VLAN)).toBe(false);
  });

  it('the filter lets through what it names', () => {
    const kinds = {
      mine: GUEST_MAC,
      other: [...HOST_A.slice(0, 5), 0x99],
      multicast: [1, 0, 0x5e, 0, 0, 1],
      broadcast: [255, 255, 255, 255, 255, 255],
    };
    const heard = (filter: number): string[] => {
      const net = new NetvscGuest().start();
      net.set(0x0001_010e, u32s(filter));
      const passed: string[] = [];
      for (const [kind, destination] of Object.entries(kinds)) {
        net.frames.length = 0;
        net.link.deliver(ipFrame({ destination: [...destination] }));
        net.run();
        if (net.frames.length > 0) passed.push(kind);
      }
      expect(net.adapter.statistics.receiveFiltered).toBe(4 - passed.length);
      return passed;
    };
    expect(heard(0)).toEqual([]);
    expect(heard(1)).toEqual(['mine']);
    expect(heard(2)).toEqual(['multicast']);
    expect(heard(4)).toEqual(['multicast']);
    expect(heard(8)).toEqual(['broadcast']);
    expect(heard(0x0d)).toEqual(['mine', 'multicast', 'broadcast']);
    expect(heard(0x20)).toEqual(['mine', 'other', 'multicast', 'broadcast']);
  });

  it('is closed until the guest opens it, but for a host that keeps it open', () => {
    const closed = new NetvscGuest().negotiate();
    const open = new NetvscGuest({ profile: { keepsFilter: true } }).negotiate();
    for (const net of [closed, open]) {
      net.link.deliver(ipFrame(toGuest));
      net.initialize();
      net.link.deliver(ipFrame(toGuest));
      net.run();
    }
    expect([closed.frames.length, open.frames.length]).toEqual([0, 1]);
  });

  it('frames beyond the MTU are errors', () => {
    const net = new NetvscGuest().start();
    net.link.deliver(ipFrame({ ...toGuest, payload: payload(1700) }), new Uint8Array(5));
    net.run();
    expect(net.frames).toEqual([]);
    expect(net.adapter.statistics).toMatchObject({ receiveErrors: 1, receiveFiltered: 1 });
    const jumbo = new NetvscGuest().start(NvspVersion.v61, { mtu: 9014 });
    jumbo.link.deliver(ipFrame({ ...toGuest, payload: payload(8900) }));
    jumbo.run();
    expect(jumbo.frames[0]!.bytes.length).toBe(8954);
  });
});

describe('back-pressure', () => {
  const frame = ipFrame({ destination: [...GUEST_MAC] });

  it('without free sections frames are dropped; freed sections are used again', () => {
    const net = new NetvscGuest({ receiveBytes: 40 * 1728 + 4096 - ((40 * 1728) % 4096) }).start();
    net.releases = false;
    const data = net.sectionCount - 16;
    for (let index = 0; index < 100; index += 1) net.link.deliver(frame);
    net.run();
    expect(net.frames.length).toBe(data);
    expect(net.adapter.statistics.receiveNoBuffer).toBe(100 - data);
    const [first, ...rest] = new Set(net.frames.map((it) => it.transaction));
    net.release(net.channel, first!);
    net.run();
    net.link.deliver(frame, frame);
    net.run();
    expect(net.frames.length).toBe(data + 1);
    for (const transaction of rest) net.release(net.channel, transaction);
    net.run();
    net.link.deliver(...Array.from({ length: data - 1 }, () => frame));
    net.run();
    expect(net.frames.length).toBe(data + data);
    // Control messages have sections of their own.
    net.releases = true;
    expect(net.query(0x0001_0102).status).toBe(0);
  });

  it('a moment of more frames than one packet may tell of is told in several', () => {
    const net = new NetvscGuest().start();
    const frames = Array.from({ length: 560 }, (_, index) =>
      ipFrame({ destination: Array.from(GUEST_MAC), payload: be16(index) }),
    );
    net.link.deliver(...frames);
    net.run();
    expect(net.frames.map((it) => it.bytes)).toEqual(frames);
    const transactions = net.frames.map((it) => it.transaction);
    expect(
      [...new Set(transactions)].map((id) => transactions.filter((it) => it === id).length),
    ).toEqual([375, 185]);
  });

  it('a completion on another channel frees nothing', () => {
    const net = new NetvscGuest().start();
    net.addChannels(1);
    net.releases = false;
    net.link.deliver(frame);
    net.run();
    const { transaction } = net.frames[0]!;
    net.release(net.channels[1]!, transaction);
    net.run();
    net.link.deliver(...Array.from({ length: net.sectionCount }, () => frame));
    net.run();
    expect(net.frames.length).toBe(net.sectionCount - 16);
  });

  it('completions of what was never sent, or twice, free nothing', () => {
    const net = new NetvscGuest().start();
    net.releases = false;
    net.link.deliver(frame, frame, frame);
    net.run();
    const transaction = net.frames[0]!.transaction;
    for (const wrong of [transaction + 1, transaction + 2, 0xffff_ffff, 5000, 17]) {
      if (wrong !== transaction) net.release(net.channel, wrong);
    }
    net.channel.send(nvsp(108, 1), { type: 0xb, transaction, transactionHi: 1 });
    net.run();
    net.link.deliver(frame);
    net.run();
    expect(net.frames[3]!.transaction).not.toBe(transaction);
    net.release(net.channel, transaction);
    net.release(net.channel, transaction);
    net.run();
    // Three of the four are free again.
    net.link.deliver(...Array.from({ length: net.sectionCount }, () => frame));
    net.run();
    expect(net.frames.length).toBe(4 + net.sectionCount - 16 - 1);
  });

  it('a full ring parks a batch, and the guest gets all of it when it reads', () => {
    const net = new NetvscGuest({ open: { sendPages: 33, receivePages: 2 } }).start();
    const frames = Array.from({ length: 300 }, (_, index) =>
      ipFrame({ destination: [...GUEST_MAC], payload: be16(index) }),
    );
    for (const one of frames) net.link.deliver(one);
    net.guest.run(100);
    for (let round = 0; round < 20; round += 1) {
      net.poll();
      net.guest.run(200);
    }
    expect(net.frames.map((it) => it.bytes)).toEqual(frames);
  });

  it('a full ring stalls transmission, and every packet is completed once', () => {
    const net = new NetvscGuest({ open: { sendPages: 33, receivePages: 2 } }).start();
    const message = rndisPacket(ipFrame());
    net.guest.memory.writeBytes(net.sendGpa, message);
    for (let transaction = 1000; transaction < 1400; transaction += 1) {
      net.channel.send(nvsp(107, 0, 0, message.length), { transaction, wantsCompletion: true });
    }
    net.guest.run(300);
    expect(net.link.sent.length).toBeLessThan(400);
    for (let round = 0; round < 20; round += 1) {
      net.poll();
      net.guest.run(300);
    }
    expect(net.completions.map((it) => it.transactionLo)).toEqual(
      Array.from({ length: 400 }, (_, index) => 1000 + index),
    );
    expect(net.link.sent.length).toBe(400);
  });

  it('a guest that never signals is found by looking, and gets everything', () => {
    const open = { sendPages: 33, receivePages: 2, pendingSendSize: false };
    const net = new NetvscGuest({ open }).start();
    const message = rndisPacket(ipFrame());
    net.guest.memory.writeBytes(net.sendGpa, message);
    for (let transaction = 1000; transaction < 1300; transaction += 1) {
      net.channel.send(nvsp(107, 0, 0, message.length), { transaction, wantsCompletion: true });
    }
    net.channel.isSignalling = false;
    for (let round = 0; round < 40; round += 1) {
      net.guest.run(300);
      net.poll();
    }
    expect(net.completions.length).toBe(300);
    expect(net.link.sent.length).toBe(300);
  });
});
