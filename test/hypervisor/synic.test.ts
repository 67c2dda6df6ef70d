import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';
import type { TestMachine } from './machine.ts';
import {
  FLAG_PAGE,
  MESSAGE_PAGE,
  consume,
  enableSynic,
  machine,
  payload,
  rdmsr,
  slot,
  takeInterrupts,
  wrmsr,
} from './machine.ts';

function post({ partition }: TestMachine, text: string, sint = 2, type = 1): boolean {
  const bytes = payload(text);
  return partition.postMessage(0, sint, type, bytes, 0, bytes.length);
}

describe('SynIC registers', () => {
  it('at creation SCONTROL, SIMP and SIEFP are 0 and every SINT is masked', () => {
    const [vp] = machine().partition.processors;
    expect(rdmsr(vp!, Msr.SCONTROL)).toBe(0n);
    expect(rdmsr(vp!, Msr.SIMP)).toBe(0n);
    expect(rdmsr(vp!, Msr.SIEFP)).toBe(0n);
    for (let sint = 0; sint < 16; sint += 1) expect(rdmsr(vp!, Msr.SINT0 + sint)).toBe(0x1_0000n);
  });

  it('SVERSION reads 1, and writing it raises #GP', () => {
    const [vp] = machine().partition.processors;
    expect(rdmsr(vp!, Msr.SVERSION)).toBe(1n);
    expect(wrmsr(vp!, Msr.SVERSION, 1)).toBe(false);
  });

  it('a read of EOM returns zeros', () => {
    expect(rdmsr(machine().partition.processors[0]!, Msr.EOM)).toBe(0n);
  });

  it.each([
    { value: 0x0f, legal: false },
    { value: 0x10, legal: true },
    { value: 0xff, legal: true },
    { value: 0x1_0000, legal: true },
    { value: 0x2_0005, legal: false },
  ])('SINT value $value: vectors are 16 to 255, or #GP ($legal)', ({ value, legal }) => {
    expect(wrmsr(machine().partition.processors[0]!, Msr.SINT0 + 5, value)).toBe(legal);
  });
});

