/** The tests of system instructions, on an executor. */
import { describe } from 'vitest';
import { declareTests, useExecutor } from './world.ts';

useExecutor('tier 1');

describe('control', async () => {
  await declareTests('control.test.ts');
});

describe('far', async () => {
  await declareTests('far.test.ts');
});

describe('interrupts', async () => {
  await declareTests('interrupts.test.ts');
});

describe('rows without vectors', async () => {
  await declareTests('rows.ts');
});
