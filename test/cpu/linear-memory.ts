/**
 * Memories that generated code can work on. The engine collects all of its garbage before it gives one
 * beside a few that are alive: those of tests that are over serve the next ones.
 */
import type { GuestMemory } from '../../src/core/memory.ts';
import { afterwards } from '../support/afterwards.ts';
import { RAM_BYTES, rigMemory } from './rig.ts';

const idle: GuestMemory[] = [];

/** All zeros, and the caller's until its test is over, or its file, if no test calls. */
export function linearMemory(ramBytes = RAM_BYTES): GuestMemory {
  const index = idle.findIndex((memory) => memory.ramBytes === ramBytes);
  const [memory = rigMemory(true, ramBytes)] = index < 0 ? [] : idle.splice(index, 1);
  memory.u8.fill(0);
  afterwards(() => idle.push(memory));
  return memory;
}
