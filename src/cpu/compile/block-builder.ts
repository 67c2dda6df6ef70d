/**
 * Tier 1's builder: a region of blocks whose operands are all known. Registers are read once in a block
 * and then stay in nodes; each write goes to the state block at once, so that a fault finds it there and
 * slow paths stay short. Flags live in locals wherever there is more than one block.
 */
import { BASE_RIP, NO_REGISTER } from '../decode/instruction.ts';
import { type BoundInstruction, OperandKind } from '../semantics/bind.ts';
import type { Size } from '../semantics/emit.ts';
import { Mode } from '../mode.ts';
import { GPR, RIP, X87, XMM } from '../state.ts';
import { ValueType } from '../wasm/opcodes.ts';
import type { Block } from './block.ts';
import { Node, NONE } from './ir.ts';
import { MachineIr } from './machine-ir.ts';
import { type QuickCall, quickCallOf } from './quick-calls.ts';
import type { Region } from './region.ts';
import { Site } from './table-index.ts';

const REGISTERS = 16;
const PAGE_BYTES = 4096;

/** Where a block goes: a place in its own page, an address in a node, or back to the caller. */
export interface Exit {
  readonly kind: 'link' | 'jump' | 'return';
  /** `link`: in the page. */
  readonly offset: number;
  /** RIP, of what is no link. */
  readonly target: number;
  /** Of a call, where in the page the callee is to return to, or NONE where that is in another page. */
  readonly returnsTo: number;
  readonly sync: number;
}

export class BlockBuilder extends MachineIr {
  readonly exits: Exit[] = [];
  region!: Region;
  /** First node of each member of the region. */
  readonly starts: number[] = [];
  /** Flags are in locals between blocks. */
  hasFlagLocals = false;
  isFlagsWritten = false;
  /** Quick ways of the instructions that are functions, by node. */
  readonly quickCalls = new Map<number, QuickCall>();
  readonly #full = new Int32Array(REGISTERS);
  readonly #low = new Int32Array(REGISTERS);
  /** Of each member that was built: see `flagsWordAtEnd`. */
  readonly #flagsAfter: number[] = [];
  #pageBase = NONE;
  #distance = 0;
  #remaining = 0;
  #pageOffset = 0;
  #hasEnded = false;

  start(region: Region): void {
    this.reset();
    this.region = region;
    this.exits.length = 0;
    this.starts.length = 0;
    this.#flagsAfter.length = 0;
    this.quickCalls.clear();
    this.hasFlagLocals = region.isLoop || region.members.length > 1;
    this.isFlagsWritten = false;
  }

  /** Turns to the next member of the region. */
  startBlock({ position }: Block): void {
    this.starts.push(this.count);
    this.#full.fill(NONE);
    this.#low.fill(NONE);
    this.#pageOffset = position & (PAGE_BYTES - 1);
    this.#hasEnded = false;
    this.#pageBase = NONE;
    this.flagsFrom(this.hasFlagLocals ? 'local' : 'memory', this.#flagsBefore());
  }

  /** Kind and size of the flags at the start of a member, where all ways there agree. */
  #flagsBefore(): number {
    const index = this.starts.length - 1;
    if (index === 0) return NONE;
    let word = NONE;
    for (const [from, { successors }] of this.region.members.entries()) {
      if (!successors.includes(index)) continue;
      const before = from < index ? this.#flagsAfter[from]! : NONE;
      if (before === NONE || (word !== NONE && before !== word)) return NONE;
      word = before;
    }
    return word;
  }

  /** @param remaining instructions of the block from this one on */
  instruction(bound: BoundInstruction, distance: number, remaining: number): void {
    this.begin(bound);
    this.#distance = distance;
    this.#remaining = remaining;
  }

  /** Ends a block, also one whose last instruction goes on. */
  finish(): void {
    if (!this.#hasEnded) this.#leave(this.#fallThrough());
    // What a callee leaves is not known.
    this.#flagsAfter.push(this.exits.at(-1)!.returnsTo === NONE ? this.flagsWordAtEnd : NONE);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  protected override site(): number {
    return (this.#remaining << Site.shift) | Site.tier1 | (this.#pageOffset + this.#distance);
  }

  protected override forgetRegisters(): void {
    this.#full.fill(NONE);
    this.#low.fill(NONE);
  }

  override callInstruction(number: number): number {
    const call = super.callInstruction(number);
    const quick = quickCallOf(this.bound);
    if (quick !== undefined) this.quickCalls.set(call, quick);
    return call;
  }

  override reg(size: Size, register: number): number {
    if (size === 8) return this.#fullRegister(register);
    let low = this.#low[register]!;
    if (low === NONE) {
      const full = this.#full[register]!;
      low = full === NONE ? this.stateLoad(4, GPR + 8 * register) : this.trunc(8, 4, full);
      this.#low[register] = low;
    }
    return this.trunc(4, size, low);
  }

  #fullRegister(register: number): number {
    const full = this.#full[register]!;
    if (full !== NONE) return full;
    const loaded = this.stateLoad(8, GPR + 8 * register);
    this.#full[register] = loaded;
    return loaded;
  }

  override setReg(size: Size, register: number, value: number): void {
    let full = value;
    if (size === 4) full = this.zext(4, 8, value);
    else if (size < 4) {
      const mask = size === 1 ? 0xff : 0xffff;
      full = this.#merge(register, this.zext(size, 8, value), mask);
    }
    this.#setFull(register, full);
    if (size === 4) this.#low[register] = value;
  }

  #merge(register: number, part: number, mask: number): number {
    const kept = this.and(8, this.#fullRegister(register), this.constant(8, ~mask, -1));
    return this.or(8, kept, part);
  }

  #setFull(register: number, full: number): void {
    this.#full[register] = full;
    this.#low[register] = NONE;
    this.stateStore(8, GPR + 8 * register, full);
  }

