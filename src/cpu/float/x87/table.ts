/**
 * The x87 instructions by mnemonic and operands, as the decode table writes them; and by opcode
 * too where the same words mean two things.
 */
import { FLAG_BITS } from '../../table/row.ts';
import { type FloatContext, FloatFault, type FloatInstruction } from '../context.ts';
import { DOUBLE, SINGLE } from '../environment.ts';
import { FloatTransfer, RIP, SegmentIndex, SegmentState, X87 } from '../../state.ts';
import * as arithmetic from './arithmetic.ts';
import * as comparison from './compare.ts';
import * as control from './control.ts';
import { loadDecimal, storeDecimal } from './decimal.ts';
import { LOADS } from './operands.ts';
import * as parts from './parts.ts';
import * as transcendental from './transcendental.ts';
import * as transfer from './transfer.ts';

type Entry = readonly [name: string, execute: FloatInstruction];

const { Operation } = arithmetic;

function arithmeticForms(name: string, operation: number, reversed: boolean): Entry[] {
  const integer = `fi${name.slice(1)}`;
  return [
    ...[...LOADS].map(([size, load]): Entry => [
      `${size.startsWith('f') ? name : integer} ST,M${size}`,
      arithmetic.withMemory(operation, reversed, load),
    ]),
    [`${name} ST,STi`, arithmetic.withRegister(operation, reversed, true, false)],
    [`${name} STi,ST`, arithmetic.withRegister(operation, reversed, false, false)],
    [`${name}p STi,ST`, arithmetic.withRegister(operation, reversed, false, true)],
  ];
}

function compareForms(): Entry[] {
  return [...LOADS].flatMap(([size, load]): Entry[] => {
    const name = size.startsWith('f') ? 'fcom' : 'ficom';
    return [
      [`${name} ST,M${size}`, comparison.withMemory(load, 0)],
      [`${name}p ST,M${size}`, comparison.withMemory(load, 1)],
    ];
  });
}

function storeForms(): Entry[] {
  return [false, true].flatMap((pops): Entry[] => {
    const p = pops ? 'p' : '';
    return [
      [`fst${p} Mfs`, transfer.storeTo(SINGLE, pops)],
      [`fst${p} Mfd`, transfer.storeTo(DOUBLE, pops)],
      [`fst${p} STi`, transfer.storeStack(pops)],
      [`fist${p} Miw`, transfer.storeInteger(16, pops, false)],
      [`fist${p} Mid`, transfer.storeInteger(32, pops, false)],
      [`fist${p} Miq`, transfer.storeInteger(64, pops, false)],
    ];
  });
}

function loadForms(): Entry[] {
  return [...LOADS].map(([size, load]): Entry => [
    `${size.startsWith('f') ? 'fld' : 'fild'} M${size}`,
    transfer.loadFrom(load),
  ]);
}

function moveForms(): Entry[] {
  const conditions = { b: 'c', e: 'z', be: 'cz', u: 'p' };
  return Object.entries(conditions).flatMap(([condition, letters]): Entry[] => {
    let mask = 0;
    for (const letter of letters) mask |= FLAG_BITS[letter]!;
    return [
      [`fcmov${condition} ST,STi`, transfer.conditionalMove(mask, false)],
      [`fcmovn${condition} ST,STi`, transfer.conditionalMove(mask, true)],
    ];
  });
}

/** Instructions that leave the last instruction's pointers alone. */
const CONTROL: readonly Entry[] = [
  ['fninit -', control.initialize],
  ['fnclex -', control.clearExceptions],
  ['fneni -', control.nothing],
  ['fndisi -', control.nothing],
  ['fnsetpm -', control.nothing],
  ['fnstcw Mw', control.storeControlWord],
  ['fnstsw Mw', control.storeStatusWord],
  ['fnstsw AX', control.storeStatusWord],
  ['fnstenv Menv', control.storeEnvironment],
  ['fnsave Msta', control.saveState],
  ['fxsave Mfx', control.saveExtendedState],
  ['fxrstor Mfx', control.restoreExtendedState],
];

/** Control instructions that raise #MF first if an exception waits. */
const WAITING_CONTROL: readonly Entry[] = [
  ['fwait -', control.nothing],
  ['emms -', control.emptyMmx],
  ['fldcw Mw', control.loadControlWord],
  ['fldenv Menv', control.loadEnvironment],
  ['frstor Msta', control.restoreState],
];

