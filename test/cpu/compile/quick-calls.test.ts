/** The quick ways of instructions that are functions, against the functions. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { callInstruction } from '../../../src/cpu/call.ts';
import { Eflags } from '../../../src/cpu/cpu.ts';
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { Instruction } from '../../../src/cpu/decode/instruction.ts';
import { flushAll } from '../../../src/cpu/mmu/tlb.ts';
import { bind } from '../../../src/cpu/semantics/bind.ts';
import { Activity, GPR } from '../../../src/cpu/state.ts';
import { BASE_FEATURES } from '../../../src/cpu/table/table.ts';
import { EXECUTORS, type Steps, UNDEFINED } from '../../../tools/record-vectors/executors.ts';
import { linearMemory } from '../linear-memory.ts';
import { cpuRig, type Rig } from '../rig.ts';
import { buildWorld, CODE, enterRing } from '../system/world.ts';
import { cases } from '../../support/cases.ts';

const [AX, CX, SI, DI] = [0, 1, 6, 7];
const AREA = 0x2_0000;
const AREA_BYTES = 0x4000;
const REGISTERS = 16;
const CODE_STEP = 64;
const CASES = cases(1500, 500);
const STI = [0xfb, 0x90];
const PROGRAMS: readonly (readonly number[])[] = [
  ...[0xa4, 0xaa].flatMap((opcode) => [
    [0xf3, opcode],
    [0x66, 0xf3, opcode + 1],
    [0xf3, opcode + 1],
    [0xf3, 0x48, opcode + 1],
  ]),
  STI,
];

const memory = linearMemory();
let quick: Rig;
let slow: Rig;
let steps: Steps;
const decoder = new Decoder(BASE_FEATURES);

beforeAll(() => {
  quick = cpuRig(memory);
  slow = cpuRig();
  steps = EXECUTORS['tier 1']!(quick);
  for (const rig of [quick, slow]) {
    buildWorld(rig, true);
    for (const [index, bytes] of PROGRAMS.entries()) {
      rig.memory.u8.set([...bytes, ...UNDEFINED], rig.at(CODE + CODE_STEP * index));
    }
  }
});

function callAt(rig: Rig, linear: number): void {
  const { cpu } = rig;
  const insn = new Instruction();
  const position = rig.at(linear);
  decoder.decode(cpu.u8, position, position + 15, 64, insn);
  callInstruction(cpu, bind(insn, cpu.mode));
}

function stateOf(rig: Rig): object {
  const { cpu } = rig;
  const area = rig.at(AREA);
  return {
    registers: Array.from({ length: REGISTERS }, (_, register) => cpu.reg(register)),
    rip: cpu.rip,
    flags: cpu.eflags,
    area: Bun.hash(cpu.u8.subarray(area, area + AREA_BYTES)),
  };
}

describe('repeated string instructions', () => {
  it(`leave what the functions leave, in ${CASES} random cases, and mostly go the quick way`, () => {
    const random = new Random(11, 'quick strings');
    let wentQuick = 0;
    let wasPossible = 0;
    for (let number = 0; number < CASES; number += 1) {
      const program = random.below(8);
      const size = 1 << (program & 3);
      const isMove = program < 4;
      const isDown = random.below(10) === 0;
      const count = random.below(8) === 0 ? random.below(1000) : random.below(80);
      const span = count * size;
      const place = (): number => AREA + 0x1000 + random.below(AREA_BYTES - 0x2000 - 8);
      const si = place();
      const isNear = random.below(4) === 0;
      const di = isNear ? si + random.below(2 * span + 2) - span : place();
      const isWarm = random.below(4) !== 0;
      const fill = Uint8Array.from({ length: AREA_BYTES }, () => random.below(256));
      const ax = random.below(3) === 0 ? 0n : (BigInt(random.u32()) << 32n) | BigInt(random.u32());
      const ring = random.below(2) === 0 ? 0 : 3;
      for (const rig of [quick, slow]) {
        const { cpu } = rig;
        enterRing(rig, ring);
        if (random.below(10) === 0) flushAll(cpu);
        rig.memory.u8.set(fill, rig.at(AREA));
        cpu.u8.fill(0, GPR, GPR + 8 * REGISTERS);
        cpu.setReg(AX, ax);
        cpu.setReg(CX, BigInt(count));
        cpu.setReg(SI, BigInt(si));
        cpu.setReg(DI, BigInt(di));
        cpu.eflags = isDown ? Eflags.df : 0;
        cpu.rip = CODE + CODE_STEP * program;
      }
      if (!isWarm) flushAll(quick.cpu);
      // The function clears it, as does whatever leaves.
      quick.cpu.isRepeating = true;
      steps.run(1);
      callAt(slow, CODE + CODE_STEP * program);
      const what = `${number}: ${isMove ? 'movs' : 'stos'} ${size} ${count} ${si} ${di}`;
      expect({ what, ...stateOf(quick) }).toEqual({ what, ...stateOf(slow) });
      const isQuick = quick.cpu.isRepeating;
      const within = (at: number): boolean => (at & 0xfff) + span <= 4096;
      const distance = di - si;
      const isTangled = isMove && distance >= 0 && distance < span;
      const fits = within(di) && (!isMove || within(si)) && !isTangled && !isDown;
      if (!fits && count > 0) expect({ what, isQuick }).toEqual({ what, isQuick: false });
      if (fits) wasPossible += 1;
      if (isQuick && count > 0) wentQuick += 1;
    }
    expect(wentQuick).toBeGreaterThan(wasPossible / 4);
    expect(wasPossible).toBeGreaterThan(CASES / 2);
  });
});

describe('STI', () => {
  function run(flags: number): void {
    const { cpu } = quick;
    enterRing(quick, 0);
    cpu.activity = 0;
    cpu.eflags = flags;
    cpu.rip = CODE + CODE_STEP * (PROGRAMS.length - 1);
    quick.calls.recheck = 0;
    steps.run(2);
  }

  it('opens its shadow without leaving while no interrupt waits', () => {
    const { cpu } = quick;
    cpu.isRepeating = true;
    run(0);
    expect(cpu.isRepeating).toBe(true);
    expect(cpu.systemFlags & Eflags.if).toBe(Eflags.if);
    expect([cpu.activity, cpu.stiLeft, quick.calls.recheck]).toEqual([Activity.stiShadow, 2, 0]);
    run(Eflags.if);
    expect(cpu.activity).toBe(0);
  });

  it('asks to come out where one waits', () => {
    const { cpu } = quick;
    cpu.vp.apic.spurious |= 0x100;
    cpu.vp.raiseVector(0x41);
    run(0);
    expect([cpu.activity, quick.calls.recheck]).toEqual([Activity.stiShadow, 1]);
  });
});
