/** The disassembler: the table's rows in objdump's AT&T text, or in Intel syntax. */
import type { Decoder } from '../decode/decode.ts';
import { type CodeSize, Instruction } from '../decode/instruction.ts';
import { type Encoding, type Operand, Trait } from '../table/row.ts';
import { encodings } from '../table/table.ts';
import { nameOf } from './names.ts';
import { farPointer, operandText, type Site, type Syntax } from './operands.ts';
import { mandatoryPrefixes, PrefixUse, unusedPrefixes } from './prefixes.ts';

export type { Syntax } from './operands.ts';

export interface Disassembled {
  /** Bytes; 1 for `(bad)`. */
  readonly length: number;
  readonly text: string;
}

const instruction = new Instruction();

/**
 * @param address of `bytes[start]`, for relative targets
 * @returns one line without address and bytes, as `objdump -d -M intel64` has it but for symbols
 * and for the comment behind RIP-relative operands
 */
export function disassemble(
  decoder: Decoder,
  bytes: Uint8Array,
  start: number,
  mode: CodeSize,
  address: bigint,
  syntax: Syntax,
): Disassembled {
  const length = decoder.decode(bytes, start, bytes.length, mode, instruction);
  if (length <= 0) return { length: 1, text: '(bad)' };
  const row = encodings()[instruction.row]!;
  return { length, text: instructionText(bytes, start, instruction, row, address, syntax) };
}

function instructionText(
  bytes: Uint8Array,
  start: number,
  insn: Instruction,
  row: Encoding,
  address: bigint,
  syntax: Syntax,
): string {
  const use = new PrefixUse();
  const site: Site = { insn, row, use, syntax, address };
  mandatoryPrefixes(row, insn, use);
  const { text: name, dropImmediate } = nameOf(site);
  const operands = operandList(site, dropImmediate);
  renamePrefixes(site);
  const hint = syntax === 'att' ? branchHint(bytes, start, site) : '';
  const mnemonic = `${unusedPrefixes(bytes, start, insn, use)}${name}${hint}`;
  return operands === '' ? mnemonic : `${mnemonic.padEnd(6)} ${operands}`;
}

/** Prefixes that mean something else to some instructions. */
function renamePrefixes(site: Site): void {
  const { insn, row, use } = site;
  if ((row.traits & Trait.rep) !== 0) use.renamed.set(0xf3, 'rep');
  const near = (row.traits & Trait.branch) !== 0 && (row.traits & Trait.f64) !== 0;
  const counted = row.map === 0 && row.opcode >= 0xe0 && row.opcode <= 0xe3;
  if (near && !counted) use.renamed.set(0xf2, 'bnd');
  const indirect = row.map === 0 && row.opcode === 0xff && near;
  if (indirect) use.renamed.set(0x3e, 'notrack');
  if (insn.rm < 0 && insn.modRm >= 0) elisionPrefixes(site);
}

/** CS and DS before a conditional jump are AT&T's `,pn` and `,pt`. */
function branchHint(bytes: Uint8Array, start: number, { insn, row, use }: Site): string {
  if (!/^(j(?!mp)|loop)/.test(row.mnemonic)) return '';
  let last = 0;
  for (let at = start; at < start + insn.prefixLength; at++) {
    const byte = bytes[at]!;
    if ((byte & 0xe7) === 0x26 || byte === 0x64 || byte === 0x65) last = byte;
  }
  if (last !== 0x2e && last !== 0x3e) return '';
  use.segment = true;
  return last === 0x2e ? ',pn' : ',pt';
}

/** XACQUIRE and XRELEASE (SDM volume 1, 16.3.1). */
function elisionPrefixes({ insn, row, use }: Site): void {
  const locked = insn.lock || row.mnemonic === 'xchg';
  const store =
    row.mnemonic === 'mov' && row.map === 0 && [0x88, 0x89, 0xc6, 0xc7].includes(row.opcode);
  if ((row.traits & Trait.lock) !== 0 && locked) {
    use.renamed.set(0xf2, 'xacquire').set(0xf3, 'xrelease');
  } else if (store) use.renamed.set(0xf3, 'xrelease');
}

const IN_INTEL_ORDER = new Set(['enter', 'bound']);

function operandList(site: Site, dropImmediate: boolean): string {
  const { row, syntax } = site;
  if (row.operands[0]?.text === 'Ap') return farPointer(site);
  if (syntax === 'att' && (row.mnemonic === 'monitor' || row.mnemonic === 'mwait')) {
    return monitorOperands(site);
  }
  if (row.mnemonic === 'nop' && !row.hasModRm && site.insn.operandPrefix) {
    const name = `${syntax === 'att' ? '%' : ''}${site.insn.operandSize === 2 ? 'ax' : 'eax'}`;
    return `${name},${name}`;
  }
  const shown = row.operands.filter((operand) => isShown(operand, site, dropImmediate));
  const texts = shown.map((operand) => operandText(operand, site));
  if (syntax === 'att' && !IN_INTEL_ORDER.has(row.mnemonic)) texts.reverse();
  const star = syntax === 'att' && isIndirect(row) ? '*' : '';
  return star + texts.filter((text) => text !== '').join(',');
}

function isIndirect(row: Encoding): boolean {
  return row.map === 0 && row.opcode === 0xff && (row.traits & Trait.branch) !== 0;
}

function isShown(operand: Operand, { row, insn }: Site, dropImmediate: boolean): boolean {
  if (operand.text === 'Ib' && dropImmediate) return false;
  if (operand.text !== 'ST') return true;
  const alone = row.mnemonic === 'fcom' || row.mnemonic === 'fcomp';
  return !alone && insn.modRm >= 0xc0;
}

function monitorOperands({ row, insn, use }: Site): string {
  if (row.mnemonic === 'mwait') return '%eax,%ecx';
  use.addressSize = true;
  const size = { 2: '%ax', 4: '%eax', 8: '%rax' }[insn.addressSize];
  return `${size},%ecx,%edx`;
}
