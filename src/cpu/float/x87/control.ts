/**
 * x87 control: FNINIT, FNCLEX, FLDCW, the environment and the whole state in memory (SDM volume 1,
 * 8.1.10; FXSAVE: volume 2).
 */
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { FloatFlag } from '../environment.ts';
import { MXCSR, X87, XMM } from '../../state.ts';
import { Kind } from '../number.ts';
import { MxcsrBit } from '../sse/lanes.ts';
import {
  begin,
  Control,
  decrementTop,
  end,
  free,
  incrementTop,
  loadExtended,
  pop,
  Status,
  summarize,
} from './state.ts';

/** In `argument`: which form the environment, or the area of FXSAVE, has. */
export const Layout = {
  /** 16-bit operand size: an environment of 14 bytes, not 28. */
  words: 0x1_0000,
  /** Real and virtual-8086 mode: linear addresses of 20 or 32 bits, and the opcode. */
  real: 0x2_0000,
  /** 64-bit mode: FXSAVE keeps XMM8 to XMM15. */
  long: 0x4_0000,
  /** FXSAVE64, FXRSTOR64 (REX.W): addresses of 64 bits, no selectors. */
  wide: 0x8_0000,
} as const;

export const FXSAVE_BYTES = 512;

function status({ view }: FloatContext): number {
  return view.getUint16(X87.status, true);
}

function control({ view }: FloatContext): number {
  return view.getUint16(X87.control, true);
}

/** Writes a control word and a status word, with ES and B as they follow from the two. */
function setWords(context: FloatContext, controlWord: number, statusWord: number): void {
  const { view } = context;
  const written = (controlWord & Control.writable) | Control.alwaysSet;
  view.setUint16(X87.control, written, true);
  view.setUint16(X87.status, summarize(statusWord, written), true);
}

/** Whether #MF is due at the next waiting instruction. */
export function isPending(context: FloatContext): boolean {
  return (status(context) & Status.summary) !== 0;
}

export function initialize(context: FloatContext): number {
  const { view } = context;
  setWords(context, Control.initial, 0);
  view.setUint8(X87.tags, 0);
  view.setUint16(X87.opcode, 0, true);
  view.setUint16(X87.instructionSelector, 0, true);
  view.setUint16(X87.dataSelector, 0, true);
  for (const at of [X87.instructionPointer, X87.dataPointer]) {
    view.setUint32(at, 0, true);
    view.setUint32(at + 4, 0, true);
  }
  return FloatFault.none;
}

export function clearExceptions(context: FloatContext): number {
  setWords(context, control(context), status(context) & 0x7f00);
  return FloatFault.none;
}

export function loadControlWord(context: FloatContext, _to: number, source: number): number {
  setWords(context, context.view.getUint16(source, true), status(context));
  return FloatFault.none;
}

export function storeControlWord(context: FloatContext, destination: number): number {
  context.view.setUint16(destination, control(context), true);
  return FloatFault.none;
}

export function storeStatusWord(context: FloatContext, destination: number): number {
  context.view.setUint16(destination, status(context), true);
  return FloatFault.none;
}

/** FNOP, and what only the 8087 and 80287 knew: FNENI, FNDISI, FNSETPM. */
export function nothing(): number {
  return FloatFault.none;
}

export function incrementStack(context: FloatContext): number {
  begin(context);
  incrementTop(context);
  end(context);
  return FloatFault.none;
}

export function decrementStack(context: FloatContext): number {
  begin(context);
  decrementTop(context);
  end(context);
  return FloatFault.none;
}

/** FFREE and FFREEP. */
export function freeRegister(pops: boolean): FloatInstruction {
  return (context, _destination, _source, opcode) => {
    begin(context);
    free(context, opcode & 7);
    if (pops) pop(context);
    end(context);
    return FloatFault.none;
  };
}

/** Two bits a register: 0 valid, 1 zero, 2 special, 3 empty (SDM volume 1, 8.1.7). */
function fullTags(context: FloatContext): number {
  const tags = context.view.getUint8(X87.tags);
  let word = 0;
  for (let i = 0; i < 8; i++) {
    let tag = 3;
    if (((tags >> i) & 1) !== 0) {
      loadExtended(context, context.a, context.physical(i));
      const { kind, denormal } = context.a;
      if (kind === Kind.zero) tag = 1;
      else tag = kind === Kind.finite && denormal === 0 ? 0 : 2;
    }
    word |= tag << (2 * i);
  }
  return word;
}

