import { describe, expect, it } from 'vitest';
import { Layout } from '../../../../src/cpu/float/x87/control.ts';
import { X87 } from '../../../../src/cpu/state.ts';
import { FloatMachine } from '../float-machine.ts';

const MF = 16;
const [FLD1, FLDZ, FDIVP, FWAIT, FNCLEX] = ['d9 e8', 'd9 ee', 'de f9', '9b', 'db e2'] as const;
const UNMASK_ZERO_DIVIDE = 0x37b;

/** A machine that has divided 1 by 0 at 33:1000, with a load from 2b:2000 before it. */
function divided(control: number): FloatMachine {
  const machine = new FloatMachine();
  machine.control = control;
  machine.at(0x33, 0xff8, 0x2b, 0x2000);
  machine.pushDouble(1);
  machine.x87(FLDZ);
  machine.at(0x33, 0x1000, 0x2b, 0x3000);
  expect(machine.x87(FDIVP)).toBe(-1);
  return machine;
}

describe('an unmasked x87 exception', () => {
  it('waits for the next waiting instruction, which it keeps from executing', () => {
    const machine = divided(UNMASK_ZERO_DIVIDE);
    expect(machine.status & 0xbf).toBe(0x84);
    expect(machine.x87('df e0')).toBe(-1);
    expect(machine.operand(0, 2)).toBe('84 b0');
    expect(machine.x87(FWAIT)).toBe(MF);
    machine.at(0x33, 0x5000, 0x2b, 0x6000);
    expect(machine.x87(FLD1)).toBe(MF);
    expect(machine.view.getUint32(X87.instructionPointer, true)).toBe(0x1000);
    expect(machine.x87(FNCLEX)).toBe(-1);
    expect(machine.x87(FLD1)).toBe(-1);
    expect(machine.view.getUint32(X87.instructionPointer, true)).toBe(0x5000);
  });

  it('leaves operands and stack as they were', () => {
    const machine = divided(UNMASK_ZERO_DIVIDE);
    expect(machine.top).toBe('0000_0000000000000000');
    expect(machine.view.getUint8(X87.tags)).toBe(0b1100_0000);
  });

  it('comes and goes with its mask', () => {
    const machine = divided(0x37f);
    expect(machine.status & 0xbf).toBe(0x04);
    machine.control = UNMASK_ZERO_DIVIDE;
    expect(machine.status & 0x8080).toBe(0x8080);
    expect(machine.x87(FLD1)).toBe(MF);
    machine.x87('d9 30');
    expect(machine.control).toBe(0x37f);
    expect(machine.x87(FLD1)).toBe(-1);
  });
});

describe('control word', () => {
  it('has its reserved bits as processors have them', () => {
    const machine = new FloatMachine();
    machine.control = 0xffff;
    expect(machine.control).toBe(0x1f7f);
    machine.control = 0;
    expect(machine.control).toBe(0x40);
  });
});

// Layouts, opcode and pointers as a processor stored them.
describe('the environment', () => {
  function prepared(): FloatMachine {
    const machine = new FloatMachine();
    machine.at(0x33, 0x76d6_757b, 0x2b, 0x9692_0cf0);
    machine.x87(FLD1);
    machine.x87(FLDZ);
    machine.pushDouble(3.5);
    machine.at(0x33, 0x76d6_75b7, 0, 0);
    machine.x87(FLD1);
    return machine;
  }

  it('in protected mode has pointers, selectors and the opcode', () => {
    const machine = prepared();
    machine.x87('d9 30');
    expect(machine.operand(0, 28)).toBe(
      '7f 03 ff ff 00 20 ff ff ff 10 ff ff b7 75 d6 76 33 00 e8 01 f0 0c 92 96 2b 00 ff ff',
    );
  });

  it('of 16 bits has the low halves of the pointers and no opcode', () => {
    const machine = prepared();
    machine.u8.fill(0xcc, 0x300, 0x320);
    machine.x87('66 d9 30', Layout.words);
    expect(machine.operand(0, 16)).toBe('7f 03 00 20 ff 10 b7 75 33 00 f0 0c 2b 00 cc cc');
  });

  it('in real mode has linear addresses', () => {
    const machine = new FloatMachine();
    machine.at(0x1234, 0x0010, 0xf000, 0x8001);
    machine.pushDouble(1);
    machine.x87('d9 30', Layout.real | Layout.words);
    expect(machine.operand(6, 8)).toBe('50 23 00 15 01 80 00 f0');
    machine.x87('d9 20', Layout.real | Layout.words);
    expect(machine.view.getUint32(X87.instructionPointer, true)).toBe(0x1_2350);
    expect(machine.view.getUint32(X87.dataPointer, true)).toBe(0xf_8001);
    expect(machine.view.getUint16(X87.opcode, true)).toBe(0x500);
  });

  it('sets ES by flags and masks, whatever it says itself', () => {
    const machine = new FloatMachine();
    const load = (control: string, status: string): number => {
      machine.fillOperand(`${control} ff ff ${status} ff ff ff ff ff ff`);
      expect(machine.x87('d9 20')).toBe(-1);
      return machine.status;
    };
    expect(load('7f 03', '80 b8')).toBe(0x3800);
    expect(load('7b 03', '04 00')).toBe(0x8084);
  });

  it('tags registers as valid, zero, special or empty', () => {
    const machine = new FloatMachine();
    machine.x87(FLDZ);
    machine.x87(FLD1);
    machine.pushDouble(Number.POSITIVE_INFINITY);
    machine.push('0000_0000000000000001');
    machine.push('3fff_7fffffffffffffff');
    machine.x87('d9 30');
    expect(machine.operand(8, 2)).toBe('bf 4a');
  });
});

