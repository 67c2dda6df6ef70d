import { GuestMemory } from '../../../src/core/memory.ts';
import type { LogicalUnit } from '../../../src/devices/scsi/logical-unit.ts';
import { DataDirection, ScsiTask } from '../../../src/devices/scsi/task.ts';
import type { GuestRanges } from '../../../src/vmbus/device.ts';

export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

export function unhex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  );
}

/** Guest memory at these positions and lengths of the linear memory, as one range. */
export function rangesOf(runs: readonly (readonly [number, number])[]): GuestRanges {
  return {
    offsets: Float64Array.from(runs, ([offset]) => offset),
    lengths: Float64Array.from(runs, ([, length]) => length),
    count: runs.length,
    rangeCount: runs.length > 0 ? 1 : 0,
    totalBytes: runs.reduce((sum, [, length]) => sum + length, 0),
  };
}

export interface ScsiAnswer {
  readonly srb: number;
  readonly scsi: number;
  /** "5/24/00", or '' without sense. */
  readonly sense: string;
  /** All sense bytes. */
  readonly senseBytes: Uint8Array;
  readonly transferred: number;
  /** What a data-in buffer holds afterwards, up to the transferred length. */
  readonly data: Uint8Array;
}

const memory = new GuestMemory({ ramBytes: 1 << 20, lowGapStart: 1 << 30 });

/** One mebibyte of guest memory, zeroed. There is only one, since making one takes milliseconds. */
export function emptyMemory(): GuestMemory {
  memory.u8.fill(0);
  return memory;
}

/** Runs commands against one logical unit, with its data in scattered guest memory. */
export class ScsiRunner {
  readonly memory = emptyMemory();
  readonly task = new ScsiTask(this.memory);
  readonly unit: LogicalUnit;

  constructor(unit: LogicalUnit) {
    this.unit = unit;
  }

  /** A command that fills up to `bytes` of guest memory. */
  in(cdb: string, bytes: number, runs: readonly (readonly [number, number])[] = []): ScsiAnswer {
    const used = runs.length > 0 ? runs : [[0x1000, bytes] as const];
    for (const [offset, length] of used) this.memory.u8.fill(0xee, offset, offset + length);
    return this.#run(cdb, DataDirection.in, used, bytes);
  }

  /** A command that takes these bytes from guest memory. */
  out(
    cdb: string,
    data: Uint8Array,
    runs: readonly (readonly [number, number])[] = [],
  ): ScsiAnswer {
    const used = runs.length > 0 ? runs : [[0x1000, data.length] as const];
    let from = 0;
    for (const [offset, length] of used) {
      this.memory.u8.set(data.subarray(from, from + length), offset);
      from += length;
    }
    return this.#run(cdb, DataDirection.out, used, data.length);
  }

  /** A command without data. */
  plain(cdb: string): ScsiAnswer {
    return this.#run(cdb, DataDirection.none, [], 0);
  }

  #run(
    cdb: string,
    direction: number,
    runs: readonly (readonly [number, number])[],
    length: number,
  ): ScsiAnswer {
    const { task } = this;
    task.begin();
    task.cdb.fill(0);
    task.cdb.set(unhex(cdb));
    task.direction = direction;
    task.data.attach(rangesOf(runs), length);
    this.unit.execute(task);
    const data = new Uint8Array(direction === DataDirection.in ? task.transferred : 0);
    task.data.read(0, data, 0, data.length);
    const [key, code, qualifier] = [task.sense[2]!, task.sense[12]!, task.sense[13]!];
    const two = (value: number): string => value.toString(16).padStart(2, '0');
    return {
      srb: task.srbStatus,
      scsi: task.scsiStatus,
      sense: task.senseLength > 0 ? `${key.toString(16)}/${two(code)}/${two(qualifier)}` : '',
      senseBytes: task.sense.slice(0, task.senseLength),
      transferred: task.transferred,
      data,
    };
  }
}

/** 16 big-endian hexadecimal digits. */
export function be64(value: number): string {
  return value.toString(16).padStart(16, '0');
}
