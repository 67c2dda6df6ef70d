/** The table that generated code calls through, and how functions come into it. */
import { buildModule, type FunctionBody } from '../wasm/module.ts';
import { FIRST_FREE_INDEX } from './base-module.ts';

const TABLE_GROWTH = 4096;

export class FunctionTable {
  readonly #table: WebAssembly.Table;
  readonly #imports: Record<string, unknown>;
  #next = FIRST_FREE_INDEX;

  constructor(table: WebAssembly.Table, imports: Record<string, unknown>) {
    this.#table = table;
    this.#imports = imports;
  }

  /** Where the next functions will be. */
  get next(): number {
    return this.#next;
  }

  /** Makes a module of functions. @returns the table index of the first, which the others follow */
  add(functions: readonly FunctionBody[]): number {
    const first = this.#next;
    this.#next += functions.length;
    if (this.#next > this.#table.length) {
      this.#table.grow(Math.max(TABLE_GROWTH, functions.length));
    }
    const module = new WebAssembly.Module(buildModule({ functions, tableStart: first }));
    const instance = new WebAssembly.Instance(module, { cpu: this.#imports as never });
    void instance;
    return first;
  }
}
