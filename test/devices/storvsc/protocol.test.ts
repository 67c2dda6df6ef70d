import { describe, expect, it } from 'vitest';
import { VstorOperation } from '../../../src/devices/storvsc/spec.ts';
import { FakeChannel } from '../support/fake-channel.ts';
import { hex } from '../support/scsi-runner.ts';
import { StorvscBench } from '../support/storvsc-bench.ts';

const { is } = VstorOperation;
const SUCCESS = 0;
const REVISION_MISMATCH = 0xc000_0059;
const INVALID_DEVICE_STATE = 0xc000_0184;
const INVALID_DEVICE_REQUEST = 0xc000_0010;
const INVALID_PARAMETER = 0xc000_000d;

describe('version negotiation', () => {
  const all = [0x0200, 0x0402, 0x0501, 0x0600, 0x0602];
  it.each(all)('a host of at most %i accepts the listed versions up to it', (maxVersion) => {
    const bench = new StorvscBench({}, { maxVersion });
    bench.control(is.beginInitialization);
    for (const version of [0, 0x0100, 0x0401, 0x0502, 0x0601, 0x0603, 0x0700, 0xffff]) {
      expect(bench.control(is.queryProtocolVersion, version).status).toBe(REVISION_MISMATCH);
    }
    for (const version of all.filter((it) => it > maxVersion)) {
      expect(bench.control(is.queryProtocolVersion, version).status).toBe(REVISION_MISMATCH);
    }
    const answer = bench.control(is.queryProtocolVersion, maxVersion);
    expect(answer.status).toBe(SUCCESS);
    expect(new DataView(answer.bytes.buffer).getUint16(12, true)).toBe(maxVersion);
  });

  it.each([
    [0x0200, 48, 48],
    [0x0402, 48, 48],
    [0x0501, 64, 64],
    [0x0602, 64, 64],
    // Linux sends 64 bytes before it knows the version, and drops shorter answers.
    [0x0402, 64, 64],
  ])('protocol %i with packets of %i bytes completes with %i', (version, sent, expected) => {
    const bench = new StorvscBench().initialize(version, sent);
    bench.queue(bench.srbPayload({ cdb: '00' }, sent));
    bench.controller.signaled(bench.primary);
    bench.settle();
    expect(bench.primary.sent.at(-1)!.bytes.length).toBe(expected);
  });
});

describe('QUERY_PROPERTIES', () => {
  const properties = (version: number, options = {}, profile = {}): string => {
    const bench = new StorvscBench(options, profile);
    bench.control(is.beginInitialization);
    bench.control(is.queryProtocolVersion, version);
    return hex(bench.control(is.queryProperties).bytes.subarray(0, 36));
  };
  const head = '01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00';
  const tail = '00 00 04 00 00 00 00 00 00 00 00 00';

  it('offers sub-channels from 5.1 on', () => {
    expect(properties(0x0501)).toBe(`${head} 08 00 00 00 01 00 00 00 ${tail}`);
    expect(properties(0x0402)).toBe(`${head} 00 00 00 00 00 00 00 00 ${tail}`);
  });

  it('an IDE accelerator and a single-channel host have none', () => {
    const none = `${head} 00 00 00 00 00 00 00 00 ${tail}`;
    expect(properties(0x0602, { kind: { type: 'ide', channel: 0, device: 0 } })).toBe(none);
    expect(properties(0x0602, {}, { maxSubChannels: 0 })).toBe(none);
  });
});

