import { InputError } from '../core/errors.ts';
import { GuestMemory, type MemoryLayout } from '../core/memory.ts';
import { privateBytes } from '../cpu/state.ts';
import { FRAMEBUFFER, LOW_MMIO_START } from './layout.ts';
import type { MachineConfig } from './config.ts';
import { dropMemories, leaveMemory, takeMemory } from './memory-pool.ts';

const FOUR_GIB = 0x1_0000_0000;

/** Where RAM ends below 4 GiB and devices take addresses from. */
export function lowGapStart({ lowGapBytes = 0 }: MachineConfig): number {
  return Math.min(LOW_MMIO_START, FOUR_GIB - lowGapBytes);
}

/**
 * Memories of machines that are gone, which know where they were written. They are not ended as those of
 * the pool are: every new buffer counts as so much garbage to come, for which the engine collects, so that
 * a thousand boots would take a third longer. A machine that is gone answers with an error instead.
 */
const idle: GuestMemory[] = [];
const MAX_IDLE = 4;
/** What each was made for, as text to compare. */
const layouts = new WeakMap<GuestMemory, string>();

/** Takes the memory of a machine that nobody uses any more, for the next one of its size. */
export function recycleMemory(memory: GuestMemory): void {
  if (!memory.isClearable) {
    leaveMemory(memory);
    return;
  }
  memory.clear();
  idle.push(memory);
  if (idle.length > MAX_IDLE) idle.shift();
}

/**
 * Guest memory, all zeros: that of a machine that is gone, or new. When the host says no at first, what
 * dropped machines hold is collected.
 */
export function allocateMemory(config: MachineConfig): GuestMemory {
  const { memoryBytes: ramBytes, processors, x86 } = config;
  const layout: MemoryLayout = {
    ramBytes,
    privateBytes: x86 === undefined ? 0 : privateBytes(processors),
    isLinear: x86 !== undefined,
    lowGapStart: lowGapStart(config),
    extra: [{ name: 'framebuffer', ...FRAMEBUFFER }],
  };
  const text = JSON.stringify(layout);
  const known = idle.findLastIndex((memory) => layouts.get(memory) === text);
  const memory = known >= 0 ? idle.splice(known, 1)[0]! : create(layout);
  layouts.set(memory, text);
  return memory;
}

function create(layout: MemoryLayout): GuestMemory {
  try {
    return new GuestMemory(layout, takeMemory);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  idle.length = 0;
  dropMemories();
  Bun.gc(true);
  try {
    return new GuestMemory(layout, takeMemory);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const megabytes = layout.ramBytes / (1024 * 1024);
    throw new InputError('memory', `this computer cannot give the guest ${megabytes} MiB of RAM`);
  }
}
