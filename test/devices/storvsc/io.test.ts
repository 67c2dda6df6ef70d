import { describe, expect, it } from 'vitest';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { ScsiDvd } from '../../../src/devices/scsi/dvd.ts';
import { Sense } from '../../../src/devices/scsi/spec.ts';
import { MAX_IN_FLIGHT } from '../../../src/devices/storvsc/completions.ts';
import { VstorOperation } from '../../../src/devices/storvsc/spec.ts';
import { FakeChannel } from '../support/fake-channel.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { hex } from '../support/scsi-runner.ts';
import { parse, StorvscBench } from '../support/storvsc-bench.ts';

const { is } = VstorOperation;
const READ_8 = '28 00 00 00 00 08 00 00 08 00';

function ready(profile = {}): { bench: StorvscBench; medium: MemoryDisk; unit: ScsiDisk } {
  const medium = new MemoryDisk(1 << 18).fillPattern();
  const unit = new ScsiDisk(medium);
  const bench = new StorvscBench({ luns: [{ address: { target: 0, lun: 0 }, unit }] }, profile);
  return { bench: bench.initialize(), medium, unit };
}

describe('EXECUTE_SRB', () => {
  it('moves the data and echoes the request with its results', () => {
    const { bench, medium } = ready();
    const answer = bench.execute({ cdb: READ_8, length: 4096 });
    expect(answer).toMatchObject({ status: 0, srb: 0x01, scsi: 0, transferred: 4096 });
    const read = bench.memory.u8.subarray(0x1_0000, 0x1_0000 + 4096);
    expect(Buffer.compare(read, medium.bytes.subarray(4096, 8192))).toBe(0);
    expect(hex(answer.bytes)).toBe(
      '01 00 00 00 00 00 00 00 00 00 00 00' +
        ' 34 00 01 00 00 00 00 00 10 14 01 00 00 10 00 00' +
        ` 28 00 00 00 00 08 00 00 08 00${' 00'.repeat(26)}`,
    );
  });

  it('carries sense data where the CDB was', () => {
    const { bench } = ready();
    const answer = bench.execute({ cdb: '28 00 00 00 0f ff 00 00 01 00', length: 512 });
    expect(hex(answer.bytes)).toBe(
      '01 00 00 00 00 00 00 00 85 01 00 c0' +
        ' 34 00 86 02 00 00 00 00 10 14 01 00 00 00 00 00' +
        ` 70 00 05 00 00 00 00 0a 00 00 00 00 21 00 00 00 00 00 00 00${' 00'.repeat(16)}`,
    );
  });

  it('reports no more sense than the guest has room for', () => {
    const { bench } = ready();
    expect(bench.execute({ cdb: 'ff', senseLength: 18 }).bytes[21]).toBe(18);
    expect(bench.execute({ cdb: 'ff', senseLength: 252 }).bytes[21]).toBe(20);
  });

  it.each([
    ['two ranges', { runs: [[0x1_0000, 4096]] as [number, number][], rangeCount: 2 }, 4096],
    ['ranges below the declared length', { runs: [[0x1_0000, 4095]] as [number, number][] }, 4096],
    ['no ranges', {}, 4096],
    ['more than any host moves', { runs: [[0, 9 << 20]] as [number, number][] }, 9 << 20],
  ])('%s: invalid parameter, nothing moved', (_, options, length) => {
    const { bench } = ready();
    bench.queue(bench.srbPayload({ cdb: READ_8, length }), options);
    bench.controller.signaled(bench.primary);
    bench.settle();
    expect(parse(bench.primary.sent.at(-1)!)).toMatchObject({
      status: 0xc000_000d,
      srb: 0x06,
      transferred: 0,
    });
  });

  it.each([
    [0x92, 0x8000_0005, { cdb: READ_8, length: 2048 }],
    [0x20, 0xc000_00c0, { cdb: '00', lun: 9 }],
    [0x86, 0xc000_0185, { cdb: 'ff' }],
  ])('SRB status %i mirrors in NTSTATUS %i', (srb, status, request) => {
    expect(ready().bench.execute(request)).toMatchObject({ srb, status });
  });

  it.each([
    [0x02, 0xc000_0120],
    [0x05, 0x8000_0011],
    [0x09, 0xc000_00b5],
    [0x0a, 0xc000_009d],
    [0x0b, 0xc000_00b5],
    [0x16, 0xc000_0001],
    [0x21, 0xc000_00c0],
    [0x22, 0xc000_0010],
    [0xc4, 0xc000_0185],
  ])('an injected SRB status %i gives NTSTATUS %i', (srbStatus, status) => {
    const { bench, unit } = ready();
    unit.faults.inject({ operation: 0, srbStatus });
    expect(bench.execute({ cdb: '00' })).toMatchObject({ srb: srbStatus, status });
  });
});

