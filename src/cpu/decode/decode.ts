/**
 * The instruction decoder: bytes to an {@link Instruction}, driven by the table alone. Source: SDM
 * volume 2, chapter 2 (formats) and appendix A (operand letters).
 */
import { Select, Trait } from '../table/row.ts';
import { BASE_RIP, type CodeSize, type Instruction, NO_REGISTER, Segment } from './instruction.ts';
import { buildLookup, Immediate, type Lookup } from './lookup.ts';

/** What {@link Decoder.decode} returns instead of a length. */
export const DecodeFault = {
  /** #UD. */
  undefinedOpcode: 0,
  /** The instruction goes on past `end`: more bytes are needed, from the next page perhaps. */
  truncated: -1,
  /** More than 15 bytes: #GP(0). */
  tooLong: -2,
} as const;

export const MAX_INSTRUCTION_BYTES = 15;

const BX = 3;
const SP = 4;
const BP = 5;
const SI = 6;
const DI = 7;
/** 16-bit addressing by rm (SDM volume 2, Table 2-1). */
const BASE_16 = Int8Array.of(BX, BX, BP, BP, SI, DI, BP, BX);
const INDEX_16 = Int8Array.of(SI, DI, SI, DI, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER);

/** One for each set of CPUID features. Holds no state between calls but its cursor. */
export class Decoder {
  readonly #lookup: Lookup;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** @param features names of the table's `@` attributes; undefined: every row exists */
  constructor(features?: ReadonlySet<string>) {
    this.#lookup = buildLookup(features);
  }

