/** The decode table: every encoding that this processor may know, in one list. */
import { encodedFeatureNames } from '../../hypervisor/x86-cpuid.ts';
import { MMX_SSE_INTEGER } from './mmx-sse-integer.ts';
import { ONE_BYTE } from './one-byte.ts';
import { type Encoding, parseRow } from './row.ts';
import { SSE_FLOAT } from './sse-float.ts';
import { THREE_BYTE } from './three-byte.ts';
import { TWO_BYTE } from './two-byte.ts';
import { X87 } from './x87.ts';

let parsed: readonly Encoding[] | undefined;

/** All rows. `encodings()[i].index` is i. Read on first use: a run of the model guest never pays. */
export function encodings(): readonly Encoding[] {
  parsed ??= [ONE_BYTE, TWO_BYTE, SSE_FLOAT, MMX_SSE_INTEGER, THREE_BYTE, X87]
    .flatMap((text) => text.split('\n'))
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map(parseRow);
  return parsed;
}

/**
 * The features of the table's `@` attributes that the processor has by design, which its CPUID shows.
 * VEX and EVEX encodings have no rows and raise #UD.
 */
export const BASE_FEATURES: ReadonlySet<string> = encodedFeatureNames();
