import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.ts';
import { CastWriter } from '../../../src/machine/bundle/cast.ts';
import { BUNDLE_FORMAT } from '../../../src/machine/bundle/manifest.ts';
import { BundleRecorder } from '../../../src/machine/bundle/recorder.ts';
import { openMachine, type MachineDescription } from '../../../src/machine/description.ts';
import { positionOf } from '../../../src/machine/inputs.ts';
import { VERSION } from '../../../src/machine/version.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';

const description: MachineDescription = {
  generation: 1,
  host: 'ws2019',
  guest: 'bis:modern',
  switches: {},
  memoryBytes: 64 * 1024 * 1024,
  processors: 1,
  networkAdapters: 1,
  seed: '1',
  disks: [],
  dvds: [],
};

/** Boots for a while and leaves a bundle. */
function record(folder: string): void {
  const { machine } = openMachine(description, 'test', () => undefined);
  const recorder = new BundleRecorder(folder, machine, 'a <boot> & its record');
  machine.powerOn();
  while (machine.run(1_300_000_000) === undefined);
  machine.enter({ kind: 'console', text: 'root\n' });
  while (machine.run(1_400_000_000) === undefined);
  recorder.finish({
    format: BUNDLE_FORMAT,
    program: VERSION,
    kind: 'boot',
    command: ['synthvm', 'boot'],
    machine: description,
    inputs: machine.inputs.entries,
    end: {
      position: positionOf(machine),
      digest: machine.trace.digest,
      events: machine.trace.count,
      ending: 'reached 1.4s',
      exitCode: 0,
    },
    wallMs: 1,
  });
}

describe('a run bundle', () => {
  it('holds events, console, pictures, packets and a page that asks for nothing', () => {
    inFolder((folder) => {
      record(folder);
      const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
      const events = read('events.ndjson').trimEnd().split('\n');
      expect(JSON.parse(events[0]!)).toMatchObject({ cat: 'machine', name: 'configuration' });

      const [header, ...cast] = read('console.cast').trimEnd().split('\n');
      expect(JSON.parse(header!)).toMatchObject({ version: 2, width: 80, height: 25 });
      const parts = cast.map((line) => JSON.parse(line) as [number, string, string]);
      const times = parts.map(([time]) => time);
      expect(times).toEqual(times.toSorted((left, right) => left - right));
      expect(parts.map(([, , text]) => text).join('')).toContain('FreeBSD');
      expect(parts.find(([, kind]) => kind === 'i')).toEqual([1.3, 'i', 'root\n']);

      expect(read('trace.json')).toContain('"name":"phases"');
      expect(existsSync(join(folder, 'screens', '01-firmware.png'))).toBe(true);

      const page = read('report.html');
      expect(page).toContain("default-src 'none'");
      expect(page).toContain('a &lt;boot&gt; &amp; its record');
      const addresses = [...page.matchAll(/\b(?:src|href|action|poster)\s*=\s*"([^"]*)"/g)];
      expect(addresses.length).toBeGreaterThan(2);
      for (const [, address] of addresses) expect(address).toMatch(/^data:/);
      expect(page).not.toMatch(/@import|url\(|fetch\(|XMLHttpRequest|WebSocket|EventSource/);
      const data = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(page)![1]!;
      const drawing = JSON.parse(data) as {
        phases: [number, string][];
        lanes: { name: string; count: number; events: unknown[] }[];
        inputs: unknown[];
      };
      expect(drawing.phases.map(([, name]) => name)).toContain('vmbus-connected');
      const lanes = new Map(drawing.lanes.map((lane) => [lane.name, lane]));
      expect(lanes.get('messages to the host')!.count).toBeGreaterThan(10);
      expect(lanes.get('interrupts of processor 0')!.events.length).toBeGreaterThan(10);
      expect(drawing.inputs).toHaveLength(1);
    });
  });

  it.skipIf(!hasTool('tshark'))('has packets that tshark reads', () => {
    inFolder((folder) => {
      record(folder);
      expect(run('tshark', ['-r', join(folder, 'net.pcapng')])).toContain('DHCP');
    });
  });

  it('takes the place of an older one, and of nothing else', () => {
    inFolder((folder) => {
      record(folder);
      record(folder);
      const { machine } = openMachine(description, 'test', () => undefined);
      expect(() => new BundleRecorder(join(folder, 'screens'), machine, 'another')).toThrow(
        'is not empty, and holds no run bundle that could be replaced',
      );
    });
  });
});

describe('a console recording', () => {
  it('has a line for each burst', () => {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const cast = new CastWriter((text) => lines.push(text), clock, 'test');
    for (const [timeNs, text] of [
      [0, 'ab'],
      [500_000, 'c'],
      [5_000_000, 'd'],
    ] as const) {
      clock.set(timeNs);
      for (const character of text) cast.output(character.charCodeAt(0));
    }
    cast.flush();
    expect(lines.slice(1)).toEqual(['[0,"o","abc"]\n', '[0.005,"o","d"]\n']);
  });
});
