/** The page walk of generated code, against the one that it stands in for. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { baseModule } from '../../../src/cpu/compile/base-module.ts';
import { Site, TableIndex } from '../../../src/cpu/compile/table-index.ts';
import { Cr0, Cr4, Efer, Eflags } from '../../../src/cpu/cpu.ts';
import {
  currentBank,
  fetchPosition,
  readablePosition,
  writablePosition,
} from '../../../src/cpu/mmu/access.ts';
import { flushAll } from '../../../src/cpu/mmu/tlb.ts';
import { Access, found as end } from '../../../src/cpu/mmu/walk.ts';
import {
  ACCESS_VALUE,
  CODE_PAGES,
  LARGE_REGION_COUNT,
  LARGE_REGIONS,
  STATE_BYTES,
  System,
} from '../../../src/cpu/state.ts';
import { HostIndex } from '../../../src/cpu/wasm/module.ts';
import { cases } from '../../support/cases.ts';
import { cpuRig, faultOf, RAM_BYTES, type Rig, rigMemory, setControl } from '../rig.ts';

const ROOT = 0x1000;
/** Tables of levels 3, 2 and 1, of which the first eight entries of each are drawn. */
const TABLES = [0x2000, 0x3000, 0x4000] as const;
const DRAWN = 8;
const CASES = cases(20_000, 2000);
const CODE_PAGE = 0x1_0000;
const DECLINED = 0;
const A = 0x20;
const D = 0x40;

type Walk = (linear: bigint, access: number) => number;
type Slow = (linear: bigint, site: number, budget: number) => number | undefined;

/** What a site says of an access of so many bytes. */
function sized(bytes: number): number {
  return Math.log2(bytes) << Site.sizeShift;
}

interface Base {
  readonly rig: Rig;
  readonly walk: Walk;
  readonly slow: (name: string) => Slow;
  /** Names of the imports that were called. */
  readonly declined: string[];
}

function makeBase(): Base {
  const rig = cpuRig(rigMemory(true));
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 256 });
  const declined: string[] = [];
  const functions = Object.keys(HostIndex).map((name) => [
    name,
    () => {
      declined.push(name);
      return DECLINED;
    },
  ]);
  const cpu = { memory: rig.memory.wasm, table, ...Object.fromEntries(functions) } as never;
  const module = new WebAssembly.Module(baseModule(rig.memory.lowRam));
  const { exports } = new WebAssembly.Instance(module, { cpu });
  return {
    rig,
    walk: table.get(TableIndex.walk) as Walk,
    slow: (name) => exports[name] as Slow,
    declined,
  };
}

/** An entry as systems have them, with a fault now and then. */
function drawEntry(random: Random, address: number): bigint {
  let entry = BigInt(address) | 0x27n;
  for (const bit of [0, 1, 2, 5]) if (random.below(40) === 0) entry &= ~(1n << BigInt(bit));
  if (random.below(3) === 0) entry &= ~4n;
  if (random.below(5) !== 0) entry |= BigInt(D);
  if (random.below(4) === 0) entry |= 0x100n;
  if (random.below(8) === 0) entry |= 0x80n;
  if (random.below(8) === 0) entry |= 1n << 63n;
  if (random.below(40) === 0) entry |= 1n << BigInt(random.below(64));
  return entry;
}

function drawTables(random: Random, rig: Rig): void {
  for (let index = 0; index < DRAWN; index += 1) {
    rig.put(ROOT + 8 * index, 8, drawEntry(random, TABLES[0]));
    rig.put(TABLES[0] + 8 * index, 8, drawEntry(random, TABLES[1]));
    const isLarge = random.below(3) === 0;
    const large = (random.below(3) * 0x20_0000) | 0x80;
    rig.put(TABLES[1] + 8 * index, 8, drawEntry(random, isLarge ? large : TABLES[2]));
    rig.put(TABLES[2] + 8 * index, 8, drawEntry(random, CODE_PAGE + random.below(8) * 4096));
  }
}

