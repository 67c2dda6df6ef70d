import { InputError } from '../core/errors.ts';
import { GuestMemory } from '../core/memory.ts';
import { privateBytes } from '../cpu/state.ts';
import { FRAMEBUFFER, LOW_MMIO_START } from './layout.ts';
import type { MachineConfig } from './config.ts';
import { dropMemories, takeMemory } from './memory-pool.ts';

const FOUR_GIB = 0x1_0000_0000;

/** Where RAM ends below 4 GiB and devices take addresses from. */
export function lowGapStart({ lowGapBytes = 0 }: MachineConfig): number {
  return Math.min(LOW_MMIO_START, FOUR_GIB - lowGapBytes);
}

/** Guest memory, after a collection of what dropped machines hold when the host says no at first. */
export function allocateMemory(config: MachineConfig): GuestMemory {
  const { memoryBytes: ramBytes, processors, x86 } = config;
  const layout = {
    ramBytes,
    privateBytes: x86 === undefined ? 0 : privateBytes(processors),
    isLinear: x86 !== undefined,
    lowGapStart: lowGapStart(config),
    extra: [{ name: 'framebuffer', ...FRAMEBUFFER }],
  };
  try {
    return new GuestMemory(layout, takeMemory);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  dropMemories();
  Bun.gc(true);
  try {
    return new GuestMemory(layout, takeMemory);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const megabytes = ramBytes / (1024 * 1024);
    throw new InputError('memory', `this computer cannot give the guest ${megabytes} MiB of RAM`);
  }
}