describe('virtual time', () => {
  const latency = { signalNs: 1000, requestNs: 10_000, byteNs: 1 };

  it('a request takes signal, request and transfer time', () => {
    const { bench } = ready({ latency });
    const start = bench.clock.nowNs;
    bench.execute({ cdb: READ_8, length: 4096 });
    expect(bench.clock.nowNs - start).toBe(1000 + 10_000 + 4096);
  });

  it('WRITE SAME takes the time of what it writes, and says what the guest gave', () => {
    const { bench } = ready({ latency });
    const start = bench.clock.nowNs;
    const cdb = '41 00 00 00 00 08 00 01 00 00';
    const answer = bench.execute({ cdb, dataIn: 0, length: 512 });
    expect(answer).toMatchObject({ srb: 0x01, transferred: 512 });
    expect(bench.clock.nowNs - start).toBe(1000 + 10_000 + 256 * 512);
  });

  it('a ring of long transfers is served in parts', () => {
    const { bench } = ready();
    const cdb = '93 00 0000000000000000 00000200 00 00';
    for (let index = 0; index < 60; index += 1) {
      bench.queue(bench.srbPayload({ cdb, dataIn: 0, length: 512 }), { runs: [[0x1_0000, 512]] });
    }
    bench.controller.signaled(bench.primary);
    bench.events.runNext();
    expect(bench.primary.queued.length).toBe(60 - 16);
    bench.settle();
    expect(bench.primary.queued.length).toBe(0);
  });

  it('transfers share one path, and small ones need not wait for a delayed one', () => {
    const { bench, unit } = ready({ latency });
    const times: [number, number][] = [];
    unit.faults.inject({ firstLba: 8, times: 1, delayNs: 50_000 });
    const start = bench.clock.nowNs;
    const first = bench.queue(bench.srbPayload({ cdb: READ_8, length: 4096 }), {
      runs: [[0x1_0000, 4096]],
    });
    const second = bench.queue(bench.srbPayload({ cdb: READ_8, length: 4096 }), {
      runs: [[0x2_0000, 4096]],
    });
    const third = bench.queue(bench.srbPayload({ cdb: '00' }));
    bench.controller.signaled(bench.primary);
    let seen = bench.primary.sent.length;
    while (bench.events.runNext()) {
      for (; seen < bench.primary.sent.length; seen += 1) {
        times.push([bench.primary.sent[seen]!.transactionLo, bench.clock.nowNs - start]);
      }
    }
    expect(times).toEqual([
      [second, 1000 + 10_000 + 8192],
      [third, 1000 + 10_000 + 8192],
      [first, 1000 + 10_000 + 4096 + 50_000],
    ]);
  });

  it('the trace has one request and one completion of each, and control packets apart', () => {
    const { bench } = ready();
    const seen: string[] = [];
    bench.trace.subscribe((_, type, values) => {
      if (type.category === 'storvsc') {
        seen.push(`${type.name} ${[...values.subarray(0, type.fieldNames.length)].join(' ')}`);
      }
    });
    bench.execute({ cdb: READ_8, length: 4096 });
    bench.execute({ target: 1, lun: 2, cdb: '12 00 00 00 24 00', length: 36 });
    bench.control(is.resetBus);
    expect(seen).toEqual([
      'request 10 0 5 40 8 4096',
      'complete 10 0 5 1 0 4096',
      'request 10 258 6 18 0 36',
      'complete 10 258 6 1 0 36',
      'control 10 6 0 0',
    ]);
  });

  it('two equal runs give one digest', () => {
    const run = (): string => {
      const { bench } = ready();
      for (let lba = 0; lba < 20; lba += 1) {
        bench.execute({
          cdb: `28 00 00 00 00 ${hex(Uint8Array.of(lba))} 00 00 01 00`,
          length: 512,
        });
      }
      return bench.trace.digest;
    };
    expect(run()).toBe(run());
  });
});

