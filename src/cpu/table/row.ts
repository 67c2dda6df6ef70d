/**
 * One row of the decode table, and how its text is read.
 *
 * A row has five columns: opcode, mnemonic (Intel's), operands, EFLAGS, attributes; `-` is an empty
 * column. The opcode column is `[condition.]...bytes[/digit][:form]`:
 *
 *     np. 66. f3. f2.   mandatory prefix; F2 and F3 win over 66 (SDM volume 2, 2.1.1 and 4.1.4)
 *     nf.               neither F2 nor F3; 66 is the operand size
 *     o16. o32. o64.    effective operand size
 *     b0.               REX.B absent
 *     /r /0../7         a ModRM byte follows; a digit must equal its reg field
 *     :m :r             mod names memory, or a register
 *     :d9               this whole ModRM byte
 *     +r                a register in the low three bits: the row covers eight opcodes
 *
 * Operands are the SDM's letters (volume 2, A.2) in Intel's order; `Z` is the register in the
 * opcode, `B` the operand of XLAT, size `n` is the native size of MOV to control registers, and
 * the x87 memory formats are `fs fd ft iw id iq bcd env sta`. The EFLAGS column lists
 * `r=` tested, `w=` written, `u=` undefined, `m=` written or undefined as the count says,
 * `0=` cleared and `1=` set; `n` stands for NT. An attribute `@name` is a CPUID feature and `+list`
 * names implicit registers by their 16-bit names. The other attributes are those of {@link Trait}.
 *
 * The first row that fits is the encoding; an opcode that no row fits raises #UD.
 */

export const OpcodeMap = { oneByte: 0, twoByte: 1, map38: 2, map3a: 3 } as const;

/** Bits of the number by which rows are told apart; see `selector` in decode/. */
export const Select = {
  prefixMask: 0x3,
  /** F2 or F3. */
  repeatMask: 0x2,
  prefix66: 0x1,
  prefixF3: 0x2,
  prefixF2: 0x3,
  registerForm: 0x4,
  regShift: 3,
  regMask: 0x38,
  rmShift: 6,
  rmMask: 0x1c0,
  longMode: 0x200,
  sizeMask: 0xc00,
  size16: 0,
  size32: 0x400,
  size64: 0x800,
  rexB: 0x1000,
} as const;

/** EFLAGS bits by the letters of the flags column. */
export const FLAG_BITS: Readonly<Record<string, number>> = {
  c: 0x1,
  p: 0x4,
  a: 0x10,
  z: 0x40,
  s: 0x80,
  t: 0x100,
  i: 0x200,
  d: 0x400,
  o: 0x800,
  n: 0x4000,
};

/** Attributes of a row, as bits. */
export const Trait = {
  /** #UD in 64-bit mode. */
  i64: 1 << 0,
  /** #UD outside 64-bit mode. */
  o64: 1 << 1,
  /** 64-bit mode: operand size 64 by default, 16 with prefix 66, never 32. */
  d64: 1 << 2,
  /** 64-bit mode: operand size always 64 (Intel; AMD heeds prefix 66 here). */
  f64: 1 << 3,
  /** LOCK is allowed when the first operand is memory. */
  lock: 1 << 4,
  /** F2 and F3 repeat it. */
  rep: 1 << 5,
  /** F3 repeats while ZF = 1, F2 while ZF = 0. */
  repc: 1 << 6,
  /** #GP(0) unless CPL = 0. */
  cpl0: 1 << 7,
  /** #GP(0) if CPL > IOPL (virtual-8086 and PVI have their own rules). */
  iopl: 1 << 8,
  /** Port access: CPL <= IOPL, or the TSS's permission bitmap. */
  io: 1 << 9,
  /** #UD in real and virtual-8086 mode (SYSENTER, SYSEXIT: #GP(0)). */
  pe: 1 << 10,
  /** In virtual-8086 mode #GP(0) if IOPL < 3. */
  vm: 1 << 11,
  /** A memory operand must be 16-byte aligned, else #GP(0). */
  align: 1 << 12,
  /** The mod field is ignored: rm is always a register. */
  modrr: 1 << 13,
  /** Leaves the line of execution, always or sometimes. */
  branch: 1 << 14,
  /** An encoding that assemblers do not produce. */
  alias: 1 << 15,
  /** Decodes, and does nothing. */
  nop: 1 << 16,
  /** #GP(0) if CPL > 0 and CR4.UMIP. */
  umip: 1 << 17,
  /** #GP(0) if CPL > 0 and CR4.TSD. */
  tsd: 1 << 18,
  /** #GP(0) if CPL > 0 and not CR4.PCE. */
  pce: 1 << 19,
  /** #NM if CR0.MP and CR0.TS. */
  wait: 1 << 20,
  /** #UD outside SMM. */
  smm: 1 << 21,
  /** The layout of the memory operand has a form of its own in 64-bit mode. */
  x64: 1 << 22,
} as const;

