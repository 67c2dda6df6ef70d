/** Code of a function that is written by hand: it knows its locals, and addresses fields of the state block. */
import { CodeBuffer } from './code.ts';
import { type FunctionBody, functionOf, parametersOf } from './module.ts';
import { Op } from './opcodes.ts';

export class FunctionCode extends CodeBuffer {
  readonly #type: number;
  readonly #locals: number[] = [];

  /** @param type one of `FunctionType` */
  constructor(type: number) {
    super();
    this.#type = type;
  }

  local(type: number): number {
    return this.#locals.push(type) - 1 + parametersOf(this.#type);
  }

  op(...codes: readonly number[]): void {
    for (const code of codes) this.byte(code);
  }

  /** Loads from a place that is known. */
  stateLoad(op: number, offset: number): void {
    this.i32Const(0);
    this.memory(op, offset);
  }

  /** A bit test: pushes not 0 if any of the bits is set. */
  stateBits(offset: number, bits: number): void {
    this.stateLoad(Op.i32Load, offset);
    this.i32Const(bits);
    this.op(Op.i32And);
  }

  whole(): FunctionBody {
    this.op(Op.end);
    return functionOf(this.#type, this.#locals, this);
  }
}
