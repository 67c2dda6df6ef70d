import { describe, expect, it } from 'vitest';
import { GuestFileCopy } from '../../../src/devices/file-copy/file-copy.ts';
import { Heartbeat } from '../../../src/devices/heartbeat/heartbeat.ts';
import type { IcDevice, IcOptions } from '../../../src/devices/ic/ic-device.ts';
import { KeyValuePair } from '../../../src/devices/kvp/key-value-pair.ts';
import { Shutdown } from '../../../src/devices/shutdown/shutdown.ts';
import { TimeSync } from '../../../src/devices/timesync/time-sync.ts';
import { VolumeShadowCopy } from '../../../src/devices/vss/vss.ts';
import { IcGuest } from '../support/ic-guest.ts';
import type { MachineParts } from '../support/message-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const MS = 1_000_000;
const V1 = 0x1_0000;
const V3 = 0x3_0000;

const COMPONENTS: Record<
  string,
  [versions: number[], make: (parts: MachineParts & IcOptions) => IcDevice]
> = {
  heartbeat: [[V1, V3], (parts) => new Heartbeat(parts)],
  shutdown: [[V1, V3, 0x3_0001, 0x3_0002], (parts) => new Shutdown(parts)],
  timesync: [[V1, V3, 0x4_0000], (parts) => new TimeSync({ ...parts, epochSeconds: 0 })],
  kvp: [[V3, 0x4_0000, 0x5_0000], (parts) => new KeyValuePair(parts)],
  vss: [[0x4_0000, 0x5_0000, 0x6_0000, 0x7_0000], (parts) => new VolumeShadowCopy(parts)],
  filecopy: [[V1, 0x1_0001], (parts) => new GuestFileCopy(parts)],
};

describe.each(Object.entries(COMPONENTS))('%s', (_name, [versions, make]) => {
  it('proposes both frameworks and all its versions, in ascending order', () => {
    const guest = new IcGuest(make).negotiate(V3, versions.at(-1)!);
    expect(guest.proposed).toEqual([V1, V3, ...versions]);
    expect(guest.device.state).toBe('ready');
    expect(guest.device.messageVersion).toBe(versions.at(-1));
  });

  it('proposes only what its host has', () => {
    const guest = new IcGuest((parts) => make({ ...parts, versions: [versions[0]!] }));
    guest.negotiate(V3, versions[0]!);
    expect(guest.proposed).toEqual([V1, V3, versions[0]]);
  });

  it.each(versions)('works with version %i on either framework', (version) => {
    for (const framework of [V1, V3]) {
      const guest = new IcGuest(make).negotiate(framework, version);
      expect(guest.device.messageVersion).toBe(version);
      expect(guest.device.frameworkVersion).toBe(framework);
    }
  });

  it('is refused by a guest that finds no version, or picks one that was not proposed', () => {
    for (const [framework, version] of [
      [0, 0],
      [V3, 0x9_0000],
      [0x2_0000, versions[0]!],
    ] as const) {
      const guest = new IcGuest(make).negotiate(framework, version);
      expect(guest.device.state).toBe('refused');
      guest.pass(60_000 * MS);
      expect(guest.hear()).toBeUndefined();
    }
  });

  it('negotiates again after every opening', () => {
    const guest = new IcGuest(make).negotiate(V3, versions.at(-1)!);
    guest.hearAll();
    guest.channel.close();
    expect(guest.device.state).toBe('closed');
    expect(guest.guest.events.nextDeadlineNs).toBe(Infinity);
    guest.negotiate(V1, versions[0]!);
    expect(guest.device.messageVersion).toBe(versions[0]);
  });
});