function abridgedTags(word: number): number {
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    if (((word >> (2 * i)) & 3) !== 3) tags |= 1 << i;
  }
  return tags;
}

function environmentBytes(form: number): number {
  return (form & Layout.words) === 0 ? 28 : 14;
}

/** A pointer in real mode is a linear address: the low 16 bits in one field, the rest above. */
function writeEnvironment(context: FloatContext, to: number, form: number): void {
  const { view, u8 } = context;
  const step = (form & Layout.words) === 0 ? 4 : 2;
  const field = (index: number, value: number): void => {
    if (step === 4) view.setUint32(to + 4 * index, value, true);
    else view.setUint16(to + 2 * index, value & 0xffff, true);
  };
  u8.fill(0, to, to + 7 * step);
  const reserved = step === 4 ? 0xffff_0000 : 0;
  field(0, control(context) | reserved);
  field(1, status(context) | reserved);
  field(2, fullTags(context) | reserved);
  const opcode = view.getUint16(X87.opcode, true) & 0x7ff;
  const instruction = view.getUint32(X87.instructionPointer, true);
  const selector = view.getUint16(X87.instructionSelector, true);
  const data = view.getUint32(X87.dataPointer, true);
  const dataSelector = view.getUint16(X87.dataSelector, true);
  if ((form & Layout.real) === 0) {
    field(3, instruction);
    field(4, step === 4 ? selector | (opcode << 16) : selector);
    field(5, data);
    field(6, step === 4 ? dataSelector | reserved : dataSelector);
    return;
  }
  const linear = (instruction + 16 * selector) >>> 0;
  const linearData = (data + 16 * dataSelector) >>> 0;
  field(3, linear & 0xffff);
  field(4, ((linear >>> 16) << 12) | opcode);
  field(5, linearData & 0xffff);
  field(6, (linearData >>> 16) << 12);
}

function readEnvironment(context: FloatContext, from: number, form: number): void {
  const { view } = context;
  const step = (form & Layout.words) === 0 ? 4 : 2;
  const word = (index: number): number => view.getUint16(from + step * index, true);
  const pointer = (index: number): number =>
    step === 4 ? view.getUint32(from + 4 * index, true) : word(index);
  setWords(context, word(0), word(1));
  view.setUint8(X87.tags, abridgedTags(word(2)));
  let instruction = pointer(3);
  let data = pointer(5);
  let selector = word(4);
  let dataSelector = word(6);
  let opcode = step === 4 ? pointer(4) >>> 16 : view.getUint16(X87.opcode, true);
  if ((form & Layout.real) !== 0) {
    opcode = pointer(4);
    instruction = word(3) | ((pointer(4) >>> 12) << 16);
    data = word(5) | ((pointer(6) >>> 12) << 16);
    selector = 0;
    dataSelector = 0;
  }
  view.setUint16(X87.opcode, opcode & 0x7ff, true);
  view.setUint16(X87.instructionSelector, selector, true);
  view.setUint16(X87.dataSelector, dataSelector, true);
  view.setUint32(X87.instructionPointer, instruction, true);
  view.setUint32(X87.instructionPointer + 4, 0, true);
  view.setUint32(X87.dataPointer, data, true);
  view.setUint32(X87.dataPointer + 4, 0, true);
}

/** FNSTENV masks all exceptions once they are saved. */
export function storeEnvironment(
  context: FloatContext,
  destination: number,
  _source: number,
  form: number,
): number {
  writeEnvironment(context, destination, form);
  setWords(context, control(context) | FloatFlag.all, status(context));
  return FloatFault.none;
}

export function loadEnvironment(
  context: FloatContext,
  _destination: number,
  source: number,
  form: number,
): number {
  readEnvironment(context, source, form);
  return FloatFault.none;
}

/** Offset of ST(i) in the state block. */
function stackRegister(context: FloatContext, i: number): number {
  return context.physical(((status(context) >>> Status.topShift) + i) & 7);
}

/** FNSAVE: the environment, ST(0) to ST(7) of 10 bytes each, and then FNINIT. */
export function saveState(
  context: FloatContext,
  destination: number,
  _source: number,
  form: number,
): number {
  writeEnvironment(context, destination, form);
  const registers = destination + environmentBytes(form);
  for (let i = 0; i < 8; i++) {
    const from = stackRegister(context, i);
    context.u8.copyWithin(registers + 10 * i, from, from + 10);
  }
  return initialize(context);
}