const NUMERIC: readonly Entry[] = [
  ...arithmeticForms('fadd', Operation.add, false),
  ...arithmeticForms('fmul', Operation.multiply, false),
  ...arithmeticForms('fsub', Operation.subtract, false),
  ...arithmeticForms('fsubr', Operation.subtract, true),
  ...arithmeticForms('fdiv', Operation.divide, false),
  ...arithmeticForms('fdivr', Operation.divide, true),
  ...compareForms(),
  ...loadForms(),
  ...storeForms(),
  ...moveForms(),
  ['fcom ST,STi', comparison.withRegister(false, 0)],
  ['fcomp ST,STi', comparison.withRegister(false, 1)],
  ['fcompp -', comparison.withRegister(false, 2)],
  ['fucom STi', comparison.withRegister(true, 0)],
  ['fucomp STi', comparison.withRegister(true, 1)],
  ['fucompp -', comparison.withRegister(true, 2)],
  ['fcomi ST,STi', comparison.toFlags(false, false)],
  ['fcomip ST,STi', comparison.toFlags(false, true)],
  ['fucomi ST,STi', comparison.toFlags(true, false)],
  ['fucomip ST,STi', comparison.toFlags(true, true)],
  ['ftst -', comparison.withZero],
  ['fxam -', comparison.examine],
  ['fstp STi d9/3:r', transfer.storeStackUnchecked],
  ['fld Mft', transfer.loadWhole],
  ['fld STi', transfer.loadStack],
  ['fstp Mft', transfer.storeWhole],
  ['fisttp Miw', transfer.storeInteger(16, true, true)],
  ['fisttp Mid', transfer.storeInteger(32, true, true)],
  ['fisttp Miq', transfer.storeInteger(64, true, true)],
  ['fbld Mbcd', loadDecimal],
  ['fbstp Mbcd', storeDecimal],
  ['fxch STi', transfer.exchange],
  ['fchs -', arithmetic.changeSign],
  ['fabs -', arithmetic.absolute],
  ['fsqrt -', arithmetic.squareRootOfTop],
  ['frndint -', parts.roundTop],
  ['fscale -', parts.scale],
  ['fxtract -', parts.extract],
  ['fprem -', parts.partialRemainder],
  ['fprem1 -', parts.partialRemainderNearest],
  ['f2xm1 -', transcendental.exponential],
  ['fyl2x -', transcendental.logarithmTimes],
  ['fyl2xp1 -', transcendental.logarithmOnePlusTimes],
  ['fptan -', transcendental.tangent],
  ['fpatan -', transcendental.arcTangentOf],
  ['fsin -', transcendental.sineOfTop],
  ['fcos -', transcendental.cosineOfTop],
  ['fsincos -', transcendental.sineAndCosine],
  ['fnop -', control.nothing],
  ['fincstp -', control.incrementStack],
  ['fdecstp -', control.decrementStack],
  ['ffree STi', control.freeRegister(false)],
  ['ffreep STi', control.freeRegister(true)],
  ['fld1 -', transfer.constant(0, 0x8000_0000, 0, 0)],
  ['fldl2t -', transfer.constant(1, 0xd49a_784b, 0xcd1b_8afe, 0x492b_f6ff)],
  ['fldl2e -', transfer.constant(0, 0xb8aa_3b29, 0x5c17_f0bb, 0xbe87_fed0)],
  ['fldpi -', transfer.constant(1, 0xc90f_daa2, 0x2168_c234, 0xc4c6_628b)],
  ['fldlg2 -', transfer.constant(-2, 0x9a20_9a84, 0xfbcf_f798, 0x8f89_59ac)],
  ['fldln2 -', transfer.constant(-1, 0xb172_17f7, 0xd1cf_79ab, 0xc9e3_b398)],
  ['fldz -', transfer.constant(0, 0, 0, 0)],
];

function waiting(execute: FloatInstruction): FloatInstruction {
  return (context, destination, source, argument) =>
    control.isPending(context) ? FloatFault.x87 : execute(context, destination, source, argument);
}

const CODE_SELECTOR = SegmentState.selector + 4 * SegmentIndex.cs;

/** Remembers where the last instruction that was no control instruction is, and its operand. */
function keepPointers({ view, u32 }: FloatContext, opcode: number, hasMemory: boolean): void {
  view.setUint16(X87.opcode, opcode & 0x7ff, true);
  u32[X87.instructionPointer >> 2] = u32[RIP >> 2]!;
  u32[(X87.instructionPointer >> 2) + 1] = u32[(RIP >> 2) + 1]!;
  view.setUint16(X87.instructionSelector, u32[CODE_SELECTOR >> 2]!, true);
  if (!hasMemory) return;
  u32[X87.dataPointer >> 2] = u32[FloatTransfer.dataPointer >> 2]!;
  u32[(X87.dataPointer >> 2) + 1] = u32[(FloatTransfer.dataPointer >> 2) + 1]!;
  view.setUint16(X87.dataSelector, u32[FloatTransfer.dataSelector >> 2]!, true);
}

function numeric([name, execute]: Entry): Entry {
  const hasMemory = / (?:ST,)?M/.test(name);
  return [
    name,
    (context, destination, source, argument) => {
      if (control.isPending(context)) return FloatFault.x87;
      keepPointers(context, argument, hasMemory);
      return execute(context, destination, source, argument);
    },
  ];
}

export const X87_INSTRUCTIONS: ReadonlyMap<string, FloatInstruction> = new Map([
  ...CONTROL,
  ...WAITING_CONTROL.map(([name, execute]): Entry => [name, waiting(execute)]),
  ...NUMERIC.map(numeric),
]);