describe('SynIC messages', () => {
  it('a message is written to its slot with type, size and sender, and raises the vector', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    const bytes = payload('..offer..');
    test.partition.postMessage(0, 2, 1, bytes, 2, 5, 0x77);
    expect(slot(test.memory, 2)).toEqual({ type: 1, bytes: 5, pending: false, text: 'offer' });
    expect(test.memory.view.getUint32(MESSAGE_PAGE + 2 * 256 + 8, true)).toBe(0x77);
    expect(takeInterrupts(vp)).toEqual([0xf3]);
    expect(test.woken).toContain(0);
  });

  it('an occupied slot is marked MessagePending and never overwritten; EOM brings the next', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    for (const text of ['one', 'two', 'three']) post(test, text);
    takeInterrupts(vp);
    expect(slot(test.memory, 2)).toMatchObject({ text: 'one', pending: true });
    expect(consume(vp, test.memory, 2).text).toBe('one');
    expect(takeInterrupts(vp)).toEqual([0xf3]);
    expect(consume(vp, test.memory, 2)).toMatchObject({ text: 'two', pending: true });
    expect(consume(vp, test.memory, 2)).toMatchObject({ text: 'three', pending: false });
    expect(test.partition.queuedMessages(0, 2)).toBe(0);
  });

  it('an emptied slot without EOM gets the waiting message when another one is queued', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    post(test, 'one');
    post(test, 'two');
    test.memory.view.setUint32(MESSAGE_PAGE + 512, 0, true);
    expect(slot(test.memory, 2).type).toBe(0);
    post(test, 'three');
    expect(slot(test.memory, 2)).toMatchObject({ text: 'two', pending: true });
  });

  it("the guest's EOI of the SINT's vector also scans the queue", () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    post(test, 'one');
    expect(vp.acknowledgeVector()).toBe(0xf3);
    post(test, 'two');
    test.memory.view.setUint32(MESSAGE_PAGE + 512, 0, true);
    wrmsr(vp, Msr.EOI, 0);
    expect(slot(test.memory, 2).text).toBe('two');
    expect(takeInterrupts(vp)).toEqual([0xf3]);
  });

  it.each(['SCONTROL', 'SIMP', 'SINT'] as const)(
    'messages wait while %s is disabled and come when it is enabled',
    (what) => {
      const test = machine();
      const vp = test.partition.processors[0]!;
      enableSynic(vp);
      const off = {
        SCONTROL: [Msr.SCONTROL, 0, 1],
        SIMP: [Msr.SIMP, 0, MESSAGE_PAGE + 1],
      } as const;
      const [msr, disabled, enabled] =
        what === 'SINT' ? [Msr.SINT0 + 2, 0x1_00f3, 0xf3] : off[what];
      wrmsr(vp, msr, disabled);
      expect(post(test, 'kept')).toBe(true);
      expect(takeInterrupts(vp)).toEqual([]);
      expect(slot(test.memory, 2).type).toBe(0);
      wrmsr(vp, msr, enabled);
      expect(slot(test.memory, 2).text).toBe('kept');
      expect(takeInterrupts(vp)).toEqual([0xf3]);
    },
  );

  it('EOM drains the queue of a masked SINT, without an interrupt', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    wrmsr(vp, Msr.SINT0 + 2, 0x1_00f3);
    post(test, 'polled');
    wrmsr(vp, Msr.EOM, 0);
    expect(slot(test.memory, 2).text).toBe('polled');
    expect(takeInterrupts(vp)).toEqual([]);
  });

  it('the polling bit unmasks a source but raises no interrupt', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    wrmsr(vp, Msr.SINT0 + 2, 0x4_00f3);
    post(test, 'quiet');
    expect(slot(test.memory, 2).text).toBe('quiet');
    expect(vp.pendingVector()).toBe(-1);
  });

  it('a queue holds 4096 messages and refuses more', () => {
    const test = machine();
    for (let count = 0; count < 4096; count += 1) expect(post(test, 'x')).toBe(true);
    expect(post(test, 'x')).toBe(false);
    expect(test.traced).toContain('message-queue-full');
    test.partition.dropMessages();
    expect(test.partition.queuedMessages(0, 2)).toBe(0);
    expect(post(test, 'x')).toBe(true);
  });

  it('no processor or SINT of that number: refused', () => {
    const { partition } = machine();
    expect(partition.postMessage(1, 2, 1, payload('x'), 0, 1)).toBe(false);
    expect(partition.postMessage(0, 16, 1, payload('x'), 0, 1)).toBe(false);
    expect(partition.signalEvent(0, 16, 0)).toBe(false);
    expect(partition.signalEvent(0, 2, 2048)).toBe(false);
  });

  it('with AutoEOI the interrupt never shows in service and needs no EOI', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp, 0xf3, true);
    post(test, 'one');
    expect(vp.acknowledgeVector()).toBe(0xf3);
    expect(vp.apic.topInService).toBe(-1);
    consume(vp, test.memory, 2);
    post(test, 'two');
    expect(vp.pendingVector()).toBe(0xf3);
  });

  it('any order of posts, reads, EOMs, masks and moves loses, repeats and reorders nothing', () => {
    const step = fc.constantFrom('post', 'post', 'read', 'eom', 'mask', 'simp', 'control', 'move');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const test = machine();
        const vp = test.partition.processors[0]!;
        enableSynic(vp);
        let sent = 0;
        let isMasked = false;
        let isPageOff = false;
        let isOff = false;
        let page = MESSAGE_PAGE;
        const received: string[] = [];
        const take = (): void => {
          const { type, text, pending } = slot(test.memory, 2, page);
          if (isPageOff || type === 0) return;
          received.push(text);
          test.memory.view.setUint32(page + 512, 0, true);
          if (pending) wrmsr(vp, Msr.EOM, 0);
        };
        const setPage = (): void => void wrmsr(vp, Msr.SIMP, isPageOff ? 0 : page + 1);
        for (const action of steps) {
          if (action === 'post') post(test, `message ${sent++}`);
          else if (action === 'read') take();
          else if (action === 'eom') wrmsr(vp, Msr.EOM, 0);
          else if (action === 'mask') {
            isMasked = !isMasked;
            wrmsr(vp, Msr.SINT0 + 2, isMasked ? 0x1_00f3 : 0xf3);
          } else if (action === 'simp') {
            isPageOff = !isPageOff;
            setPage();
          } else if (action === 'control') {
            isOff = !isOff;
            wrmsr(vp, Msr.SCONTROL, isOff ? 0 : 1);
          } else {
            page = page === MESSAGE_PAGE ? 0x8_0000 : MESSAGE_PAGE;
            setPage();
          }
        }
        wrmsr(vp, Msr.SINT0 + 2, 0xf3);
        wrmsr(vp, Msr.SCONTROL, 1);
        isPageOff = false;
        setPage();
        for (let rest = 0; rest <= sent; rest += 1) take();
        expect(received).toEqual(Array.from({ length: sent }, (_, index) => `message ${index}`));
      }),
      { numRuns: 150 },
    );
  });
});

