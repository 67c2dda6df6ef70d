import { describe, expect, it } from 'vitest';
import { Bridge } from '../../../src/guest/inet/bridge.ts';
import { NetInterface } from '../../../src/guest/inet/interface.ts';
import { ChecksumFlag, HEADROOM, Packet } from '../../../src/guest/inet/packet.ts';
import type { KernelApi } from '../../../src/guest/kernel/api.ts';

const BROADCAST = 0xff;

/** Stations are told apart by the last byte of their addresses. */
const address = (last: number): number[] =>
  last === BROADCAST ? new Array<number>(6).fill(BROADCAST) : [0, 0x15, 0x5d, 0, 0, last];

class Bench {
  readonly bridge = new Bridge('bridge0');
  readonly members: NetInterface[];
  /** "hn1" for each frame that went out there. */
  readonly sent: string[] = [];
  lastFlags = -1;

  constructor(count = 3) {
    this.bridge.isUp = true;
    this.members = Array.from({ length: count }, (_, index) => {
      const name = `hn${index}`;
      const driver = {
        transmit: (packet: Packet) => {
          this.sent.push(name);
          this.lastFlags = packet.csumFlags;
          return true;
        },
      };
      const ifp = new NetInterface(
        {} as KernelApi,
        name,
        Uint8Array.from(address(0x80 + index)),
        driver as unknown as NetInterface['driver'],
      );
      ifp.isUp = true;
      ifp.isRunning = true;
      this.bridge.members.push(ifp);
      return ifp;
    });
  }

  /** A frame comes in at a member. @returns where it goes out */
  frame(member: number, from: number, to: number): string[] {
    const packet = new Packet(256);
    packet.bytes.set([...address(to), ...address(from)], HEADROOM);
    packet.length = 60;
    packet.csumFlags = ChecksumFlag.dataValid;
    this.sent.length = 0;
    this.bridge.input(this.members[member]!, packet);
    return [...this.sent];
  }
}

describe('a bridge', () => {
  it('sends what it knows no place for to every other member', () => {
    const bench = new Bench();
    expect(bench.frame(0, 1, 2)).toEqual(['hn1', 'hn2']);
    expect(bench.bridge.forwarded).toBe(2);
  });

  it('learns where stations are, and sends to them alone', () => {
    const bench = new Bench();
    bench.frame(0, 1, 2);
    expect(bench.frame(2, 2, 1)).toEqual(['hn0']);
    expect(bench.frame(0, 1, 2)).toEqual(['hn2']);
    // One that has moved.
    bench.frame(1, 2, BROADCAST);
    expect(bench.frame(0, 1, 2)).toEqual(['hn1']);
  });

  it('keeps to itself what is for a station behind the same member, or for this system', () => {
    const bench = new Bench();
    bench.frame(0, 1, BROADCAST);
    expect(bench.frame(0, 2, 1)).toEqual([]);
    expect(bench.frame(0, 1, 0x81)).toEqual([]);
  });

  it('learns nothing from a group address, and asks the next adapter for nothing', () => {
    const bench = new Bench();
    bench.frame(0, BROADCAST, 1);
    expect(bench.frame(1, 1, BROADCAST)).toEqual(['hn0', 'hn2']);
    expect(bench.lastFlags).toBe(0);
  });

  it('forwards nothing while it is down, nor to a member that is', () => {
    const bench = new Bench();
    bench.members[1]!.isUp = false;
    expect(bench.frame(0, 1, 2)).toEqual(['hn2']);
    bench.bridge.isUp = false;
    expect(bench.frame(0, 1, 2)).toEqual([]);
  });

  it('forgets the stations of a member that leaves', () => {
    const bench = new Bench();
    bench.frame(2, 2, 1);
    bench.bridge.remove(bench.members[2]!);
    expect(bench.frame(0, 1, 2)).toEqual(['hn1']);
    expect(bench.bridge.text()).toBe(
      'bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500\n' +
        '\tmember: hn0 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>\n' +
        '\tmember: hn1 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>\n',
    );
  });
});
