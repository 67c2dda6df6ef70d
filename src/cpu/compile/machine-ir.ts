/**
 * Meanings as nodes: what tier 0's handlers and tier 1's blocks have in common. How operands and
 * registers are reached, and how a block ends, is the builder's own.
 */
import type { BoundInstruction } from '../semantics/bind.ts';
import { OperandKind } from '../semantics/bind.ts';
import type { Emit, Size } from '../semantics/emit.ts';
import {
  carryFlag,
  conditionOf,
  FlagKind,
  flagsWordOf,
  kindWord,
  type LastOperation,
} from '../semantics/flags.ts';
import { Segment } from '../decode/instruction.ts';
import { Vector } from '../exception.ts';
import { Mode } from '../mode.ts';
import { Eflags } from '../cpu.ts';
import { Flags, SEGMENT_BASE, XMM } from '../state.ts';
import { Trait } from '../table/row.ts';
import { Op, OpFD, ValueType } from '../wasm/opcodes.ts';
import { Ir, Node, NONE } from './ir.ts';

/** Beside vectors, what `raise` gets: the instruction is to be executed by its function. */
export const NEEDS_FUNCTION = 0x100;

/** `pending` flags are only in nodes, `memory` in the state block, `local` in locals since the block's start. */
export type FlagPlace = 'memory' | 'pending' | 'local';

/** What a slow path or an exit must bring into the state block first, and where it happens. */
export interface Sync {
  /** Instructions of the block from this one on, and its distance from the block's start in bytes. */
  readonly site: number;
  readonly flags: FlagPlace;
  /** For `pending`. */
  readonly kind: number;
  readonly result: number;
  readonly source: number;
}

export const LOAD_OPS = {
  1: Op.i32Load8U,
  2: Op.i32Load16U,
  4: Op.i32Load,
  8: Op.i64Load,
} as const;
export const STORE_OPS = {
  1: Op.i32Store8,
  2: Op.i32Store16,
  4: Op.i32Store,
  8: Op.i64Store,
} as const;

/** Sign and exponent of the x87 register whose significand an MMX register is. */
const MMX_UPPER = 0xffff;

function typeOf(size: Size): number {
  return size === 8 ? ValueType.i64 : ValueType.i32;
}

/** Kinds whose source is a word of flags, whatever the operation's size. */
function isWordSource(kind: number): boolean {
  return kind === FlagKind.explicit || kind >= FlagKind.inc;
}

export abstract class MachineIr extends Ir implements Emit<number> {
  bound!: BoundInstruction;
  readonly syncs: Sync[] = [];
  protected flagPlace: FlagPlace = 'memory';
  #kind = 0;
  #size: Size = 4;
  #result = NONE;
  #source = NONE;
  /** Known value of CF, or NONE. */
  #carry = NONE;
  #localWord = NONE;
  #wideResult = NONE;
  #wideSource = NONE;
  #updated = NONE;

  override reset(): void {
    super.reset();
    this.syncs.length = 0;
    this.flagPlace = 'memory';
    this.#carry = NONE;
  }

  /**
   * At the start of a block: where its flags are.
   * @param word kind and size of those in locals, or NONE where only running it tells
   */
  protected flagsFrom(place: FlagPlace, word: number): void {
    this.flagPlace = place;
    this.#carry = NONE;
    this.#localWord = word;
  }

  /** What the flags are at the end of a block, as `flagsFrom` takes it. */
  protected get flagsWordAtEnd(): number {
    if (this.flagPlace === 'memory') return NONE;
    return this.flagPlace === 'local' ? this.#localWord : kindWord(this.#kind, this.#size);
  }

  /** Turns to an instruction. */
  begin(bound: BoundInstruction): void {
    this.bound = bound;
    this.#updated = NONE;
  }

  /** Site of the instruction that is being built, for its syncs. */
  protected abstract site(): number;
  protected abstract readGeneral(operand: number): number;
  protected abstract writeGeneral(operand: number, value: number): void;
  protected abstract readImmediate(operand: number): number;
  /** Offset of a vector register operand in the state block as a node, or as a constant. */
  protected abstract vectorPlace(operand: number): {
    readonly node: number;
    readonly offset: number;
  };
  abstract address(): number;
  abstract reg(size: Size, register: number): number;
  abstract setReg(size: Size, register: number, value: number): void;
  abstract readWide(operand: number): number;
  abstract setWide(operand: number, value: number): void;
  abstract nextRip(size: Size): number;
  abstract jump(size: Size, target: number): void;
  abstract jumpRelative(): void;
  abstract branchIf(truth: number): void;

