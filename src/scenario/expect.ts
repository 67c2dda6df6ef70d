/** Vitest's `expect`, put together without its test runner. */
import {
  ASYMMETRIC_MATCHERS_OBJECT,
  chai,
  customMatchers,
  GLOBAL_EXPECT,
  getState,
  JestAsymmetricMatchers,
  JestChaiExpect,
  JestExtend,
  setState,
} from '@vitest/expect';
import type { Expect } from './api.ts';

function build(): Expect {
  chai.use(JestExtend);
  chai.use(JestChaiExpect);
  chai.use(JestAsymmetricMatchers);
  const expect = (value: unknown, message?: string): unknown => chai.expect(value, message);
  Object.assign(expect, chai.expect);
  const asymmetric = (globalThis as Record<symbol, object>)[ASYMMETRIC_MATCHERS_OBJECT];
  Object.assign(expect, asymmetric);
  Object.defineProperty(expect, 'getState', { value: () => getState(expect as never) });
  Object.defineProperty(globalThis, GLOBAL_EXPECT, { value: expect, configurable: true });
  setState({ assertionCalls: 0, isExpectingAssertions: false }, expect as never);
  // toSatisfy, toBeOneOf and the like; chai's own types do not know of the method.
  const { expect: chaiExpect } = chai as unknown as {
    expect: { extend: (expect: unknown, matchers: unknown) => void };
  };
  chaiExpect.extend(expect, customMatchers);
  return expect as unknown as Expect;
}

let built: Expect | undefined;

/** Made when a script is first run: nothing else needs the matchers. */
export function scriptExpect(): Expect {
  // Under vitest there is one already, and chai has one set of matchers.
  built ??= ((globalThis as Record<symbol, unknown>)[GLOBAL_EXPECT] as Expect) ?? build();
  return built;
}
