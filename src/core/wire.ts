/**
 * Wire structures, declared once. A declaration gives the size, the field offsets (for hot code), a
 * typed cursor over a `DataView`, and the text of a trace line. Hidden padding or a size that is not
 * the specification's throws when the module loads.
 *
 * The cursor is a class generated from source, one for each structure: closures shared by many
 * structures cost ten times as much under JavaScriptCore.
 */

type Show = (value: number | bigint) => string;

/** How one integer field is stored and shown. */
export interface Kind<Size extends 1 | 2 | 4 | 8 = 1 | 2 | 4 | 8> {
  readonly type: 'integer';
  readonly size: Size;
  readonly bigEndian: boolean;
  readonly show: Show;
}

/** A run of bytes: read as a fresh copy, written from an array of at most that length (rest zero). */
export interface Bytes {
  readonly type: 'bytes';
  readonly size: number;
  readonly show: (bytes: Uint8Array) => string;
}

/** A GUID in its text form (lower case, no braces), stored mixed-endian as Microsoft and UEFI do. */
export interface GuidKind {
  readonly type: 'guid';
  readonly size: 16;
}

export type Field = Kind | Bytes | GuidKind;

function hex(digits: number): Show {
  return (value) => `0x${value.toString(16).padStart(digits, '0')}`;
}

function integer<Size extends 1 | 2 | 4 | 8>(size: Size, bigEndian: boolean): Kind<Size> {
  return { type: 'integer', size, bigEndian, show: hex(size * 2) };
}

export const u8 = integer(1, false);
export const u16 = integer(2, false);
export const u32 = integer(4, false);
export const u64 = integer(8, false);
export const u16be = integer(2, true);
export const u32be = integer(4, true);
export const u64be = integer(8, true);
export const guid: GuidKind = { type: 'guid', size: 16 };

export function bytes(size: number): Bytes {
  return { type: 'bytes', size, show: showBytes };
}

function showBytes(value: Uint8Array): string {
  let end = value.length;
  while (end > 0 && value[end - 1] === 0) end -= 1;
  const shown = Math.min(end, 32);
  let text = '';
  for (let index = 0; index < shown; index += 1) {
    text += (index > 0 ? ' ' : '') + value[index]!.toString(16).padStart(2, '0');
  }
  return `[${text}${end > shown ? ` … ${value.length} bytes` : ''}]`;
}

/** An integer with known names. Unknown values stay legal, since a guest may send anything. */
export function openEnum<Size extends 1 | 2 | 4, const Names extends Record<string, number>>(
  base: Kind<Size>,
  is: Names,
): Kind<Size> & { readonly is: Names } {
  const names = new Map(Object.entries(is).map(([name, value]) => [value, name]));
  return { ...base, is, show: (value) => names.get(Number(value)) ?? `?${base.show(value)}` };
}

/** A set of bits. Bits without a name are shown as a hex remainder, never dropped. */
export function flags<Size extends 1 | 2 | 4, const Names extends Record<string, number>>(
  base: Kind<Size>,
  bit: Names,
): Kind<Size> & { readonly bit: Names } {
  const show: Show = (value) => {
    let rest = Number(value) >>> 0;
    const set: string[] = [];
    for (const [name, mask] of Object.entries(bit)) {
      if ((rest & mask) >>> 0 === mask >>> 0) {
        set.push(name);
        rest = (rest & ~mask) >>> 0;
      }
    }
    if (rest !== 0 || set.length === 0) set.push(base.show(rest));
    return set.join('|');
  };
  return { ...base, bit, show };
}

type Fields = Record<string, Field>;
type WideNames<F extends Fields> = {
  [N in keyof F]: F[N] extends Kind ? (F[N]['size'] extends 8 ? N : never) : never;
}[keyof F] &
  string;
type Value<K extends Field> = K extends Bytes
  ? Uint8Array
  : K extends GuidKind
    ? string
    : K['size'] extends 8
      ? bigint
      : number;

/**
 * A window on one structure at a byte position of a view. `at` moves it and returns it. A 64-bit
 * field `x` is also there as two unsigned halves, `xLo` and `xHi`, since BigInt is slow.
 */
export type Cursor<F extends Fields> = { at(base: number): Cursor<F> } & {
  -readonly [N in keyof F]: Value<F[N]>;
} & { [N in WideNames<F> as `${N}Lo` | `${N}Hi`]: number };

export interface Struct<F extends Fields = Fields> {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Byte offset of each field. */
  readonly offset: { readonly [N in keyof F]: number };
  cursor(view: DataView): Cursor<F>;
  /** One line with the name and value of every field, for traces and errors. */
  show(view: DataView, base: number): string;
}

export interface StructOptions {
  /** Fields may stand at any offset. Without it a misaligned field throws. */
  readonly packed?: boolean;
}

