import { ExitCode, InputError } from '../core/errors.ts';
import { formatSize } from '../core/values.ts';
import { compileScript } from '../scenario/compile.ts';
import type { Output } from './output.ts';
import type { Invocation } from './parse.ts';
import { readScript } from './scenario-flags.ts';
import { loadFailureLine, typeErrors } from './scripts.ts';

/** `synthvm compile`. */
export async function compileCommand(invocation: Invocation, output: Output): Promise<number> {
  const { values } = invocation;
  const script = readScript(invocation);
  const path = values.get('output')?.[0];
  if (path === undefined) {
    throw new InputError('compile', 'needs the name of the program: -o FILE', ExitCode.usage);
  }
  const say = (text: string): void => {
    if (!values.has('quiet')) output.error(`synthvm: ${text}\n`);
  };
  const wrong = values.has('skip-check') ? [] : await typeErrors([script], say);
  for (const failure of wrong) {
    output.error(`${output.errorColors.red('error:')} ${loadFailureLine(failure)}\n`);
  }
  if (wrong.length > 0) return ExitCode.usage;
  const images = values.get('disk') ?? [];
  const bytes = await compileScript({ script, images, output: path });
  say(`${path}, ${formatSize(bytes)}: runs ${script} on a machine where nothing is installed`);
  return ExitCode.ok;
}
