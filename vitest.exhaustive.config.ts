import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mergeConfig } from 'vitest/config';
import usual from './vitest.config.ts';

const folder = join(import.meta.dirname, 'test');
const USE = /from '[./]+support\/cases\.ts'/;

/** Test files that leave out cases under `npm test`. */
const include = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts') && USE.test(readFileSync(join(folder, name), 'utf8')))
  .map((name) => `test/${name.replaceAll('\\', '/')}`);

/** `npm run test:exhaustive`: all cases, which takes minutes; see test/support/cases.ts. */
const config = mergeConfig(usual, {
  test: {
    // What one file leaves in its worker (blocks of generated code by the thousand) slows the next.
    isolate: true,
    testTimeout: 1_200_000,
    provide: { exhaustive: true },
  },
});
// Merging would add to the list.
config.test = { ...config.test, include };
export default config;