describe('the proposal', () => {
  it('has these bytes', () => {
    const guest = new IcGuest((parts) => new Heartbeat(parts)).open().pass(MS);
    expect(guest.heard()).toBe(
      [
        '00 00 00 00 00 00 00 00 00 00 18 00 00 00 00 00 00 03 00 00',
        '02 00 02 00 00 00 00 00',
        '01 00 00 00 03 00 00 00',
        '01 00 00 00 03 00 00 00',
      ].join(' '),
    );
  });

  it('comes again and again from a host that insists, as Windows Server 2012 does for VSS', () => {
    const insisting = (parts: MachineParts): VolumeShadowCopy =>
      new VolumeShadowCopy({ ...parts, versions: [0x4_0000], renegotiateNs: 1000 * MS });
    const guest = new IcGuest(insisting).negotiate(0, 0);
    for (let round = 0; round < 5; round += 1) {
      guest.pass(1000 * MS);
      guest.choose(0, 0);
    }
    guest.pass(1000 * MS);
    guest.choose(V3, 0x4_0000);
    expect(guest.device.state).toBe('ready');
  });

  it('waits for ever for a guest whose daemon is not there yet', () => {
    const guest = new IcGuest((parts) => new KeyValuePair(parts)).open().pass(55_000 * MS);
    expect(guest.device.state).toBe('negotiating');
    guest.choose(V3, 0x4_0000);
    expect(guest.device.state).toBe('ready');
  });
});

describe('answers', () => {
  it('are dropped when they are not responses, too long, or of another type', () => {
    const guest = new IcGuest((parts) => new Shutdown(parts)).negotiate(V3, V3);
    const outcomes: string[] = [];
    guest.device.ask({ type: 'powerOff' }, (outcome) => outcomes.push(outcome));
    const request = guest.request();
    const change = (at: number, value: number): Uint8Array => {
      const bytes = request.bytes.slice();
      bytes[17] = 5;
      bytes[at] = value;
      return bytes;
    };
    guest.say(change(17, 3)).say(change(11, 0xff)).say(change(4, 2)).say(change(16, 99));
    guest.say(request.bytes.slice(0, 19)).say('00');
    expect(outcomes).toEqual([]);
    expect(guest.dropped).toEqual([8, 8, 7, 5, 5]);
    guest.say(change(17, 5));
    expect(outcomes).toEqual(['answered']);
  });

  it('a pipe header that lies is dropped', () => {
    const guest = new IcGuest((parts) => new Heartbeat(parts)).open().pass(MS);
    for (const header of ['01000000ffffffff', '0200000008000000', '01000000', '0100000000000000']) {
      const bytes = Uint8Array.from(header.match(/../g)!, (digits) => Number.parseInt(digits, 16));
      guest.channel.send(bytes);
      guest.pass(MS);
    }
    // The ring pads the third to eight bytes, of which the last four are zero; an empty one is legal.
    expect(guest.dropped).toEqual([4, 3]);
  });
});

describe('heartbeat', () => {
  const health = (guest: IcGuest<Heartbeat>): void => {
    const beat = guest.request();
    guest.answer(beat, 0, (body) => {
      body.setUint32(0, body.getUint32(0, true) + 1, true);
      body.setUint32(8, 1, true);
    });
  };

  it('beats every two seconds with these bytes', () => {
    const guest = new IcGuest((parts) => new Heartbeat(parts)).negotiate(V3, V3);
    const zeros = Array.from({ length: 39 }, () => '00').join(' ');
    expect(guest.heard()).toBe(
      `03 00 00 00 01 00 03 00 00 00 28 00 00 00 00 00 01 03 00 00 01 ${zeros}`,
    );
    guest.pass(1990 * MS);
    expect(guest.hear()).toBeUndefined();
    guest.pass(10 * MS);
    expect(guest.request().body[0]).toBe(2);
  });

  it('is ok after an answer, lost after five missed ones, and ok again', () => {
    const changes: string[] = [];
    const guest = new IcGuest(
      (parts) => new Heartbeat({ ...parts, onStatus: (status) => changes.push(status) }),
    ).negotiate(V3, V3);
    expect(guest.device.status).toBe('noContact');
    health(guest);
    expect(guest.device.status).toBe('ok');
    expect(guest.device.health).toBe(1);
    guest.pass(2000 * MS);
    guest.hearAll();
    guest.pass(8000 * MS);
    expect(guest.device.status).toBe('ok');
    guest.pass(2000 * MS);
    expect(guest.device.status).toBe('lost');
    guest.hearAll();
    guest.pass(2000 * MS);
    health(guest);
    expect(changes).toEqual(['ok', 'lost', 'ok']);
    guest.channel.close();
    expect(changes).toEqual(['ok', 'lost', 'ok', 'noContact']);
  });

  it('an answer with the wrong sequence number is no answer', () => {
    const guest = new IcGuest((parts) => new Heartbeat(parts)).negotiate(V3, V3);
    guest.answer(guest.request());
    expect(guest.device.answers).toBe(0);
    expect(guest.device.status).toBe('noContact');
  });

  it('a guest that reads nothing does not make beats pile up', () => {
    const guest = new IcGuest((parts) => new Heartbeat(parts));
    guest.open({ receivePages: 2 }).pass(MS);
    guest.choose(V3, V3);
    guest.pass(1_000_000 * MS);
    const beats = guest.hearAll();
    expect(beats.length).toBeLessThan(60);
    guest.pass(2000 * MS);
    expect(guest.hearAll().length).toBeLessThanOrEqual(2);
  });
});

