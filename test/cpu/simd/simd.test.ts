import { describe, expect, it } from 'vitest';
import { Layout } from '../../../src/cpu/float/x87/control.ts';
import { GPR, OPERAND_BUFFER } from '../../../src/cpu/state.ts';
import { FloatMachine } from '../float/float-machine.ts';

/** A machine with XMM1 and XMM2 of these bytes. */
function machineWith(first: string, second: string): FloatMachine {
  const machine = new FloatMachine();
  for (const [register, text] of [
    [1, first],
    [2, second],
  ] as const) {
    const bytes = Uint8Array.from(text.match(/../g)!, (digits) => Number.parseInt(digits, 16));
    machine.u8.set(bytes, machine.context.xmm(register));
  }
  return machine;
}

function register(machine: FloatMachine, number: number): string {
  const at = machine.context.xmm(number);
  return Buffer.from(machine.u8.subarray(at, at + 16)).toString('hex');
}

describe('AES', () => {
  // FIPS 197, appendix B: round 1 of the cipher, whose first key is added before.
  const state = '193de3bea0f4e22b9ac68d2ae9f84808';
  const key = 'a0fafe1788542cb123a339392a6c7605';
  const next = 'a49c7ff2689f352b6b5bea43026a5049';

  it('encrypts a round as FIPS 197 does', () => {
    const machine = machineWith(state, key);
    machine.sse('66 0f 38 dc ca');
    expect(register(machine, 1)).toBe(next);
  });

  it('AESDEC with AESIMC of the keys undoes a round', () => {
    const machine = machineWith(next, key);
    // The equivalent inverse cipher, from the last key on: the round before is undone by one
    // AESDECLAST, once InvMixColumns has met state and key.
    machine.u8.copyWithin(machine.context.xmm(3), machine.context.xmm(1), machine.context.xmm(3));
    for (let i = 0; i < 16; i++) {
      machine.u8[machine.context.xmm(1) + i]! ^= machine.u8[machine.context.xmm(2) + i]!;
    }
    machine.sse('66 0f 38 db c9');
    machine.u8.fill(0, machine.context.xmm(2), machine.context.xmm(3));
    machine.sse('66 0f 38 df ca');
    expect(register(machine, 1)).toBe(state);
  });

  it('expands a key with AESKEYGENASSIST', () => {
    const machine = machineWith('00'.repeat(16), '2b7e151628aed2a6abf7158809cf4f3c');
    machine.sse('66 0f 3a df ca 01', 1);
    // The last word is RotWord, SubWord and Rcon of 09cf4f3c: 8b84eb01 (FIPS 197, A.1).
    expect(register(machine, 1).slice(24)).toBe('8b84eb01');
  });
});

describe('CRC32', () => {
  it('is the checksum of iSCSI, in steps of any size', () => {
    // RFC 3720, B.4: 32 bytes of zeros, 32 bytes of ones, 32 bytes counting up.
    const blocks: readonly [(i: number) => number, number][] = [
      [() => 0, 0x8a91_36aa],
      [() => 0xff, 0x62a8_ab43],
      [(i) => i, 0x46dd_794e],
    ];
    for (const [byte, expected] of blocks) {
      for (const [bytes, opcode, layout] of [
        [1, 'f2 0f 38 f0 c1', 0],
        [2, '66 f2 0f 38 f1 c1', Layout.words],
        [4, 'f2 0f 38 f1 c1', 0],
        [8, 'f2 48 0f 38 f1 c1', Layout.wide],
      ] as const) {
        const machine = new FloatMachine();
        machine.view.setUint32(GPR, 0xffff_ffff, true);
        for (let i = 0; i < 32; i += bytes) {
          for (let j = 0; j < bytes; j++) machine.u8[OPERAND_BUFFER + j] = byte(i + j);
          machine.general(opcode, layout);
        }
        expect(~machine.view.getUint32(GPR, true) >>> 0).toBe(expected);
      }
    }
  });
});

describe('PCLMULQDQ', () => {
  it('multiplies without carries', () => {
    const machine = machineWith('ff'.repeat(8) + '03'.padEnd(16, '0'), 'ff'.repeat(16));
    machine.sse('66 0f 3a 44 ca 01', 1);
    // (x + 1) times the sum of x^0 to x^63 is x^64 + 1.
    expect(register(machine, 1)).toBe(`${'01'.padEnd(16, '0')}${'01'.padEnd(16, '0')}`);
  });
});

describe('PCMPISTRI', () => {
  const text = (value: string): string => Buffer.from(value.padEnd(16, '\0')).toString('hex');

  it('finds a substring, a member of a set, a range and a difference', () => {
    const cases: readonly [string, string, number, number][] = [
      ['needle', 'a needle in it', 0x0c, 2],
      ['aeiou', 'rhythm and blues', 0x00, 7],
      ['09AZ', 'look: 42', 0x04, 6],
      ['same start', 'same stark', 0x18, 9],
    ];
    for (const [left, right, control, index] of cases) {
      const machine = machineWith(text(left), text(right));
      machine.sse(`66 0f 3a 63 ca ${control.toString(16)}`, control);
      expect(machine.view.getUint32(GPR + 8, true)).toBe(index);
    }
  });
});
