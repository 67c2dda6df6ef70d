import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { Trace } from '../../src/core/trace.ts';
import { captureTap, PcapngWriter } from '../../src/net/capture.ts';
import { VirtualSwitch } from '../../src/net/switch.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';
import { ipFrame, tagged } from './frames.ts';

interface Block {
  readonly type: number;
  readonly body: DataView;
}

/** Reads blocks by the letter: lengths agree at both ends and are multiples of four. */
function readBlocks(file: Uint8Array): Block[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const blocks: Block[] = [];
  for (let at = 0; at < file.length;) {
    const length = view.getUint32(at + 4, true);
    expect(length % 4).toBe(0);
    expect(length).toBeGreaterThanOrEqual(12);
    expect(view.getUint32(at + length - 4, true)).toBe(length);
    const body = new DataView(file.buffer, file.byteOffset + at + 8, length - 12);
    blocks.push({ type: view.getUint32(at, true), body });
    at += length;
  }
  return blocks;
}

interface Read {
  readonly interfaces: {
    readonly name: string;
    readonly resolution: number;
    readonly offset: bigint;
  }[];
  readonly packets: {
    readonly interfaceId: number;
    readonly timeNs: number;
    readonly bytes: Uint8Array;
    readonly direction: number;
  }[];
}

function options(body: DataView, start: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = start; at < body.byteLength;) {
    const code = body.getUint16(at, true);
    const length = body.getUint16(at + 2, true);
    if (code === 0) {
      expect(at + 4).toBe(body.byteLength);
      return found;
    }
    found.set(code, new DataView(body.buffer, body.byteOffset + at + 4, length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  throw new Error('options have no end');
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function readFile(file: Uint8Array): Read {
  const [section, ...blocks] = readBlocks(file);
  expect(section!.type).toBe(0x0a0d_0d0a);
  expect(section!.body.getUint32(0, true)).toBe(0x1a2b_3c4d);
  expect([section!.body.getUint16(4, true), section!.body.getUint16(6, true)]).toEqual([1, 0]);
  const read: Read = { interfaces: [], packets: [] };
  for (const { type, body } of blocks) {
    if (type === 1) {
      expect(body.getUint16(0, true)).toBe(1);
      const found = options(body, 8);
      read.interfaces.push({
        name: new TextDecoder().decode(bytesOf(found.get(2)!)),
        resolution: found.get(9)!.getUint8(0),
        offset: found.get(14)!.getBigInt64(0, true),
      });
    } else {
      expect(type).toBe(6);
      const length = body.getUint32(12, true);
      expect(body.getUint32(16, true)).toBe(length);
      const padded = Math.ceil(length / 4) * 4;
      read.packets.push({
        interfaceId: body.getUint32(0, true),
        timeNs: body.getUint32(4, true) * 2 ** 32 + body.getUint32(8, true),
        bytes: new Uint8Array(body.buffer, body.byteOffset + 20, length).slice(),
        direction: options(body, 20 + padded)
          .get(2)!
          .getUint32(0, true),
      });
    }
  }
  return read;
}

function collect(write: (writer: PcapngWriter) => void, epochSeconds = 0): Uint8Array {
  const parts: Uint8Array[] = [];
  const writer = new PcapngWriter((bytes) => parts.push(bytes.slice()), { epochSeconds });
  write(writer);
  writer.flush();
  return Buffer.concat(parts);
}

describe('captures', () => {
  it('hold every frame of any length, its time and its direction', () => {
    const frames = Array.from({ length: 120 }, (_, index) =>
      Uint8Array.from({ length: 14 + index * 13 }, (_byte, at) => (at * index) & 255),
    );
    const file = collect((writer) => {
      writer.addInterface('hn0');
      writer.addInterface('hn1 – ∞');
      for (const [index, frame] of frames.entries()) {
        writer.packet(index & 1, 2 ** 40 + index, (index & 1) + 1, frame, 0, frame.length);
      }
    }, 1_700_000_000);
    const read = readFile(file);
    expect(read.interfaces).toEqual([
      { name: 'hn0', resolution: 9, offset: 1_700_000_000n },
      { name: 'hn1 – ∞', resolution: 9, offset: 1_700_000_000n },
    ]);
    expect(read.packets).toEqual(
      frames.map((bytes, index) => ({
        interfaceId: index & 1,
        timeNs: 2 ** 40 + index,
        bytes,
        direction: (index & 1) + 1,
      })),
    );
  });

  it('a tap shows a port’s frames as its station sees them', () => {
    const clock = new VirtualClock();
    const events = new EventQueue(clock);
    const network = new VirtualSwitch({ clock, events, trace: new Trace(clock) });
    const ports = [network.connect('a'), network.connect('b')] as const;
    const file = collect((writer) => {
      for (const port of ports) {
        port.tap = captureTap(writer, port, clock);
        port.receiver = { frame: () => {}, framesEnd: () => {}, linkChanged: () => {} };
      }
      const frame = ipFrame();
      ports[0].send(frame, 0, frame.length);
      while (events.runNext());
    });
    const { packets } = readFile(file);
    expect(packets.map((it) => [it.interfaceId, it.direction])).toEqual([
      [0, 2],
      [1, 1],
    ]);
    expect(packets[1]!.timeNs).toBeGreaterThan(10_000);
  });
});

describe.skipIf(!hasTool('tshark') || !hasTool('capinfos'))('captures in Wireshark', () => {
  const good = [
    ipFrame(),
    ipFrame({ protocol: 'udp', fromPort: 5353, toPort: 5353 }),
    tagged(ipFrame(), 0x600a),
    ipFrame({ payload: Array.from({ length: 1400 }, (_, index) => index & 255) }),
  ];
  const bad = [ipFrame({ checksum: 'seed' }), ipFrame({ protocol: 'udp', checksum: 77 })];
  const file = collect((writer) => {
    writer.addInterface('hn0');
    for (const [index, frame] of [...good, ...bad].entries()) {
      writer.packet(0, index * 1_000_000_007, 1, frame, 0, frame.length);
    }
  }, 1_000_000_000);

  it('capinfos counts packets and bytes', () => {
    const report = inFolder((folder) => {
      const path = join(folder, 'a.pcapng');
      writeFileSync(path, file);
      return run('capinfos', ['-M', '-c', '-t', '-d', '-I', path]);
    });
    expect(report).toMatch(/File type:\s+.*pcapng/);
    expect(report).toMatch(/Number of packets:\s+6\b/);
    const size = [...good, ...bad].reduce((sum, frame) => sum + frame.length, 0);
    expect(report).toMatch(new RegExp(`Data size:\\s+${size}\\b`));
    expect(report).toContain('Name = hn0');
    expect(report).toContain('Time precision = nanoseconds (9)');
  });

  it('tshark finds the same times, and the checksums that are wrong', () => {
    const fields = [
      'frame.time_epoch',
      'ip.checksum.status',
      'tcp.checksum.status',
      'udp.checksum.status',
      'vlan.id',
    ];
    const report = inFolder((folder) => {
      const path = join(folder, 'a.pcapng');
      writeFileSync(path, file);
      const checks = ['ip.check_checksum', 'tcp.check_checksum', 'udp.check_checksum'];
      return run('tshark', [
        '-r',
        path,
        '-T',
        'fields',
        '-E',
        'separator=,',
        ...checks.flatMap((name) => ['-o', `${name}:TRUE`]),
        ...fields.flatMap((name) => ['-e', name]),
      ]);
    });
    const rows = report
      .trim()
      .split('\n')
      .map((row) => row.split(','));
    expect(rows.map((row) => row.slice(1))).toEqual([
      ['1', '1', '', ''],
      ['1', '', '1', ''],
      ['1', '1', '', '10'],
      ['1', '1', '', ''],
      ['1', '0', '', ''],
      ['1', '', '0', ''],
    ]);
    // Older versions print seconds, newer ones a date.
    const seconds = rows.map((row) =>
      row[0]!.includes('T') ? Date.parse(row[0]!) / 1000 : Number(row[0]),
    );
    for (const [index, second] of seconds.entries()) {
      expect(second).toBeCloseTo(1_000_000_000 + index * 1.000_000_007, 3);
    }
  });
});
