/** Report descriptors (USB HID 1.11, 6.2.2): where each input of a report is. */

/** One input: bits of the report. */
export interface HidInput {
  /** Usage page << 16 | usage. */
  readonly usage: number;
  readonly bitOffset: number;
  readonly bits: number;
  readonly isSigned: boolean;
  readonly isRelative: boolean;
}

export interface HidReport {
  readonly inputs: readonly HidInput[];
  readonly bytes: number;
}

/** Usages of a mouse (HID Usage Tables, pages 1 and 9). */
export const HidUsage = {
  mouse: 0x1_0002,
  x: 0x1_0030,
  y: 0x1_0031,
  wheel: 0x1_0038,
  firstButton: 0x9_0001,
  lastButton: 0x9_001f,
} as const;

const Item = {
  input: 0x80,
  usagePage: 0x04,
  logicalMinimum: 0x14,
  reportSize: 0x74,
  reportCount: 0x94,
  usage: 0x08,
  usageMinimum: 0x18,
  usageMaximum: 0x28,
  collection: 0xa0,
} as const;
const LONG_ITEM = 0xfe;
const CONSTANT = 1;
const RELATIVE = 4;
/** More than any pointing device has. */
const MAX_INPUTS = 64;
const MAX_REPORT_BITS = 1024;

/** @returns undefined for a descriptor that makes no sense, or that no driver here could use */
export function parseReportDescriptor(bytes: Uint8Array): HidReport | undefined {
  const parser = new Parser();
  let at = 0;
  while (at < bytes.length) {
    const prefix = bytes[at]!;
    if (prefix === LONG_ITEM) return undefined;
    const size = (prefix & 3) === 3 ? 4 : prefix & 3;
    if (at + 1 + size > bytes.length) return undefined;
    let value = 0;
    for (let index = size - 1; index >= 0; index -= 1) value = value * 256 + bytes[at + 1 + index]!;
    if (!parser.item(prefix & ~3, value, size)) return undefined;
    at += 1 + size;
  }
  return parser.report;
}

class Parser {
  readonly #inputs: HidInput[] = [];
  #bitOffset = 0;
  #page = 0;
  #bits = 0;
  #count = 0;
  #isSigned = false;
  #usages: number[] = [];
  #minimum = 0;

  get report(): HidReport {
    return { inputs: this.#inputs, bytes: Math.ceil(this.#bitOffset / 8) };
  }

  item(tag: number, value: number, size: number): boolean {
    switch (tag) {
      case Item.usagePage:
        this.#page = value;
        break;
      case Item.logicalMinimum:
        this.#isSigned = size > 0 && value >= 2 ** (size * 8 - 1);
        break;
      case Item.reportSize:
        this.#bits = value;
        break;
      case Item.reportCount:
        this.#count = value;
        break;
      case Item.usage:
        this.#usages.push(this.#page * 0x1_0000 + value);
        break;
      case Item.usageMinimum:
        this.#minimum = value;
        break;
      case Item.usageMaximum:
        return this.#range(value);
      case Item.input:
        return this.#input(value);
      case Item.collection:
        this.#usages = [];
        break;
      default:
    }
    return this.#usages.length <= MAX_INPUTS;
  }

  #range(maximum: number): boolean {
    if (maximum < this.#minimum || maximum - this.#minimum >= MAX_INPUTS) return false;
    for (let usage = this.#minimum; usage <= maximum; usage += 1) {
      this.#usages.push(this.#page * 0x1_0000 + usage);
    }
    return true;
  }

  #input(flags: number): boolean {
    const bits = this.#bits;
    if (bits > 32 || bits * this.#count + this.#bitOffset > MAX_REPORT_BITS) return false;
    const count = (flags & CONSTANT) === 0 ? this.#count : 0;
    for (let index = 0; index < count; index += 1) {
      // The last usage stands for all that follow.
      const usage = this.#usages[Math.min(index, this.#usages.length - 1)] ?? 0;
      if (this.#inputs.length >= MAX_INPUTS) return false;
      const isRelative = (flags & RELATIVE) !== 0;
      const bitOffset = this.#bitOffset + index * bits;
      this.#inputs.push({ usage, bitOffset, bits, isSigned: this.#isSigned, isRelative });
    }
    this.#bitOffset += bits * this.#count;
    this.#usages = [];
    return true;
  }
}

/** @param start of the report within `bytes`, which holds all of it */
export function readInput(bytes: Uint8Array, start: number, input: HidInput): number {
  let value = 0;
  for (let bit = input.bits - 1; bit >= 0; bit -= 1) {
    const at = input.bitOffset + bit;
    value = value * 2 + ((bytes[start + (at >>> 3)]! >>> (at & 7)) & 1);
  }
  const isNegative = input.isSigned && value >= 2 ** (input.bits - 1);
  return isNegative ? value - 2 ** input.bits : value;
}
