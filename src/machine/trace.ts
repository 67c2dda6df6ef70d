/** What a machine as a whole says in its trace. */
import { traceType } from '../core/trace.ts';
import { u16, u32, u64 } from '../core/wire.ts';

/** The first event of every run: what it is a function of, beside its disks. */
export const configurationEvent = traceType(
  'machine',
  'configuration',
  { generation: u16, memoryBytes: u64, processors: u16, seedLow: u32, seedHigh: u32 },
  'hostAndGuest',
);
/** A line of the guest's console, when its end is printed. */
export const consoleEvent = traceType('machine', 'console', {}, 'line');
export const crashEvent = traceType('machine', 'guest-crash', { processor: u16 }, 'parameters');
export const tripleFaultEvent = traceType('machine', 'triple-fault', { processor: u16 });
export const unimplementedEvent = traceType('machine', 'unimplemented', { processor: u16 }, 'what');
export const debugExitEvent = traceType('machine', 'debug-exit', { value: u32 });
export const resetEvent = traceType('machine', 'reset');
export const powerOffEvent = traceType('machine', 'power-off');