export function restoreState(
  context: FloatContext,
  _destination: number,
  source: number,
  form: number,
): number {
  readEnvironment(context, source, form);
  const registers = source + environmentBytes(form);
  for (let i = 0; i < 8; i++) {
    const from = registers + 10 * i;
    context.u8.copyWithin(stackRegister(context, i), from, from + 10);
  }
  return FloatFault.none;
}

/** Offsets of the FXSAVE area (SDM volume 2, FXSAVE). */
const Area = {
  control: 0,
  status: 2,
  tags: 4,
  opcode: 6,
  instructionPointer: 8,
  instructionSelector: 12,
  dataPointer: 16,
  dataSelector: 20,
  mxcsr: 24,
  mxcsrMask: 28,
  st: 32,
  xmm: 160,
} as const;

function vectorCount(form: number): number {
  return (form & Layout.long) === 0 ? 8 : 16;
}

/** FXSAVE writes the first 416 bytes (288 outside 64-bit mode) and leaves the others alone. */
export function saveExtendedState(
  context: FloatContext,
  to: number,
  _source: number,
  form: number,
): number {
  const { view, u8 } = context;
  u8.fill(0, to, to + Area.xmm);
  view.setUint16(to + Area.control, control(context), true);
  view.setUint16(to + Area.status, status(context), true);
  u8[to + Area.tags] = u8[X87.tags]!;
  view.setUint16(to + Area.opcode, view.getUint16(X87.opcode, true), true);
  const bytes = (form & Layout.wide) === 0 ? 4 : 8;
  const instruction = X87.instructionPointer;
  const data = X87.dataPointer;
  u8.copyWithin(to + Area.instructionPointer, instruction, instruction + bytes);
  u8.copyWithin(to + Area.dataPointer, data, data + bytes);
  if (bytes === 4) {
    const selector = view.getUint16(X87.instructionSelector, true);
    view.setUint16(to + Area.instructionSelector, selector, true);
    const dataSelector = view.getUint16(X87.dataSelector, true);
    view.setUint16(to + Area.dataSelector, dataSelector, true);
  }
  view.setUint32(to + Area.mxcsr, view.getUint32(MXCSR, true), true);
  view.setUint32(to + Area.mxcsrMask, MxcsrBit.defined, true);
  for (let i = 0; i < 8; i++) {
    const from = stackRegister(context, i);
    u8.copyWithin(to + Area.st + 16 * i, from, from + 10);
  }
  u8.copyWithin(to + Area.xmm, XMM, XMM + 16 * vectorCount(form));
  return FloatFault.none;
}

/** FXRSTOR: #GP if MXCSR has a bit that does not exist; nothing is changed then. */
export function restoreExtendedState(
  context: FloatContext,
  _destination: number,
  from: number,
  form: number,
): number {
  const { view, u8 } = context;
  const mxcsr = view.getUint32(from + Area.mxcsr, true);
  if ((mxcsr & ~MxcsrBit.defined) !== 0) return FloatFault.generalProtection;
  view.setUint32(MXCSR, mxcsr, true);
  setWords(context, view.getUint16(from, true), view.getUint16(from + Area.status, true));
  u8[X87.tags] = u8[from + Area.tags]!;
  view.setUint16(X87.opcode, view.getUint16(from + Area.opcode, true) & 0x7ff, true);
  const wide = (form & Layout.wide) !== 0;
  const pointers = [
    [X87.instructionPointer, X87.instructionSelector, Area.instructionPointer],
    [X87.dataPointer, X87.dataSelector, Area.dataPointer],
  ] as const;
  for (const [pointer, selector, area] of pointers) {
    const high = view.getUint32(from + area + 4, true);
    view.setUint32(pointer, view.getUint32(from + area, true), true);
    view.setUint32(pointer + 4, wide ? high : 0, true);
    view.setUint16(selector, wide ? 0 : high & 0xffff, true);
  }
  for (let i = 0; i < 8; i++) {
    const at = from + Area.st + 16 * i;
    u8.copyWithin(stackRegister(context, i), at, at + 10);
  }
  u8.copyWithin(XMM, from + Area.xmm, from + Area.xmm + 16 * vectorCount(form));
  return FloatFault.none;
}

/** Leaves MMX: all registers are empty. */
export function emptyMmx({ view }: FloatContext): number {
  view.setUint8(X87.tags, 0);
  return FloatFault.none;
}
