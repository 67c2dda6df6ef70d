/**
 * Which exception an address that is not canonical raises: #SS(0) through SS, else #GP(0). Generated
 * code does not say through which segment it goes, so that the instruction is looked at afterwards.
 */
import type { Cpu } from '../cpu.ts';
import { Decoder, MAX_INSTRUCTION_BYTES } from '../decode/decode.ts';
import { Instruction } from '../decode/instruction.ts';
import { CpuException, NO_ERROR_CODE, Vector } from '../exception.ts';
import { fetchPosition, refusal } from '../mmu/access.ts';
import { isCanonical } from '../mmu/walk.ts';
import { codeSizeOf } from '../mode.ts';
import { GPR, SegmentIndex } from '../state.ts';
import { BASE_FEATURES, encodings } from '../table/table.ts';
import { linearOf } from './segments.ts';

const SP = 4;
const bytes = new Uint8Array(MAX_INSTRUCTION_BYTES);
const insn = new Instruction();
let decoder: Decoder | undefined;

/** Copies what can be fetched of the instruction at RIP. @returns how many bytes */
function fetchBytes(cpu: Cpu): number {
  const linear = linearOf(cpu, SegmentIndex.cs, cpu.rip);
  for (let index = 0; index < MAX_INSTRUCTION_BYTES; index += 1) {
    try {
      bytes[index] = cpu.u8[fetchPosition(cpu, linear + index)]!;
    } catch (error) {
      if (error instanceof CpuException) return index;
      throw error;
    }
  }
  return MAX_INSTRUCTION_BYTES;
}

function goesThroughStack(cpu: Cpu): boolean {
  decoder ??= new Decoder(BASE_FEATURES);
  if (decoder.decode(bytes, 0, fetchBytes(cpu), codeSizeOf(cpu.mode), insn) <= 0) return false;
  const usesStack = encodings()[insn.row]!.implicit.includes('sp');
  const hasOperand = insn.modRm >= 0 && insn.rm < 0;
  if (hasOperand && insn.segment === SegmentIndex.ss) return true;
  // PUSH and CALL through memory have two operands: RSP tells which of them it was.
  return usesStack && (!hasOperand || !isCanonical(cpu.signed(GPR + 8 * SP)));
}

/** Turns the #GP(0) of generated code's refused access into #SS(0), where that is right. */
export function settleRefusal(cpu: Cpu, exception: CpuException): void {
  const { isPending } = refusal;
  refusal.isPending = false;
  if (!isPending || exception.vector !== Vector.generalProtection) return;
  const { vector, errorCode } = exception;
  const isStack = goesThroughStack(cpu);
  exception.vector = isStack ? Vector.stackFault : vector;
  exception.errorCode = errorCode === NO_ERROR_CODE ? 0 : errorCode;
}
