/**
 * Finds, decodes, compiles and drops blocks. Code is kept by its position in the linear memory, so it
 * serves every address space and processor; what a guest or a device writes over is dropped.
 */
import { type Decoder, DecodeFault, MAX_INSTRUCTION_BYTES } from '../decode/decode.ts';
import { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import type { Cpu } from '../cpu.ts';
import { codeSizeOf, cplOf, Mode } from '../mode.ts';
import { bind, type BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import {
  BUDGET,
  CODE_ARENA,
  CODE_ARENA_BYTES,
  CODE_PAGES,
  CODE_PAGES_BYTES,
  EXIT_ARGUMENT,
  RIP,
} from '../state.ts';
import { CodeBuffer } from '../wasm/code.ts';
import { type FunctionBody, functionOf, FunctionType } from '../wasm/module.ts';
import { fillRecord } from '../interpret/handler-builder.ts';
import { Handlers } from '../interpret/handlers.ts';
import { HeadField, RECORD_BYTES, RecordField } from '../interpret/record.ts';
import { fetchPosition } from '../mmu/access.ts';
import { protectPage } from '../mmu/tlb.ts';
import { type Block, CodePage, isCompilable } from './block.ts';
import { BlockBuilder } from './block-builder.ts';
import { Lowering } from './lower.ts';
import { LinkSlot, TableIndex } from './table-index.ts';
import { isCalled } from './called.ts';
import { endsBlock } from './ends-block.ts';
import { FunctionTable } from './function-table.ts';
import { growRegion, linksOf, type Region } from './region.ts';

const PAGE_BYTES = 4096;
const MAX_BLOCK = 48;
/** Nodes that the longest meaning may need. */
const MAX_NODES = 600;
const REGION_LIMITS = { blocks: 20, instructions: 110 };
/** Further entries after which a block waits no longer. */
const PATIENCE = 500;
/** JavaScriptCore compiles a function after 150 points; an entry has 15. */
const WARMING_ENTRIES = 11;
/** Of a block that is not to be entered any more: more than any budget. */
const NEVER = 0x7fff_ffff;

/** Records of blocks that are not kept, at the arena's start. */
const SCRATCH_BYTES = (MAX_BLOCK + 2) * RECORD_BYTES;
const SCRATCH_RECORDS = CODE_ARENA;
const ARENA_END = CODE_ARENA + CODE_ARENA_BYTES;

export interface CodeCacheOptions {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly imports: Record<string, unknown>;
  readonly decoder: Decoder;
  /** Entries after which a block is compiled; 0: never. */
  readonly threshold: number;
  /** As many hot blocks wait for each other. */
  readonly batch: number;
  /**
   * Instructions after which a new function is entered: meanwhile JavaScriptCore compiles it on another
   * thread, and until it has, it would interpret it, tens of times as slow as tier 0. 0: at once.
   */
  readonly delay: number;
  /** Positions of the state blocks: 0 and where the other processors' are kept. */
  readonly states: readonly number[];
}

/** The arena has no room for another block: the engine clears the cache and begins again. */
export class ArenaFull extends Error {}

export class CodeCache {
  readonly #options: CodeCacheOptions;
  readonly #pages = new Map<number, CodePage>();
  readonly #byRecord = new Map<number, Block>();
  readonly #bySlot = new Map<number, Block>();
  /**
   * Instructions that are functions, by the number in their records. The first numbers are for blocks
   * that are not kept.
   */
  readonly calls: BoundInstruction[] = [];
  readonly #view: DataView;
  readonly #u8: Uint8Array;
  readonly #insn = new Instruction();
  readonly #fetched = new Uint8Array(2 * MAX_INSTRUCTION_BYTES);
  readonly #functions: FunctionTable;
  readonly #handlers: Handlers;
  readonly #blockBuilder = new BlockBuilder();
  readonly #code = new CodeBuffer(64 * 1024);
  readonly #lowering = new Lowering(this.#code);
  /** Hot blocks that wait to be compiled together. */
  readonly #queue = new Set<Block>();
  /** New functions that JavaScriptCore is compiling, oldest first. */
  readonly #pending: {
    readonly block: Block;
    readonly tableIndex: number;
    readonly due: number;
  }[] = [];
  /** Instructions retired, of all processors. */
  #retired = 0;
  /** When the oldest of the new functions may be entered. */
  #due = Infinity;
  #arena = CODE_ARENA + SCRATCH_BYTES;
  /** Counts the times that everything was dropped. */
  generation = 0;
  compiledBlocks = 0;
  decodedBlocks = 0;
  invalidations = 0;

  constructor(options: CodeCacheOptions) {
    this.#options = options;
    this.#functions = new FunctionTable(options.table, options.imports);
    this.#handlers = new Handlers(this.#functions, options.decoder);
    this.#view = new DataView(options.memory.buffer);
    this.#u8 = new Uint8Array(options.memory.buffer);
  }

  hasCode(position: number): boolean {
    return this.#pages.has(position >>> 12);
  }

  /**
   * The block at RIP in the present mode.
   * @param isStep only its first instruction, which never leads to another block by itself
   * @throws CpuException what fetching or decoding raises
   */
  find(cpu: Cpu, isStep: boolean): Block {
    const { mode } = cpu;
    const linear = this.#linearRip(cpu, 0);
    const position = fetchPosition(cpu, linear);
    const page = this.#pages.get(position >>> 12);
    const key = CodePage.key(position & 0xfff, mode, isStep);
    const known = page?.blocks.get(key);
    if (known !== undefined && this.#isWhole(cpu, known, linear)) return known;
    if (known !== undefined) this.#drop(known);
    return this.#decode(cpu, position, isStep ? 1 : MAX_BLOCK, key);
  }

  /** A block of exactly so many instructions or fewer, which is not kept. Its records are overwritten by the next. */
  decodeExactly(cpu: Cpu, count: number): Block {
    const linear = this.#linearRip(cpu, 0);
    const position = fetchPosition(cpu, linear);
    return this.#decode(cpu, position, Math.min(count, MAX_BLOCK), -1);
  }

  byRecord(record: number): Block | undefined {
    return this.#byRecord.get(record);
  }

  /** Linear address of RIP plus a distance; outside 64-bit mode it wraps at 4 GiB. */
  #linearRip(cpu: Cpu, distance: number): number {
    if ((cpu.mode & Mode.codeSizeMask) === Mode.code64) return cpu.rip + distance;
    return (cpu.segmentBase(1) + cpu.rip + distance) % 0x1_0000_0000;
  }

  /** A block that crosses a page is good while the second page is still where it was. */
  #isWhole(cpu: Cpu, block: Block, linear: number): boolean {
    if (block.second < 0) return true;
    return fetchPosition(cpu, this.#linearRip(cpu, PAGE_BYTES - (linear & 0xfff))) === block.second;
  }

  #decode(cpu: Cpu, position: number, limit: number, key: number): Block {
    const { mode } = cpu;
    const codeSize = codeSizeOf(mode);
    const pageEnd = position - (position & 0xfff) + PAGE_BYTES;
    const instructions: BoundInstruction[] = [];
    let at = position;
    let second = -1;
    while (instructions.length < limit) {
      const length = this.#options.decoder.decode(this.#u8, at, pageEnd, codeSize, this.#insn);
      if (length === DecodeFault.truncated) {
        // Only as a block of its own, so that the page before stands alone.
        if (instructions.length > 0) break;
        second = this.#decodeAcross(cpu, position, pageEnd);
        instructions.push(bind(this.#insn, mode));
        at += this.#insn.length;
        break;
      }
      if (length <= 0) {
        if (instructions.length > 0) break;
        if (length === DecodeFault.tooLong) raise(Vector.generalProtection, 0);
        raise(Vector.invalidOpcode);
      }
      const bound = bind(this.#insn, mode);
      instructions.push(bound);
      at += length;
      if (endsBlock(bound) || at >= pageEnd) break;
    }
    return this.#enter(cpu, instructions, { position, second, mode, bytes: at - position, key });
  }

  /** A block's instructions: its bytes are those that it was made from, or it would have been dropped. */
  instructionsOf({ position, count, mode, instructions }: Block): readonly BoundInstruction[] {
    if (instructions !== undefined) return instructions;
    const codeSize = codeSizeOf(mode);
    const pageEnd = position - (position & 0xfff) + PAGE_BYTES;
    const decoded: BoundInstruction[] = [];
    for (let at = position; decoded.length < count;) {
      at += this.#options.decoder.decode(this.#u8, at, pageEnd, codeSize, this.#insn);
      decoded.push(bind(this.#insn, mode));
    }
    return decoded;
  }

  /** An instruction whose bytes lie in two pages. @returns the position of the second page */
  #decodeAcross(cpu: Cpu, position: number, pageEnd: number): number {
    const first = pageEnd - position;
    const next = fetchPosition(cpu, this.#linearRip(cpu, first));
    this.#fetched.set(this.#u8.subarray(position, pageEnd));
    this.#fetched.set(this.#u8.subarray(next, next + MAX_INSTRUCTION_BYTES), first);
    const length = this.#options.decoder.decode(
      this.#fetched,
      0,
      first + MAX_INSTRUCTION_BYTES,
      codeSizeOf(cpu.mode),
      this.#insn,
    );
    if (length === DecodeFault.tooLong) raise(Vector.generalProtection, 0);
    if (length <= 0) raise(Vector.invalidOpcode);
    return next;
  }

  #enter(
    cpu: Cpu,
    instructions: readonly BoundInstruction[],
    found: Pick<Block, 'position' | 'second' | 'mode' | 'bytes' | 'key'>,
  ): Block {
    const { position, second, bytes, key } = found;
    const isKept = key >= 0;
    const recordBytes = (instructions.length + 2) * RECORD_BYTES;
    const record = isKept ? this.#allocate(recordBytes) : SCRATCH_RECORDS;
    const block: Block = {
      position,
      key,
      second,
      mode: found.mode,
      bytes,
      count: instructions.length,
      instructions: isKept && second < 0 ? undefined : instructions,
      links: linksOf(instructions.at(-1)!, (position & (PAGE_BYTES - 1)) + bytes),
      isCalled: isKept && isCalled(cpu),
      record,
      tableIndex: TableIndex.enterRecord,
      parameter: record,
      incoming: [],
      containers: undefined,
      region: undefined,
      isDead: false,
    };
    for (let index = 0; index < instructions.length; index += 1) {
      const bound = instructions[index]!;
      const at = record + (index + 1) * RECORD_BYTES;
      const isCall = meaningFor(bound) === undefined;
      fillRecord(this.#view, at, bound);
      if (isCall) {
        const number = isKept ? Math.max(this.calls.length, MAX_BLOCK) : index;
        this.calls[number] = bound;
        this.#view.setUint32(at + RecordField.immediate, number, true);
      }
      this.#view.setUint16(at + RecordField.remaining, instructions.length - index, true);
      this.#view.setUint32(at + RecordField.handler, this.#handlers.indexOf(bound, isCall), true);
    }
    const end = record + (instructions.length + 1) * RECORD_BYTES;
    this.#view.setUint32(end + RecordField.handler, TableIndex.dispatch, true);
    this.#view.setUint32(record + HeadField.instructions, instructions.length, true);
    this.#view.setUint32(record + HeadField.count, 0, true);
    const threshold = isKept && isCompilable(block) ? this.#options.threshold : 0;
    this.#view.setUint32(record + HeadField.threshold, threshold, true);
    this.#handlers.publish();
    if (!isKept) return block;
    this.decodedBlocks += 1;
    this.#byRecord.set(record, block);
    const page = this.#page(cpu, position);
    page.blocks.set(key, block);
    const first = Math.min(bytes, PAGE_BYTES - (position & 0xfff));
    page.mark(position & 0xfff, first);
    if (second >= 0) {
      const next = this.#page(cpu, second);
      next.mark(0, bytes - first);
      next.blocks.set(CodePage.secondKey(record), block);
    }
    return block;
  }

  #page(cpu: Cpu, position: number): CodePage {
    const number = position >>> 12;
    const known = this.#pages.get(number);
    if (known !== undefined) return known;
    const page = new CodePage();
    this.#pages.set(number, page);
    this.#u8[CODE_PAGES + (number >>> 3)]! |= 1 << (number & 7);
    for (const state of this.#options.states) protectPage(cpu, position, state);
    return page;
  }

  #allocate(bytes: number): number {
    if (this.#arena + bytes > ARENA_END) throw new ArenaFull();
    const at = this.#arena;
    this.#arena += bytes;
    return at;
  }

  // --- tier 1

  /**
   * A block has reached its threshold. It waits for others, since a module costs more than a function;
   * one that comes back for the second time does not wait any longer.
   */
  heat(block: Block): void {
    if (block.region !== undefined) {
      this.#install(Infinity);
      return;
    }
    const isAgain = this.#queue.has(block);
    this.#queue.add(block);
    const count = this.#view.getUint32(block.record + HeadField.count, true);
    this.#view.setUint32(block.record + HeadField.threshold, count + PATIENCE, true);
    if (!isAgain && this.#queue.size < this.#options.batch) return;
    // Where functions begin comes first, since their regions may cover the rest.
    const heads = [...this.#queue].toSorted((a, b) => Number(b.isCalled) - Number(a.isCalled));
    this.#queue.clear();
    this.#compile(heads, isAgain ? block : undefined);
  }

  /**
   * Makes functions of regions. What is part of another's region waits whether it is entered from elsewhere.
   * @param insisted the head that comes for the second time: it gets its own function
   */
  #compile(heads: readonly Block[], insisted: Block | undefined): void {
    const bodies: FunctionBody[] = [];
    const batch: Block[] = [];
    const covered = new Set<Block>();
    const slots: { slot: number; block: Block }[] = [];
    for (const head of heads) {
      if (head.isDead || head.region !== undefined) continue;
      if (head !== insisted && covered.has(head)) continue;
      const { region, body } = this.#compileRegion(head, slots);
      head.region = region;
      for (const { block } of region.members) {
        covered.add(block);
        (block.containers ??= new Set()).add(head);
      }
      batch.push(head);
      bodies.push(body);
    }
    if (batch.length === 0) return;
    const first = this.#functions.add(bodies);
    this.#warm(first, batch.length);
    const due = this.#retired + this.#options.delay;
    for (const [index, block] of batch.entries()) {
      this.#pending.push({ block, tableIndex: first + index, due });
    }
    this.#due = this.#pending[0]!.due;
    for (const { slot, block } of slots) this.#bySlot.set(slot, block);
    this.advance(0);
  }

  /** So many instructions have retired: new functions whose time has come take the places of their records. */
  advance(retired: number): void {
    this.#retired += retired;
    if (this.#retired >= this.#due) this.#install(this.#retired);
  }

  #install(until: number): void {
    const pending = this.#pending;
    let count = 0;
    while (count < pending.length && pending[count]!.due <= until) {
      const { block, tableIndex } = pending[count]!;
      count += 1;
      if (block.isDead) continue;
      block.tableIndex = tableIndex;
      block.parameter = 0;
      // Whoever still comes by the record leaves there, and learns of the function.
      this.#view.setUint32(block.record + HeadField.instructions, NEVER, true);
      this.compiledBlocks += 1;
      for (const slot of block.incoming) this.#setSlot(slot, block.tableIndex, 0);
    }
    pending.splice(0, count);
    this.#due = pending[0]?.due ?? Infinity;
  }

  /**
   * Enters new functions a few times with no budget, which they leave at once: the engine counts entries
   * before it compiles a function, and until then interprets it, tens of times as slow.
   */
  #warm(first: number, count: number): void {
    const { table } = this.#options;
    const kept = this.#u8.slice(RIP, RIP + 8);
    const exit = this.#u8.slice(BUDGET, EXIT_ARGUMENT + 4);
    for (let index = first; index < first + count; index += 1) {
      const enter = table.get(index) as (parameter: number, budget: number) => void;
      for (let entry = 0; entry < WARMING_ENTRIES; entry += 1) enter(0, 0);
    }
    this.#u8.set(kept, RIP);
    this.#u8.set(exit, BUDGET);
  }

  #compileRegion(
    head: Block,
    slots: { slot: number; block: Block }[],
  ): { region: Region; body: FunctionBody } {
    const builder = this.#blockBuilder;
    let region = growRegion(head, (offset) => this.#regionBlock(head, offset), REGION_LIMITS);
    if (!this.#build(region)) {
      region = growRegion(head, () => undefined, REGION_LIMITS);
      if (!this.#build(region)) throw new Error('a block is too large');
    }
    this.#code.reset();
    const { mode } = head;
    const locals = this.#lowering.lower(builder, builder, {
      isUser: cplOf(mode) === 3,
      mode,
      allocateSlot: (offset) => {
        const slot = this.#allocate(LinkSlot.bytes);
        slots.push({ slot, block: head });
        this.#view.setUint32(slot + LinkSlot.offset, offset, true);
        this.#setSlot(slot, TableIndex.unlinked, slot);
        return slot;
      },
    });
    return { region, body: functionOf(FunctionType.block, locals, this.#code) };
  }

  /** @returns false when the nodes do not fit */
  #build(region: Region): boolean {
    const builder = this.#blockBuilder;
    builder.start(region);
    for (const { block } of region.members) {
      const { count } = block;
      builder.startBlock(block);
      let distance = 0;
      let record = block.record;
      for (const [at, bound] of this.instructionsOf(block).entries()) {
        if (builder.room < MAX_NODES) return false;
        builder.instruction(bound, distance, count - at);
        distance += bound.insn.length;
        record += RECORD_BYTES;
        const meaning = meaningFor(bound);
        if (meaning !== undefined) meaning(builder);
        else builder.callInstruction(this.#view.getUint32(record + RecordField.immediate, true));
      }
      builder.finish();
    }
    return true;
  }

  /** The block at a place in the page of a region's head, if it runs often enough to be part of it. */
  #regionBlock(head: Block, offset: number): Block | undefined {
    const { mode, position } = head;
    const block = this.#pages.get(position >>> 12)?.blocks.get(CodePage.key(offset, mode, false));
    if (block === undefined || block.isDead || block.second >= 0) return undefined;
    if (block.region !== undefined) return undefined;
    const count = this.#view.getUint32(block.record + HeadField.count, true);
    return count >= this.#options.threshold >> 3 ? block : undefined;
  }

  #setSlot(slot: number, tableIndex: number, parameter: number): void {
    this.#view.setUint32(slot + LinkSlot.tableIndex, tableIndex, true);
    this.#view.setUint32(slot + LinkSlot.parameter, parameter, true);
  }

  /** Makes an exit lead straight to a block in the same page. */
  link(slot: number, target: Block): void {
    const source = this.#bySlot.get(slot);
    if (source === undefined || source.isDead || target.isDead) return;
    const isSamePage = source.position >>> 12 === target.position >>> 12;
    if (!isSamePage || target.mode !== source.mode) {
      this.#setSlot(slot, TableIndex.throughCache, slot);
      return;
    }
    if (target.tableIndex === TableIndex.enterRecord) {
      this.#setSlot(slot, TableIndex.throughCache, slot);
    } else this.#setSlot(slot, target.tableIndex, 0);
    target.incoming.push(slot);
  }

  // --- invalidation

  /** @returns whether decoded code lies at any of the bytes, which stay within a page */
  touches(position: number, length: number): boolean {
    const page = this.#pages.get(position >>> 12);
    return page?.touches(position & 0xfff, length) === true;
  }

  /** Drops the blocks that the bytes belong to, which stay within a page. */
  invalidate(position: number, length: number): void {
    const page = this.#pages.get(position >>> 12);
    if (page?.touches(position & 0xfff, length) !== true) return;
    const end = position + length;
    for (const block of page.blocks.values()) {
      const isSecond = block.second >= 0 && block.second >>> 12 === position >>> 12;
      const isHit = isSecond
        ? position - block.second < MAX_INSTRUCTION_BYTES
        : block.position < end && block.position + block.bytes > position;
      if (isHit) this.#drop(block);
    }
    page.remark(position - (position & 0xfff));
    if (page.blocks.size > 0) return;
    const number = position >>> 12;
    this.#pages.delete(number);
    this.#u8[CODE_PAGES + (number >>> 3)]! &= ~(1 << (number & 7));
  }

  #drop(block: Block): void {
    block.isDead = true;
    this.invalidations += 1;
    this.#view.setUint32(block.record + HeadField.instructions, NEVER, true);
    this.#byRecord.delete(block.record);
    if (block.tableIndex !== TableIndex.enterRecord) {
      this.#options.table.set(block.tableIndex, this.#options.table.get(TableIndex.miss));
    }
    for (const slot of block.incoming) this.#setSlot(slot, TableIndex.unlinked, slot);
    for (const head of block.containers ?? []) if (!head.isDead) this.#drop(head);
    for (const member of block.region?.members ?? []) member.block.containers?.delete(block);
    for (const position of [block.position, block.second]) {
      if (position < 0) continue;
      const page = this.#pages.get(position >>> 12);
      if (page === undefined) continue;
      const key = position === block.position ? block.key : CodePage.secondKey(block.record);
      if (page.blocks.get(key) === block) page.blocks.delete(key);
    }
  }

  /** Forgets all code, when the arena is full. */
  clear(): void {
    const miss = this.#options.table.get(TableIndex.miss) as unknown;
    for (const block of this.#byRecord.values()) {
      if (block.tableIndex !== TableIndex.enterRecord) {
        this.#options.table.set(block.tableIndex, miss);
      }
    }
    this.#pages.clear();
    this.#u8.fill(0, CODE_PAGES, CODE_PAGES + CODE_PAGES_BYTES);
    this.#byRecord.clear();
    this.#bySlot.clear();
    this.#queue.clear();
    this.#pending.length = 0;
    this.#due = Infinity;
    this.calls.length = 0;
    this.#arena = CODE_ARENA + SCRATCH_BYTES;
    this.generation += 1;
  }
}
