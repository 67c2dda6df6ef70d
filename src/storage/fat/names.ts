import { CaseBits, ENTRY_KANJI_E5, LONG_NAME_UNITS, MAX_LONG_NAME_UNITS } from './spec.ts';

/** Bytes 0x80 to 0xFF of code page 437, which short names are written in. */
const CODE_PAGE_437 =
  'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0';
const SHORT_NAME_CHARACTERS = /^[A-Z0-9!#$%&'()@^_`{}~-]*$/;
// oxlint-disable-next-line no-control-regex -- control characters are what must be found
const FORBIDDEN = /[\u0000-\u001f"*/:<>?\\|]/;

/** For comparing names: each UTF-16 unit in upper case, as fatgen103 asks. */
export function foldName(name: string): string {
  let folded = '';
  for (let index = 0; index < name.length; index += 1) {
    const unit = name[index]!;
    const upper = unit.toUpperCase();
    folded += upper.length === 1 ? upper : unit;
  }
  return folded;
}

/** The text of an 11-byte short name, with NT's case bits applied. */
export function shortNameText(bytes: Uint8Array, at: number, caseBits: number): string {
  const base = shortPart(bytes, at, 8, (caseBits & CaseBits.bit.LOWER_BASE) !== 0);
  const extension = shortPart(bytes, at + 8, 3, (caseBits & CaseBits.bit.LOWER_EXTENSION) !== 0);
  return extension === '' ? base : `${base}.${extension}`;
}

function shortPart(bytes: Uint8Array, at: number, length: number, lower: boolean): string {
  let end = length;
  while (end > 0 && bytes[at + end - 1] === 0x20) end -= 1;
  let text = '';
  for (let index = 0; index < end; index += 1) {
    let byte = bytes[at + index]!;
    if (index === 0 && byte === ENTRY_KANJI_E5) byte = 0xe5;
    text += byte < 0x80 ? String.fromCharCode(byte) : CODE_PAGE_437[byte - 0x80]!;
  }
  return lower ? text.toLowerCase() : text;
}

/** The checksum of a short name that ties the entries of its long name to it. */
export function shortNameChecksum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let index = 0; index < 11; index += 1) {
    sum = (((sum & 1) << 7) | (sum >>> 1)) + bytes[at + index]!;
    sum &= 0xff;
  }
  return sum;
}

/** @returns what is wrong with a name for a new file, or '' */
export function nameProblem(name: string): string {
  if (name === '' || name === '.' || name === '..') return 'is not a name';
  if (name.length > MAX_LONG_NAME_UNITS) {
    return `has ${name.length} UTF-16 units, at most ${MAX_LONG_NAME_UNITS} are allowed`;
  }
  const found = FORBIDDEN.exec(name);
  if (found !== null) return `has the character ${JSON.stringify(found[0])}, which FAT forbids`;
  if (/[. ]$/.test(name)) return 'ends in a dot or a space, which FAT drops';
  return '';
}

export interface ShortName {
  /** 11 bytes, padded with spaces. */
  readonly bytes: Uint8Array;
  readonly caseBits: number;
  /** The name cannot be read back from the short one: it needs entries of a long name. */
  readonly needsLongName: boolean;
}

function pack(base: string, extension: string): Uint8Array {
  const bytes = new Uint8Array(11).fill(0x20);
  for (let index = 0; index < base.length; index += 1) bytes[index] = base.charCodeAt(index);
  for (let index = 0; index < extension.length; index += 1) {
    bytes[8 + index] = extension.charCodeAt(index);
  }
  return bytes;
}

/**
 * The short name for a new file: the name itself where it fits, else its first characters with a
 * numeric tail that is not yet taken (fatgen103, "Generating 8.3 names").
 * @param taken short names of the directory as `shortNameText` gives them without case bits
 */
export function makeShortName(name: string, taken: ReadonlySet<string>): ShortName {
  const dot = name.lastIndexOf('.');
  const base = dot > 0 ? name.slice(0, dot) : name;
  const extension = dot > 0 ? name.slice(dot + 1) : '';
  const upperBase = base.toUpperCase();
  const upperExtension = extension.toUpperCase();
  const fits =
    base.length <= 8 &&
    extension.length <= 3 &&
    SHORT_NAME_CHARACTERS.test(upperBase) &&
    SHORT_NAME_CHARACTERS.test(upperExtension);
  const oneCase = (text: string, upper: string): boolean =>
    text === upper || text === text.toLowerCase();
  if (fits && oneCase(base, upperBase) && oneCase(extension, upperExtension)) {
    const caseBits =
      (base === upperBase ? 0 : CaseBits.bit.LOWER_BASE) |
      (extension === upperExtension ? 0 : CaseBits.bit.LOWER_EXTENSION);
    return { bytes: pack(upperBase, upperExtension), caseBits, needsLongName: false };
  }
  const shortBase = squeeze(upperBase, 8) || '_';
  const shortExtension = squeeze(upperExtension, 3);
  const join = (stem: string): string =>
    shortExtension === '' ? stem : `${stem}.${shortExtension}`;
  if (fits && !taken.has(join(shortBase))) {
    return { bytes: pack(shortBase, shortExtension), caseBits: 0, needsLongName: true };
  }
  for (let number = 1; ; number += 1) {
    const tail = `~${number}`;
    const stem = shortBase.slice(0, 8 - tail.length) + tail;
    if (taken.has(join(stem))) continue;
    return { bytes: pack(stem, shortExtension), caseBits: 0, needsLongName: true };
  }
}

/** Drops spaces and dots, and puts an underscore for what a short name cannot hold. */
function squeeze(text: string, length: number): string {
  let short = '';
  for (const character of text) {
    if (character === ' ' || character === '.') continue;
    short += SHORT_NAME_CHARACTERS.test(character) ? character : '_';
  }
  return short.slice(0, length);
}

/** How many directory entries a long name takes before the short one. */
export function longNameEntries(name: string): number {
  return Math.ceil(name.length / LONG_NAME_UNITS);
}

/** The components of a path; both `\` and `/` separate, and `.` is dropped. */
export function splitPath(path: string): string[] {
  return path.split(/[\\/]/).filter((part) => part !== '' && part !== '.');
}
