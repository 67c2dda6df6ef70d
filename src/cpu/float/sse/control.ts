/** LDMXCSR and STMXCSR (SDM volume 1, 10.2.3). */
import { type FloatContext, FloatFault } from '../context.ts';
import { MXCSR } from '../../state.ts';
import { MxcsrBit } from './lanes.ts';

/** #GP if a bit is set that does not exist. Setting an unmasked flag raises nothing by itself. */
export function loadControl(context: FloatContext, _destination: number, source: number): number {
  const value = context.view.getUint32(source, true);
  if ((value & ~MxcsrBit.defined) !== 0) return FloatFault.generalProtection;
  context.view.setUint32(MXCSR, value, true);
  return FloatFault.none;
}

export function storeControl(context: FloatContext, destination: number): number {
  context.view.setUint32(destination, context.view.getUint32(MXCSR, true), true);
  return FloatFault.none;
}
