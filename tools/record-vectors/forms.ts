/** Which instructions are recorded: forms of every row that user mode can execute repeatably. */
import type { CodeSize } from '../../src/cpu/decode/instruction.ts';
import { type Encoding, Trait } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { type Choose, encode, type EncodeOptions, isValidIn } from './encode.ts';
import { DATA_ADDRESS, FormFlag, type VectorForm } from './state.ts';

const REASONS: readonly (readonly [reason: string, mnemonics: string])[] = [
  [
    'its result depends on the computer',
    'cpuid rdtsc rdtscp rdpmc rdrand rdseed rdpid xgetbv rdfsbase rdgsbase',
  ],
  ['it enters the kernel', 'int int1 int3 into syscall sysenter iret vmcall vmmcall'],
  ['it takes the recorder off its feet', 'popf pushf wrfsbase wrgsbase'],
  ['it needs selectors', 'retf les lds lss lfs lgs lar lsl verr verw sldt str smsw sgdt sidt'],
  [
    'it shows where the last x87 instruction was',
    'fxsave fxrstor fnsave frstor fnstenv fldenv monitor mwait',
  ],
  ['Intel and AMD differ', 'sysexit sysret rsm ud0'],
  ['the recording processor lacks it', 'serialize'],
];
const EXCLUDED = new Map(
  REASONS.flatMap(([reason, names]) => names.split(' ').map((name) => [name, reason] as const)),
);
const SEGMENT_OPERANDS = new Set(['ES', 'CS', 'SS', 'DS', 'FS', 'GS']);

/** Why a row has no vectors, or undefined if it has. */
export function excluded(row: Encoding): string | undefined {
  if (row.feature !== '' && !BASE_FEATURES.has(row.feature)) return 'the processor lacks it';
  const reason = EXCLUDED.get(row.mnemonic);
  if (reason !== undefined && (row.traits & Trait.cpl0) === 0) return reason;
  if (reason !== undefined && row.mnemonic.startsWith('sys')) return reason;
  const far = row.operands.some(({ text }) => text === 'Ap' || text === 'Mp');
  if (far) return 'it needs selectors';
  if (row.code.startsWith('0f0d')) return 'Intel and AMD differ';
  if (row.operands.some(({ text, letter }) => letter === 'S' || SEGMENT_OPERANDS.has(text))) {
    return 'it needs selectors';
  }
  return undefined;
}

function dataFlags(row: Encoding): number {
  const sizes = new Set(row.operands.map(({ size }) => size));
  if (row.feature.startsWith('x87') || row.mnemonic === 'fisttp') {
    if (sizes.has('fs')) return FormFlag.x87 | FormFlag.single;
    if (sizes.has('fd')) return FormFlag.x87 | FormFlag.double;
    return FormFlag.x87;
  }
  const letters = new Set(row.operands.map(({ letter }) => letter));
  let flags = 0;
  if (['P', 'Q', 'N'].some((letter) => letters.has(letter)) || row.mnemonic === 'emms') {
    flags |= FormFlag.mmx;
  }
  const float = floatKind(row, sizes);
  if (float !== 0) return flags | float;
  if (['V', 'W', 'U'].some((letter) => letters.has(letter))) flags |= FormFlag.xmm;
  return flags;
}

/** By the source operand: what it converts from decides. */
function floatKind(row: Encoding, sizes: ReadonlySet<string>): number {
  const name = row.mnemonic;
  if (/^cvtt?ps2|^cvtt?ss2/.test(name)) return FormFlag.single;
  if (/^cvtt?pd2|^cvtt?sd2/.test(name)) return FormFlag.double;
  if (/^cvtdq2|^cvtpi2/.test(name)) return FormFlag.xmm;
  if (name.startsWith('cvtsi2')) return name.endsWith('ss') ? FormFlag.single : FormFlag.double;
  if (sizes.has('ss') || sizes.has('ps')) return FormFlag.single;
  if (sizes.has('sd') || sizes.has('pd')) return FormFlag.double;
  if (row.mnemonic === 'stmxcsr') return FormFlag.single;
  return 0;
}

function behaviourFlags(row: Encoding): number {
  const name = row.mnemonic;
  let flags = 0;
  if (name === 'div' || name === 'idiv') flags |= FormFlag.divide;
  if (/^bt[src]?$/.test(name)) flags |= FormFlag.small;
  if (name === 'ret') flags |= FormFlag.return;
  if (/^(enter|leave)$/.test(name)) flags |= FormFlag.frame;
  if (name === 'xlat') flags |= FormFlag.table;
  if (/^(loop|loope|loopne|jcxz|cld|std)$/.test(name)) flags |= FormFlag.string;
  if (name.startsWith('maskmov')) flags |= FormFlag.memory;
  if (/^(ins|outs|movs|cmps|stos|lods|scas)$/.test(name)) {
    flags |= FormFlag.string | FormFlag.memory;
  }
  return flags;
}