  protected override readGeneral(operand: number): number {
    const { register, size, isHighByte } = this.bound.operands[operand]!;
    if (!isHighByte) return this.reg(size as Size, register);
    return this.trunc(4, 1, this.shr(4, this.reg(4, register), this.constant(4, 8)));
  }

  protected override writeGeneral(operand: number, value: number): void {
    const { register, size, isHighByte } = this.bound.operands[operand]!;
    if (!isHighByte) {
      this.setReg(size as Size, register, value);
      return;
    }
    const part = this.zext(4, 8, this.shl(4, value, this.constant(4, 8)));
    this.#setFull(register, this.#merge(register, part, 0xff00));
  }

  protected override readImmediate(operand: number): number {
    const { size } = this.bound.operands[operand]!;
    const { immediate, immediateHigh } = this.bound.insn;
    const isOne = this.bound.row.operands[operand]!.letter === '1';
    return this.constant(size as Size, isOne ? 1 : immediate, immediateHigh);
  }

  protected override vectorPlace(operand: number): { node: number; offset: number } {
    const { kind, register } = this.bound.operands[operand]!;
    const base = kind === OperandKind.mmx ? X87.st : XMM;
    return { node: NONE, offset: base + 16 * register };
  }

  override readWide(operand: number): number {
    return this.reg(8, this.bound.operands[operand]!.register);
  }

  override setWide(operand: number, value: number): void {
    this.setReg(8, this.bound.operands[operand]!.register, value);
  }

  override address(): number {
    const { insn } = this.bound;
    const size = insn.addressSize as Size;
    const { displacement, displacementHigh, base, index, scale, length } = insn;
    if (base === BASE_RIP) {
      const next = this.#ripPlus(this.#distance + length);
      const target = this.add(8, next, this.constant(8, displacement, displacement >> 31));
      return size === 8 ? target : this.trunc(8, size, target);
    }
    let sum = base === NO_REGISTER ? NONE : this.reg(size, base);
    if (index !== NO_REGISTER) {
      const count = this.constant(4, 31 - Math.clz32(scale));
      const scaled = this.shl(size, this.reg(size, index), count);
      sum = sum === NONE ? scaled : this.add(size, sum, scaled);
    }
    const constant = this.constant(size, displacement, displacementHigh);
    return sum === NONE ? constant : this.add(size, sum, constant);
  }

  #ripPlus(distance: number): number {
    if (this.#pageBase === NONE) {
      this.#pageBase = this.and(8, this.stateLoad(8, RIP), this.constant(8, -4096, -1));
    }
    const offset = this.#pageOffset + distance;
    return this.add(8, this.#pageBase, this.constant(8, offset, offset >> 31));
  }

  override nextRip(size: Size): number {
    const next = this.#ripPlus(this.#distance + this.bound.insn.length);
    return this.trunc(8, size, next);
  }

  override jump(size: Size, target: number): void {
    const isReturn = this.bound.row.mnemonic === 'ret';
    this.#leave(this.#exitJump(this.zext(size, 8, target), isReturn ? 'return' : 'jump'));
  }

  override jumpRelative(): void {
    this.#leave(this.#exitTo(this.#relative()));
  }

  #relative(): number {
    return this.#distance + this.bound.insn.length + this.bound.insn.immediate;
  }

  override branchIf(truth: number): void {
    const taken = this.#exitTo(this.#relative());
    const other = this.#fallThrough();
    const pair = this.exits.push(taken, other) - 2;
    this.node(Node.exitIf, ValueType.void, truth, NONE, NONE, pair);
    this.#hasEnded = true;
  }

  #leave(exit: Exit): void {
    const number = this.exits.push(exit) - 1;
    this.node(Node.exitJump, ValueType.void, exit.target, NONE, NONE, number);
    this.#hasEnded = true;
  }

  #exitJump(target: number, kind: 'jump' | 'return' = 'jump'): Exit {
    return { kind, offset: 0, target, returnsTo: this.#returnsTo(), sync: this.sync() };
  }

  #returnsTo(): number {
    const { row, insn } = this.bound;
    if (row.mnemonic !== 'call' || insn.operandSize < 4) return NONE;
    const offset = this.#pageOffset + this.#distance + insn.length;
    return offset < PAGE_BYTES ? offset : NONE;
  }

  #fallThrough(): Exit {
    const code = this.bound.mode & Mode.codeSizeMask;
    const size = code === Mode.code64 ? 8 : code === Mode.code32 ? 4 : 2;
    return this.#exitTo(this.#distance + this.bound.insn.length, size);
  }

  /**
   * To a distance from the block's start.
   * @param size of RIP after it, where a 16-bit one wraps
   */
  #exitTo(distance: number, size = this.bound.insn.operandSize as Size): Exit {
    const offset = this.#pageOffset + distance;
    if (size >= 4 && offset >= 0 && offset < PAGE_BYTES) {
      const returnsTo = this.#returnsTo();
      return { kind: 'link', offset, target: NONE, returnsTo, sync: this.sync() };
    }
    return this.#exitJump(this.zext(size, 8, this.trunc(8, size, this.#ripPlus(distance))));
  }

  override setFlags(kind: number, size: Size, result: number, source: number): void {
    super.setFlags(kind, size, result, source);
    this.isFlagsWritten = true;
  }

  override setFlagsOfIf(
    truth: number,
    size: Size,
    result: number,
    cf: number,
    of: number,
    af: number,
  ): void {
    super.setFlagsOfIf(truth, size, result, cf, of, af);
    this.isFlagsWritten = true;
  }
}
