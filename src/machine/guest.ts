import type { Random } from '../core/random.ts';
import type { Stateful } from '../core/state.ts';
import type { Trace } from '../core/trace.ts';
import { commonDrivers } from '../guest/drivers.ts';
import { createModelGuest, type ModelGuest } from '../guest/model.ts';
import { createNetworkStack, type NetworkStack } from '../guest/network.ts';
import { createStorageStack, type StorageStack } from '../guest/storage.ts';
import type { PresetName, Switches } from '../guest/switches.ts';
import type { GuestDriver } from '../guest/vmbus/api.ts';
import type { ProcessorEngine } from '../hypervisor/processor.ts';
import type { PartitionProcessor } from '../hypervisor/virtual-processor.ts';
import type { FirmwareDisk } from '../uefi/boot-devices.ts';

/** FreeBSD numbers the emulated ATA channels of Gen-1 before the synthetic buses. */
const IDE_CHANNELS = 2;

/** What runs on a machine's processors; made anew by each power cycle. */
export interface Guest {
  /** One for each processor. */
  readonly engines: readonly ProcessorEngine[];
  /** How long a turn that begins then may be; undefined where turns are instants. */
  readonly quantumNs: ((startNs: number) => number) | undefined;
  /**
   * State of its own, beside guest memory. The model guest's is in its threads and cannot be taken out:
   * a snapshot of it is restored by running again.
   */
  readonly state: Stateful;
  /** The model guest from inside; undefined for a system that executes instructions. */
  readonly model: ModelStack | undefined;
}

/** The model guest's kernel with its stacks, for inspection. */
export interface ModelStack {
  readonly guest: ModelGuest;
  readonly storage: StorageStack;
  readonly network: NetworkStack;
}

export interface GuestOptions {
  readonly generation: 1 | 2;
  readonly processors: readonly PartitionProcessor[];
  readonly trace: Trace;
  readonly seed: Random;
}

/** What a machine's configuration says of the model guest. */
export interface ModelGuestConfig {
  /** Default: the newest. */
  readonly preset?: PresetName;
  readonly switches?: Partial<Switches>;
  /** rc.conf of its network: names and values. */
  readonly rcConf?: Readonly<Record<string, string>>;
  /** More drivers for its kernel, which asks them before its own. */
  readonly drivers?: readonly GuestDriver[];
}

export const DEFAULT_PRESET: PresetName = 'bis:modern';

const NO_STATE: Stateful = { exchange: () => undefined };

export function buildModelGuest(options: GuestOptions, config: ModelGuestConfig): Guest {
  const { generation, processors, trace, seed } = options;
  const { switches, rcConf, drivers, preset } = config;
  const storage = createStorageStack({ firstPathId: generation === 1 ? IDE_CHANNELS : 0 });
  const network = createNetworkStack(rcConf === undefined ? {} : { rcConf });
  const guest = createModelGuest({
    drivers: [...(drivers ?? []), storage.driver, network.driver, ...commonDrivers],
    pciDrivers: [storage.pciDriver, network.pciDriver],
    isaDrivers: [storage.isaDriver],
    mountRoot: (kernel) => storage.mountRoot(kernel),
    processors,
    trace,
    seed,
    preset: preset ?? DEFAULT_PRESET,
    ...(switches === undefined ? {} : { switches }),
  });
  return {
    engines: guest.engines,
    quantumNs: undefined,
    state: NO_STATE,
    model: { guest, storage, network },
  };
}

/** The loader's own knowledge of where it came from, which a kernel gets as its environment. */
export function tellBootDisk({ model }: Guest, disk: FirmwareDisk | undefined): void {
  if (model === undefined || disk === undefined || disk.kind === 'floppy') return;
  model.storage.boot = { instanceId: disk.controllerId, target: disk.target, lun: disk.lun };
}