function isMemoryOnly(row: Encoding): boolean {
  return row.code.endsWith(':m');
}

function isRegisterOnly(row: Encoding): boolean {
  return row.code.endsWith(':r') || /:[0-9a-f]{2}$/.test(row.code);
}

/** ModRM with what follows: `[rdi+disp8]`, aligned as often as not. */
function memoryOperand(row: Encoding, choose: Choose): readonly number[] {
  const size = row.operands.find(({ letter }) => letter === 'M')?.size ?? '';
  if (size === 'ft') return [0x47, 0];
  const aligned = choose(4) < ((row.traits & Trait.align) === 0 ? 2 : 3);
  return [0x47, aligned ? 16 : choose(24)];
}

/** Prefix sets: none, operand size, REX.W and a REX with extended registers. */
function variants(row: Encoding, mode: CodeSize): readonly { prefix: number; rex: number }[] {
  const list = [{ prefix: 0, rex: 0 }];
  const sized = row.operands.some(({ size }) => 'vzpa'.includes(size) && size !== '');
  const wide = row.operands.some(({ size }) => 'vyz'.includes(size) && size !== '');
  if (sized) list.push({ prefix: 0x66, rex: 0 });
  if (mode === 64) {
    if (wide || row.code.startsWith('o64')) list.push({ prefix: 0, rex: 0x48 });
    if (row.operands.length > 0 && row.hasModRm) list.push({ prefix: 0, rex: 0x44 });
  }
  if ((row.traits & Trait.lock) !== 0) list.push({ prefix: 0xf0, rex: 0 });
  if ((row.traits & Trait.rep) !== 0) list.push({ prefix: 0xf3, rex: 0 });
  if ((row.traits & Trait.repc) !== 0) {
    list.push({ prefix: 0xf3, rex: 0 }, { prefix: 0xf2, rex: 0 });
  }
  return list;
}

/** In 64-bit code, relative branches with prefix 66 are an AMD and Intel difference. */
function splits(row: Encoding, mode: CodeSize, prefix: number): boolean {
  return prefix === 0x66 && mode === 64 && (row.traits & Trait.f64) !== 0;
}

/** Sends the offset at the end of a MOV to where memory is. */
function pointOffset(code: Uint8Array, mode: 32 | 64): void {
  const address = new DataView(code.buffer, code.length - mode / 8);
  address.setUint32(0, DATA_ADDRESS + 0x400, true);
  if (mode === 64) address.setUint32(4, 0, true);
}

function formsOf(row: Encoding, mode: 32 | 64, choose: Choose): VectorForm[] {
  const forms: VectorForm[] = [];
  const base = dataFlags(row) | behaviourFlags(row);
  for (const { prefix, rex } of variants(row, mode)) {
    if (splits(row, mode, prefix)) continue;
    for (const memory of row.hasModRm ? [false, true] : [false]) {
      if (memory ? isRegisterOnly(row) || (row.traits & Trait.modrr) !== 0 : isMemoryOnly(row)) {
        continue;
      }
      let options: EncodeOptions = { prefixes: 0, rex, legacy: prefix };
      if (memory) options = { ...options, operand: memoryOperand(row, choose) };
      else if (row.hasModRm) options = { ...options, operand: [0xc0 | choose(8)] };
      for (let attempt = 0; attempt < 16; attempt++) {
        const code = encode(row, mode, choose, options);
        if (code === undefined) continue;
        // A frame larger than the data page would be nothing but page faults.
        if (row.mnemonic === 'enter') code.set([choose(64), 0, choose(5)], code.length - 3);
        if (row.operands.some(({ letter }) => letter === 'O')) pointOffset(code, mode);
        forms.push({ mode, flags: base | (memory ? FormFlag.memory : 0), bytes: code });
        break;
      }
    }
  }
  return forms;
}

/** LEA with ModRM and SIB bytes of all kinds: address arithmetic without an access. */
function addressForms(mode: 32 | 64, choose: Choose): VectorForm[] {
  const row = encodings().find(({ mnemonic }) => mnemonic === 'lea')!;
  const forms: VectorForm[] = [];
  while (forms.length < 64) {
    const bytes = encode(row, mode, choose, { prefixes: 2 });
    const plain = bytes?.every((byte, at) => at > 1 || ![0xf0, 0xf2, 0xf3].includes(byte));
    if (bytes !== undefined && plain === true) forms.push({ mode, flags: 0, bytes });
  }
  return forms;
}

export function vectorForms(choose: Choose): VectorForm[] {
  const modes = [64, 32] as const;
  return modes.flatMap((mode) => [
    ...encodings()
      .filter((row) => excluded(row) === undefined && isValidIn(row, mode))
      .flatMap((row) => [...formsOf(row, mode, choose), ...formsOf(row, mode, choose)]),
    ...addressForms(mode, choose),
  ]);
}
