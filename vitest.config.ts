import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Whole systems have a configuration of their own.
    exclude: ['test/guests/**'],
    // All processors: the default leaves one idle, which is half of a small machine.
    maxWorkers: '100%',
    // A worker loads the program once and not once a file: modules keep nothing that a test could feel.
    isolate: false,
    // Bun loads TypeScript itself; through Vite, every use of an imported name is a call.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    provide: { exhaustive: false },
  },
});
