/** The parent locator of a differencing disk, [MS-VHDX] 2.6.2.6. */
import { writeUtf16 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import { ParentLocatorEntry, ParentLocatorHeader, vhdxParentLocator } from './spec.ts';

/**
 * Keys and values of the locator.
 * @throws InputError when it is of another type or an entry is not inside it
 */
export function parseParentLocator(name: string, raw: Uint8Array): Map<string, string> {
  const wrong = (message: string): InputError =>
    new InputError(name, `the parent locator of the VHDX ${message}`);
  if (raw.length < ParentLocatorHeader.size) throw wrong(`has only ${raw.length} bytes`);
  const view = viewOf(raw);
  const header = ParentLocatorHeader.cursor(view).at(0);
  if (header.locatorType !== vhdxParentLocator) {
    throw wrong(`is of type ${header.locatorType}; ${vhdxParentLocator} is supported`);
  }
  const count = header.keyValueCount;
  const entriesEnd = ParentLocatorHeader.size + count * ParentLocatorEntry.size;
  if (entriesEnd > raw.length) {
    throw wrong(`counts ${count} entries, which do not fit its ${raw.length} bytes`);
  }
  const text = (offset: number, length: number): string => {
    if (length % 2 !== 0 || offset + length > raw.length) {
      throw wrong(`has a text of ${length} bytes at offset ${offset}, outside its ${raw.length}`);
    }
    let result = '';
    for (let at = offset; at < offset + length; at += 2) {
      result += String.fromCharCode(view.getUint16(at, true));
    }
    return result;
  };
  const pairs = new Map<string, string>();
  const entry = ParentLocatorEntry.cursor(view);
  for (let index = 0; index < count; index += 1) {
    entry.at(ParentLocatorHeader.size + index * ParentLocatorEntry.size);
    pairs.set(text(entry.keyOffset, entry.keyLength), text(entry.valueOffset, entry.valueLength));
  }
  return pairs;
}

/** The paths in the order in which 2.6.2.6.3 wants them tried. */
export function locatorPaths(pairs: ReadonlyMap<string, string>): string[] {
  return ['relative_path', 'volume_path', 'absolute_win32_path']
    .map((key) => pairs.get(key))
    .filter((path) => path !== undefined && path !== '') as string[];
}

/** Data write GUIDs that the parent may have, lower case and without braces. */
export function locatorLinkages(pairs: ReadonlyMap<string, string>): string[] {
  return ['parent_linkage', 'parent_linkage2']
    .map((key) => pairs.get(key))
    .filter((linkage) => linkage !== undefined)
    .map((linkage) => linkage.replace(/^\{|\}$/g, '').toLowerCase());
}

export function buildParentLocator(pairs: ReadonlyMap<string, string>): Uint8Array {
  const entriesEnd = ParentLocatorHeader.size + pairs.size * ParentLocatorEntry.size;
  let total = entriesEnd;
  for (const [key, value] of pairs) total += (key.length + value.length) * 2;
  const raw = new Uint8Array(total);
  const view = viewOf(raw);
  const header = ParentLocatorHeader.cursor(view).at(0);
  header.locatorType = vhdxParentLocator;
  header.keyValueCount = pairs.size;
  const entry = ParentLocatorEntry.cursor(view);
  let offset = entriesEnd;
  const put = (text: string): number => {
    const start = offset;
    offset = writeUtf16(view, start, text);
    return start;
  };
  let index = 0;
  for (const [key, value] of pairs) {
    entry.at(ParentLocatorHeader.size + index * ParentLocatorEntry.size);
    entry.keyLength = key.length * 2;
    entry.valueLength = value.length * 2;
    entry.keyOffset = put(key);
    entry.valueOffset = put(value);
    index += 1;
  }
  return raw;
}
