/** The tests of system instructions, on an executor. */
import { describe } from 'vitest';
import { useExecutor } from './world.ts';

useExecutor('tier 1');

describe('control', async () => {
  await import('./control.test.ts');
});

describe('far', async () => {
  await import('./far.test.ts');
});

describe('interrupts', async () => {
  await import('./interrupts.test.ts');
});

describe('rows without vectors', async () => {
  await import('./rows.ts');
});
