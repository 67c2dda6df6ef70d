/** attimer0 and atrtc0: the clocks of a PC's board, as counters and as event timers. */
import { PitTimer, RtcTimer, type IsaInterrupt } from '../timers/event-timers.ts';
import { i8254Counter } from '../timers/sources.ts';
import type { EventTimer } from '../kernel/callout.ts';
import type { Startup } from './startup.ts';

const PIT_IRQ = 0;
const RTC_IRQ = 8;

export function attachClockDevices(startup: Startup): void {
  const { kernel, firmware } = startup;
  if (firmware.generation === 1) {
    kernel.printf('attimer0: <AT timer> port 0x40-0x43 irq 0 on acpi0\n');
    startup.addTimecounter(i8254Counter(kernel));
    const interrupt = isaInterrupt(startup, PIT_IRQ, 'attimer0', () => expire(startup, pit));
    const pit = new PitTimer(kernel.hw, interrupt);
    kernel.registerEventTimer(pit);
  }
  if (!kernel.timeOfDay.hasBatteryClock) return;
  kernel.printf('atrtc0: <AT realtime clock> port 0x70-0x71 irq 8 on acpi0\n');
  if (!kernel.isLegacy) {
    kernel.printf('atrtc0: registered as a time-of-day clock, resolution 1.000000s\n');
  }
  const interrupt = isaInterrupt(startup, RTC_IRQ, 'atrtc0', () => {
    rtc.acknowledge();
    expire(startup, rtc);
  });
  const rtc = new RtcTimer(kernel.hw, interrupt);
  kernel.registerEventTimer(rtc);
}

function expire({ kernel }: Startup, timer: EventTimer): void {
  if (kernel.callouts.timer === timer) kernel.callouts.interrupt();
}

/** An interrupt that is routed when it is first wanted, and masked when it is not. */
function isaInterrupt(
  startup: Startup,
  irq: number,
  device: string,
  handler: () => void,
): IsaInterrupt {
  let isOn = false;
  return {
    enable: () => {
      if (isOn) return;
      isOn = true;
      startup.routeIsa(irq, device, handler);
    },
    disable: () => {
      if (isOn) startup.maskIsa(irq);
      isOn = false;
    },
  };
}
