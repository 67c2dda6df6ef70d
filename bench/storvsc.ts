/**
 * storvsc reads through a real channel: the guest writes GPA-direct packets into a ring in guest
 * memory, the host answers into the other, data moves from a disk in memory to guest memory.
 */
import { VirtualClock } from '../src/core/clock.ts';
import { EventQueue } from '../src/core/events.ts';
import { GuestMemory, PAGE_BYTES } from '../src/core/memory.ts';
import { Random } from '../src/core/random.ts';
import { Trace } from '../src/core/trace.ts';
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import { ScsiOperation } from '../src/devices/scsi/spec.ts';
import { StorvscController } from '../src/devices/storvsc/controller.ts';
import { DEFAULT_STORVSC_PROFILE } from '../src/devices/storvsc/profile.ts';
import {
  PACKET_BYTES_V2,
  VstorOperation,
  VstorScsiRequest,
  VstorVersion,
} from '../src/devices/storvsc/spec.ts';
import type { BlockDevice } from '../src/storage/block.ts';
import { HostChannel } from '../src/vmbus/channel.ts';
import {
  GpaDirectExtension,
  RingMemory,
  RingPacket,
  RingReader,
  RingWriter,
} from '../src/vmbus/ring.ts';
import { PacketFlag, PacketType } from '../src/vmbus/spec/ring.ts';
import type { BenchResult } from './result.ts';

const MIB = 1 << 20;
const DISK_BYTES = 64 * MIB;
const RING_BYTES = 128 * 1024;
const BUFFERS_GPA = 4 * MIB;
const SEQUENTIAL_BYTES = 256 * 1024;
const RANDOM_BYTES = 4096;
const DEPTH = 32;
const SECTOR = 512;
/** The compiler needs this long before the figures settle. */
const WARM_UP_MS = 500;
const SAMPLE_MS = 60;
const ROUNDS = 6;

function memoryDisk(bytes: Uint8Array): BlockDevice {
  return {
    name: 'memory',
    sectorBytes: SECTOR,
    physicalSectorBytes: 4096,
    sizeBytes: bytes.length,
    readOnly: false,
    diskId: new Uint8Array(16),
    read: (position, target, start, length) => {
      target.set(bytes.subarray(position, position + length), start);
    },
    write: (position, source, start, length) => {
      bytes.set(source.subarray(start, start + length), position);
    },
    unmap: () => {},
    flush: () => {},
    close: () => {},
  };
}

/** The guest's end of one storvsc channel, with the controller behind the other. */
class StorvscGuest {
  readonly #clock = new VirtualClock();
  readonly #events = new EventQueue(this.#clock);
  readonly memory = new GuestMemory({ ramBytes: 32 * MIB, lowGapStart: 1 << 30 });
  readonly #controller: StorvscController;
  readonly #channel: HostChannel;
  readonly #writer: RingWriter;
  readonly #reader: RingReader;
  readonly #payload = new Uint8Array(PACKET_BYTES_V2);
  readonly #request = VstorScsiRequest.cursor(new DataView(this.#payload.buffer)).at(0);
  readonly #extensions: GpaDirectExtension[] = [];

