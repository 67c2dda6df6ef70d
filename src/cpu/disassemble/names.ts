/** Mnemonics as objdump prints them, where they are not the table's Intel ones. */
import { type Encoding, Trait } from '../table/row.ts';
import { Rex, useOperandSize } from './prefixes.ts';
import { operandBytes } from './registers.ts';
import { type Site, touchSize } from './operands.ts';

const SUFFIX: Readonly<Record<number, string>> = { 1: 'b', 2: 'w', 4: 'l', 8: 'q' };
const INTEL_SUFFIX: Readonly<Record<number, string>> = { 1: 'b', 2: 'w', 4: 'd', 8: 'q' };

const ATT_NAMES: Readonly<Record<string, string>> = {
  cbw: 'cbtw',
  cwde: 'cwtl',
  cdqe: 'cltq',
  cwd: 'cwtd',
  cdq: 'cltd',
  cqo: 'cqto',
  retf: 'lret',
};

const X87_SUFFIX: Readonly<Record<string, string>> = {
  fs: 's',
  fd: 'l',
  ft: 't',
  iw: 's',
  id: 'l',
  iq: 'll',
};

const COMPARE = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord'];
const CARRYLESS: Readonly<Record<number, string>> = {
  0x00: 'lql',
  0x01: 'hql',
  0x10: 'lqh',
  0x11: 'hqh',
};
/** Take the suffix of an operand size that is not the mode's own. */
const STACK = new Set(
  'push pop call jmp ret retf iret pushf popf leave enter pusha popa lgdt lidt sgdt sidt'.split(
    ' ',
  ),
);
const STRINGS = new Set(['movs', 'cmps', 'ins', 'outs']);
const STRINGS_WITH_REGISTER = new Set(['stos', 'lods', 'scas']);
const SEGMENT_TABLES = new Set(['lgdt', 'lidt', 'sgdt', 'sidt']);
const SWAPPED_X87: Readonly<Record<string, string>> = {
  fsub: 'fsubr',
  fsubr: 'fsub',
  fdiv: 'fdivr',
  fdivr: 'fdiv',
  fsubp: 'fsubrp',
  fsubrp: 'fsubp',
  fdivp: 'fdivrp',
  fdivrp: 'fdivp',
};

/** A mnemonic that says what the last immediate would. */
function pseudo(row: Encoding, immediate: number): string | undefined {
  const { mnemonic } = row;
  if (/^cmp[ps][sd]$/.test(mnemonic) && row.operands.length === 3 && immediate < 8) {
    return `cmp${COMPARE[immediate]}${mnemonic.slice(3)}`;
  }
  const halves = CARRYLESS[immediate];
  if (mnemonic === 'pclmulqdq' && halves !== undefined) return `pclmul${halves}qdq`;
  return undefined;
}

export interface Name {
  readonly text: string;
  readonly dropImmediate: boolean;
}

export function nameOf(site: Site): Name {
  const { row, insn } = site;
  const short = pseudo(row, insn.immediate);
  if (short !== undefined) return { text: short, dropImmediate: true };
  return { text: site.syntax === 'att' ? attName(site) : intelName(site), dropImmediate: false };
}

function defaultBytes(site: Site): number {
  const { insn, row } = site;
  if (insn.mode !== 64) return insn.mode / 8;
  return (row.traits & (Trait.d64 | Trait.f64)) !== 0 ? 8 : 4;
}

function commonName(site: Site): string | undefined {
  const { row, insn, use } = site;
  const { mnemonic } = row;
  switch (mnemonic) {
    case 'jcxz':
      use.addressSize = true;
      return { 2: 'jcxz', 4: 'jecxz', 8: 'jrcxz' }[insn.addressSize];
    case 'nop':
      if (row.hasModRm || !insn.operandPrefix) return undefined;
      use.operandSize = true;
      return 'xchg';
    case 'movd':
      return insn.operandSize === 8 ? 'movq' : 'movd';
    case 'pextrd':
    case 'pinsrd':
      return insn.operandSize === 8 ? mnemonic.replace('d', 'q') : mnemonic;
    case 'fxsave':
    case 'fxrstor':
    case 'xsave':
    case 'xrstor':
    case 'xsaveopt':
      use.rex |= Rex.w;
      return insn.operandSize === 8 ? `${mnemonic}64` : mnemonic;
    default:
      return undefined;
  }
}

