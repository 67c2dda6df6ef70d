/** hn as a driver of vmbus0: synthetic network adapters. */
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import type { NetStack } from '../inet/stack.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { ChannelOffer, GuestDevice, GuestDriver } from '../vmbus/api.ts';
import { HnController } from './controller.ts';

/** @param stackOf the network stack of a kernel, which gets the interfaces */
export function hnDriver(stackOf: (kernel: KernelApi) => NetStack): GuestDriver {
  let processors = 0;
  return {
    name: 'hn',
    probe(offer: ChannelOffer, kernel: KernelApi): string | undefined {
      if (offer.interfaceId !== DeviceClass.network) return undefined;
      const isLegacy = kernel.switches.release === 'legacy';
      return isLegacy ? 'Synthetic Network Interface' : 'Hyper-V Network Interface';
    },
    *attach(device: GuestDevice): Task<number> {
      const controller = new HnController(device, stackOf(device.kernel));
      device.softState = controller;
      return yield* controller.attach(() => {
        processors += 1;
        return (processors - 1) % device.kernel.processorCount;
      });
    },
    *detach(device: GuestDevice): Task {
      if (device.softState instanceof HnController) yield* device.softState.detach();
    },
  };
}
