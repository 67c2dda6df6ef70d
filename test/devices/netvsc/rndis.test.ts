import { describe, expect, it } from 'vitest';
import { Oid } from '../../../src/devices/netvsc/spec/oids.ts';
import { NvspVersion } from '../../../src/devices/netvsc/spec/nvsp.ts';
import { GUEST_MAC, join, NetvscGuest, nvsp, rndis, u32s } from '../support/netvsc-guest.ts';

const NOT_SUPPORTED = 0xc000_00bb;
const INVALID_DATA = 0xc001_0015;
const { is } = Oid;

function word(bytes: Uint8Array, index = 0): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(index * 4, true);
}

/** NDIS_OFFLOAD_PARAMETERS revision 1: checksums of IPv4, TCP4, UDP4, TCP6, UDP6; LSO. */
function offload(checksums: readonly number[], rest: readonly number[] = []): Uint8Array {
  const bytes = Uint8Array.from([0x80, 1, 20, 0, ...checksums, ...rest]);
  return join(bytes, new Uint8Array(20 - bytes.length));
}

describe('RNDIS', () => {
  it('INITIALIZE is answered as vmswitch does', () => {
    const net = new NetvscGuest().negotiate();
    const answer = net.request(rndis(2, u32s(0x55, 1, 0, 0x4000)))!;
    const words = Array.from({ length: 13 }, (_, index) => answer.getUint32(index * 4, true));
    expect(words).toEqual([0x8000_0002, 52, 0x55, 0, 1, 0, 1, 0, 8, 0xefff_ffff, 3, 0, 0]);
  });

  it('KEEPALIVE, RESET, SET_EX and HALT', () => {
    const net = new NetvscGuest().start();
    const alive = net.request(rndis(8, u32s(9)))!;
    expect([0, 4, 8, 12].map((at) => alive.getUint32(at, true))).toEqual([0x8000_0008, 16, 9, 0]);
    const extended = net.request(rndis(9, u32s(3, is.linkState, 0, 20, 0)))!;
    expect([0, 8, 12].map((at) => extended.getUint32(at, true))).toEqual([
      0x8000_0009,
      3,
      NOT_SUPPORTED,
    ]);
    const reset = net.request(rndis(6, u32s(0)))!;
    expect([0, 4, 8, 12].map((at) => reset.getUint32(at, true))).toEqual([0x8000_0006, 16, 0, 1]);
    expect(net.adapter.filter).toBe(0);
    net.set(is.currentPacketFilter, u32s(0x0b));
    expect(net.request(rndis(3, u32s(1)))).toBeUndefined();
    expect(net.adapter.filter).toBe(0);
    net.initialize();
    expect(net.query(is.currentPacketFilter).info).toEqual(u32s(0));
  });

  it('the answer follows the completion of the packet that asked', () => {
    const net = new NetvscGuest().start();
    net.guest.memory.writeBytes(net.sendGpa, rndis(8, u32s(9)));
    net.channel.send(nvsp(107, 1, 0, 12), { transaction: 77, wantsCompletion: true });
    net.guest.run();
    expect([net.channel.receive()?.type, net.channel.receive()?.type]).toEqual([0xb, 7]);
  });

  it('before the buffers there is no RNDIS', () => {
    const net = new NetvscGuest();
    net.ask(nvsp(1, NvspVersion.v61, NvspVersion.v61));
    expect(net.sendDirect(rndis(2, u32s(1, 1, 0, 0x4000)))).toBe(2);
  });

  it('what makes no sense fails its packet or is ignored', () => {
    const net = new NetvscGuest().start();
    for (const message of [
      rndis(7, u32s(0, 0, 0)),
      rndis(0x77, u32s(1, 2)),
      rndis(0x8000_0004, u32s(1, 0)),
    ]) {
      expect(net.sendSection(message, 1)).toBe(1);
    }
    expect(net.sendSection(u32s(4, 2000), 1)).toBe(5);
    expect(net.sendSection(u32s(4, 7), 1)).toBe(5);
    expect(net.sendSection(u32s(4), 1)).toBe(5);
    expect(net.sendSection(rndis(4, u32s(1)), 1)).toBe(1);
    net.control.length = 0;
    expect(net.query(is.hardwareStatus).status).toBe(0);
  });

  it('a guest that keeps the answers gets sixteen, then the rest as it frees them', () => {
    const net = new NetvscGuest().start();
    net.releases = false;
    net.control.length = 0;
    for (let id = 0; id < 40; id += 1) net.sendSection(rndis(8, u32s(id)), 1);
    expect(net.control.length).toBe(16);
    for (let id = 0; id < 40; id += 1) {
      // Sections 0 to 15 are those of control messages.
      for (let section = 0; section < 16; section += 1) net.release(net.channel, section);
      net.run();
    }
    const ids = net.control.map((message) => word(message, 2));
    expect(ids).toEqual(Array.from({ length: 40 }, (_, id) => id));
  });

  it('too many that wait are refused as busy', () => {
    const net = new NetvscGuest().start();
    net.releases = false;
    const statuses = Array.from({ length: 60 }, () =>
      net.sendSection(rndis(8, new Uint8Array(4000)), 1),
    );
    expect(new Set(statuses)).toEqual(new Set([1, 6]));
    expect(statuses.filter((it) => it === 1).length).toBe(16 + 25);
  });
});