  sync(): number {
    const isPending = this.flagPlace === 'pending';
    if (isPending && this.#wideResult === NONE) {
      this.#wideResult = this.zext(this.#size, 8, this.#result);
      this.#wideSource = this.zext(isWordSource(this.#kind) ? 4 : this.#size, 8, this.#source);
    }
    return (
      this.syncs.push({
        site: this.site(),
        flags: this.flagPlace,
        kind: isPending ? kindWord(this.#kind, this.#size) : 0,
        result: isPending ? this.#wideResult : NONE,
        source: isPending ? this.#wideSource : NONE,
      }) - 1
    );
  }

  size(operand: number): Size {
    return this.bound.operands[operand]!.size as Size;
  }

  isMemory(operand: number): boolean {
    return this.bound.operands[operand]!.kind === OperandKind.memory;
  }

  read(operand: number): number {
    const { kind, size } = this.bound.operands[operand]!;
    if (kind === OperandKind.general) return this.readGeneral(operand);
    if (kind === OperandKind.immediate) return this.readImmediate(operand);
    return this.load(size as Size, this.bound.insn.segment, this.address());
  }

  update(operand: number): number {
    const { kind, size } = this.bound.operands[operand]!;
    if (kind !== OperandKind.memory) return this.read(operand);
    return this.loadForUpdate(size as Size, this.bound.insn.segment, this.address());
  }

  write(operand: number, value: number): void {
    const { kind, size } = this.bound.operands[operand]!;
    if (kind === OperandKind.general) this.writeGeneral(operand, value);
    else if (this.#updated === NONE) {
      this.store(size as Size, this.bound.insn.segment, this.address(), value);
    } else this.finishUpdate(size as Size, value);
  }

  field(size: Size, offset: number): number {
    return this.stateLoad(size, offset);
  }

  setField(size: Size, offset: number, value: number): void {
    this.stateStore(size, offset, value);
  }

  protected stateLoad(size: Size, offset: number, address = NONE): number {
    const loaded = this.node(
      Node.stateLoad,
      typeOf(size),
      address,
      NONE,
      NONE,
      LOAD_OPS[size],
      offset,
    );
    this.bits[loaded] = size * 8;
    return loaded;
  }

  protected stateStore(size: Size, offset: number, value: number, address = NONE): void {
    this.node(Node.stateStore, ValueType.void, address, value, NONE, STORE_OPS[size], offset);
  }

  readVector(operand: number, bytes: number = this.size(operand)): number {
    if (this.isMemory(operand)) {
      const { segment } = this.bound.insn;
      const linear = this.#linear(segment, this.address(), bytes, false);
      if (bytes === 2) return this.vectorWord(this.#load(2, ValueType.i32, linear));
      this.#checkAlignment(linear, bytes);
      return this.#load(bytes, ValueType.v128, linear);
    }
    const { node, offset } = this.vectorPlace(operand);
    if (bytes === 2) return this.vectorWord(this.stateLoad(2, offset, node));
    const opcode =
      bytes === 16 ? OpFD.v128Load : bytes === 8 ? OpFD.v128Load64Zero : OpFD.v128Load32Zero;
    return this.node(Node.vectorLoad, ValueType.v128, node, NONE, NONE, opcode, offset);
  }

  private vectorWord(word: number): number {
    return this.withLane(4, this.vectorConstant([0, 0, 0, 0]), 0, word);
  }

  checkAlignment(bytes: number): void {
    const { segment } = this.bound.insn;
    this.#checkAlignment(this.#linear(segment, this.address(), bytes, true), bytes);
  }

  #checkAlignment(linear: number, size: number): void {
    if ((this.bound.row.traits & Trait.align) === 0) return;
    const low = this.and(4, this.trunc(8, 4, linear), this.constant(4, size - 1));
    this.raiseIf(this.ne(4, low, this.constant(4, 0)), Vector.generalProtection);
  }

  writeVector(operand: number, value: number, bytes: number = this.size(operand)): void {
    if (this.isMemory(operand)) {
      const { segment } = this.bound.insn;
      const linear = this.#linear(segment, this.address(), bytes, true);
      this.#checkAlignment(linear, bytes);
      const stored = bytes === 16 ? value : this.lane(bytes as Size, value, 0);
      this.#store(bytes, linear, stored);
      return;
    }
    const { node, offset } = this.vectorPlace(operand);
    if (bytes !== 16)
      this.stateStore(bytes as Size, offset, this.lane(bytes as Size, value, 0), node);
    else this.node(Node.vectorStore, ValueType.void, node, value, NONE, OpFD.v128Store, offset);
    if (this.bound.operands[operand]!.kind === OperandKind.mmx) {
      this.stateStore(2, offset + 8, this.constant(4, MMX_UPPER), node);
    }
  }

  xmm(register: number): number {
    const offset = XMM + 16 * register;
    return this.node(Node.vectorLoad, ValueType.v128, NONE, NONE, NONE, OpFD.v128Load, offset);
  }

  setXmm(register: number, value: number): void {
    const offset = XMM + 16 * register;
    this.node(Node.vectorStore, ValueType.void, NONE, value, NONE, OpFD.v128Store, offset);
  }

  /** The linear address of `bytes` bytes at an offset, checked against the segment where it must be. */
  #linear(segment: number, offset: number, bytes: number, isWrite: boolean): number {
    const { mode } = this.bound;
    const isWide = this.type[offset] === ValueType.i64;
    const wide = isWide ? offset : this.zext(4, 8, offset);
    const isBased = segment === Segment.fs || segment === Segment.gs;
    if ((mode & Mode.codeSizeMask) === Mode.code64) {
      return isBased ? this.add(8, wide, this.stateLoad(8, SEGMENT_BASE + 8 * segment)) : wide;
    }
    if (!isBased && (mode & Mode.flat) !== 0) return wide;
    const packed = segment | (bytes << 4) | (isWrite ? 0x1000 : 0);
    this.node(Node.checkSegment, ValueType.void, wide, NONE, NONE, packed, this.sync());
    const base = this.stateLoad(4, SEGMENT_BASE + 8 * segment);
    const narrow = isWide ? this.trunc(8, 4, offset) : offset;
    return this.zext(4, 8, this.add(4, base, narrow));
  }

