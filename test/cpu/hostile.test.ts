import { describe, expect, it } from 'vitest';
import { MmioBus, PortBus } from '../../src/core/bus.ts';
import { VirtualClock } from '../../src/core/clock.ts';
import { crc32 } from '../../src/core/crc32.ts';
import { EventQueue } from '../../src/core/events.ts';
import { Random } from '../../src/core/random.ts';
import { Trace } from '../../src/core/trace.ts';
import { createX86Engines } from '../../src/cpu/engine.ts';
import { System } from '../../src/cpu/state.ts';
import type { Encoding } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { Partition } from '../../src/hypervisor/partition.ts';
import type { ProcessorEngine, ProcessorStart } from '../../src/hypervisor/processor.ts';
import { x86Cpuid } from '../../src/hypervisor/x86-cpuid.ts';
import { fullProfile } from '../hypervisor/machine.ts';
import { linearMemory } from './linear-memory.ts';
import { gate, segment } from './system/world.ts';
import { cases } from '../support/cases.ts';

const MIB = 1 << 20;
const CODE = 0x1_0000;
const CODE_END = 0x3_0000;
const GDT = 0x1000;
const IDT = 0x2000;
const TABLES = 0x4000;
const STACK = 0xa000;
const INSTRUCTIONS = 10_000;
const SEEDS = cases(30, 3);
const MODES = ['real', 'protected', 'long'] as const;
const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x48, 0x41, 0x4c];

const rows = encodings().filter(({ feature }) => feature === '' || BASE_FEATURES.has(feature));
const REQUIRED: readonly (readonly [name: string, byte: number])[] = [
  ['66.', 0x66],
  ['f3.', 0xf3],
  ['f2.', 0xf2],
  ['o64.', 0x48],
];

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)]!;
}

/** An instruction of the table with operands of all kinds, and now and then a prefix that it has no use for. */
function drawInstruction(random: Random, row: Encoding): number[] {
  const bytes = random.below(5) === 0 ? [pick(random, PREFIXES)] : [];
  for (const [name, byte] of REQUIRED) if (row.code.includes(name)) bytes.push(byte);
  bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!);
  bytes.push(row.opcode + random.below(row.opcodes));
  if (row.hasModRm) {
    let modRm = random.u32() & 0xff;
    const digit = /\/([0-7])/.exec(row.code);
    if (digit !== null) modRm = (modRm & 0xc7) | (Number(digit[1]) << 3);
    if (row.code.endsWith(':r')) modRm |= 0xc0;
    else if (random.below(2) === 0) modRm &= 0x3f;
    bytes.push(modRm);
  }
  for (let rest = random.below(5); rest > 0; rest -= 1) {
    bytes.push(random.below(3) === 0 ? random.u32() & 0xff : random.below(8));
  }
  return bytes;
}

/** Tables that a kernel could have, with random descriptors and handlers among them. */
function fillTables(random: Random, view: DataView, ram: number, isLong: boolean): void {
  const put = (at: number, value: bigint): void => view.setBigUint64(ram + at, value, true);
  for (let index = 1; index < 64; index += 1) {
    const drawn = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
    put(GDT + 8 * index, drawn | (1n << 47n));
  }
  put(GDT + 8, segment(0, 0xf_ffff, isLong ? 0xa09b : 0xc09b));
  put(GDT + 16, segment(0, 0xf_ffff, 0xc093));
  put(GDT + 24, segment(0x3000, 0x67, 0x89));
  put(GDT + 32, 0n);
  put(GDT + 40, segment(0, 0xf_ffff, isLong ? 0xa0fb : 0xc0fb));
  put(GDT + 48, segment(0, 0xf_ffff, 0xc0f3));
  for (let vector = 0; vector < 256; vector += 1) {
    const access =
      random.below(12) === 0 ? random.below(256) : pick(random, [0x8e, 0xee, 0x8f, 0xef]);
    const selector = random.below(10) === 0 ? random.below(512) : 8;
    const handler = gate(selector, CODE + random.below(CODE_END - CODE), access, random.below(2));
    put(IDT + (isLong ? 16 : 8) * vector, handler);
  }
  put(TABLES, 0x5007n);
  put(0x5000, 0x6007n);
  for (let index = 0; index < 512; index += 1) {
    const stray = (BigInt(random.u32()) << 20n) | BigInt(random.below(256));
    const isGood = index === 0 || random.below(8) !== 0;
    put(0x6000 + 8 * index, isGood ? BigInt((index & 1) * 2 * MIB) + 0x87n : stray);
  }
  for (const offset of [4, 12, 20, 0x24]) put(0x3000 + offset, BigInt(STACK) | (0x10n << 32n));
}

function startOf(mode: (typeof MODES)[number], random: Random): ProcessorStart {
  const common = {
    entryGpa: CODE,
    stackGpa: STACK,
    segments: { gdtGpa: GDT, gdtBytes: 512, codeSelector: 8, dataSelector: 0x10 },
  };
  switch (mode) {
    case 'real':
      return { mode, segment: CODE >> 4, ip: 0, drive: random.u32() };
    case 'protected':
      return { mode, ...common, eax: random.u32(), ebx: STACK, esi: CODE };
    case 'long':
      return { mode, ...common, pageTablesGpa: TABLES, rsi: CODE };
  }
}

