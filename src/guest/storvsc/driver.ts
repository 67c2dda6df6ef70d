/** storvsc as a driver of vmbus0: synthetic SCSI controllers and accelerators of IDE disks. */
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import type { Cam } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { ChannelOffer, GuestDevice, GuestDriver } from '../vmbus/api.ts';
import { StorvscController } from './controller.ts';

/** @param camOf where the controllers of a kernel give their buses */
export function storvscDriver(camOf: (kernel: KernelApi) => Cam): GuestDriver {
  let processors = 0;
  return {
    name: 'storvsc',
    probe(offer: ChannelOffer, kernel: KernelApi): string | undefined {
      const isIde = offer.interfaceId === DeviceClass.ide;
      if (!isIde && offer.interfaceId !== DeviceClass.scsi) return undefined;
      if (isIde && kernel.switches.ataDisks) return undefined;
      // 10.2 sets its description too late for the line that newbus prints.
      if (kernel.switches.release === 'legacy') return '';
      return isIde ? 'Hyper-V IDE' : 'Hyper-V SCSI';
    },
    *attach(device: GuestDevice): Task<number> {
      const isIde = device.channel.offer.interfaceId === DeviceClass.ide;
      const what = isIde ? 'ATA/IDE' : 'SCSI device';
      device.kernel.bootverbose(`${device.name}: Enlightened ${what} detected\n`);
      const controller = new StorvscController(device, camOf(device.kernel), isIde);
      device.softState = controller;
      return yield* controller.attach(() => {
        processors += 1;
        return (processors - 1) % device.kernel.processorCount;
      });
    },
    isBusy: (device) => device.softState instanceof StorvscController && device.softState.isBusy,
    *detach(device: GuestDevice): Task {
      if (device.softState instanceof StorvscController) yield* device.softState.detach();
    },
  };
}
