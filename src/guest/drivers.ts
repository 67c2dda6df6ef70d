import { integrationDrivers } from './ic/drivers.ts';
import { keyboardDriver } from './input/keyboard.ts';
import { mouseDriver } from './input/mouse.ts';
import type { GuestDriver } from './vmbus/api.ts';

/** Drivers that every kernel has and that need nothing of it but the bus. */
export const commonDrivers: readonly GuestDriver[] = [
  ...integrationDrivers,
  mouseDriver,
  keyboardDriver,
];