function attName(site: Site): string {
  const { row, insn, use } = site;
  const { mnemonic, operands } = row;
  const common = commonName(site);
  if (common !== undefined) return common;
  const memory = insn.modRm >= 0 && insn.rm < 0;
  if (mnemonic.startsWith('movsx') || mnemonic === 'movzx') return extendName(site);
  if (STRINGS.has(mnemonic)) {
    const of = operands.find(({ letter }) => letter === 'X' || letter === 'Y')!;
    return mnemonic + SUFFIX[operandBytes(of.size, insn)];
  }
  if (mnemonic === 'loop' || mnemonic === 'loope' || mnemonic === 'loopne') {
    if (!insn.addressPrefix) return mnemonic;
    use.addressSize = true;
    return `${mnemonic}${SUFFIX[insn.addressSize]}`;
  }
  if (mnemonic === 'sysret' || mnemonic === 'sysexit') {
    use.rex |= Rex.w;
    if (insn.operandSize === 8) return `${mnemonic}q`;
    return mnemonic === 'sysret' || insn.mode === 64 ? `${mnemonic}l` : mnemonic;
  }
  if (STACK.has(mnemonic)) return stackName(site, memory);
  if (row.feature === 'x87' || row.feature === 'x87cmov' || mnemonic === 'fisttp') {
    return x87Name(site, memory);
  }
  if (row.opcode >= 0xa0 && row.opcode <= 0xa3 && row.map === 0 && insn.mode === 64) {
    return insn.addressSize === 8 ? 'movabs' : 'mov';
  }
  if (row.code === 'b8+r' && insn.operandSize === 8) return 'movabs';
  return (ATT_NAMES[mnemonic] ?? mnemonic) + (memory ? memorySuffix(site) : '');
}

/** Without a register beside it, the size of a memory operand shows in the mnemonic. */
function memorySuffix(site: Site): string {
  const { row, insn } = site;
  const { mnemonic, operands } = row;
  if (mnemonic === 'crc32' || (mnemonic.startsWith('cvtsi2s') && insn.mode === 64)) {
    return SUFFIX[operandBytes(operands[1]!.size, insn)]!;
  }
  const first = operands[0]!;
  if (first.letter !== 'E' || mnemonic.startsWith('set')) return '';
  if (operands.slice(1).some(({ letter }) => !['I', 'sI', '1', 'CL'].includes(letter))) return '';
  if (operands.length > 2 || !'bv'.includes(first.size)) return '';
  return SUFFIX[operandBytes(first.size, insn)]!;
}

function extendName(site: Site): string {
  const { row, insn } = site;
  if (row.mnemonic === 'movsxd') return insn.operandSize === 8 ? 'movslq' : 'movsxd';
  const from = SUFFIX[operandBytes(row.operands[1]!.size, insn)];
  return `${row.mnemonic.slice(0, 4)}${from}${SUFFIX[insn.operandSize]}`;
}

function stackName(site: Site, memory: boolean): string {
  const { row, insn, use } = site;
  const { operands } = row;
  const far = operands[0]?.text === 'Mp' || operands[0]?.text === 'Ap';
  const name = far ? `l${row.mnemonic}` : (ATT_NAMES[row.mnemonic] ?? row.mnemonic);
  if (SEGMENT_TABLES.has(name)) {
    if (insn.mode === 64) return name;
    useOperandSize(insn, use);
    return name + SUFFIX[insn.operandSize];
  }
  const register = !memory && /^[EZ]$/.test(operands[0]?.letter ?? '');
  touchSize('v', site);
  if (register || insn.operandSize === defaultBytes(site)) return name;
  return name + SUFFIX[insn.operandSize];
}

function x87Name(site: Site, memory: boolean): string {
  const { row, insn, use } = site;
  const name = row.mnemonic;
  if (!memory) return row.operands[0]?.text === 'STi' ? (SWAPPED_X87[name] ?? name) : name;
  const { size } = row.operands.find(({ letter }) => letter === 'M')!;
  if (size !== 'env' && size !== 'sta') return name + (X87_SUFFIX[size] ?? '');
  if (insn.operandPrefix) use.operandSize = true;
  if (!insn.operandPrefix) return name;
  return name + (insn.mode === 16 ? 'l' : 's');
}

function intelName(site: Site): string {
  const { row, insn, use } = site;
  const { mnemonic, operands } = row;
  const common = commonName(site);
  if (common !== undefined) return common;
  if (row.opcode >= 0xa0 && row.opcode <= 0xa3 && row.map === 0 && insn.mode === 64) {
    return insn.addressSize === 8 ? 'movabs' : 'mov';
  }
  if (row.code === 'b8+r' && insn.operandSize === 8) return 'movabs';
  if (mnemonic === 'sysret' || mnemonic === 'sysexit') {
    use.rex |= Rex.w;
    if (insn.operandSize === 8) return `${mnemonic}q`;
    return mnemonic === 'sysret' || insn.mode === 64 ? `${mnemonic}d` : mnemonic;
  }
  if (STRINGS.has(mnemonic) || STRINGS_WITH_REGISTER.has(mnemonic)) return mnemonic;
  if (SEGMENT_TABLES.has(mnemonic) && insn.mode !== 64) {
    useOperandSize(insn, use);
    return mnemonic + INTEL_SUFFIX[insn.operandSize];
  }
  if (!STACK.has(mnemonic) || SEGMENT_TABLES.has(mnemonic)) return mnemonic;
  touchSize('v', site);
  if (insn.operandSize === defaultBytes(site) || /^[EMZA]$/.test(operands[0]?.letter ?? '')) {
    return mnemonic;
  }
  return mnemonic + INTEL_SUFFIX[insn.operandSize];
}
