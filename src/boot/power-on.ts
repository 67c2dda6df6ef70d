import { ExitCode } from '../core/errors.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { ProcessorStart } from '../hypervisor/processor.ts';
import type { FirmwareDisk } from '../uefi/boot-devices.ts';
import type { Framebuffer } from '../uefi/system-table.ts';
import type { VariableStore } from '../uefi/variables.ts';
import type { AcpiOptions } from './acpi/options.ts';
import { bootBios } from './bios.ts';
import { bootDirect } from './direct.ts';
import { bootEfi } from './efi.ts';
import type { DirectKernel } from './kernel-file.ts';
import type { BootPhase, PhaseOptions } from './phases.ts';
import { PhaseLog } from './phases.ts';

/** A disk or DVD in the order in which firmware looks at it. */
export type BootDisk = FirmwareDisk;

export interface PowerOnOptions extends PhaseOptions {
  readonly generation: 1 | 2;
  readonly memory: GuestMemory;
  readonly disks: readonly BootDisk[];
  readonly dvds: readonly BootDisk[];
  /** Gen-1 only: the diskette in the drive, which is looked at last. */
  readonly floppy?: BootDisk;
  /** Gen-2 only: what the firmware set up for the console. */
  readonly framebuffer?: Framebuffer;
  /** Gen-2 only: preset variables such as BootOrder; changed by the boot. */
  readonly variables?: VariableStore;
  /** Loaded in place of what the disks hold. */
  readonly kernel?: DirectKernel;
  readonly processors: number;
  /** What the ACPI tables say beyond what this already knows. */
  readonly acpi: Omit<AcpiOptions, 'generation' | 'processorCount' | 'ram'>;
}

export interface BootStarted {
  readonly kind: 'started';
  readonly start: ProcessorStart;
  /** What it was loaded from; undefined for a kernel that was loaded without a boot loader. */
  readonly device: BootDisk | undefined;
  /** What was loaded and from where, for people. */
  readonly loader: string;
  readonly elapsedNs: number;
}

export interface BootStopped {
  readonly kind: 'stopped';
  /** The phase that was not completed. */
  readonly phase: BootPhase;
  readonly reason: string;
  readonly exitCode: ExitCode;
  readonly elapsedNs: number;
}

export type BootResult = BootStarted | BootStopped;

/**
 * From the power button to the point where the bootstrap processor can begin: firmware tables in
 * guest memory, boot device chosen, loader checked and loaded. What the user's disks lack ends in
 * `BootStopped`; nothing here throws for a bad image. A directly loaded kernel that is no good is the
 * user's mistake: InputError.
 */
export function powerOn(options: PowerOnOptions): BootResult {
  const log = new PhaseLog(options);
  if (options.kernel !== undefined) {
    const direct = bootDirect(options, options.kernel, log);
    return { kind: 'started', ...direct, device: undefined, elapsedNs: log.elapsedNs };
  }
  const result = options.generation === 2 ? bootEfi(options, log) : bootBios(options, log);
  if ('start' in result) return { kind: 'started', ...result, elapsedNs: log.elapsedNs };
  return {
    kind: 'stopped',
    ...result,
    exitCode: ExitCode.noBootDevice,
    elapsedNs: log.elapsedNs,
  };
}
