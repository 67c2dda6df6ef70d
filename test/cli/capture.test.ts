import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { call } from '../support/cli.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';

describe.skipIf(!hasTool('tshark'))('boot --pcap', () => {
  it('writes the lease at boot as Wireshark reads it, with virtual time', async () => {
    await inFolder(async (folder) => {
      const path = join(folder, 'boot.pcapng');
      expect((await call('boot', '-q', '--pcap', path)).status).toBe(0);
      const fields = ['-T', 'fields', '-e', 'dhcp.option.dhcp', '-e', 'frame.time_epoch'];
      const lines = run('tshark', ['-r', path, '-Y', 'dhcp', ...fields])
        .trim()
        .split('\n');
      const [types, times] = [0, 1].map((field) =>
        lines.map((line) => Number(line.split('\t')[field])),
      );
      expect(types, 'discover, offer, request, acknowledge').toEqual([1, 2, 3, 5]);
      expect(times).toEqual(times!.toSorted((a, b) => a - b));
      expect(times!.at(-1)! - times![0]!).toBeLessThan(1);
    });
  });
});
