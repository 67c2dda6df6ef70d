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
  and: 0x7b,
  or: 0x7d,
  notify: 0x86,
  return: 0xa4,
} as const;
const ExtendedOp = { device: 0x82, processor: 0x83 } as const;

const MAX_UNSIGNED_32 = 0xffff_ffff;
const SEGMENT_BYTES = 4;
/** `_` */
const FILLER = 0x5f;

/** Puts runs of bytes after each other. Loops, since spreads cost far more before the JIT runs. */
export function join(first: Aml, rest: readonly Aml[]): Aml {
  const bytes: number[] = [];
  for (let index = 0; index < first.length; index += 1) bytes.push(first[index]!);
  for (let part = 0; part < rest.length; part += 1) {
    const { length } = rest[part]!;
    for (let index = 0; index < length; index += 1) bytes.push(rest[part]![index]!);
  }
  return bytes;
}

/** The shortest encoding. @param value an unsigned integer below 2^53 */
export function integer(value: number): Aml {
  if (value === 0) return [Op.zero];
  if (value === 1) return [Op.one];
  if (value <= 0xff) return [Op.byte, value];
  if (value <= 0xffff) return little(Op.word, value, 2);
  return value <= MAX_UNSIGNED_32 ? little(Op.dword, value, 4) : little(Op.qword, value, 8);
}

function little(opcode: number, value: number, bytes: number): Aml {
  const encoded = [opcode];
  let rest = value;
  for (let index = 0; index < bytes; index += 1) {
    encoded.push(rest % 256);
    rest = Math.floor(rest / 256);
  }
  return encoded;
}

export function text(value: string): Aml {
  const bytes: number[] = [Op.string];
  for (let index = 0; index < value.length; index += 1) bytes.push(value.charCodeAt(index));
  bytes.push(0);
  return bytes;
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

/** A path such as `\\_SB.PCI0` or `^STA`; segments shorter than four are filled up with `_`. */
export function path(name: string): Aml {
  const bytes: number[] = [];
  let at = 0;
  if (name[0] === '\\') bytes.push(name.charCodeAt(at++));
  else while (name[at] === '^') bytes.push(name.charCodeAt(at++));
  const segments = name.slice(at).split('.');
  if (segments.length === 2) bytes.push(Op.dualName);
  else if (segments.length > 2) bytes.push(Op.multiName, segments.length);
  for (const segment of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new Error(`not an ACPI path: ${name}`);
    for (let index = 0; index < SEGMENT_BYTES; index += 1) {
      bytes.push(index < segment.length ? segment.charCodeAt(index) : FILLER);
    }
  }
  return bytes;
}

/**
 * An opcode, a PkgLength and content. The length counts itself: one byte up to 63, else a nibble
 * and one to three bytes more.
 */
function sized(opcode: Aml, first: Aml, rest: readonly Aml[]): Aml {
  let { length } = first;
  for (const part of rest) length += part.length;
  const head: number[] = [];
  for (const byte of opcode) head.push(byte);
  if (length + 1 < 0x40) {
    head.push(length + 1);
  } else {
    let more = 1;
    while (length + 1 + more >= 1 << (4 + 8 * more)) more += 1;
    const total = length + 1 + more;
    head.push((more << 6) | (total & 0x0f));
    for (let index = 0; index < more; index += 1) head.push((total >>> (4 + 8 * index)) & 0xff);
  }
  return join(head, [first, ...rest]);
}

export function name(object: string, value: Aml): Aml {
  return join([Op.name], [path(object), value]);
}

export function scope(object: string, ...terms: readonly Aml[]): Aml {
  return sized([Op.scope], path(object), terms);
}

export function device(object: string, ...terms: readonly Aml[]): Aml {
  return sized([Op.extended, ExtendedOp.device], path(object), terms);
}

/** A processor as ACPI declared it before 6.0, without a register block. */
export function processor(object: string, id: number): Aml {
  return sized([Op.extended, ExtendedOp.processor], path(object), [[id, 0, 0, 0, 0, 0]]);
}

/** @param argumentCount 0 to 7 */
export function method(object: string, argumentCount: number, ...terms: readonly Aml[]): Aml {
  return sized([Op.method], path(object), [[argumentCount], ...terms]);
}

export function packageOf(...elements: readonly Aml[]): Aml {
  return sized([Op.package], [elements.length], elements);
}

export function buffer(bytes: Aml): Aml {
  return sized([Op.buffer], integer(bytes.length), [bytes]);
}

export function returns(value: Aml): Aml {
  return join([Op.return], [value]);
}

/** `target = left & right` */
export function and(left: Aml, right: Aml, target: Aml): Aml {
  return join([Op.and], [left, right, target]);
}

/** `target = left | right` */
export function or(left: Aml, right: Aml, target: Aml): Aml {
  return join([Op.or], [left, right, target]);
}

export function notify(object: string, value: number): Aml {
  return join([Op.notify], [path(object), integer(value)]);
}
