/** Jumps that the TLB or the first jump cache knows nothing of. */
import { describe, expect, it } from 'vitest';
import { jumpCacheOffset, jumpStoreOffset } from '../../../src/cpu/compile/jump.ts';
import { Decoder } from '../../../src/cpu/decode/decode.ts';
import { Executor } from '../../../src/cpu/execute.ts';
import { flushAll } from '../../../src/cpu/mmu/tlb.ts';
import { BASE_FEATURES } from '../../../src/cpu/table/table.ts';
import { cpuRig, type Rig, rigMemory } from '../rig.ts';
import { buildWorld, CODE, enterRing } from '../system/world.ts';

const [AX, CX, DX] = [0, 1, 2];
const TURNS = 60;
/** inc eax; jmp rdx, and inc eax; jmp rcx. */
const HERE = [0xff, 0xc0, 0xff, 0xe2];
const THERE = [0xff, 0xc0, 0xff, 0xe1];
const INSTRUCTIONS = 4;

/** Where in the first 2 MiB the first cache would put both, and the second would not. */
function findRival(rig: Rig): number {
  for (let address = 0x2_0000; address < 0x1f_0000; address += 1) {
    const [one, other] = [rig.at(CODE), rig.at(address)];
    if (jumpCacheOffset(one) !== jumpCacheOffset(other)) continue;
    if (jumpStoreOffset(one) !== jumpStoreOffset(other)) return address;
  }
  throw new Error('no two positions meet');
}

function machine(): {
  readonly rig: Rig;
  readonly executor: Executor;
  readonly finds: () => number;
} {
  const memory = rigMemory(true);
  const rig = cpuRig(memory);
  buildWorld(rig, true);
  enterRing(rig, 0);
  const executor = new Executor({
    memory: memory.wasm,
    ram: memory.lowRam,
    decoder: new Decoder(BASE_FEATURES),
    threshold: 0,
    batch: 1,
    delay: 0,
    states: [0],
  });
  executor.cpu = rig.cpu;
  const { cache } = executor;
  const find = cache.find.bind(cache);
  let count = 0;
  cache.find = (cpu, isStep) => {
    count += 1;
    return find(cpu, isStep);
  };
  const there = findRival(rig);
  memory.u8.set(HERE, rig.at(CODE));
  memory.u8.set(THERE, rig.at(there));
  rig.cpu.setReg(CX, BigInt(CODE));
  rig.cpu.setReg(DX, BigInt(there));
  return { rig, executor, finds: () => count };
}

describe('a jump', () => {
  it('finds what another has driven out of the jump cache without coming out', () => {
    const { rig, executor, finds } = machine();
    expect(executor.run(INSTRUCTIONS * TURNS)).toBe(INSTRUCTIONS * TURNS);
    expect(rig.cpu.reg32(AX)).toBe(2 * TURNS);
    expect(finds()).toBeLessThanOrEqual(4);
  });

  it('finds its page after a flush without coming out', () => {
    const { rig, executor, finds } = machine();
    executor.run(INSTRUCTIONS * 2);
    const before = finds();
    flushAll(rig.cpu);
    expect(executor.run(INSTRUCTIONS * 2)).toBe(INSTRUCTIONS * 2);
    expect(finds()).toBe(before);
  });

  it('comes out where all code was dropped', () => {
    const { rig, executor, finds } = machine();
    executor.run(INSTRUCTIONS * 2);
    const before = finds();
    executor.writtenOutside(rig.at(CODE), HERE.length);
    executor.run(INSTRUCTIONS * 2);
    expect(finds()).toBeGreaterThan(before);
    executor.forget();
    executor.run(INSTRUCTIONS * 2);
    expect(rig.cpu.reg32(AX)).toBe(12);
  });
});
