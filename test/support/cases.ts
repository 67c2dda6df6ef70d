/** How far a test goes through a set that is too large for every run. */
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Set by vitest.exhaustive.config.ts, which runs the test files that import this one. */
    readonly exhaustive: boolean;
  }
}

/** `npm run test:exhaustive`, which the gate runs beside `npm test`. */
export const IS_EXHAUSTIVE = inject('exhaustive');

/**
 * @param all so many under `npm run test:exhaustive`
 * @param part so many under `npm test`
 */
export function cases(all: number, part: number): number {
  return IS_EXHAUSTIVE ? all : part;
}

/** A number of cases as a test's name has it: 10,000. */
export function shown(count: number): string {
  return count.toLocaleString('en-US');
}
