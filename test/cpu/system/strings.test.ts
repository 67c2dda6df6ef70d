import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Eflags } from '../../../src/cpu/cpu.ts';
import { GPR, SegmentIndex, System } from '../../../src/cpu/state.ts';
import type { Rig } from '../rig.ts';
import { buildWorld, enterRing, execute, isExecutorChosen, TSS, worldRig } from './world.ts';
import { cases } from '../../support/cases.ts';

const [AX, CX, DX, SI, DI] = [0, 1, 2, 6, 7];
/** The bytes that the tests move about, over four pages. */
const AREA = 0x2_0000;
const AREA_BYTES = 0x4000;
const CASES = isExecutorChosen() ? 100 : cases(3000, 500);

let rig: Rig;
beforeEach(() => {
  rig = worldRig();
});

interface Machine {
  readonly memory: Uint8Array;
  ax: bigint;
  cx: number;
  si: number;
  di: number;
  flags: number;
}

function readWord(memory: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let byte = size - 1; byte >= 0; byte -= 1)
    value = (value << 8n) | BigInt(memory[at + byte]!);
  return value;
}

function writeWord(memory: Uint8Array, at: number, size: number, value: bigint): void {
  for (let byte = 0; byte < size; byte += 1)
    memory[at + byte] = Number((value >> BigInt(8 * byte)) & 0xffn);
}

function comparison(left: bigint, right: bigint, size: number): number {
  const bits = BigInt(8 * size);
  const result = BigInt.asUintN(8 * size, left - right);
  const low = Number(result & 0xffn);
  const ones = [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => ((low >> bit) & 1) === 1).length;
  const sign = (value: bigint): bigint => (value >> (bits - 1n)) & 1n;
  return (
    (left < right ? Eflags.cf : 0) |
    (ones % 2 === 0 ? Eflags.pf : 0) |
    ((left & 15n) < (right & 15n) ? Eflags.af : 0) |
    (result === 0n ? Eflags.zf : 0) |
    (sign(result) === 1n ? Eflags.sf : 0) |
    (sign(left) !== sign(right) && sign(result) !== sign(left) ? Eflags.of : 0)
  );
}

/** One iteration as the SDM's pages have it. @returns whether a repeated compare goes on */
function iterate(
  machine: Machine,
  kind: string,
  size: number,
  isDown: boolean,
  repeat: number,
): boolean {
  const { memory } = machine;
  const mask = (1n << BigInt(8 * size)) - 1n;
  const step = isDown ? -size : size;
  const usesSource = kind === 'movs' || kind === 'lods' || kind === 'cmps';
  const from = usesSource ? readWord(memory, machine.si - AREA, size) : machine.ax & mask;
  const to = machine.di - AREA;
  if (kind === 'movs' || kind === 'stos') writeWord(memory, to, size, from);
  else if (kind === 'lods') {
    const kept = size === 4 ? 0n : machine.ax & ~mask;
    machine.ax = BigInt.asUintN(64, kept | from);
  } else machine.flags = comparison(from, readWord(memory, to, size), size);
  if (usesSource) machine.si += step;
  if (kind !== 'lods') machine.di += step;
  if (kind !== 'cmps' && kind !== 'scas') return true;
  return ((machine.flags & Eflags.zf) !== 0) === (repeat === 0xf3);
}

const OPCODES = { movs: 0xa4, cmps: 0xa6, stos: 0xaa, lods: 0xac, scas: 0xae } as const;
const KINDS = Object.keys(OPCODES) as (keyof typeof OPCODES)[];

