/** Values of nodes: on the stack, or in locals. */
import { type CodeBuffer } from '../wasm/code.ts';
import { Op, OpFD } from '../wasm/opcodes.ts';
import { NONE, Node } from './ir.ts';
import { type MachineIr } from './machine-ir.ts';

/** Of a block's function: a record, the budget, and how deep calls may nest. */
const PARAMETERS = 3;

export abstract class ValueLowering {
  protected readonly out: CodeBuffer;
  protected ir!: MachineIr;
  protected types: number[] = [];
  protected readonly free = new Map<number, number[]>();
  protected local = new Int32Array(0);
  protected uses = new Int32Array(0);
  protected live = new Uint8Array(0);
  /** Locals of the flags' kind, result and source. */
  protected flagLocals: readonly [number, number, number] = [0, 0, 0];

  constructor(out: CodeBuffer) {
    this.out = out;
  }

  /** A new local, after the parameters. */
  protected addLocal(type: number): number {
    return PARAMETERS - 1 + this.types.push(type);
  }

  protected newLocal(type: number): number {
    const free = this.free.get(type);
    if (free !== undefined && free.length > 0) return free.pop()!;
    return this.addLocal(type);
  }

  protected release(index: number): void {
    const local = this.local[index]!;
    const type = this.ir.type[index]!;
    if (local === NONE || this.isFixed(index)) return;
    const free = this.free.get(type);
    if (free === undefined) this.free.set(type, [local]);
    else free.push(local);
  }

  protected consume(index: number): void {
    this.uses[index]! -= 1;
    if (this.uses[index] === 0) this.release(index);
  }

  /** A node that stands for a local which lives as long as the function. */
  protected isFixed(index: number): boolean {
    return this.ir.op[index] === Node.flagLocal;
  }

  protected getFixed(index: number): void {
    this.out.get(this.flagLocals[this.ir.imm[index]!]!);
  }

  /** Pushes a node's value. */
  protected value(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const op = ir.op[index]!;
    if (op === Op.i32Const) {
      out.i32Const(ir.imm[index]!);
      return;
    }
    if (op === Op.i64Const) {
      out.i64Const(ir.imm[index]!, ir.imm2[index]!);
      return;
    }
    if (op === Node.record) {
      out.get(0);
      return;
    }
    if (this.isFixed(index)) {
      this.getFixed(index);
      return;
    }
    if (this.local[index] !== NONE) {
      out.get(this.local[index]!);
      this.consume(index);
      return;
    }
    if (op >= Node.ordered) throw new Error(`node ${index} is used before its place`);
    this.compute(index);
    if (this.uses[index]! > 1) {
      const local = this.newLocal(ir.type[index]!);
      this.local[index] = local;
      out.tee(local);
      this.consume(index);
    } else this.uses[index] = 0;
  }

  protected compute(index: number): void {
    const ir = this.ir;
    const out = this.out;
    const op = ir.op[index]!;
    if (ir.a[index] !== NONE) this.value(ir.a[index]!);
    if (ir.b[index] !== NONE) this.value(ir.b[index]!);
    if (ir.c[index] !== NONE) this.value(ir.c[index]!);
    if (op < Node.vector) {
      out.byte(op);
      return;
    }
    const vector = op - Node.vector;
    out.byte(Op.prefixFD);
    out.u32(vector);
    if (vector === OpFD.i8x16Shuffle) for (const lane of ir.lanes[ir.imm[index]!]!) out.byte(lane);
    else if (vector === OpFD.v128Const) {
      for (const word of ir.lanes[ir.imm[index]!]!) {
        for (let shift = 0; shift < 32; shift += 8) out.byte((word >>> shift) & 0xff);
      }
    } else if (vector >= 21 && vector <= 34) out.byte(ir.imm[index]!);
  }

  /** Gives a node a local now, so that both sides of a branch have it. */
  protected materialize(index: number): void {
    if (index === NONE || this.ir.isConstant(index) || this.local[index] !== NONE) return;
    if (this.isFixed(index)) return;
    this.compute(index);
    const local = this.newLocal(this.ir.type[index]!);
    this.local[index] = local;
    this.out.set(local);
  }

  /** Stores the value on the stack as a node's own, or drops it. */
  protected keep(index: number): void {
    if (this.uses[index] === 0) {
      this.out.byte(Op.drop);
      return;
    }
    const local = this.newLocal(this.ir.type[index]!);
    this.local[index] = local;
    this.out.set(local);
  }

  protected scratch(type: number): number {
    return this.newLocal(type);
  }

  protected giveBack(type: number, local: number): void {
    const free = this.free.get(type);
    if (free === undefined) this.free.set(type, [local]);
    else free.push(local);
  }

  /** Pushes a node that has a local, without counting a use. */
  protected push(index: number): void {
    const ir = this.ir;
    if (ir.isConstant(index)) this.value(index);
    else if (this.isFixed(index)) this.getFixed(index);
    else this.out.get(this.local[index]!);
  }

  protected consumeUnless(index: number): void {
    if (index === NONE || this.ir.isConstant(index)) return;
    if (this.isFixed(index)) return;
    this.consume(index);
  }
}
