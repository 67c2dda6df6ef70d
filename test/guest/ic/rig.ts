/** A model guest with the integration components of a real machine. */
import { commonDrivers } from '../../../src/guest/drivers.ts';
import {
  buildInput,
  buildIntegration,
  type Input,
  type Integration,
} from '../../../src/machine/integration.ts';
import { HOST_PROFILES } from '../../../src/machine/profiles.ts';
import type { VmbusDevice } from '../../../src/vmbus/device.ts';
import { TestMachine, type TestOptions } from '../support/machine.ts';

export interface Rig extends Integration, Input {
  readonly machine: TestMachine;
  /** What a driver left in the device of this name. */
  soft(name: string): unknown;
}

export function rig(options: TestOptions = {}): Rig {
  const machine = new TestMachine({
    ...options,
    drivers: [...(options.drivers ?? []), ...commonDrivers],
  });
  const { clock, events, trace, server } = machine;
  const profile = HOST_PROFILES[options.host ?? 'ws2022'].integration;
  const offer = (device: VmbusDevice): void => {
    server.offer(device);
  };
  const parts = { clock, events, trace, profile };
  return {
    machine,
    ...buildIntegration(parts, offer),
    ...buildInput(parts, offer),
    soft(name: string): unknown {
      const device = machine.guest.bus!.devices.find((candidate) => candidate.name === name);
      return device!.softState;
    },
  };
}
