import { describe, expect, it } from 'vitest';
import { PortBus } from '../../../src/core/bus.ts';
import { DualPic } from '../../../src/devices/pic/pic.ts';

/** The pair as FreeBSD and Linux program it: vectors from `base`, all unmasked. */
function pics({ base = 0x20, icw4 = 0x01 } = {}) {
  let raised = 0;
  const pic = new DualPic(() => (raised += 1));
  const ports = new PortBus();
  pic.attach(ports);
  const out = (port: number, ...values: readonly number[]): void => {
    for (const value of values) ports.write(port, 1, value);
  };
  const start = (): void => {
    out(0x20, 0x11);
    out(0x21, base, 0x04, icw4);
    out(0xa0, 0x11);
    out(0xa1, base + 8, 0x02, icw4);
  };
  start();
  return {
    pic,
    out,
    ports,
    start,
    raised: () => raised,
    read: (port: number) => ports.read(port, 1),
  };
}

function pulse(pic: DualPic, irq: number): void {
  pic.setLine(irq, true);
  pic.setLine(irq, false);
}

describe('8259A pair', () => {
  it('delivers by priority: IRQ0, IRQ1, the slave, then IRQ3 to 7', () => {
    const { pic, out } = pics();
    for (const irq of [7, 3, 14, 8, 1]) pulse(pic, irq);
    const vectors: number[] = [];
    while (pic.pendingVector() >= 0) {
      expect(pic.pendingVector()).toBe(pic.pendingVector());
      const vector = pic.acknowledge();
      vectors.push(vector);
      if (vector >= 0x28) out(0xa0, 0x20);
      out(0x20, 0x20);
    }
    expect(vectors).toEqual([0x21, 0x28, 0x2e, 0x23, 0x27]);
  });

  it('an input in service holds back itself and lower ones, not higher ones', () => {
    const { pic, out } = pics();
    pulse(pic, 4);
    expect(pic.acknowledge()).toBe(0x24);
    pulse(pic, 4);
    pulse(pic, 5);
    expect(pic.pendingVector()).toBe(-1);
    pulse(pic, 1);
    expect(pic.acknowledge()).toBe(0x21);
    out(0x20, 0x20);
    out(0x20, 0x20);
    expect(pic.pendingVector()).toBe(0x24);
  });

  it('masked inputs wait in the request register', () => {
    const { pic, out, read, raised } = pics();
    out(0x21, 0xff);
    expect(read(0x21)).toBe(0xff);
    pulse(pic, 0);
    expect(pic.pendingVector()).toBe(-1);
    expect(read(0x20)).toBe(0x01);
    expect(raised()).toBe(0);
    out(0x21, 0xfe);
    expect(raised()).toBe(1);
    expect(pic.acknowledge()).toBe(0x20);
    out(0x20, 0x0b);
    expect(read(0x20)).toBe(0x01);
    out(0x20, 0x0a);
    expect(read(0x20)).toBe(0x00);
  });

  it('an edge is taken once, a level (ELCR) until the line falls', () => {
    const { pic, out, read } = pics();
    out(0x4d0, 0xff);
    out(0x4d1, 0xff);
    expect([read(0x4d0), read(0x4d1)]).toEqual([0xf8, 0xde]);
    pic.setLine(5, true);
    for (let round = 0; round < 3; round += 1) {
      expect(pic.acknowledge()).toBe(0x25);
      out(0x20, 0x20);
    }
    pic.setLine(5, false);
    expect(pic.pendingVector()).toBe(-1);
    pic.setLine(0, true);
    expect(pic.acknowledge()).toBe(0x20);
    out(0x20, 0x20);
    expect(pic.pendingVector()).toBe(-1);
  });

  it('an input made level-triggered follows its line from then on', () => {
    const { pic, out } = pics();
    pulse(pic, 5);
    out(0x4d0, 0x20);
    expect(pic.pendingVector()).toBe(-1);
    pic.setLine(5, true);
    expect(pic.pendingVector()).toBe(0x25);
    pic.setLine(5, false);
    expect(pic.pendingVector()).toBe(-1);
  });

  it('an acknowledge without a request gives spurious IRQ 7, not in service', () => {
    const { pic, out, read } = pics();
    expect(pic.acknowledge()).toBe(0x27);
    out(0x20, 0x0b);
    expect(read(0x20)).toBe(0);
  });

  it('automatic EOI leaves nothing in service', () => {
    const { pic } = pics({ icw4: 0x03 });
    pulse(pic, 3);
    expect(pic.acknowledge()).toBe(0x23);
    pulse(pic, 3);
    expect(pic.acknowledge()).toBe(0x23);
  });

  it.each([
    ['specific EOI (0x60 | level)', 0x64, -1, 4],
    ['rotate on non-specific EOI', 0xa0, -1, 5],
    ['rotate on specific EOI', 0xe4, -1, 5],
  ])('%s', (_, command, pending, first) => {
    const { pic, out } = pics();
    pulse(pic, 4);
    pic.acknowledge();
    out(0x20, command);
    expect(pic.pendingVector()).toBe(pending);
    pulse(pic, 4);
    pulse(pic, 5);
    expect(pic.acknowledge()).toBe(0x20 + first);
  });

  it('set priority makes the level the lowest', () => {
    const { pic, out } = pics();
    out(0x20, 0xc0 | 3);
    pulse(pic, 3);
    pulse(pic, 4);
    pulse(pic, 0);
    expect(pic.acknowledge()).toBe(0x24);
  });

  it('special mask mode lets lower inputs through while the masked one is in service', () => {
    const { pic, out } = pics();
    pulse(pic, 2 + 1);
    pic.acknowledge();
    pulse(pic, 6);
    expect(pic.pendingVector()).toBe(-1);
    out(0x21, 0x08);
    out(0x20, 0x68);
    expect(pic.pendingVector()).toBe(0x26);
    out(0x20, 0x48);
    expect(pic.pendingVector()).toBe(-1);
  });

  it('special fully nested mode lets the slave interrupt its own service', () => {
    const plain = pics();
    const nested = pics({ icw4: 0x11 });
    for (const { pic } of [plain, nested]) {
      pulse(pic, 12);
      expect(pic.acknowledge()).toBe(0x2c);
      pulse(pic, 9);
    }
    expect(plain.pic.pendingVector()).toBe(-1);
    expect(nested.pic.pendingVector()).toBe(0x29);
  });

  it('a poll acknowledges and names the input', () => {
    const { pic, out, read } = pics();
    out(0x20, 0x0c);
    expect(read(0x20)).toBe(0);
    pulse(pic, 6);
    out(0x20, 0x0c);
    expect(read(0x20)).toBe(0x86);
    out(0x20, 0x0b);
    expect(read(0x20)).toBe(0x40);
  });

  it('ICW1 clears masks and what was latched, and takes the vector base again', () => {
    const { pic, out, read } = pics();
    out(0x21, 0xff);
    pulse(pic, 1);
    out(0x20, 0x11);
    out(0x21, 0x70, 0x04, 0x01);
    expect(read(0x21)).toBe(0);
    expect(pic.pendingVector()).toBe(-1);
    pulse(pic, 1);
    expect(pic.pendingVector()).toBe(0x71);
  });

  it('the cascade is no line of its own', () => {
    expect(() => pics().pic.line(2)).toThrow('no IRQ 2');
  });
});
