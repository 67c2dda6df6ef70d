/** The guest's storage stack, put together: storvsc under CAM under GEOM, for each kernel anew. */
import { ataPciDriver } from './ata/controller.ts';
import { hexdumpCommand } from './cam/hexdump.ts';
import { floppyDriver } from './fdc/driver.ts';
import { diskCommands } from './fs/disk-commands.ts';
import { fileCommands } from './fs/file-commands.ts';
import { Vfs } from './fs/vfs.ts';
import { Cam } from './cam/transport.ts';
import { Geom } from './geom/geom.ts';
import { mountRoot, type BootDisk, type RootMount } from './geom/mountroot.ts';
import type { IsaDriver } from './isa/bus.ts';
import type { KernelApi, Task } from './kernel/api.ts';
import type { PciDriver } from './pci/bus.ts';
import { storvscDriver } from './storvsc/driver.ts';
import type { GuestDriver } from './vmbus/api.ts';

export interface StorageOptions {
  readonly boot?: BootDisk;
  /** "scbus" number of the first controller: 2 on Gen-1, behind the emulated ATA channels. */
  readonly firstPathId?: number;
}

export interface StorageStack {
  readonly driver: GuestDriver;
  /** For the emulated IDE controller of Gen-1. */
  readonly pciDriver: PciDriver;
  /** For its floppy controller. */
  readonly isaDriver: IsaDriver;
  /** Waits for the disks and mounts the root. @returns false at the mountroot prompt */
  mountRoot(kernel: KernelApi): Task<boolean>;
  /**
   * The disk that firmware booted from, as a loader tells its kernel. Without it the first disk that
   * can hold a root is taken. May be set until the guest mounts its root.
   */
  boot: BootDisk | undefined;
  /** For inspection: of the kernel that booted last. */
  readonly cam: Cam | undefined;
  readonly geom: Geom | undefined;
  readonly root: RootMount | undefined;
}

export function createStorageStack(options: StorageOptions = {}): StorageStack {
  return new Stack(options);
}

class Stack implements StorageStack {
  readonly #firstPathId: number;
  readonly driver: GuestDriver;
  readonly pciDriver: PciDriver;
  readonly isaDriver: IsaDriver;
  boot: BootDisk | undefined;
  cam: Cam | undefined;
  geom: Geom | undefined;
  root: RootMount | undefined;

  constructor(options: StorageOptions) {
    this.#firstPathId = options.firstPathId ?? 0;
    this.boot = options.boot;
    this.driver = storvscDriver((kernel) => this.#camOf(kernel));
    this.pciDriver = ataPciDriver((kernel) => this.#camOf(kernel));
    this.isaDriver = floppyDriver((kernel, disk) => {
      this.#camOf(kernel);
      this.geom?.added(disk);
    });
  }

  /** A reset makes a new kernel, which knows nothing of the old one's devices. */
  #camOf(kernel: KernelApi): Cam {
    if (this.cam?.kernel === kernel) return this.cam;
    this.cam = new Cam(kernel, { firstPathId: this.#firstPathId });
    kernel.addCommand(hexdumpCommand(this.cam));
    this.geom = new Geom(kernel);
    this.cam.diskListener = this.geom;
    this.root = undefined;
    const vfs = new Vfs(kernel, this.geom, () => this.root);
    kernel.userland.files = vfs;
    for (const command of [...fileCommands(vfs), ...diskCommands(vfs)]) kernel.addCommand(command);
    return this.cam;
  }

  *mountRoot(kernel: KernelApi): Task<boolean> {
    const cam = this.#camOf(kernel);
    this.root = yield* mountRoot(kernel, cam, this.geom!, this.boot);
    return this.root !== undefined;
  }
}
