/** What a drive says of itself, read out of its 256 words (ATA/ATAPI-7, 6.17 and 6.18). */

/** Words of IDENTIFY that ata(4) looks at. */
const Word = {
  firmware: 23,
  model: 27,
  multiple: 47,
  capacity28: 60,
  multiWordDma: 63,
  majorVersion: 80,
  support: 83,
  capacity48: 100,
  sectorSize: 106,
} as const;
const SUPPORTS_48BIT = 0x0400;

export interface AtaIdentity {
  /** "Virtual HD 1.1.0" */
  readonly name: string;
  readonly sectors: number;
  readonly has48Bit: boolean;
  /** Fastest multi-word DMA mode, -1 for none. */
  readonly dmaMode: number;
  /** Most sectors of READ MULTIPLE. */
  readonly multiple: number;
  /** "ATA8-ACS" */
  readonly standard: string;
}

const standards = ['', 'ATA-1', 'ATA-2', 'ATA-3', 'ATA-4', 'ATA-5', 'ATA-6', 'ATA-7', 'ATA8-ACS'];

/** @param at position of the 512 bytes in guest memory */
export function readIdentity(view: DataView, at: number): AtaIdentity {
  const word = (index: number): number => view.getUint16(at + index * 2, true);
  const long = (index: number): number => word(index) + word(index + 1) * 0x1_0000;
  const text = (index: number, words: number): string => {
    let result = '';
    for (let step = 0; step < words; step += 1) {
      const pair = word(index + step);
      result += String.fromCharCode(pair >>> 8, pair & 0xff);
    }
    return result.trim();
  };
  const has48Bit = (word(Word.support) & SUPPORTS_48BIT) !== 0;
  const wide = long(Word.capacity48) + long(Word.capacity48 + 2) * 0x1_0000_0000;
  const modes = word(Word.multiWordDma) & 7;
  const version = 31 - Math.clz32(word(Word.majorVersion) & 0x1fe);
  return {
    name: [text(Word.model, 20), text(Word.firmware, 4)].filter((part) => part !== '').join(' '),
    sectors: has48Bit && wide > 0 ? wide : long(Word.capacity28),
    has48Bit,
    dmaMode: 31 - Math.clz32(modes),
    multiple: word(Word.multiple) & 0xff,
    standard: standards[version] ?? 'ATA',
  };
}
