/** Tier 0's handlers: one for all instructions of a shape, made when the shape first comes up. */
import type { FunctionTable } from '../compile/function-table.ts';
import { Lowering } from '../compile/lower.ts';
import { cplOf } from '../mode.ts';
import type { BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import { CodeBuffer } from '../wasm/code.ts';
import { type FunctionBody, functionOf, FunctionType } from '../wasm/module.ts';
import { HandlerBuilder, handlerKey } from './handler-builder.ts';

/** All function instructions share one handler. */
const CALL_KEY = -1;

export class Handlers {
  readonly #functions: FunctionTable;
  readonly #known = new Map<number, number>();
  readonly #builder = new HandlerBuilder();
  readonly #code = new CodeBuffer();
  readonly #lowering = new Lowering(this.#code);
  /** Bodies of handlers that were made but are not in the table yet. */
  #pending: FunctionBody[] = [];

  constructor(functions: FunctionTable) {
    this.#functions = functions;
  }

  /**
   * @param isCall the instruction is a function
   * @returns the handler's table index, which holds from {@link publish} on
   */
  indexOf(bound: BoundInstruction, isCall: boolean): number {
    const key = isCall ? CALL_KEY : handlerKey(bound);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const builder = this.#builder;
    builder.start(bound);
    if (isCall) {
      builder.callInstruction(0);
      builder.finishCall();
    } else {
      meaningFor(bound)!(builder);
      builder.finish();
    }
    this.#code.reset();
    const locals = this.#lowering.lower(builder, undefined, {
      isUser: cplOf(bound.mode) === 3,
      mode: bound.mode,
      allocateSlot: () => 0,
    });
    const index = this.#functions.next + this.#pending.length;
    this.#pending.push(functionOf(FunctionType.block, locals, this.#code));
    this.#known.set(key, index);
    return index;
  }

  /** Brings new handlers into the table. */
  publish(): void {
    if (this.#pending.length === 0) return;
    this.#functions.add(this.#pending);
    this.#pending = [];
  }
}
