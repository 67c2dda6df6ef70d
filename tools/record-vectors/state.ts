/**
 * The state before a recorded instruction. It is drawn, not stored: state.h draws the same words in
 * the same order, and the README says how.
 */
export const FormFlag = {
  /** RDI and RSI point into memory. */
  memory: 1,
  /** RBP points into memory. */
  frame: 2,
  /** RDX:RAX is often a dividend whose quotient fits. */
  divide: 4,
  /** Registers hold -256 to 255. */
  small: 8,
  /** The stack holds a canonical address. */
  return: 16,
  /** RCX is below 4, DF varies. */
  string: 32,
  xmm: 64,
  single: 128,
  double: 256,
  mmx: 512,
  x87: 1024,
  /** RBX points into memory. */
  table: 2048,
} as const;

export const CODE_ADDRESS = 0x1000_0000;
export const DATA_ADDRESS = 0x2000_0000;
export const DATA_BYTES = 4096;
/** EFLAGS bits that are drawn and compared: OF, DF, SF, ZF, AF, PF, CF. */
export const FLAG_MASK = 0xcd5;

const FLAG_DF = 0x400;
const WINDOW_WORDS = 24;
const WINDOW_BEFORE = 32;
const WINDOW_CENTRES = [0x400, 0x600, 0x800];

const EDGE_WORDS = Uint32Array.of(
  0,
  1,
  0xffffffff,
  0x80,
  0x7f,
  0x8000,
  0x7fff,
  0x80000000,
  0x7fffffff,
  0x55555555,
  0xaaaaaaaa,
  0xff,
  0xffff,
  0x10000,
  0x100,
  0xfffffffe,
);
const EDGE_SINGLES = Uint32Array.of(
  0,
  0x80000000,
  0x3f800000,
  0xbf800000,
  0x7f800000,
  0xff800000,
  0x7fc00000,
  0xffc00001,
  0x7f800001,
  0xffa00000,
  0x00000001,
  0x807fffff,
  0x00800000,
  0x7f7fffff,
  0x4f000000,
  0xcf000000,
);
const EDGE_DOUBLES = Uint32Array.of(
  0,
  0x80000000,
  0x3ff00000,
  0xbff00000,
  0x7ff00000,
  0xfff00000,
  0x7ff80000,
  0xfff80001,
  0x7ff00001,
  0xfff40000,
  0x000fffff,
  0x80000001,
  0x00100000,
  0x7fefffff,
  0x41e00000,
  0xc3e00000,
);
const EDGE_EXTENDED = Uint32Array.of(
  0x00000,
  0x08000,
  0x13fff,
  0x1bfff,
  0x17fff,
  0x1ffff,
  0x07fff,
  0x0ffff,
  0x10000,
  0x18000,
  0x00001,
  0x17ffe,
  0x10001,
  0x1401e,
  0x1c03e,
  0x04000,
);

export interface VectorForm {
  readonly mode: 32 | 64;
  /** Bits of {@link FormFlag}. */
  readonly flags: number;
  readonly bytes: Uint8Array;
}

/** 64-bit values are two words, low first; extended ones three: fraction low, high, exponent. */
export class VectorState {
  readonly gpr = new Uint32Array(32);
  readonly xmm = new Uint32Array(64);
  /** By physical register, not by stack position. */
  readonly st = new Uint32Array(24);
  /** Bits of {@link FLAG_MASK} only. */
  eflags = 0;
  mxcsr = 0;
  fcw = 0;
  fsw = 0;
  /** Abridged as in FXSAVE: a set bit is a register that is not empty. */
  tags = 0;
  readonly memory = new Uint8Array(DATA_BYTES);

  #seed = 0;
  readonly #window = new Uint32Array(WINDOW_WORDS + 4);
  readonly #windowBytes = new Uint8Array(this.#window.buffer, 16);