function drawState(random: Random, rig: Rig): void {
  const seldom = (): boolean => random.below(20) === 0;
  setControl(rig, {
    cr0: Cr0.pe | Cr0.pg | Cr0.am | (random.below(3) === 0 ? 0 : Cr0.wp),
    cr3: ROOT,
    cr4: Cr4.pae | (random.below(3) === 0 ? 0 : Cr4.pge) | (random.below(2) === 0 ? Cr4.smep : 0),
    efer: (seldom() ? 0 : Efer.lma) | Efer.lme | (seldom() ? 0 : Efer.nxe),
    cpl: random.below(2) * 3,
  });
  rig.cpu.systemFlags = seldom() ? Eflags.ac : 0;
  rig.cpu.u32[(System.dr >> 2) + 14] = seldom() ? 2 : 0;
}

/** What the walk of generated code does not leave to the other one. */
function isUsualState({ cpu }: Rig): boolean {
  const isWatching = cpu.u32[(System.dr >> 2) + 14] !== 0;
  const needed = Efer.lma | Efer.nxe;
  return (cpu.efer & needed) === needed && (cpu.systemFlags & Eflags.ac) === 0 && !isWatching;
}

function drawLinear(random: Random): bigint {
  const index = (): bigint => BigInt(random.below(DRAWN));
  const linear = (index() << 39n) | (index() << 30n) | (index() << 21n) | (index() << 12n);
  return (random.below(30) === 0 ? linear | (1n << 47n) : linear) | BigInt(random.below(4096));
}

function hashes(rig: Rig): readonly (number | bigint)[] {
  const { cpu } = rig;
  return [
    Bun.hash(cpu.u8.subarray(0, STATE_BYTES)),
    Bun.hash(cpu.u8.subarray(LARGE_REGIONS, LARGE_REGIONS + LARGE_REGION_COUNT / 8)),
    Bun.hash(cpu.u8.subarray(rig.at(ROOT), rig.at(TABLES[2]) + 4096)),
  ];
}

describe('the page walk of generated code', () => {
  it(`enters what the other one enters in ${CASES} random cases, or changes nothing`, () => {
    const { rig, walk } = makeBase();
    const { cpu } = rig;
    const random = new Random(12, 'page walk');
    const code = rig.at(CODE_PAGE) >>> 12;
    cpu.u8[CODE_PAGES + (code >>> 3)] = 1 << (code & 7);
    rig.codePages.add(CODE_PAGE);
    const done = [0, 0, 0];
    for (let number = 0; number < CASES; number += 1) {
      if (number % 8 === 0) drawTables(random, rig);
      drawState(random, rig);
      const kind = random.below(3);
      const access = [Access.read, Access.write, Access.fetch][kind]!;
      const linear = drawLinear(random);
      const before = hashes(rig);
      const found = walk(linear, access) >>> 0;
      const after = hashes(rig);
      flushAll(cpu);
      cpu.u8.fill(0, LARGE_REGIONS, LARGE_REGIONS + LARGE_REGION_COUNT / 8);
      const tables = cpu.u8.slice(rig.at(ROOT), rig.at(TABLES[2]) + 4096);
      let position = -1;
      const fault = faultOf(() => {
        const [address, bank] = [Number(linear), currentBank(cpu)];
        if (kind === 0) position = readablePosition(cpu, address, bank);
        else if (kind === 1) position = writablePosition(cpu, address, bank);
        else position = fetchPosition(cpu, address);
      });
      const what = `${number}: ${linear.toString(16)} ${access}`;
      if (found === DECLINED) {
        expect({ what, after }).toEqual({ what, after: before });
        const isUsual = isUsualState(rig) && end.bits < 30 && hashes(rig)[2] === before[2];
        const isCode = kind === 1 && end.page === CODE_PAGE;
        const isWrong = position >= 0 && isUsual && !isCode;
        expect({ what, isWrong }).toEqual({ what, isWrong: false });
      }
      if (found !== DECLINED) {
        done[kind]! += 1;
        expect({ what, fault, position, now: hashes(rig) }).toEqual({
          what,
          fault: undefined,
          position: found,
          now: after,
        });
      }
      // What a walk marks, it may need to mark only once.
      cpu.u8.set(tables, rig.at(ROOT));
      cpu.u8.fill(0, LARGE_REGIONS, LARGE_REGIONS + LARGE_REGION_COUNT / 8);
    }
    for (const count of done) expect(count).toBeGreaterThan(CASES / 24);
  });

  it('declines tables and pages outside low RAM, and what a table must be marked for', () => {
    const { rig, walk } = makeBase();
    setControl(rig, {
      cr0: Cr0.pe | Cr0.pg | Cr0.wp,
      cr3: ROOT,
      cr4: Cr4.pae,
      efer: Efer.lma | Efer.lme | Efer.nxe,
    });
    const put = (leaf: number, upper = TABLES[2] | 0x27): void => {
      rig.put(ROOT, 8, TABLES[0] | 0x27);
      rig.put(TABLES[0], 8, TABLES[1] | 0x27);
      rig.put(TABLES[1], 8, upper);
      rig.put(TABLES[2], 8, leaf);
    };
    put(CODE_PAGE | 0x27 | D);
    expect(walk(5n, Access.write)).toBe(rig.at(CODE_PAGE) + 5);
    for (const leaf of [RAM_BYTES | 0x27, (CODE_PAGE | 0x27) & ~A, CODE_PAGE | 0x26]) {
      put(leaf);
      expect(walk(0n, Access.read)).toBe(DECLINED);
    }
    put(CODE_PAGE | 0x27);
    expect(walk(0n, Access.read)).toBe(rig.at(CODE_PAGE));
    expect(walk(0n, Access.write)).toBe(DECLINED);
    put(CODE_PAGE | 0x27 | D, RAM_BYTES | 0x27);
    expect(walk(0n, Access.read)).toBe(DECLINED);
  });
});

