import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ExitCode, InputError } from '../core/errors.ts';
import { declarationFile } from '../scenario/declarations.ts';
import type { Output } from './output.ts';
import type { Invocation } from './parse.ts';

const DEFAULT_PATH = 'types/synthvm.d.ts';

/** `synthvm types`. */
export function typesCommand({ operands, values }: Invocation, output: Output): ExitCode {
  const [path = DEFAULT_PATH] = operands;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, declarationFile());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(path, `cannot be written (${reason})`);
  }
  if (!values.has('quiet')) output.error(`synthvm: ${path} is for editors and compilers\n`);
  return ExitCode.ok;
}
