/** Calls of compiled code are calls of WebAssembly, to which a return of the guest comes back, or does not. */
import { describe, expect, it } from 'vitest';
import { Cr0 } from '../../../src/cpu/cpu.ts';
import { SegmentIndex } from '../../../src/cpu/state.ts';
import { setSegment } from '../../../src/cpu/system/segments.ts';
import { regionSteps } from '../../../tools/record-vectors/executors.ts';
import { linearMemory } from '../linear-memory.ts';
import { cpuRig, type Rig, setControl } from '../rig.ts';

const DIRECTORY = 0x1_0000;
const TABLE = 0x1_1000;
/** Physical pages: two for the caller, one each for callee and stack. */
const [CALLER, OTHER_CALLER, CALLEE, STACK] = [0x10_0000, 0x10_1000, 0x10_2000, 0x10_3000];
const PRESENT = 3;
/** Linear pages; the caller is at 0. */
const [CALLEE_AT, STACK_AT, TABLE_AT] = [0x1000, 0x2000, 0x3000];
const [EAX, EDX, EBX, ESP] = [0, 2, 3, 4];
const TURNS = 20;
const LONG_ENOUGH = 200_000;
const INC_EAX = 0x40;
const INC_EBX = 0x43;
const RET = 0xc3;
/** In the caller, the place after the call. */
const AFTER = 10;

function le32(value: number): number[] {
  return [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
}

/** mov ecx, COUNT; call; the instruction after it; inc ecx, so that nothing stays; dec edx; jnz; jmp $ */
function caller(count: number, callee: number, after: number): number[] {
  const loop = [0xb9, ...le32(count), 0xe8, ...le32(callee - AFTER), after, 0x41];
  return [...loop, 0x4a, 0x0f, 0x85, ...le32(-19), 0xeb, 0xfe];
}

function machine(callerBytes: readonly number[], callee: readonly number[], at: number): Rig {
  const rig = cpuRig(linearMemory());
  const { cpu } = rig;
  rig.put(DIRECTORY, 4, TABLE | PRESENT);
  for (const [page, physical] of [CALLER, CALLEE, STACK, TABLE].entries()) {
    rig.put(TABLE + 4 * page, 4, physical | PRESENT);
  }
  setSegment(cpu, SegmentIndex.cs, 8, 0, 0xffff_ffff, 0xc09b);
  for (const segment of [SegmentIndex.ss, SegmentIndex.ds, SegmentIndex.es]) {
    setSegment(cpu, segment, 16, 0, 0xffff_ffff, 0xc093);
  }
  setControl(rig, { cr0: Cr0.pe | Cr0.pg | Cr0.wp, cr3: DIRECTORY, cr4: 0, efer: 0, cpl: 0 });
  rig.memory.u8.set(callerBytes, rig.at(CALLER));
  rig.memory.u8.set(callee, rig.at(at < CALLEE_AT ? CALLER + at : CALLEE + at - CALLEE_AT));
  for (const register of [EAX, EBX]) cpu.setReg32(register, 0);
  cpu.setReg32(EDX, TURNS);
  cpu.setReg32(ESP, STACK_AT + 0x1000);
  cpu.rip = 0;
  return rig;
}

/** Runs to the end of the caller, in compiled code for the most part. */
function run(rig: Rig): { readonly eax: number; readonly ebx: number } {
  regionSteps(rig).run(LONG_ENOUGH);
  expect(rig.cpu.reg32(EDX)).toBe(0);
  expect(rig.cpu.reg32(ESP)).toBe(STACK_AT + 0x1000);
  return { eax: rig.cpu.reg32(EAX), ebx: rig.cpu.reg32(EBX) };
}

describe.each([0x100, CALLEE_AT])('a call of %i', (at) => {
  it('comes back from a recursion that is deeper than functions nest', () => {
    const depth = 900;
    // test ecx, ecx; jz to ret; dec ecx; call itself; inc eax; ret
    const callee = [0x85, 0xc9, 0x74, 0x07, 0x49, 0xe8, ...le32(-10), INC_EAX, RET];
    expect(run(machine(caller(depth, at, INC_EBX), callee, at))).toEqual({
      eax: depth * TURNS,
      ebx: TURNS,
    });
  });

  it('does not go on after it when the callee returns elsewhere', () => {
    // inc dword [esp]; ret
    const callee = [0xff, 0x04, 0x24, RET];
    expect(run(machine(caller(0, at, INC_EAX), callee, at))).toEqual({ eax: 0, ebx: 0 });
  });

  it('goes on with what the callee wrote there', () => {
    // xor byte [after], 3; ret
    const callee = [0x80, 0x35, ...le32(AFTER), INC_EAX ^ INC_EBX, RET];
    expect(run(machine(caller(0, at, INC_EAX), callee, at))).toEqual({
      eax: TURNS / 2,
      ebx: TURNS / 2,
    });
  });
});

describe('a call', () => {
  it('goes on in the page that the callee put there', () => {
    // xor dword [entry of page 0], the two pages; invlpg [0]; ret
    const change = [0x81, 0x35, ...le32(TABLE_AT), ...le32(CALLER ^ OTHER_CALLER)];
    const callee = [...change, 0x0f, 0x01, 0x3d, ...le32(0), RET];
    const rig = machine(caller(0, CALLEE_AT, INC_EAX), callee, CALLEE_AT);
    rig.memory.u8.set(caller(0, CALLEE_AT, INC_EBX), rig.at(OTHER_CALLER));
    expect(run(rig)).toEqual({ eax: TURNS / 2, ebx: TURNS / 2 });
  });
});
