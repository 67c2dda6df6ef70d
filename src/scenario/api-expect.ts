/** Vitest's `expect`, as far as it needs no test runner. */

/** What may follow `expect(value)`. Failures say what was expected and what was found. */
export interface Assertions<T> {
  readonly not: Assertions<T>;
  /** Awaits a promise first. */
  readonly resolves: AsyncAssertions;
  /** Awaits a promise that is to fail. */
  readonly rejects: AsyncAssertions;
  toBe(expected: T): void;
  toEqual(expected: unknown): void;
  toStrictEqual(expected: unknown): void;
  toMatchObject(expected: unknown): void;
  toBeDefined(): void;
  toBeUndefined(): void;
  toBeNull(): void;
  toBeNaN(): void;
  toBeTruthy(): void;
  toBeFalsy(): void;
  toBeGreaterThan(expected: number | bigint): void;
  toBeGreaterThanOrEqual(expected: number | bigint): void;
  toBeLessThan(expected: number | bigint): void;
  toBeLessThanOrEqual(expected: number | bigint): void;
  /** @param digits after the point that are to agree; default 2 */
  toBeCloseTo(expected: number, digits?: number): void;
  toBeInstanceOf(expected: unknown): void;
  toBeTypeOf(expected: string): void;
  toBeOneOf(expected: readonly unknown[]): void;
  /** A part of a text, or an item by identity. */
  toContain(expected: unknown): void;
  /** An item by its content. */
  toContainEqual(expected: unknown): void;
  toHaveLength(expected: number): void;
  toHaveProperty(path: string | readonly (string | number)[], expected?: unknown): void;
  toMatch(expected: string | RegExp): void;
  toSatisfy(question: (value: T) => boolean, message?: string): void;
  toThrow(expected?: string | RegExp | Error): void;
}

/** The same after `resolves` and `rejects`. */
export type AsyncAssertions = {
  readonly [Name in Exclude<keyof Assertions<unknown>, 'not' | 'resolves' | 'rejects'>]: (
    ...expected: Parameters<Assertions<unknown>[Name]>
  ) => Promise<void>;
} & { readonly not: AsyncAssertions };

export interface Expect {
  /** @param message stands before the failure */
  <T>(value: T, message?: string): Assertions<T>;
  anything(): unknown;
  any(constructor: unknown): unknown;
  closeTo(value: number, digits?: number): unknown;
  arrayContaining(expected: readonly unknown[]): unknown;
  objectContaining(expected: Readonly<Record<string, unknown>>): unknown;
  stringContaining(expected: string): unknown;
  stringMatching(expected: string | RegExp): unknown;
}
