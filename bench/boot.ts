import { Machine, type MachineConfig } from '../src/machine/machine.ts';
import { BootWatch } from '../src/machine/watch.ts';
import type { BenchResult } from './result.ts';

const BOOTS = 200;
const TIMEOUT_NS = 60e9;

/** One boot to login. @returns wall milliseconds */
function bootOnce(config: Pick<MachineConfig, 'generation' | 'processors'>, seed: bigint): number {
  const startMs = performance.now();
  const machine = new Machine({
    ...config,
    host: 'ws2022',
    memoryBytes: 512 * 1024 * 1024,
    seed,
    disks: [],
    preset: 'bis:modern',
  });
  const watch = new BootWatch(machine.trace, {
    phase: (_, name) => {
      if (name === 'login') machine.pause();
    },
  });
  let ending = machine.powerOn();
  while (ending === undefined && !watch.phases.has('login')) ending = machine.run(TIMEOUT_NS);
  if (!watch.phases.has('login')) throw new Error(`no login: ${JSON.stringify(ending)}`);
  const tookMs = performance.now() - startMs;
  machine.discard();
  return tookMs;
}

function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
}

/** The model guest's boot, in process, from configuration to login. */
export function bootBench(): BenchResult[] {
  const results: BenchResult[] = [];
  for (const { name, ...config } of [
    { name: 'Gen-2', generation: 2, processors: 1 },
    { name: 'Gen-2, 4 processors', generation: 2, processors: 4 },
    { name: 'Gen-1', generation: 1, processors: 1 },
  ] as const) {
    const times = Array.from({ length: BOOTS }, (_, index) => bootOnce(config, BigInt(index)));
    const first = times[0]!;
    const sorted = times.toSorted((a, b) => a - b);
    const tail = `first ${first.toFixed(1)} ms, p90 ${percentile(sorted, 0.9).toFixed(1)} ms`;
    results.push({
      name: `boot to login, ${name}, p50 of ${BOOTS}`,
      value: percentile(sorted, 0.5),
      unit: 'ms',
      note: tail,
    });
  }
  return results;
}