  #draw(): number {
    this.#seed = (this.#seed + 0x9e3779b9) | 0;
    let mixed = this.#seed;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** Draws the state before repetition `repetition` of form number `index`. */
  draw(index: number, repetition: number, { mode, flags }: VectorForm): void {
    this.xmm.fill(0);
    this.st.fill(0);
    this.tags = 0;
    this.fsw = 0;
    this.#seed = Math.imul(index, 0x85ebca6b) ^ Math.imul(repetition, 0xc2b2ae35) ^ 0x27d4eb2f;
    this.eflags = this.#draw() & (FLAG_MASK & ~FLAG_DF);
    if ((flags & FormFlag.string) !== 0) this.eflags |= this.#draw() & FLAG_DF;
    this.#drawRegisters(mode, flags);
    this.mxcsr = 0x1f80;
    this.fcw = 0x37f;
    if ((flags & (FormFlag.xmm | FormFlag.single | FormFlag.double)) !== 0) {
      for (let i = 0; i < (mode === 32 ? 8 : 16); i++) this.#vector(this.xmm, 4 * i, flags);
    }
    if ((flags & (FormFlag.single | FormFlag.double)) !== 0) {
      const kind = this.#draw();
      if ((kind & 1) !== 0) this.mxcsr |= kind & 0xe07f;
      if ((kind & 0xe) === 0xe) this.mxcsr &= ~((kind >>> 16) & 0x1f80);
    }
    if ((flags & (FormFlag.mmx | FormFlag.x87)) !== 0) this.#drawX87(flags);
    this.#drawMemory(mode, flags);
  }

