/** Blocks whose last instruction lies in two pages: its function looks the second one up. */
import { describe, expect, it } from 'vitest';
import { Cr0 } from '../../../src/cpu/cpu.ts';
import { flushAll, flushPage } from '../../../src/cpu/mmu/tlb.ts';
import { SegmentIndex } from '../../../src/cpu/state.ts';
import { setSegment } from '../../../src/cpu/system/segments.ts';
import { regionSteps } from '../../../tools/record-vectors/executors.ts';
import { linearMemory } from '../linear-memory.ts';
import { cpuRig, type Rig, setControl } from '../rig.ts';

const DIRECTORY = 0x1_0000;
const TABLE = 0x1_1000;
const FIRST = 0x10_0000;
const SECOND = 0x10_1000;
const OTHER = 0x10_2000;
const PRESENT = 3;
const [EAX, ECX] = [0, 1];
const LAST_BYTE = 0xffff_ffff;
/** add eax, 1 from the last byte on, then dec ecx and jnz back, three instructions a turn. */
const HEAD = [0x83];
const REST = [0xc0, 0x01, 0x49, 0x75, 0xfa];
const TURNS = 50;

/** 32-bit paging, in which the last page and the first are neighbours, as addresses wrap. */
function machine(): Rig {
  const rig = cpuRig(linearMemory());
  const { cpu } = rig;
  for (const entry of [0, 1023]) {
    rig.put(DIRECTORY + 4 * entry, 4, TABLE | PRESENT);
  }
  rig.put(TABLE, 4, SECOND | PRESENT);
  rig.put(TABLE + 4 * 1023, 4, FIRST | PRESENT);
  setSegment(cpu, SegmentIndex.cs, 8, 0, 0xffff_ffff, 0xc09b);
  for (const segment of [SegmentIndex.ss, SegmentIndex.ds, SegmentIndex.es]) {
    setSegment(cpu, segment, 16, 0, 0xffff_ffff, 0xc093);
  }
  setControl(rig, { cr0: Cr0.pe | Cr0.pg | Cr0.wp, cr3: DIRECTORY, cr4: 0, efer: 0, cpl: 0 });
  rig.memory.u8.set(HEAD, rig.at(FIRST + 0xfff));
  rig.memory.u8.set(REST, rig.at(SECOND));
  rig.memory.u8.set([0xc0, 0x02, ...REST.slice(2)], rig.at(OTHER));
  return rig;
}

function start({ cpu }: Rig): void {
  cpu.setReg32(EAX, 0);
  cpu.setReg32(ECX, TURNS + 10);
  cpu.rip = LAST_BYTE;
}

describe('an instruction in two pages', () => {
  it('executes across the end of the address space, compiled, as often as it should', () => {
    const rig = machine();
    const steps = regionSteps(rig);
    start(rig);
    steps.run(3 * TURNS);
    expect(rig.cpu.reg32(EAX)).toBe(TURNS);
    expect(rig.cpu.rip).toBe(LAST_BYTE);
  });

  it('is another one when the second page is', () => {
    const rig = machine();
    const steps = regionSteps(rig);
    start(rig);
    steps.run(3 * TURNS);
    rig.put(TABLE, 4, OTHER | PRESENT);
    flushPage(rig.cpu, 0);
    start(rig);
    // From the second page on: the TLB then has both, and nothing but the function looks.
    rig.cpu.rip = 2;
    steps.run(3 * TURNS);
    expect(rig.cpu.reg32(EAX)).toBe(2 * TURNS);
    rig.put(TABLE, 4, SECOND | PRESENT);
    flushAll(rig.cpu);
    start(rig);
    steps.run(3 * TURNS);
    expect(rig.cpu.reg32(EAX)).toBe(TURNS);
  });
});
