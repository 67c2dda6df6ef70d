import { describe, expect, it } from 'vitest';
import * as receiveSideScaling from '../../scenarios/1.4-receive-side-scaling.ts';
import * as natChecksum from '../../scenarios/1.6-nat-checksum.ts';
import * as gpadlTeardown from '../../scenarios/S11-gpadl-teardown.ts';
import * as dhcpAtBoot from '../../scenarios/1.10-dhcp-at-boot.ts';

/** The key of Microsoft's "Verifying the RSS Hash Calculation". */
const KEY = ['6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4', '77cb2da38030f20c6a42b73bbeac01fa']
  .join('')
  .match(/../g)!;

/** The definition, bit by bit: no tables, nothing shared with the host's hash. */
function toeplitz(input: readonly number[]): number {
  const bits = KEY.map((byte) => Number.parseInt(byte, 16).toString(2).padStart(8, '0')).join('');
  let hash = 0;
  input.forEach((byte, index) => {
    for (let bit = 0; bit < 8; bit += 1) {
      if ((byte & (0x80 >> bit)) === 0) continue;
      const from = index * 8 + bit;
      hash ^= Number.parseInt(bits.slice(from, from + 32), 2);
    }
  });
  return hash >>> 0;
}

const octets = (ip: number): number[] => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255];
const word = (value: number): number[] => [value >>> 8, value & 255];

describe('1.4 receive side scaling', () => {
  it('checks with a hash that gives the published vectors', () => {
    // 66.9.149.187:2794 to 161.142.100.80:1766, with ports and without.
    const addresses = [66, 9, 149, 187, 161, 142, 100, 80];
    expect(toeplitz([...addresses, ...word(2794), ...word(1766)])).toBe(0x51cc_c178);
    expect(toeplitz(addresses)).toBe(0x323e_8fc2);
  });

  it('broken: one ring takes all 64 flows, and only its processor is interrupted', () => {
    const { framesByRing, interruptsByProcessor } = receiveSideScaling.broken();
    expect(framesByRing).toEqual([64]);
    expect(interruptsByProcessor.filter((count) => count >= 64)).toHaveLength(1);
  });

  it('fixed: every flow comes to the ring that its hash names, and no ring is empty', () => {
    const { framesByRing, rings, sourceIp, destinationIp } = receiveSideScaling.fixed();
    expect(framesByRing).toHaveLength(4);
    expect(framesByRing.every((count) => count > 0)).toBe(true);
    expect(framesByRing.reduce((sum, count) => sum + count, 0)).toBe(64);
    const expected = rings.map(({ port }) => ({
      port,
      ring:
        (toeplitz([...octets(sourceIp), ...octets(destinationIp), ...word(port), ...word(9)]) &
          127) %
        4,
    }));
    expect(rings).toEqual(expected);
  });
});

describe('1.6 NAT on a router', () => {
  it('broken: echo passes, and every forwarded SYN leaves with the sum of its pseudo header', () => {
    const facts = natChecksum.broken();
    expect(facts).toMatchObject({
      canPing: true,
      canConnect: false,
      canConnectFromRouter: true,
    });
    expect(facts.badFrames).toBeGreaterThan(0);
    expect(facts.pseudoHeaderSums).toBe(facts.badFrames);
    expect(facts.droppedByServer).toBe(facts.badFrames);
  });

  it('fixed: no bad frame, and the connection is made', () => {
    expect(natChecksum.fixed()).toMatchObject({
      canPing: true,
      canConnect: true,
      canConnectFromRouter: true,
      badFrames: 0,
      droppedByServer: 0,
    });
  });

  it('works with the broken driver where the host reports no receive checksums', () => {
    const facts = natChecksum.route({ preset: 'bis:10.2', rxCsumPpi: false });
    expect(facts).toMatchObject({ canConnect: true, badFrames: 0, droppedByServer: 0 });
  });

  it('works with the present driver', () => {
    expect(natChecksum.route({ preset: 'bis:modern' })).toMatchObject({
      canPing: true,
      canConnect: true,
      badFrames: 0,
    });
  });
});

describe('1.10 DHCP at boot', () => {
  it('broken: no media, no link event and no lease; SYNCDHCP gets one', () => {
    expect(dhcpAtBoot.broken()).toMatchObject({
      hasMedia: false,
      saysLinkUp: false,
      address: '',
      addressWithSync: '192.168.100.10',
    });
  });

  it('fixed: media, link and lease', () => {
    expect(dhcpAtBoot.fixed()).toMatchObject({
      hasMedia: true,
      saysLinkUp: true,
      address: '192.168.100.10',
      addressWithSync: '192.168.100.10',
    });
  });
});

describe('S11 buffers of an adapter', () => {
  it('broken: the driver waits five seconds for each of two answers', () => {
    const { seconds, mtu, canPing } = gpadlTeardown.broken();
    expect(seconds).toBeGreaterThan(10);
    expect(seconds).toBeLessThan(11);
    expect({ mtu, canPing }).toEqual({ mtu: 9000, canPing: true });
  });

  it('fixed: no wait', () => {
    const { seconds, mtu, canPing } = gpadlTeardown.fixed();
    expect(seconds).toBeLessThan(1);
    expect({ mtu, canPing }).toEqual({ mtu: 9000, canPing: true });
  });

  it('keeps the old order on a host before 2016', () => {
    expect(gpadlTeardown.changeMtu('byVersion', 'ws2012r2').seconds).toBeLessThan(1);
    expect(gpadlTeardown.changeMtu('beforeClose', 'ws2012r2').seconds).toBeLessThan(1);
  });
});
