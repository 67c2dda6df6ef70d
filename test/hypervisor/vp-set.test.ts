import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VpSet } from '../../src/hypervisor/vp-set.ts';

/** HV_VP_SET as a guest lays it out: format, valid banks, one u64 for each valid bank. */
function encode(members: readonly number[]): { view: DataView; banks: number } {
  const banks = new Map<number, bigint>();
  for (const vp of members) {
    const bank = vp >> 6;
    banks.set(bank, (banks.get(bank) ?? 0n) | (1n << BigInt(vp & 63)));
  }
  const numbers = [...banks.keys()].toSorted((left, right) => left - right);
  const view = new DataView(new ArrayBuffer(16 + numbers.length * 8));
  const valid = numbers.reduce((mask, bank) => mask | (1n << BigInt(bank)), 0n);
  view.setBigUint64(8, valid, true);
  for (const [index, bank] of numbers.entries()) {
    view.setBigUint64(16 + index * 8, banks.get(bank)!, true);
  }
  return { view, banks: numbers.length };
}

describe('a set of virtual processors', () => {
  it('has exactly the members of its banks, out of 4096', () => {
    const member = fc.integer({ min: 0, max: 4095 });
    fc.assert(
      fc.property(fc.array(member, { maxLength: 30 }), fc.array(member), (members, others) => {
        const { view, banks } = encode(members);
        const set = new VpSet();
        expect(set.useSparse(view, 0, 16, banks)).toBe(true);
        for (const vp of [...members, ...others]) expect(set.has(vp)).toBe(members.includes(vp));
        expect(set.has(4096)).toBe(false);
        expect(set.useSparse(view, 0, 16, banks + 1)).toBe(false);
      }),
    );
  });

  it('knows the formats sparse and all, and no other', () => {
    const view = new DataView(new ArrayBuffer(16));
    const set = new VpSet();
    view.setUint32(0, 1, true);
    expect(set.useSparse(view, 0, 16, 0)).toBe(true);
    expect(set.has(300)).toBe(true);
    view.setUint32(0, 2, true);
    expect(set.useSparse(view, 0, 16, 0)).toBe(false);
    view.setUint32(0, 0, true);
    view.setUint32(4, 1, true);
    expect(set.useSparse(view, 0, 16, 0)).toBe(false);
  });
});