  /** @param isScattered no two pages of a buffer follow each other */
  constructor(disk: BlockDevice, bytesPerRequest: number, isScattered = false) {
    const { memory } = this;
    const trace = new Trace(this.#clock);
    this.#controller = new StorvscController({
      kind: { type: 'scsi', instanceId: '00000000-0000-0000-0000-000000000001' },
      order: 0,
      events: this.#events,
      clock: this.#clock,
      trace,
      memory,
      profile: DEFAULT_STORVSC_PROFILE,
      luns: [{ address: { target: 0, lun: 0 }, unit: new ScsiDisk(disk) }],
    });
    const toHost = RingMemory.contiguous(memory, MIB, RING_BYTES);
    const toGuest = RingMemory.contiguous(memory, 2 * MIB, RING_BYTES);
    const bus = {
      memory,
      trace,
      signalGuest: () => {},
      retryLater: () => {},
      retry: () => {},
      dropRetry: () => {},
      gpadlOf: () => undefined,
    };
    this.#channel = new HostChannel(bus, {
      channelId: 1,
      subChannelIndex: 0,
      targetVp: 0,
      eventFlag: 1,
      userData: new Uint8Array(120),
      vmbusVersion: 0x0005_0003,
      guestToHost: toHost,
      hostToGuest: toGuest,
    });
    this.#controller.open(this.#channel);
    this.#channel.begin();
    this.#writer = new RingWriter(toHost);
    this.#reader = new RingReader(toGuest, new RingPacket(RingPacket.capacityFor(toGuest)));
    for (let index = 0; index < DEPTH; index += 1) {
      const pages = bytesPerRequest / PAGE_BYTES;
      const first = BUFFERS_GPA / PAGE_BYTES + index * pages;
      const extension = new GpaDirectExtension();
      const pfns = Array.from({ length: pages }, (_, page) =>
        isScattered ? first + pages - 1 - page : first + page,
      );
      extension.clear();
      extension.add(bytesPerRequest, 0, pfns);
      this.#extensions.push(extension);
    }
    this.#initialize();
  }

  #initialize(): void {
    const { is } = VstorOperation;
    const view = new DataView(this.#payload.buffer);
    for (const operation of [
      is.beginInitialization,
      is.queryProtocolVersion,
      is.queryProperties,
      is.endInitialization,
    ]) {
      view.setUint32(0, operation, true);
      view.setUint16(12, VstorVersion.threshold, true);
      this.#writer.write(
        PacketType.inBand,
        PacketFlag.completionRequested,
        1,
        0,
        this.#payload,
        0,
        PACKET_BYTES_V2,
      );
      this.#controller.signaled(this.#channel);
      if (this.drain() !== 1) throw new Error('storvsc did not come up');
    }
    this.#payload.fill(0);
    const request = this.#request;
    request.operation = is.executeSrb;
    request.flags = 1;
    request.length = 52;
    request.cdbLength = 10;
    request.senseLength = 20;
    request.dataIn = 1;
  }

  /** Queues READ (10) of `blocks` into the buffer of `slot`. */
  read(lba: number, blocks: number, slot: number): void {
    const payload = this.#payload;
    payload[28] = ScsiOperation.read10;
    payload[30] = lba >>> 24;
    payload[31] = lba >>> 16;
    payload[32] = lba >>> 8;
    payload[33] = lba;
    payload[35] = blocks >>> 8;
    payload[36] = blocks;
    this.#request.dataTransferLength = blocks * SECTOR;
    const extension = this.#extensions[slot]!;
    const isWritten = this.#writer.write(
      PacketType.gpaDirect,
      PacketFlag.completionRequested,
      slot + 1,
      0,
      payload,
      0,
      PACKET_BYTES_V2,
      extension.bytes,
      extension.length,
    );
    if (!isWritten) throw new Error('the ring to the host is full');
    if (this.#writer.signalDue) {
      this.#writer.signalDue = false;
      this.#controller.signaled(this.#channel);
    }
  }

  /** Lets the host work, and takes every completion. @returns how many succeeded */
  drain(): number {
    while (this.#events.runNext());
    let good = 0;
    while (this.#reader.receive()) {
      const { packet } = this.#reader;
      // NTSTATUS in the header: 0 for a request that succeeded.
      if (packet.words[packet.payloadStart / 4 + 2] === 0) good += 1;
    }
    return good;
  }
}

/** One round of work. @returns how many units it did */
type Work = () => number;

/**
 * Measures several kinds of work in turn, round after round, so that a busy machine slows all of
 * them alike. @returns the best rate of each, in units a second
 */
