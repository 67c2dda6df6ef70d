/** The SSE instructions that depend on MXCSR or raise its flags, by mnemonic. */
import type { FloatInstruction } from '../context.ts';
import { alternating, dotProduct, horizontal, Operation, root, vertical } from './arithmetic.ts';
import { comparison, comparisonToFlags, extremum } from './compare.ts';
import {
  betweenFormats,
  fromGeneral,
  fromIntegers,
  fromMmx,
  reciprocal,
  rounding,
  toGeneral,
  toIntegers,
  toMmx,
} from './convert.ts';
import { DOUBLE_LANE, type Lane, SINGLE_LANE } from './lanes.ts';
import { loadControl, storeControl } from './control.ts';

/** By suffix: lane and how many of them. */
const SHAPES: readonly (readonly [suffix: string, lane: Lane, count: number])[] = [
  ['ps', SINGLE_LANE, 4],
  ['pd', DOUBLE_LANE, 2],
  ['ss', SINGLE_LANE, 1],
  ['sd', DOUBLE_LANE, 1],
];

const single = SINGLE_LANE;
const double = DOUBLE_LANE;

export const SSE_INSTRUCTIONS: ReadonlyMap<string, FloatInstruction> = new Map([
  ...SHAPES.flatMap(([suffix, lane, count]): (readonly [string, FloatInstruction])[] => [
    [`add${suffix}`, vertical(Operation.add, lane, count)],
    [`sub${suffix}`, vertical(Operation.subtract, lane, count)],
    [`mul${suffix}`, vertical(Operation.multiply, lane, count)],
    [`div${suffix}`, vertical(Operation.divide, lane, count)],
    [`sqrt${suffix}`, root(lane, count)],
    [`min${suffix}`, extremum(false, lane, count)],
    [`max${suffix}`, extremum(true, lane, count)],
    [`cmp${suffix}`, comparison(lane, count)],
    [`round${suffix}`, rounding(lane, count)],
  ]),
  ['ucomiss', comparisonToFlags(single, false)],
  ['ucomisd', comparisonToFlags(double, false)],
  ['comiss', comparisonToFlags(single, true)],
  ['comisd', comparisonToFlags(double, true)],
  ['addsubps', alternating(single)],
  ['addsubpd', alternating(double)],
  ['haddps', horizontal(Operation.add, single)],
  ['haddpd', horizontal(Operation.add, double)],
  ['hsubps', horizontal(Operation.subtract, single)],
  ['hsubpd', horizontal(Operation.subtract, double)],
  ['dpps', dotProduct(single)],
  ['dppd', dotProduct(double)],
  ['rcpps', reciprocal(false, 4)],
  ['rcpss', reciprocal(false, 1)],
  ['rsqrtps', reciprocal(true, 4)],
  ['rsqrtss', reciprocal(true, 1)],
  ['cvtps2pd', betweenFormats(single, double, 2, 4)],
  ['cvtss2sd', betweenFormats(single, double, 1, 2)],
  ['cvtpd2ps', betweenFormats(double, single, 2, 4)],
  ['cvtsd2ss', betweenFormats(double, single, 1, 1)],
  ['cvtdq2ps', fromIntegers(single, 4)],
  ['cvtdq2pd', fromIntegers(double, 2)],
  ['cvtsi2ss', fromGeneral(single)],
  ['cvtsi2sd', fromGeneral(double)],
  ['cvtpi2ps', fromMmx(single)],
  ['cvtpi2pd', fromMmx(double)],
  ['cvtps2dq', toIntegers(single, 4, 4, false)],
  ['cvttps2dq', toIntegers(single, 4, 4, true)],
  ['cvtpd2dq', toIntegers(double, 2, 4, false)],
  ['cvttpd2dq', toIntegers(double, 2, 4, true)],
  ['cvtps2pi', toMmx(single, false)],
  ['cvttps2pi', toMmx(single, true)],
  ['cvtpd2pi', toMmx(double, false)],
  ['cvttpd2pi', toMmx(double, true)],
  ['cvtss2si', toGeneral(single, false)],
  ['cvttss2si', toGeneral(single, true)],
  ['cvtsd2si', toGeneral(double, false)],
  ['cvttsd2si', toGeneral(double, true)],
  ['ldmxcsr', loadControl],
  ['stmxcsr', storeControl],
]);
