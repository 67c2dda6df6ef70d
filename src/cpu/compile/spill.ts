/** What leaves a block's locals: the state that slow paths and exits need. */
import { RecordField } from '../interpret/record.ts';
import { BUDGET, EXIT_REASON, Flags } from '../state.ts';
import { CodeIndex, type CodeName } from '../wasm/module.ts';
import { Op } from '../wasm/opcodes.ts';
import { type BlockBuilder } from './block-builder.ts';
import { NONE, Node } from './ir.ts';
import { BUDGET_PARAMETER, storeRipInPage } from './jump.ts';
import { ValueLowering } from './locals.ts';
import { type Sync } from './machine-ir.ts';
import { Site } from './table-index.ts';

export interface LowerOptions {
  readonly isUser: boolean;
  readonly mode: number;
  /** A link slot for an exit to a place in the block's page. */
  readonly allocateSlot: (offset: number) => number;
}

export abstract class SpillLowering extends ValueLowering {
  protected block: BlockBuilder | undefined;
  protected options!: LowerOptions;

  // --- uses and locals

  protected isDroppable(op: number): boolean {
    return (
      op < Node.ordered ||
      op === Node.stateLoad ||
      op === Node.vectorLoad ||
      op === Node.mulWide ||
      op === Node.second ||
      op === Node.flags ||
      op === Node.flagLocal
    );
  }

  protected countUses(): void {
    const ir = this.ir;
    const { count } = ir;
    this.local.fill(NONE, 0, count);
    this.uses.fill(0, 0, count);
    this.live.fill(0, 0, count);
    for (let index = count - 1; index >= 0; index -= 1) {
      const op = ir.op[index]!;
      if (this.live[index] === 0 && this.isDroppable(op)) continue;
      this.live[index] = 1;
      this.use(ir.a[index]!, 1);
      this.use(ir.b[index]!, 1);
      this.use(ir.c[index]!, 1);
      if (op === Node.exitIf) {
        const { exits } = this.block!;
        for (const pair of [0, 1]) this.use(exits[ir.imm[index]! + pair]!.target, 1);
      }
      for (const sync of this.syncsOf(index)) this.useSync(sync);
    }
  }

  protected use(index: number, times: number): void {
    if (index === NONE) return;
    this.live[index] = 1;
    this.uses[index]! += times;
  }

  protected useSync(sync: Sync): void {
    // Twice, so that the value has a local before the paths part.
    if (sync.flags === 'pending') {
      this.use(sync.result, 2);
      this.use(sync.source, 2);
    }
  }

  protected syncsOf(index: number): readonly Sync[] {
    const ir = this.ir;
    switch (ir.op[index]!) {
      case Node.exitIf: {
        const pair = ir.imm[index]!;
        const { exits } = this.block!;
        return [ir.syncs[exits[pair]!.sync]!, ir.syncs[exits[pair + 1]!.sync]!];
      }
      case Node.exitJump:
        return [ir.syncs[this.block!.exits[ir.imm[index]!]!.sync]!];
      case Node.load:
      case Node.store:
      case Node.update:
      case Node.finish:
      case Node.raiseIf:
      case Node.divide:
      case Node.call:
      case Node.checkSegment:
      case Node.flags:
        return [ir.syncs[ir.imm2[index]!]!];
      case Node.flagsIf:
        return ir.imm2[index] === NONE ? [] : [ir.syncs[ir.imm2[index]!]!];
      default:
        return [];
    }
  }

  /** Whether the locals of the flags are worth anything: where nothing writes flags, those in memory hold. */
  private get areFlagsInLocals(): boolean {
    return this.block?.isFlagsWritten === true && this.block.hasFlagLocals;
  }

  protected reloadFlags(): void {
    if (!this.areFlagsInLocals) return;
    const out = this.out;
    const [kind, result, source] = this.flagLocals;
    out.i32Const(0);
    out.memory(Op.i32Load, Flags.kind);
    out.set(kind);
    out.i32Const(0);
    out.memory(Op.i64Load, Flags.result);
    out.set(result);
    out.i32Const(0);
    out.memory(Op.i64Load, Flags.source);
    out.set(source);
  }

