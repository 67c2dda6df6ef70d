/** Makes instructions out of rows of the decode table: bytes that decode to a given row. */
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';
import { type Encoding, OpcodeMap, Select, Trait } from '../../src/cpu/table/row.ts';

/** @returns a whole number of 0 up to `below` - 1 */
export type Choose = (below: number) => number;

const LEGACY_PREFIXES = [0x66, 0x67, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf0];
const ESCAPES: Readonly<Record<number, readonly number[]>> = {
  [OpcodeMap.oneByte]: [],
  [OpcodeMap.twoByte]: [0x0f],
  [OpcodeMap.map38]: [0x0f, 0x38],
  [OpcodeMap.map3a]: [0x0f, 0x3a],
};

export interface EncodeOptions {
  /** Chance in 16 of each optional prefix; 0: none. */
  readonly prefixes: number;
  /** Fixes the ModRM byte's mod and rm fields, and what follows it. */
  readonly operand?: readonly number[];
  readonly rex?: number;
  /** A legacy prefix to begin with; 0: none. */
  readonly legacy?: number;
}

function rowPrefixes(row: Encoding, mode: CodeSize, choose: Choose, odds: number): number[] {
  const prefixes: number[] = [];
  const maybe = (): boolean => choose(16) < odds;
  const free = (row.mask & Select.prefixMask) === 0;
  const wanted =
    (row.mask & Select.prefixMask) === Select.prefixMask ? row.value & Select.prefixMask : 0;
  if (wanted === Select.prefix66) prefixes.push(0x66);
  if (wanted === Select.prefixF3) prefixes.push(0xf3);
  if (wanted === Select.prefixF2) prefixes.push(0xf2);
  for (const prefix of LEGACY_PREFIXES) {
    const size =
      prefix === 0x66 &&
      (wanted >= Select.prefixF3 || (row.mask & Select.prefixMask) === Select.repeatMask);
    const allowed = free || size || !(prefix === 0x66 || prefix === 0xf2 || prefix === 0xf3);
    if (allowed && maybe()) prefixes.push(prefix);
  }
  const size = row.mask & Select.sizeMask;
  if (size !== 0) {
    const want16 = (row.value & Select.sizeMask) === Select.size16;
    const at = prefixes.indexOf(0x66);
    if (at >= 0) prefixes.splice(at, 1);
    if (want16 !== (mode === 16) && (row.value & Select.sizeMask) !== Select.size64) {
      prefixes.push(0x66);
    }
  }
  return prefixes;
}

function rexByte(row: Encoding, choose: Choose, odds: number): number {
  let rex = choose(16) < odds * 2 ? 0x40 | choose(16) : 0;
  const size = row.value & Select.sizeMask;
  if ((row.mask & Select.sizeMask) !== 0) {
    rex = size === Select.size64 ? rex | 0x48 : rex & 0xf7;
  }
  return (row.mask & Select.rexB) === 0 ? rex : rex & 0xfe;
}

function modRmByte(row: Encoding, choose: Choose, fixed: number | undefined): number {
  let modRm = fixed === undefined ? choose(256) : (fixed & 0xc7) | (choose(8) << 3);
  if ((row.mask & Select.regMask) !== 0) modRm = (modRm & 0xc7) | (row.value & Select.regMask);
  if ((row.mask & Select.rmMask) !== 0) {
    modRm = (modRm & 0xf8) | ((row.value & Select.rmMask) >> Select.rmShift);
  }
  if ((row.mask & Select.registerForm) !== 0) {
    if ((row.value & Select.registerForm) !== 0) modRm |= 0xc0;
    else if (modRm >= 0xc0) modRm &= 0x3f | (choose(3) << 6);
  }
  return modRm;
}

const decoder = new Decoder();
const instruction = new Instruction();

/**
 * @returns an instruction of that row with random operands, or undefined when a first try gave
 * none (invalid in this mode, or one that another row takes)
 */
export function encode(
  row: Encoding,
  mode: CodeSize,
  choose: Choose,
  options: EncodeOptions,
): Uint8Array | undefined {
  const bytes = rowPrefixes(row, mode, choose, options.prefixes);
  if (options.legacy !== undefined && options.legacy !== 0) bytes.unshift(options.legacy);
  if (mode === 64) {
    const rex = options.rex ?? rexByte(row, choose, options.prefixes);
    if (rex !== 0) bytes.push(rex);
  }
  bytes.push(...ESCAPES[row.map]!, row.opcode + choose(row.opcodes));
  if (row.hasModRm) {
    bytes.push(modRmByte(row, choose, options.operand?.[0]));
    if (options.operand !== undefined) bytes.push(...options.operand.slice(1));
  }
  while (bytes.length < 24) bytes.push(choose(256));
  const code = Uint8Array.from(bytes);
  const length = decoder.decode(code, 0, code.length, mode, instruction);
  if (length <= 0 || instruction.row !== row.index) return undefined;
  return code.slice(0, length);
}

/** Whether any code of that size has the row. */
export function isValidIn(row: Encoding, mode: CodeSize): boolean {
  if ((row.traits & (mode === 64 ? Trait.i64 : Trait.o64)) !== 0) return false;
  const size = row.mask & Select.sizeMask;
  return mode === 64 || size === 0 || (row.value & Select.sizeMask) !== Select.size64;
}
