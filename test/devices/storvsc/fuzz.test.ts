import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import { ScsiOperation } from '../../../src/devices/scsi/spec.ts';
import { VstorOperation } from '../../../src/devices/storvsc/spec.ts';
import { FakeChannel } from '../support/fake-channel.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { StorvscBench } from '../support/storvsc-bench.ts';
import { cases, shown } from '../../support/cases.ts';

const RUN_START = 0x1_0000;
/** Guest memory that no packet names: it must stay as it is. */
const QUIET_END = RUN_START;

function machine(): StorvscBench {
  const luns = [
    {
      address: { target: 0, lun: 0 },
      unit: new ScsiDisk(new MemoryDisk(65_536), { isThin: true }),
    },
    { address: { target: 0, lun: 1 }, unit: new ScsiDvd('dvd', new MemoryDisk(65_536)) },
    {
      address: { target: 1, lun: 0 },
      unit: new ScsiDisk(new MemoryDisk(65_536, { sectorBytes: 4096 }), { isShared: true }),
    },
  ];
  return new StorvscBench({ luns }).initialize();
}

const operations = Object.values(ScsiOperation);
const small = fc.integer({ min: 0, max: 300 });

/** Packets that are nearly right: a real operation with random fields. */
const nearlyRight = fc.record({
  operation: fc.oneof(
    { arbitrary: fc.constant<number>(VstorOperation.is.executeSrb), weight: 6 },
    { arbitrary: fc.constantFrom(...Object.values(VstorOperation.is)), weight: 1 },
  ),
  target: fc.constantFrom(0, 0, 0, 1, 2, 255),
  lun: fc.constantFrom(0, 0, 1, 2, 255),
  command: fc.oneof(fc.constantFrom(...operations), fc.nat(255)),
  fields: fc.uint8Array({ minLength: 15, maxLength: 15 }),
  /** Which bytes of the CDB are zero: most are, in commands that make sense. */
  zeros: fc.nat(0x7fff),
  dataIn: fc.constantFrom(0, 1, 1, 2, 255),
  length: fc.oneof(small, fc.constantFrom(512, 2048, 4096, 8192, 0xffff_ffff)),
  runs: fc.array(fc.tuple(fc.nat(60_000), fc.oneof(small, fc.constantFrom(512, 4096))), {
    maxLength: 5,
  }),
  rangeCount: fc.constantFrom(1, 1, 1, 0, 2),
  bytes: fc.constantFrom(64, 64, 48, 40, 12, 8, 0),
  flags: fc.constantFrom(1, 1, 1, 0),
  type: fc.constantFrom(9, 9, 6, 7, 0xb),
});

const CASES = cases(10_000, 500);

describe('a hostile guest', () => {
  it(`${shown(CASES)} malformed packets: each is answered once or ignored, nothing throws or stalls`, () => {
    let bench = machine();
    let count = 0;
    fc.assert(
      fc.property(nearlyRight, (packet) => {
        if (count % 1000 === 0) bench = machine();
        count += 1;
        const payload = bench.srbPayload({ cdb: '00' });
        payload[0] = packet.operation;
        payload[18] = packet.target;
        payload[19] = packet.lun;
        payload[22] = packet.dataIn;
        new DataView(payload.buffer).setUint32(24, packet.length, true);
        payload[28] = packet.command;
        for (let at = 0; at < 15; at += 1) {
          payload[29 + at] = (packet.zeros >> at) & 1 ? 0 : packet.fields[at]!;
        }
        const before = bench.primary.sent.length;
        bench.memory.u8.fill(0x11, 0, QUIET_END);
        bench.queue(payload.slice(0, packet.bytes), {
          type: packet.type,
          flags: packet.flags,
          rangeCount: packet.rangeCount,
          runs: packet.runs.map(([at, size]) => [RUN_START + at, size] as const),
        });
        const startNs = bench.clock.nowNs;
        bench.controller.signaled(bench.primary);
        bench.settle();
        const isAnswerable = packet.flags === 1 && (packet.type === 9 || packet.type === 6);
        expect(bench.primary.sent.length - before).toBe(isAnswerable ? 1 : 0);
        expect(bench.clock.nowNs - startNs).toBeLessThan(10_000_000);
        for (let at = 0; at < QUIET_END; at += 4093) expect(bench.memory.u8[at]).toBe(0x11);
      }),
      { numRuns: CASES },
    );
    // After all that the machine still works.
    expect(bench.execute({ cdb: '00' }).srb).toBe(0x01);
  });

  it('any order of opening, signalling, filling and closing comes to rest', () => {
    const step = fc.record({
      action: fc.constantFrom('queue', 'signal', 'run', 'close', 'open', 'writable', 'room'),
      channel: fc.integer({ min: 0, max: 3 }),
      operation: fc.integer({ min: 0, max: 15 }),
      room: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = machine();
        const channels = [0, 1, 2, 3].map((it) => new FakeChannel(bench.memory, it));
        for (const { action, channel: index, operation, room } of steps) {
          const channel = channels[index]!;
          if (action === 'queue') {
            const payload = bench.srbPayload({ cdb: '00' });
            payload[0] = operation;
            bench.queue(payload, { channel });
          } else if (action === 'signal') bench.controller.signaled(channel);
          else if (action === 'run') bench.events.runNext();
          else if (action === 'close') bench.controller.close(channel);
          else if (action === 'open') bench.controller.open(channel);
          else if (action === 'writable') bench.controller.writable(channel);
          else channel.room = room;
        }
        bench.settle();
        const all = channels.flatMap((it) => it.sent.filter((sent) => sent.isCompletion));
        const ids = all.map((it) => it.transactionLo);
        expect(new Set(ids).size).toBe(ids.length);
      }),
      { numRuns: 300 },
    );
  });
});
