import { describe, expect, it } from 'vitest';
import type { Random } from '../../../src/core/random.ts';
import { DynamicMemory } from '../../../src/devices/dynamic-memory/dynamic-memory.ts';
import { GuestFileCopy } from '../../../src/devices/file-copy/file-copy.ts';
import { Heartbeat } from '../../../src/devices/heartbeat/heartbeat.ts';
import type { IcDevice } from '../../../src/devices/ic/ic-device.ts';
import { SyntheticKeyboard } from '../../../src/devices/keyboard/keyboard.ts';
import { KeyValuePair } from '../../../src/devices/kvp/key-value-pair.ts';
import { SyntheticMouse } from '../../../src/devices/mouse/mouse.ts';
import { Shutdown } from '../../../src/devices/shutdown/shutdown.ts';
import { TimeSync } from '../../../src/devices/timesync/time-sync.ts';
import { SyntheticVideo } from '../../../src/devices/video/video.ts';
import { VolumeShadowCopy } from '../../../src/devices/vss/vss.ts';
import { Display } from '../../../src/fb/display.ts';
import { ScanOut } from '../../../src/fb/scan-out.ts';
import { IcGuest } from '../support/ic-guest.ts';
import { fuzzMessages } from '../support/message-fuzz.ts';
import { type MachineParts, MessageGuest } from '../support/message-guest.ts';
import { unhex } from '../support/scsi-runner.ts';
import { cases, shown } from '../../support/cases.ts';

const MS = 1_000_000;
const MESSAGES = cases(10_000, 500);
const nothing = (): void => undefined;
const fixed = (...messages: string[]): (() => Uint8Array[]) => {
  const seeds = messages.map(unhex);
  return () => seeds;
};

describe(`${shown(MESSAGES)} malformed messages`, () => {
  it('keyboard', () => {
    const guest = new MessageGuest((parts) => new SyntheticKeyboard(parts));
    fuzzMessages(
      guest,
      {
        seeds: fixed(
          '01 00 00 00 00 00 01 00',
          '04 00 00 00 01 00 00 00',
          '03 00 00 00 1e 00 00 00 00 00 00 00',
        ),
        poke: (device) => device.pendingKeys < 10 && device.type('a'),
        begin: (it) => it.say('01 00 00 00 00 00 01 00'),
        mostAnswers: 3,
      },
      1,
      MESSAGES,
    );
    expect(guest.device.isReady).toBe(true);
  });

  it('mouse', () => {
    const guest = new MessageGuest((parts) => new SyntheticMouse(parts));
    fuzzMessages(
      guest,
      {
        seeds: fixed(
          '00 00 00 00 04 00 00 00 00 00 02 00',
          '03 00 00 00 01 00 00 00 01',
          '04 00 00 00 07 00 00 00',
        ),
        poke: (device, random) => device.moveTo(random.below(100), random.below(100), 100, 100),
        begin: (it) =>
          it.say('00 00 00 00 04 00 00 00 00 00 02 00').say('03 00 00 00 01 00 00 00 01'),
        mostAnswers: 3,
      },
      2,
      MESSAGES,
    );
    expect(guest.device.isReady).toBe(true);
  });

  it('video, with a scan-out that looks on', () => {
    const display = new Display();
    const guest = new MessageGuest(
      (parts) => new SyntheticVideo({ ...parts, display, generation: 2, mmioMegabytes: 1 }),
    );
    const scanOut = new ScanOut(guest.guest.memory, display);
    fuzzMessages(
      guest,
      {
        seeds: fixed(
          '01 00 00 00 04 00 00 00 03 00 05 00',
          '03 00 00 00 19 00 00 00 01 00 00 00 00 00 00 00 01 00 00 30 00 00 00 00 00',
          '05 00 00 00 23 00 00 00 01 00 00 00 00 00 00 00 01 01 00 00 00 00 20 80 00 00 00 60 00 00 00 00 02 00 00',
          '07 00 00 00 0a 00 00 00 01 00 05 00 00 00 05 00 00 00',
          `08 00 00 00 16 00 00 00 ff 01 02 00 00 00 02 00 00 00 00 00 00 00 00 00 00 00${' ab'.repeat(16)}`,
          `0a 00 00 00 12 00 00 00 00 02${' 01 00 00 00'.repeat(8)}`,
          '0b 00 00 00 00 00 00 00',
          '0d 00 00 00 01 00 00 00 40',
          '0f 00 00 00 00 00 00 00',
        ),
        poke: () => scanOut.refresh(),
        begin: (it) => it.say('01 00 00 00 04 00 00 00 03 00 05 00'),
        mostAnswers: 2,
      },
      3,
      MESSAGES,
    );
    expect(guest.device.version).toBe(0x5_0003);
  });

  it('dynamic memory', () => {
    const guest = new MessageGuest((parts) => new DynamicMemory({ ...parts, quietNs: 0 }));
    const version = '01 00 10 00 05 00 00 00 00 00 02 00 00 00 00 00';
    const capabilities = `03 00 20 00 06 00 00 00 03${' 00'.repeat(23)}`;
    fuzzMessages(
      guest,
      {
        seeds: fixed(
          version,
          capabilities,
          `05 00 30 00 01 00 00 00${' 11'.repeat(40)}`,
          '07 00 20 00 01 00 00 00 00 00 00 00 04 00 00 00 00 07 00 00 00 02 00 00 10 07 00 00 00 02 00 00',
          '07 00 18 00 01 00 00 00 00 00 00 00 03 00 00 00 20 07 00 00 00 04 00 00',
          '09 00 08 00 01 00 00 00',
          '0b 00 10 00 01 00 00 00 00 01 00 00 01 00 00 00',
        ),
        poke: (device, random) => {
          if (random.below(3) === 0) device.unballoon(3, nothing);
          else if (random.below(2) === 0) device.balloon(16, nothing);
          else device.hotAdd({ firstPage: 0x10_0000, count: 0x100 }, nothing);
        },
        begin: (it) => it.say(version).say(capabilities),
        mostAnswers: 2,
        givesMemory: true,
      },
      4,
      MESSAGES,
    );
    expect(guest.device.isReady).toBe(true);
  });
});

