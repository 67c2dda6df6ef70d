/**
 * The page walk in WebAssembly, for what misses the TLB usually meet: four levels, pages of 4 KiB or
 * 2 MiB, tables and page in low RAM, an access that is allowed and that no table need be marked for. It
 * enters the page as mmu/walk.ts and mmu/tlb.ts would; whatever else there is it leaves to them, with
 * nothing changed.
 */
import { Cr0, Cr4, Efer, Eflags } from '../cpu.ts';
import { LARGE_SHIFT, largeCode } from '../mmu/tlb.ts';
import { Access, Entry } from '../mmu/walk.ts';
import { Mode } from '../mode.ts';
import {
  CODE_BANKS,
  CODE_PAGES,
  Flags,
  LARGE_REGION_COUNT,
  LARGE_REGIONS,
  MODE,
  System,
  TLB,
  TLB_BANK_BYTES,
  TLB_ENTRY_BYTES,
  TLB_FILLED,
  TLB_GLOBAL,
  TlbEntry,
} from '../state.ts';
import { FunctionCode } from '../wasm/function-code.ts';
import { type FunctionBody, FunctionType, BASE_FIRST } from '../wasm/module.ts';
import { Op, ValueType } from '../wasm/opcodes.ts';
import { tlbOffset } from './jump.ts';
import { TableIndex } from './table-index.ts';

/** RAM from guest physical address 0 on: its position in the linear memory, and how much it is. */
export interface LowRam {
  readonly position: number;
  readonly bytes: number;
}

const PAGE_BYTES = 4096;
const PAGE_SHIFT = 12;
/** Bits 20:13 of an entry for 2 MiB are reserved. */
const LARGE_RESERVED = 0x1f_e000;
const LARGE_BITS = 21;
/** In an entry of the TLB, beside the page: part of a page of 2 MiB. */
const LARGE_MARK = largeCode(LARGE_BITS) << LARGE_SHIFT;
const DR7_ENABLES = 0xff;
const GLOBAL_SHIFT = 31 - Math.log2(Entry.global);

/** Pushes the bits 51:12 of an entry on the stack. */
function addressBits(out: FunctionCode): void {
  out.i64Const(-PAGE_BYTES, 0xf_ffff);
  out.op(Op.i64And);
}

function returnZeroIf(out: FunctionCode): void {
  out.unlikelyIf(ValueType.void);
  out.i32Const(0);
  out.op(Op.return, Op.end);
}

function bits(out: FunctionCode, local: number, mask: number): void {
  out.get(local);
  out.i64Const(mask, 0);
  out.op(Op.i64And);
}

const [LINEAR, ACCESS] = [0, 1];

class WalkCode extends FunctionCode {
  readonly #ram: LowRam;
  readonly isUser = this.local(ValueType.i32);
  /** Of the entry read last. */
  readonly entry = this.local(ValueType.i64);
  readonly upper = this.local(ValueType.i64);
  /** Of all entries: what each of them has, and what any has. */
  readonly common = this.local(ValueType.i64);
  readonly any = this.local(ValueType.i64);
  readonly page = this.local(ValueType.i64);
  readonly large = this.local(ValueType.i32);
  readonly isWritable = this.local(ValueType.i32);
  readonly position = this.local(ValueType.i32);
  readonly place = this.local(ValueType.i32);
  readonly number = this.local(ValueType.i32);

  constructor(ram: LowRam) {
    super(FunctionType.walk);
    this.#ram = ram;
  }

  /** Leaves what is not canonical, not 4-level paging with NX, watched, or perhaps not aligned. */
  declineUnusual(): void {
    this.get(LINEAR);
    this.i64Const(16, 0);
    this.op(Op.i64Shl);
    this.i64Const(16, 0);
    this.op(Op.i64ShrS);
    this.get(LINEAR);
    this.op(Op.i64Ne);
    this.stateBits(MODE, Mode.long);
    this.op(Op.i32Eqz, Op.i32Or);
    this.stateBits(System.efer, Efer.nxe);
    this.op(Op.i32Eqz, Op.i32Or);
    this.stateBits(System.dr + 8 * 7, DR7_ENABLES);
    this.stateBits(Flags.system, Eflags.ac);
    this.op(Op.i32Or, Op.i32Or);
    returnZeroIf(this);
    this.stateBits(MODE, Mode.cplMask);
    this.i32Const(Mode.cplMask);
    this.op(Op.i32Eq);
    this.set(this.isUser);
  }

