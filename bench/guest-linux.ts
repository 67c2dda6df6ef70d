import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findGuest, type GuestFiles } from '../tools/guests/catalog.ts';
import { READY_MARKER, WORKLOAD_MARKER } from '../tools/guests/scripts.ts';
import type { BenchResult } from './result.ts';

const ROUNDS = 3;
const MEMORY_MIB = 512;
const COMMAND_LINE = 'console=ttyS0 panic=-1 synthvm=workload';
const MIB = 1024 * 1024;

interface Measured {
  /** Milliseconds from the start of the process. */
  readonly initMs: number;
  readonly workloadMs: number;
  readonly peakMib: number;
}

/** Runs one emulator to its end and notes when the guest printed what. */
async function measure(argv: readonly string[]): Promise<Measured> {
  const startMs = performance.now();
  const child = Bun.spawn([...argv], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' });
  const errors = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let output = '';
  let initMs = Number.NaN;
  let endMs = Number.NaN;
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    const nowMs = performance.now() - startMs;
    if (Number.isNaN(initMs) && output.includes(READY_MARKER)) initMs = nowMs;
    if (Number.isNaN(endMs) && output.includes(WORKLOAD_MARKER)) endMs = nowMs;
  }
  const exitCode = await child.exited;
  if (exitCode !== 0 || Number.isNaN(endMs)) {
    const last = output.split('\n').slice(-5).join('\n');
    throw new Error(`${argv[0]}: exit code ${exitCode}\n${last}\n${await errors}`);
  }
  const peakMib = (child.resourceUsage()?.maxRSS ?? 0) / MIB;
  return { initMs, workloadMs: endMs - initMs, peakMib };
}

function synthvmCommand({ kernel, initrd }: GuestFiles): string[] {
  const binary = join(import.meta.dir, '..', 'dist', 'synthvm');
  const source = [process.execPath, join(import.meta.dir, '..', 'src', 'main.ts')];
  const program = existsSync(binary) ? [binary] : source;
  const files = ['--kernel', kernel, '--initrd', initrd, '--append', COMMAND_LINE];
  return [...program, 'boot', ...files, '--memory', `${MEMORY_MIB}M`, '--quiet'];
}

function qemuCommand({ kernel, initrd }: GuestFiles): string[] {
  const machine = ['-accel', 'tcg', '-m', String(MEMORY_MIB), '-display', 'none', '-no-reboot'];
  const files = ['-kernel', kernel, '-initrd', initrd, '-append', COMMAND_LINE];
  return ['qemu-system-x86_64', ...machine, '-serial', 'stdio', ...files];
}

function best(values: readonly number[]): number {
  return Math.min(...values);
}

/**
 * Debian's cloud kernel to `/init`, then shell work, whole process, beside QEMU's TCG with the same
 * kernel, RAM disk and memory, alternating.
 */
export async function guestLinuxBench(): Promise<BenchResult[]> {
  const guest = findGuest('cloud');
  if (guest === undefined) {
    process.stderr.write(
      'bench: the guest "cloud" is missing (npm run guests): no guest figures\n',
    );
    return [];
  }
  const hasQemu = Bun.which('qemu-system-x86_64') !== null;
  if (!hasQemu) process.stderr.write('bench: qemu-system-x86_64 is missing: no comparison\n');
  const ours: Measured[] = [];
  const qemus: Measured[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    ours.push(await measure(synthvmCommand(guest)));
    if (hasQemu) qemus.push(await measure(qemuCommand(guest)));
  }
  const results: BenchResult[] = [];
  const time = (name: string, of: (measured: Measured) => number): void => {
    const [mine, theirs] = [ours.map(of), qemus.map(of)];
    results.push({ name, value: best(mine) / 1000, unit: 's', note: spread(mine) });
    if (theirs.length === 0) return;
    const note = `${spread(theirs)}; ours takes ${(best(mine) / best(theirs)).toFixed(2)} times as long`;
    results.push({ name: `${name}, QEMU TCG`, value: best(theirs) / 1000, unit: 's', note });
  };
  time(`cloud kernel to /init, best of ${ROUNDS}`, ({ initMs }) => initMs);
  time(`busybox workload after it, best of ${ROUNDS}`, ({ workloadMs }) => workloadMs);
  const peak = Math.max(...ours.map(({ peakMib }) => peakMib));
  const allowed = 2.5 * MEMORY_MIB + 300;
  results.push({
    name: `peak memory with a guest of ${MEMORY_MIB} MiB`,
    value: peak,
    unit: 'MiB',
    note: `aim: below ${allowed} MiB`,
  });
  return results;
}

function spread(values: readonly number[]): string {
  return `runs ${values.map((value) => (value / 1000).toFixed(2)).join(', ')} s`;
}
