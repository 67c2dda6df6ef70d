import type { FirmwareStart } from '../hypervisor/processor.ts';
import type { BootFailure, FirmwareDisk } from '../uefi/boot-devices.ts';
import type { BootPhase } from './phases.ts';

/** How firmware of either kind ends; `powerOn` adds the time. */
export type FirmwareOutcome =
  | { readonly start: FirmwareStart; readonly device: FirmwareDisk; readonly loader: string }
  | { readonly phase: BootPhase; readonly reason: string };

/**
 * Nothing boots: the furthest phase that any candidate reached, and why each one is no good. A
 * single candidate needs no list.
 */
export function nothingBoots(failures: readonly BootFailure[]): FirmwareOutcome {
  if (failures.length === 0) {
    return { phase: 'boot-device', reason: 'no boot device: the machine has no disk and no DVD' };
  }
  const isLoader = failures.some((failure) => failure.hasLoader);
  const reasons = failures.map(({ label, reason }) => `${label}: ${reason}`).join('; ');
  const phase = isLoader ? 'loader' : 'boot-device';
  return { phase, reason: isLoader ? reasons : `no boot device: ${reasons}` };
}