describe('repeated string instructions', () => {
  it(`do what ${CASES} random sequences of iterations do, across pages, overlapping, both ways`, () => {
    const random = new Random(6, 'strings');
    buildWorld(rig, true);
    const { cpu } = rig;
    const base = rig.at(AREA);
    for (let number = 0; number < CASES; number += 1) {
      const kind = KINDS[random.below(KINDS.length)]!;
      const size = [1, 2, 4, 8][random.below(4)]!;
      const isDown = random.below(3) === 0;
      const repeat = random.below(2) === 0 ? 0xf3 : 0xf2;
      const count = random.below(4) === 0 ? random.below(1000) : random.below(40);
      const span = count * size;
      const place = (): number => AREA + (isDown ? span : 0) + random.below(AREA_BYTES - span - 16);
      const si = place();
      let di = random.below(2) === 0 ? place() : si + random.below(64) - 32;
      di = Math.max(AREA + (isDown ? span : 0), Math.min(di, AREA + AREA_BYTES - span - 16));
      const uniform = random.below(3) === 0;
      for (let at = 0; at < AREA_BYTES; at += 1) cpu.u8[base + at] = uniform ? 7 : random.below(4);
      const machine: Machine = {
        memory: cpu.u8.slice(base, base + AREA_BYTES),
        ax: uniform
          ? 0x0707_0707_0707_0707n
          : (BigInt(random.u32()) << 32n) | BigInt(random.below(4)),
        cx: count,
        si,
        di,
        flags: 0,
      };
      enterRing(rig, 0);
      cpu.setReg(AX, machine.ax);
      cpu.setReg(CX, BigInt(count));
      cpu.setReg(SI, BigInt(si));
      cpu.setReg(DI, BigInt(di));
      cpu.eflags = isDown ? Eflags.df : 0;
      const prefixes = size === 2 ? [0x66, repeat] : size === 8 ? [repeat, 0x48] : [repeat];
      const opcode = OPCODES[kind] + (size === 1 ? 0 : 1);
      const start = cpu.rip;
      let chunks = 0;
      do {
        const fault = execute(rig, ...prefixes, opcode);
        if (fault !== undefined) expect({ number, fault }).toEqual({ number });
        chunks += 1;
      } while (cpu.isRepeating);
      while (machine.cx > 0) {
        machine.cx -= 1;
        if (!iterate(machine, kind, size, isDown, repeat)) break;
      }
      const got = {
        ax: cpu.reg(AX),
        cx: Number(cpu.reg(CX)),
        si: Number(cpu.reg(SI)),
        di: Number(cpu.reg(DI)),
        flags: cpu.arithmeticFlags,
      };
      const { memory, ...wanted } = machine;
      const same = Buffer.compare(cpu.u8.subarray(base, base + AREA_BYTES), memory) === 0;
      const matches = Object.entries(got).every(
        ([key, value]) => value === wanted[key as keyof typeof wanted],
      );
      if (!same || !matches) {
        const what = `${number}: ${kind}${size} ${isDown ? 'down' : 'up'} ${count} ${si.toString(16)} ${di.toString(16)}`;
        expect({ what, ...got, same }).toEqual({ what, ...wanted, same: true });
      }
      expect(cpu.rip).toBe(start + prefixes.length + 1);
      if (span > 0) expect(chunks).toBeLessThanOrEqual(2 * Math.ceil(span / 4096) + 8);
    }
  });

  it('stop at the page that faults, with the registers at that element', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    cpu.setReg(CX, 0x300n);
    cpu.setReg(DI, 0x1f_f000n);
    cpu.setReg(AX, 0x55n);
    const run = (): string | undefined => {
      let fault: string | undefined;
      do fault = execute(rig, 0xf3, 0x48, 0xab);
      while (fault === undefined && cpu.isRepeating);
      return fault;
    };
    expect(run()).toBe('#14(2)');
    expect(cpu.signed(System.cr2)).toBe(0x20_0000);
    expect([cpu.reg(CX), cpu.reg(DI)]).toEqual([0x100n, 0x20_0000n]);
  });

  it('respect segment limits and 16-bit addresses', () => {
    buildWorld(rig, false);
    const { cpu } = rig;
    const at = SegmentIndex.es;
    cpu.u32[(0x5a0 >> 2) + 2 * at + 1] = 0x2_0007;
    cpu.u32[(0x560 >> 2) + 2 * at + 1] = 0x2_0007;
    cpu.setReg(CX, 20n);
    cpu.setReg(DI, 0x2_0000n);
    let fault: string | undefined;
    do fault = execute(rig, 0xf3, 0xaa);
    while (fault === undefined && cpu.isRepeating);
    expect([fault, cpu.reg(CX), cpu.reg(DI)]).toEqual(['#13(0)', 12n, 0x2_0008n]);
    enterRing(rig, 0);
    // a16: DI wraps, and only the low words change.
    cpu.setReg(CX, 0xaaaa_0004n);
    cpu.setReg(DI, 0xbbbb_fffen);
    cpu.setReg(AX, 0x77n);
    do fault = execute(rig, 0x67, 0xf3, 0xaa);
    while (fault === undefined && cpu.isRepeating);
    expect([fault, cpu.reg(CX), cpu.reg(DI)]).toEqual([undefined, 0xaaaa_0000n, 0xbbbb_0002n]);
    expect([rig.get(0xfffe, 2), rig.get(0, 2)]).toEqual([0x7777n, 0x7777n]);
  });

  it('count in all 64 bits of RCX', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    cpu.setReg(CX, 0x1_0000_0000n);
    cpu.setReg(DI, BigInt(AREA));
    expect(execute(rig, 0xf3, 0xaa)).toBeUndefined();
    expect(cpu.reg(CX)).toBe(0xffff_f000n);
    expect(cpu.isRepeating).toBe(true);
  });

  it('tell of code that they overwrite, and go to devices one by one', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    rig.codePages.add(AREA);
    cpu.setReg(CX, 0x10n);
    cpu.setReg(DI, BigInt(AREA + 0x20));
    execute(rig, 0xf3, 0xaa);
    expect(rig.codeWrites).toEqual([[AREA + 0x20, 0x10]]);
    const seen: number[] = [];
    rig.mmio.attach(0xf000_0000, 0x1000, {
      mmioRead: (address) => address,
      mmioWrite: (address, size, value) => seen.push(address, size, value),
    });
    rig.put(0x6008, 8, 0xf000_0087);
    cpu.setReg(CX, 2n);
    cpu.setReg(DI, 0x20_0010n);
    cpu.setReg(AX, 0x1234_5678n);
    execute(rig, 0xf3, 0xab);
    expect(cpu.isRepeating).toBe(true);
    execute(rig, 0xf3, 0xab);
    expect(seen).toEqual([0x10, 4, 0x1234_5678, 0x14, 4, 0x1234_5678]);
    cpu.setReg(SI, 0x20_0040n);
    execute(rig, 0xad);
    expect(cpu.reg(AX)).toBe(0x40n);
  });
});

