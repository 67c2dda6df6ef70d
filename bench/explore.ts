import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchResult } from './result.ts';

const SEEDS = 1000;
const THREADS = 2;
const SCRIPT = 'scenarios/drivers/default-boot.ts';

/** `synthvm explore` of the standalone binary: a thousand disturbed boots to login. */
export function exploreBench(): BenchResult[] {
  const root = join(import.meta.dir, '..');
  const binary = join(root, 'dist', 'synthvm');
  if (!existsSync(binary)) {
    process.stderr.write(
      'bench: dist/synthvm is missing (npm run build): explore is not measured\n',
    );
    return [];
  }
  const startMs = performance.now();
  const { exitCode, resourceUsage } = Bun.spawnSync(
    [binary, 'explore', SCRIPT, '--seeds', `${SEEDS}`, '-j', `${THREADS}`, '--skip-check', '-q'],
    { cwd: root, stdin: 'ignore', stdout: 'ignore' },
  );
  if (exitCode !== 0) throw new Error(`explore ${SCRIPT}: exit code ${exitCode}`);
  const seconds = (performance.now() - startMs) / 1000;
  const cpuMs = Number(resourceUsage.cpuTime.total) / 1000 / SEEDS;
  return [
    {
      name: `explore, ${SEEDS} seeds of the default boot, ${THREADS} threads`,
      value: seconds,
      unit: 's',
      note: `${cpuMs.toFixed(1)} ms of processor time a seed`,
    },
  ];
}