describe('slow paths', () => {
  it('end in the walk where it can, and in the import where it cannot or two pages are met', () => {
    const { rig, slow, declined } = makeBase();
    const { cpu } = rig;
    setControl(rig, {
      cr0: Cr0.pe | Cr0.pg | Cr0.wp,
      cr3: ROOT,
      cr4: Cr4.pae,
      efer: Efer.lma | Efer.lme | Efer.nxe,
    });
    rig.put(ROOT, 8, TABLES[0] | 0x27);
    rig.put(TABLES[0], 8, TABLES[1] | 0x27);
    rig.put(TABLES[1], 8, TABLES[2] | 0x27);
    for (const page of [0, 1]) rig.put(TABLES[2] + 8 * page, 8, CODE_PAGE + 4096 * page + 0x67);
    expect(slow('slowLoad')(0xff8n, sized(8), 0)).toBe(rig.at(CODE_PAGE + 0xff8));
    expect(slow('slowUpdate')(0xff8n, sized(8), 0)).toBe(rig.at(CODE_PAGE + 0xff8));
    for (const bytes of [1, 2, 4, 8, 16]) {
      for (let byte = 0; byte < 16; byte += 1) cpu.u8[ACCESS_VALUE + byte] = 0x10 * bytes + byte;
      rig.memory.u8.fill(0, rig.at(CODE_PAGE + 0x1100), rig.at(CODE_PAGE + 0x1120));
      slow('slowStore')(0x1100n, sized(bytes), 0);
      const stored = cpu.u8.slice(rig.at(CODE_PAGE + 0x1100), rig.at(CODE_PAGE + 0x1111));
      const wanted = cpu.u8.slice(ACCESS_VALUE, ACCESS_VALUE + 17).fill(0, bytes);
      expect(stored).toEqual(wanted);
    }
    expect(declined).toEqual([]);
    for (const name of ['slowLoad', 'slowStore', 'slowUpdate']) slow(name)(0xff9n, sized(8), 0);
    slow('slowLoad')(0x2000n, sized(8), 0);
    expect(declined).toEqual(['slowLoad', 'slowStore', 'slowUpdate', 'slowLoad']);
  });
});
