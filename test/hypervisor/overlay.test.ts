import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { OverlayPage, OverlaySpace } from '../../src/hypervisor/overlay.ts';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';
import { FLAG_PAGE, MESSAGE_PAGE, enableSynic, machine, payload, slot, wrmsr } from './machine.ts';

describe('overlay pages', () => {
  it("the guest's own RAM is covered while SIMP is enabled, and comes back", () => {
    const { partition, memory } = machine();
    const [vp] = partition.processors;
    memory.u8.fill(0x77, MESSAGE_PAGE, MESSAGE_PAGE + 4096);
    wrmsr(vp!, Msr.SIMP, MESSAGE_PAGE + 1);
    expect(memory.u8.slice(MESSAGE_PAGE, MESSAGE_PAGE + 4096).every((byte) => byte === 0)).toBe(
      true,
    );
    memory.u8[MESSAGE_PAGE] = 1;
    wrmsr(vp!, Msr.SIMP, 0);
    expect(memory.u8[MESSAGE_PAGE]).toBe(0x77);
  });

  it('content moves with the page', () => {
    const test = machine();
    const [vp] = test.partition.processors;
    enableSynic(vp!);
    test.partition.postMessage(0, 2, 1, payload('here'), 0, 4);
    wrmsr(vp!, Msr.SIMP, 0x8_0001);
    expect(slot(test.memory, 2).type).toBe(0);
    expect(slot(test.memory, 2, 0x8_0000).text).toBe('here');
  });

  it('SIMP and SIEFP beyond memory are accepted: messages and flags go where no guest sees', () => {
    const { partition, memory } = machine();
    const [vp] = partition.processors;
    enableSynic(vp!);
    const before = memory.u8.slice();
    expect(wrmsr(vp!, Msr.SIMP, 0xffff_ffff_ffff_f001n)).toBe(true);
    expect(wrmsr(vp!, Msr.SIEFP, 0xffff_ffff_ffff_f001n)).toBe(true);
    expect(partition.postMessage(0, 2, 1, payload('x'), 0, 1)).toBe(true);
    expect(partition.signalEvent(0, 2, 5)).toBe(true);
    expect(Buffer.compare(memory.u8, before)).toBe(0);
    wrmsr(vp!, Msr.SIMP, MESSAGE_PAGE + 1);
    wrmsr(vp!, Msr.SIEFP, FLAG_PAGE + 1);
    expect(slot(memory, 2).text).toBe('x');
    expect(memory.u8[FLAG_PAGE + 512]).toBe(0x20);
  });

  it('a page in a hole of the address space is seen through MMIO', () => {
    const { partition } = machine();
    const [vp] = partition.processors;
    wrmsr(vp!, Msr.SIEFP, 0xf900_0001);
    vp!.mmioWrite(0xf900_0ffe, 2, 0xbeef);
    expect(vp!.mmioRead(0xf900_0ffc, 4)).toBe(0xbeef_0000);
    wrmsr(vp!, Msr.SIEFP, 0);
    expect(vp!.mmioRead(0xf900_0ffc, 4)).toBe(0xffff_ffff);
  });

  it('any order of enabling, moving and disabling restores every byte of RAM', () => {
    const step = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -1, max: 3 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const memory = new GuestMemory({ ramBytes: 65_536, lowGapStart: 0xf800_0000 });
        for (let page = 0; page < 16; page += 1)
          memory.u8.fill(page + 1, page * 4096, page * 4096 + 4096);
        const before = memory.u8.slice();
        const space = new OverlaySpace(memory);
        const pages = ['a', 'b', 'c', 'd'].map((name) => new OverlayPage(name));
        const content = [0, 0, 0, 0];
        for (const [index, [which, where]] of steps.entries()) {
          const page = pages[which]!;
          if (where < 0) space.unmap(page);
          else space.map(page, where);
          expect(page.u8[page.base]).toBe(content[which]);
          content[which] = index + 1;
          page.u8[page.base] = index + 1;
          for (const [other, { u8, base }] of pages.entries()) {
            expect(u8[base]).toBe(content[other]);
          }
        }
        for (const page of pages) space.unmap(page);
        expect(Buffer.compare(memory.u8, before)).toBe(0);
      }),
    );
  });
});
