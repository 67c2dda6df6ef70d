import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { Random } from '../../src/core/random.ts';
import { Display, type PixelBits } from '../../src/fb/display.ts';
import { codeOf } from '../../src/fb/glyphs.ts';
import { readText } from '../../src/fb/read-text.ts';
import { ScanOut } from '../../src/fb/scan-out.ts';
import { Surface } from '../../src/fb/surface.ts';
import { TextConsole } from '../../src/fb/text-console.ts';
import { readTextBuffer, renderTextBuffer, type TextBuffer } from '../../src/fb/vga-text.ts';

interface Screen {
  readonly console: TextConsole;
  readonly lines: () => string[];
  readonly display: Display;
  readonly surface: () => Surface;
}

/** A console on video memory, read back through a scan-out. */
function screen(width: number, height: number, bitsPerPixel: PixelBits = 32): Screen {
  const memory = new GuestMemory({ ramBytes: 4 << 20, lowGapStart: 1 << 30 });
  const display = new Display();
  const pitchBytes = width * (bitsPerPixel / 8) + 8;
  const mode = { width, height, bitsPerPixel, pitchBytes, offset: 4096 };
  display.setVram(0, 4 << 20);
  display.setMode(mode);
  display.isTracked = true;
  const scanOut = new ScanOut(memory, display);
  scanOut.refresh();
  const touch = (left: number, top: number, right: number, bottom: number): void =>
    display.touch(left, top, right, bottom);
  const surface = (): Surface => {
    scanOut.refresh();
    return scanOut.surface!;
  };
  const console = new TextConsole({ ...mode, bytes: memory.u8 }, touch);
  return { console, display, surface, lines: () => readText(surface()) };
}

describe.each([32, 24, 16] as const)('a console at %i bits a pixel', (bits) => {
  it('shows text that can be read back exactly', () => {
    const { console, lines } = screen(640, 400, bits);
    const printable = Array.from({ length: 95 }, (_, index) =>
      String.fromCharCode(32 + index),
    ).join('');
    console.write(`FreeBSD/amd64 (synthvm) (ttyv0)\n\nlogin: root\n${printable}`);
    expect(lines().slice(0, 5)).toEqual([
      'FreeBSD/amd64 (synthvm) (ttyv0)',
      '',
      'login: root',
      printable.slice(0, 80),
      printable.slice(80),
    ]);
  });
});

describe('the console', () => {
  it('scrolls', () => {
    const { console, lines } = screen(160, 64);
    for (let line = 1; line <= 10; line += 1) console.write(`line ${line}\n`);
    expect(lines()).toEqual(['line 8', 'line 9', 'line 10', '']);
    expect([console.column, console.row]).toEqual([0, 3]);
  });

  it('wraps only when the next character comes', () => {
    const { console, lines } = screen(80, 64);
    console.write('0123456789');
    expect([console.column, console.row]).toEqual([10, 0]);
    console.write('\nx0123456789');
    expect(lines()).toEqual(['0123456789', 'x012345678', '9', '']);
  });

  it('knows carriage return, backspace, tab and form feed', () => {
    const { console, lines } = screen(320, 64);
    console.write('abc\rX\tY\b\bZ');
    expect(lines()[0]).toBe('Xbc    ZY');
    console.write('\fnew');
    expect(lines()).toEqual(['new', '', '', '']);
    console.moveTo(99, -1);
    expect([console.column, console.row]).toEqual([39, 0]);
  });

  it('draws boxes, and "?" for what the font lacks', () => {
    const { console, lines } = screen(320, 64);
    console.write('┌─╥═╗\n│€║█▌\n└─╨═╝');
    // A full block is a cell of one colour: it reads as a blank.
    expect(lines().slice(0, 3)).toEqual(['┌─╥═╗', '│?║ ▌', '└─╨═╝']);
  });

  it('colours do not matter for reading', () => {
    const { console, lines } = screen(320, 64);
    console.attribute = 0x1e;
    console.write('yellow on blue\n');
    console.attribute = 0x70;
    console.write('inverse\n');
    console.attribute = 0x07;
    console.write('plain');
    expect(lines().slice(0, 3)).toEqual(['yellow on blue', 'inverse', 'plain']);
  });

  it('needs room for a cell', () => {
    expect(() => screen(7, 16)).toThrow('no room for text on 7 by 16 pixels');
  });
});

describe('reading', () => {
  it('gives U+FFFD for a cell with a pixel too many, or a third colour', () => {
    const { console, surface } = screen(80, 16);
    console.write('ABC');
    const picture = surface();
    picture.u32[9] = picture.u32[9] === 0xff00_0000 ? 0xffaa_aaaa : 0xff00_0000;
    picture.u32[16] = 0xff12_3456;
    expect(readText(picture)).toEqual(['A\ufffd\ufffd']);
  });

  it('begins where it is told to', () => {
    const { console, surface } = screen(80, 32);
    console.write('ABCD');
    const shifted = new Surface(83, 37);
    const picture = surface();
    for (let y = 0; y < 32; y += 1) {
      shifted.u32.set(picture.u32.subarray(y * 80, y * 80 + 80), (y + 5) * 83 + 3);
    }
    expect(readText(shifted, 3, 5)[0]).toBe('ABCD');
    expect(readText(shifted)[0]).not.toBe('ABCD');
  });
});

describe('VGA text', () => {
  function buffer(lines: readonly string[], attribute = 0x07): TextBuffer {
    const bytes = new Uint8Array(80 * 25 * 2 + 6);
    for (let cell = 0; cell < 2000; cell += 1) {
      const character = lines[Math.floor(cell / 80)]?.[cell % 80] ?? ' ';
      bytes[6 + cell * 2] = codeOf(character);
      bytes[7 + cell * 2] = attribute;
    }
    return { bytes, offset: 6, columns: 80, rows: 25 };
  }

  const boot = ['FreeBSD/x86 bootstrap loader, Revision 1.1', '', '  ╔═══ Welcome ═══╗', 'OK '];

  it('is read from memory', () => {
    const lines = readTextBuffer(buffer(boot));
    expect(lines.length).toBe(25);
    expect(lines.slice(0, 4)).toEqual(boot.map((line) => line.trimEnd()));
  });

  it('is drawn at 640 by 400, and the picture reads the same', () => {
    const surface = renderTextBuffer(buffer(boot));
    expect([surface.width, surface.height]).toEqual([640, 400]);
    expect(readText(surface)).toEqual(readTextBuffer(buffer(boot)));
    expect(renderTextBuffer(buffer(boot), surface)).toBe(surface);
  });

  it('has the colours of its attributes', () => {
    const surface = renderTextBuffer(buffer(['█'], 0x4e));
    expect(surface.u32[0]).toBe(0xff55_ffff);
    expect(surface.u32[8]).toBe(0xff00_00aa);
  });

  it('shows the cursor as two lines', () => {
    const plain = renderTextBuffer(buffer([]));
    const withCursor = renderTextBuffer(buffer([]), undefined, 81);
    let changed = 0;
    for (let at = 0; at < plain.u32.length; at += 1) {
      if (plain.u32[at] !== withCursor.u32[at]) changed += 1;
    }
    expect(changed).toBe(16);
    expect(withCursor.u32[(16 + 14) * 640 + 8]).toBe(0xffaa_aaaa);
  });

  it('any bytes can be drawn and read', () => {
    const text = buffer([]);
    new Random(5).fill(text.bytes);
    const lines = readTextBuffer(text);
    const surface = renderTextBuffer(text);
    expect(readText(surface).length).toBe(lines.length);
  });
});
