import type { StateStream } from '../core/state.ts';
import { DirtyRectangles } from './dirty.ts';

/** Bits of one pixel in video memory: 5-6-5, or 8-8-8 with blue first, or the same and a spare byte. */
export type PixelBits = 16 | 24 | 32;

/** How pixels lie in video memory. */
export interface DisplayMode {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly bitsPerPixel: PixelBits;
  /** Bytes from one row to the next. */
  readonly pitchBytes: number;
  /** Bytes from the start of video memory to the first pixel. */
  readonly offset: number;
}

/** The shape of a hardware pointer. */
export interface PointerShape {
  readonly width: number;
  readonly height: number;
  readonly hotX: number;
  readonly hotY: number;
  /** True: 32-bit ARGB. False: an AND mask and an XOR mask of one bit a pixel. */
  readonly isColor: boolean;
  readonly pixels: Uint8Array;
}

/**
 * The host port of a graphics adapter: where its picture is and what of it has changed. The adapter
 * writes it, a scan-out reads it.
 */
export class Display {
  /** Guest physical address of video memory, -1 for none. */
  #vramGpa = -1;
  #vramBytes = 0;
  #mode: DisplayMode | undefined;
  #generation = 0;
  /** The guest tells what it changes; without that everything may have changed at any time. */
  isTracked = false;
  readonly dirty = new DirtyRectangles();
  pointer: PointerShape | undefined;
  pointerX = 0;
  pointerY = 0;
  isPointerVisible = false;

  /** Which parts have changed is the business of whoever looks: it begins with the whole. */
  exchange(state: StateStream): void {
    this.#vramGpa = state.number('vramGpa', this.#vramGpa);
    this.#vramBytes = state.number('vramBytes', this.#vramBytes);
    this.#mode = state.data('mode', this.#mode);
    this.#generation = state.number('generation', this.#generation);
    this.isTracked = state.flag('isTracked', this.isTracked);
    const { pointer } = this;
    const shape = pointer && { ...pointer, pixels: [...pointer.pixels] };
    const restored = state.data('pointer', shape);
    if (state.isRestoring) {
      this.pointer = restored && { ...restored, pixels: Uint8Array.from(restored.pixels) };
    }
    this.pointerX = state.number('pointerX', this.pointerX);
    this.pointerY = state.number('pointerY', this.pointerY);
    this.isPointerVisible = state.flag('isPointerVisible', this.isPointerVisible);
  }

  get vramGpa(): number {
    return this.#vramGpa;
  }

  get vramBytes(): number {
    return this.#vramBytes;
  }

  /** Undefined while the screen is off. */
  get mode(): DisplayMode | undefined {
    return this.#mode;
  }

  /** Grows with every change of place or mode: all pixels are new then. */
  get generation(): number {
    return this.#generation;
  }

  /** @param gpa -1 for no video memory */
  setVram(gpa: number, bytes: number): void {
    this.#vramGpa = gpa;
    this.#vramBytes = bytes;
    this.#generation += 1;
  }

  setMode(mode: DisplayMode | undefined): void {
    this.#mode = mode;
    this.#generation += 1;
    this.dirty.clear();
  }

  /** Marks a part of the screen as changed; right and bottom are excluded. */
  touch(left: number, top: number, right: number, bottom: number): void {
    const mode = this.#mode;
    if (mode !== undefined) this.dirty.add(left, top, right, bottom, mode.width, mode.height);
  }
}
