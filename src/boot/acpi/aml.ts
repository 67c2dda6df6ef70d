/**
 * ACPI Machine Language (ACPI 6.5, chapter 20): functions that return the bytes of one term each,
 * for namespaces that are written as data.
 */
export type Aml = readonly number[];

const Op = {
  zero: 0x00,
  one: 0x01,
  name: 0x08,
  byte: 0x0a,
  word: 0x0b,
  dword: 0x0c,
  string: 0x0d,
  qword: 0x0e,
  scope: 0x10,
  buffer: 0x11,
  package: 0x12,
  method: 0x14,
  dualName: 0x2e,
  multiName: 0x2f,
  extended: 0x5b,
  root: 0x5c,
  parent: 0x5e,
  arg0: 0x68,
  and: 0x7b,
  or: 0x7d,
  notify: 0x86,
  return: 0xa4,
} as const;
const ExtendedOp = { device: 0x82, processor: 0x83 } as const;

const MAX_UNSIGNED_32 = 0xffff_ffff;

function word(value: number): Aml {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function dword(value: number): Aml {
  return [...word(value & 0xffff), ...word(value >>> 16)];
}

/** The shortest encoding. @param value an unsigned integer below 2^53 */
export function integer(value: number): Aml {
  if (value === 0) return [Op.zero];
  if (value === 1) return [Op.one];
  if (value <= 0xff) return [Op.byte, value];
  if (value <= 0xffff) return [Op.word, ...word(value)];
  if (value <= MAX_UNSIGNED_32) return [Op.dword, ...dword(value)];
  return [Op.qword, ...dword(value % 2 ** 32), ...dword(Math.floor(value / 2 ** 32))];
}

export function text(value: string): Aml {
  return [Op.string, ...Array.from(value, (character) => character.charCodeAt(0)), 0];
}

/** An EISA id such as `PNP0B00`: three letters of five bits and four digits, big-endian. */
export function eisaId(id: string): Aml {
  if (!/^[A-Z]{3}[0-9A-F]{4}$/.test(id)) throw new Error(`not an EISA id: ${id}`);
  const letter = (index: number): number => id.charCodeAt(index) - 0x40;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  const low = (vendor >>> 8) | ((vendor & 0xff) << 8);
  const high = (product >>> 8) | ((product & 0xff) << 8);
  return integer(high * 0x1_0000 + low);
}

/** A path such as `\_SB.PCI0` or `^STA`; segments shorter than four are filled up with `_`. */
export function path(name: string): Aml {
  const match = /^(\\|\^*)((?:[A-Z_][A-Z0-9_]{0,3}(?:\.|$))+)$/.exec(name);
  if (match === null) throw new Error(`not an ACPI path: ${name}`);
  const prefix = Array.from(match[1]!, (mark) => (mark === '\\' ? Op.root : Op.parent));
  const segments = match[2]!.split('.');
  const count =
    segments.length === 1
      ? []
      : segments.length === 2
        ? [Op.dualName]
        : [Op.multiName, segments.length];
  const letters = segments.flatMap((segment) =>
    Array.from(segment.padEnd(4, '_'), (character) => character.charCodeAt(0)),
  );
  return [...prefix, ...count, ...letters];
}

/** PkgLength counts itself: one byte up to 63, else a nibble and one to three bytes more. */
function sized(content: Aml): Aml {
  const { length } = content;
  if (length + 1 < 0x40) return [length + 1, ...content];
  for (let more = 1; more <= 3; more += 1) {
    const total = length + 1 + more;
    if (total >= 1 << (4 + 8 * more)) continue;
    const bytes = [(more << 6) | (total & 0x0f)];
    for (let index = 0; index < more; index += 1) bytes.push((total >>> (4 + 8 * index)) & 0xff);
    return [...bytes, ...content];
  }
  throw new Error(`an AML package of ${length} bytes is too long`);
}

export function name(object: string, value: Aml): Aml {
  return [Op.name, ...path(object), ...value];
}

export function scope(object: string, ...terms: readonly Aml[]): Aml {
  return [Op.scope, ...sized([...path(object), ...terms.flat()])];
}

export function device(object: string, ...terms: readonly Aml[]): Aml {
  return [Op.extended, ExtendedOp.device, ...sized([...path(object), ...terms.flat()])];
}

/** A processor as ACPI declared it before 6.0, without a register block. */
export function processor(object: string, id: number): Aml {
  return [Op.extended, ExtendedOp.processor, ...sized([...path(object), id, ...dword(0), 0])];
}

/** @param argumentCount 0 to 7 */
export function method(object: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  return [Op.method, ...sized([...path(object), argumentCount, ...terms.flat()])];
}

export function packageOf(...elements: readonly Aml[]): Aml {
  return [Op.package, ...sized([elements.length, ...elements.flat()])];
}

export function buffer(bytes: Aml): Aml {
  return [Op.buffer, ...sized([...integer(bytes.length), ...bytes])];
}

export function returns(value: Aml): Aml {
  return [Op.return, ...value];
}

/** `target = left & right` */
export function and(left: Aml, right: Aml, target: Aml): Aml {
  return [Op.and, ...left, ...right, ...target];
}

/** `target = left | right` */
export function or(left: Aml, right: Aml, target: Aml): Aml {
  return [Op.or, ...left, ...right, ...target];
}

export function notify(object: string, value: number): Aml {
  return [Op.notify, ...path(object), ...integer(value)];
}
