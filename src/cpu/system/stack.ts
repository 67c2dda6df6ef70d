/** Stacks of every width: pushing frames, and reading what lies on them. */
import type { Cpu } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import {
  checkWrite,
  currentBank,
  readMemory,
  readWide,
  writeMemory,
  writeWide,
} from '../mmu/access.ts';
import { Bank } from '../mmu/tlb.ts';
import { isCanonical } from '../mmu/walk.ts';
import { Mode } from '../mode.ts';
import { GPR, SegmentIndex, SegmentState } from '../state.ts';
import type { Descriptor } from './descriptor.ts';
import { bounds, checkSegment, is64Bit, setBounds } from './segments.ts';

const TWO_32 = 0x1_0000_0000;
const SP_FIELD = GPR + 8 * 4;
const SP = 4;

/** Wraps a stack pointer to its width. */
function wrap(pointer: number, width: number): number {
  return width === 64 ? pointer : width === 32 ? pointer >>> 0 : pointer & 0xffff;
}

/** 16, 32 or 64: SS.B, or 64-bit mode. */
export function stackWidth(cpu: Cpu): number {
  if (is64Bit(cpu)) return 64;
  return (cpu.mode & Mode.stack32) === 0 ? 16 : 32;
}

/** RSP, ESP or SP; signed when it has 64 bits. */
export function stackPointer(cpu: Cpu): number {
  const width = stackWidth(cpu);
  return width === 64 ? cpu.signed(SP_FIELD) : wrap(cpu.reg32(SP), width);
}

/** Writes as much of RSP as the stack is wide. */
export function setStackPointer(cpu: Cpu, pointer: number): void {
  const width = stackWidth(cpu);
  if (width === 64) cpu.setSigned(SP_FIELD, pointer);
  else if (width === 32) cpu.setReg32(SP, wrap(pointer, 32));
  else cpu.u16[SP_FIELD >> 1] = pointer;
}

/** Moves the stack pointer up, after a pop. */
export function releaseStack(cpu: Cpu, bytes: number): void {
  setStackPointer(cpu, stackPointer(cpu) + bytes);
}

/** A stack on its way to be the current one, or the current one: what is pushed takes effect with `pointer`. */
export class Frame {
  readonly #cpu: Cpu;
  readonly #base: number;
  readonly #first: number;
  readonly #last: number;
  readonly #width: number;
  readonly #error: number;
  readonly #bank: number;
  pointer: number;

  private constructor(
    cpu: Cpu,
    pointer: number,
    base: number,
    width: number,
    error: number,
    bank: number,
  ) {
    this.#cpu = cpu;
    this.pointer = pointer;
    this.#base = base;
    this.#first = bounds.first;
    this.#last = bounds.last;
    this.#width = width;
    this.#error = error;
    this.#bank = bank;
  }

  static current(cpu: Cpu, error = 0, bank: number = currentBank(cpu)): Frame {
    const at = (SegmentState.writeBounds >> 2) + 2 * SegmentIndex.ss;
    bounds.first = cpu.u32[at]!;
    bounds.last = cpu.u32[at + 1]!;
    const width = stackWidth(cpu);
    const base = width === 64 ? 0 : cpu.segmentBase(SegmentIndex.ss);
    return new Frame(cpu, stackPointer(cpu), base, width, error, bank);
  }

  /** Of a 64-bit handler. @param error of #SS when an address is not canonical */
  static long(cpu: Cpu, pointer: number, cpl: number, error: number): Frame {
    return new Frame(cpu, pointer, 0, 64, error, cpl === 3 ? Bank.user : Bank.supervisor);
  }

  /** On a stack segment that is not loaded yet. */
  static on(cpu: Cpu, stack: Descriptor, pointer: number, cpl: number, error: number): Frame {
    setBounds(stack.attributes, stack.limit, true);
    const width = stack.isBig ? 32 : 16;
    const bank = cpl === 3 ? Bank.user : Bank.supervisor;
    return new Frame(cpu, wrap(pointer, width), stack.base, width, error, bank);
  }

  #linear(offset: number, size: number): number {
    if (this.#width === 64) {
      if (!isCanonical(offset) || !isCanonical(offset + size - 1)) {
        raise(Vector.stackFault, this.#error);
      }
      return offset;
    }
    if (offset < this.#first || offset + size - 1 > this.#last) {
      raise(Vector.stackFault, this.#error);
    }
    return (this.#base + offset) >>> 0;
  }

  /** Raises what pushing `bytes` would raise, before anything is written. */
  check(bytes: number): void {
    // A frame that wraps around the segment is looked at as it is pushed.
    if (this.#width !== 64 && this.pointer < bytes) return;
    const offset = wrap(this.pointer - bytes, this.#width);
    checkWrite(this.#cpu, this.#linear(offset, bytes), bytes, this.#bank);
  }

  /** @param value a number of 2 or 4 bytes; of 8 bytes signed */
  push(value: number, size: number): void {
    if (size === 8) {
      this.pushHalves(value >>> 0, Math.floor(value / TWO_32) >>> 0);
      return;
    }
    const offset = wrap(this.pointer - size, this.#width);
    writeMemory(this.#cpu, this.#linear(offset, size), size, value, this.#bank);
    this.pointer = offset;
  }

  pushHalves(low: number, high: number): void {
    const offset = wrap(this.pointer - 8, this.#width);
    writeWide(this.#cpu, this.#linear(offset, 8), low, high, this.#bank);
    this.pointer = offset;
  }
}

/** Reads `size` bytes at a distance above the stack pointer; 8 bytes as a signed number. */
export function peek(cpu: Cpu, distance: number, size: number): number {
  const offset = wrap(stackPointer(cpu) + distance, stackWidth(cpu));
  const linear = checkSegment(cpu, SegmentIndex.ss, offset, size, false);
  return size === 8 ? readWide(cpu, linear) : readMemory(cpu, linear, size);
}

/** Linear address of what {@link peek} reads, for 64-bit words that are no addresses. */
export function peekAddress(cpu: Cpu, distance: number, size: number): number {
  const offset = wrap(stackPointer(cpu) + distance, stackWidth(cpu));
  return checkSegment(cpu, SegmentIndex.ss, offset, size, false);
}

/** Pushes one value on the current stack. */
export function push(cpu: Cpu, value: number, size: number): void {
  const frame = Frame.current(cpu);
  frame.push(value, size);
  setStackPointer(cpu, frame.pointer);
}
