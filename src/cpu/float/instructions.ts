/** Floating point and long SIMD instructions by row of the decode table: what the core calls. */
import { encodings } from '../table/table.ts';
import type { FloatContext, FloatInstruction } from './context.ts';
import { X87_INSTRUCTIONS } from './x87/table.ts';
import { SIMD_INSTRUCTIONS } from '../simd/table.ts';
import { SSE_INSTRUCTIONS } from './sse/table.ts';

let byRow: readonly (FloatInstruction | undefined)[] | undefined;

/**
 * By row index; undefined for rows that are neither floating point arithmetic nor one of simd/'s
 * (moves, logic, shuffles, packed integers).
 *
 * The caller has checked #UD and #NM, alignment, and #MF for rows of unit `mmx` and for SSE rows
 * with an MMX operand; it has translated memory operands and copied what is loaded to a scratch
 * buffer in the linear memory. After -1 it copies what was stored from there. All operands are
 * byte offsets in the linear memory:
 *
 *     SSE     destination: the first operand (a register of the state block); source: the second
 *             (register or scratch); argument: the immediate, with bit 8 for REX.W (PCMPESTRI), or
 *             for CVTSI2SS, CVTSS2SI and their kin the size of the general register or memory
 *             operand, 4 or 8. A general register as destination gets 8 bytes.
 *     CRC32   as SSE, argument: `Layout.words` or `Layout.wide` for sources of 2 and 8 bytes.
 *     x87     destination: where memory (or AX) is written; source: where memory is read, or
 *             EFLAGS for FCMOVcc; argument: the instruction's 11-bit opcode (low 3 bits of the
 *             first byte, then ModRM), which names ST(i), and for FNSTENV, FLDENV, FNSAVE, FRSTOR,
 *             FXSAVE and FXRSTOR bits of `Layout`. RIP and CS of the state block are the
 *             instruction's, and `FloatTransfer` has where its memory operand is.
 *
 * COMISS, FCOMI, PCMPISTRI and their kin leave CF, PF, AF, ZF, SF and OF in `FloatTransfer.flags`,
 * for the caller to merge.
 *
 * An exception that SSE raises leaves the destination as it was, with MXCSR's sticky flags set. One
 * of the x87 is raised by the next instruction that waits: #MF, whatever CR0.NE says, for there is no
 * wire from FERR# to IRQ 13 here.
 */
export function floatInstructions(): readonly (FloatInstruction | undefined)[] {
  byRow ??= encodings().map(({ unit, mnemonic, operands, code }) => {
    const names = operands.map(({ text }) => text).join(',') || '-';
    const simd = SIMD_INSTRUCTIONS.get(mnemonic) ?? SIMD_INSTRUCTIONS.get(`${mnemonic} ${names}`);
    if (simd !== undefined) return simd;
    if (unit === 'sse') return SSE_INSTRUCTIONS.get(mnemonic);
    const name = `${mnemonic} ${names}`;
    return X87_INSTRUCTIONS.get(`${name} ${code}`) ?? X87_INSTRUCTIONS.get(name);
  });
  return byRow;
}

/** @returns an exception vector, or -1. @throws if the row has no function. */
export function floatInstruction(
  context: FloatContext,
  row: number,
  destination: number,
  source: number,
  argument: number,
): number {
  return floatInstructions()[row]!(context, destination, source, argument);
}