  /** A guest physical address that is not in low RAM declines. */
  mustBeRam(pushAddress: () => void): void {
    pushAddress();
    this.i64Const(this.#ram.bytes, Math.floor(this.#ram.bytes / 2 ** 32));
    this.op(Op.i64GeU);
    returnZeroIf(this);
  }

  /** Reads the entry of a level from the table at `page`, which becomes the address in it. */
  level(number: number, isFirst = false): void {
    this.mustBeRam(() => this.get(this.page));
    this.get(this.page);
    this.op(Op.i32WrapI64);
    this.get(LINEAR);
    this.i64Const(PAGE_SHIFT + 9 * (number - 1) - 3, 0);
    this.op(Op.i64ShrU, Op.i32WrapI64);
    this.i32Const(0xff8);
    this.op(Op.i32And, Op.i32Or);
    this.i32Const(this.#ram.position);
    this.op(Op.i32Add);
    this.memory(Op.i64Load, 0);
    this.tee(this.entry);
    for (const [all, op] of [
      [this.common, Op.i64And],
      [this.any, Op.i64Or],
    ] as const) {
      if (!isFirst) {
        this.get(all);
        this.op(op);
      }
      this.set(all);
      this.get(this.entry);
    }
    addressBits(this);
    this.set(this.page);
  }

  /** Levels 4 to 2 and, unless the page is a large one, 1. */
  levels(): void {
    this.stateLoad(Op.i64Load, System.cr3);
    addressBits(this);
    this.set(this.page);
    this.level(4, true);
    this.level(3);
    // Pages of 1 GiB are rare, and of more there are none.
    bits(this, this.any, Entry.large);
    this.op(Op.i64Eqz, Op.i32Eqz);
    returnZeroIf(this);
    this.level(2);
    bits(this, this.entry, Entry.large);
    this.op(Op.i64Eqz, Op.i32Eqz);
    this.tee(this.large);
    this.op(Op.if, ValueType.void);
    bits(this, this.entry, LARGE_RESERVED);
    this.op(Op.i64Eqz, Op.i32Eqz);
    returnZeroIf(this);
    this.get(this.page);
    this.i64Const(-(2 ** LARGE_BITS), -1);
    this.op(Op.i64And);
    bits(this, LINEAR, 2 ** LARGE_BITS - PAGE_BYTES);
    this.op(Op.i64Or);
    this.set(this.page);
    this.op(Op.else);
    this.level(1);
    this.op(Op.end);
    this.mustBeRam(() => this.get(this.page));
  }

  /** What the access must find, beside what marks would change. */
  declineFaults(): void {
    bits(this, this.common, Entry.present | Entry.accessed);
    this.i64Const(Entry.present | Entry.accessed, 0);
    this.op(Op.i64Ne);
    // The user's own pages only.
    this.get(this.isUser);
    bits(this, this.common, Entry.user);
    this.op(Op.i64Eqz, Op.i32And, Op.i32Or);
    returnZeroIf(this);
    // Without CR0.WP, the supervisor writes everywhere.
    bits(this, this.common, Entry.write);
    this.op(Op.i64Eqz, Op.i32Eqz);
    this.get(this.isUser);
    this.stateBits(System.cr0, Cr0.wp);
    this.op(Op.i32Or, Op.i32Eqz, Op.i32Or);
    bits(this, this.entry, Entry.dirty);
    this.op(Op.i64Eqz, Op.i32Eqz, Op.i32And);
    this.get(this.page);
    this.op(Op.i32WrapI64);
    this.i32Const(this.#ram.position);
    this.op(Op.i32Add);
    this.tee(this.position);
    this.i32Const(PAGE_SHIFT + 3);
    this.op(Op.i32ShrU);
    this.memory(Op.i32Load8U, CODE_PAGES);
    this.get(this.position);
    this.i32Const(PAGE_SHIFT);
    this.op(Op.i32ShrU);
    this.i32Const(7);
    this.op(Op.i32And, Op.i32ShrU);
    this.i32Const(1);
    this.op(Op.i32And, Op.i32Eqz, Op.i32And);
    this.tee(this.isWritable);
    this.op(Op.i32Eqz);
    this.get(ACCESS);
    this.i32Const(Access.write);
    this.op(Op.i32And, Op.i32Const, 0, Op.i32Ne, Op.i32And);
    returnZeroIf(this);
    this.get(ACCESS);
    this.i32Const(Access.fetch);
    this.op(Op.i32And, Op.if, ValueType.void);
    this.get(this.any);
    this.i64Const(0, 0);
    this.op(Op.i64LtS);
    this.get(this.isUser);
    this.op(Op.i32Eqz);
    bits(this, this.common, Entry.user);
    this.op(Op.i64Eqz, Op.i32Eqz, Op.i32And);
    this.stateBits(System.cr4, Cr4.smep);
    this.op(Op.i32Eqz, Op.i32Eqz, Op.i32And, Op.i32Or);
    returnZeroIf(this);
    this.op(Op.end);
  }

  /** A tag: the page's linear address where the condition on the stack holds. */
  setTag(tag: number): void {
    const condition = this.number;
    this.set(condition);
    this.get(this.place);
    this.get(LINEAR);
    this.i64Const(-PAGE_BYTES, -1);
    this.op(Op.i64And);
    this.i64Const(-1, -1);
    this.get(condition);
    this.op(Op.select);
    this.memory(Op.i64Store, TLB + tag);
  }

  fill(): void {
    const pushFetches = (): void => {
      this.get(ACCESS);
      this.i32Const(Access.fetch);
      this.op(Op.i32And, Op.i32Eqz, Op.i32Eqz);
    };
    this.get(LINEAR);
    this.op(Op.i32WrapI64);
    tlbOffset(this);
    this.get(this.isUser);
    pushFetches();
    this.i32Const(Math.log2(CODE_BANKS));
    this.op(Op.i32Shl, Op.i32Or);
    this.i32Const(TLB_BANK_BYTES);
    this.op(Op.i32Mul, Op.i32Add);
    this.set(this.place);
    pushFetches();
    this.op(Op.i32Eqz);
    this.setTag(TlbEntry.readTag);
    pushFetches();
    this.op(Op.i32Eqz);
    this.get(this.isWritable);
    this.op(Op.i32And);
    this.setTag(TlbEntry.writeTag);
    pushFetches();
    this.setTag(TlbEntry.executeTag);
    this.get(this.place);
    this.get(this.position);
    this.get(LINEAR);
    this.op(Op.i32WrapI64);
    this.i32Const(-PAGE_BYTES);
    this.op(Op.i32And, Op.i32Sub);
    this.memory(Op.i32Store, TLB + TlbEntry.addend);
    this.get(this.place);
    this.get(this.page);
    this.i64Const(PAGE_SHIFT, 0);
    this.op(Op.i64ShrU, Op.i32WrapI64);
    this.i32Const(LARGE_MARK);
    this.i32Const(0);
    this.get(this.large);
    this.op(Op.select, Op.i32Or);
    bits(this, this.entry, Entry.global);
    this.op(Op.i32WrapI64);
    this.i32Const(GLOBAL_SHIFT);
    this.op(Op.i32Shl);
    this.i32Const(TLB_GLOBAL | 0);
    this.i32Const(0);
    this.stateBits(System.cr4, Cr4.pge);
    this.op(Op.select, Op.i32And);
    this.tee(this.number);
    this.op(Op.i32Or);
    this.memory(Op.i32Store, TLB + TlbEntry.page);
    // Where the entry's bit is, in one of the two maps.
    const word = this.number;
    this.i32Const(TLB_FILLED.global);
    this.i32Const(TLB_FILLED.local);
    this.get(this.number);
    this.op(Op.select);
    this.get(this.place);
    this.i32Const(Math.log2(TLB_ENTRY_BYTES) + 5);
    this.op(Op.i32ShrU);
    this.i32Const(2);
    this.op(Op.i32Shl, Op.i32Add);
    this.set(word);
    this.setBit(word, () => {
      this.get(this.place);
      this.i32Const(Math.log2(TLB_ENTRY_BYTES));
      this.op(Op.i32ShrU);
    });
    this.get(this.large);
    this.op(Op.if, ValueType.void);
    const pushRegion = (): void => {
      this.get(LINEAR);
      this.i64Const(LARGE_BITS, 0);
      this.op(Op.i64ShrU, Op.i32WrapI64);
      this.i32Const(LARGE_REGION_COUNT - 1);
      this.op(Op.i32And);
    };
    pushRegion();
    this.i32Const(5);
    this.op(Op.i32ShrU);
    this.i32Const(2);
    this.op(Op.i32Shl);
    this.i32Const(LARGE_REGIONS);
    this.op(Op.i32Add);
    this.set(word);
    this.setBit(word, pushRegion);
    this.op(Op.end);
  }

  /** Sets a bit, by its number modulo 32, in the word at an address. */
  setBit(word: number, pushNumber: () => void): void {
    this.get(word);
    this.get(word);
    this.memory(Op.i32Load, 0);
    this.i32Const(1);
    pushNumber();
    this.op(Op.i32Shl, Op.i32Or);
    this.memory(Op.i32Store, 0);
  }
}

/** The walk, of type `walk`. Access is `Access.read`, `write` or `fetch`; the privilege level is the present one. */
export function walk(ram: LowRam): FunctionBody {
  const out = new WalkCode(ram);
  out.declineUnusual();
  out.levels();
  out.declineFaults();
  out.fill();
  out.get(out.position);
  out.get(LINEAR);
  out.op(Op.i32WrapI64);
  out.i32Const(PAGE_BYTES - 1);
  out.op(Op.i32And, Op.i32Or);
  return out.whole();
}

/** Calls the walk of the linear address on the stack, which the base module has under its table index. */
export function callWalk(out: FunctionCode, access: number): void {
  out.i32Const(access);
  out.op(Op.call);
  out.u32(BASE_FIRST + TableIndex.walk);
}