interface Outcome {
  /** Virtual nanoseconds, one for each instruction, that went by before the guest's end. */
  readonly ns: number;
  readonly registers: string | undefined;
  readonly ram: number;
}

interface Bench {
  /** Position of guest physical address 0. */
  readonly ram: number;
  readonly clock: VirtualClock;
  readonly engine: ProcessorEngine;
  readonly guest: { isShutdown: boolean };
}

/** One for all benches, one after the other. */
const memory = linearMemory(2 * MIB);

function bench(seed: number, mode: 'jit' | 'interpret'): Bench {
  const clock = new VirtualClock();
  memory.u8.fill(0);
  const guest = { isShutdown: false };
  const { processors } = new Partition({
    memory,
    clock,
    events: new EventQueue(clock),
    trace: new Trace(clock),
    ports: new PortBus(),
    mmio: new MmioBus(),
    profile: fullProfile,
    processorCount: 1,
    tscHz: 1e9,
    apicHz: 2e8,
    baseCpuid: x86Cpuid(1e9, 1),
    onTripleFault: () => {
      guest.isShutdown = true;
    },
  });
  const engine = createX86Engines({ processors, memory, seed: new Random(seed), mode })[0]!;
  return { ram: memory.resolve(0, 1), clock, engine, guest };
}

function runUntil({ engine, clock, guest }: Bench, endNs: number): void {
  let wakeNs = 0;
  while (!guest.isShutdown && wakeNs !== Infinity && clock.nowNs < endNs) {
    wakeNs = engine.run(clock.nowNs + 2000);
  }
}

function run(seed: number, cpu: 'jit' | 'interpret'): Outcome {
  const random = new Random(seed, 'hostile');
  const mode = MODES[seed % MODES.length]!;
  const rig = bench(seed, cpu);
  const { ram, clock, engine } = rig;
  for (let at = CODE; at < CODE_END;) {
    const bytes = drawInstruction(random, pick(random, rows));
    memory.u8.set(bytes, ram + at);
    at += bytes.length;
  }
  fillTables(random, memory.view, ram, mode === 'long');
  const vectors = mode === 'real' ? 256 : 0;
  for (let vector = 0; vector < vectors; vector += 1) {
    memory.view.setUint32(ram + 4 * vector, (CODE << 12) + random.below(0x1_0000), true);
  }
  engine.reset(startOf(mode, random));
  if (mode !== 'real') {
    memory.view.setBigUint64(System.idtrBase, BigInt(IDT), true);
    memory.u32[System.idtrLimit >> 2] = 0xfff;
  }
  runUntil(rig, INSTRUCTIONS);
  return {
    ns: clock.nowNs,
    registers: engine.describe?.(),
    ram: crc32(memory.u8, ram, MIB),
  };
}

describe('a guest of random instructions', () => {
  it('ends in an exception of its own, in every mode, the same on both executors', () => {
    let executed = 0;
    for (let seed = 0; seed < SEEDS; seed += 1) {
      const interpreted = run(seed, 'interpret');
      expect({ seed, ...run(seed, 'jit') }).toEqual({ seed, ...interpreted });
      executed += interpreted.ns;
    }
    expect(executed).toBeGreaterThan(5000);
  });

  it('passes its time where every handler faults at its first instruction', () => {
    const rig = bench(0, 'interpret');
    // #UD is answered by an instruction that is none, at 1000:0000.
    memory.view.setUint32(rig.ram + 4 * 6, 0x1000_0000, true);
    memory.u8.set([0x0f, 0x0b], rig.ram + CODE);
    rig.engine.reset({ mode: 'real', segment: 0x1000, ip: 0, drive: 0 });
    runUntil(rig, 5000);
    expect(rig.clock.nowNs).toBeGreaterThanOrEqual(5000);
    expect(rig.guest.isShutdown).toBe(false);
  });

  it('may have its stack in its code', () => {
    const rig = bench(0, 'interpret');
    const { ram } = rig;
    memory.view.setUint32(ram + 4 * 6, 0x1000_0020, true);
    // mov ax,1000h; mov ss,ax; mov sp,32h; ud2. The frame lies in the 64 bytes of the code; hlt handles.
    memory.u8.set([0xb8, 0, 0x10, 0x8e, 0xd0, 0xbc, 0x32, 0, 0x0f, 0x0b], ram + CODE);
    memory.u8[ram + CODE + 0x20] = 0xf4;
    rig.engine.reset({ mode: 'real', segment: 0x1000, ip: 0, drive: 0 });
    runUntil(rig, 5000);
    // IP, CS and FLAGS of the frame.
    expect([0x2c, 0x2e].map((at) => memory.view.getUint16(ram + CODE + at, true))).toEqual([
      8, 0x1000,
    ]);
  });
});
