import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Run } from '../support/run.ts';
import { hasTool } from '../support/tools.ts';

const MEMORY_BYTES = 128 * 1024 * 1024;

describe('the default network of a machine', () => {
  it('gives a lease before the login prompt, and the host answers echo', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    expect(run.text).toContain('bound to 192.168.100.10 -- renewal in 43200 seconds.\n');
    const ping = run.type('ping -c 2 192.168.100.1');
    expect(ping).toMatch(/^64 bytes from 192\.168\.100\.1: icmp_seq=0 ttl=64 time=\d\.\d{3} ms$/m);
    expect(ping).toContain('2 packets transmitted, 2 packets received, 0.0% packet loss');
    expect(run.type('ping -c 1 192.168.100.99')).toContain(
      '0 packets received, 100.0% packet loss',
    );
    expect(run.type('netstat -rn')).toMatch(/^default +192\.168\.100\.1 +UGS +hn0$/m);
    expect(run.type('netstat -i')).toMatch(/^hn0 +1500 <Link#1> +00:15:5d:01:01:00 +\d+ +0 +0 /m);
    expect(run.type('arp -a')).toContain('? (192.168.100.1) at 00:15:5d:ff:ff:01 on hn0');
    expect(run.machine.network.ports[0]!.counters.badIn).toBe(0);
  });

  it('shows ifconfig and sysctl in the shapes of FreeBSD 13', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    expect(run.type('ifconfig hn0')).toContain(
      [
        'hn0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500',
        '\toptions=8051b<RXCSUM,TXCSUM,VLAN_MTU,VLAN_HWTAGGING,TSO4,LRO,LINKSTATE>',
        '\tether 00:15:5d:01:01:00',
        '\tinet 192.168.100.10 netmask 0xffffff00 broadcast 192.168.100.255',
        '\tmedia: Ethernet autoselect (10Gbase-T <full-duplex>)',
        '\tstatus: active',
      ].join('\n'),
    );
    const sysctl = run.type('sysctl dev.hn.0');
    expect(sysctl).toContain('dev.hn.0.nvs_version: 393217\n');
    expect(sysctl).toContain('dev.hn.0.ndis_version: 6.30\n');
    expect(sysctl).toContain('dev.hn.0.rxfilter: 0xd\n');
  });

  it('follows the cable', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot();
    run.machine.network.ports[0]!.setLink(false);
    run.forSeconds(1);
    run.machine.network.ports[0]!.setLink(true);
    run.forSeconds(1);
    const said = run.text.match(/hn0: link state changed to \w+/g);
    expect(said).toEqual([
      'hn0: link state changed to UP',
      'hn0: link state changed to DOWN',
      'hn0: link state changed to UP',
    ]);
  });

  it('comes up again after a reboot of the guest', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    const from = run.text.length;
    run.type('reboot', 'login: ');
    expect(run.text.slice(from)).toContain('bound to 192.168.100.10');
  });

  it('has no lease and no route without a cable', () => {
    const adapters = [{ isConnected: false }];
    const run = new Run({ adapters, memoryBytes: MEMORY_BYTES }).boot().login();
    expect(run.type('ifconfig hn0')).toContain('\tstatus: no carrier\n');
    expect(run.type('ping -c 1 192.168.100.1')).toContain('No route to host');
  });

  it('speaks every NVS version that a host can have', () => {
    for (const [host, version] of [
      ['ws2012r2', 0x50000],
      ['ws2016', 0x60000],
      ['ws2022', 0x60001],
    ] as const) {
      const run = new Run({ host, networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
      expect(run.type('sysctl dev.hn.0.nvs_version')).toContain(`: ${version}\n`);
      expect(run.text).toContain('bound to 192.168.100.10');
    }
  });

  it.skipIf(!hasTool('tshark'))('is captured for Wireshark, without a bad checksum', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES });
    const parts: Uint8Array[] = [];
    const { machine } = run;
    const writer = machine.network.capture((bytes) => parts.push(bytes.slice()), machine.clock);
    run.boot().login();
    run.type('ping -c 1 192.168.100.1');
    writer.flush();
    const folder = mkdtempSync(join(tmpdir(), 'synthvm-network-'));
    const file = join(folder, 'boot.pcapng');
    writeFileSync(file, Buffer.concat(parts));
    const checks = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
    const fields = ['_ws.col.Protocol', '_ws.col.Info'].flatMap((name) => ['-e', name]);
    const text = execFileSync('tshark', ['-r', file, ...checks, '-T', 'fields', ...fields], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    rmSync(folder, { recursive: true });
    for (const message of ['DHCP Discover', 'DHCP Offer', 'DHCP Request', 'DHCP ACK']) {
      expect(text).toContain(message);
    }
    expect(text).toContain('Echo (ping) reply');
    expect(text).not.toMatch(/incorrect|Malformed/i);
  });
});