  #load(bytes: number, type: number, linear: number): number {
    const loaded = this.node(Node.load, type, linear, NONE, NONE, bytes, this.sync());
    if (type !== ValueType.v128) this.bits[loaded] = bytes * 8;
    return loaded;
  }

  #store(bytes: number, linear: number, value: number): void {
    this.node(Node.store, ValueType.void, linear, value, NONE, bytes, this.sync());
  }

  load(size: Size, segment: number, offset: number): number {
    return this.#load(size, typeOf(size), this.#linear(segment, offset, size, false));
  }

  store(size: Size, segment: number, offset: number, value: number): void {
    this.#store(size, this.#linear(segment, offset, size, true), value);
  }

  loadForUpdate(size: Size, segment: number, offset: number): number {
    const linear = this.#linear(segment, offset, size, true);
    const found = this.node(Node.update, typeOf(size), linear, NONE, NONE, size, this.sync());
    this.bits[found] = size * 8;
    this.#updated = found;
    return found;
  }

  finishUpdate(size: Size, value: number): void {
    this.node(Node.finish, ValueType.void, this.#updated, value, NONE, size, this.sync());
    this.#updated = NONE;
  }

  #last(): LastOperation<number> {
    if (this.flagPlace === 'pending') {
      return {
        kind: this.#kind,
        size: this.#size,
        result: this.#result,
        source: this.#source,
      };
    }
    if (this.flagPlace === 'local' && this.#localWord !== NONE) return this.#lastInLocals();
    const source = this.node(Node.flags, ValueType.i32, NONE, NONE, NONE, 0, this.sync());
    return { kind: FlagKind.explicit, size: 4, result: source, source };
  }

  #lastInLocals(): LastOperation<number> {
    const kind = this.#localWord & 15;
    const size = (1 << (this.#localWord >> 4)) as Size;
    const sourceSize = isWordSource(kind) ? 4 : size;
    const [result, source] = [1, 2].map((local) =>
      this.node(Node.flagLocal, ValueType.i64, NONE, NONE, NONE, local),
    );
    return {
      kind,
      size,
      result: this.trunc(8, size, result!),
      source: this.trunc(8, sourceSize, source!),
    };
  }

  setFlags(kind: number, size: Size, result: number, source: number): void {
    this.flagPlace = 'pending';
    this.#kind = kind;
    this.#size = size;
    this.#result = result;
    this.#source = source;
    this.#carry = NONE;
    this.#wideResult = NONE;
    this.#wideSource = NONE;
  }

  setFlagsOf(size: Size, result: number, cf: number, of: number, af: number): void {
    const high = this.shl(4, of, this.constant(4, 11));
    const source = this.or(4, this.or(4, cf, high), this.shl(4, af, this.constant(4, 4)));
    this.setFlags(FlagKind.given, size, result, source);
    this.#carry = cf;
  }

  setFlagsOfIf(
    truth: number,
    size: Size,
    result: number,
    cf: number,
    of: number,
    af: number,
  ): void {
    if (this.isConstant(truth)) {
      if (!this.isZero(truth)) this.setFlagsOf(size, result, cf, of, af);
      return;
    }
    this.node(Node.flagsIf, ValueType.void, NONE, NONE, NONE, NONE, this.sync());
    const high = this.shl(4, of, this.constant(4, 11));
    const source = this.or(4, this.or(4, cf, high), this.shl(4, af, this.constant(4, 4)));
    const kind = kindWord(FlagKind.given, size);
    const [wideResult, wideSource] = [this.zext(size, 8, result), this.zext(4, 8, source)];
    this.node(Node.flagsIf, ValueType.void, truth, wideResult, wideSource, kind, NONE);
    this.flagPlace = 'memory';
    this.#carry = NONE;
  }

  replaceFlags(mask: number, word: number): void {
    const kept = this.and(4, this.flagsWord(), this.constant(4, ~mask));
    const source = this.or(4, kept, word);
    this.setFlags(FlagKind.explicit, 4, source, source);
    if ((mask & Eflags.cf) !== 0) this.#carry = this.and(4, word, this.constant(4, 1));
  }

  replaceFlagsIf(truth: number, mask: number, word: number): void {
    if (this.isConstant(truth)) {
      if (!this.isZero(truth)) this.replaceFlags(mask, word);
      return;
    }
    const before = this.flagsWord();
    const kept = this.and(4, before, this.constant(4, ~mask));
    const source = this.select(4, truth, this.or(4, kept, word), before);
    this.setFlags(FlagKind.explicit, 4, source, source);
  }

  condition(code: number): number {
    if ((code & 0xe) === 2 && this.#carry !== NONE) {
      return code === 2 ? this.#carry : this.xor(4, this.#carry, this.constant(4, 1));
    }
    return conditionOf(this, code, this.#last());
  }

  carry(): number {
    return this.#carry === NONE ? carryFlag(this, this.#last()) : this.#carry;
  }

  flagsWord(): number {
    return flagsWordOf(this, this.#last());
  }

  direction(): number {
    const flag = this.and(4, this.stateLoad(4, Flags.system), this.constant(4, Eflags.df));
    const isUp = this.eq(4, flag, this.constant(4, 0));
    return this.select(8, isUp, this.constant(8, 1), this.constant(8, -1, -1));
  }

  setDirection(isDown: boolean): void {
    const before = this.stateLoad(4, Flags.system);
    const df = this.constant(4, Eflags.df);
    const after = isDown ? this.or(4, before, df) : this.and(4, before, this.not(4, df));
    this.stateStore(4, Flags.system, after);
  }

  raiseIf(truth: number, vector: number): void {
    if (this.isZero(truth)) return;
    this.node(Node.raiseIf, ValueType.void, truth, NONE, NONE, vector, this.sync());
  }

  exactIf(truth: number): void {
    if (this.isZero(truth)) return;
    this.node(Node.raiseIf, ValueType.void, truth, NONE, NONE, NEEDS_FUNCTION, this.sync());
  }

  divideWide(
    isSigned: boolean,
    high: number,
    low: number,
    divisor: number,
  ): readonly [quotient: number, remainder: number] {
    const signed = isSigned ? 1 : 0;
    const sync = this.sync();
    const quotient = this.node(Node.divide, ValueType.i64, high, low, divisor, signed, sync);
    return [quotient, this.node(Node.second, ValueType.i64, quotient)];
  }

  /** An instruction that is a function outside: everything is in the state block while it runs. @returns the node */
  callInstruction(number: number): number {
    const call = this.node(Node.call, ValueType.void, NONE, NONE, NONE, number, this.sync());
    this.flagPlace = 'memory';
    this.#carry = NONE;
    this.forgetRegisters();
    return call;
  }

  protected abstract forgetRegisters(): void;
}
