#!/usr/bin/env bun
import { isMainThread } from 'node:worker_threads';
import { restartForKernel } from './cli/engine-options.ts';

// Neither is loaded for the other, and no top-level await: the binary's bytecode cannot hold one.
if (isMainThread) {
  restartForKernel();
  void import('./cli/main.ts')
    .then(({ main }) => main(process.argv.slice(2)))
    .then((exitCode) => {
      process.exitCode = exitCode;
    });
} else {
  void import('./scenario/worker.ts').then(({ workerMain }) => workerMain());
}