describe('order', () => {
  const path = [
    is.beginInitialization,
    is.queryProtocolVersion,
    is.queryProperties,
    is.endInitialization,
  ];

  it.each([0, 1, 2, 3, 4])('after %i steps every other operation is refused', (done) => {
    const others = [...path, is.createSubChannels, is.executeSrb, is.resetBus];
    const next = done < 4 ? path[done]! : -1;
    for (const operation of others) {
      const bench = new StorvscBench();
      for (const step of path.slice(0, done)) bench.control(step, 0x0602);
      const isAllowed =
        operation === next ||
        (done >= 3 && operation === is.createSubChannels) ||
        (done === 4 && (operation === is.executeSrb || operation === is.resetBus));
      const { status } = bench.control(operation, operation === is.createSubChannels ? 1 : 0x0602);
      // An all-zero SRB is TEST UNIT READY to a LUN that is not there.
      const allowed = operation === is.executeSrb ? 0xc000_00c0 : SUCCESS;
      expect([operation, status]).toEqual([operation, isAllowed ? allowed : INVALID_DEVICE_STATE]);
    }
  });

  it('a mistake does not lose the place', () => {
    const bench = new StorvscBench();
    bench.control(is.beginInitialization);
    bench.control(is.endInitialization);
    expect(bench.control(is.queryProtocolVersion, 0x0602).status).toBe(SUCCESS);
  });

  it('a reopened channel starts over', () => {
    const bench = new StorvscBench().initialize();
    bench.controller.close(bench.primary);
    bench.controller.open(bench.primary);
    expect(bench.control(is.resetBus).status).toBe(INVALID_DEVICE_STATE);
    bench.initialize(0x0501);
  });

  it.each([is.resetLun, is.resetBus, is.resetAdapter])('reset %i is answered', (operation) => {
    expect(new StorvscBench().initialize().control(operation).status).toBe(SUCCESS);
  });

  it.each([is.completeIo, is.removeDevice, is.enumerateBus, is.fcHbaData, 0, 15, 0xffff_ffff])(
    'operation %i is no request of a guest',
    (operation) => {
      const bench = new StorvscBench().initialize();
      expect(bench.control(operation).status).toBe(INVALID_DEVICE_REQUEST);
    },
  );
});

describe('CREATE_SUB_CHANNELS', () => {
  it.each([true, false])('works once (before END: %s), up to the maximum', (isBeforeEnd) => {
    const bench = new StorvscBench();
    bench.control(is.beginInitialization);
    bench.control(is.queryProtocolVersion, 0x0501);
    bench.control(is.queryProperties);
    if (!isBeforeEnd) bench.control(is.endInitialization);
    expect(bench.control(is.createSubChannels, 9).status).toBe(INVALID_PARAMETER);
    expect(bench.offeredSubChannels).toBe(0);
    expect(bench.control(is.createSubChannels, 3).status).toBe(SUCCESS);
    expect(bench.offeredSubChannels).toBe(3);
    expect(bench.control(is.createSubChannels, 3).status).toBe(INVALID_DEVICE_STATE);
    expect(bench.offeredSubChannels).toBe(3);
  });

  it('needs protocol 5.1', () => {
    const bench = new StorvscBench().initialize(0x0402);
    expect(bench.control(is.createSubChannels, 1).status).toBe(INVALID_PARAMETER);
  });

  it('is no operation of a sub-channel', () => {
    const bench = new StorvscBench().initialize();
    bench.control(is.createSubChannels, 1);
    const second = new FakeChannel(bench.memory, 1);
    expect(bench.controller.open(second)).toBe(0);
    const answer = bench.control(is.createSubChannels, 1, { channel: second });
    expect(answer.status).toBe(INVALID_DEVICE_STATE);
  });

  it('an index beyond the maximum cannot be opened', () => {
    const bench = new StorvscBench().initialize();
    expect(bench.controller.open(new FakeChannel(bench.memory, 9))).toBe(INVALID_PARAMETER);
  });
});

describe('the offer', () => {
  it('of an IDE accelerator names channel and device twice', () => {
    const { offer } = new StorvscBench({ kind: { type: 'ide', channel: 1, device: 0 } }).controller;
    expect(offer.interfaceId).toBe('32412632-86cb-44a2-9b5c-50d1417354f5');
    expect(offer.instanceId).toBe('00000001-0000-8899-0000-000000000000');
    expect(hex(offer.userDefined)).toBe(
      '00 00 01 00 00 00 00 00 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00',
    );
  });

  it('of a SCSI controller', () => {
    const { offer } = new StorvscBench().controller;
    expect(offer).toMatchObject({
      name: 'scsi',
      interfaceId: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
      flags: 1,
      order: 5,
    });
  });
});
