/** FBLD and FBSTP: 18 packed decimal digits and a sign (SDM volume 1, 4.7). */
import { type FloatContext, FloatFault } from '../context.ts';
import { toInteger } from '../integer.ts';
import { Kind } from '../number.ts';
import { push } from './transfer.ts';
import {
  begin,
  end,
  hasRoom,
  isEmpty,
  isStopped,
  loadRegister,
  pop,
  stackUnderflow,
} from './state.ts';
import { FloatFlag } from '../environment.ts';

const DIGIT_BYTES = 9;
const SIGN_BYTE = 9;
const LIMIT = 10n ** 18n;
const WORD = 0xffff_ffffn;

/** Nibbles above 9 count with their value, as they do on processors. */
export function loadDecimal(context: FloatContext, _destination: number, source: number): number {
  begin(context);
  if (hasRoom(context)) {
    const { u8, result } = context;
    let value = 0n;
    for (let i = DIGIT_BYTES - 1; i >= 0; i--) {
      const byte = u8[source + i]!;
      value = value * 100n + BigInt((byte >> 4) * 10 + (byte & 0xf));
    }
    const sign = u8[source + SIGN_BYTE]! >> 7;
    result.setFinite(sign, 63, Number(value >> 32n) | 0, Number(value & WORD) | 0);
    push(context);
  }
  end(context);
  return FloatFault.none;
}

/** Writes the packed decimal indefinite. */
function writeIndefinite({ u8 }: FloatContext, at: number): void {
  u8.fill(0, at, at + 7);
  u8[at + 7] = 0xc0;
  u8.fill(0xff, at + 8, at + 10);
}

export function storeDecimal(context: FloatContext, destination: number): number {
  const environment = begin(context);
  const { result, u8 } = context;
  let sign = 0;
  let fits = false;
  let value = 0n;
  if (isEmpty(context, 0)) stackUnderflow(context);
  else {
    loadRegister(context, result, 0);
    ({ sign } = result);
    if (result.kind < Kind.infinity) {
      const { flags } = environment;
      result.sign = 0;
      if (sign !== 0) environment.rounding = [0, 2, 1, 3][environment.rounding]!;
      fits = toInteger(environment, result, 64);
      value = (BigInt(result.high >>> 0) << 32n) | BigInt(result.low >>> 0);
      if (value >= LIMIT) {
        fits = false;
        environment.flags = flags;
        environment.roundedUp = false;
      }
    }
    if (!fits) environment.flags |= FloatFlag.invalid;
  }
  if (!isStopped(context)) {
    if (fits) {
      for (let i = 0; i < DIGIT_BYTES; i++) {
        const pair = Number(value % 100n);
        value /= 100n;
        u8[destination + i] = (Math.trunc(pair / 10) << 4) | (pair % 10);
      }
      u8[destination + SIGN_BYTE] = sign << 7;
    } else writeIndefinite(context, destination);
    pop(context);
  }
  end(context);
  return FloatFault.none;
}
