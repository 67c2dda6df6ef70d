import type { InterruptLine } from '../../src/core/bus.ts';
import { PortBus } from '../../src/core/bus.ts';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';

/** An interrupt line that remembers its level and counts its rising edges. */
export class TestLine implements InterruptLine {
  isActive = false;
  rises = 0;

  set(active: boolean): void {
    if (active && !this.isActive) this.rises += 1;
    this.isActive = active;
  }
}

/** The four things that a device sees, with virtual time under the test's hand. */
export class Bench {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly ports = new PortBus();
  readonly line = new TestLine();

  /** Runs everything that is due within `ns`, and ends at exactly that time. */
  pass(ns: number): void {
    const end = this.clock.nowNs + ns;
    while (this.events.nextDeadlineNs <= end) this.events.runNext();
    this.clock.set(end);
  }

  in(port: number): number {
    return this.ports.read(port, 1);
  }

  out(port: number, value: number): void {
    this.ports.write(port, 1, value);
  }
}
