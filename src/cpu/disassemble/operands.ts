/** The text of operands in both syntaxes, from the table's operand letters. */
import { BASE_RIP, type Instruction, NO_REGISTER } from '../decode/instruction.ts';
import { type Encoding, type Operand, Trait } from '../table/row.ts';
import { type PrefixUse, Rex, useOperandSize } from './prefixes.ts';
import { generalRegister, operandBytes, SEGMENT_NAMES } from './registers.ts';

export type Syntax = 'att' | 'intel';

export interface Site {
  readonly insn: Instruction;
  readonly row: Encoding;
  readonly use: PrefixUse;
  readonly syntax: Syntax;
  /** Of the instruction. */
  readonly address: bigint;
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function register(name: string, site: Site): string {
  return site.syntax === 'att' ? `%${name}` : name;
}

function sized(number: number, operand: Operand, site: Site): string {
  const { insn, use } = site;
  const bytes = operandBytes(operand.size, insn);
  if (bytes === 1 && (number & 0xc) === 4) use.rex |= Rex.byteRegister;
  touchSize(operand.size, site);
  return register(generalRegister(number, bytes, insn.rex), site);
}

/** Marks the prefixes that decide the size behind this code. */
export function touchSize(size: string, site: Site): void {
  const { insn, use, row } = site;
  if ((row.traits & Trait.f64) !== 0 && insn.mode === 64) return;
  if ((row.traits & Trait.d64) !== 0 && insn.mode === 64) {
    use.operandSize ||= (insn.rex & Rex.w) === 0;
    return;
  }
  if (size === 'v' || size === 'z' || size === 'p' || size === 'a') useOperandSize(insn, use);
  else if (size === 'y') use.rex |= Rex.w;
}

function immediate(value: bigint, bytes: number, site: Site): string {
  const text = hex(BigInt.asUintN(bytes * 8, value));
  return site.syntax === 'att' ? `$${text}` : text;
}

function wide(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

/** Bytes that an immediate is extended to: those of the operand beside it. */
function immediateBytes(operand: Operand, site: Site): number {
  const { insn } = site;
  if (operand.text === 'Ib') return 1;
  if (operand.text === 'Iw') return 2;
  touchSize('v', site);
  return insn.operandSize;
}

function target(site: Site): string {
  const { insn, address, row } = site;
  touchSize(row.operands[0]!.size === 'z' ? 'z' : 'b', site);
  const next = address + BigInt(insn.length + insn.immediate);
  if (insn.mode === 64) return hex(BigInt.asUintN(64, next));
  if (insn.operandSize === 4) return hex(BigInt.asUintN(32, next));
  const segment = insn.operandPrefix ? 0n : (address + BigInt(insn.length)) & ~0xffffn;
  return hex(BigInt.asUintN(32, segment | (next & 0xffffn)));
}

function segmentText(site: Site): string {
  const { insn, use } = site;
  if (insn.segmentOverride === NO_REGISTER) return '';
  use.segment = true;
  return `${register(SEGMENT_NAMES[insn.segmentOverride]!, site)}:`;
}

function signed(value: number): string {
  return value < 0 ? `-${hex(BigInt(-value))}` : hex(BigInt(value));
}

function indexParts(site: Site): { base: string; index: string } {
  const { insn, use } = site;
  const { addressSize, base, index } = insn;
  const name = (number: number): string =>
    register(generalRegister(number, addressSize, insn.rex), site);
  if (addressSize === 2) {
    return { base: base < 0 ? '' : name(base), index: index < 0 ? '' : name(index) };
  }
  use.rex |= Rex.b;
  if (insn.sib >= 0) use.rex |= Rex.x;
  let indexText = index < 0 ? '' : name(index);
  const noBase = base === NO_REGISTER;
  if (insn.sib >= 0 && index < 0) {
    const needed = noBase && (insn.mode !== 64 || insn.addressPrefix);
    if (insn.scale !== 1 || needed || (!noBase && (base & 7) !== 4)) {
      indexText = register(addressSize === 8 ? 'riz' : 'eiz', site);
    }
  }
  let baseText = '';
  if (base === BASE_RIP) baseText = register(addressSize === 8 ? 'rip' : 'eip', site);
  else if (!noBase) baseText = name(base);
  return { base: baseText, index: indexText };
}

function memoryText(site: Site): string {
  const { insn, use, syntax } = site;
  const segment = segmentText(site);
  const { base, index } = indexParts(site);
  if (base !== '' || index !== '' || insn.sib >= 0 || insn.addressSize === 2) {
    use.addressSize = true;
  }
  const bits = insn.addressSize === 2 ? 16 : insn.mode === 64 ? 64 : 32;
  const absolute = hex(BigInt.asUintN(bits, BigInt(insn.displacement)));
  if (base === '' && index === '') {
    if (syntax === 'att') return segment + (bits === 16 ? signed(insn.displacement) : absolute);
    return `${segment === '' ? 'ds:' : segment}${absolute}`;
  }
  if (syntax === 'att') {
    const offset = insn.displacementSize === 0 ? '' : signed(insn.displacement);
    const scale = insn.addressSize === 2 ? '' : `,${insn.scale}`;
    return `${segment}${offset}(${base}${index === '' ? '' : `,${index}${scale}`})`;
  }
  const scaled = index === '' || insn.addressSize === 2 ? index : `${index}*${insn.scale}`;
  const sum = [base, scaled].filter((part) => part !== '').join('+');
  if (insn.displacementSize === 0) return `${segment}[${sum}]`;
  if (insn.base === BASE_RIP) return `${segment}[${sum}+${absolute}]`;
  return `${segment}[${sum}${insn.displacement < 0 ? '' : '+'}${signed(insn.displacement)}]`;
}

const POINTERS: Readonly<Record<string, string>> = {
  b: 'BYTE',
  w: 'WORD',
  d: 'DWORD',
  q: 'QWORD',
  dq: 'XMMWORD',
  ps: 'XMMWORD',
  pd: 'XMMWORD',
  ss: 'DWORD',
  sd: 'QWORD',
  fs: 'DWORD',
  fd: 'QWORD',
  ft: 'TBYTE',
  bcd: 'TBYTE',
  iw: 'WORD',
  id: 'DWORD',
  iq: 'QWORD',
};
const BY_BYTES: Readonly<Record<number, string>> = { 1: 'BYTE', 2: 'WORD', 4: 'DWORD', 8: 'QWORD' };

function pointer(size: string, site: Site): string {
  const { insn, row } = site;
  if (size === 'p') return insn.operandSize === 2 ? 'DWORD PTR ' : 'FWORD PTR ';
  if (size === 'a') return insn.operandSize === 2 ? 'DWORD PTR ' : 'QWORD PTR ';
  if (row.mnemonic === 'lddqu') return '';
  if (size === 'dq' && row.mnemonic === 'cmpxchg16b') return 'OWORD PTR ';
  if (size === '' && row.mnemonic.startsWith('prefetch')) return 'BYTE PTR ';
  if ('vzyn'.includes(size) && size !== '') return `${BY_BYTES[operandBytes(size, insn)]} PTR `;
  const name = POINTERS[size];
  return name === undefined ? '' : `${name} PTR `;
}

/** A ModRM memory operand. */
function memory(operand: Operand, site: Site): string {
  touchSize(operand.size, site);
  const text = memoryText(site);
  return site.syntax === 'att' ? text : `${pointer(operand.size, site)}${text}`;
}

/** The operand of string instructions and XLAT. */
function implied(base: number, segment: number, operand: Operand, site: Site): string {
  const { insn, use, syntax } = site;
  use.addressSize = true;
  touchSize(operand.size, site);
  const where =
    segment === 0 || insn.segmentOverride === NO_REGISTER
      ? `${register(SEGMENT_NAMES[segment]!, site)}:`
      : segmentText(site);
  const name = register(generalRegister(base, insn.addressSize, insn.rex), site);
  return syntax === 'att' ? `${where}(${name})` : `${pointer(operand.size, site)}${where}[${name}]`;
}

function absoluteOffset(site: Site): string {
  const { insn } = site;
  const segment = segmentText(site);
  const text = hex(BigInt.asUintN(64, wide(insn.displacement, insn.displacementHigh)));
  return site.syntax === 'att' ? `${segment}${text}` : `${segment === '' ? 'ds:' : segment}${text}`;
}

function fixed(operand: Operand, site: Site): string {
  const { insn } = site;
  switch (operand.letter) {
    case '1':
      return site.syntax === 'att' ? '' : '1';
    case 'ST':
      return register('st', site);
    case 'STi':
      return register(`st(${insn.rm & 7})`, site);
    case 'DX':
      return site.syntax === 'att' ? '(%dx)' : 'dx';
    case 'rAX':
      touchSize('v', site);
      return register(generalRegister(0, insn.operandSize, 0), site);
    case 'eAX':
      if ((insn.rex & Rex.w) === 0) site.use.operandSize = true;
      return register(generalRegister(0, Math.min(insn.operandSize, 4), 0), site);
    default:
      return register(operand.text.toLowerCase(), site);
  }
}

function immediateText(operand: Operand, site: Site): string {
  const { insn, row } = site;
  const nesting = row.mnemonic === 'enter' && operand.text === 'Ib';
  if (nesting) return immediate(BigInt(insn.immediate2), 1, site);
  const value = wide(insn.immediate, insn.immediateHigh);
  return immediate(value, immediateBytes(operand, site), site);
}

export function operandText(operand: Operand, site: Site): string {
  const { insn, use } = site;
  switch (operand.letter) {
    case 'G':
      use.rex |= Rex.r;
      return sized(insn.reg, operand, site);
    case 'Z':
      use.rex |= Rex.b;
      return sized(insn.opcodeRegister, operand, site);
    case 'E':
    case 'R':
      if (insn.rm < 0) return memory(operand, site);
      use.rex |= Rex.b;
      return sized(insn.rm, operand, site);
    case 'M':
      return memory(operand, site);
    case 'I':
    case 'sI':
      return immediateText(operand, site);
    case 'J':
      return target(site);
    case 'O':
      return absoluteOffset(site);
    case 'S':
      return register(SEGMENT_NAMES[insn.reg & 7]!, site);
    case 'C':
      use.rex |= Rex.r;
      return register(`cr${insn.reg}`, site);
    case 'D':
      use.rex |= Rex.r;
      return register(site.syntax === 'att' ? `db${insn.reg}` : `dr${insn.reg}`, site);
    case 'P':
      return register(`mm${insn.reg & 7}`, site);
    case 'N':
      return register(`mm${insn.rm & 7}`, site);
    case 'Q':
      return insn.rm < 0 ? memory(operand, site) : register(`mm${insn.rm & 7}`, site);
    case 'V':
      use.rex |= Rex.r;
      return register(`xmm${insn.reg}`, site);
    case 'U':
      use.rex |= Rex.b;
      return register(`xmm${insn.rm}`, site);
    case 'W':
      if (insn.rm < 0) return memory(operand, site);
      use.rex |= Rex.b;
      return register(`xmm${insn.rm}`, site);
    case 'X':
      return implied(6, 3, operand, site);
    case 'Y':
      return implied(7, 0, operand, site);
    case 'B':
      return implied(3, 3, operand, site);
    case 'F':
      return '';
    default:
      return fixed(operand, site);
  }
}

/** `$selector,$offset`, or `selector:offset`. */
export function farPointer(site: Site): string {
  const { insn } = site;
  touchSize('z', site);
  const bytes = Math.min(insn.operandSize, 4);
  const selector = immediate(BigInt(insn.immediate2), 2, site);
  const offset = immediate(BigInt(insn.immediate), bytes, site);
  return site.syntax === 'att' ? `${selector},${offset}` : `${selector}:${offset}`;
}