describe('queries', () => {
  const simple: readonly (readonly [string, number, Uint8Array])[] = [
    ['hardware status', is.hardwareStatus, u32s(0)],
    ['media supported', is.mediaSupported, u32s(0)],
    ['media in use', is.mediaInUse, u32s(0)],
    ['maximum lookahead', is.maximumLookahead, u32s(1500)],
    ['current lookahead', is.currentLookahead, u32s(1500)],
    ['maximum frame size', is.maximumFrameSize, u32s(1500)],
    ['maximum total size', is.maximumTotalSize, u32s(1514)],
    ['transmit block size', is.transmitBlockSize, u32s(1514)],
    ['receive block size', is.receiveBlockSize, u32s(1514)],
    ['link speed', is.linkSpeed, u32s(100_000_000)],
    ['transmit buffer space', is.transmitBufferSpace, u32s(262_144)],
    ['receive buffer space', is.receiveBufferSpace, u32s(262_144)],
    ['vendor id', is.vendorId, u32s(0x155d)],
    ['vendor description', is.vendorDescription, new TextEncoder().encode('Microsoft Corporation')],
    ['vendor driver version', is.vendorDriverVersion, Uint8Array.of(0, 1)],
    ['driver version', is.driverVersion, Uint8Array.of(0, 1)],
    ['packet filter', is.currentPacketFilter, u32s(0x0d)],
    ['MAC options', is.macOptions, u32s(0x24d)],
    ['media connect status', is.mediaConnectStatus, u32s(0)],
    ['maximum send packets', is.maximumSendPackets, u32s(0xffff_ffff)],
    ['permanent address', is.permanentAddress, GUEST_MAC],
    ['current address', is.currentAddress, GUEST_MAC],
    ['maximum list size', is.maximumListSize, u32s(0)],
    ['alignment errors', is.receiveErrorAlignment, u32s(0)],
    ['one collision', is.transmitOneCollision, u32s(0)],
    ['more collisions', is.transmitMoreCollisions, u32s(0)],
    ['maximum link speed', is.maxLinkSpeed, u32s(0x540b_e400, 2, 0x540b_e400, 2)],
    ['link state', is.linkState, u32s(0x0028_0180, 1, 0, 0, 0x540b_e400, 2, 0x540b_e400, 2, 0, 0)],
    ['encapsulation', is.offloadEncapsulation, u32s(0x001c_01a8, 1, 2, 14, 1, 2, 14)],
    ['frames transmitted', is.transmitOk, u32s(0)],
    ['bytes received', is.bytesReceived, u32s(0, 0)],
  ];

  it('are answered to the byte', () => {
    const net = new NetvscGuest().start();
    for (const [name, oid, info] of simple) {
      const answer = net.query(oid);
      expect([name, answer.status, [...answer.info]]).toEqual([name, 0, [...info]]);
    }
  });

  it('friendly name, RSS capabilities and offloads', () => {
    const net = new NetvscGuest({ profile: { maxSubChannels: 3 } }).start();
    const name = net.query(is.friendlyName).info;
    expect(name.length).toBe(512);
    expect(new TextDecoder('utf-16le').decode(name).replaceAll('\0', '')).toBe('Network Adapter');
    const scaling = net.query(is.receiveScaleCapabilities).info;
    expect([...scaling]).toEqual([0x88, 2, 18, 0, 1, 3, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 128, 0]);
    const caps = net.query(is.offloadCapabilities).info;
    expect(Array.from(caps.slice(0, 4))).toEqual([0xa7, 3, 156, 0]);
    expect(caps.length).toBe(156);
    const all = [2, 0x155, 2, 0x155, 2, 0x55, 2, 0x55];
    expect(Array.from({ length: 8 }, (_, index) => word(caps, 1 + index))).toEqual(all);
    expect(Array.from({ length: 7 }, (_, index) => word(caps, 20 + index))).toEqual([
      2, 0xf53c, 2, 2, 0xf53c, 2, 5,
    ]);
  });

  it('the list is that of the guest’s NDIS version, and every row of it is known', () => {
    const list = (major: number, minor: number): number[] => {
      const net = new NetvscGuest();
      net.ask(nvsp(1, NvspVersion.v5, NvspVersion.v5));
      net.ask(nvsp(125, 1514, 0, 8, 0));
      net.ask(nvsp(100, major, minor));
      net.connectBuffers();
      net.initialize();
      const { status, info } = net.query(is.supportedList);
      return status === 0
        ? Array.from({ length: info.length / 4 }, (_, index) => word(info, index))
        : [status];
    };
    expect(list(5, 0).length).toBe(32);
    expect(list(6, 1).length).toBe(41);
    expect(list(6, 30).length).toBe(43);
    expect(list(6, 30).slice(0, 3)).toEqual([0x0001_0101, 0x0001_0102, 0x0001_0103]);
    expect(list(7, 0)).toEqual([0xc001_0004]);
    const known: readonly number[] = Object.values(is);
    expect(list(6, 30).filter((oid) => !known.includes(oid))).toEqual([]);
  });

  it('unknown ones, and those that can only be set, are not supported', () => {
    const net = new NetvscGuest().start();
    for (const oid of [
      0,
      0x0001_0106 + 0x1000,
      0xffff_ffff,
      is.rndisConfigParameter,
      is.protocolOptions,
    ]) {
      expect(net.query(oid)).toEqual({ status: NOT_SUPPORTED, info: new Uint8Array(0) });
    }
  });

  it('an empty buffer at offset 0 is refused, unless the host is lenient', () => {
    expect(new NetvscGuest().start().query(is.mediaInUse, 0).status).toBe(INVALID_DATA);
    const lenient = new NetvscGuest({ profile: { refusesEmptyQuery: false } }).start();
    expect(lenient.query(is.mediaInUse, 0).status).toBe(0);
  });
});

