/** Ways in and out of a block. */
import { RECORD_BYTES } from '../interpret/record.ts';
import { CODE_BANKS, Exit as ExitReason, RIP, TLB, TLB_BANK_BYTES, TlbEntry } from '../state.ts';
import { LEFT } from '../wasm/module.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { AccessLowering } from './access.ts';
import type { Block } from './block.ts';
import { type BlockBuilder, type Exit } from './block-builder.ts';
import { Mode } from '../mode.ts';
import { NONE, Way } from './ir.ts';
import {
  BUDGET_PARAMETER,
  DEPTH_PARAMETER,
  emitJump,
  nestedCall,
  pushDepthBelow,
  pushRipPage,
  returnLeft,
  tailCall,
  tailCallBase,
  takeResult,
  tlbOffset,
} from './jump.ts';
import { type Sync } from './machine-ir.ts';
import { LinkSlot, TableIndex } from './table-index.ts';

const PAGE_BYTES = 4096;
/** Beside members' numbers in `labels`: an `if`, and where a block goes that the budget does not cover. */
const IF = -1;
const BUDGET_LABEL = -2;

export abstract class ExitLowering extends AccessLowering {
  /** Control structures around what is written now: members whose start follows a `block`, loops' heads as {@link loopLabel}. */
  protected labels: number[] = [];
  protected current = 0;
  #rip = 0;
  /** RIP's page, for what comes back after a call. */
  #pageBase = 0;

  // --- a region's shape

