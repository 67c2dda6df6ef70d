import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Cr0, Cr4, Efer } from '../../../src/cpu/cpu.ts';
import { CpuException } from '../../../src/cpu/exception.ts';
import { translate } from '../../../src/cpu/mmu/access.ts';
import { Access, loadPdptes } from '../../../src/cpu/mmu/walk.ts';
import { System } from '../../../src/cpu/state.ts';
import { cpuRig, faultOf, LONG_MODE, RAM_BYTES, type Rig, setControl } from '../rig.ts';
import { modelWalk, type PagingState } from './model.ts';
import { cases } from '../../support/cases.ts';

const TABLES = 0x1000;
const TABLE_PAGES = 8;
const CASES = cases(10_000, 3000);

let rig: Rig;
beforeEach(() => {
  rig = cpuRig();
});

/** An entry that points at another table or a page, with the faults of the real world mixed in. */
function drawEntry(random: Random, wide: boolean): bigint {
  let entry = BigInt(TABLES + 0x1000 * random.below(TABLE_PAGES));
  if (random.below(3) === 0) entry |= BigInt(random.below(4)) << 21n;
  if (random.below(16) !== 0) entry |= 1n;
  entry |= BigInt(random.u32() & 0x166);
  if (random.below(4) !== 0) entry |= 6n;
  if (random.below(4) === 0) entry |= 0x80n;
  if (random.below(24) === 0) entry |= 1n << BigInt(random.below(wide ? 64 : 32));
  if (wide && random.below(8) === 0) entry |= 1n << 63n;
  return entry;
}

function drawState(random: Random): PagingState {
  const kind = random.below(8);
  const pae = kind > 2;
  return {
    paging: kind !== 0,
    pae,
    long: kind > 4,
    pse: random.below(2) === 0,
    nxe: random.below(4) !== 0,
    wp: random.below(2) === 0,
    smep: random.below(2) === 0,
    cr3: BigInt(TABLES + 0x1000 * random.below(TABLE_PAGES)),
    pdptes: Array.from({ length: 4 }, () => drawEntry(random, true) & 0xff_ffff_f001n),
  };
}

function enter(state: PagingState): void {
  const { cpu } = rig;
  setControl(rig, {
    cr0: Cr0.pe | (state.paging ? Cr0.pg : 0) | (state.wp ? Cr0.wp : 0),
    cr3: Number(state.cr3),
    cr4: (state.pae ? Cr4.pae : 0) | (state.pse ? Cr4.pse : 0) | (state.smep ? Cr4.smep : 0),
    efer: (state.long ? Efer.lme | Efer.lma : 0) | (state.nxe ? Efer.nxe : 0),
  });
  for (const [index, pdpte] of state.pdptes.entries()) {
    cpu.u64[(System.pdpte >> 3) + index] = pdpte;
  }
}

describe('the page walk', () => {
  it(`agrees with a naive model in ${CASES} random cases of all four kinds of paging`, () => {
    const random = new Random(4, 'walk');
    const { cpu } = rig;
    const counts = { translated: 0, notPresent: 0, reserved: 0, denied: 0 };
    for (let number = 0; number < CASES; number += 1) {
      const state = drawState(random);
      const wide = state.pae || state.long;
      for (let at = 0; at < TABLE_PAGES * 0x1000; at += 8) {
        if (random.below(16) !== 0 && number > 0) continue;
        const entry = wide
          ? drawEntry(random, true)
          : drawEntry(random, false) | (drawEntry(random, false) << 32n);
        cpu.u64[(rig.at(TABLES) + at) >> 3] = entry;
      }
      enter(state);
      for (let probe = 0; probe < 4; probe += 1, number += 1) {
        let linear = BigInt(random.u32());
        if (state.long) linear |= BigInt.asIntN(48, BigInt(random.u32()) << 32n);
        const access = {
          write: random.below(2) === 0,
          fetch: random.below(4) === 0,
          user: random.below(2) === 0,
        };
        if (access.fetch) access.write = false;
        // The open bus behind a stray address reads as all ones.
        const expected = modelWalk(state, linear, access, (address, size) =>
          address < RAM_BYTES
            ? rig.get(Number(address), size as 4 | 8)
            : (1n << BigInt(size * 8)) - 1n,
        );
        const wanted =
          (access.write ? Access.write : 0) |
          (access.fetch ? Access.fetch : 0) |
          (access.user ? Access.user : 0);
        let physical: bigint | undefined;
        let fault: number | undefined;
        try {
          physical = BigInt(translate(cpu, Number(linear), wanted));
        } catch (error) {
          if (!(error instanceof CpuException)) throw error;
          expect(error.vector).toBe(14);
          fault = error.errorCode;
          expect(cpu.view.getBigInt64(System.cr2, true)).toBe(linear);
        }
        if (physical !== expected.physical || fault !== expected.fault) {
          expect({ number, physical, fault }).toEqual({ number, ...expected });
        }
        for (const [address, entry] of expected.marked) {
          if (address >= RAM_BYTES) continue;
          const now = rig.get(Number(address), wide ? 8 : 4);
          if (now !== entry) expect({ number, now }).toEqual({ number, now: entry });
        }
        if (fault === undefined) counts.translated += 1;
        else if ((fault & 1) === 0) counts.notPresent += 1;
        else if ((fault & 8) !== 0) counts.reserved += 1;
        else counts.denied += 1;
      }
    }
    // Every outcome was drawn often enough to mean something.
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(CASES / 100);
  });

  it('refuses addresses that are not canonical with #GP(0)', () => {
    setControl(rig, { ...LONG_MODE, cr3: TABLES });
    expect(faultOf(() => translate(rig.cpu, 2 ** 47, Access.read))).toBe('#13(0)');
    expect(faultOf(() => translate(rig.cpu, -(2 ** 47) - 1, Access.read))).toBe('#13(0)');
    expect(faultOf(() => translate(rig.cpu, -(2 ** 47), Access.read))).toBe('#14(0)');
  });

  it('reads the four PDPTEs whole, or not at all when one has reserved bits', () => {
    for (let index = 0; index < 4; index += 1) {
      rig.put(0x5020 + 8 * index, 8, 0x7001 + 0x1000 * index);
    }
    expect(loadPdptes(rig.cpu, 0x5020)).toBe(true);
    expect(rig.cpu.u64[(System.pdpte >> 3) + 3]).toBe(0xa001n);
    for (const bad of [0x2n, 0x20n, 0x100n, 1n << 40n, 1n << 63n]) {
      rig.put(0x5038, 8, 0x9001n | bad);
      expect(loadPdptes(rig.cpu, 0x5020)).toBe(false);
    }
    expect(rig.cpu.u64[(System.pdpte >> 3) + 3]).toBe(0xa001n);
    // Without the present bit nothing else is looked at.
    rig.put(0x5038, 8, 0x1e6);
    expect(loadPdptes(rig.cpu, 0x5020)).toBe(true);
  });

  it('finds a table outside RAM to be all ones, whose reserved bits fault', () => {
    setControl(rig, { ...LONG_MODE, cr3: 0x1000_0000 });
    expect(faultOf(() => translate(rig.cpu, 0, Access.read))).toBe('#14(9)');
  });
});
