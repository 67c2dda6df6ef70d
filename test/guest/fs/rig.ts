/** A guest's disks, GEOM and files without a machine around them, driven by the shell's programs. */
import { Geom } from '../../../src/guest/geom/geom.ts';
import type { RootMount } from '../../../src/guest/geom/mountroot.ts';
import { diskCommands } from '../../../src/guest/fs/disk-commands.ts';
import { fileCommands } from '../../../src/guest/fs/file-commands.ts';
import { Vfs } from '../../../src/guest/fs/vfs.ts';
import type { Task } from '../../../src/guest/kernel/api.ts';
import { newFileSystem } from '../../../src/guest/ufs/geometry.ts';
import { parseLine } from '../../../src/guest/user/shell.ts';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { MemoryStore } from '../../../src/storage/memory-store.ts';
import { openRaw } from '../../../src/storage/raw.ts';
import type { BlockDevice } from '../../../src/storage/block.ts';
import { Bench } from '../storvsc/bench.ts';
import { flavours } from '../storvsc/hosts.ts';

const MIB = 1024 * 1024;

export function memoryDisk(sizeBytes: number): { store: MemoryStore; block: BlockDevice } {
  const store = new MemoryStore('disk', sizeBytes);
  return { store, block: openRaw(store, { readOnly: false, warn: () => {} }) };
}

export function contentOf(store: MemoryStore): Uint8Array {
  const bytes = new Uint8Array(store.sizeBytes);
  store.read(0, bytes, 0, bytes.length);
  return bytes;
}

/** `da0` is a whole-disk root of 64 MiB; the disks that are given follow it. */
export class FileRig {
  readonly bench = new Bench();
  readonly geom: Geom;
  readonly vfs: Vfs;

  constructor(disks: readonly BlockDevice[]) {
    const { kernel, cam } = this.bench;
    this.geom = new Geom(kernel);
    cam.diskListener = this.geom;
    const root = memoryDisk(64 * MIB).block;
    for (const { at, bytes } of newFileSystem({
      sizeBytes: root.sizeBytes,
      sectorBytes: 512,
      hasSoftUpdates: true,
      time: 0,
      id: [1, 2],
    })) {
      root.write(at, bytes, 0, bytes.length);
    }
    const luns = [root, ...disks].map((block, lun) => ({
      address: { target: 0, lun },
      unit: new ScsiDisk(block),
    }));
    this.bench.plug({ profile: flavours.ws2016, luns });
    kernel.settle();
    const disk = cam.disks[0]!;
    const mount: RootMount = {
      fileSystem: 'ufs',
      device: 'da0',
      disk,
      options: 'rw',
      superblock: 'UFS2',
      firstLba: 0,
      sectors: disk.sectors,
    };
    this.vfs = new Vfs(kernel, this.geom, () => mount);
    for (const command of [...fileCommands(this.vfs), ...diskCommands(this.vfs)]) {
      kernel.addCommand(command);
    }
  }

  /** Runs programs, one after the other. @returns what they printed; throws when one fails */
  sh(...lines: string[]): string {
    let output = '';
    for (const line of lines) {
      const { status, text } = this.try(line);
      if (status !== 0) throw new Error(`${line}: status ${status}: ${text}`);
      output += text;
    }
    return output;
  }

  try(line: string): { readonly status: number; readonly text: string } {
    const { kernel } = this.bench;
    kernel.text = '';
    const steps = parseLine(line);
    if (typeof steps === 'string') throw new Error(steps);
    let status = 0;
    for (const { words } of steps) {
      const command = kernel.commands.find(({ name }) => name === words[0]);
      if (command === undefined) throw new Error(`no program ${words[0] ?? ''}`);
      status = kernel.run(command.run(words)) ?? 0;
    }
    return { status, text: kernel.text };
  }

  /** Puts bytes into a file. */
  put(path: string, bytes: Uint8Array): void {
    const { vfs } = this;
    const body = function* (): Task {
      const { mount, node } = yield* vfs.createFile(path);
      yield* mount.fileSystem.write(node, 0, bytes);
    };
    this.bench.kernel.run(body());
  }

  get(path: string): Uint8Array {
    const { vfs } = this;
    const body = function* (): Task<Uint8Array> {
      const { mount, node } = yield* vfs.find(path);
      return yield* mount.fileSystem.read(node, 0, node.sizeBytes);
    };
    return this.bench.kernel.run(body());
  }
}
