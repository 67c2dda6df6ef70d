import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Cr0, Eflags } from '../../../src/cpu/cpu.ts';
import { SegmentIndex, SegmentState, System } from '../../../src/cpu/state.ts';
import {
  checkSegment,
  loadSegment,
  setNull,
  setReal,
  setSegment,
} from '../../../src/cpu/system/segments.ts';
import { cpuRig, faultOf, LONG_MODE, type Rig, setControl } from '../rig.ts';
import { cases } from '../../support/cases.ts';

const GDT = 0x1000;
const LDT = 0x2000;
const ENTRIES = 32;
const CASES = cases(10_000, 3000);
const { es, cs, ss, ds, fs, gs, ldtr } = SegmentIndex;

let rig: Rig;
beforeEach(() => {
  rig = cpuRig();
});

function bit(value: bigint, at: number): boolean {
  return ((value >> BigInt(at)) & 1n) === 1n;
}

function field(value: bigint, high: number, low: number): number {
  return Number((value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n));
}

interface Setting {
  readonly cpl: number;
  readonly long: boolean;
  readonly code64: boolean;
  readonly gdtLimit: number;
  readonly ldtLimit: number;
  readonly hasLdt: boolean;
}

/** MOV to a segment register by the SDM's own text (volume 2, MOV), on 64-bit descriptors. */
function model(
  setting: Setting,
  segment: number,
  selector: number,
  read: (address: number) => bigint,
): { fault?: string; descriptor?: bigint; isNull?: boolean } {
  const code = (selector & 0xfffc).toString(16);
  const rpl = selector & 3;
  if ((selector & 0xfffc) === 0) {
    if (segment !== ss) return { isNull: true };
    const isAllowed = setting.code64 && setting.cpl < 3 && rpl === setting.cpl;
    return isAllowed ? { isNull: true } : { fault: '#13(0)' };
  }
  const usesLdt = bit(BigInt(selector), 2);
  const limit = usesLdt ? (setting.hasLdt ? setting.ldtLimit : -1) : setting.gdtLimit;
  const offset = (selector >> 3) * 8;
  if (offset + 7 > limit) return { fault: `#13(${code})` };
  const descriptor = read((usesLdt ? LDT : GDT) + offset);
  const isSystem = !bit(descriptor, 44);
  const isCode = bit(descriptor, 43);
  const isConforming = isCode && bit(descriptor, 42);
  const hasWriteOrRead = bit(descriptor, 41);
  const dpl = field(descriptor, 46, 45);
  const isPresent = bit(descriptor, 47);
  if (segment === ss) {
    if (rpl !== setting.cpl || isSystem || isCode || !hasWriteOrRead || dpl !== setting.cpl) {
      return { fault: `#13(${code})` };
    }
    return isPresent ? { descriptor } : { fault: `#12(${code})` };
  }
  if (isSystem || (isCode && !hasWriteOrRead)) return { fault: `#13(${code})` };
  if (!isConforming && (rpl > dpl || setting.cpl > dpl)) return { fault: `#13(${code})` };
  return isPresent ? { descriptor } : { fault: `#11(${code})` };
}

/** First and last offset that a descriptor lets a program reach, or undefined. */
function reach(descriptor: bigint, isWrite: boolean): [number, number] | undefined {
  const isCode = bit(descriptor, 43);
  const flag = bit(descriptor, 41);
  if (isWrite ? isCode || !flag : isCode && !flag) return undefined;
  let limit = field(descriptor, 15, 0) + field(descriptor, 51, 48) * 0x1_0000;
  if (bit(descriptor, 55)) limit = limit * 4096 + 4095;
  if (isCode || !bit(descriptor, 42)) return [0, limit];
  const top = bit(descriptor, 54) ? 0xffff_ffff : 0xffff;
  return limit >= top ? undefined : [limit + 1, top];
}

function boundsOf(segment: number, isWrite: boolean): [number, number] | undefined {
  const at = ((isWrite ? SegmentState.writeBounds : SegmentState.readBounds) >> 2) + 2 * segment;
  const first = rig.cpu.u32[at]!;
  const last = rig.cpu.u32[at + 1]!;
  return first > last ? undefined : [first, last];
}

