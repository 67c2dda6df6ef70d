/** The emulated network adapter under de(4), and under kernels that no longer have it. */
import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { plainAdapters } from '../../../src/machine/network.ts';
import { legacy, Run, type Setup } from '../../support/run.ts';

const BY_DHCP = { ifconfig_de0: 'SYNCDHCP', ifconfig_de1: 'SYNCDHCP', ifconfig_hn0: 'DHCP' };

function machine(setup: Setup): Run {
  return new Run({ networkAdapters: 0, legacyAdapters: 1, rcConf: BY_DHCP, ...setup });
}

describe('de0', () => {
  it.each([
    ['10.2', legacy],
    ['today’s drivers with de(4)', { generation: 1, switches: { deDriver: true } }],
  ] as const)('gets a lease, answers and asks: %s', (_, setup) => {
    const run = machine(setup).boot().login();
    expect(run.linesWith('de0').slice(0, 3)).toEqual([
      'de0: <Digital 21140A Fast Ethernet> port 0xec00-0xec7f mem 0xfebff000-0xfebfffff irq 11 at device 10.0 on pci0',
      'de0: 21140A [10-100Mb/s] pass 2.0',
      'de0: Ethernet address: 00:15:5d:01:01:00',
    ]);
    expect(run.lines).toContain('de0: enabling Full Duplex 100baseTX port');
    expect(run.type('ping -c 3 192.168.100.1')).toContain('3 packets received, 0.0% packet loss');
    const shown = run.type('ifconfig de0');
    expect(shown).toContain('inet 192.168.100.10 ');
    expect(shown).toContain('\tmedia: Ethernet autoselect (100baseTX <full-duplex>)\n\tnd6');
    expect(run.type('vmstat -i')).toMatch(/irq11: de0 +\d+/);
  });

  it('is without a driver in FreeBSD 13 and later', () => {
    const run = machine({ generation: 1 }).boot();
    expect(run.lines).toContain('pci0: <network, ethernet> at device 10.0 (no driver attached)');
    expect(run.linesWith('de0')).toEqual([]);
  });

  it('shares its interrupt with de1, and both work beside hn0', () => {
    const run = machine({ ...legacy, networkAdapters: 1, legacyAdapters: 2 })
      .boot()
      .login();
    expect(run.lines).toContain(
      'de1: <Digital 21140A Fast Ethernet> port 0xeb80-0xebff mem 0xfebfe000-0xfebfefff irq 11 at device 11.0 on pci0',
    );
    for (const name of ['de0', 'de1']) {
      const others = ['de0', 'de1', 'hn0'].filter((other) => other !== name);
      for (const other of others) run.type(`ifconfig ${other} down`);
      run.type(`ifconfig ${name} up`);
      expect(run.type('ping -c 2 192.168.100.1'), name).toContain('0.0% packet loss');
    }
    expect(run.type('vmstat -i')).toContain('irq11: de0 de1');
  });

  it('says when its cable is pulled, and when it is back', () => {
    const run = machine(legacy).boot().login();
    run.machine.enter({ kind: 'link', adapter: 0, isUp: false });
    run.forSeconds(4);
    expect(run.text).toContain('de0: link down: cable problem?\n');
    run.machine.enter({ kind: 'link', adapter: 0, isUp: true });
    run.forSeconds(1);
    expect(run.linesWith('enabling Full Duplex')).toHaveLength(2);
    expect(run.type('ping -c 1 192.168.100.1')).toContain('0.0% packet loss');
  });

  it('takes no MTU above Ethernet’s own', () => {
    const run = machine(legacy).boot().login();
    expect(run.type('ifconfig de0 mtu 9000')).toContain('error 22');
    expect(run.type('ifconfig de0 mtu 1400')).not.toContain('error');
    expect(run.type('ifconfig de0')).toContain('mtu 1400');
    expect(run.type('ping -c 1 -s 3000 192.168.100.1')).toContain('0.0% packet loss');
  });

  it('goes on by itself on another board, in the middle of pings', () => {
    const digest = (isChanged: boolean): string => {
      const run = machine(legacy).boot().login();
      const from = run.text.length;
      run.machine.console.type(new TextEncoder().encode('ping -c 20 -i 0.01 192.168.100.1\r'));
      for (let turn = 0; !run.text.includes('packet loss', from); turn += 1) {
        run.machine.run(Infinity, 5);
        if (isChanged && turn % 9 === 0) run.machine.restore(run.machine.save());
      }
      return run.machine.trace.digest;
    };
    expect(digest(true)).toBe(digest(false));
  });

  it('is of Generation 1 only, and there are four of them at the most', () => {
    expect(() => machine({ generation: 2 })).toThrow(
      new InputError('legacy network adapter', 'there is none in Generation 2'),
    );
    expect(() => machine({ generation: 1, adapters: plainAdapters(0, 5) })).toThrow(
      '5 are more than the 4 that fit',
    );
  });
});
