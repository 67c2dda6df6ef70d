/**
 * Tier 0's handlers: one for all instructions of a shape, made when the shape first comes up. As a module
 * costs more than a function, those that will probably be needed next are made along with it.
 */
import type { FunctionTable } from '../compile/function-table.ts';
import { Lowering } from '../compile/lower.ts';
import type { Decoder } from '../decode/decode.ts';
import { Instruction } from '../decode/instruction.ts';
import { codeSizeOf, cplOf } from '../mode.ts';
import { bind, type BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import { CodeBuffer } from '../wasm/code.ts';
import { type FunctionBody, functionOf, FunctionType } from '../wasm/module.ts';
import { HandlerBuilder, handlerKey } from './handler-builder.ts';
import { USUAL_SHAPES } from './usual-shapes.ts';

/** All function instructions share one handler. */
const CALL_KEY = -1;

/** Handlers of a module, if so many are wanted or likely. */
const TOGETHER = 32;

/** The shapes of {@link USUAL_SHAPES}, one after the other. */
function* usualShapes(decoder: Decoder): Generator<BoundInstruction> {
  let mode = 0;
  for (const word of USUAL_SHAPES.trim().split(/\s+/)) {
    if (word.endsWith(':')) {
      mode = Number.parseInt(word, 16);
      continue;
    }
    const bytes = Uint8Array.from(word.match(/../g)!, (byte) => Number.parseInt(byte, 16));
    const insn = new Instruction();
    if (decoder.decode(bytes, 0, bytes.length, codeSizeOf(mode), insn) > 0) yield bind(insn, mode);
  }
}

export class Handlers {
  readonly #functions: FunctionTable;
  readonly #known = new Map<number, number>();
  readonly #builder = new HandlerBuilder();
  readonly #code = new CodeBuffer();
  readonly #lowering = new Lowering(this.#code);
  /** Bodies of handlers that were made but are not in the table yet. */
  #pending: FunctionBody[] = [];
  /** Those that will probably be needed next. */
  readonly #ahead: Generator<BoundInstruction>;

  constructor(functions: FunctionTable, decoder: Decoder) {
    this.#functions = functions;
    this.#ahead = usualShapes(decoder);
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
    while (this.#pending.length < TOGETHER) {
      const { value, done } = this.#ahead.next();
      if (done === true) break;
      this.indexOf(value, meaningFor(value) === undefined);
    }
    this.#functions.add(this.#pending);
    this.#pending = [];
  }
}