function drawDescriptor(random: Random): bigint {
  let value = (BigInt(random.u32()) << 32n) | BigInt(random.u32());
  // Mostly present segments, of any privilege level.
  if (random.below(8) !== 0) value |= 1n << 47n;
  if (random.below(8) !== 0) value |= 1n << 44n;
  if (random.below(3) !== 0) value &= ~(1n << 43n);
  return value;
}

describe('loads of segment registers', () => {
  it(`agree with the SDM's rules in ${CASES} random cases`, () => {
    const random = new Random(5, 'segments');
    const { cpu } = rig;
    const outcomes = new Map<string, number>();
    for (let number = 0; number < CASES; number += 1) {
      const long = random.below(3) === 0;
      const setting: Setting = {
        cpl: random.below(4),
        long,
        code64: long && random.below(2) === 0,
        gdtLimit: random.below(ENTRIES * 8),
        ldtLimit: random.below(ENTRIES * 8),
        hasLdt: random.below(8) !== 0,
      };
      if (number % 32 === 0) {
        for (let at = 0; at < ENTRIES * 8; at += 8) {
          rig.put(GDT + at, 8, drawDescriptor(random));
          rig.put(LDT + at, 8, drawDescriptor(random));
        }
      }
      setControl(rig, { cr0: Cr0.pe, cr4: 0, efer: setting.long ? 0x500 : 0 });
      const code = 0xc09b | (setting.code64 ? 0x2000 : 0x4000);
      setSegment(cpu, cs, 8, 0, 0xffff_ffff, setting.code64 ? code & ~0x4000 : code);
      cpu.updateMode(setting.cpl);
      cpu.setSigned(System.gdtrBase, GDT);
      cpu.u32[System.gdtrLimit >> 2] = setting.gdtLimit;
      if (setting.hasLdt) setSegment(cpu, ldtr, 0x18, LDT, setting.ldtLimit, 0x82);
      else setNull(cpu, ldtr, 0);
      const segment = [es, ss, ds, fs, gs][random.below(5)]!;
      let selector = random.below(ENTRIES * 8 + 32);
      if (random.below(2) === 0) selector = (selector & ~3) | setting.cpl;
      if (random.below(2) === 0 && (selector | 7) < ENTRIES * 8) {
        // A descriptor of the right level, since chance makes few.
        const at = ((selector & 4) === 0 ? GDT : LDT) + (selector & 0xfff8);
        const cleared = rig.get(at, 8) & ~(3n << 45n);
        const isStack = segment === ss && random.below(2) === 0;
        const typed = isStack ? (cleared & ~(8n << 40n)) | (0x12n << 40n) : cleared;
        const present = random.below(3) === 0 ? 1n << 47n : 0n;
        rig.put(at, 8, (typed | (BigInt(setting.cpl) << 45n)) ^ present);
      }
      const expected = model(setting, segment, selector, (address) => rig.get(address, 8));
      const fault = faultOf(() => {
        loadSegment(cpu, segment, selector);
      });
      if (fault !== expected.fault)
        expect({ number, fault }).toEqual({ number, fault: expected.fault });
      const outcome = fault?.slice(0, 3) ?? (expected.isNull === true ? 'null' : 'loaded');
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (fault !== undefined) continue;
      if (expected.isNull === true) {
        expect(boundsOf(segment, false)).toBeUndefined();
        continue;
      }
      const descriptor = expected.descriptor!;
      const address = ((selector & 4) === 0 ? GDT : LDT) + (selector & 0xfff8);
      const got = {
        selector: cpu.selector(segment),
        base: cpu.segmentBase(segment),
        attributes: cpu.attributes(segment),
        read: boundsOf(segment, false),
        write: boundsOf(segment, true),
        table: rig.get(address, 8),
      };
      const wanted = {
        selector,
        base: field(descriptor, 39, 16) + field(descriptor, 63, 56) * 0x100_0000,
        attributes: field(descriptor, 55, 40) | 1,
        read: reach(descriptor, false),
        write: reach(descriptor, true),
        table: descriptor | (1n << 40n),
      };
      if (JSON.stringify(got, print) !== JSON.stringify(wanted, print)) {
        expect({ number, ...got }).toEqual({ number, ...wanted });
      }
    }
    expect([...outcomes.keys()].toSorted()).toEqual(['#11', '#12', '#13', 'loaded', 'null']);
    expect(Math.min(...outcomes.values())).toBeGreaterThan(CASES / 250);
  });

  it('keep limit and size in real mode, and set everything in virtual-8086 mode', () => {
    const { cpu } = rig;
    setSegment(cpu, ds, 0x10, 0, 0xffff_ffff, 0xcf93);
    loadSegment(cpu, ds, 0x1234);
    expect(cpu.segmentBase(ds)).toBe(0x1_2340);
    expect(boundsOf(ds, true)).toEqual([0, 0xffff_ffff]);
    cpu.u32[System.cr0 >> 2] = Cr0.pe;
    cpu.systemFlags = Eflags.vm;
    cpu.updateMode(3);
    setReal(cpu, ds, 0x2345);
    expect(cpu.segmentBase(ds)).toBe(0x2_3450);
    expect(boundsOf(ds, true)).toEqual([0, 0xffff]);
    expect(cpu.attributes(ds)).toBe(0xf3);
  });
});