describe('the whole state', () => {
  it('FNSAVE stores registers from the top and resets; FRSTOR brings it back', () => {
    const machine = new FloatMachine();
    machine.x87(FLD1);
    machine.x87(FLDZ);
    machine.x87('d9 eb');
    machine.x87('dd 30');
    expect(machine.operand(28, 30)).toBe(
      '35 c2 68 21 a2 da 0f c9 00 40 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80 ff 3f',
    );
    expect(machine.status).toBe(0);
    expect(machine.view.getUint8(X87.tags)).toBe(0);
    machine.x87('dd 20');
    expect(machine.top).toBe('4000_c90fdaa22168c235');
    expect(machine.view.getUint8(X87.tags)).toBe(0b1110_0000);
  });

  it('FXSAVE writes what it owns of its 512 bytes, FXRSTOR takes it back', () => {
    const machine = new FloatMachine();
    machine.at(0x33, 0x1122_3344_5566, 0x2b, 0x7788);
    machine.pushDouble(3.5);
    machine.u8.fill(0x5a, machine.context.xmm(0), machine.context.xmm(16));
    machine.u8.fill(0xcc, 0x300, 0x500);
    const form = Layout.long | Layout.wide;
    expect(machine.x87('48 0f ae 00', form)).toBe(-1);
    expect(machine.operand(0, 32)).toBe(
      '7f 03 00 38 80 00 00 05 66 55 44 33 22 11 00 00 88 77 00 00 00 00 00 00 80 1f 00 00 ff ff 00 00',
    );
    expect(machine.operand(32, 16)).toBe('00 00 00 00 00 00 00 e0 00 40 00 00 00 00 00 00');
    expect(machine.operand(400, 20)).toBe(`${'5a '.repeat(16)}cc cc cc cc`);
    machine.x87('db e3');
    machine.u8.fill(0, machine.context.xmm(0), machine.context.xmm(16));
    expect(machine.x87('48 0f ae 08', form)).toBe(-1);
    expect(machine.top).toBe('4000_e000000000000000');
    expect(machine.u8[machine.context.xmm(15)]).toBe(0x5a);
    expect(machine.view.getBigUint64(X87.instructionPointer, true)).toBe(0x1122_3344_5566n);
  });

  it('outside 64-bit mode leaves XMM8 to XMM15 alone', () => {
    const machine = new FloatMachine();
    machine.at(0x23, 0x1000, 0x2b, 0x2000);
    machine.pushDouble(1);
    machine.u8.fill(0xcc, 0x300, 0x500);
    machine.x87('0f ae 00', 0, 32);
    expect(machine.operand(8, 16)).toBe('00 10 00 00 23 00 00 00 00 20 00 00 2b 00 00 00');
    expect(machine.operand(286, 4)).toBe('00 00 cc cc');
  });

  it('FXRSTOR of an MXCSR that cannot be is #GP, and changes nothing', () => {
    const machine = new FloatMachine();
    machine.x87(FLD1);
    machine.x87('0f ae 00');
    machine.u8[0x300 + 26] = 1;
    machine.x87('db e3');
    expect(machine.x87('0f ae 08')).toBe(13);
    expect(machine.status).toBe(0);
  });
});
