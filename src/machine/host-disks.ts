/** Disks of the host itself, which a machine may get whole ("pass-through"): a pool with numbers. */
import { InputError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import type { BlockDevice } from '../storage/block.ts';
import { MemoryStore } from '../storage/memory-store.ts';
import { GptType } from '../storage/partitions/spec.ts';
import { writeGpt } from '../storage/partitions/write.ts';
import { openRaw } from '../storage/raw.ts';

/** Number 0 is the host's own boot disk. */
const FIRST_NUMBER = 1;
/** Microsoft's reserved partition on disks of less than 16 GiB. */
const RESERVED_BYTES = 32 * 1024 * 1024;

export interface HostDiskOptions {
  readonly sizeBytes: number;
  readonly name?: string;
  /** As a new disk comes from the host's disk management: GPT, Microsoft's partition. Default true. */
  readonly isInitialized?: boolean;
}

export class HostDisk {
  readonly number: number;
  readonly block: BlockDevice;
  /** The host uses it itself: no machine may. */
  isOnline = false;
  /** The machine that has it. */
  owner: string | undefined;

  constructor(number: number, block: BlockDevice) {
    this.number = number;
    this.block = block;
  }

  get name(): string {
    return `host disk ${this.number}`;
  }

  /** Gives it to a machine. @throws InputError when the host or another machine uses it */
  take(owner: string): BlockDevice {
    if (this.isOnline) throw new InputError(this.name, 'is online on the host; take it offline');
    if (this.owner !== undefined && this.owner !== owner) {
      throw new InputError(this.name, `is in use by ${this.owner}`);
    }
    this.owner = owner;
    return this.block;
  }

  release(): void {
    this.owner = undefined;
  }
}

export class HostDiskPool {
  readonly #disks: HostDisk[] = [];
  readonly #seed: bigint;

  /** @param seed for the GUIDs of the disks' tables */
  constructor(seed: bigint) {
    this.#seed = seed;
  }

  get disks(): readonly HostDisk[] {
    return this.#disks;
  }

  /** A disk that has been attached to the host: a local one, or one of a storage network. */
  attach(options: HostDiskOptions): HostDisk {
    const number = FIRST_NUMBER + this.#disks.length;
    const { sizeBytes, name = `host disk ${number}`, isInitialized = true } = options;
    const store = new MemoryStore(name, sizeBytes);
    const open = (): BlockDevice => openRaw(store, { readOnly: false, warn: () => undefined });
    if (isInitialized) {
      writeGpt(open(), {
        random: new Random(this.#seed, name),
        partitions: [{ typeGuid: GptType.microsoftReserved, sizeBytes: RESERVED_BYTES }],
      });
    }
    const disk = new HostDisk(number, open());
    this.#disks.push(disk);
    return disk;
  }
}
