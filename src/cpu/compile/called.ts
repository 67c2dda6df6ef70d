/** Where functions of the guest begin, guessed from the stack. */
import type { Cpu } from '../cpu.ts';
import { currentBank } from '../mmu/access.ts';
import { lookUp } from '../mmu/tlb.ts';
import { Mode } from '../mode.ts';
import { CODE_BANKS, GPR, TlbEntry } from '../state.ts';

const RSP = 4;
const CALL_RELATIVE = 0xe8;
/** With a register or memory operand, if the ModRM byte's middle field is 2. */
const CALL_INDIRECT = 0xff;
/** Bytes of a call by a register or memory operand, without an index and wide displacement: 2 to 7. */
const LONGEST_CALL = 7;

/** Whether the return address on the stack stands after a call, which then probably led to RIP. */
export function isCalled(cpu: Cpu): boolean {
  const isWide = (cpu.mode & Mode.codeSizeMask) === Mode.code64;
  const bank = currentBank(cpu);
  const stack = isWide ? cpu.signed(GPR + 8 * RSP) : cpu.u32[(GPR + 8 * RSP) >> 2]!;
  const slot = lookUp(cpu, stack, bank, TlbEntry.readTag);
  if (slot < 0) return false;
  const returnsTo = isWide ? cpu.signed(slot) : cpu.u32[slot >> 2]!;
  const after = lookUp(cpu, returnsTo, bank + CODE_BANKS, TlbEntry.executeTag);
  if (after < 0 || (after & 0xfff) < LONGEST_CALL) return false;
  const { u8 } = cpu;
  if (u8[after - 5] === CALL_RELATIVE) return true;
  for (let length = 2; length <= LONGEST_CALL; length += 1) {
    const isCall = ((u8[after - length + 1]! >> 3) & 7) === 2;
    if (u8[after - length] === CALL_INDIRECT && isCall) return true;
  }
  return false;
}
