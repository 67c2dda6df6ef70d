import type { Random } from '../../src/core/random.ts';
import type { ByteStore } from '../../src/storage/block.ts';
import type { MemoryStore } from '../../src/storage/memory-store.ts';

interface Change {
  readonly position: number;
  readonly bytes: Uint8Array;
  /** A new size, which a cut may lose too. */
  readonly size?: number;
}

/**
 * A store whose power goes after so many writes. It remembers what was on the medium at the last
 * flush and every write since; a cut keeps any part of those, torn at any sector.
 */
export class PowerCutStore implements ByteStore {
  readonly name: string;
  readonly readOnly = false;
  /** What reads see: the medium and all writes. */
  readonly #live: MemoryStore;
  readonly #durable: MemoryStore;
  #pending: Change[] = [];
  /** Writes left until the power goes; the run goes on, but nothing more reaches the medium. */
  #left: number;

  constructor(start: MemoryStore, writes: number) {
    this.name = start.name;
    this.#live = start.copy();
    this.#durable = start.copy();
    this.#left = writes;
  }

  get sizeBytes(): number {
    return this.#live.sizeBytes;
  }

  get powered(): boolean {
    return this.#left > 0;
  }

  read(position: number, target: Uint8Array, start: number, length: number): void {
    this.#live.read(position, target, start, length);
  }

  write(position: number, source: Uint8Array, start: number, length: number): void {
    this.#live.write(position, source, start, length);
    if (this.#left === 0) return;
    this.#left -= 1;
    this.#pending.push({ position, bytes: source.slice(start, start + length) });
  }

  resize(size: number): void {
    this.#live.resize(size);
    if (this.#left > 0) this.#pending.push({ position: 0, bytes: new Uint8Array(), size });
  }

  flush(): void {
    if (this.#left === 0) return;
    for (const change of this.#pending) this.#apply(change);
    this.#pending = [];
  }

  close(): void {}

  /** The program died, not the power: the host still has all that it was given. */
  keepAll(): void {
    for (const change of this.#pending) this.#apply(change);
    this.#pending = [];
  }

  /** The medium after the cut. */
  cut(random: Random): MemoryStore {
    for (const change of this.#pending) this.#apply(change, () => random.below(2) === 1);
    return this.#durable;
  }

  /** @param keep asked for each sector whether it reached the medium; all did when left out */
  #apply(change: Change, keep?: () => boolean): void {
    if (change.size !== undefined && (keep === undefined || keep())) {
      this.#durable.resize(change.size);
    }
    if (keep === undefined) {
      this.#durable.write(change.position, change.bytes, 0, change.bytes.length);
      return;
    }
    let at = 0;
    while (at < change.bytes.length) {
      const length = Math.min(change.bytes.length - at, 512 - ((change.position + at) % 512));
      if (keep()) this.#durable.write(change.position + at, change.bytes, at, length);
      at += length;
    }
  }
}
