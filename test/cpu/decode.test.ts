import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeFault, Decoder } from '../../src/cpu/decode/decode.ts';
import {
  BASE_RIP,
  type CodeSize,
  Instruction,
  NO_REGISTER,
  Segment,
} from '../../src/cpu/decode/instruction.ts';
import { encodings } from '../../src/cpu/table/table.ts';

const decoder = new Decoder();

function decode(mode: CodeSize, ...bytes: number[]): Instruction {
  const out = new Instruction();
  const length = decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, out);
  expect(length).toBe(bytes.length);
  return out;
}

function fault(mode: CodeSize, ...bytes: number[]): number {
  return decoder.decode(Uint8Array.from(bytes), 0, bytes.length, mode, new Instruction());
}

describe('prefixes', () => {
  it('count REX only directly before the opcode', () => {
    expect(decode(64, 0x48, 0x01, 0xd8).operandSize).toBe(8);
    expect(decode(64, 0x48, 0x66, 0x01, 0xd8)).toMatchObject({ operandSize: 2, rex: 0 });
    expect(decode(64, 0x66, 0x48, 0x01, 0xd8)).toMatchObject({ operandSize: 8, rex: 0x48 });
    expect(decode(64, 0x41, 0x48, 0x01, 0xd8)).toMatchObject({ rex: 0x48, rm: 0 });
  });

  it('let the last segment override win, of which only FS and GS count in 64-bit mode', () => {
    expect(decode(32, 0x2e, 0x65, 0x8b, 0x00).segment).toBe(Segment.gs);
    expect(decode(64, 0x2e, 0x8b, 0x00).segment).toBe(Segment.ds);
    expect(decode(64, 0x64, 0x2e, 0x8b, 0x00).segment).toBe(Segment.fs);
  });

  it('let the last of F2 and F3 select, above 66', () => {
    const mnemonic = (...bytes: number[]): string =>
      encodings()[decode(64, ...bytes).row]!.mnemonic;
    expect(mnemonic(0xf2, 0xf3, 0x0f, 0x10, 0xc1)).toBe('movss');
    expect(mnemonic(0xf3, 0x66, 0xf2, 0x0f, 0x10, 0xc1)).toBe('movsd');
    expect(mnemonic(0x66, 0x0f, 0x10, 0xc1)).toBe('movupd');
  });

  it('force stack and branch sizes in 64-bit mode as Intel does', () => {
    expect(decode(64, 0x50).operandSize).toBe(8);
    expect(decode(64, 0x66, 0x50).operandSize).toBe(2);
    expect(decode(64, 0x66, 0xe8, 0, 0, 0, 0).operandSize).toBe(8);
    expect(decode(32, 0x66, 0xe8, 0, 0).operandSize).toBe(2);
  });

  it('allow LOCK only on read-modify-write instructions with a memory destination', () => {
    expect(fault(64, 0xf0, 0x01, 0x18)).toBe(3);
    expect(fault(64, 0xf0, 0x01, 0xd8)).toBe(DecodeFault.undefinedOpcode);
    expect(fault(64, 0xf0, 0x03, 0x18)).toBe(DecodeFault.undefinedOpcode);
    expect(fault(64, 0xf0, 0x39, 0x18)).toBe(DecodeFault.undefinedOpcode);
    expect(fault(64, 0xf0, 0x90)).toBe(DecodeFault.undefinedOpcode);
    expect(fault(64, 0xf0, 0x0f, 0xba, 0x20, 1)).toBe(DecodeFault.undefinedOpcode);
    expect(fault(64, 0xf0, 0x0f, 0xba, 0x28, 1)).toBe(5);
  });
});

describe('memory operands', () => {
  it('know RIP-relative, absolute and SIB forms', () => {
    const rip = decode(64, 0x8b, 0x05, 0xfc, 0xff, 0xff, 0xff);
    expect(rip).toMatchObject({ base: BASE_RIP, displacement: -4, displacementHigh: -1 });
    expect(decode(32, 0x8b, 0x05, 4, 0, 0, 0).base).toBe(NO_REGISTER);
    const absolute = decode(64, 0x8b, 0x04, 0x25, 0, 0, 0, 0x80);
    expect(absolute).toMatchObject({ base: NO_REGISTER, index: NO_REGISTER });
    const sib = decode(64, 0x4b, 0x8b, 0x44, 0xe5, 0x10);
    expect(sib).toMatchObject({ base: 13, index: 12, scale: 8, displacement: 16 });
  });

  it('use SS with BP and SP as base, but not with their extended namesakes', () => {
    expect(decode(64, 0x8b, 0x45, 0).segment).toBe(Segment.ss);
    expect(decode(64, 0x8b, 0x04, 0x24).segment).toBe(Segment.ss);
    expect(decode(64, 0x41, 0x8b, 0x45, 0).segment).toBe(Segment.ds);
    expect(decode(16, 0x8b, 0x42, 0)).toMatchObject({ base: 5, index: 6, segment: Segment.ss });
    expect(decode(16, 0x8b, 0x06, 0x34, 0x12)).toMatchObject({
      base: NO_REGISTER,
      displacement: 0x1234,
      segment: Segment.ds,
    });
  });

  it('carry 64-bit offsets and immediates whole', () => {
    const load = decode(64, 0xa1, 8, 7, 6, 5, 4, 3, 2, 1);
    expect(load).toMatchObject({ displacement: 0x05060708, displacementHigh: 0x01020304 });
    const move = decode(64, 0x48, 0xb8, 8, 7, 6, 5, 4, 3, 2, 0x81);
    expect(move.immediateHigh >>> 0).toBe(0x81020304);
    expect(decode(64, 0x48, 0xc7, 0xc0, 0, 0, 0, 0x80).immediateHigh).toBe(-1);
    expect(decode(64, 0xc8, 0xff, 0xff, 0xff)).toMatchObject({
      immediate: 0xffff,
      immediate2: 0xff,
    });
  });

  it('are ignored by moves to control registers', () => {
    expect(decode(64, 0x0f, 0x20, 0x04)).toMatchObject({ reg: 0, rm: 4, sib: -1 });
  });
});

describe('length', () => {
  it('is at most 15 bytes', () => {
    const long = [...Array<number>(13).fill(0x66), 0x01, 0xd8];
    expect(fault(64, ...long)).toBe(15);
    expect(fault(64, 0x66, ...long)).toBe(DecodeFault.tooLong);
    expect(fault(64, ...Array<number>(15).fill(0x66))).toBe(DecodeFault.tooLong);
    expect(fault(64, ...Array<number>(14).fill(0x66))).toBe(DecodeFault.truncated);
  });

  it('asks for more bytes wherever an instruction is cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 15, maxLength: 15 }),
        fc.constantFrom<CodeSize>(16, 32, 64),
        (bytes, mode) => {
          const out = new Instruction();
          const length = decoder.decode(bytes, 0, bytes.length, mode, out);
          for (let end = 0; end < length; end++) {
            expect(decoder.decode(bytes, 0, end, mode, out)).toBe(DecodeFault.truncated);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('does not depend on what lies before and behind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 48, maxLength: 48 }), (bytes) => {
        const whole = new Instruction();
        const alone = new Instruction();
        const length = decoder.decode(bytes, 16, bytes.length, 64, whole);
        const cut = bytes.slice(16, 16 + Math.max(length, 15));
        expect(decoder.decode(cut, 0, cut.length, 64, alone)).toBe(length);
        if (length > 0) expect(alone).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });
});
