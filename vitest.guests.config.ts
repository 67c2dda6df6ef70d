import { defineConfig } from 'vitest/config';

/** `npm run test:guests`: real systems, which take minutes; see tools/guests.ts. */
export default defineConfig({
  test: {
    include: ['test/guests/**/*.test.ts'],
    // One at a time: each is a whole machine.
    maxWorkers: 1,
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
  },
});