  protected regionBody(block: BlockBuilder): void {
    const out = this.out;
    this.labels = [];
    this.#rip = this.addLocal(ValueType.i32);
    this.prologue(block);
    this.open(Op.block, BUDGET_LABEL);
    this.member(0);
    this.close();
    this.storeBudget();
    this.storeFlagLocals();
    this.storeRip(this.#rip);
    this.exitReason(ExitReason.budget);
    out.i32Const(LEFT);
    out.byte(Op.end);
  }

  protected open(op: number, label: number): void {
    this.out.byte(op);
    this.out.byte(ValueType.void);
    this.labels.push(label);
  }

  protected openUnlikely(): void {
    this.out.unlikelyIf(ValueType.void);
    this.labels.push(IF);
  }

  protected close(): void {
    this.out.byte(Op.end);
    this.labels.pop();
  }

  protected branch(label: number): void {
    this.out.byte(Op.br);
    this.out.u32(this.labels.length - 1 - this.labels.lastIndexOf(label));
  }

  /** A block's code, then what it dominates. */
  protected member(index: number): void {
    const { members } = this.block!.region;
    const { children, isLoopHead } = members[index]!;
    if (isLoopHead) this.open(Op.loop, loopLabel(index));
    for (const child of children.toReversed()) this.open(Op.block, child);
    this.current = index;
    this.memberCode(index);
    for (const child of children) {
      this.close();
      this.member(child);
    }
    if (isLoopHead) this.close();
  }

  protected memberCode(index: number): void {
    const { region, starts } = this.block!;
    const { block } = region.members[index]!;
    if (block.second >= 0) this.checkSecondPage(block);
    this.takeBudget(block.count, block.position & 0xfff);
    const end = starts[index + 1] ?? this.ir.count;
    for (let node = starts[index]!; node < end; node += 1) this.node(node);
  }

  protected abstract node(index: number): void;

  /** Leaves for a look-up unless the TLB has the next page where the block was made from it. */
  protected checkSecondPage({ position, second }: Block): void {
    const out = this.out;
    const bank = TLB + (CODE_BANKS + (this.options.isUser ? 1 : 0)) * TLB_BANK_BYTES;
    const next = this.scratch(ValueType.i64);
    const entry = this.scratch(ValueType.i32);
    pushRipPage(out);
    out.i64Const(PAGE_BYTES, 0);
    out.byte(Op.i64Add);
    if ((this.options.mode & Mode.codeSizeMask) !== Mode.code64) {
      out.i64Const(-1, 0);
      out.byte(Op.i64And);
    }
    out.tee(next);
    out.byte(Op.i32WrapI64);
    tlbOffset(out);
    out.tee(entry);
    out.memory(Op.i64Load, bank + TlbEntry.executeTag);
    out.get(next);
    out.byte(Op.i64Ne);
    out.get(entry);
    out.memory(Op.i32Load, bank + TlbEntry.addend);
    out.get(next);
    out.byte(Op.i32WrapI64);
    out.byte(Op.i32Add);
    out.i32Const(second);
    out.byte(Op.i32Ne);
    out.byte(Op.i32Or);
    this.openUnlikely();
    this.storeBudget();
    out.i32Const(position & (PAGE_BYTES - 1));
    out.set(this.#rip);
    this.storeRip(this.#rip);
    this.exitReason(ExitReason.lookup);
    returnLeft(out);
    this.close();
    this.giveBack(ValueType.i64, next);
    this.giveBack(ValueType.i32, entry);
  }

  protected prologue(block: BlockBuilder): void {
    if (block.exits.some(({ returnsTo }) => returnsTo !== NONE)) {
      this.#pageBase = this.addLocal(ValueType.i64);
      pushRipPage(this.out);
      this.out.set(this.#pageBase);
    }
    if (!block.hasFlagLocals) return;
    const kind = this.addLocal(ValueType.i32);
    const result = this.addLocal(ValueType.i64);
    const source = this.addLocal(ValueType.i64);
    this.flagLocals = [kind, result, source];
    this.reloadFlags();
  }

  /** Takes a block's instructions from the budget, or leaves with nothing of it done. */
  protected takeBudget(instructions: number, offset: number): void {
    const out = this.out;
    out.get(BUDGET_PARAMETER);
    out.i32Const(instructions);
    out.byte(Op.i32LtS);
    this.openUnlikely();
    out.i32Const(offset);
    out.set(this.#rip);
    this.branch(BUDGET_LABEL);
    this.close();
    out.get(BUDGET_PARAMETER);
    out.i32Const(instructions);
    out.byte(Op.i32Sub);
    out.set(BUDGET_PARAMETER);
  }

  // --- exits

  protected exitIf(index: number): void {
    const ir = this.ir;
    const pair = ir.imm[index]!;
    const { exits } = this.block!;
    const [taken, other] = [exits[pair]!, exits[pair + 1]!];
    for (const exit of [taken, other]) this.prepareExit(exit);
    this.value(ir.a[index]!);
    this.open(Op.if, IF);
    this.exit(taken);
    this.close();
    this.exit(other);
    for (const exit of [taken, other]) this.settleExit(exit);
  }

  protected exitAlways(index: number): void {
    const exit = this.block!.exits[this.ir.imm[index]!]!;
    this.prepareExit(exit);
    this.exit(exit);
    this.settleExit(exit);
  }

  protected prepareExit(exit: Exit): void {
    this.prepare(this.ir.syncs[exit.sync]!);
    if (exit.kind !== 'link') this.materialize(exit.target);
  }

  protected settleExit(exit: Exit): void {
    this.settle(this.ir.syncs[exit.sync]!);
    if (exit.kind !== 'link') this.consumeUnless(exit.target);
  }

  protected exit(exit: Exit): void {
    const out = this.out;
    const sync = this.ir.syncs[exit.sync]!;
    const { kind, returnsTo } = exit;
    if (kind === 'link' && returnsTo === NONE && this.toMember(exit.offset, sync)) return;
    this.spill(sync);
    if (kind !== 'link') {
      out.i32Const(0);
      this.push(exit.target);
      out.memory(Op.i64Store, RIP);
    }
    if (kind === 'return') {
      out.get(BUDGET_PARAMETER);
      out.byte(Op.return);
      return;
    }
    const slot = kind === 'link' ? this.options.allocateSlot(exit.offset) : 0;
    const isNested = returnsTo !== NONE;
    if (isNested) {
      out.get(DEPTH_PARAMETER);
      out.byte(Op.i32Eqz);
      this.openUnlikely();
      tailCallBase(out, kind === 'link' ? TableIndex.throughCache : TableIndex.dispatch, slot);
      this.close();
    }
    if (kind === 'link') this.link(slot, isNested);
    else this.jump(exit.target, isNested);
    if (isNested) this.comeBack(returnsTo);
  }

  /** Goes on after a call, if the callee's return led there. */
  protected comeBack(offset: number): void {
    const out = this.out;
    takeResult(out);
    out.i32Const(0);
    out.memory(Op.i64Load, RIP);
    out.get(this.#pageBase);
    out.i64Const(offset, 0);
    out.byte(Op.i64Or);
    out.byte(Op.i64Ne);
    this.openUnlikely();
    tailCallBase(out, TableIndex.dispatch);
    this.close();
    const target = this.block!.region.target(this.current, offset);
    if (target < 0) {
      this.link(this.options.allocateSlot(offset), false);
      return;
    }
    this.reloadFlags();
    this.branchTo(target);
  }

  /** Goes on at a place in the page that is part of the region. @returns whether it is */
  protected toMember(offset: number, sync: Sync): boolean {
    const target = this.block!.region.target(this.current, offset);
    if (target < 0) return false;
    this.turn(sync);
    this.branchTo(target);
    return true;
  }

  protected branchTo(member: number): void {
    this.branch(member > this.current ? member : loopLabel(member));
  }

  /** To where a link slot leads. */
  protected link(slot: number, isNested: boolean): void {
    const out = this.out;
    // Addresses as constants: an offset this large would be checked.
    out.i32Const(slot);
    out.memory(Op.i32Load, LinkSlot.parameter);
    out.get(BUDGET_PARAMETER);
    if (isNested) pushDepthBelow(out);
    else out.get(DEPTH_PARAMETER);
    out.i32Const(slot);
    out.memory(Op.i32Load, LinkSlot.tableIndex);
    if (isNested) nestedCall(out);
    else tailCall(out);
  }

  /** Locals become what the block leaves. */
  protected turn(sync: Sync): void {
    const out = this.out;
    const [kind, result, source] = this.flagLocals;
    if (sync.flags === 'memory') this.reloadFlags();
    else if (sync.flags === 'pending') {
      out.i32Const(sync.kind);
      out.set(kind);
      this.value(sync.result);
      this.value(sync.source);
      out.set(source);
      out.set(result);
    }
  }

  protected jump(target: number, isNested: boolean): void {
    const [entry, position, cache] = [0, 1, 2].map(() => this.scratch(ValueType.i32));
    emitJump(this.out, {
      pushLinear: () => this.push(target),
      pushMode: () => this.out.i64Const(0, this.options.mode),
      bank: this.options.isUser ? TLB_BANK_BYTES : 0,
      entry: entry!,
      position: position!,
      cache: cache!,
      isNested,
    });
    for (const local of [entry, position, cache]) this.giveBack(ValueType.i32, local!);
  }

  /** @param way one of {@link Way} */
  protected nextRecord(way: number): void {
    const out = this.out;
    if (way === Way.back) {
      out.get(BUDGET_PARAMETER);
      out.byte(Op.return);
      return;
    }
    if (way !== Way.next) {
      if (way === Way.call) this.nestInTier0();
      tailCallBase(out, TableIndex.dispatch);
      return;
    }
    out.get(0);
    out.i32Const(RECORD_BYTES);
    out.byte(Op.i32Add);
    out.get(BUDGET_PARAMETER);
    out.get(DEPTH_PARAMETER);
    out.get(0);
    out.memory(Op.i32Load, RECORD_BYTES);
    tailCall(out);
  }

  /** The callee's function comes back here, unless calls are nested too deep already. */
  protected nestInTier0(): void {
    const out = this.out;
    out.get(DEPTH_PARAMETER);
    out.byte(Op.if);
    out.byte(ValueType.void);
    out.i32Const(0);
    out.get(BUDGET_PARAMETER);
    pushDepthBelow(out);
    out.i32Const(TableIndex.dispatch);
    nestedCall(out);
    takeResult(out);
    out.byte(Op.end);
  }
}

function loopLabel(index: number): number {
  return -3 - index;
}