describe('sets', () => {
  it('offload parameters are masked, told back, and indicated', () => {
    const net = new NetvscGuest().start();
    expect(net.set(is.offloadParameters, offload([4, 2, 3, 1, 0], [0, 0, 2, 1]))).toBe(0);
    const current = net.query(is.offloadCurrentConfig).info;
    // Transmit: IP, TCP4; receive: IP, UDP4; IPv6: UDP as before.
    const flags = [word(current, 2), word(current, 4), word(current, 6), word(current, 8)];
    expect(flags).toEqual([0x115, 0x141, 0x41, 0x41]);
    expect([word(current, 20), word(current, 23)]).toEqual([2, 0]);
    net.set(is.offloadParameters, offload([0, 0, 0, 0, 0]));
    const status = net.control.at(-1)!;
    expect([word(status, 0), word(status, 2), word(status, 3)]).toEqual([7, 0x4002_0006, 156]);
    expect(Array.from(status.slice(20))).toEqual([...current]);
    const quiet = new NetvscGuest({ profile: { indicatesOffload: false } }).start();
    quiet.set(is.offloadParameters, offload([4, 4, 4, 4, 4]));
    expect(quiet.control).toEqual([]);
  });

  it('bad objects are invalid, LSO version 1 is not supported', () => {
    const net = new NetvscGuest().start();
    expect(net.set(is.offloadParameters, offload([0, 0, 0, 0, 0], [2]))).toBe(NOT_SUPPORTED);
    expect(net.set(is.offloadParameters, offload([0, 0, 0, 0, 0]).slice(0, 19))).toBe(INVALID_DATA);
    expect(net.set(is.offloadParameters, u32s(0x0014_0189, 0, 0, 0, 0))).toBe(INVALID_DATA);
    expect(net.set(is.offloadParameters, u32s(0x0040_0180, 0, 0, 0, 0))).toBe(INVALID_DATA);
    expect(net.set(is.offloadEncapsulation, u32s(0x001c_01a8, 1, 2, 14, 1, 2, 14))).toBe(0);
    expect(net.set(is.offloadEncapsulation, u32s(0x001c_01a8, 1, 3, 14, 0, 0, 0))).toBe(
      NOT_SUPPORTED,
    );
    expect(net.set(is.offloadEncapsulation, u32s(0x001c_01a8))).toBe(INVALID_DATA);
    expect(net.set(is.currentPacketFilter, Uint8Array.of(1))).toBe(0xc001_0014);
    expect(net.set(is.multicastList, new Uint8Array(12))).toBe(0);
    expect(net.set(is.multicastList, new Uint8Array(13))).toBe(0xc001_0014);
    expect(net.set(is.networkLayerAddresses, new Uint8Array(8))).toBe(0);
    expect(net.set(is.linkSpeed, u32s(1))).toBe(NOT_SUPPORTED);
  });

  it('a buffer outside the message is invalid', () => {
    const net = new NetvscGuest().start();
    for (const [length, offset] of [
      [4, 0],
      [4, 19],
      [4, 25],
      [5, 20],
      [4, 0xffff_fff0],
      [0xffff_ffff, 20],
    ] as const) {
      const answer = net.request(
        rndis(5, u32s(1, is.currentPacketFilter, length, offset, 0), u32s(0)),
      )!;
      expect(answer.getUint32(12, true)).toBe(INVALID_DATA);
    }
    expect(net.adapter.filter).toBe(0x0d);
  });

  const config = (name: string, value: string, type = 2): Uint8Array => {
    const utf16 = (text: string): Uint8Array =>
      Uint8Array.from({ length: text.length * 2 }, (_, at) =>
        at % 2 === 0 ? text.charCodeAt(at / 2) : 0,
      );
    const [left, right] = [utf16(name), utf16(value)];
    return join(u32s(20, left.length, type, 20 + left.length, right.length), left, right);
  };

  it('settings by name: the address, and offloads', () => {
    const net = new NetvscGuest().start();
    expect(net.set(is.rndisConfigParameter, config('NetworkAddress', '00155DAABBCC'))).toBe(0);
    expect([...net.query(is.currentAddress).info]).toEqual([0, 0x15, 0x5d, 0xaa, 0xbb, 0xcc]);
    expect(net.query(is.permanentAddress).info).toEqual(GUEST_MAC);
    expect(net.set(is.rndisConfigParameter, config('NetworkAddress', '01155DAABBCC'))).toBe(
      INVALID_DATA,
    );
    expect(net.set(is.rndisConfigParameter, config('*TCPChecksumOffloadIPv4', '1'))).toBe(0);
    expect(net.set(is.rndisConfigParameter, config('*LsoV2IPv4', '0'))).toBe(0);
    const current = net.query(is.offloadCurrentConfig).info;
    expect([word(current, 2), word(current, 4), word(current, 20)]).toEqual([0x155, 0x141, 0]);
    expect(net.set(is.rndisConfigParameter, config('anything', 'else'))).toBe(INVALID_DATA);
    expect(net.set(is.rndisConfigParameter, config('anything', '7'))).toBe(0);
    expect(net.set(is.rndisConfigParameter, config('number', 'ab', 0))).toBe(0);
    const long = u32s(20, 256, 2, 20, 0);
    expect(net.set(is.rndisConfigParameter, long)).toBe(INVALID_DATA);
    expect(net.set(is.rndisConfigParameter, u32s(20, 40, 2, 20, 0))).toBe(INVALID_DATA);
  });
});

