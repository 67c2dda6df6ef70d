#!/usr/bin/env bun
import { main } from './cli/main.ts';

// Not a top-level await: the compiled binary's bytecode cannot hold one.
void main(process.argv.slice(2)).then((exitCode) => {
  process.exitCode = exitCode;
});
