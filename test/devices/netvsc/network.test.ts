import { describe, expect, it } from 'vitest';
import { hypervMac, parseIpv4 } from '../../../src/net/addresses.ts';
import { Gateway } from '../../../src/net/gateway.ts';
import { VirtualSwitch } from '../../../src/net/switch.ts';
import type { SwitchPort } from '../../../src/net/switch-port.ts';
import { be16, plainSum } from '../../net/frames.ts';
import { GUEST_MAC, NetvscGuest, rndisPacket, u32s } from '../support/netvsc-guest.ts';

const GATEWAY_IP = parseIpv4('192.168.1.1', 'test');
const ECHOES = 20;

interface Network {
  readonly net: NetvscGuest;
  readonly port: SwitchPort;
}

/** A guest on a switch with a gateway, everything in one virtual time. */
function network(): Network {
  let port: SwitchPort | undefined;
  const net = new NetvscGuest({
    network: ({ clock, events, trace }) => {
      const fabric = new VirtualSwitch({ clock, events, trace });
      const mac = hypervMac(9);
      const options = { mac, ip: GATEWAY_IP, netmask: 0xffff_ff00 };
      new Gateway(fabric.connect('gateway'), clock, trace, options).framesEnd();
      port = fabric.connect('guest');
      return port;
    },
  }).start();
  return { net, port: port! };
}

function echoRequest(sequence: number): Uint8Array {
  const icmp = [
    8,
    0,
    0,
    0,
    0,
    7,
    ...be16(sequence),
    ...Array.from({ length: 100 }, () => sequence),
  ];
  icmp.splice(2, 2, ...be16(~plainSum(icmp) & 0xffff));
  const ip = [
    0x45,
    0,
    ...be16(20 + icmp.length),
    0,
    0,
    0,
    0,
    64,
    1,
    0,
    0,
    192,
    168,
    1,
    2,
    192,
    168,
    1,
    1,
  ];
  return Uint8Array.from([...hypervMac(9), ...GUEST_MAC, 8, 0, ...ip, ...icmp]);
}

function ping({ net }: Network): void {
  for (let sequence = 0; sequence < ECHOES; sequence += 1) {
    // The IPv4 header's checksum is left to the host.
    net.sendSection(rndisPacket(echoRequest(sequence), [[0, 0x11]]));
  }
  net.run();
}

describe('a guest on the switch', () => {
  it('pings the gateway through rings, adapter and switch', () => {
    const bed = network();
    ping(bed);
    expect(bed.net.frames.map((it) => it.bytes[34])).toEqual(new Array<number>(ECHOES).fill(0));
    expect(bed.net.frames.map((it) => it.bytes[41])).toEqual(
      Array.from({ length: ECHOES }, (_, index) => index),
    );
    // The answers' checksums were verified on the way.
    expect(bed.net.frames.every((it) => it.info.get(0) === 0x20)).toBe(true);
    expect(bed.port.counters).toMatchObject({ framesIn: ECHOES, framesOut: ECHOES, badIn: 0 });
  });

  it('equal runs give equal digests', () => {
    const [one, two, other] = [network(), network(), network()];
    ping(one);
    ping(two);
    other.net.sendSection(rndisPacket(echoRequest(3), [[0, 0x11]]));
    ping(other);
    const digests = [one, two, other].map(({ net }) => net.guest.trace.digest);
    expect(digests[0]).toBe(digests[1]);
    expect(digests[0]).not.toBe(digests[2]);
  });

  it('a pulled cable reaches the guest as a status', () => {
    const { net, port } = network();
    net.control.length = 0;
    port.setLink(false);
    port.setLink(true);
    net.run();
    const statuses = net.control.map((it) => new DataView(it.buffer).getUint32(8, true));
    expect(statuses).toEqual([0x4001_000c, 0x4001_000b]);
    expect(net.query(0x0001_0114).info).toEqual(u32s(0));
  });
});
