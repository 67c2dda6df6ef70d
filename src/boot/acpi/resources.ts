/** Resource descriptors (ACPI 6.5, section 6.4) for `_CRS` objects. */
import { type Aml, buffer, join, name } from './aml.ts';

/** Bytes below 2^53; the end is exclusive. */
export interface AddressWindow {
  readonly start: number;
  readonly bytes: number;
}

const Tag = {
  irqNoFlags: 0x22,
  dma: 0x2a,
  io: 0x47,
  end: 0x79,
  memory32Fixed: 0x86,
  dwordAddress: 0x87,
  wordAddress: 0x88,
  qwordAddress: 0x8a,
} as const;
const AddressType = { memory: 0, io: 1, bus: 2 } as const;
/** Minimum and maximum fixed, positive decode, and passed on to the devices below: a producer. */
const PRODUCED = 0x0c;
const MEMORY_CACHEABLE_READ_WRITE = 0x03;
const IO_ENTIRE_RANGE = 0x03;

function little(value: number, bytes: number): number[] {
  const result: number[] = [];
  let rest = value;
  for (let index = 0; index < bytes; index += 1) {
    result.push(rest % 256);
    rest = Math.floor(rest / 256);
  }
  return result;
}

/** Ports that are decoded in 16 bits, at one fixed place. */
export function io(port: number, count: number): Aml {
  return [Tag.io, 0x01, ...little(port, 2), ...little(port, 2), 1, count];
}

/** ISA interrupts: edge-triggered, active high, not shared. */
export function irq(...lines: readonly number[]): Aml {
  let mask = 0;
  for (const line of lines) mask |= 1 << line;
  return [Tag.irqNoFlags, ...little(mask, 2)];
}

/** An 8-bit DMA channel, not a bus master. */
export function dma(channel: number): Aml {
  return [Tag.dma, 1 << channel, 0x00];
}

export function memory32Fixed(window: AddressWindow, writable: boolean): Aml {
  const { start, bytes } = window;
  return [Tag.memory32Fixed, 9, 0, writable ? 1 : 0, ...little(start, 4), ...little(bytes, 4)];
}

function address(
  tag: number,
  width: number,
  type: number,
  typeFlags: number,
  window: AddressWindow,
): Aml {
  const last = window.start + window.bytes - 1;
  const head = [tag, ...little(3 + 5 * width, 2), type, PRODUCED, typeFlags];
  // Granularity, minimum, maximum, translation and length.
  const numbers = [0, window.start, last, 0, window.bytes];
  return join(
    head,
    numbers.map((value) => little(value, width)),
  );
}

/** A window below 4 GiB. */
export function dwordMemory(window: AddressWindow): Aml {
  const { memory } = AddressType;
  return address(Tag.dwordAddress, 4, memory, MEMORY_CACHEABLE_READ_WRITE, window);
}

export function qwordMemory(window: AddressWindow): Aml {
  const { memory } = AddressType;
  return address(Tag.qwordAddress, 8, memory, MEMORY_CACHEABLE_READ_WRITE, window);
}

/** Ports that a bridge passes on. */
export function wordIo(window: AddressWindow): Aml {
  return address(Tag.wordAddress, 2, AddressType.io, IO_ENTIRE_RANGE, window);
}

export function busNumbers(count: number): Aml {
  return address(Tag.wordAddress, 2, AddressType.bus, 0, { start: 0, bytes: count });
}

/** A `_CRS` with its end tag; the tag's checksum of 0 counts as right. */
export function currentResources(...descriptors: readonly Aml[]): Aml {
  return name('_CRS', buffer(join([], [...descriptors, [Tag.end, 0x00]])));
}
