import { VirtualClock } from '../../src/core/clock.ts';
import { GuestMemory } from '../../src/core/memory.ts';
import { Trace } from '../../src/core/trace.ts';
import type { BootResult, PowerOnOptions } from '../../src/boot/power-on.ts';
import { powerOn } from '../../src/boot/power-on.ts';
import type { BlockDevice } from '../../src/storage/block.ts';
import type { FirmwareDisk } from '../../src/uefi/boot-devices.ts';
import { leaveMemory, takeMemory } from '../../src/machine/memory-pool.ts';
import { afterwards } from '../support/afterwards.ts';

export const MIB = 1024 * 1024;
export const CONTROLLER = 'd9631af6-2a8e-4c5b-8dd2-1c0d1b2f3a4e';

export function disk(block: BlockDevice, target = 0, kind: 'disk' | 'dvd' = 'disk'): FirmwareDisk {
  return { block, kind, controllerId: CONTROLLER, target, lun: 0 };
}

export interface RigResult {
  readonly result: BootResult;
  readonly memory: GuestMemory;
  readonly clock: VirtualClock;
  /** "time phase" in order. */
  readonly phases: string[];
  readonly warnings: string[];
  readonly digest: string;
}

/** Until its test is over; then another one may have it. */
function bootMemory(ramBytes = 128 * MIB): GuestMemory {
  const memory = new GuestMemory({ ramBytes, lowGapStart: 0xf800_0000 }, takeMemory);
  afterwards(() => leaveMemory(memory));
  return memory;
}

/** Powers a machine on, with everything that the test does not name left ordinary. */
export function boot(
  options: Partial<PowerOnOptions> & { readonly generation: 1 | 2; readonly ramBytes?: number },
): RigResult {
  const clock = new VirtualClock();
  const trace = new Trace(clock);
  const memory = options.memory ?? bootMemory(options.ramBytes);
  const phases: string[] = [];
  const warnings: string[] = [];
  trace.subscribe((timeNs, type, _values, text) => {
    if (type.category === 'boot' && type.name === 'phase') {
      phases.push(`${Math.floor(timeNs / 1_000_000)} ms ${text}`);
    }
  });
  const result = powerOn({
    disks: [],
    dvds: [],
    processors: 2,
    acpi: {
      lowMmio: { start: 0xf800_0000, bytes: 0x6c0_0000 },
      highMmio: { start: 0xf_e000_0000, bytes: 0x2000_0000 },
      comPorts: [1],
      generationId: new Uint8Array(16).fill(7),
    },
    ...options,
    memory,
    trace,
    advance: (ns) => clock.set(clock.nowNs + ns),
    warn: (message) => warnings.push(message),
  });
  return { result, memory, clock, phases, warnings, digest: trace.digest };
}

/** The reason of a boot that stopped, with its phase. */
export function stop(rig: RigResult): string {
  if (rig.result.kind !== 'stopped') throw new Error(`it booted: ${rig.result.loader}`);
  return `${rig.result.phase}: ${rig.result.reason}`;
}