describe('a full ring', () => {
  it('parks completions in order and goes on when there is room', () => {
    const { bench } = ready();
    const before = bench.primary.sent.length;
    bench.primary.room = 2;
    const ids = Array.from({ length: 10 }, () => bench.queue(bench.srbPayload({ cdb: '00' })));
    bench.controller.signaled(bench.primary);
    bench.settle();
    expect(bench.primary.sent.length).toBe(before + 2);
    bench.primary.room = 3;
    bench.controller.writable(bench.primary);
    bench.settle();
    expect(bench.primary.sent.length).toBe(before + 5);
    bench.primary.room = Infinity;
    bench.controller.writable(bench.primary);
    bench.settle();
    expect(bench.primary.sent.slice(before).map((it) => it.transactionLo)).toEqual(ids);
  });

  it('takes no more packets meanwhile, and none is lost', () => {
    const { bench } = ready();
    bench.primary.room = 0;
    const count = MAX_IN_FLIGHT * 2 + 5;
    for (let index = 0; index < count; index += 1) bench.queue(bench.srbPayload({ cdb: '00' }));
    const before = bench.primary.sent.length;
    bench.controller.signaled(bench.primary);
    bench.settle();
    expect(bench.primary.queued.length).toBeGreaterThan(MAX_IN_FLIGHT);
    bench.primary.room = Infinity;
    bench.controller.writable(bench.primary);
    bench.settle();
    expect(bench.primary.sent.length).toBe(before + count);
    expect(new Set(bench.primary.sent.map((it) => it.transactionLo)).size).toBe(before + count);
  });

  it('a channel that closes takes its parked and pending completions with it', () => {
    const { bench } = ready();
    for (let round = 0; round < 3; round += 1) {
      bench.primary.room = 0;
      for (let index = 0; index < MAX_IN_FLIGHT; index += 1) {
        bench.queue(bench.srbPayload({ cdb: '00' }));
      }
      bench.controller.signaled(bench.primary);
      bench.events.runNext();
      if (round === 1) bench.settle();
      bench.controller.close(bench.primary);
      bench.primary.queued.length = 0;
      bench.primary.room = Infinity;
      bench.controller.open(bench.primary);
      bench.settle();
      bench.initialize();
    }
    const before = bench.primary.sent.length;
    for (let index = 0; index < MAX_IN_FLIGHT; index += 1) {
      bench.queue(bench.srbPayload({ cdb: '00' }));
    }
    bench.controller.signaled(bench.primary);
    bench.settle();
    expect(bench.primary.sent.length).toBe(before + MAX_IN_FLIGHT);
  });

  it('one event handles a bounded part of a long ring', () => {
    const { bench } = ready();
    for (let index = 0; index < 500; index += 1) bench.queue(bench.srbPayload({ cdb: '00' }));
    bench.controller.signaled(bench.primary);
    bench.events.runNext();
    expect(bench.primary.queued.length).toBe(500 - 64);
  });
});

describe('sub-channels', () => {
  it('carry I/O, answered on the channel that asked', () => {
    const { bench } = ready();
    bench.control(is.createSubChannels, 2);
    const second = new FakeChannel(bench.memory, 2);
    bench.controller.open(second);
    const before = bench.primary.sent.length;
    expect(bench.execute({ cdb: READ_8, length: 4096, channel: second }).srb).toBe(0x01);
    expect(bench.primary.sent.length).toBe(before);
  });

  it('hold their packets until the initialisation has ended', () => {
    const medium = new MemoryDisk(65_536);
    const bench = new StorvscBench({
      luns: [{ address: { target: 0, lun: 0 }, unit: new ScsiDisk(medium) }],
    });
    bench.control(is.beginInitialization);
    bench.control(is.queryProtocolVersion, 0x0602);
    bench.control(is.queryProperties);
    bench.control(is.createSubChannels, 1);
    const early = new FakeChannel(bench.memory, 1);
    bench.controller.open(early);
    bench.queue(bench.srbPayload({ cdb: '00' }), { channel: early });
    bench.controller.signaled(early);
    bench.settle();
    expect(early.sent).toEqual([]);
    bench.control(is.endInitialization);
    expect(early.sent.map((it) => parse(it).srb)).toEqual([0x01]);
  });
});

