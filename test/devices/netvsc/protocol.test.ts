import { describe, expect, it } from 'vitest';
import { NVSP_REQUESTS } from '../../../src/devices/netvsc/protocol.ts';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import { VmbusVersion } from '../../../src/vmbus/spec/versions.ts';
import { MessageType } from '../../../src/vmbus/spec/messages.ts';
import { NetvscGuest, nvsp, RECEIVE_ID, rndis, SEND_ID, u32s } from '../support/netvsc-guest.ts';

const VERSIONS = [0x0_0002, 0x3_0002, 0x4_0000, 0x5_0000, 0x6_0000, 0x6_0001] as const;

/** Payload of an answer as words; all zeros for an answer without content. */
function words(view: DataView | undefined): number[] {
  if (view === undefined) throw new Error('no answer');
  return Array.from({ length: view.byteLength / 4 }, (_, index) => view.getUint32(index * 4, true));
}

const NOTHING = new Array<number>(10).fill(0);

describe('version negotiation', () => {
  it.each(VERSIONS)(
    'a host of at most version %i refuses newer and unknown versions',
    (maxVersion) => {
      const net = new NetvscGuest({ profile: { maxVersion } });
      const unknown = [0, 1, 3, 0x2_0000, 0x3_0000, 0x6_0002, 0x7_0000, 0xffff_ffff];
      for (const version of [...unknown, ...VERSIONS.filter((it) => it > maxVersion)]) {
        expect(words(net.ask(nvsp(1, version, version))).slice(0, 4)).toEqual([
          2, 0xffff_ffff, 34, 2,
        ]);
      }
      expect(net.adapter.version).toBe(0);
      const answer = net.ask(nvsp(1, maxVersion, maxVersion));
      // Linux reads 40 bytes of any version.
      expect(answer?.byteLength).toBe(40);
      const number = maxVersion === 2 ? 2 : 0xffff_ffff;
      expect(words(answer).slice(0, 4)).toEqual([2, number, 34, 1]);
      expect(net.adapter.version).toBe(maxVersion);
      // Once is enough.
      expect(words(net.ask(nvsp(1, 2, 2)))).toEqual(NOTHING);
      expect(net.adapter.version).toBe(maxVersion);
    },
  );

  it.each(VERSIONS)('version %i comes up, and takes messages no newer than itself', (version) => {
    const net = new NetvscGuest();
    net.ask(nvsp(1, version, version));
    const answered = (type: number): boolean => words(net.ask(nvsp(type, 7, 0)))[0] !== 0;
    expect(answered(129)).toBe(version >= 0x4_0000);
    expect(answered(131)).toBe(version >= 0x5_0000);
    expect(answered(133)).toBe(version >= 0x5_0000);
    expect(answered(135)).toBe(version >= 0x6_0001);
    expect(answered(136)).toBe(false);
    const fresh = new NetvscGuest().start(version);
    expect(fresh.adapter.filter).toBe(0x0d);
  });

  it('before INIT everything gets an empty answer', () => {
    const net = new NetvscGuest();
    for (const { type } of NVSP_REQUESTS.filter((it) => it.type !== 1)) {
      expect(words(net.ask(nvsp(type, net.receiveGpadl, RECEIVE_ID)))).toEqual(NOTHING);
    }
    expect(net.adapter.version).toBe(0);
  });

  it('0.2 has no configuration message, and needs none', () => {
    const net = new NetvscGuest();
    net.ask(nvsp(1, 2, 2));
    net.ask(nvsp(125, 9000));
    net.ask(nvsp(100, 5, 0));
    net.connectBuffers();
    expect(net.sectionBytes).toBe(1728);
  });
});