describe('link state', () => {
  it('is told by OID, and by indication when it changes', () => {
    const net = new NetvscGuest().start();
    net.control.length = 0;
    net.link.setLink(false);
    net.run();
    expect(word(net.query(is.mediaConnectStatus).info)).toBe(1);
    net.link.setLink(true);
    net.run();
    net.adapter.indicate(0x4001_0018);
    net.run();
    expect(word(net.query(is.linkState).info, 1)).toBe(1);
    const fresh = new NetvscGuest().start();
    fresh.control.length = 0;
    fresh.link.setLink(false);
    fresh.link.setLink(true);
    fresh.adapter.indicate(0x4001_0018);
    fresh.run();
    expect(fresh.control.map((it) => [word(it, 0), word(it, 2)])).toEqual([
      [7, 0x4001_000c],
      [7, 0x4001_000b],
      [7, 0x4001_0018],
    ]);
  });

  it('is not indicated before RNDIS is up, and frames go nowhere while it is down', () => {
    const net = new NetvscGuest().negotiate();
    net.link.setLink(false);
    net.run();
    expect(net.control).toEqual([]);
    net.initialize();
    expect(word(net.query(is.mediaConnectStatus).info)).toBe(1);
    const alone = new NetvscGuest({ adapter: { link: undefined } }).start();
    expect(word(alone.query(is.mediaConnectStatus).info)).toBe(1);
  });
});
