import { beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import {
  fetchPosition,
  finishModify,
  readMemory,
  slowRead,
  slowReadModify,
  slowWrite,
  writeMemory,
} from '../../../src/cpu/mmu/access.ts';
import {
  Bank,
  bringEntriesBack,
  flushAll,
  flushNonGlobal,
  flushPage,
  lookUp,
  protectPage,
  putEntriesAway,
} from '../../../src/cpu/mmu/tlb.ts';
import { ACCESS_VALUE, CODE_BANKS, FIXED_BYTES, System, TlbEntry } from '../../../src/cpu/state.ts';
import { enableHypercalls } from '../../hypervisor/machine.ts';
import { cpuRig, faultOf, LONG_MODE, type Rig, setAccess, setControl } from '../rig.ts';

const ROOT = 0x1000;
const TABLE = 0x4000;
/** The page table covers 2 MiB from here. */
const BASE = 0x20_0000;
const MMIO = 0xfe00_0000;

const P = 1;
const W = 2;
const U = 4;
const A = 0x20;
const D = 0x40;
const G = 0x100;

let rig: Rig;
beforeEach(() => {
  rig = cpuRig();
  setControl(rig, { ...LONG_MODE, cr3: ROOT });
  rig.put(ROOT, 8, 0x2000 | P | W | U);
  rig.put(0x2000, 8, 0x3000 | P | W | U);
  rig.put(0x3008, 8, TABLE | P | W | U);
});

/** Maps a page of BASE's table. */
function map(page: number, gpa: number, bits: number): void {
  rig.put(TABLE + 8 * page, 8, gpa + bits);
}

function entry(page: number): number {
  return Number(rig.get(TABLE + 8 * page, 8) & 0x1ffn);
}

function tags(linear: number, bank: number): string {
  const { readTag, writeTag, executeTag } = TlbEntry;
  return [readTag, writeTag, executeTag]
    .map((tag, index) => {
      const isThere =
        lookUp(rig.cpu, linear, tag === executeTag ? bank + CODE_BANKS : bank, tag) >= 0;
      return isThere ? 'rwx'[index]! : '-';
    })
    .join('');
}

describe('the slow path', () => {
  it('fills the entry: write only once the page is dirty, execute unless NX', () => {
    map(0, 0x8000, P | W);
    rig.put(0x8010, 4, 0x1234_5678);
    setAccess(rig, BigInt(BASE + 0x10));
    expect(slowRead(rig.cpu, 4)).toBe(rig.at(0x8010));
    expect(tags(BASE, Bank.supervisor)).toBe('r--');
    expect(entry(0)).toBe(P | W | A);
    setAccess(rig, BigInt(BASE + 0x20), 0xabcdn);
    slowWrite(rig.cpu, 2);
    expect(rig.get(0x8020, 4)).toBe(0xabcdn);
    expect(tags(BASE, Bank.supervisor)).toBe('rw-');
    expect(tags(BASE, Bank.user)).toBe('---');
    expect(entry(0)).toBe(P | W | A | D);
    expect(lookUp(rig.cpu, BASE + 0x20, Bank.supervisor, TlbEntry.readTag)).toBe(rig.at(0x8020));
  });

  it('uses the bank of the privilege level, and the supervisor bank where it is told', () => {
    map(0, 0x8000, P | W);
    setControl(rig, { cpl: 3 });
    expect(faultOf(() => readMemory(rig.cpu, BASE, 4))).toBe('#14(5)');
    expect(faultOf(() => writeMemory(rig.cpu, BASE, 4, 0))).toBe('#14(7)');
    expect(faultOf(() => readMemory(rig.cpu, BASE, 4, Bank.supervisor))).toBeUndefined();
    map(1, 0x9000, P | W | U);
    readMemory(rig.cpu, BASE + 0x1000, 4);
    expect(tags(BASE + 0x1000, Bank.user)).toBe('r--');
  });

  it('puts an access over two pages together, and faults before it changes either', () => {
    map(0, 0x8000, P | W);
    map(1, 0xb000, P);
    rig.put(0x8ffd, 1, 0x11);
    rig.put(0x8ffe, 2, 0x3322);
    rig.put(0xb000, 4, 0x7766_5544);
    setAccess(rig, BigInt(BASE + 0xffd));
    expect(slowRead(rig.cpu, 8)).toBe(ACCESS_VALUE);
    expect(rig.cpu.view.getBigUint64(ACCESS_VALUE, true)).toBe(0x7766_5544_3322_11n);
    setAccess(rig, BigInt(BASE + 0xffd), 0xffff_ffff_ffff_ffffn);
    expect(faultOf(() => slowWrite(rig.cpu, 8))).toBe('#14(3)');
    expect(rig.cpu.signed(System.cr2)).toBe(BASE + 0x1000);
    expect(rig.get(0x8ffd, 1)).toBe(0x11n);
    map(1, 0xb000, P | W);
    slowWrite(rig.cpu, 8);
    expect(rig.get(0xb000, 4)).toBe(0xffff_ffffn);
  });

  it('gives a place to modify: the RAM itself, or a copy that is stored afterwards', () => {
    map(0, 0x8000, P | W);
    map(1, 0x9000, P | W);
    setAccess(rig, BigInt(BASE + 8));
    expect(slowReadModify(rig.cpu, 8)).toBe(rig.at(0x8008));
    rig.put(0x8ffc, 4, 0x0403_0201);
    rig.put(0x9000, 4, 0x0807_0605);
    setAccess(rig, BigInt(BASE + 0xffc));
    expect(slowReadModify(rig.cpu, 8)).toBe(ACCESS_VALUE);
    const value = rig.cpu.view.getBigUint64(ACCESS_VALUE, true);
    expect(value).toBe(0x0807_0605_0403_0201n);
    rig.cpu.view.setBigUint64(ACCESS_VALUE, value + 1n, true);
    finishModify(rig.cpu, 8);
    expect([rig.get(0x8ffc, 4), rig.get(0x9000, 4)]).toEqual([0x0403_0202n, 0x0807_0605n]);
    map(2, 0xa000, P);
    setAccess(rig, BigInt(BASE + 0x2000));
    expect(faultOf(() => slowReadModify(rig.cpu, 1))).toBe('#14(3)');
  });

  it('reports writes to code before they happen, and gives such pages no write tag', () => {
    map(0, 0x8000, P | W | D);
    readMemory(rig.cpu, BASE, 1);
    expect(tags(BASE, Bank.supervisor)).toBe('rw-');
    rig.codePages.add(0x8000);
    protectPage(rig.cpu, rig.at(0x8000));
    expect(tags(BASE, Bank.supervisor)).toBe('r--');
    setAccess(rig, BigInt(BASE + 0x40), 1n);
    slowWrite(rig.cpu, 4);
    expect(rig.codeWrites).toEqual([[0x8040, 4]]);
    expect(tags(BASE, Bank.supervisor)).toBe('r--');
    setAccess(rig, BigInt(BASE + 0x40));
    expect(slowReadModify(rig.cpu, 4)).toBe(ACCESS_VALUE);
    finishModify(rig.cpu, 4);
    expect(rig.codeWrites).toHaveLength(2);
  });

  it('reports the setting of accessed and dirty bits in a page with code', () => {
    map(0, 0x8000, P | W);
    rig.codePages.add(TABLE);
    writeMemory(rig.cpu, BASE, 4, 0);
    expect(rig.codeWrites).toEqual([[TABLE, 4]]);
  });

  it('sends what is not RAM to the devices, in their sizes, without a tag', () => {
    const seen: string[] = [];
    rig.mmio.attach(MMIO, 0x1000, {
      mmioRead: (address, size) => {
        seen.push(`r${address.toString(16)}:${size}`);
        return 0x8070_6050;
      },
      mmioWrite: (address, size, value) => {
        seen.push(`w${address.toString(16)}:${size}=${value.toString(16)}`);
      },
    });
    map(0, MMIO, P | W);
    setAccess(rig, BigInt(BASE + 0x10));
    expect(slowRead(rig.cpu, 8)).toBe(ACCESS_VALUE);
    expect(rig.cpu.view.getBigUint64(ACCESS_VALUE, true)).toBe(0x8070_6050_8070_6050n);
    setAccess(rig, BigInt(BASE + 0x20), 0x1122_3344_5566_7788n);
    slowWrite(rig.cpu, 6);
    expect(seen).toEqual(['r10:4', 'r14:4', 'w20:4=55667788', 'w24:2=3344']);
    expect(tags(BASE, Bank.supervisor)).toBe('---');
    expect(rig.calls.recheck).toBe(2);
    expect(rig.calls.syncClock).toBe(2);
  });

  it('raises #GP(0), or #SS(0) where it is told so, for addresses that are not canonical', () => {
    setAccess(rig, 0x8000_0000_0000n);
    expect(faultOf(() => slowRead(rig.cpu, 1))).toBe('#13(0)');
    expect(faultOf(() => slowWrite(rig.cpu, 1, true))).toBe('#12(0)');
    setAccess(rig, 0x7fff_ffff_ffffn);
    expect(faultOf(() => slowRead(rig.cpu, 2))).toBe('#13(0)');
    setAccess(rig, 0x1234_5678_9abc_def0n);
    expect(faultOf(() => slowReadModify(rig.cpu, 8))).toBe('#13(0)');
  });

  it('wraps at 4 GiB outside 64-bit mode', () => {
    setControl(rig, { cr0: 1, cr4: 0, efer: 0 });
    rig.put(0, 4, 0x5566_7788);
    setAccess(rig, 0xffff_fffen);
    expect(slowRead(rig.cpu, 4)).toBe(ACCESS_VALUE);
    expect(rig.cpu.view.getUint32(ACCESS_VALUE, true)).toBe(0x7788_ffff);
  });
});

describe('code fetch', () => {
  it('finds executable RAM, and the hypercall page', () => {
    map(0, 0x8000, P);
    expect(fetchPosition(rig.cpu, BASE + 0x123)).toBe(rig.at(0x8123));
    expect(fetchPosition(rig.cpu, BASE + 0x456)).toBe(rig.at(0x8456));
    enableHypercalls(rig.cpu.vp);
    map(1, 0x1_2000, P);
    const position = fetchPosition(rig.cpu, BASE + 0x1000);
    expect([...rig.cpu.u8.subarray(position, position + 3)]).toEqual([0x0f, 0x01, 0xc1]);
  });

  it('faults for NX and SMEP with the fetch bit, and has no instructions outside RAM', () => {
    rig.put(TABLE, 8, 0x8000_0000_0000_8001n);
    expect(faultOf(() => fetchPosition(rig.cpu, BASE))).toBe('#14(11)');
    expect(faultOf(() => readMemory(rig.cpu, BASE, 4))).toBeUndefined();
    expect(tags(BASE, Bank.supervisor)).toBe('r--');
    setControl(rig, { cr4: rig.cpu.cr4 | 0x10_0000 });
    map(1, 0x9000, P | U);
    expect(faultOf(() => fetchPosition(rig.cpu, BASE + 0x1000))).toBe('#14(11)');
    map(2, MMIO, P);
    expect(faultOf(() => fetchPosition(rig.cpu, BASE + 0x2000))).toBe('#6');
  });
});

describe('flushes', () => {
  it('keep global pages over a change of CR3, and nothing over a full flush', () => {
    map(0, 0x8000, P | G);
    map(1, 0x9000, P);
    readMemory(rig.cpu, BASE, 4);
    readMemory(rig.cpu, BASE + 0x1000, 4);
    flushNonGlobal(rig.cpu);
    expect(tags(BASE, Bank.supervisor)).toBe('r--');
    expect(tags(BASE + 0x1000, Bank.supervisor)).toBe('---');
    flushAll(rig.cpu);
    expect(tags(BASE, Bank.supervisor)).toBe('---');
  });

  it('drop one page from both banks, and all of a large page', () => {
    map(0, 0x8000, P | U | G);
    map(1, 0x9000, P);
    readMemory(rig.cpu, BASE, 4, Bank.user);
    readMemory(rig.cpu, BASE, 4, Bank.supervisor);
    readMemory(rig.cpu, BASE + 0x1000, 4);
    flushPage(rig.cpu, BASE + 0x234);
    expect([tags(BASE, Bank.user), tags(BASE, Bank.supervisor)]).toEqual(['---', '---']);
    expect(tags(BASE + 0x1000, Bank.supervisor)).toBe('r--');
    // 2 MiB at 0x40_0000.
    rig.put(0x3010, 8, 0x20_0000 | P | 0x80);
    readMemory(rig.cpu, 0x40_3000, 4);
    readMemory(rig.cpu, 0x5f_4000, 4);
    flushPage(rig.cpu, 0x48_0000);
    expect(tags(0x40_3000, Bank.supervisor)).toBe('---');
    expect(tags(0x5f_4000, Bank.supervisor)).toBe('---');
    expect(tags(BASE + 0x1000, Bank.supervisor)).toBe('r--');
  });
});

describe('entries', () => {
  it('are where they were after another processor has run', () => {
    map(0, 0x8000, P | W | D);
    map(1, 0x9000, P | W | D | G);
    readMemory(rig.cpu, BASE, 4);
    readMemory(rig.cpu, BASE + 0x1000, 4);
    fetchPosition(rig.cpu, BASE);
    putEntriesAway(rig.cpu, FIXED_BYTES);
    expect([tags(BASE, 0), tags(BASE + 0x1000, 0)]).toEqual(['---', '---']);
    readMemory(rig.cpu, BASE + 0x1000, 4);
    expect(tags(BASE + 0x1000, 0)).toBe('rw-');
    flushAll(rig.cpu);
    protectPage(rig.cpu, rig.at(0x9000), FIXED_BYTES);
    bringEntriesBack(rig.cpu, FIXED_BYTES);
    expect([tags(BASE, 0), tags(BASE + 0x1000, 0)]).toEqual(['rwx', 'r--']);
    flushNonGlobal(rig.cpu);
    expect([tags(BASE, 0), tags(BASE + 0x1000, 0)]).toEqual(['---', 'r--']);
  });

  it('are those that a naive model has, whatever fills and flushes them', () => {
    const random = new Random(0x7163);
    const PAGES = 24;
    const NEXT = 4096 * 4096;
    const banks = [Bank.supervisor, Bank.user];
    // The same entries once more, 16 MiB on.
    rig.put(0x3008 + (NEXT >> 18), 8, TABLE | P | W | U);
    const linearOf = (page: number): number => BASE + (page % 12) * 4096 + (page < 12 ? 0 : NEXT);
    // By bank and page: whether global, or undefined where there is no entry.
    const model: (boolean | undefined)[] = [];
    const isGlobal = Array.from({ length: 12 }, () => false);
    for (let page = 0; page < 12; page += 1) map(page, 0x8000 + page * 4096, P | W | U | D);
    for (let round = 0; round < 800; round += 1) {
      const page = random.below(PAGES);
      const bank = random.below(2);
      switch (random.below(8)) {
        case 0:
          flushNonGlobal(rig.cpu);
          for (const [index, each] of model.entries()) if (each === false) model[index] = undefined;
          break;
        case 1:
          flushPage(rig.cpu, linearOf(page));
          for (const each of banks) model[each * PAGES + page] = undefined;
          break;
        case 2: {
          const bits = isGlobal[page % 12] === true ? 0 : G;
          isGlobal[page % 12] = bits !== 0;
          map(page % 12, 0x8000 + (page % 12) * 4096, P | W | U | D | bits);
          break;
        }
        case 3:
          putEntriesAway(rig.cpu, FIXED_BYTES);
          bringEntriesBack(rig.cpu, FIXED_BYTES);
          break;
        default: {
          const known = model[bank * PAGES + page];
          readMemory(rig.cpu, linearOf(page), 4, bank);
          model[bank * PAGES + page] = known ?? isGlobal[page % 12];
          model[bank * PAGES + ((page + 12) % PAGES)] = undefined;
        }
      }
      for (const each of banks) {
        for (let at = 0; at < PAGES; at += 1) {
          const expected = model[each * PAGES + at] === undefined ? '---' : 'rw-';
          expect(tags(linearOf(at), each), `round ${round}, page ${at}`).toBe(expected);
        }
      }
    }
  });
});
