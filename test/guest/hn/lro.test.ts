import { describe, expect, it } from 'vitest';
import { LargeReceive } from '../../../src/guest/hn/lro.ts';
import { ChecksumFlag, HEADROOM, Packet } from '../../../src/guest/inet/packet.ts';
import { be32, type FrameSpec, ipFrame } from '../../net/frames.ts';

const ETHERNET = 14;
const HEADERS = ETHERNET + 20 + 20;
const ACK = 0x10;
const PSH = 0x08;
const FIN = 0x01;
const CHECKED =
  ChecksumFlag.ipValid |
  ChecksumFlag.ipChecked |
  ChecksumFlag.dataValid |
  ChecksumFlag.pseudoHeader;

interface Spec extends FrameSpec {
  readonly sequence: number;
  readonly csumFlags?: number;
}

/** A segment as the adapter hands it over. */
function segment({ sequence, csumFlags = CHECKED, ...spec }: Spec): Packet {
  const frame = ipFrame({ flags: ACK, ...spec });
  frame[ETHERNET + 6] = 0;
  frame.set(be32(sequence), ETHERNET + 20 + 4);
  const packet = new Packet(2048);
  packet.bytes.set(frame, HEADROOM);
  packet.length = frame.length;
  packet.csumFlags = csumFlags;
  return packet;
}

const fill = (length: number, value: number): number[] => new Array<number>(length).fill(value);

class Bench {
  readonly delivered: Packet[] = [];
  readonly lro = new LargeReceive((packet) => this.delivered.push(packet.clone()));

  /** @returns what the merged packets carry, and the datagrams' lengths by their headers */
  get told(): { readonly data: number[]; readonly length: number }[] {
    return this.delivered.map(({ bytes, start, length }) => ({
      data: [...bytes.subarray(start + HEADERS, start + length)],
      length: bytes[start + ETHERNET + 2]! * 256 + bytes[start + ETHERNET + 3]!,
    }));
  }
}

describe('large receive', () => {
  it('merges segments that follow each other into one, at the end of the batch', () => {
    const { lro, told, delivered } = withSegments([100, 50, 25]);
    expect(delivered).toEqual([]);
    expect(told()).toEqual([
      { data: [...fill(100, 0), ...fill(50, 1), ...fill(25, 2)], length: 215 },
    ]);
    expect([lro.queued, lro.flushed]).toEqual([3, 1]);
  });

  it('takes acknowledgment, window and PSH from the last one', () => {
    const bench = new Bench();
    bench.lro.take(segment({ sequence: 1, payload: fill(10, 1) }));
    const last = segment({ sequence: 11, payload: fill(10, 2), flags: ACK | PSH });
    const tcp = HEADROOM + ETHERNET + 20;
    last.bytes.set([...be32(0x1234_5678), 0x50, ACK | PSH, 0x11, 0x22], tcp + 8);
    bench.lro.take(last);
    bench.lro.flush();
    const { bytes } = bench.delivered[0]!;
    expect([...bytes.subarray(tcp + 4, tcp + 16)]).toEqual([
      ...be32(1),
      ...be32(0x1234_5678),
      0x50,
      ACK | PSH,
      0x11,
      0x22,
    ]);
  });

  it('goes on across the end of the sequence numbers', () => {
    const bench = new Bench();
    bench.lro.take(segment({ sequence: 0xffff_fff6, payload: fill(10, 1) }));
    bench.lro.take(segment({ sequence: 0, payload: fill(10, 2) }));
    bench.lro.flush();
    expect(bench.told).toHaveLength(1);
  });

  it('begins anew for another flow, after a gap, and where a datagram would be too long', () => {
    const bench = new Bench();
    bench.lro.take(segment({ sequence: 0, payload: fill(10, 1) }));
    bench.lro.take(segment({ sequence: 10, payload: fill(10, 2), fromPort: 99 }));
    bench.lro.take(segment({ sequence: 30, payload: fill(10, 3), fromPort: 99 }));
    bench.lro.flush();
    expect(bench.told.map(({ data }) => data[0])).toEqual([1, 2, 3]);
    const long = new Bench();
    for (let count = 0; count < 46; count += 1) {
      long.lro.take(segment({ sequence: count * 1460, payload: fill(1460, count) }));
    }
    long.lro.flush();
    expect(long.told.map(({ length }) => length)).toEqual([40 + 44 * 1460, 40 + 2 * 1460]);
  });

  it('leaves everything else to the caller, behind what it had', () => {
    const others: Spec[] = [
      { sequence: 10, payload: [] },
      { sequence: 10, flags: ACK | FIN },
      { sequence: 10, options: 3 },
      { sequence: 10, protocol: 'udp' },
      { sequence: 10, csumFlags: ChecksumFlag.ipValid | ChecksumFlag.ipChecked },
    ];
    for (const other of others) {
      const bench = new Bench();
      expect(bench.lro.take(segment({ sequence: 0, payload: fill(10, 1) }))).toBe(true);
      expect(bench.lro.take(segment(other))).toBe(false);
      expect(bench.delivered).toHaveLength(1);
    }
  });
});

/** Segments of one flow with these payloads, of bytes that tell their number. */
function withSegments(lengths: readonly number[]): {
  readonly lro: LargeReceive;
  readonly delivered: readonly Packet[];
  /** Ends the batch first. */
  readonly told: () => Bench['told'];
} {
  const bench = new Bench();
  let sequence = 1;
  for (const [index, length] of lengths.entries()) {
    bench.lro.take(segment({ sequence, payload: fill(length, index) }));
    sequence += length;
  }
  const told = (): Bench['told'] => {
    bench.lro.flush();
    return bench.told;
  };
  return { lro: bench.lro, delivered: [...bench.delivered], told };
}
