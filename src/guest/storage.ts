/** The guest's storage stack, put together: storvsc under CAM under GEOM, for each kernel anew. */
import { Cam } from './cam/transport.ts';
import { Geom } from './geom/geom.ts';
import { mountRoot, type BootDisk, type RootMount } from './geom/mountroot.ts';
import type { KernelApi, Task } from './kernel/api.ts';
import { storvscDriver } from './storvsc/driver.ts';
import type { GuestDriver } from './vmbus/api.ts';

export interface StorageOptions {
  /** The disk that firmware booted from; without it, the first one that has sectors. */
  readonly boot?: BootDisk;
  /** "scbus" number of the first controller: 2 on Gen-1, behind the emulated ATA channels. */
  readonly firstPathId?: number;
}

export interface StorageStack {
  readonly driver: GuestDriver;
  /** Waits for the disks and mounts the root. @returns false at the mountroot prompt */
  mountRoot(kernel: KernelApi): Task<boolean>;
  /** For inspection: of the kernel that booted last. */
  readonly cam: Cam | undefined;
  readonly geom: Geom | undefined;
  readonly root: RootMount | undefined;
}

export function createStorageStack(options: StorageOptions = {}): StorageStack {
  return new Stack(options);
}

class Stack implements StorageStack {
  readonly #options: StorageOptions;
  readonly driver: GuestDriver;
  cam: Cam | undefined;
  geom: Geom | undefined;
  root: RootMount | undefined;

  constructor(options: StorageOptions) {
    this.#options = options;
    this.driver = storvscDriver((kernel) => this.#camOf(kernel));
  }

  /** A reset makes a new kernel, which knows nothing of the old one's devices. */
  #camOf(kernel: KernelApi): Cam {
    if (this.cam?.kernel === kernel) return this.cam;
    const { firstPathId } = this.#options;
    this.cam = new Cam(kernel, firstPathId === undefined ? {} : { firstPathId });
    this.geom = new Geom(kernel);
    this.cam.diskListener = this.geom;
    this.root = undefined;
    return this.cam;
  }

  *mountRoot(kernel: KernelApi): Task<boolean> {
    const cam = this.#camOf(kernel);
    this.root = yield* mountRoot(kernel, cam, this.geom!, this.#options.boot);
    return this.root !== undefined;
  }
}