interface Family {
  readonly make: (parts: MachineParts) => IcDevice;
  readonly version: number;
  readonly poke: (device: never, random: Random) => void;
}

const FAMILIES: Record<string, Family> = {
  heartbeat: { make: (parts) => new Heartbeat(parts), version: 0x3_0000, poke: nothing },
  shutdown: {
    make: (parts) => new Shutdown(parts),
    version: 0x3_0002,
    poke: (device: Shutdown) => device.ask({ type: 'powerOff' }, nothing),
  },
  timesync: {
    make: (parts) => new TimeSync({ ...parts, epochSeconds: 1e9 }),
    version: 0x4_0000,
    poke: (device: TimeSync) => device.sendTime('sample'),
  },
  kvp: {
    make: (parts) => new KeyValuePair(parts),
    version: 0x5_0000,
    poke: (device: KeyValuePair, random) => {
      if (device.waitingCount > 3) return;
      if (random.below(2) === 0) device.list('auto', nothing);
      else device.getIpInfo('{1}', nothing);
    },
  },
  vss: {
    make: (parts) => new VolumeShadowCopy(parts),
    version: 0x5_0000,
    poke: (device: VolumeShadowCopy) => device.backup(nothing, nothing),
  },
  filecopy: {
    make: (parts) => new GuestFileCopy(parts),
    version: 0x1_0001,
    poke: (device: GuestFileCopy) => {
      const read = (_offset: number, length: number): Uint8Array => new Uint8Array(length);
      device.copy({ name: 'a', path: '/', bytes: 20_000, read }, nothing);
    },
  },
};

describe.each(Object.entries(FAMILIES))(`${shown(MESSAGES)} malformed messages`, (name, family) => {
  it(name, () => {
    const guest = new IcGuest(family.make);
    const empty = new Uint8Array(20);
    fuzzMessages(
      guest,
      {
        // What a guest sends back is what it has heard, with the response flag set.
        seeds: (heard) =>
          [empty, ...heard].map((message) => {
            const answer = message.slice();
            answer[17] = 5;
            return answer;
          }),
        poke: (device, random) => family.poke(device as never, random),
        begin: (it) => {
          it.pass(MS);
          (it as IcGuest<IcDevice>).choose(0x3_0000, family.version);
        },
        mostAnswers: 3,
      },
      name.length,
      MESSAGES,
    );
    expect(guest.device.state).toBe('ready');
  });
});
