/**
 * freebsd-bis.md 1.14 once more, on the real parts: the partition, the VMBus server with its rings,
 * the storage VSP, and the whole model kernel.
 */
import { describe, expect, it } from 'vitest';
import { StorvscController as Vsp } from '../../../src/devices/storvsc/controller.ts';
import type { StorvscKind } from '../../../src/devices/storvsc/offer.ts';
import type { StorvscProfile } from '../../../src/devices/storvsc/profile.ts';
import { createStorageStack, type StorageStack } from '../../../src/guest/storage.ts';
import type { StorvscMode } from '../../../src/guest/storvsc/protocol.ts';
import { HOST_NAMES, HOST_PROFILES, type HostName } from '../../../src/machine/profiles.ts';
import { TestMachine, type TestOptions } from '../support/machine.ts';
import { disksAt, flavours, scsiDisk } from './hosts.ts';

interface Setup extends TestOptions {
  readonly host: HostName;
  /** One controller for each layout. */
  readonly layouts: readonly string[];
  readonly storvscProfile?: StorvscProfile;
  readonly kind?: StorvscKind;
}

interface Run {
  readonly machine: TestMachine;
  readonly stack: StorageStack;
  readonly vsps: readonly Vsp[];
}

const instance = (index: number): string =>
  `ba6163d9-04a1-4d29-b605-72e2ffb1dc7${index.toString(16)}`;

function start(setup: Setup): Run {
  const bootIndex = setup.layouts.findLastIndex((layout) => layout.includes('0:0'));
  const boot = { instanceId: instance(bootIndex), target: 0, lun: 0 };
  const stack = createStorageStack(setup.kind === undefined && bootIndex >= 0 ? { boot } : {});
  const machine = new TestMachine({
    ...setup,
    drivers: [stack.driver],
    mountRoot: (kernel) => stack.mountRoot(kernel),
  });
  const vsps = setup.layouts.map((layout, index) => {
    const vsp = new Vsp({
      kind: setup.kind ?? { type: 'scsi', instanceId: instance(index) },
      order: index,
      events: machine.events,
      clock: machine.clock,
      trace: machine.trace,
      memory: machine.memory,
      profile: setup.storvscProfile ?? HOST_PROFILES[setup.host].storvsc,
      luns: disksAt(layout),
    });
    machine.server.offer(vsp);
    return vsp;
  });
  return { machine, stack, vsps };
}

/** Boots until the root is looked for. @returns "real+bogus" */
function count(setup: Setup): string {
  const { machine, stack } = start(setup);
  expect(machine.runUntil('Trying to mount root')).toBe(true);
  const { disks } = stack.cam!;
  const real = disks.filter((disk) => disk.sectors > 0).length;
  return `${real}+${disks.length - real}`;
}

describe('expected counts', () => {
  const tp = HOST_PROFILES.ws2016tp.storvsc;
  it.each([
    ['0:0', tp, '1+15'],
    ['none', tp, '0+16'],
    ['0:0', { ...tp, inquiryVersionBefore62: 5 }, '1+8'],
    ['0:0 0:1', tp, '2+14'],
    ['0:9', tp, '0+16'],
    ['0:0 0:1', flavours.ws2016, '2+0'],
    ['0:0 0:1', flavours.openvmm, '2+0'],
  ] as const)('%s by the legacy driver', (layout, storvscProfile, expected) => {
    const switches = { storvscMode: 'legacy' } as const;
    expect(count({ host: 'ws2016tp', layouts: [layout], storvscProfile, switches })).toBe(expected);
  });

  it('of one IDE disk by the legacy driver', () => {
    const kind = { type: 'ide', channel: 0, device: 0 } as const;
    const switches = { storvscMode: 'legacy' } as const;
    expect(count({ host: 'ws2016tp', layouts: ['0:0'], kind, switches })).toBe('1+3');
  });
});

describe('acceptance', () => {
  it.each([
    ['legacy', 'ws2016tp', '0:0', '1+15'],
    ['legacy', 'ws2012r2', '0:0', '1+0'],
    ['workaround', 'ws2016tp', '0:0', '1+0'],
    ['en1612', 'ws2016tp', '0:0', '1+0'],
    ['en1616', 'ws2016tp', '0:0', '1+8'],
    ['d7521', 'ws2016tp', '0:0', '1+0'],
    ['r309726', 'ws2016tp', '0:0', '1+0'],
    ['modern', 'ws2016tp', '0:0', '1+0'],
    ['d7521', 'ws2012r2', '0:9', '0+0'],
    ['r309726', 'ws2012r2', '0:9', '1+0'],
    ['modern', 'ws2012r2', '0:9', '1+0'],
  ] as const)('%s on %s with %s', (storvscMode, host, layout, expected) => {
    expect(count({ host, layouts: [layout], switches: { storvscMode } })).toBe(expected);
  });

  it.each(HOST_NAMES)('today’s driver finds exactly the real disks on %s', (host) => {
    expect(count({ host, layouts: ['0:0 0:1 0:5', '0:0', 'none'] })).toBe('4+0');
  });

  it.each([
    ['workaround', 0],
    ['en1612', 1],
  ] as const)('%s on ws2012r2 sees %i hot-added disks', (storvscMode: StorvscMode, expected) => {
    const { machine, stack, vsps } = start({
      host: 'ws2012r2',
      layouts: ['0:0', 'none'],
      switches: { storvscMode },
    });
    machine.boot();
    vsps[1]!.attach({ target: 0, lun: 1 }, scsiDisk());
    machine.run(1);
    expect(stack.cam!.disks.length - 1).toBe(expected);
  });
});

describe('the boot of 10.2 on a Technical Preview', () => {
  const legacy = { preset: 'bis:10.2', generation: 1, host: 'ws2016tp' } as const;

  it('prints sixteen disks and mounts the first', () => {
    const { machine } = start({ ...legacy, layouts: ['0:0'] });
    machine.boot();
    const { lines } = machine;
    for (let unit = 0; unit < 16; unit += 1) {
      expect(lines.some((line) => line.startsWith(`da${unit} at storvsc0 bus 0`))).toBe(true);
    }
    expect(lines).toContain('da15: <  > Fixed Direct Access SCSI-0 device');
    expect(lines).toContain('Trying to mount root from ufs:/dev/da0 [rw]...');
  });

  it('stops at mountroot when an empty controller comes first', () => {
    const { machine } = start({
      ...legacy,
      layouts: ['none', '0:0'],
      switches: { offerQueue: 'global' },
    });
    expect(machine.runUntil('mountroot> ', 60)).toBe(true);
    expect(machine.lines).toContain('Mounting from ufs:/dev/da0 failed with error 22.');
    expect(machine.said.at(-2)).toMatch(/^stage-stopped mountroot: /);
  });
});

it('the same seed gives the same run', () => {
  const digest = (): string => {
    const run = start({ host: 'ws2016tp', layouts: ['0:0', '0:0 0:3'], processors: 2, seed: 7 });
    run.machine.boot();
    return run.machine.trace.digest;
  };
  expect(digest()).toBe(digest());
});