describe('hot add and remove', () => {
  const disk = (): ScsiDisk => new ScsiDisk(new MemoryDisk(65_536));
  const notices = (bench: StorvscBench): Uint8Array[] =>
    bench.primary.sent.filter((it) => !it.isCompletion).map((it) => it.bytes);

  it('sends ENUMERATE_BUS of the packet size, transaction 0', () => {
    const { bench } = ready();
    bench.controller.attach({ target: 0, lun: 3 }, disk());
    expect(bench.execute({ lun: 3, cdb: '00' }).srb).toBe(0x01);
    bench.controller.detach({ target: 0, lun: 3 });
    expect(bench.execute({ lun: 3, cdb: '00' }).srb).toBe(0x20);
    bench.controller.detach({ target: 0, lun: 0 }, 'removeDevice');
    expect(notices(bench).map((it) => [it.length, it[0]])).toEqual([
      [64, 11],
      [64, 11],
      [64, 2],
    ]);
    expect(notices(bench).every((it) => it.subarray(4).every((byte) => byte === 0))).toBe(true);
  });

  it.each([
    [0x0200, 48, []],
    [0x0402, 48, [48]],
  ])('protocol %i: %i bytes, %j', (version, bytes, expected) => {
    const bench = new StorvscBench().initialize(version, bytes);
    bench.controller.attach({ target: 0, lun: 0 }, disk());
    expect(notices(bench).map((it) => it.length)).toEqual(expected);
  });

  it('is silent before END, after which the guest scans anyway', () => {
    const bench = new StorvscBench();
    bench.controller.attach({ target: 0, lun: 0 }, disk());
    bench.initialize();
    expect(notices(bench)).toEqual([]);
    expect(bench.execute({ cdb: '00' }).srb).toBe(0x01);
  });

  it('waits for room in the ring, once for any number of changes', () => {
    const { bench } = ready();
    bench.primary.room = 0;
    for (let lun = 1; lun < 5; lun += 1) bench.controller.attach({ target: 0, lun }, disk());
    bench.primary.room = Infinity;
    bench.controller.writable(bench.primary);
    expect(notices(bench).length).toBe(1);
  });

  it('a taken and an empty address are our own mistakes', () => {
    const { bench } = ready();
    expect(() => bench.controller.attach({ target: 0, lun: 0 }, disk())).toThrow('taken');
    expect(() => bench.controller.detach({ target: 0, lun: 9 })).toThrow('empty');
    expect(() => bench.controller.attach({ target: 256, lun: 0 }, disk())).toThrow('bytes');
  });
});

describe('units of a controller', () => {
  it('a DVD drive beside a disk', () => {
    const { bench } = ready();
    bench.controller.attach({ target: 0, lun: 1 }, new ScsiDvd('dvd'));
    expect(bench.execute({ lun: 1, cdb: '00' })).toMatchObject({ srb: 0x84, scsi: 0x02 });
    bench.execute({ lun: 1, cdb: '12 00 00 00 24 00', length: 36 });
    expect([...bench.memory.u8.subarray(0x1_0000, 0x1_0003)]).toEqual([5, 0x80, 0]);
  });

  it('a medium error reaches the guest with its sense, the buffer as it was', () => {
    const { bench, unit } = ready();
    unit.faults.inject({ access: 'read', firstLba: 9, sense: Sense.unrecoveredReadError });
    bench.memory.u8.fill(0xab, 0x1_0000, 0x1_1000);
    expect(bench.execute({ cdb: READ_8, length: 4096 })).toMatchObject({
      srb: 0x84,
      scsi: 0x02,
      transferred: 0,
      status: 0xc000_0185,
    });
    expect(bench.memory.u8.subarray(0x1_0000, 0x1_1000).every((it) => it === 0xab)).toBe(true);
  });
});
