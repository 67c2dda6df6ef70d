import { Cam } from '../guest/cam/transport.ts';
import { Geom } from '../guest/geom/geom.ts';
import { mountRoot } from '../guest/geom/mountroot.ts';
import type { KernelApi } from '../guest/kernel/api.ts';
import { createModelGuest, type ModelGuest, type ModelGuestOptions } from '../guest/model.ts';
import { storvscDriver } from '../guest/storvsc/driver.ts';

interface StorageStack {
  readonly cam: Cam;
  readonly geom: Geom;
}

/** 10.2 numbers the two emulated ATA channels before the synthetic buses. */
const LEGACY_FIRST_BUS = 2;

/** The model guest with its storage drivers. Every boot makes a kernel, and with it a new stack. */
export function assembleModelGuest(
  options: Omit<ModelGuestOptions, 'drivers' | 'mountRoot'>,
): ModelGuest {
  const stacks = new WeakMap<KernelApi, StorageStack>();
  const stackOf = (kernel: KernelApi): StorageStack => {
    let stack = stacks.get(kernel);
    if (stack === undefined) {
      const isLegacy = kernel.switches.release === 'legacy';
      const cam = new Cam(kernel, { firstPathId: isLegacy ? LEGACY_FIRST_BUS : 0 });
      const geom = new Geom(kernel);
      cam.diskListener = geom;
      stack = { cam, geom };
      stacks.set(kernel, stack);
    }
    return stack;
  };
  return createModelGuest({
    ...options,
    drivers: [storvscDriver((kernel) => stackOf(kernel).cam)],
    *mountRoot(kernel) {
      const { cam, geom } = stackOf(kernel);
      return (yield* mountRoot(kernel, cam, geom, undefined)) !== undefined;
    },
  });
}
