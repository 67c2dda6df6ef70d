import { guessGeneration } from '../boot/guess-generation.ts';
import type { BlockDevice } from '../storage/block.ts';
import { HOST_PROFILES, type HostName } from './profiles.ts';

/**
 * @param asked what the user said, if anything
 * @param first the image to boot from; undefined for the disk that is built in memory
 * @param withoutDisk what to say of a machine without one
 * @param needs devices that Generation 1 has alone
 * @returns the generation, and why, for people
 */
export function chooseGeneration(
  asked: 1 | 2 | undefined,
  host: HostName,
  first: BlockDevice | undefined,
  withoutDisk = 'no disk given: one in memory',
  needs: { readonly floppy?: boolean; readonly legacyAdapter?: boolean } = {},
): { readonly generation: 1 | 2; readonly reason: string } {
  if (asked !== undefined) return { generation: asked, reason: 'as asked for' };
  if (needs.floppy === true) return { generation: 1, reason: 'for its floppy drive' };
  if (needs.legacyAdapter === true) {
    return { generation: 1, reason: 'for its legacy network adapter' };
  }
  if (first !== undefined) return guessGeneration(first);
  const generation = HOST_PROFILES[host].hasGeneration2 ? 2 : 1;
  return { generation, reason: withoutDisk };
}
