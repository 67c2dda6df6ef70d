import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readText } from '../../src/fb/read-text.ts';
import { Surface } from '../../src/fb/surface.ts';
import type { Machine, MachineConfig } from '../../src/machine/machine.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { decodePng } from '../support/png.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';
import { machineForTest } from '../support/run.ts';

const LIMIT_NS = 60e9;
/** Two pictures of the guest. */
const SETTLE_NS = 80e6;

function power(config: Partial<MachineConfig>): Machine {
  const machine = machineForTest({
    generation: 2,
    host: 'ws2022',
    memoryBytes: 128 << 20,
    processors: 1,
    seed: 1n,
    disks: [],
    preset: 'bis:modern',
    ...config,
  });
  machine.powerOn();
  return machine;
}

/** Until the console has printed a text, and the screen shows it. */
function runTo(machine: Machine, text: string): void {
  expect(machine.runUntil(() => machine.console.recentText.includes(text), LIMIT_NS)).toBe(true);
  machine.run(machine.clock.nowNs + SETTLE_NS);
}

/** Text read off a PNG file, glyph by glyph. */
function textOfPng(file: Uint8Array): string[] {
  const { width, height, rgb } = decodePng(file);
  const surface = new Surface(width, height);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const [red, green, blue] = rgb.subarray(pixel * 3, pixel * 3 + 3);
    surface.u32[pixel] = (0xff00_0000 | (blue! << 16) | (green! << 8) | red!) >>> 0;
  }
  return readText(surface);
}

/** What a serial line of this width would show, without tabs. */
function wrapped(text: string, columns: number): string[] {
  return text
    .replaceAll('\r', '')
    .split('\n')
    .flatMap((line) => {
      let shown = '';
      for (const character of line) {
        shown += character === '\t' ? ' '.repeat(8 - (shown.length % 8)) : character;
      }
      return shown.match(new RegExp(`.{1,${columns}}`, 'g')) ?? [''];
    })
    .map((line) => line.trimEnd());
}

describe.each([
  [2, 1024, 768],
  [1, 640, 400],
] as const)('the screen of a Gen-%i machine', (generation, width, height) => {
  it('shows at login what the serial console shows, pixel for pixel in the PNG', () => {
    const machine = power({ generation });
    let output = '';
    machine.console.listen((byte) => {
      output += String.fromCharCode(byte);
    });
    runTo(machine, 'login: ');
    const rows = height / 16;
    const wanted = wrapped(output, width / 8).slice(-rows);
    expect(wanted.at(-1)).toBe('login:');
    expect(machine.screen.text()).toEqual(wanted);
    expect(textOfPng(machine.screen.png())).toEqual(wanted);
    const { rgba, ...shape } = machine.screen.capture();
    expect(shape).toEqual({ width, height });
    expect(rgba.length).toBe(width * height * 4);
  });

  it('echoes what is typed, and erases it', () => {
    const machine = power({ generation });
    runTo(machine, 'login: ');
    machine.board.keyboard.type('rotten\b\b\b');
    machine.run(machine.clock.nowNs + 1e9);
    expect(machine.screen.text().findLast((line) => line !== '')).toBe('login: rot');
  });

  it('keeps what a panic printed, until a reset clears it', () => {
    const machine = power({ generation });
    runTo(machine, 'login: ');
    machine.console.type(new TextEncoder().encode('root\npanic\n'));
    machine.run(LIMIT_NS);
    expect(machine.screen.text().some((line) => line.startsWith('panic: '))).toBe(true);
    machine.reset();
    expect(machine.screen.text().join('')).toBe('');
  });

  it('tells why nothing boots', () => {
    const machine = power({ generation, disks: [new ArrayDisk(new Uint8Array(1 << 20))] });
    const ending = machine.run(LIMIT_NS);
    const reason = ending?.kind === 'boot-stopped' ? ending.reason : '';
    expect(reason).toMatch(/^no boot device: disk 0:0/);
    const text = machine.screen.text();
    expect(text[0]).toBe('Boot failed:');
    expect(text.slice(1).join('')).toBe(reason);
  });

  it('follows the memory and the picture that a video driver names', () => {
    const machine = power({ generation });
    const { display } = machine.board.video;
    const gpa = 64 << 20;
    display.setVram(gpa, 8 << 20);
    display.setMode({ width: 640, height: 480, bitsPerPixel: 32, pitchBytes: 2560, offset: 0 });
    const at = machine.memory.resolve(gpa, 4);
    machine.memory.u32[at / 4] = 0x00_11_22_33;
    const capture = machine.screen.capture();
    expect([capture.width, capture.height]).toEqual([640, 480]);
    expect(Array.from(capture.rgba.slice(0, 8))).toEqual([0x11, 0x22, 0x33, 255, 0, 0, 0, 255]);
  });
});

describe.skipIf(!hasTool('convert'))('the PNG of a screen', () => {
  it('is one for ImageMagick', () => {
    inFolder((folder) => {
      const file = join(folder, 'screen.png');
      writeFileSync(file, power({}).screen.png());
      const shown = run('convert', [file, '-format', '%w %h %k', 'info:']);
      expect(shown.trim()).toMatch(/^1024 768 \d+$/);
    });
  });
});
