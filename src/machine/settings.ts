import type { MachineConfig } from './machine.ts';

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
    | 'hasEmptyDrive'
    | 'adapters'
    | 'preset'
    | 'switches'
    | 'hostName'
  >
>;
