import { afterAll, onTestFinished, TestRunner } from 'vitest';

/** Does something once the test that runs now is over; for what no test makes, once its file is. Not in `beforeAll`. */
export function afterwards(action: () => void): void {
  if (TestRunner.getCurrentTest() === undefined) afterAll(action);
  else onTestFinished(action);
}
