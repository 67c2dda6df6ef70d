/** What scenarios share: machines as small as they go, and a way to look into the model guest. */
import type { RunConfig, Vm, VmConfig } from 'synthvm';
import type { KvpDaemon } from '../../src/guest/ic/kvp-daemon.ts';
import type { Kernel } from '../../src/guest/kernel/kernel.ts';
import type { VmBus } from '../../src/guest/vmbus/bus.ts';
import type { Board } from '../../src/machine/board.ts';
import type { Machine } from '../../src/machine/machine.ts';

/** Generation 2, so that disks can all be synthetic. */
export const small = { generation: 2, memory: '64M', nics: 0 } as const satisfies VmConfig;

/** 10.2 as it was released, on the generation that it was made for. */
export const legacy = { ...small, generation: 1, guest: 'bis:10.2' } as const satisfies VmConfig;

/** The report's kernel of 2015. */
export const report = { ...small, generation: 1, guest: 'bis:2015q4' } as const satisfies VmConfig;

/**
 * What lets 10.2 find its root on every host: the Technical Preview shows it disks that are none, often as
 * da0 (1.14).
 */
export const findsRoot = { storvscMode: 'workaround' } as const satisfies VmConfig['set'];

/** What lets a 2015 kernel boot Generation 2. */
export const gen2Switches = {
  efiLoader: 'fixed',
  earlyTimecounter: true,
  vmbusAcpi: true,
  hvKbd: true,
} as const satisfies VmConfig['set'];

/** Hosts on which the i8254 strays. */
export const straying = {
  host: 'ws2012r2',
  hosts: ['ws2012', 'ws2012r2', 'ws2016tp'],
  hostsReason: "the host's i8254 does not stray",
} as const satisfies VmConfig & RunConfig;

/** Hosts of VSTOR 6.0 and before. */
export const before2016 = {
  host: 'ws2012r2',
  hosts: ['ws2012', 'ws2012r2'],
} as const satisfies VmConfig & RunConfig;

export interface Inside {
  readonly machine: Machine;
  readonly board: Board;
  readonly kernel: Kernel;
  readonly bus: VmBus;
}

/** The parts of a machine whose guest runs: for counters that no host sees. */
export function inside(vm: Vm): Inside {
  const machine = vm.internals as Machine;
  return { machine, board: machine.board, kernel: machine.guest.kernel!, bus: machine.guest.bus! };
}

/** Disks that CAM knows: "da0". */
export function diskNames(vm: Vm): string[] {
  return inside(vm).machine.storage.cam!.disks.map(({ name }) => name);
}

/** The guest's daemon of key-value pairs. */
export function kvpDaemon(vm: Vm): KvpDaemon {
  const states = inside(vm).bus.devices.map(
    ({ softState }) => softState as { readonly daemon?: KvpDaemon } | undefined,
  );
  return states.find((state) => state?.daemon !== undefined)!.daemon!;
}

/** Asks for the name of the guest's system. @returns how that ended, and after what time */
export async function askForName(
  vm: Vm,
): Promise<{ readonly outcome: string; readonly ms: number }> {
  const startNs = vm.time.ns;
  const { outcome } = await vm.integration.kvp.enumerate('auto', 5);
  return { outcome, ms: (vm.time.ns - startNs) / 1e6 };
}