export interface FlagEffects {
  readonly tested: number;
  readonly written: number;
  /** Written or undefined, as the count says (shifts and rotates). */
  readonly byCount: number;
  readonly undefined: number;
  readonly cleared: number;
  readonly set: number;
}

/** `letter` is the SDM's addressing letter or the name of a fixed register; `size` its size code. */
export interface Operand {
  readonly text: string;
  readonly letter: string;
  readonly size: string;
}

/**
 * Whose registers an instruction uses, and so what CR0 and CR4 may refuse (SDM volume 3, 2.5
 * and chapter 13; volume 2, the instructions' own pages):
 *
 *     x87   #NM if CR0.EM or CR0.TS
 *     mmx   #UD if CR0.EM, #NM if CR0.TS, #MF if an x87 exception waits
 *     sse   #UD if CR0.EM or not CR4.OSFXSR, #NM if CR0.TS; with an MMX operand #MF as well
 */
export type Unit = 'general' | 'x87' | 'mmx' | 'sse';

export interface Encoding {
  readonly index: number;
  readonly map: number;
  readonly opcode: number;
  /** 8 for `+r`, else 1. */
  readonly opcodes: number;
  readonly hasModRm: boolean;
  /** The row fits when `(selector & mask) === value`. */
  readonly mask: number;
  readonly value: number;
  readonly mnemonic: string;
  readonly operands: readonly Operand[];
  readonly flags: FlagEffects;
  /** Bits of {@link Trait}. */
  readonly traits: number;
  /** CPUID feature, or the empty string. */
  readonly feature: string;
  readonly unit: Unit;
  readonly implicit: readonly string[];
  /** The opcode column. */
  readonly code: string;
}

const FLAG_NAMES: Readonly<Record<string, string>> = {
  ARITH: 'w=oszapc',
  LOGIC: 'w=szp,0=oc,u=a',
  MUL: 'w=oc,u=szap',
  BIT: 'w=c,u=osap',
};

const REGISTER_OPERAND = /^(?:AL|CL|AX|DX|rAX|eAX|ES|CS|SS|DS|FS|GS|ST|STi|XMM0|1)$/;

function parseFlags(text: string): FlagEffects {
  const found: Record<string, number> = {};
  if (text !== '-') {
    for (const part of (FLAG_NAMES[text] ?? text).split(',')) {
      const [kind, letters] = part.split('=');
      let bits = 0;
      for (const letter of letters ?? '') bits |= FLAG_BITS[letter] ?? Number.NaN;
      if (kind === undefined || bits === 0) throw new Error(`flags "${text}"`);
      found[kind] = bits;
    }
  }
  return {
    tested: found['r'] ?? 0,
    written: found['w'] ?? 0,
    byCount: found['m'] ?? 0,
    undefined: found['u'] ?? 0,
    cleared: found['0'] ?? 0,
    set: found['1'] ?? 0,
  };
}

function parseOperand(text: string): Operand {
  if (REGISTER_OPERAND.test(text)) return { text, letter: text, size: '' };
  const signed = text === 'sIb';
  const letter = signed ? 'sI' : text.slice(0, 1);
  return { text, letter, size: signed ? 'b' : text.slice(1) };
}

const CONDITIONS: Readonly<Record<string, readonly [mask: number, value: number]>> = {
  np: [Select.prefixMask, 0],
  nf: [Select.repeatMask, 0],
  '66': [Select.prefixMask, Select.prefix66],
  f3: [Select.prefixMask, Select.prefixF3],
  f2: [Select.prefixMask, Select.prefixF2],
  o16: [Select.sizeMask, Select.size16],
  o32: [Select.sizeMask, Select.size32],
  o64: [Select.sizeMask, Select.size64],
  b0: [Select.rexB, 0],
};

