/**
 * `npm run bench`: every benchmark, one line a figure. `npm run bench -- ring` runs those whose
 * name begins so; `--json` writes one object a line. How to read them: docs/performance.md.
 */
import { bootBench } from './boot.ts';
import { exploreBench } from './explore.ts';
import { framebufferBench } from './framebuffer.ts';
import { guestLinuxBench } from './guest-linux.ts';
import { natBench } from './nat.ts';
import { netvscBench } from './netvsc.ts';
import { processBench } from './process.ts';
import { processorBench } from './processor.ts';
import type { BenchResult } from './result.ts';
import { ringBench } from './ring.ts';
import { storvscBench } from './storvsc.ts';

const SUITES: Readonly<Record<string, () => BenchResult[] | Promise<BenchResult[]>>> = {
  boot: bootBench,
  explore: exploreBench,
  framebuffer: framebufferBench,
  'guest-linux': guestLinuxBench,
  nat: natBench,
  netvsc: netvscBench,
  process: processBench,
  processor: processorBench,
  ring: ringBench,
  storvsc: storvscBench,
};

function show(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en-US');
  return value >= 100 ? value.toFixed(0) : value.toFixed(2);
}

const words = process.argv.slice(2);
const json = words.includes('--json');
const wanted = words.filter((word) => word !== '--json');
const unknown = wanted.find((word) => !Object.keys(SUITES).some((name) => name.startsWith(word)));
if (unknown !== undefined) {
  const names = Object.keys(SUITES).join(', ');
  process.stderr.write(`bench: no suite is called "${unknown}": ${names}\n`);
  process.exit(2);
}
for (const [name, suite] of Object.entries(SUITES)) {
  if (wanted.length > 0 && !wanted.some((word) => name.startsWith(word))) continue;
  for (const result of await suite()) {
    if (json) {
      process.stdout.write(`${JSON.stringify({ suite: name, ...result })}\n`);
      continue;
    }
    const note = result.note === undefined ? '' : `  (${result.note})`;
    const figure = `${show(result.value).padStart(12)} ${result.unit.padEnd(10)}`;
    process.stdout.write(`${result.name.padEnd(62)}${figure}${note}\n`);
  }
}