describe('ports', () => {
  const PORT = 0x1f0;
  let written: string[];
  beforeEach(() => {
    written = [];
    let next = 0x1000;
    rig.ports.attach(PORT, 4, {
      portRead: () => next++,
      portWrite: (port, size, value) =>
        written.push(`${port.toString(16)}:${size}=${value.toString(16)}`),
    });
  });

  it('move single values and whole blocks', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    cpu.setReg(DX, BigInt(PORT));
    cpu.setReg(AX, 0x1_2345_6789n);
    expect(execute(rig, 0xef)).toBeUndefined();
    expect(execute(rig, 0x66, 0xef)).toBeUndefined();
    expect(execute(rig, 0xee)).toBeUndefined();
    expect(written).toEqual(['1f0:4=23456789', '1f0:2=6789', '1f0:1=89']);
    expect(execute(rig, 0x66, 0xed)).toBeUndefined();
    expect(cpu.reg(AX)).toBe(0x1_2345_1000n);
    cpu.setReg(CX, 3n);
    cpu.setReg(DI, BigInt(AREA));
    expect(execute(rig, 0xf3, 0x66, 0x6d)).toBeUndefined();
    expect(rig.get(AREA, 8)).toBe(0x1003_1002_1001n);
    expect([cpu.reg(CX), cpu.reg(DI), cpu.isRepeating]).toEqual([0n, BigInt(AREA + 6), false]);
    written = [];
    cpu.setReg(CX, 2n);
    cpu.setReg(SI, BigInt(AREA));
    expect(execute(rig, 0xf3, 0x6e)).toBeUndefined();
    expect(written).toEqual(['1f0:1=1', '1f0:1=10']);
  });

  it('are open to user mode by IOPL or by the bitmap, bit for bit', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    rig.put(TSS + 0x66, 2, 0x68);
    cpu.u32[(0x520 >> 2) + SegmentIndex.tr] = 0x68 + 0x40;
    enterRing(rig, 3);
    cpu.setReg(DX, BigInt(PORT));
    const map = TSS + 0x68 + (PORT >> 3);
    rig.put(map, 2, 0x10);
    expect(execute(rig, 0xec)).toBeUndefined();
    expect(execute(rig, 0xed)).toBeUndefined();
    cpu.setReg(DX, BigInt(PORT + 1));
    expect(execute(rig, 0xed)).toBe('#13(0)');
    expect(execute(rig, 0x66, 0xed)).toBeUndefined();
    cpu.setReg(DX, BigInt(PORT + 4));
    expect(execute(rig, 0xec)).toBe('#13(0)');
    // Past the end of the map.
    cpu.setReg(DX, 0x200n);
    expect(execute(rig, 0xec)).toBe('#13(0)');
    cpu.eflags = 0x3002;
    expect(execute(rig, 0xec)).toBeUndefined();
    expect(cpu.u8[GPR]).toBe(0xff);
  });
});
