import type { GuestMemory } from '../core/memory.ts';
import { rowConverter } from './convert.ts';
import { DirtyRectangles } from './dirty.ts';
import type { Display, DisplayMode } from './display.ts';
import { Surface } from './surface.ts';

const BLACK = 0xff00_0000;

/** Reads a display's picture out of guest memory. */
export class ScanOut {
  readonly #memory: GuestMemory;
  readonly #display: Display;
  /** What the last `refresh` changed on the surface. */
  readonly changed = new DirtyRectangles();
  #surface: Surface | undefined;
  #generation = -1;

  constructor(memory: GuestMemory, display: Display) {
    this.#memory = memory;
    this.#display = display;
  }

  /** The picture as of the last `refresh`; undefined while the screen is off. */
  get surface(): Surface | undefined {
    return this.#surface;
  }

  /**
   * Brings the surface up to date: only what the guest said it had changed, where it says so. Video
   * memory that is not there shows as black.
   * @param isFull read everything, whatever the guest said
   * @returns pixels read
   */
  refresh(isFull = false): number {
    const display = this.#display;
    const { mode, dirty } = display;
    this.changed.clear();
    if (mode === undefined) {
      this.#surface = undefined;
      this.#generation = display.generation;
      return 0;
    }
    const { width, height } = mode;
    let surface = this.#surface;
    const isNew = this.#generation !== display.generation || surface === undefined;
    if (surface === undefined || surface.width !== width || surface.height !== height) {
      surface = new Surface(width, height);
      this.#surface = surface;
    }
    this.#generation = display.generation;
    const source = this.#sourceOf(mode);
    if (source < 0) {
      surface.u32.fill(BLACK);
      this.changed.add(0, 0, width, height, width, height);
      return 0;
    }
    if (isFull || isNew || !display.isTracked) dirty.add(0, 0, width, height, width, height);
    let pixels = 0;
    for (let index = 0; index < dirty.count; index += 1) {
      const at = index * 4;
      const { words } = dirty;
      pixels += this.#copy(
        surface,
        mode,
        source,
        words[at]!,
        words[at + 1]!,
        words[at + 2]!,
        words[at + 3]!,
      );
    }
    dirty.clear();
    return pixels;
  }

  /** Where the first pixel is in the linear memory, or -1 when a part of the picture is not there. */
  #sourceOf(mode: DisplayMode): number {
    const { vramGpa, vramBytes } = this.#display;
    const rowBytes = mode.width * (mode.bitsPerPixel / 8);
    const bytes = mode.pitchBytes * (mode.height - 1) + rowBytes;
    if (vramGpa < 0 || rowBytes > mode.pitchBytes || mode.offset + bytes > vramBytes) return -1;
    return this.#memory.resolve(vramGpa + mode.offset, bytes);
  }

  #copy(
    surface: Surface,
    mode: DisplayMode,
    source: number,
    left: number,
    top: number,
    right: number,
    bottom: number,
  ): number {
    const pixelBytes = mode.bitsPerPixel / 8;
    const { pitchBytes } = mode;
    const convert = rowConverter(mode.bitsPerPixel, pitchBytes | source);
    const count = right - left;
    let from = source + top * pitchBytes + left * pixelBytes;
    let to = top * surface.width + left;
    for (let row = top; row < bottom; row += 1) {
      convert(this.#memory, from, surface.u32, to, count);
      from += pitchBytes;
      to += surface.width;
    }
    this.changed.add(left, top, right, bottom, surface.width, surface.height);
    return count * (bottom - top);
  }
}
