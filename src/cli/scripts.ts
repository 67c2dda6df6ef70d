/** What `run`, `test` and `explore` do before and while scripts run. */
import type { LoadFailure, Task } from '../scenario/protocol.ts';
import { showPlace } from '../scenario/evidence.ts';
import { supervise, type TaskListener } from '../scenario/supervisor.ts';
import { checkTypes, findCompiler } from '../scenario/type-check.ts';

/** Runs tasks until they are done, or until the user ends them. @returns whether they were */
export async function runTasks(
  tasks: readonly Task[],
  jobs: number,
  listener: TaskListener,
): Promise<boolean> {
  let isInterrupted = false;
  const supervision = supervise(tasks, jobs, listener);
  const stop = (): void => {
    isInterrupted = true;
    supervision.interrupt();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    await supervision.done;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  return !isInterrupted;
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
