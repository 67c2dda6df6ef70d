/** Scan-out of a 1920 by 1080 screen at 32 bits a pixel, to RGBA and to PNG. */
import { deflateSync } from 'node:zlib';
import { GuestMemory } from '../src/core/memory.ts';
import { Random } from '../src/core/random.ts';
import { Display } from '../src/fb/display.ts';
import { encodePng } from '../src/fb/png.ts';
import { ScanOut } from '../src/fb/scan-out.ts';
import { TextConsole } from '../src/fb/text-console.ts';
import type { BenchResult } from './result.ts';

const WIDTH = 1920;
const HEIGHT = 1080;
const VRAM_BYTES = 8 << 20;
/** 1 % of the pixels, in rectangles of the size of a word on a console. */
const DIRTY_WIDTH = 64;
const DIRTY_HEIGHT = 16;
const DIRTY_COUNT = Math.round((WIDTH * HEIGHT) / 100 / (DIRTY_WIDTH * DIRTY_HEIGHT));
const WARM_UP_ROUNDS = 30;
const ROUNDS = 60;

/** Milliseconds of the median of `ROUNDS` runs. */
function medianMs(prepare: () => void, run: () => void): number {
  const times: number[] = [];
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round += 1) {
    prepare();
    const start = performance.now();
    run();
    if (round >= WARM_UP_ROUNDS) times.push(performance.now() - start);
  }
  times.sort((left, right) => left - right);
  return times[times.length >> 1]!;
}

/** A console full of text on a screen whose changes the guest reports. */
function screen(): { readonly display: Display; readonly scanOut: ScanOut } {
  const memory = new GuestMemory({ ramBytes: VRAM_BYTES, lowGapStart: 0xf800_0000 });
  const display = new Display();
  display.setVram(0, VRAM_BYTES);
  const mode = { width: WIDTH, height: HEIGHT, bitsPerPixel: 32, pitchBytes: WIDTH * 4, offset: 0 };
  display.setMode({ ...mode, bitsPerPixel: 32 });
  display.isTracked = true;
  const { u8: bytes } = memory;
  const console = new TextConsole({ ...mode, bitsPerPixel: 32, bytes });
  const random = new Random(1);
  for (let line = 0; line < console.rows; line += 1) {
    console.attribute = 1 + random.below(15);
    let text = '';
    while (text.length < 180) text += String.fromCharCode(0x21 + random.below(0x5e));
    console.write(`${text}\n`);
  }
  return { display, scanOut: new ScanOut(memory, display) };
}

export function framebufferBench(): BenchResult[] {
  const { display, scanOut } = screen();
  const random = new Random(2);
  const touchAll = (): void => display.touch(0, 0, WIDTH, HEIGHT);
  const touchSome = (): void => {
    for (let index = 0; index < DIRTY_COUNT; index += 1) {
      const left = random.below(WIDTH - DIRTY_WIDTH);
      const top = random.below(HEIGHT - DIRTY_HEIGHT);
      display.touch(left, top, left + DIRTY_WIDTH, top + DIRTY_HEIGHT);
    }
  };
  const refresh = (): void => {
    scanOut.refresh();
  };
  const full = medianMs(touchAll, refresh);
  const some = medianMs(touchSome, refresh);
  const deflate = (bytes: Uint8Array): Uint8Array => deflateSync(bytes, { level: 1 });
  const png = medianMs(touchAll, () => {
    scanOut.refresh();
    encodePng(scanOut.surface!);
  });
  const deflated = medianMs(touchAll, () => {
    scanOut.refresh();
    encodePng(scanOut.surface!, { deflate });
  });
  const parts = medianMs(touchSome, () => {
    scanOut.refresh();
    const { words, count } = scanOut.changed;
    for (let at = 0; at < count * 4; at += 4) {
      const [left, top] = [words[at]!, words[at + 1]!];
      const rectangle = { left, top, width: words[at + 2]! - left, height: words[at + 3]! - top };
      encodePng(scanOut.surface!, { rectangle });
    }
  });
  const note = `${WIDTH}x${HEIGHT}x32, median of ${ROUNDS}`;
  return [
    { name: 'framebuffer full frame to RGBA', value: full, unit: 'ms', note: `${note}; aim < 4` },
    { name: 'framebuffer 1 % dirty to RGBA', value: some, unit: 'ms', note },
    { name: 'framebuffer full frame to PNG', value: png, unit: 'ms', note: `${note}; stored` },
    {
      name: 'framebuffer full frame to deflated PNG',
      value: deflated,
      unit: 'ms',
      note: `${note}; zlib level 1`,
    },
    {
      name: 'framebuffer 1 % dirty to PNG',
      value: parts,
      unit: 'ms',
      note: `${note}; one stored PNG a rectangle`,
    },
  ];
}
