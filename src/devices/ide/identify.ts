/** The 256 words of IDENTIFY DEVICE and IDENTIFY PACKET DEVICE, as Hyper-V's drives answer them. */
import type { Geometry } from '../../storage/vhd/geometry.ts';
import { IDENTIFY_BYTES, LBA28_SECTORS, MULTIPLE_SECTORS } from './spec.ts';

/** Largest CHS capacity in word 1: beyond it the words say 16383/16/63. */
const MOST_CHS_SECTORS = 16_383 * 16 * 63;
const LARGE: Geometry = { cylinders: 16_383, heads: 16, sectorsPerTrack: 63 };

/** Words 62 to 68: single-word DMA 0 to 2, multi-word DMA 0 to 2, PIO 3 and 4, and cycle times. */
const TRANSFER_MODES = { single: 0x0007, multi: 0x0007, pio: 0x0003, dmaNs: 120 } as const;

export interface DiskFacts {
  readonly sectors: number;
  readonly geometry: Geometry;
  /** 0 or 1, in the firmware revision. */
  readonly channel: number;
  readonly multipleSectors: number;
  readonly isWriteCacheOn: boolean;
  /** Multi-word DMA mode in force, -1 for none. */
  readonly dmaMode: number;
  /** log2 of logical sectors in a physical one. */
  readonly physicalExponent: number;
}

class Words {
  readonly #bytes: Uint8Array;

  constructor(target: Uint8Array) {
    this.#bytes = target;
    target.fill(0, 0, IDENTIFY_BYTES);
  }

  set(word: number, ...values: readonly number[]): void {
    for (const [index, value] of values.entries()) {
      this.#bytes[(word + index) * 2] = value;
      this.#bytes[(word + index) * 2 + 1] = value >>> 8;
    }
  }

  /** The first character of each pair is the word's high byte. */
  text(word: number, words: number, text: string): void {
    const padded = text.padEnd(words * 2);
    for (let index = 0; index < words * 2; index += 1) {
      this.#bytes[word * 2 + (index ^ 1)] = padded.charCodeAt(index);
    }
  }
}

function setModes(words: Words, dmaMode: number): void {
  const { single, multi, pio, dmaNs } = TRANSFER_MODES;
  const active = dmaMode < 0 ? 0 : 0x100 << dmaMode;
  words.set(51, 0x0200, 0x0200, 0x0003);
  words.set(62, single, multi | active, pio, dmaNs, dmaNs);
}

/** Fills the start of `target`. */
export function identifyDisk(target: Uint8Array, facts: DiskFacts): void {
  const words = new Words(target);
  const { sectors, geometry } = facts;
  const { cylinders, heads, sectorsPerTrack } = geometry;
  const chsSectors = cylinders * heads * sectorsPerTrack;
  const shown = chsSectors > MOST_CHS_SECTORS ? LARGE : geometry;
  words.set(0, 0x045a, shown.cylinders, 0, shown.heads, 512 * shown.sectorsPerTrack, 512);
  words.set(6, shown.sectorsPerTrack);
  words.text(10, 10, '');
  words.set(20, 3, 128);
  words.text(23, 4, `1.1.0  ${facts.channel === 0 ? '' : '1'}`);
  words.text(27, 20, 'Virtual HD');
  words.set(47, 0x8000 | MULTIPLE_SECTORS);
  // IORDY, LBA and DMA.
  words.set(49, 0x0f00);
  setModes(words, facts.dmaMode);
  words.set(54, cylinders, heads, sectorsPerTrack, chsSectors & 0xffff, chsSectors >>> 16);
  words.set(59, 0x0100 | facts.multipleSectors);
  const reachable = Math.min(sectors, LBA28_SECTORS);
  words.set(60, reachable & 0xffff, reachable >>> 16);
  words.set(67, 333, 120);
  // ATA/ATAPI-4 to ATA8-ACS.
  words.set(80, 0x01f0);
  // Write cache and power management; 48-bit addresses and both FLUSH CACHEs; WRITE DMA FUA.
  const enabled = facts.isWriteCacheOn ? 0x0028 : 0x0008;
  words.set(82, 0x0028, 0x7400, 0x4040, enabled, 0x3400, 0x4040);
  const high = Math.floor(sectors / 0x1_0000_0000);
  words.set(100, sectors & 0xffff, (sectors >>> 16) & 0xffff, high & 0xffff, high >>> 16);
  const isLargePhysical = facts.physicalExponent > 0;
  words.set(106, 0x4000 | (isLargePhysical ? 0x2000 | facts.physicalExponent : 0));
  words.set(209, 0x4000);
}

/** Fills the start of `target`. A packet device with removable medium and 12-byte packets. */
export function identifyPacketDrive(target: Uint8Array, dmaMode: number): void {
  const words = new Words(target);
  // Command packet device 5 (CD-ROM), DRQ within 50 us of PACKET.
  words.set(0, 0x85c0);
  words.text(10, 10, '');
  words.set(21, 128);
  words.text(23, 4, '');
  words.text(27, 20, 'Virtual CD');
  words.set(49, 0x0300);
  setModes(words, dmaMode);
  words.set(67, 508, 180);
}