function print(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString(16) : value;
}

describe('accesses through a segment', () => {
  beforeEach(() => {
    setControl(rig, { cr0: Cr0.pe, cr4: 0, efer: 0, cpl: 0 });
    setSegment(rig.cpu, cs, 8, 0, 0xffff_ffff, 0xcf9b);
  });

  it('fault past the limit: #SS(0) for the stack, #GP(0) for the others', () => {
    const { cpu } = rig;
    setSegment(cpu, ds, 0x10, 0x1000, 0xfff, 0x4093);
    setSegment(cpu, ss, 0x10, 0x1000, 0xfff, 0x4093);
    cpu.updateMode();
    expect(checkSegment(cpu, ds, 0xffc, 4, true)).toBe(0x1ffc);
    expect(faultOf(() => checkSegment(cpu, ds, 0xffd, 4, true))).toBe('#13(0)');
    expect(faultOf(() => checkSegment(cpu, ss, 0xffd, 4, false))).toBe('#12(0)');
  });

  it('stay above the limit of an expand-down segment', () => {
    const { cpu } = rig;
    setSegment(cpu, ds, 0x10, 0, 0xfff, 0x0097);
    cpu.updateMode();
    expect(faultOf(() => checkSegment(cpu, ds, 0xfff, 1, false))).toBe('#13(0)');
    expect(checkSegment(cpu, ds, 0x1000, 4, false)).toBe(0x1000);
    expect(checkSegment(cpu, ds, 0xfffc, 4, true)).toBe(0xfffc);
    expect(faultOf(() => checkSegment(cpu, ds, 0xfffd, 4, true))).toBe('#13(0)');
  });

  it('need a writable segment for writing, a readable one for reading', () => {
    const { cpu } = rig;
    setSegment(cpu, ds, 0x10, 0, 0xffff_ffff, 0xcf91);
    cpu.updateMode();
    expect(faultOf(() => checkSegment(cpu, ds, 0, 1, true))).toBe('#13(0)');
    expect(checkSegment(cpu, ds, 0, 1, false)).toBe(0);
    expect(faultOf(() => checkSegment(cpu, cs, 0, 1, true))).toBe('#13(0)');
    setSegment(cpu, cs, 8, 0, 0xffff_ffff, 0xcf99);
    expect(faultOf(() => checkSegment(cpu, cs, 0, 1, false))).toBe('#13(0)');
    setNull(cpu, ds, 0);
    expect(faultOf(() => checkSegment(cpu, ds, 0, 1, false))).toBe('#13(0)');
  });

  it('wrap in a whole segment of 4 GiB, and know only FS and GS in 64-bit mode', () => {
    const { cpu } = rig;
    setSegment(cpu, ds, 0x10, 0x10, 0xffff_ffff, 0xcf93);
    cpu.updateMode();
    expect(checkSegment(cpu, ds, 0xffff_fff8, 4, true)).toBe(8);
    setControl(rig, LONG_MODE);
    setSegment(cpu, cs, 8, 0, 0xffff_ffff, 0xaf9b);
    setSegment(cpu, fs, 0, -4096, 0, 0x1_0000);
    cpu.updateMode(0);
    expect(checkSegment(cpu, ds, 0x1000, 8, true)).toBe(0x1000);
    expect(checkSegment(cpu, fs, 0x10, 8, true)).toBe(-4080);
    expect(faultOf(() => checkSegment(cpu, ds, 2 ** 47 - 4, 8, false))).toBe('#13(0)');
    expect(faultOf(() => checkSegment(cpu, ss, -(2 ** 47) - 8, 8, false))).toBe('#12(0)');
  });
});
