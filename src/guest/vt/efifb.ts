import type { GuestMemory } from '../../core/memory.ts';
import { GLYPH_HEIGHT, GLYPH_WIDTH, GLYPHS } from '../../fb/spec/font.ts';
import { TEXT_PALETTE } from '../../fb/spec/palette.ts';
import type { Framebuffer } from '../boot/firmware.ts';
import type { Painter } from './painter.ts';

const PIXEL_BYTES = 4;

/** By code, one row of pixels a byte, the leftmost in bit 7. */
const FONT = Uint8Array.from({ length: GLYPHS.length * GLYPH_HEIGHT }, (_, index) => {
  const row = index % GLYPH_HEIGHT;
  const glyph = GLYPHS[(index - row) / GLYPH_HEIGHT]!;
  return Number.parseInt(glyph.slice(row * 2, row * 2 + 2), 16);
});

/** vt_efifb: draws cells of 8 by 16 on the frame buffer that the firmware set up. */
export class EfiFramebuffer implements Painter {
  readonly name = 'efifb';
  readonly isText = false;
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  readonly #pixels: Uint32Array;
  /** Index of the first pixel, and pixels from one line to the next. */
  readonly #first: number;
  readonly #stride: number;

  private constructor(memory: GuestMemory, first: number, screen: Framebuffer) {
    this.width = screen.width;
    this.height = screen.height;
    this.columns = Math.floor(screen.width / GLYPH_WIDTH);
    this.rows = Math.floor(screen.height / GLYPH_HEIGHT);
    this.#pixels = memory.u32;
    this.#first = first;
    this.#stride = screen.stride;
  }

  /** @returns undefined when what the firmware says is no frame buffer */
  static probe(memory: GuestMemory, screen: Framebuffer): EfiFramebuffer | undefined {
    const { gpa, bytes, width, height, stride } = screen;
    const isLargeEnough = width >= GLYPH_WIDTH && height >= GLYPH_HEIGHT;
    if (!isLargeEnough || stride < width || stride * height * PIXEL_BYTES > bytes) return undefined;
    const offset = memory.resolve(gpa, stride * height * PIXEL_BYTES);
    if (offset < 0 || offset % PIXEL_BYTES !== 0) return undefined;
    return new EfiFramebuffer(memory, offset / PIXEL_BYTES, screen);
  }

  clear(): void {
    this.#pixels.fill(0, this.#first, this.#first + this.#stride * this.height);
  }

  scroll(rows: number): void {
    const step = rows * GLYPH_HEIGHT * this.#stride;
    const end = this.#first + this.rows * GLYPH_HEIGHT * this.#stride;
    this.#pixels.copyWithin(this.#first, this.#first + step, end);
    this.#pixels.fill(0, end - step, end);
  }

  draw(column: number, row: number, cell: number): void {
    const pixels = this.#pixels;
    const attribute = cell >>> 8;
    const ink = TEXT_PALETTE[attribute & 0xf]!;
    const paper = TEXT_PALETTE[attribute >>> 4]!;
    const stride = this.#stride;
    let to = this.#first + row * GLYPH_HEIGHT * stride + column * GLYPH_WIDTH;
    const glyph = (cell & 0xff) * GLYPH_HEIGHT;
    for (let line = glyph; line < glyph + GLYPH_HEIGHT; line += 1) {
      const bits = FONT[line]!;
      pixels[to] = bits & 0x80 ? ink : paper;
      pixels[to + 1] = bits & 0x40 ? ink : paper;
      pixels[to + 2] = bits & 0x20 ? ink : paper;
      pixels[to + 3] = bits & 0x10 ? ink : paper;
      pixels[to + 4] = bits & 0x08 ? ink : paper;
      pixels[to + 5] = bits & 0x04 ? ink : paper;
      pixels[to + 6] = bits & 0x02 ? ink : paper;
      pixels[to + 7] = bits & 0x01 ? ink : paper;
      to += stride;
    }
  }
}
