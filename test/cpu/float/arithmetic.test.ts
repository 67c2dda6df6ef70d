import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FloatMachine } from './float-machine.ts';

const machine = new FloatMachine();
const { context, view } = machine;
const first = context.xmm(1);
const second = context.xmm(2);
const RUNS = { numRuns: 1000 };

/** Numbers of all exponents, with the same or near ones in pairs often. */
const doubles = fc
  .tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true }), fc.integer({ min: -60, max: 60 }))
  .chain(([a, b, shift]) => fc.constantFrom([a, b], [a, a * 2 ** shift], [a, -a * (1 + 2 ** -52)]));

function onDoubles(bytes: string, a: number, b: number): number {
  view.setFloat64(first, a, true);
  view.setFloat64(second, b, true);
  machine.mxcsr = 0x1f80;
  expect(machine.sse(bytes)).toBe(-1);
  return view.getFloat64(first, true);
}

function onSingles(bytes: string, a: number, b: number): number {
  view.setFloat32(first, a, true);
  view.setFloat32(second, b, true);
  machine.mxcsr = 0x1f80;
  expect(machine.sse(bytes)).toBe(-1);
  return view.getFloat32(first, true);
}

describe('rounding to nearest, as the host does it', () => {
  const operations: readonly [string, string, (a: number, b: number) => number][] = [
    ['sum', '0f 58 ca', (a, b) => a + b],
    ['product', '0f 59 ca', (a, b) => a * b],
    ['difference', '0f 5c ca', (a, b) => a - b],
    ['quotient', '0f 5e ca', (a, b) => a / b],
    ['root', '0f 51 ca', (_, b) => Math.sqrt(b)],
  ];

  it.each(operations)('%s of doubles', (_name, bytes, expected) => {
    fc.assert(
      fc.property(doubles, ([a, b]) => {
        expect(onDoubles(`f2 ${bytes}`, a, b)).toBe(expected(a, b));
      }),
      RUNS,
    );
  });

  it.each(operations)('%s of singles', (_name, bytes, expected) => {
    // A double holds enough bits that rounding twice is rounding once.
    fc.assert(
      fc.property(fc.float({ noNaN: true }), fc.float({ noNaN: true }), (a, b) => {
        expect(onSingles(`f3 ${bytes}`, a, b)).toBe(Math.fround(expected(a, b)));
      }),
      RUNS,
    );
  });

  it('raises precision exactly when a bit was lost', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1 }), (a, b) => {
        onDoubles('f2 0f 5e ca', a, b);
        const exact = (BigInt(a) << 53n) % BigInt(b) === 0n;
        if (exact) return;
        expect(machine.mxcsr & 0x20).toBe(0x20);
      }),
      RUNS,
    );
    onDoubles('f2 0f 5e ca', 3, 4);
    expect(machine.mxcsr).toBe(0x1f80);
  });
});

describe('directed rounding', () => {
  it('encloses the result rounded to nearest, one step apart', () => {
    const rounded = (mode: number, a: number, b: number): bigint => {
      view.setFloat64(first, a, true);
      view.setFloat64(second, b, true);
      machine.mxcsr = 0x1f80 | (mode << 13);
      machine.sse('f2 0f 5e ca');
      return view.getBigInt64(first, true);
    };
    const positive = fc.double({ min: 1e-100, max: 1e100, noNaN: true });
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        const [nearest = 0n, down = 0n, up = 0n, toZero] = [0, 1, 2, 3].map((mode) =>
          rounded(mode, a, b),
        );
        expect(toZero).toBe(down);
        expect(nearest === down || nearest === up).toBe(true);
        expect(up - down).toBe((machine.mxcsr & 0x20) === 0 ? 0n : 1n);
      }),
      RUNS,
    );
  });
});

describe('an unmasked exception', () => {
  it('leaves the destination of all lanes alone and says which it was', () => {
    for (let lane = 0; lane < 4; lane++) {
      view.setFloat32(first + 4 * lane, 7, true);
      view.setFloat32(second + 4 * lane, lane === 2 ? 0 : 2, true);
    }
    machine.mxcsr = 0x1d80;
    expect(machine.sse('0f 5e ca')).toBe(19);
    expect(view.getFloat32(first, true)).toBe(7);
    expect(machine.mxcsr).toBe(0x1d84);
  });
});

describe('MXCSR', () => {
  it('has no bits above 15: LDMXCSR of one is #GP', () => {
    machine.mxcsr = 0x1f80;
    machine.fillOperand('80 1f 01 00');
    expect(machine.sse('0f ae 10')).toBe(13);
    expect(machine.mxcsr).toBe(0x1f80);
    machine.fillOperand('c0 ff 00 00');
    expect(machine.sse('0f ae 10')).toBe(-1);
    expect(machine.mxcsr).toBe(0xffc0);
    machine.fillOperand('00 00 00 00');
    expect(machine.sse('0f ae 18')).toBe(-1);
    expect(machine.operand(0, 4)).toBe('c0 ff 00 00');
  });
});
