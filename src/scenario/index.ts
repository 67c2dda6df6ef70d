/** What `import ... from 'synthvm'` gives to a script. */
import { InputError } from '../core/errors.ts';
import type { DeclareScenario, Expect, Never } from './api.ts';
import { scriptExpect } from './expect.ts';
import { declareScenario } from './registry.ts';
import { showPattern } from './values.ts';
import { VmHandle } from './vm-handle.ts';

export type * from './api.ts';

export const scenario: DeclareScenario = declareScenario;

export const never: Never = (vm, pattern) => {
  if (!(vm instanceof VmHandle)) throw new InputError('never', 'expects a machine first');
  const end = vm.forbid(
    pattern,
    `the console shows ${showPattern(pattern)}, which never was to come`,
  );
  return { [Symbol.dispose]: end };
};

/** Vitest's `expect`, for helpers outside a body. */
export const expect: Expect = Object.assign(
  ((value, message) => scriptExpect()(value, message)) as Expect,
  {
    anything: () => scriptExpect().anything(),
    any: (type: unknown) => scriptExpect().any(type),
    closeTo: (value: number, digits?: number) => scriptExpect().closeTo(value, digits),
    arrayContaining: (items: readonly unknown[]) => scriptExpect().arrayContaining(items),
    objectContaining: (parts: Readonly<Record<string, unknown>>) =>
      scriptExpect().objectContaining(parts),
    stringContaining: (text: string) => scriptExpect().stringContaining(text),
    stringMatching: (text: string | RegExp) => scriptExpect().stringMatching(text),
  },
);