  /**
   * Decodes one instruction at `bytes[start]`, reading nothing at or past `end`.
   * @returns its length in bytes, 1 to 15, or a {@link DecodeFault}; after a fault `out` holds
   * the prefixes only
   */
  decode(bytes: Uint8Array, start: number, end: number, mode: CodeSize, out: Instruction): number {
    const limit = start + MAX_INSTRUCTION_BYTES;
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, limit, bytes.length);
    out.mode = mode;
    if (!this.#prefixes(out)) return this.#overrun(limit);
    out.prefixLength = this.#at - start;
    const opcode = this.#opcode();
    if (opcode < 0) return this.#overrun(limit);
    out.opcode = opcode & 0xff;
    out.opcodeRegister = (opcode & 7) | ((out.rex & 1) << 3);
    const lookup = this.#lookup;
    out.modRm = -1;
    if (lookup.hasModRm[opcode] === 1) {
      if (this.#at >= this.#end) return this.#overrun(limit);
      out.modRm = bytes[this.#at++]!;
    }
    const row = this.#select(opcode, out);
    if (row < 0) return DecodeFault.undefinedOpcode;
    const traits = lookup.traits[row]!;
    out.row = row;
    this.#forceSizes(traits, out);
    out.rm = NO_REGISTER;
    out.base = NO_REGISTER;
    out.index = NO_REGISTER;
    out.sib = -1;
    out.displacementSize = 0;
    out.displacement = 0;
    out.displacementHigh = 0;
    out.segment = out.segmentOverride === NO_REGISTER ? Segment.ds : out.segmentOverride;
    if (out.modRm >= 0 && !this.#operands(traits, out)) return this.#overrun(limit);
    if (!this.#immediates(lookup.immediate[row]!, out)) return this.#overrun(limit);
    if (out.lock && ((traits & Trait.lock) === 0 || out.rm >= 0)) {
      return DecodeFault.undefinedOpcode;
    }
    out.length = this.#at - start;
    return out.length;
  }

  #overrun(limit: number): number {
    return this.#end === limit ? DecodeFault.tooLong : DecodeFault.truncated;
  }

  /** Reads up to the opcode. A REX that is not the last byte before it has no effect. */
  #prefixes(out: Instruction): boolean {
    const bytes = this.#bytes;
    const long = out.mode === 64;
    let rex = 0;
    out.repeat = 0;
    out.lock = false;
    out.operandPrefix = false;
    out.addressPrefix = false;
    out.segmentOverride = NO_REGISTER;
    for (; this.#at < this.#end; this.#at++) {
      const byte = bytes[this.#at]!;
      if (long && (byte & 0xf0) === 0x40) {
        rex = byte;
        continue;
      }
      if (byte === 0x66) out.operandPrefix = true;
      else if (byte === 0x67) out.addressPrefix = true;
      else if (byte === 0xf0) out.lock = true;
      else if (byte === 0xf2 || byte === 0xf3) out.repeat = byte;
      else if (byte === 0x64 || byte === 0x65) out.segmentOverride = byte - 0x60;
      else if (byte === 0x26 || byte === 0x2e || byte === 0x36 || byte === 0x3e) {
        if (!long) out.segmentOverride = (byte >> 3) & 3;
      } else {
        this.#sizes(rex, out);
        return true;
      }
      rex = 0;
    }
    return false;
  }

  #sizes(rex: number, out: Instruction): void {
    out.rex = rex;
    if (out.mode === 64) {
      out.operandSize = (rex & 8) !== 0 ? 8 : out.operandPrefix ? 2 : 4;
      out.addressSize = out.addressPrefix ? 4 : 8;
    } else {
      out.operandSize = (out.mode === 16) === out.operandPrefix ? 4 : 2;
      out.addressSize = (out.mode === 16) === out.addressPrefix ? 4 : 2;
    }
  }

  /** @returns map << 8 | byte, or -1 at the end of the bytes */
  #opcode(): number {
    const bytes = this.#bytes;
    const first = bytes[this.#at++]!;
    if (first !== 0x0f) return first;
    if (this.#at >= this.#end) return -1;
    const second = bytes[this.#at++]!;
    if (second !== 0x38 && second !== 0x3a) return 0x100 | second;
    if (this.#at >= this.#end) return -1;
    return (second === 0x38 ? 0x200 : 0x300) | bytes[this.#at++]!;
  }

  #select(opcode: number, out: Instruction): number {
    const { modRm, rex, operandSize } = out;
    let selector = 0;
    if (out.repeat !== 0) {
      selector = out.repeat === 0xf3 ? Select.prefixF3 : Select.prefixF2;
    } else if (out.operandPrefix) selector = Select.prefix66;
    if (operandSize === 4) selector |= Select.size32;
    else if (operandSize === 8) selector |= Select.size64;
    if (out.mode === 64) selector |= Select.longMode;
    if ((rex & 1) !== 0) selector |= Select.rexB;
    if (modRm >= 0) {
      if (modRm >= 0xc0) selector |= Select.registerForm;
      selector |= (modRm & 0x38) | ((modRm & 7) << Select.rmShift);
    }
    const { start, mask, value, row } = this.#lookup;
    const last = start[opcode + 1]!;
    for (let i = start[opcode]!; i < last; i++) {
      if ((selector & mask[i]!) === value[i]!) return row[i]!;
    }
    return -1;
  }

  #forceSizes(traits: number, out: Instruction): void {
    if (out.mode !== 64) return;
    if ((traits & Trait.f64) !== 0) out.operandSize = 8;
    else if ((traits & Trait.d64) !== 0 && out.operandSize === 4) out.operandSize = 8;
  }

  #operands(traits: number, out: Instruction): boolean {
    const { modRm, rex } = out;
    out.reg = ((modRm >> 3) & 7) | ((rex & 4) << 1);
    if (modRm >= 0xc0 || (traits & Trait.modrr) !== 0) {
      out.rm = (modRm & 7) | ((rex & 1) << 3);
      return true;
    }
    const read = out.addressSize === 2 ? this.#memory16(out) : this.#memory(out);
    if (read && out.segmentOverride === NO_REGISTER && (out.base === SP || out.base === BP)) {
      out.segment = Segment.ss;
    }
    return read;
  }

  #memory16(out: Instruction): boolean {
    const mod = out.modRm >> 6;
    const rm = out.modRm & 7;
    out.scale = 1;
    if (mod === 0 && rm === 6) return this.#displacement(2, out);
    out.base = BASE_16[rm]!;
    out.index = INDEX_16[rm]!;
    return mod === 0 || this.#displacement(mod, out);
  }

  #memory(out: Instruction): boolean {
    const mod = out.modRm >> 6;
    const { rex } = out;
    let base = out.modRm & 7;
    out.scale = 1;
    if (base === 4) {
      if (this.#at >= this.#end) return false;
      const sib = this.#bytes[this.#at++]!;
      out.sib = sib;
      out.scale = 1 << (sib >> 6);
      const index = ((sib >> 3) & 7) | ((rex & 2) << 2);
      if (index !== SP) out.index = index;
      base = sib & 7;
    }
    if (mod === 0 && base === 5) {
      if (out.mode === 64 && out.sib < 0) out.base = BASE_RIP;
      return this.#displacement(4, out);
    }
    out.base = base | ((rex & 1) << 3);
    return mod === 0 || this.#displacement(mod === 1 ? 1 : 4, out);
  }

  #displacement(size: number, out: Instruction): boolean {
    if (this.#at + size > this.#end) return false;
    out.displacement = this.#signed(size);
    out.displacementHigh = out.displacement >> 31;
    out.displacementSize = size;
    return true;
  }

  /** Reads 1, 2 or 4 bytes, sign-extended to 32 bits. The caller knows that they are there. */
  #signed(size: number): number {
    const bytes = this.#bytes;
    const at = this.#at;
    this.#at = at + size;
    if (size === 1) return (bytes[at]! << 24) >> 24;
    if (size === 2) return ((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16;
    return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }

  #immediates(kind: number, out: Instruction): boolean {
    out.immediate = 0;
    out.immediateHigh = 0;
    out.immediate2 = 0;
    if (kind === Immediate.none) return true;
    const size = immediateBytes(kind, out);
    if (this.#at + size > this.#end) return false;
    switch (kind) {
      case Immediate.byte:
        out.immediate = this.#signed(1) & 0xff;
        break;
      case Immediate.word:
        out.immediate = this.#signed(2) & 0xffff;
        break;
      case Immediate.wordByte:
        out.immediate = this.#signed(2) & 0xffff;
        out.immediate2 = this.#signed(1) & 0xff;
        break;
      case Immediate.farPointer:
        out.immediate = this.#signed(size - 2);
        out.immediate2 = this.#signed(2) & 0xffff;
        break;
      case Immediate.offset:
        out.displacement = this.#signed(Math.min(size, 4));
        out.displacementHigh = size === 8 ? this.#signed(4) : 0;
        if (size === 2) out.displacement &= 0xffff;
        out.displacementSize = size;
        break;
      case Immediate.full:
        out.immediate = this.#signed(Math.min(size, 4));
        out.immediateHigh = size === 8 ? this.#signed(4) : out.immediate >> 31;
        break;
      default:
        out.immediate = this.#signed(size);
        out.immediateHigh = out.immediate >> 31;
    }
    return true;
  }
}

function immediateBytes(kind: number, out: Instruction): number {
  switch (kind) {
    case Immediate.byte:
    case Immediate.signedByte:
    case Immediate.relativeByte:
      return 1;
    case Immediate.word:
      return 2;
    case Immediate.wordByte:
      return 3;
    case Immediate.full:
      return out.operandSize;
    case Immediate.farPointer:
      return Math.min(out.operandSize, 4) + 2;
    case Immediate.offset:
      return out.addressSize;
    default:
      return Math.min(out.operandSize, 4);
  }
}