  protected exitReason(reason: number): void {
    this.out.i32Const(0);
    this.out.i32Const(reason);
    this.out.memory(Op.i32Store, EXIT_REASON);
  }

  /** Nodes that a later {@link #spill} stores get their locals. */
  protected prepare(sync: Sync): void {
    if (sync.flags === 'pending') {
      this.materialize(sync.result);
      this.materialize(sync.source);
    }
  }

  /** Brings the state block up to date. */
  protected spill(sync: Sync): void {
    if (sync.flags === 'pending') {
      this.storeFlags(sync.kind, sync.result, sync.source);
    } else if (sync.flags === 'local') this.storeFlagLocals();
  }

  protected storeFlagLocals(): void {
    if (!this.areFlagsInLocals) return;
    const out = this.out;
    const [kind, result, source] = this.flagLocals;
    this.storeFlagParts(
      () => out.get(kind),
      () => out.get(result),
      () => out.get(source),
    );
  }

  /** Each parameter pushes its part of the flags. */
  protected storeFlagParts(kind: () => void, result: () => void, source: () => void): void {
    const out = this.out;
    out.i32Const(0);
    kind();
    out.memory(Op.i32Store, Flags.kind);
    out.i32Const(0);
    result();
    out.memory(Op.i64Store, Flags.result);
    out.i32Const(0);
    source();
    out.memory(Op.i64Store, Flags.source);
  }

  /** The same, and the budget: for whoever is called, or left for. */
  protected spillAll(sync: Sync): void {
    this.spill(sync);
    this.storeBudget();
  }

  protected storeBudget(): void {
    const out = this.out;
    out.i32Const(0);
    out.get(BUDGET_PARAMETER);
    out.memory(Op.i32Store, BUDGET);
  }

  protected storeFlags(kind: number, result: number, source: number): void {
    this.storeFlagParts(
      () => this.out.i32Const(kind),
      () => this.value(result),
      () => this.value(source),
    );
  }

  /** After a spill the uses that `#useSync` counted beyond one are over. */
  protected settle(sync: Sync): void {
    if (sync.flags === 'pending') {
      this.consumeUnless(sync.result);
      this.consumeUnless(sync.source);
    }
  }

  /** @param bytes of an access, a power of 2 */
  protected site(sync: Sync, bytes = 1): void {
    const out = this.out;
    const size = (31 - Math.clz32(bytes)) << Site.sizeShift;
    if (this.block !== undefined) {
      out.i32Const(sync.site | size);
      return;
    }
    out.get(0);
    out.memory(Op.i32Load16U, RecordField.remaining);
    out.i32Const(Site.shift);
    out.byte(Op.i32Shl);
    if (size === 0) return;
    out.i32Const(size);
    out.byte(Op.i32Or);
  }

  /** Calls one of slow-paths.ts, whose first two parameters are on the stack, with what it is to bring along. */
  protected slowPath(
    name: 'slowLoad' | 'slowStore' | 'slowUpdate' | 'finishUpdate' | 'raise',
    sync: Sync,
  ): void {
    const out = this.out;
    out.get(BUDGET_PARAMETER);
    if (sync.flags === 'pending') {
      out.i32Const(sync.kind);
      this.value(sync.result);
      this.value(sync.source);
    } else if (sync.flags === 'local' && this.areFlagsInLocals) {
      for (const local of this.flagLocals) out.get(local);
    } else {
      this.call(name);
      return;
    }
    this.call(`${name}Flags`);
  }

  /** RIP gets its place in the page, from a local. */
  protected storeRip(offset: number): void {
    const out = this.out;
    storeRipInPage(out, () => {
      out.get(offset);
      out.byte(Op.i64ExtendI32U);
    });
  }

  /** After a slow path: a request to leave has taken the budget away. */
  protected reloadBudget(): void {
    this.out.i32Const(0);
    this.out.memory(Op.i32Load, BUDGET);
    this.out.set(BUDGET_PARAMETER);
  }

  protected call(name: CodeName): void {
    this.out.byte(Op.call);
    this.out.u32(CodeIndex[name]);
  }

  protected syncOf(index: number): Sync {
    return this.ir.syncs[this.ir.imm2[index]!]!;
  }
}
