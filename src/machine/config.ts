/** What a machine is made of. */
import type { VirtualClock } from '../core/clock.ts';
import type { EventQueue } from '../core/events.ts';
import { StateError } from '../core/state.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { DiskPlace } from './disk-places.ts';
import { DEFAULT_PRESET, type ModelGuestConfig } from './guest.ts';
import type { AdapterConfig } from './network.ts';
import type { Perturbation } from './perturbation.ts';
import type { HostName, HostProfile } from './profiles.ts';
import type { X86Config } from './x86-guest.ts';

/** What the machines of one run share. */
export interface World {
  readonly clock: VirtualClock;
  readonly events: EventQueue;
}

/** A machine before its first power-on. Disks belong to the caller, who closes them. */
export interface MachineConfig extends ModelGuestConfig {
  readonly generation: 1 | 2;
  readonly host: HostName;
  /** What this host does otherwise than others of its name. */
  readonly hostProfile?: Partial<HostProfile>;
  /** RAM, a multiple of 1 MiB, at least 64 MiB and below the low MMIO window. */
  readonly memoryBytes: number;
  readonly processors: number;
  /** 64 bits. */
  readonly seed: bigint;
  /** The boot disk first; none for one that is built in memory, which only the model guest gets. */
  readonly disks: readonly BlockDevice[];
  /** Where the disks are, by index; without one a disk goes where Hyper-V puts it. */
  readonly diskPlaces?: readonly (DiskPlace | undefined)[];
  readonly dvds?: readonly BlockDevice[];
  /** Gen-1: the diskette in drive A:, of a size that `checkFloppy` knows. */
  readonly floppy?: BlockDevice | undefined;
  /** Gen-1: a DVD drive is there without a disc, too. Default true. */
  readonly hasEmptyDrive?: boolean;
  /** From the end of RAM below 4 GiB to there, a multiple of 64 KiB; default and least 128 MiB. */
  readonly lowGapBytes?: number;
  /** Synthetic network adapters on a switch of the machine's own; default 1. */
  readonly networkAdapters?: number;
  /** Emulated ones behind them, of Generation 1; default none. */
  readonly legacyAdapters?: number;
  /** The adapters one by one, in place of a number. */
  readonly adapters?: readonly AdapterConfig[];
  /** The run that this machine takes part in with others; see topology.ts. */
  readonly world?: World;
  /** An unmodified system in place of the model guest. */
  readonly x86?: X86Config;
  /** The host tells the guest its name and what it is, by key-value pairs; without it, nothing. */
  readonly hostName?: string;
  /** Delays what processors and host do, by a seed. */
  readonly perturbation?: Perturbation | undefined;
  /** Hears what is odd about an image but does not stop the boot. */
  readonly warn?: (message: string) => void;
}

/** What the run is a function of, in a line. */
export function describeGuest({ host, preset, switches, x86 }: MachineConfig): string {
  if (x86 !== undefined) return `${host} x86-64 ${x86.kernel.commandLine}`;
  const changes = Object.entries(switches ?? {}).map((entry) => entry.join('='));
  return [host, preset ?? DEFAULT_PRESET, ...changes].join(' ');
}

/** What may be changed between two power cycles. */
export type MachineSettings = Partial<
  Pick<
    MachineConfig,
    | 'host'
    | 'hostProfile'
    | 'memoryBytes'
    | 'lowGapBytes'
    | 'processors'
    | 'disks'
    | 'diskPlaces'
    | 'dvds'
    | 'floppy'
    | 'hasEmptyDrive'
    | 'adapters'
    | 'preset'
    | 'switches'
    | 'hostName'
  >
>;

/**
 * @param isAlone whether no other machine is on its networks
 * @throws StateError for a machine whose state is not its own
 */
export function checkSavable({ world, perturbation }: MachineConfig, isAlone: boolean): void {
  if (perturbation !== undefined) {
    throw new StateError('a machine that is disturbed by a seed cannot be saved');
  }
  if (world !== undefined || !isAlone) {
    throw new StateError('a machine that shares its run with others cannot be saved alone');
  }
}