describe('the receive buffer', () => {
  it('is cut into sections for the MTU; 1728 bytes for the standard one, as on Windows', () => {
    for (const [mtu, expected] of [
      [1514, 1728],
      [1518, 1728],
      [4000, 4224],
      [9216, 9408],
      // What cannot be is taken for the default.
      [100, 1728],
      [9230, 9408],
      [9231, 1728],
      [0xffff_ffff, 1728],
    ] as const) {
      const net = new NetvscGuest().negotiate(NvspVersion.v61, { mtu });
      expect(net.sectionBytes).toBe(expected);
      expect(net.sectionCount).toBe(Math.floor((1 << 20) / expected));
    }
  });

  it('is refused without configuration, of an unknown GPADL, twice, and too small', () => {
    const net = new NetvscGuest();
    const ask = (gpadl: number): number[] =>
      words(net.ask(nvsp(101, gpadl, RECEIVE_ID))).slice(0, 2);
    net.ask(nvsp(1, NvspVersion.v61, NvspVersion.v61));
    expect(ask(net.receiveGpadl)).toEqual([102, 2]);
    net.ask(nvsp(125, 9216, 0, 8, 0));
    expect(ask(0xdead)).toEqual([102, 2]);
    expect(ask(net.share(net.guest.allocate(4096), 4096))).toEqual([102, 2]);
    const gpa = net.guest.allocate(16 * 4096);
    const pfns = Array.from({ length: 5 }, (_, page) => gpa / 4096 + page);
    const unaligned = net.guest.createGpadl(net.offer.channelId, 4 * 4096, 100, pfns);
    expect(ask(unaligned)).toEqual([102, 2]);
    expect(ask(net.receiveGpadl)).toEqual([102, 1]);
    expect(ask(net.receiveGpadl)).toEqual([102, 2]);
  });

  it('holds frames wherever its pages lie', () => {
    const net = new NetvscGuest();
    const count = 64;
    const gpa = net.guest.allocate(count * 4096);
    const pfns = Array.from({ length: count }, (_, page) => gpa / 4096 + ((page * 37) % count));
    const scattered = net.guest.createGpadl(net.offer.channelId, count * 4096, 0, pfns);
    net.ask(nvsp(1, NvspVersion.v61, NvspVersion.v61));
    net.ask(nvsp(125, 1514, 0, 8, 0));
    net.ask(nvsp(100, 6, 30));
    const answer = words(net.ask(nvsp(101, scattered, RECEIVE_ID)));
    expect(answer.slice(1, 4)).toEqual([1, 1, 0]);
    net.sectionBytes = answer[4]!;
    net.guest.memory.u8.fill(0xee, gpa, gpa + count * 4096);
    net.ask(nvsp(104, net.sendGpadl, SEND_ID));
    const message = rndis(2, u32s(1, 1, 0, 0x4000));
    net.releases = false;
    net.guest.memory.writeBytes(net.sendGpa, message);
    // The answers lie in permuted pages, so this driver's own view is of the linear ones.
    const view = new Uint8Array(count * 4096);
    const relink = (): void => {
      for (const [page, pfn] of pfns.entries()) {
        view.set(net.guest.memory.readBytes(pfn * 4096, 4096), page * 4096);
      }
    };
    net.channel.send(nvsp(107, 1, 0, message.length), { transaction: 1, wantsCompletion: true });
    net.guest.run();
    relink();
    const reply = new DataView(view.buffer);
    expect(reply.getUint32(0, true)).toBe(0x8000_0002);
    expect(reply.getUint32(4, true)).toBe(52);
  });
});

describe('the send buffer', () => {
  it('has sections of 6144 bytes, and may be missing altogether', () => {
    const net = new NetvscGuest().negotiate();
    expect(words(net.ask(nvsp(104, net.sendGpadl, SEND_ID))).slice(0, 3)).toEqual([105, 2, 0]);
    net.ask(nvsp(106, SEND_ID));
    expect(words(net.ask(nvsp(104, net.sendGpadl, SEND_ID))).slice(0, 3)).toEqual([105, 1, 6144]);
    const bare = new NetvscGuest();
    bare.ask(nvsp(1, NvspVersion.v61, NvspVersion.v61));
    bare.ask(nvsp(125, 1514, 0, 8, 0));
    bare.ask(nvsp(100, 6, 30));
    const answer = words(bare.ask(nvsp(101, bare.receiveGpadl, RECEIVE_ID)));
    bare.sectionBytes = answer[4]!;
    expect(bare.sendDirect(rndis(2, u32s(1, 1, 0, 0x4000)))).toBe(1);
    expect(bare.control.length).toBe(1);
    expect(bare.sendSection(rndis(8, u32s(1)))).toBe(2);
  });

  it('a section beyond it fails the message, not the channel', () => {
    const net = new NetvscGuest().start();
    for (const [index, bytes] of [
      [43, 100],
      [42, 6145],
      [0xffff_fffe, 100],
      [0, 0x8000_0000],
    ] as const) {
      expect(words(net.ask(nvsp(107, 0, index, bytes))).slice(0, 2)).toEqual([108, 2]);
    }
    expect(net.query(0x0001_0102).status).toBe(0);
  });
});

