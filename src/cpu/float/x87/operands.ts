/** Memory operands of the x87 that are not extended: singles, doubles and integers. */
import type { FloatContext } from '../context.ts';
import { fromInteger } from '../integer.ts';
import { type FloatNumber, unpackDouble, unpackSingle } from '../number.ts';

/** Reads a number in a memory format. */
export type Load = (context: FloatContext, number: FloatNumber, at: number) => void;

export const loadSingle: Load = ({ view }, number, at) => {
  unpackSingle(number, view.getInt32(at, true));
};

export const loadDouble: Load = ({ view }, number, at) => {
  unpackDouble(number, view.getInt32(at + 4, true), view.getInt32(at, true));
};

export const loadWord: Load = ({ view }, number, at) => {
  const value = view.getInt16(at, true);
  fromInteger(number, value >> 31, value);
};

export const loadDoubleword: Load = ({ view }, number, at) => {
  const value = view.getInt32(at, true);
  fromInteger(number, value >> 31, value);
};

export const loadQuadword: Load = ({ view }, number, at) => {
  fromInteger(number, view.getInt32(at + 4, true), view.getInt32(at, true));
};

/** By the operand sizes of the decode table. */
export const LOADS: ReadonlyMap<string, Load> = new Map([
  ['fs', loadSingle],
  ['fd', loadDouble],
  ['iw', loadWord],
  ['id', loadDoubleword],
  ['iq', loadQuadword],
]);
