/**
 * Several machines in one deterministic run: one clock, one event queue, one switch. Whoever is due
 * first has its turn, the machine that was added first among equals.
 */
import { VirtualClock } from '../core/clock.ts';
import { EventQueue } from '../core/events.ts';
import { Trace } from '../core/trace.ts';
import { hypervMac } from '../net/addresses.ts';
import { VirtualSwitch } from '../net/switch.ts';
import { Machine, type MachineConfig, type World } from './machine.ts';
import type { AdapterConfig } from './network.ts';

/** Serial numbers of adapter addresses: sixteen for each machine. */
const MACS_PER_MACHINE = 16;
const FIRST_MAC = 0x02_0000;

export class Topology implements World {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  /** Of what belongs to no machine: the switches. */
  readonly trace = new Trace(this.clock);
  readonly machines: Machine[] = [];

  /** A network without a gateway: only the machines that are connected to it. */
  createSwitch(): VirtualSwitch {
    const { clock, events, trace } = this;
    return new VirtualSwitch({ clock, events, trace });
  }

  /** Adds a machine, whose adapters get addresses that no other machine of this run has. */
  add(config: Omit<MachineConfig, 'world'>): Machine {
    const serial = FIRST_MAC + this.machines.length * MACS_PER_MACHINE;
    const asked: readonly AdapterConfig[] =
      config.adapters ?? Array.from({ length: config.networkAdapters ?? 1 }, () => ({}));
    const adapters = asked.map((adapter, index) => ({
      mac: hypervMac(serial + index),
      ...adapter,
    }));
    const machine = new Machine({ ...config, adapters, world: this });
    this.machines.push(machine);
    return machine;
  }

  powerOn(): void {
    for (const machine of this.machines) machine.powerOn();
  }

  /**
   * Takes every machine forward to a point of virtual time.
   * @param isReached looked at after every turn; true ends the run
   * @returns whether `isReached` said so; false at the deadline, or when nothing is left to happen
   */
  run(deadlineNs: number, isReached: () => boolean = () => false): boolean {
    const { machines, events, clock } = this;
    while (!isReached()) {
      let chosen: Machine | undefined;
      let firstNs = Infinity;
      let secondNs = Infinity;
      for (let index = 0; index < machines.length; index += 1) {
        const machine = machines[index]!;
        const wakeNs = machine.nextWakeNs;
        if (wakeNs < firstNs) {
          secondNs = firstNs;
          firstNs = wakeNs;
          chosen = machine;
        } else if (wakeNs < secondNs) {
          secondNs = wakeNs;
        }
      }
      const eventNs = events.nextDeadlineNs;
      const dueNs = Math.min(firstNs, eventNs);
      if (dueNs === Infinity) return false;
      if (dueNs > deadlineNs) {
        clock.set(Math.max(deadlineNs, clock.nowNs));
        return false;
      }
      if (chosen === undefined || eventNs <= firstNs) events.runNext();
      else chosen.run(Math.min(deadlineNs, secondNs), 1);
      for (let index = 0; index < machines.length; index += 1) machines[index]!.settle();
    }
    return true;
  }

  /** Of everything that happened: equal runs have equal ones. */
  get digest(): string {
    const traces = [this.trace, ...this.machines.map(({ trace }) => trace)];
    return traces.map(({ digest }) => digest).join('-');
  }
}
