/** What `run`, `test` and `explore` do before and while scripts run. */
import type { LoadFailure } from '../scenario/protocol.ts';
import { showPlace } from '../scenario/evidence.ts';
import { type TaskListener, ThreadPool } from '../scenario/supervisor.ts';
import { checkTypes, findCompiler } from '../scenario/type-check.ts';

/** Runs something on threads, and lets the user end it. @returns whether it came to its end */
export async function withThreads(
  jobs: number,
  listener: TaskListener,
  run: (pool: ThreadPool) => Promise<void>,
): Promise<boolean> {
  const pool = new ThreadPool(jobs, listener);
  process.on('SIGINT', pool.interrupt);
  process.on('SIGTERM', pool.interrupt);
  try {
    await run(pool);
    return !pool.isInterrupted;
  } finally {
    process.off('SIGINT', pool.interrupt);
    process.off('SIGTERM', pool.interrupt);
    pool.close();
  }
}

/** @param note hears what is and what is not checked */
export async function typeErrors(
  files: readonly string[],
  note: (text: string) => void,
): Promise<readonly LoadFailure[]> {
  const compiler = findCompiler(files);
  const failures = compiler === undefined ? undefined : await checkTypes(files, compiler);
  if (failures !== undefined) return failures;
  note('types are not checked: there is no TypeScript compiler beside the script, here or in PATH');
  return [];
}

/** "a.ts:3:7: type error: ...". */
export function loadFailureLine({ file, message, place }: LoadFailure): string {
  return `${place === undefined ? file : showPlace(place)}: ${message}`;
}