describe('revoking and teardown', () => {
  it('after a revoke nothing is sent any more, and buffers may be given again', () => {
    const net = new NetvscGuest().start();
    net.ask(nvsp(103, 0xbad));
    net.link.deliver(new Uint8Array(60).fill(0xff));
    net.run();
    expect(net.frames.length).toBe(1);
    net.ask(nvsp(103, RECEIVE_ID));
    net.link.deliver(new Uint8Array(60).fill(0xff));
    net.run();
    expect(net.frames.length).toBe(1);
    expect(net.sendSection(rndis(8, u32s(1)), 1)).toBe(2);
    net.ask(nvsp(106, SEND_ID));
    net.connectBuffers();
    net.link.deliver(new Uint8Array(60).fill(0xff));
    net.run();
    expect(net.frames.length).toBe(2);
  });

  const torndown = (net: NetvscGuest): number =>
    net.guest.messages.filter((it) => it.type === MessageType.gpadlTorndown).length;

  function revoke(net: NetvscGuest): void {
    net.ask(nvsp(103, RECEIVE_ID));
    net.ask(nvsp(106, SEND_ID));
  }

  it('from VMBus 4.0 on a buffer’s GPADL is torn down once the channel is closed', () => {
    const net = new NetvscGuest({ vmbusVersion: VmbusVersion.win10 }).start();
    revoke(net);
    net.guest.tearDownGpadl(net.offer.channelId, net.receiveGpadl);
    expect(torndown(net)).toBe(0);
    net.channel.close();
    expect(torndown(net)).toBe(1);
    net.guest.tearDownGpadl(net.offer.channelId, net.sendGpadl);
    expect(torndown(net)).toBe(2);
  });

  it('before it, while the channel is open; after the close there is no answer', () => {
    const net = new NetvscGuest({ vmbusVersion: VmbusVersion.win8_1 }).start();
    revoke(net);
    net.guest.tearDownGpadl(net.offer.channelId, net.receiveGpadl);
    expect(torndown(net)).toBe(1);
    const late = new NetvscGuest({ vmbusVersion: VmbusVersion.win8_1 }).start();
    late.channel.close();
    late.guest.tearDownGpadl(late.offer.channelId, late.receiveGpadl);
    expect(torndown(late)).toBe(0);
    // Leaving altogether still ends well.
    late.guest.unload();
    late.guest.take(MessageType.unloadComplete);
  });

  it('a host without that rule takes any order', () => {
    const net = new NetvscGuest({ profile: { bufferTeardown: 'any' } }).start();
    net.guest.tearDownGpadl(net.offer.channelId, net.receiveGpadl);
    expect(torndown(net)).toBe(1);
  });

  it('a channel that is opened again starts over', () => {
    const net = new NetvscGuest().start();
    net.channel.close();
    expect([net.adapter.version, net.adapter.filter]).toEqual([0, 0]);
    net.channels[0] = net.guest.open(net.offer, { sendPages: 33, receivePages: 33 });
    net.channel = net.channels[0];
    net.start();
    net.link.deliver(new Uint8Array(60).fill(0xff));
    net.run();
    expect(net.frames.length).toBe(1);
  });
});

describe('what is not there', () => {
  it('a virtual function, packet direct, and OIDs over NVSP are refused cleanly', () => {
    const net = new NetvscGuest().start();
    expect(words(net.ask(nvsp(129, 1))).slice(0, 2)).toEqual([129, 2]);
    expect(words(net.ask(nvsp(129, 0))).slice(0, 2)).toEqual([129, 1]);
    expect(words(net.ask(nvsp(131, 0x0014_0196, 0x0001_0101))).slice(0, 3)).toEqual([
      132, 0xc000_00bb, 0,
    ]);
    expect(words(net.ask(nvsp(135, 4))).slice(0, 3)).toEqual([135, 4, 0xc000_00bb]);
    expect(net.inBand).toEqual([]);
  });

  it('the offer asks for a monitor of 100 us', () => {
    expect(new NetvscGuest().adapter.offer).toMatchObject({
      name: 'network',
      interfaceId: 'f8615163-df3e-46c5-913f-f2d2f965ed0e',
      flags: 1,
      monitorLatency100ns: 1000,
    });
  });
});
