import { describe, expect, it } from 'vitest';
import { Shutdown } from '../../../src/devices/shutdown/shutdown.ts';
import { commonDrivers } from '../../../src/guest/drivers.ts';
import { TestMachine } from '../support/machine.ts';
import { rig } from './rig.ts';

function versions(component: { frameworkVersion: number; messageVersion: number }): string {
  const show = (version: number): string => `${version >>> 16}.${version & 0xffff}`;
  return `${show(component.frameworkVersion)}/${show(component.messageVersion)}`;
}

describe('versions of the integration components (freebsd-bis.md 2.9)', () => {
  it.each([
    ['bis:modern', 2, 'ws2022', '3.0/3.0 3.0/3.0 3.0/4.0 3.0/4.0 3.0/5.0'],
    ['bis:modern', 1, 'ws2012r2', '3.0/3.0 3.0/3.0 3.0/3.0 3.0/4.0 3.0/5.0'],
    ['bis:modern', 1, 'ws2012', '3.0/3.0 3.0/3.0 3.0/3.0 3.0/4.0 3.0/4.0'],
    ['bis:10.2', 1, 'ws2012r2', '3.0/3.0 3.0/3.0 3.0/3.0 3.0/3.0 0.0/0.0'],
    ['bis:2015q4', 1, 'ws2016', '3.0/3.0 3.0/3.0 3.0/3.0 3.0/4.0 0.0/0.0'],
  ] as const)('%s on Generation %i of %s', (preset, generation, host, wanted) => {
    const { machine, heartbeat, shutdown, timeSync, keyValuePair, volumeShadowCopy } = rig({
      preset,
      generation,
      host,
    });
    machine.boot().run(1);
    const all = [heartbeat, shutdown, timeSync, keyValuePair, volumeShadowCopy];
    expect(all.map(versions).join(' ')).toBe(wanted);
  });

  it('are what sysctl shows', () => {
    const { machine } = rig();
    machine.boot().login();
    expect(machine.type('sysctl dev.hvkvp')).toContain(
      'dev.hvkvp.0.fw_version: 3.0\ndev.hvkvp.0.msg_version: 4.0\n',
    );
  });
});

describe('a host without a version that the guest knows', () => {
  it('gets no answer, and the console says which versions there were', () => {
    const machine = new TestMachine({ drivers: commonDrivers });
    const { events, trace } = machine;
    const shutdown = new Shutdown({ events, trace, order: 1, versions: [0x9_0000] });
    machine.server.offer(shutdown);
    machine.boot().run(1);
    expect(shutdown.state).toBe('negotiating');
    expect(machine.lines).toEqual(
      expect.arrayContaining([
        'hvshutdown0: failed to select message version',
        'hvshutdown0: sel framework version: 3.0',
        'hvshutdown0: supp framework version: 1.0',
        'hvshutdown0: supp message version: 9.0',
      ]),
    );
  });

  it('asks 10.2 for ever when it is Windows Server 2012, since 10.2 answers anything (S23)', () => {
    const machine = new TestMachine({
      drivers: commonDrivers,
      preset: 'bis:10.2',
      generation: 1,
    });
    const { events, trace } = machine;
    let proposals = 0;
    trace.subscribe((_, type) => {
      if (type.category === 'ic' && type.name === 'dropped') proposals += 1;
    });
    const shutdown = new Shutdown({
      events,
      trace,
      order: 1,
      versions: [0x9_0000],
      renegotiateNs: 1_000_000_000,
    });
    machine.server.offer(shutdown);
    machine.boot().run(10);
    // Each answer names a version that was not proposed, and the host begins anew.
    expect(shutdown.state).toBe('negotiating');
    expect(proposals).toBeGreaterThanOrEqual(10);
  });
});

describe('the lines of the drivers', () => {
  it('today, in the order of the offers', () => {
    const { machine } = rig();
    machine.boot();
    const shown = machine.lines.filter((line) => /^(hv(?!et)|hidbus|hms)/.test(line));
    expect(shown).toEqual([
      'hvheartbeat0: <Hyper-V Heartbeat> on vmbus0',
      'hvkvp0: <Hyper-V KVP> on vmbus0',
      'hvshutdown0: <Hyper-V Shutdown> on vmbus0',
      'hvtimesync0: <Hyper-V Timesync> on vmbus0',
      'hvtimesync0: RTT',
      'hvvss0: <Hyper-V VSS> on vmbus0',
      'hvhid0: <Hyper-V HID device> on vmbus0',
      'hidbus0: <HID bus> on hvhid0',
      'hms0: <Hyper-V Mouse> on hidbus0',
      'hms0: 5 buttons and [XYW] coordinates ID=0',
      'hvkbd0: <Hyper-V KBD> on vmbus0',
    ]);
  });

  it('of 10.2 with the fix of the order: one driver for all, and none for snapshots', () => {
    const { machine } = rig({ preset: 'bis:2015q4', generation: 1 });
    machine.boot();
    expect(machine.lines.filter((line) => line.startsWith('hyperv-utils'))).toEqual([
      'hyperv-utils0 on vmbus0',
      'hyperv-utils0: Hyper-V Service attaching: Hyper-V Heartbeat Service',
      'hyperv-utils1 on vmbus0',
      'hyperv-utils1: Hyper-V Service attaching: Hyper-V KVP Service',
      'hyperv-utils2 on vmbus0',
      'hyperv-utils2: Hyper-V Service attaching: Hyper-V Shutdown Service',
      'hyperv-utils3 on vmbus0',
      'hyperv-utils3: Hyper-V Service attaching: Hyper-V Time Synch Service',
    ]);
    expect(machine.console).not.toContain('hvvss');
  });
});
