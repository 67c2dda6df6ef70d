/** What the traits of a table row demand of the processor's state, in one place. */
import { type Cpu, Cr0, Cr4, Eflags } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { Mode } from '../mode.ts';
import { Trait } from '../table/row.ts';

const CHECKED =
  Trait.cpl0 |
  Trait.iopl |
  Trait.pe |
  Trait.vm |
  Trait.umip |
  Trait.tsd |
  Trait.pce |
  Trait.wait |
  Trait.smm;

/** Whether any trait of the row needs {@link checkPrivilege}. */
export function needsPrivilege(traits: number): boolean {
  return (traits & CHECKED) !== 0;
}

export function ioPrivilege(cpu: Cpu): number {
  return (cpu.systemFlags & Eflags.iopl) >> 12;
}

/**
 * Raises what an instruction raises before it does anything: #UD for its mode, #GP(0) for the
 * privilege level, #NM for WAIT. Port instructions check their port themselves.
 * @param traits of the row
 */
export function checkPrivilege(cpu: Cpu, traits: number): void {
  if ((traits & CHECKED) === 0) return;
  if ((traits & Trait.smm) !== 0) raise(Vector.invalidOpcode);
  if ((traits & Trait.pe) !== 0 && (cpu.mode & Mode.protected) === 0) {
    // SYSENTER and SYSEXIT, the only ones of these that jump, are #GP(0) in real mode.
    if ((traits & Trait.branch) !== 0) raise(Vector.generalProtection, 0);
    raise(Vector.invalidOpcode);
  }
  const { cpl, cr4 } = cpu;
  let isAllowed = true;
  if (cpl > 0) {
    if ((traits & Trait.cpl0) !== 0) isAllowed = false;
    if ((traits & Trait.umip) !== 0 && (cr4 & Cr4.umip) !== 0) isAllowed = false;
    if ((traits & Trait.tsd) !== 0 && (cr4 & Cr4.tsd) !== 0) isAllowed = false;
    if ((traits & Trait.pce) !== 0 && (cr4 & Cr4.pce) === 0) isAllowed = false;
    if ((traits & Trait.iopl) !== 0 && cpl > ioPrivilege(cpu)) isAllowed = false;
    const isVirtual = (cpu.systemFlags & Eflags.vm) !== 0;
    if ((traits & Trait.vm) !== 0 && isVirtual && ioPrivilege(cpu) < 3) isAllowed = false;
  }
  if (!isAllowed) raise(Vector.generalProtection, 0);
  const waits = Cr0.mp | Cr0.ts;
  if ((traits & Trait.wait) !== 0 && (cpu.cr0 & waits) === waits) raise(Vector.deviceNotAvailable);
}
