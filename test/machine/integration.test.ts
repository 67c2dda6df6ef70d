import { describe, expect, it } from 'vitest';
import type { IpInfo } from '../../src/devices/kvp/ip-info.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { machineForTest } from '../support/run.ts';

function booted(): Machine {
  const machine = machineForTest({
    generation: 2,
    host: 'ws2022',
    memoryBytes: 128 << 20,
    processors: 1,
    seed: 1n,
    disks: [],
    preset: 'bis:modern',
  });
  machine.powerOn();
  machine.run(5e9);
  return machine;
}

/** The adapter's instance GUID, as Hyper-V writes it. */
const ADAPTER = '{53595448-564D-4E49-8300-000000000001}';

describe('a whole machine', () => {
  it('has every component ready, and its heart beats', () => {
    const { integration, keyboard, mouse } = booted().board;
    const { heartbeat, shutdown, timeSync, keyValuePair, volumeShadowCopy } = integration;
    const all = [heartbeat, shutdown, timeSync, keyValuePair, volumeShadowCopy];
    expect(all.map(({ state }) => state)).toEqual(Array.from(all, () => 'ready'));
    expect(heartbeat.status).toBe('ok');
    expect(keyboard.isReady && mouse.isReady).toBe(true);
    // FreeBSD has no driver for it.
    expect(integration.guestFileCopy.state).toBe('closed');
  });

  it('tells the host the address of its lease, and takes another from it', () => {
    const machine = booted();
    const { keyValuePair } = machine.board.integration;
    const seen: (IpInfo | undefined)[] = [];
    let shown = '';
    const look = (): void => keyValuePair.getIpInfo(ADAPTER, (_, __, info) => seen.push(info));
    look();
    const wanted: IpInfo = {
      isDhcp: false,
      addresses: [{ address: '192.168.100.77', subnet: '255.255.255.0' }],
      gateways: ['192.168.100.1'],
      dnsServers: ['192.168.100.1'],
    };
    keyValuePair.setIpInfo(ADAPTER, wanted, () => undefined);
    look();
    keyValuePair.list('auto', (_, __, entries) => {
      shown = String(entries.find(({ key }) => key === 'NetworkAddressIPv4')?.data.value);
    });
    machine.run(6e9);
    expect(seen[0]).toMatchObject({ isDhcp: true, gateways: ['192.168.100.1'] });
    expect(seen[0]!.addresses[0]!.address).toMatch(/^192\.168\.100\.\d+$/);
    expect(seen[1]).toEqual(wanted);
    expect(shown).toBe('192.168.100.77');
  });
});