function bestRates(works: readonly Work[]): number[] {
  const best = works.map(() => 0);
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const [index, work] of works.entries()) {
      const startMs = performance.now();
      let done = 0;
      const sampleMs = round === 0 ? WARM_UP_MS : SAMPLE_MS;
      while (performance.now() - startMs < sampleMs) done += work();
      const rate = done / ((performance.now() - startMs) / 1000);
      if (round > 0) best[index] = Math.max(best[index]!, rate);
    }
  }
  return best;
}

/** Plain copies between the same two kinds of memory; a unit is a byte. */
function copies(source: Uint8Array, target: Uint8Array, bytes: number): Work {
  let position = 0;
  return () => {
    for (let index = 0; index < DEPTH; index += 1) {
      target.set(source.subarray(position, position + bytes), BUFFERS_GPA + index * bytes);
      position = (position + bytes) % DISK_BYTES;
    }
    return DEPTH * bytes;
  };
}

/** Reads of a full queue; a unit is a byte. */
function reads(guest: StorvscGuest, bytes: number, nextLba: () => number): Work {
  const blocks = bytes / SECTOR;
  return () => {
    for (let slot = 0; slot < DEPTH; slot += 1) guest.read(nextLba(), blocks, slot);
    if (guest.drain() !== DEPTH) throw new Error('a read failed');
    return DEPTH * bytes;
  };
}

/** Sequential 256 KiB and random 4 KiB reads, beside plain copies in the same run. */
export function storvscBench(): BenchResult[] {
  const content = new Uint8Array(DISK_BYTES);
  // Every page is written once: untouched ones are all the same page to the host's cache.
  new Random(1).fill(content.subarray(0, MIB));
  for (let filled = MIB; filled < DISK_BYTES; filled += MIB) content.copyWithin(filled, 0, MIB);
  const disk = memoryDisk(content);

  const large = new StorvscGuest(disk, SEQUENTIAL_BYTES);
  const torn = new StorvscGuest(disk, SEQUENTIAL_BYTES, true);
  const small = new StorvscGuest(disk, RANDOM_BYTES);
  let lba = 0;
  const nextLba = (): number => {
    const at = lba;
    lba = (lba + SEQUENTIAL_BYTES / SECTOR) % (DISK_BYTES / SECTOR);
    return at;
  };
  const random = new Random(2);
  const randomLba = (): number => random.below(DISK_BYTES / RANDOM_BYTES) * (RANDOM_BYTES / SECTOR);
  const [sequential = 0, scattered = 0, largeCopy = 1, randomReads = 0, smallCopy = 1] = bestRates([
    reads(large, SEQUENTIAL_BYTES, nextLba),
    reads(torn, SEQUENTIAL_BYTES, nextLba),
    copies(content, large.memory.u8, SEQUENTIAL_BYTES),
    reads(small, RANDOM_BYTES, randomLba),
    copies(content, small.memory.u8, RANDOM_BYTES),
  ]);

  const share = (bytes: number, copy: number): string =>
    `${((bytes / copy) * 100).toFixed(0)} % of TypedArray.set`;
  const thousands = (bytes: number): number => bytes / RANDOM_BYTES / 1000;
  return [
    {
      name: 'storvsc sequential read, 256 KiB',
      value: sequential / 1e9,
      unit: 'GB/s',
      note: `${share(sequential, largeCopy)}, 256 KiB`,
    },
    {
      name: 'storvsc sequential read, 256 KiB in scattered pages',
      value: scattered / 1e9,
      unit: 'GB/s',
      note: `${share(scattered, smallCopy)}, 4 KiB`,
    },
    { name: 'TypedArray.set, 256 KiB', value: largeCopy / 1e9, unit: 'GB/s' },
    {
      name: 'storvsc random read, 4 KiB',
      value: thousands(randomReads),
      unit: 'thousand/s',
      note: `queue depth ${DEPTH}`,
    },
    { name: 'TypedArray.set, 4 KiB', value: thousands(smallCopy), unit: 'thousand/s' },
  ];
}
