/** The reference executor: one instruction at a time, from the bytes at RIP. */
import { callInstruction } from '../call.ts';
import type { Cpu } from '../cpu.ts';
import { DecodeFault, Decoder, MAX_INSTRUCTION_BYTES } from '../decode/decode.ts';
import { Instruction } from '../decode/instruction.ts';
import { raise, Vector } from '../exception.ts';
import { fetchPosition } from '../mmu/access.ts';
import { codeSizeOf } from '../mode.ts';
import { bind, type BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import { RIP, SegmentIndex } from '../state.ts';
import { linearOf } from '../system/segments.ts';
import { BASE_FEATURES } from '../table/table.ts';
import { NEEDS_FUNCTION, ReferenceEmit } from './reference-emit.ts';

const PAGE_BYTES = 4096;

export class ReferenceExecutor {
  readonly #cpu: Cpu;
  readonly #decoder = new Decoder(BASE_FEATURES);
  readonly #bytes = new Uint8Array(MAX_INSTRUCTION_BYTES);
  /** The instruction that {@link step} decoded last. */
  readonly insn = new Instruction();

  constructor(cpu: Cpu) {
    this.#cpu = cpu;
  }

  /**
   * Executes the instruction at RIP; of a repeated string instruction as much as one call does.
   * Interrupts, debug traps and the delivery of exceptions are the caller's.
   * @throws CpuException
   */
  step(): void {
    this.#decode();
    executeBound(this.#cpu, bind(this.insn, this.#cpu.mode));
  }

  /** Fetches a page's worth, then from the next page if the instruction goes on there. */
  #decode(): void {
    const cpu = this.#cpu;
    const mode = codeSizeOf(cpu.mode);
    const { rip } = cpu;
    const limit = mode === 64 ? Infinity : cpu.segmentLimit(SegmentIndex.cs);
    if (rip > limit) raise(Vector.generalProtection, 0);
    const linear = linearOf(cpu, SegmentIndex.cs, rip);
    const first = Math.min(MAX_INSTRUCTION_BYTES, PAGE_BYTES - (linear & (PAGE_BYTES - 1)));
    this.#fetch(linear, 0, first);
    let length = this.#decoder.decode(this.#bytes, 0, first, mode, this.insn);
    if (length === DecodeFault.truncated) {
      if (rip + first > limit) raise(Vector.generalProtection, 0);
      this.#fetch(linearOf(cpu, SegmentIndex.cs, rip + first), first, MAX_INSTRUCTION_BYTES);
      length = this.#decoder.decode(this.#bytes, 0, MAX_INSTRUCTION_BYTES, mode, this.insn);
    }
    if (length === DecodeFault.tooLong) raise(Vector.generalProtection, 0);
    if (length === DecodeFault.undefinedOpcode) raise(Vector.invalidOpcode);
    if (rip + length - 1 > limit) raise(Vector.generalProtection, 0);
  }

  #fetch(linear: number, from: number, to: number): void {
    const position = fetchPosition(this.#cpu, linear);
    this.#bytes.set(this.#cpu.u8.subarray(position, position + to - from), from);
  }
}

/** Executes an instruction whose address is in RIP. */
export function executeBound(cpu: Cpu, bound: BoundInstruction): void {
  const meaning = meaningFor(bound);
  if (meaning === undefined) {
    callInstruction(cpu, bound);
    return;
  }
  cpu.isRepeating = false;
  const emit = new ReferenceEmit(cpu, bound);
  try {
    meaning(emit);
  } catch (error) {
    if (error !== NEEDS_FUNCTION) throw error;
    callInstruction(cpu, bound);
    return;
  }
  cpu.u64[RIP >> 3] = emit.next;
}
