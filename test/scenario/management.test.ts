/** Checkpoints, exports and copies of a machine that is off. */
import { describe, expect, it } from 'vitest';
import { createDefaultDisk } from '../../src/boot/default-disk.ts';
import { VmManager } from '../../src/scenario/management.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { BlockDevice } from '../../src/storage/block.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { openRaw } from '../../src/storage/raw.ts';
import { machineForTest } from '../support/run.ts';

const MIB = 1024 * 1024;

function managed(
  name = 'vm',
  image?: BlockDevice,
): { readonly machine: Machine; readonly manager: VmManager } {
  const store = new MemoryStore('disk', 8 * MIB);
  const machine = machineForTest({
    generation: 2,
    host: 'ws2022',
    memoryBytes: 64 * MIB,
    processors: 1,
    seed: 1n,
    preset: 'bis:modern',
    disks: [image ?? openRaw(store, { readOnly: false, warn: () => undefined })],
    adapters: [{}],
  });
  return { machine, manager: new VmManager(name, machine) };
}

const disk = ({ settings }: Machine): BlockDevice => settings.disks![0]!;
const write = (machine: Machine, value: number): void =>
  disk(machine).write(0, new Uint8Array(512).fill(value), 0, 512);
function read(machine: Machine): number {
  const sector = new Uint8Array(512);
  disk(machine).read(0, sector, 0, 512);
  return sector[0]!;
}

describe('checkpoints', () => {
  it('give the disks back as they were, as often as one likes', () => {
    const { machine, manager } = managed();
    write(machine, 1);
    manager.take('one');
    write(machine, 2);
    manager.take('two');
    write(machine, 3);
    manager.apply('one');
    expect(read(machine)).toBe(1);
    write(machine, 4);
    manager.apply('two');
    expect(read(machine)).toBe(2);
    manager.apply('one');
    expect(read(machine)).toBe(1);
    expect(manager.checkpoints).toEqual(['one', 'two']);
  });

  it('leave what stands above them when they are deleted', () => {
    const { machine, manager } = managed();
    write(machine, 1);
    manager.take('one');
    manager.delete('one');
    expect(read(machine)).toBe(1);
    expect(() => manager.apply('one')).toThrow('has no checkpoint "one"; there are none');
  });

  it('have names of their own, and are taken while the machine is off', () => {
    const bootable = createDefaultDisk({ generation: 2, sizeBytes: 256 * MIB });
    const { machine, manager } = managed('vm', bootable);
    manager.take('one');
    expect(() => manager.take('one')).toThrow('has a checkpoint "one" already');
    expect(() => manager.delete('two')).toThrow('there are one');
    machine.powerOn();
    expect(() => manager.take('two')).toThrow('is on: a checkpoint is taken while it is off');
    expect(() => manager.export()).toThrow('is on: it is exported while it is off');
  });
});

describe('an export', () => {
  it('is the machine as it was, checkpoints included; its copies go ways of their own', () => {
    const original = managed();
    write(original.machine, 1);
    original.manager.take('one');
    write(original.machine, 2);
    const exported = original.manager.export();
    write(original.machine, 3);
    const copies = [managed('left'), managed('right')];
    for (const [index, { machine, manager }] of copies.entries()) {
      manager.import(exported, BigInt(index));
      expect(read(machine)).toBe(2);
      write(machine, 10 + index);
      expect(manager.checkpoints).toEqual(['one']);
    }
    const machines = [original.machine, ...copies.map(({ machine }) => machine)];
    expect(machines.map(read)).toEqual([3, 10, 11]);
    copies[0]!.manager.apply('one');
    expect(machines.map(read)).toEqual([3, 1, 11]);
    const macs = copies.map(({ machine }) => String(machine.settings.adapters![0]!.mac));
    expect(new Set(macs).size).toBe(2);
  });

  it('is what `export` gave, and nothing else', () => {
    const { manager } = managed();
    expect(() => manager.import({ checkpoints: [] } as never, 1n)).toThrow('that is no export');
  });
});
