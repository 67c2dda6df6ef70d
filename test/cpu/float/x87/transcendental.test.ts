import { describe, expect, it } from 'vitest';
import { FloatMachine } from '../float-machine.ts';

const ONE_OPERAND = { sine: 'd9 fe', cosine: 'd9 ff', exponential: 'd9 f0' };

function ofOne(bytes: string, x: number): string {
  const machine = new FloatMachine();
  machine.pushDouble(x);
  expect(machine.x87(bytes)).toBe(-1);
  return machine.top;
}

/** ST(1) and ST. */
function ofTwo(bytes: string, y: number, x: number): string {
  const machine = new FloatMachine();
  machine.pushDouble(y);
  machine.pushDouble(x);
  expect(machine.x87(bytes)).toBe(-1);
  return machine.top;
}

// Expected values: mpmath with 400 bits, rounded to 64.
describe('transcendental functions', () => {
  it.each([
    [1, '3ffe_d76aa47848677021', '3ffe_8a51407da8345c92', '3fff_c75922e5f71d2dc5'],
    [0.5, '3ffd_f57743a2582f7f44', '3ffe_e0a94032dbea7cee', '3ffe_8bda7adf9a3a5219'],
    [3, '3ffc_9081c36db6aada79', 'bffe_fd7025f42f2e9308', 'bffc_91f7b892a5c37866'],
    [-0.75, 'bffe_ae7fe0b5fc786b2e', '3ffe_bb4ff632a908f73f', 'bffe_ee7d1b0887775f06'],
    [2 ** -30, '3fe0_fffffffffffffffd', '3ffe_fffffffffffffff8', '3fe1_8000000000000003'],
  ])('of angles: %d', (x, sine, cosine, tangent) => {
    expect(ofOne(ONE_OPERAND.sine, x)).toBe(sine);
    expect(ofOne(ONE_OPERAND.cosine, x)).toBe(cosine);
    const machine = new FloatMachine();
    machine.pushDouble(x);
    machine.x87('d9 fb');
    expect(machine.top).toBe(cosine);
    machine.x87('dd d8');
    expect(machine.top).toBe(sine);
    machine.pushDouble(x);
    machine.x87('d9 f2');
    expect(machine.top).toBe('3fff_8000000000000000');
    machine.x87('dd d8');
    expect(machine.top).toBe(tangent);
  });

  it.each([
    [0.5, '3ffd_d413cccfe7799211'],
    [-0.5, 'bffd_95f619980c4336f7'],
    [2 ** -10, '3ff4_b18178ba33b141b5'],
    [-1e-10, 'bfdd_986cb7a0f3afef10'],
    [0.75, '3ffe_ae89f995ad3ad5e8'],
  ])('F2XM1 %d', (x, expected) => {
    expect(ofOne(ONE_OPERAND.exponential, x)).toBe(expected);
  });

  it.each([
    [1, 3, '3fff_cae00d1cfdeb43d0'],
    [2, 10, '4001_d49a784bcd1b8afe'],
    [3, 1.0000001, '3fe9_e85cbefc7d989720'],
    [-7, 0.1, '4003_ba0729425378185b'],
    [0.3, 1e300, '4007_957c9c954c375c2d'],
  ])('FYL2X %d, %d', (y, x, expected) => {
    expect(ofTwo('d9 f1', y, x)).toBe(expected);
  });

  it.each([
    [1, 0.25, '3ffd_a4d3c25e68dc57f2'],
    [1, 1e-15, '3fcd_cfea0d698573f4ce'],
    [5, -0.2, 'bfff_ce08b2f60313718a'],
    [2, 1e-100, '3eb4_a1903d0dfccc6317'],
  ])('FYL2XP1 %d, %d', (y, x, expected) => {
    expect(ofTwo('d9 f9', y, x)).toBe(expected);
  });

  it.each([
    [1, 1, '3ffe_c90fdaa22168c235'],
    [1, -1, '4000_96cbe3f9990e91a8'],
    [-3, 0.5, 'bfff_b3ec431de4cde4c9'],
    [1e-20, 7, '3fb9_d7e12e29cb814000'],
    [1e10, -3, '3fff_c90fdaa2c6560150'],
    [2, 3, '3ffe_968756b0331cab69'],
    [0, -5, '4000_c90fdaa22168c235'],
    [Infinity, -Infinity, '4000_96cbe3f9990e91a8'],
  ])('FPATAN %d, %d', (y, x, expected) => {
    expect(ofTwo('d9 f3', y, x)).toBe(expected);
  });

  it('reduce angles by 66 bits of pi, and none from 2^63 on', () => {
    const machine = new FloatMachine();
    machine.x87('d9 eb');
    machine.x87('d9 fe');
    // The exact sine of the nearest number to pi is -5.0e-20; processors say -2^-64.
    expect(machine.top).toBe('bfbf_8000000000000000');
    machine.pushDouble(2 ** 63);
    const before = machine.status;
    machine.x87('d9 fe');
    expect(machine.status).toBe(before | 0x400);
    expect(machine.top).toBe('403e_8000000000000000');
  });
});