describe('several processors', () => {
  it('each has its own pages, sources and interrupts', () => {
    const test = machine({ processorCount: 3 });
    for (const vp of test.partition.processors) enableSynic(vp, 0x80 + vp.index);
    test.woken.length = 0;
    test.partition.postMessage(2, 2, 1, payload('two'), 0, 3);
    test.partition.signalEvent(1, 2, 9);
    expect(test.woken).toEqual([2, 1]);
    expect(slot(test.memory, 2).type).toBe(0);
    expect(slot(test.memory, 2, MESSAGE_PAGE + 0x4_0000).text).toBe('two');
    expect(test.memory.u8[FLAG_PAGE + 0x2_0000 + 513]).toBe(2);
    expect(test.partition.processors.map((vp) => vp.pendingVector())).toEqual([-1, 0x81, 0x82]);
  });

  it('a reset disables everything, empties queues and gives RAM back', () => {
    const test = machine({ processorCount: 2 });
    const [vp] = test.partition.processors;
    test.memory.u8.fill(0x33, MESSAGE_PAGE, MESSAGE_PAGE + 4096);
    enableSynic(vp!);
    for (const text of ['one', 'two']) post(test, text);
    wrmsr(vp!, Msr.SCONTROL, 0);
    test.partition.signalEvent(0, 2, 1);
    wrmsr(vp!, Msr.STIMER0_CONFIG, 8 | (2 << 16));
    wrmsr(vp!, Msr.STIMER0_COUNT, 1000);
    test.partition.reset();
    expect(test.memory.u8[MESSAGE_PAGE]).toBe(0x33);
    expect(test.events.nextDeadlineNs).toBe(Infinity);
    expect(rdmsr(vp!, Msr.SINT0 + 2)).toBe(0x1_0000n);
    expect(vp!.pendingVector()).toBe(-1);
    enableSynic(vp!);
    expect(slot(test.memory, 2).type).toBe(0);
    expect(test.memory.u8[FLAG_PAGE + 512]).toBe(0);
    expect(vp!.pendingVector()).toBe(-1);
  });
});

describe('SynIC event flags', () => {
  it('a flag raises the vector only when it changes from 0 to 1', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    expect(test.partition.signalEvent(0, 2, 11)).toBe(true);
    expect(test.memory.u8[FLAG_PAGE + 512 + 1]).toBe(1 << 3);
    expect(takeInterrupts(vp)).toEqual([0xf3]);
    expect(test.partition.signalEvent(0, 2, 11)).toBe(false);
    expect(takeInterrupts(vp)).toEqual([]);
    test.memory.u8[FLAG_PAGE + 512 + 1] = 0;
    expect(test.partition.signalEvent(0, 2, 11)).toBe(true);
    expect(takeInterrupts(vp)).toEqual([0xf3]);
  });

  it.each([
    ['SCONTROL', Msr.SCONTROL, 0, 1],
    ['SIEFP', Msr.SIEFP, 0, FLAG_PAGE + 1],
    ['the SINT', Msr.SINT0 + 2, 0x1_00f3, 0xf3],
  ])('flags wait while %s is disabled and are raised when it is enabled', (_, msr, off, on) => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    wrmsr(vp, msr, off);
    expect(test.partition.signalEvent(0, 2, 2047)).toBe(false);
    expect(test.partition.signalEvent(0, 2, 4)).toBe(false);
    expect(takeInterrupts(vp)).toEqual([]);
    wrmsr(vp, msr, on);
    expect(test.memory.u8[FLAG_PAGE + 512 + 255]).toBe(0x80);
    expect(test.memory.u8[FLAG_PAGE + 512]).toBe(0x10);
    expect(takeInterrupts(vp)).toEqual([0xf3]);
  });

  it('flags of different SINTs are kept apart', () => {
    const test = machine();
    const vp = test.partition.processors[0]!;
    enableSynic(vp);
    wrmsr(vp, Msr.SINT0 + 15, 0x40);
    test.partition.signalEvent(0, 15, 0);
    expect(test.memory.u8[FLAG_PAGE + 15 * 256]).toBe(1);
    expect(test.memory.u8[FLAG_PAGE + 2 * 256]).toBe(0);
    expect(takeInterrupts(vp)).toEqual([0x40]);
  });
});
