/** How a differencing VHD names its parent. */
import { latin1, readUtf16, writeUtf16 } from '../../core/text.ts';
import { viewOf, wide } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { ByteStore } from '../block.ts';
import { readPart } from '../image.ts';
import { ascii } from './footer.ts';
import { DynamicHeader, ParentLocator, parentLocatorCount, sectorBytes } from './spec.ts';

/** A path longer than this is no path of any Windows. */
const maximumPathBytes = 65_536;

/** UTF-16 without a null. */
export function fromUtf16(text: string, littleEndian: boolean): Uint8Array {
  const raw = new Uint8Array(text.length * 2);
  writeUtf16(viewOf(raw), 0, text, littleEndian);
  return raw;
}

/**
 * Paths of the parent, the best first: relative to the child (W2ru), absolute (W2ku), a file URL's
 * path (MacX), and the name in the header.
 */
export function parentCandidates(store: ByteStore, header: Uint8Array): string[] {
  const byCode = new Map<string, string>();
  const view = viewOf(header);
  const locator = ParentLocator.cursor(view);
  for (let index = 0; index < parentLocatorCount; index += 1) {
    locator.at(DynamicHeader.offset.parentLocatorEntries + index * ParentLocator.size);
    const code = ascii(locator.platformCode);
    if (code !== 'W2ru' && code !== 'W2ku' && code !== 'MacX') continue;
    const length = locator.platformDataLength;
    const position = wide(locator.platformDataOffsetLo, locator.platformDataOffsetHi);
    if (length > maximumPathBytes) {
      throw new InputError(
        store.name,
        `parent locator ${index} (${code}) of the VHD gives a path of ${length} bytes; at most ${maximumPathBytes} were expected`,
      );
    }
    const raw = readPart(store, position, length, `parent locator ${index} (${code}) of the VHD`);
    const path = code === 'MacX' ? fileUrlPath(ascii(raw)) : readUtf16(viewOf(raw), 0, raw.length);
    if (path !== '') byCode.set(code, path);
  }
  const unicode = DynamicHeader.cursor(view).at(0).parentUnicodeName;
  const name = readUtf16(viewOf(unicode), 0, unicode.length, false);
  const ordered = [byCode.get('W2ru'), byCode.get('W2ku'), byCode.get('MacX'), name];
  return [...new Set(ordered.filter((path) => path !== undefined && path !== ''))] as string[];
}

function fileUrlPath(url: string): string {
  return url
    .replace(/^file:\/\/[^/]*/, '')
    .replaceAll(/%([0-9a-f]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
}

export interface ParentPaths {
  /** From the child's folder; with backslashes, as Windows wants it. */
  readonly relativePath?: string;
  readonly absolutePath?: string;
}

/** One locator's path and the space it takes in the file. */
export interface PlacedLocator {
  readonly position: number;
  readonly data: Uint8Array;
  readonly spaceBytes: number;
}

/** Writes the locators and the name into `header`; their paths are placed from `position` on. */
export function putLocators(
  header: Uint8Array,
  paths: ParentPaths,
  position: number,
): PlacedLocator[] {
  const view = viewOf(header);
  const name = (paths.absolutePath ?? paths.relativePath ?? '').split(/[\\/]/).pop() ?? '';
  DynamicHeader.cursor(view).at(0).parentUnicodeName = fromUtf16(name.slice(0, 255), false);
  const placed: PlacedLocator[] = [];
  let next = position;
  const wanted: [string, string | undefined][] = [
    ['W2ku', paths.absolutePath],
    ['W2ru', paths.relativePath],
  ];
  for (const [code, path] of wanted) {
    if (path === undefined) continue;
    const data = fromUtf16(path, true);
    const spaceBytes = Math.ceil(data.length / sectorBytes) * sectorBytes;
    const entry = ParentLocator.cursor(view).at(
      DynamicHeader.offset.parentLocatorEntries + placed.length * ParentLocator.size,
    );
    entry.platformCode = latin1(code);
    entry.platformDataSpace = spaceBytes;
    entry.platformDataLength = data.length;
    entry.platformDataOffset = BigInt(next);
    placed.push({ position: next, data, spaceBytes });
    next += spaceBytes;
  }
  return placed;
}
