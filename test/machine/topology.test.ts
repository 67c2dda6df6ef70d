import { describe, expect, it } from 'vitest';
import { NatTopology } from '../support/nat.ts';

function run(seed: number): { readonly digest: string; readonly ping: string } {
  const network = new NatTopology({ preset: 'bis:modern', seed }).boot();
  network.login(network.client);
  const ping = network.type(network.client, 'ping -c 1 203.0.113.2');
  return { digest: network.topology.digest, ping };
}

describe('machines in one run', () => {
  it('have equal digests for equal seeds, machine by machine', () => {
    const first = run(7);
    expect(first.ping).toContain('1 packets received, 0.0% packet loss');
    expect(first.digest.split('-')).toHaveLength(4);
    expect(run(7).digest).toBe(first.digest);
  });

  it('have other digests for another seed', () => {
    expect(run(8).digest).not.toBe(run(9).digest);
  });

  it('go on when one of them resets or powers off', () => {
    const network = new NatTopology({ preset: 'bis:modern' }).boot();
    const { client, router, server } = network;
    network.login(client);
    network.login(router);
    network.login(server);
    network.type(server, 'poweroff', 5);
    expect(server.ending).toEqual({ kind: 'power-off' });
    expect(network.type(client, 'ping -c 1 203.0.113.2')).toContain('0 packets received');
    network.type(router, 'reboot', 5);
    expect(network.type(client, 'ping -c 3 192.168.1.1')).toMatch(/[123] packets received/);
  });
});