const MAPS: readonly (readonly [string, number])[] = [
  ['0f38', OpcodeMap.map38],
  ['0f3a', OpcodeMap.map3a],
  ['0f', OpcodeMap.twoByte],
];

function parseCode(
  code: string,
): Pick<Encoding, 'map' | 'opcode' | 'opcodes' | 'hasModRm' | 'mask' | 'value'> {
  const parts = /^((?:\w+\.)*)([0-9a-f]+)(\+r)?(?:\/([r0-7]))?(?::(\w+))?$/.exec(code);
  if (parts === null) throw new Error('opcode column');
  const [, conditions, bytes = '', plus, digit, form] = parts;
  let mask = 0;
  let value = 0;
  const require = (bits: number, wanted: number): void => {
    mask |= bits;
    value |= wanted;
  };
  for (const name of (conditions ?? '').split('.')) {
    const condition = CONDITIONS[name];
    if (condition !== undefined) require(condition[0], condition[1]);
    else if (name !== '') throw new Error(`condition "${name}"`);
  }
  if (digit !== undefined && digit !== 'r') {
    require(Select.regMask, Number(digit) << Select.regShift);
  }
  if (form === 'm') require(Select.registerForm, 0);
  else if (form === 'r') require(Select.registerForm, Select.registerForm);
  else if (form !== undefined) {
    const modRm = Number.parseInt(form, 16);
    require(Select.registerForm, Select.registerForm);
    require(Select.regMask, ((modRm >> 3) & 7) << Select.regShift);
    require(Select.rmMask, (modRm & 7) << Select.rmShift);
  }
  const [prefix, map] = MAPS.find(
    ([start]) => bytes.length > start.length && bytes.startsWith(start),
  ) ?? ['', 0];
  return {
    map,
    opcode: Number.parseInt(bytes.slice(prefix.length), 16),
    opcodes: plus === undefined ? 1 : 8,
    hasModRm: digit !== undefined || form !== undefined,
    mask,
    value,
  };
}

const USES_SSE = new Set(['ldmxcsr', 'stmxcsr']);
const USES_X87 = new Set(['fisttp', 'fxsave', 'fxrstor']);

function unitOf(mnemonic: string, feature: string, operands: readonly Operand[]): Unit {
  const uses = (letters: string): boolean =>
    operands.some(({ letter }) => letter.length === 1 && letters.includes(letter));
  if (uses('VWU') || USES_SSE.has(mnemonic)) return 'sse';
  if (uses('PQN') || mnemonic === 'emms') return 'mmx';
  const x87 = feature === 'x87' || feature === 'x87cmov' || USES_X87.has(mnemonic);
  return x87 && mnemonic !== 'fwait' ? 'x87' : 'general';
}

/** @throws Error naming the column, if the text is no row: the table's own test runs over all. */
export function parseRow(line: string, index: number): Encoding {
  const [code = '', mnemonic = '', operands = '-', flags = '-', ...attributes] = line
    .trim()
    .split(/\s+/);
  const parsed = parseCode(code);
  let { mask, value } = parsed;
  let traits = 0;
  let feature = '';
  let implicit: readonly string[] = [];
  for (const attribute of attributes) {
    if (attribute.startsWith('@')) feature = attribute.slice(1);
    else if (attribute.startsWith('+')) implicit = attribute.slice(1).split(',');
    else {
      const bit = Trait[attribute as keyof typeof Trait] as number | undefined;
      if (bit === undefined) throw new Error(`attribute "${attribute}" in "${line}"`);
      traits |= bit;
    }
  }
  if ((traits & (Trait.i64 | Trait.o64)) !== 0) {
    mask |= Select.longMode;
    if ((traits & Trait.o64) !== 0) value |= Select.longMode;
  }
  const parsedOperands = operands === '-' ? [] : operands.split(',').map(parseOperand);
  return {
    ...parsed,
    index,
    mask,
    value,
    mnemonic,
    operands: parsedOperands,
    flags: parseFlags(flags),
    traits,
    feature,
    unit: unitOf(mnemonic, feature, parsedOperands),
    implicit,
    code,
  };
}
