import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchResult } from './result.ts';

const RUNS = 21;

/** The whole process, from the shell's view: `synthvm boot` of the standalone binary to login. */
export function processBench(): BenchResult[] {
  const binary = join(import.meta.dir, '..', 'dist', 'synthvm');
  if (!existsSync(binary)) {
    process.stderr.write(
      'bench: dist/synthvm is missing (npm run build): no whole-process figures\n',
    );
    return [];
  }
  return (
    [
      ['synthvm --version, whole process', ['--version']],
      ['synthvm boot to login, whole process', ['boot', '--quiet']],
    ] as const
  ).map(([name, argv]) => {
    const times = Array.from({ length: RUNS }, () => {
      const startMs = performance.now();
      const { exitCode } = Bun.spawnSync([binary, ...argv], { stdin: 'ignore', stdout: 'ignore' });
      if (exitCode !== 0) throw new Error(`${name}: exit code ${exitCode}`);
      return performance.now() - startMs;
    }).toSorted((a, b) => a - b);
    return {
      name: `${name}, p50 of ${RUNS}`,
      value: times[RUNS >> 1]!,
      unit: 'ms',
      note: `fastest ${times[0]!.toFixed(0)} ms, slowest ${times[RUNS - 1]!.toFixed(0)} ms`,
    };
  });
}