/** @param size what the specification says, in bytes; checked against the fields */
export function struct<const F extends Fields>(
  name: string,
  size: number,
  fields: F,
  options: StructOptions = {},
): Struct<F> {
  const offset: Record<string, number> = {};
  let end = 0;
  for (const [field, kind] of Object.entries(fields)) {
    if (!/^[A-Za-z_]\w*$/.test(field) || field === 'at' || field === 'constructor') {
      throw new Error(`${name}: bad field name ${field}`);
    }
    if (kind.type === 'integer' && options.packed !== true && end % kind.size !== 0) {
      throw new Error(
        `${name}.${field}: offset ${end} is not ${kind.size}-aligned; declare the padding`,
      );
    }
    offset[field] = end;
    end += kind.size;
  }
  if (end !== size) {
    throw new Error(`${name}: fields end at ${end}, the specification says ${size}`);
  }
  // Made at the first use: a program declares hundreds of structures and touches some dozens.
  let made: CursorClass<F> | undefined;
  const cursor = (view: DataView): Cursor<F> => {
    made ??= makeCursorClass(name, fields, offset);
    return new made(view);
  };
  const show = (view: DataView, base: number): string => {
    const at = cursor(view).at(base) as unknown as Record<string, never>;
    const parts = Object.entries(fields).map(
      ([field, kind]) => `${field}=${kind.type === 'guid' ? at[field] : kind.show(at[field]!)}`,
    );
    return `${name} { ${parts.join(' ')} }`;
  };
  return { name, size, offset: offset as Struct<F>['offset'], cursor, show };
}

type CursorClass<F extends Fields> = new (view: DataView) => Cursor<F>;

function makeCursorClass<F extends Fields>(
  name: string,
  fields: F,
  offset: Record<string, number>,
): CursorClass<F> {
  let source = `return class ${name} {
    constructor(view) { this.$view = view; this.$base = 0 }
    at(base) { this.$base = base; return this }\n`;
  for (const [field, kind] of Object.entries(fields)) {
    source += accessors(field, kind, offset[field]!);
  }
  // oxlint-disable-next-line typescript/no-implied-eval -- the source is built from checked names
  const build = new Function('readBytes', 'writeBytes', 'readGuid', 'writeGuid', `${source}}`);
  return build(readBytes, writeBytes, readGuid, writeGuid) as CursorClass<F>;
}

function accessors(field: string, kind: Field, at: number): string {
  if (kind.type === 'bytes') {
    return (
      `get ${field}() { return readBytes(this.$view, this.$base + ${at}, ${kind.size}) }\n` +
      `set ${field}(x) { writeBytes(this.$view, this.$base + ${at}, ${kind.size}, x) }\n`
    );
  }
  if (kind.type === 'guid') {
    return (
      `get ${field}() { return readGuid(this.$view, this.$base + ${at}) }\n` +
      `set ${field}(x) { writeGuid(this.$view, this.$base + ${at}, x) }\n`
    );
  }
  const word = (key: string, position: number, type: string): string => {
    const order = type === 'Uint8' ? '' : `, ${!kind.bigEndian}`;
    return (
      `get ${key}() { return this.$view.get${type}(this.$base + ${position}${order}) }\n` +
      `set ${key}(x) { this.$view.set${type}(this.$base + ${position}, x${order}) }\n`
    );
  };
  if (kind.size !== 8) return word(field, at, `Uint${kind.size * 8}`);
  const [low, high] = kind.bigEndian ? [at + 4, at] : [at, at + 4];
  return (
    word(field, at, 'BigUint64') +
    word(`${field}Lo`, low, 'Uint32') +
    word(`${field}Hi`, high, 'Uint32')
  );
}

function readBytes(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size).slice();
}

function writeBytes(view: DataView, at: number, size: number, value: Uint8Array): void {
  if (value.length > size) throw new Error(`${value.length} bytes do not fit a ${size}-byte field`);
  const target = new Uint8Array(view.buffer, view.byteOffset + at, size);
  target.fill(0);
  target.set(value);
}

/** Reads a GUID at a byte position: the first three groups are little-endian, the rest bytes. */
export function readGuid(view: DataView, at: number): string {
  const digits = (value: number, length: number): string =>
    value.toString(16).padStart(length, '0');
  let text = `${digits(view.getUint32(at, true), 8)}-${digits(view.getUint16(at + 4, true), 4)}-${digits(view.getUint16(at + 6, true), 4)}-`;
  for (let index = 8; index < 16; index += 1) {
    text += digits(view.getUint8(at + index), 2);
    if (index === 9) text += '-';
  }
  return text;
}

/** @param text 8-4-4-4-12 hexadecimal digits; throws on any other form */
export function writeGuid(view: DataView, at: number, text: string): void {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text))
    throw new Error(`not a GUID: ${text}`);
  const digits = text.replaceAll('-', '');
  const part = (from: number, length: number): number =>
    Number.parseInt(digits.slice(from, from + length), 16);
  view.setUint32(at, part(0, 8), true);
  view.setUint16(at + 4, part(8, 4), true);
  view.setUint16(at + 6, part(12, 4), true);
  for (let index = 8; index < 16; index += 1) view.setUint8(at + index, part(index * 2, 2));
}

/** A 64-bit number from its halves. Above 2^53 it is inexact, which every range check rejects. */
export function wide(low: number, high: number): number {
  return high * 0x1_0000_0000 + low;
}

/** A view of exactly these bytes, wherever they lie in their buffer. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