  /** Two words at `at`. The first general register has no value before it, the others have 0. */
  #integer(words: Uint32Array, at: number, stride: number): void {
    const kind = this.#draw();
    let low = this.#draw();
    let high = this.#draw();
    switch (kind & 7) {
      case 3:
        low %= 131;
        high = 0;
        break;
      case 4:
        low = EDGE_WORDS[low & 15]!;
        high = (kind & 8) === 0 ? EDGE_WORDS[high & 15]! : (low | 0) >> 31;
        break;
      case 5:
        high = 0;
        break;
      case 6:
        high = (low | 0) >> 31;
        break;
      case 7:
        if (at >= stride) {
          low = words[at - stride]!;
          high = words[at - stride + 1]!;
        } else if (stride !== 2) {
          low = 0;
          high = 0;
        }
        break;
      default:
    }
    words[at] = low;
    words[at + 1] = high;
  }

  #single(previous: number): number {
    const kind = this.#draw();
    const bits = this.#draw();
    switch (kind & 7) {
      case 0:
      case 1:
      case 2:
        return (bits & 0x807fffff) | ((107 + ((kind >>> 8) % 40)) << 23);
      case 3:
        return EDGE_SINGLES[bits & 15]!;
      case 4:
        return (bits & 0x80780000) | ((127 + ((kind >>> 8) % 36)) << 23);
      case 5:
        return previous;
      default:
        return bits;
    }
  }

  #double(words: Uint32Array, at: number): void {
    const kind = this.#draw();
    let low = this.#draw();
    let high = this.#draw();
    switch (kind & 7) {
      case 0:
      case 1:
      case 2:
        high = (high & 0x800fffff) | ((1003 + ((kind >>> 8) % 40)) << 20);
        break;
      case 3:
        high = EDGE_DOUBLES[high & 15]!;
        low = (kind & 8) === 0 ? 0 : 0xffffffff;
        break;
      case 4:
        high = (high & 0x800f0000) | ((1023 + ((kind >>> 8) % 68)) << 20);
        low = 0;
        break;
      case 5:
        low = at < 4 ? 0 : words[at - 4]!;
        high = at < 4 ? 0 : words[at - 3]!;
        break;
      default:
    }
    words[at] = low;
    words[at + 1] = high;
  }

  #extended(words: Uint32Array, at: number, stride: number): void {
    const kind = this.#draw();
    let low = this.#draw();
    let high = this.#draw() | 0x80000000;
    let exponent = this.#draw() & 0xffff;
    switch (kind & 7) {
      case 0:
      case 1:
      case 2:
        exponent = (exponent & 0x8000) | (0x3fff - 20 + ((kind >>> 8) % 40));
        break;
      case 3: {
        const edge = EDGE_EXTENDED[exponent & 15]!;
        exponent = edge & 0xffff;
        high = (edge & 0x10000) === 0 ? 0 : 0x80000000;
        low = 0;
        if ((kind & 8) !== 0) {
          high |= kind & 0x7fffff00;
          low = kind;
        }
        break;
      }
      case 4:
        exponent = (exponent & 0x8000) | (0x3fff + ((kind >>> 8) % 68));
        high &= 0xff000000;
        low = 0;
        break;
      case 5:
        low = at < stride ? 0 : words[at - stride]!;
        high = at < stride ? 0 : words[at - stride + 1]!;
        exponent = at < stride ? 0 : words[at - stride + 2]!;
        break;
      case 6:
        high &= 0x7fffffff;
        break;
      default:
    }
    words[at] = low;
    words[at + 1] = high;
    words[at + 2] = exponent;
  }

  #vector(words: Uint32Array, at: number, flags: number): void {
    if ((flags & FormFlag.single) !== 0) {
      for (let i = at; i < at + 4; i++) words[i] = this.#single(i < 4 ? 0 : words[i - 4]!);
    } else if ((flags & FormFlag.double) !== 0) {
      this.#double(words, at);
      this.#double(words, at + 2);
    } else {
      this.#integer(words, at, 4);
      this.#integer(words, at + 2, 4);
    }
  }

  #drawRegisters(mode: 32 | 64, flags: number): void {
    const { gpr } = this;
    for (let i = 0; i < 32; i += 2) {
      this.#integer(gpr, i, 2);
      if ((flags & FormFlag.small) !== 0) {
        const value = (gpr[i]! & 0x1ff) - 0x100;
        gpr[i] = value;
        gpr[i + 1] = value >> 31;
      }
    }
    if ((flags & FormFlag.string) !== 0) {
      gpr[2] = gpr[2]! & 3;
      gpr[3] = 0;
    }
    if ((flags & FormFlag.divide) !== 0) {
      const kind = this.#draw();
      if ((kind & 1) !== 0) gpr.fill(0, 4, 6);
      else if ((kind & 2) !== 0) gpr.fill((gpr[(kind & 4) === 0 ? 0 : 1]! | 0) >> 31, 4, 6);
    }
    this.#point(4, 0x800);
    if ((flags & FormFlag.frame) !== 0) this.#point(5, 0x820);
    if ((flags & FormFlag.memory) !== 0) {
      this.#point(7, 0x400);
      this.#point(6, 0x600);
    }
    if ((flags & FormFlag.table) !== 0) this.#point(3, 0x400);
    if (mode === 64) return;
    for (let i = 1; i < 32; i += 2) gpr[i] = 0;
    gpr.fill(0, 16);
  }

  #point(register: number, offset: number): void {
    this.gpr[2 * register] = DATA_ADDRESS + offset;
    this.gpr[2 * register + 1] = 0;
  }

  #drawX87(flags: number): void {
    const extended = (flags & FormFlag.x87) !== 0;
    for (let i = 0; i < 24; i += 3) {
      if (extended) this.#extended(this.st, i, 3);
      else {
        this.#integer(this.st, i, 3);
        this.st[i + 2] = 0xffff;
      }
    }
    this.tags = 0xff;
    if (!extended) return;
    const kind = this.#draw();
    this.fsw = kind & 0x7f00;
    if ((kind & 0x10000) !== 0) this.tags = kind >>> 24;
    if ((kind & 0x20000) !== 0) this.fcw = 0x7f | ((kind >>> 8) & 0xc00) | ((kind >>> 2) & 0x300);
    if ((kind & 0x1c) === 0x1c) this.fcw &= ~((kind >>> 5) & 0x3f);
  }

  #drawMemory(mode: 32 | 64, flags: number): void {
    const words = this.#window;
    for (let window = 0; window < WINDOW_CENTRES.length; window++) {
      for (let i = 0; i < 4; i++) words[i] = this.gpr[i]!;
      for (let i = 0; i < WINDOW_WORDS; i += 4) {
        if ((flags & FormFlag.x87) !== 0 && window === 0 && i % 8 === 0) {
          this.#extended(words, 4 + i, 4);
          words[7 + i] = this.#draw();
        } else this.#vector(words, 4 + i, flags);
      }
      this.memory.set(this.#windowBytes, WINDOW_CENTRES[window]! - WINDOW_BEFORE);
    }
    if ((flags & FormFlag.return) === 0) return;
    const high = mode === 64 ? this.#draw() & 0x7fff : 0;
    this.memory.set([high & 0xff, high >> 8, 0, 0], 0x804);
  }
}