describe('shutdown', () => {
  const machine = (version: number): IcGuest<Shutdown> =>
    new IcGuest((parts) => new Shutdown(parts)).negotiate(V3, version);

  it('asks with these bytes, and hears yes', () => {
    const guest = machine(0x3_0002);
    const answers: [string, number][] = [];
    guest.device.ask(
      { type: 'restart', isForced: true, timeoutSeconds: 60, text: 'Hi' },
      (outcome, status) => answers.push([outcome, status]),
    );
    const request = guest.request();
    expect(request.body.length).toBe(2060);
    expect(hex(request.bytes.slice(0, 42))).toBe(
      '03 00 00 00 03 00 03 00 02 00 0c 08 00 00 00 00 01 03 00 00' +
        ' 00 00 00 80 3c 00 00 00 03 00 00 00 48 00 69 00 00 00 00 00 00 00',
    );
    guest.answer(request);
    expect(answers).toEqual([['answered', 0]]);
  });

  it('passes on the refusal of a guest that knows only flags 0 and 1', () => {
    const guest = machine(0x3_0002);
    const answers: number[] = [];
    guest.device.ask({ type: 'hibernate' }, (_outcome, status) => answers.push(status));
    guest.answer(guest.request(), 0x8000_4005);
    expect(answers).toEqual([0x8000_4005]);
  });

  it.each([
    [V1, 'powerOff', 'answered'],
    [V3, 'restart', 'notSupported'],
    [0x3_0001, 'restart', 'answered'],
    [0x3_0001, 'hibernate', 'notSupported'],
    [0x3_0002, 'hibernate', 'answered'],
  ] as const)('version %i, %s: %s', (version, type, expected) => {
    const guest = machine(version);
    const outcomes: string[] = [];
    guest.device.ask({ type }, (outcome) => outcomes.push(outcome));
    guest.pass(0);
    if (expected === 'answered') guest.answer(guest.request());
    expect(outcomes).toEqual([expected]);
    expect(guest.hear()).toBeUndefined();
  });

  it('one request at a time; a guest that does not answer times out; a close ends it', () => {
    const guest = machine(V3);
    const outcomes: string[] = [];
    const done = (outcome: string): unknown => outcomes.push(outcome);
    guest.device.ask({ type: 'powerOff' }, done);
    guest.device.ask({ type: 'powerOff' }, done);
    guest.pass(MS);
    expect(outcomes).toEqual(['busy']);
    guest.pass(30_000 * MS);
    expect(outcomes).toEqual(['busy', 'timeout']);
    const late = guest.request();
    guest.device.ask({ type: 'powerOff' }, done);
    guest.answer(late);
    expect(outcomes.length).toBe(2);
    guest.channel.close();
    expect(outcomes).toEqual(['busy', 'timeout', 'closed']);
    guest.device.ask({ type: 'powerOff' }, done);
    guest.pass(MS);
    expect(outcomes.at(-1)).toBe('notReady');
  });

  it('asks when the guest can be asked, and a component of the next power cycle what this one had not', () => {
    const outcomes: string[] = [];
    const done = (outcome: string): number => outcomes.push(outcome);
    const guest = new IcGuest((parts) => new Shutdown(parts));
    guest.device.askWhenReady({ type: 'powerOff' }, done);
    guest.open().pass(MS);
    const [waiting] = guest.device.takeWaiting();
    expect(waiting?.request.type).toBe('powerOff');
    guest.choose(V3, V3);
    guest.pass(MS);
    // It was taken away: another request finds nothing under way.
    guest.device.askWhenReady(waiting!.request, waiting!.done);
    guest.pass(MS);
    guest.device.ask({ type: 'powerOff' }, done);
    guest.pass(MS);
    expect(outcomes).toEqual(['busy']);
  });
});
