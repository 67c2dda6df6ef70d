/** Throughput of VMBus rings: both ends in one process, as the model guest and the host have them. */
import { GuestMemory, PAGE_BYTES } from '../src/core/memory.ts';
import { RangeList } from '../src/vmbus/gpa-ranges.ts';
import { GpaDirectExtension, RingMemory, RingPacket } from '../src/vmbus/ring.ts';
import { RingReader, RingWriter } from '../src/vmbus/ring.ts';
import { GpaDirectHeader, PacketHeader, PacketType } from '../src/vmbus/spec/ring.ts';
import type { BenchResult } from './result.ts';

const RING_PAGES = 33;
const SMALL_BYTES = 64;
const SMALL_PACKETS = 2_000_000;
const BLOCK_BYTES = 65_536;
const BLOCKS = 60_000;
const BUFFER_GPA = 0x40_0000;
const BUFFERS = 64;
const ROUNDS = 3;

interface Ends {
  readonly memory: GuestMemory;
  readonly writer: RingWriter;
  readonly reader: RingReader;
}

/** @param isScattered puts every other page of the ring elsewhere */
function ends(isScattered: boolean): Ends {
  const memory = new GuestMemory({ ramBytes: 16 << 20, lowGapStart: 0xf800_0000 });
  const step = isScattered ? 2 : 1;
  const pages = Array.from({ length: RING_PAGES }, (_, page) => (16 + page * step) * PAGE_BYTES);
  const ring = new RingMemory(memory, pages, 0, RING_PAGES);
  const packet = new RingPacket(RingPacket.capacityFor(ring));
  return { memory, writer: new RingWriter(ring), reader: new RingReader(ring, packet) };
}

/** The best of some rounds: the others had to share the machine. */
function best(round: () => number): number {
  let most = 0;
  for (let count = 0; count < ROUNDS; count += 1) most = Math.max(most, round());
  return most;
}

function smallPackets({ writer, reader }: Ends): number {
  const payload = new Uint8Array(SMALL_BYTES).fill(7);
  const batch = 64;
  const begin = performance.now();
  for (let sent = 0; sent < SMALL_PACKETS; sent += batch) {
    for (let index = 0; index < batch; index += 1) {
      writer.write(PacketType.inBand, 1, sent + index, 0, payload, 0, SMALL_BYTES);
    }
    for (let index = 0; index < batch; index += 1) reader.receive();
  }
  return SMALL_PACKETS / ((performance.now() - begin) / 1000);
}

/** The guest names 64 KiB of its memory in a packet; the host copies them out, as a disk write. */
function gpaDirect({ memory, writer, reader }: Ends): number {
  const extension = new GpaDirectExtension();
  const ranges = new RangeList();
  const disk = new Uint8Array(BUFFERS * BLOCK_BYTES);
  const request = new Uint8Array(SMALL_BYTES);
  const pfns = new Float64Array(BLOCK_BYTES / PAGE_BYTES);
  const first = (PacketHeader.size + GpaDirectHeader.size) / 4;
  const begin = performance.now();
  for (let block = 0; block < BLOCKS; block += 1) {
    const gpa = BUFFER_GPA + (block % BUFFERS) * BLOCK_BYTES;
    for (let page = 0; page < pfns.length; page += 1) pfns[page] = gpa / PAGE_BYTES + page;
    extension.clear();
    extension.add(BLOCK_BYTES, 0, pfns);
    const { bytes, length } = extension;
    writer.write(PacketType.gpaDirect, 1, block, 0, request, 0, SMALL_BYTES, bytes, length);
    reader.receive();
    const { packet } = reader;
    ranges.parse(memory, packet.words, first, packet.payloadStart / 4, 1);
    let to = (block % BUFFERS) * BLOCK_BYTES;
    for (let run = 0; run < ranges.count; run += 1) {
      const from = ranges.offsets[run]!;
      disk.set(memory.u8.subarray(from, from + ranges.lengths[run]!), to);
      to += ranges.lengths[run]!;
    }
  }
  return (BLOCKS * BLOCK_BYTES) / ((performance.now() - begin) / 1000) / 1e9;
}

/** What the machine itself copies in the same pattern, for comparison. */
function plainCopy(): number {
  const source = new Uint8Array(BUFFERS * BLOCK_BYTES).fill(1);
  const target = new Uint8Array(BUFFERS * BLOCK_BYTES);
  const begin = performance.now();
  for (let block = 0; block < BLOCKS; block += 1) {
    const at = (block % BUFFERS) * BLOCK_BYTES;
    target.set(source.subarray(at, at + BLOCK_BYTES), at);
  }
  return (BLOCKS * BLOCK_BYTES) / ((performance.now() - begin) / 1000) / 1e9;
}

export function ringBench(): BenchResult[] {
  const contiguous = ends(false);
  const scattered = ends(true);
  const note = 'written and read in one process';
  return [
    {
      name: 'ring, 64-byte packets',
      value: best(() => smallPackets(contiguous)),
      unit: 'packets/s',
      note,
    },
    {
      name: 'ring, 64-byte packets, scattered pages',
      value: best(() => smallPackets(scattered)),
      unit: 'packets/s',
      note,
    },
    {
      name: 'ring, 64 KiB GPA-direct',
      value: best(() => gpaDirect(contiguous)),
      unit: 'GB/s',
      note: 'one packet and one copy for each block',
    },
    {
      name: 'TypedArray.set, 64 KiB',
      value: best(plainCopy),
      unit: 'GB/s',
      note: 'the same copies without rings',
    },
  ];
}
