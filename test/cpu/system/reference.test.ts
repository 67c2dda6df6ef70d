/** The tests of system instructions, on an executor. */
import { describe } from 'vitest';
import { declareTests, useExecutor } from './world.ts';

useExecutor('reference');

describe('control', async () => {
  await declareTests('control.test.ts');
});

describe('far', async () => {
  await declareTests('far.test.ts');
});

describe('interrupts', async () => {
  await declareTests('interrupts.test.ts');
});

describe('strings', async () => {
  await declareTests('strings.test.ts');
});

describe('rows without vectors', async () => {
  await declareTests('rows.ts');
});
