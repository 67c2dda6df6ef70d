/**
 * Rows of the decode table that recorded vectors do not reach, each at least once: the executors' own
 * test files import this, so that tools/table-coverage.ts finds every row run by all of them.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Cr4, Eflags } from '../../../src/cpu/cpu.ts';
import {
  GPR,
  MXCSR,
  SEGMENT_BASE,
  SegmentIndex,
  System,
  X87,
  XMM,
} from '../../../src/cpu/state.ts';
import { type Rig, setControl } from '../rig.ts';
import {
  buildWorld,
  CODE,
  execute,
  GDT,
  IDT,
  Sel,
  setGate,
  stack,
  TSS,
  where,
  worldRig,
} from './world.ts';

const [AX, CX, DX, BX, SI, DI] = [0, 1, 2, 3, 6, 7];
const { es, ss, ds, fs, gs } = SegmentIndex;
const AREA = 0x2_0000;
const HANDLER = 0x1_8000;
const PORT = 0x70;

let rig: Rig;
beforeEach(() => {
  rig = worldRig();
});

/** Executes without an exception. */
function run(...bytes: number[]): void {
  expect(execute(rig, ...bytes)).toBeUndefined();
}

function set(register: number, value: number | bigint): void {
  rig.cpu.setReg(register, BigInt.asUintN(64, BigInt(value)));
}

function generals(): string {
  return [...rig.cpu.u32.subarray(GPR >> 2, (GPR >> 2) + 32)].join();
}

describe('segment registers in 32-bit code', () => {
  beforeEach(() => {
    buildWorld(rig, false);
    set(BX, AREA);
  });

  it('are pushed as doublewords', () => {
    for (const bytes of [[0x06], [0x0e], [0x16], [0x1e]]) run(...bytes);
    expect(stack(rig, 4, 4)).toEqual([Sel.data0, Sel.data0, Sel.code0, Sel.data0].map(hex));
    run(0x0f, 0xa0);
    run(0x0f, 0xa8);
    expect(stack(rig, 2, 4)).toEqual(['0', '0']);
  });

  it('are popped, with their descriptors', () => {
    const { cpu } = rig;
    const pops: readonly (readonly [segment: number, bytes: readonly number[]])[] = [
      [es, [0x07]],
      [ss, [0x17]],
      [ds, [0x1f]],
      [fs, [0x0f, 0xa1]],
      [gs, [0x0f, 0xa9]],
    ];
    for (const [segment, bytes] of pops) {
      run(0x6a, Sel.data0);
      run(...bytes);
      expect(cpu.selector(segment)).toBe(Sel.data0);
      expect(cpu.segmentLimit(segment)).toBe(0xffff_ffff);
    }
    expect(cpu.signed(GPR + 32)).toBe(0x8000);
  });

  it('move to and from registers and memory', () => {
    const { cpu } = rig;
    set(AX, -1);
    run(0x8c, 0xc8);
    expect(cpu.reg(AX)).toBe(BigInt(Sel.code0));
    rig.put(AREA, 4, 0xaaaa_aaaa);
    run(0x8c, 0x1b);
    expect(rig.get(AREA, 4)).toBe(0xaaaa_0010n);
    run(0x8e, 0x2b);
    expect(cpu.selector(gs)).toBe(Sel.data0);
    set(AX, 0);
    run(0x8e, 0xe8);
    expect(cpu.selector(gs)).toBe(0);
  });

  it('come with far pointers', () => {
    const { cpu } = rig;
    rig.put(AREA, 4, 0x1234_5678);
    rig.put(AREA + 4, 2, Sel.data0);
    const loads: readonly (readonly [segment: number, opcode: readonly number[]])[] = [
      [es, [0xc4]],
      [ss, [0x0f, 0xb2]],
      [fs, [0x0f, 0xb4]],
      [gs, [0x0f, 0xb5]],
      [ds, [0xc5]],
    ];
    for (const [segment, opcode] of loads) {
      set(AX, 0);
      run(...opcode, 0x03);
      expect([cpu.reg(AX), cpu.selector(segment)]).toEqual([0x1234_5678n, Sel.data0]);
    }
  });

  it('jump through memory', () => {
    rig.put(AREA, 4, 0x1_4000);
    rig.put(AREA + 4, 2, Sel.code0);
    run(0xff, 0x2b);
    expect(where(rig)).toBe('8:14000 10:8000 cpl 0');
  });
});

function hex(value: number): string {
  return value.toString(16);
}

describe('software interrupts', () => {
  beforeEach(() => {
    buildWorld(rig, false);
    for (const vector of [1, 3, 4]) setGate(rig, vector, Sel.code0, HANDLER + vector, 0x8e);
  });

  it('INT3 and INT1 have one byte', () => {
    run(0xcc);
    expect(rig.cpu.rip).toBe(HANDLER + 3);
    expect(stack(rig, 2, 4)).toEqual([hex(CODE + 1), hex(Sel.code0)]);
    run(0xf1);
    expect(rig.cpu.rip).toBe(HANDLER + 1);
  });

  it('INTO asks OF', () => {
    run(0xce);
    expect(rig.cpu.rip).toBe(CODE + 1);
    rig.cpu.eflags |= Eflags.of;
    run(0xce);
    expect(rig.cpu.rip).toBe(HANDLER + 4);
  });
});

describe('ports', () => {
  let written: string[];
  beforeEach(() => {
    buildWorld(rig, true);
    written = [];
    rig.ports.attach(PORT, 4, {
      portRead: (_port, size) => (size === 1 ? 0xa5 : size === 2 ? 0xa5b6 : 0xa5b6_c7d8),
      portWrite: (port, size, value) => written.push([port, size, value].map(hex).join(' ')),
    });
    set(DX, PORT);
  });

  it('read into the accumulator', () => {
    const { cpu } = rig;
    for (const [bytes, expected] of [
      [[0xe4, PORT], 0xffff_ffff_ffff_ffa5n],
      [[0xec], 0xffff_ffff_ffff_ffa5n],
      [[0x66, 0xe5, PORT], 0xffff_ffff_ffff_a5b6n],
      [[0x66, 0xed], 0xffff_ffff_ffff_a5b6n],
      [[0xe5, PORT], 0xa5b6_c7d8n],
      [[0xed], 0xa5b6_c7d8n],
    ] as const) {
      set(AX, -1);
      run(...bytes);
      expect(cpu.reg(AX)).toBe(expected);
    }
  });

  it('are written from the accumulator', () => {
    set(AX, 0x1234_5678);
    run(0xe6, PORT);
    run(0xee);
    run(0x66, 0xe7, PORT);
    run(0xe7, PORT);
    run(0xef);
    expect(written).toEqual(['70 1 78', '70 1 78', '70 2 5678', '70 4 12345678', '70 4 12345678']);
  });

  it('exchange strings with memory', () => {
    const { cpu } = rig;
    set(DI, AREA);
    set(SI, AREA);
    run(0x6c);
    run(0x66, 0x6d);
    run(0x6d);
    expect(rig.get(AREA, 4)).toBe(0xd8a5_b6a5n);
    expect(cpu.reg(DI)).toBe(BigInt(AREA + 7));
    run(0x6e);
    run(0x66, 0x6f);
    run(0x6f);
    expect(written).toEqual(['70 1 a5', '70 2 a5b6', '70 4 a5b6c7d8']);
    expect(cpu.reg(SI)).toBe(BigInt(AREA + 7));
  });
});

describe('strings', () => {
  it('move, store, load, compare and scan one element', () => {
    buildWorld(rig, true);
    const { cpu } = rig;
    const point = (): void => {
      set(SI, AREA);
      set(DI, AREA + 0x100);
    };
    rig.put(AREA, 8, 0x8877_6655_4433_2211n);
    for (const [opcode, size] of [
      [0xa4, 1],
      [0xa5, 4],
    ] as const) {
      point();
      rig.put(AREA + 0x100, 8, 0);
      run(opcode);
      expect(rig.get(AREA + 0x100, 8)).toBe(size === 1 ? 0x11n : 0x4433_2211n);
      expect([cpu.reg(SI), cpu.reg(DI)]).toEqual([
        BigInt(AREA + size),
        BigInt(AREA + 0x100 + size),
      ]);
      point();
      run(opcode + 2);
      expect(cpu.eflags & Eflags.zf).not.toBe(0);
      point();
      set(AX, 0x99aa_bbcc);
      run(opcode + 6);
      expect(rig.get(AREA + 0x100, 8)).toBe(size === 1 ? 0xccn : 0x99aa_bbccn);
      point();
      run(opcode + 10);
      expect(cpu.eflags & Eflags.zf).not.toBe(0);
      run(opcode + 8);
      expect(cpu.reg(AX)).toBe(size === 1 ? 0x99aa_bb11n : 0x4433_2211n);
    }
  });
});

describe('tables and control words', () => {
  beforeEach(() => {
    buildWorld(rig, true);
    set(BX, AREA);
    rig.put(AREA, 8, 0xaaaa_aaaa_aaaa_aaaan);
    rig.put(AREA + 8, 8, 0xaaaa_aaaa_aaaa_aaaan);
  });

  it('are stored to memory as words', () => {
    run(0x0f, 0x00, 0x03);
    expect(rig.get(AREA, 4)).toBe(0xaaaa_0000n);
    run(0x0f, 0x00, 0x0b);
    expect(rig.get(AREA, 4)).toBe(0xaaaa_0000n | BigInt(Sel.tss));
    run(0x0f, 0x00, 0xc8);
    expect(rig.cpu.reg(AX)).toBe(BigInt(Sel.tss));
    run(0x0f, 0x01, 0x23);
    expect(rig.get(AREA, 4)).toBe(0xaaaa_0000n | BigInt(rig.cpu.cr0 & 0xffff));
  });

  it('IDTR is stored and loaded whole', () => {
    const { cpu } = rig;
    run(0x0f, 0x01, 0x0b);
    expect([rig.get(AREA, 2), rig.get(AREA + 2, 8)]).toEqual([0xfffn, BigInt(IDT)]);
    rig.put(AREA, 2, 0x7ff);
    rig.put(AREA + 2, 8, TSS);
    run(0x0f, 0x01, 0x1b);
    expect([cpu.u32[System.idtrLimit >> 2], cpu.signed(System.idtrBase)]).toEqual([0x7ff, TSS]);
  });

  it('LAR and LSL take a selector from memory', () => {
    const { cpu } = rig;
    rig.put(AREA, 2, Sel.data0);
    run(0x0f, 0x02, 0x03);
    // Bits 19:16, of the limit, are undefined.
    expect(cpu.reg(AX) & 0xf0_ff00n).toBe(rig.get(GDT + Sel.data0 + 4, 4) & 0xf0_ff00n);
    run(0x0f, 0x03, 0x03);
    expect(cpu.reg(AX)).toBe(0xffff_ffffn);
    expect(cpu.eflags & Eflags.zf).not.toBe(0);
  });

  it('DR7 has its fixed bit', () => {
    rig.cpu.u32[(System.dr >> 2) + 14] = 0x400;
    run(0x0f, 0x21, 0xf8);
    expect(rig.cpu.reg(AX)).toBe(0x400n);
  });

  it('FS and GS bases are read and written', () => {
    const { cpu } = rig;
    setControl(rig, { cr4: Cr4.pae | Cr4.fsgsbase });
    set(AX, 0x1234_5678_9000n);
    run(0xf3, 0x48, 0x0f, 0xae, 0xd0);
    run(0xf3, 0x0f, 0xae, 0xd8);
    expect(cpu.u64[(SEGMENT_BASE >> 3) + fs]).toBe(0x1234_5678_9000n);
    expect(cpu.u64[(SEGMENT_BASE >> 3) + gs]).toBe(0x5678_9000n);
    set(CX, 0);
    run(0xf3, 0x48, 0x0f, 0xae, 0xc1);
    expect(cpu.reg(CX)).toBe(0x1234_5678_9000n);
    run(0xf3, 0x0f, 0xae, 0xc9);
    expect(cpu.reg(CX)).toBe(0x5678_9000n);
  });
});

describe('instructions that only go on', () => {
  it('change no register and no flag', () => {
    buildWorld(rig, true);
    set(BX, AREA);
    const before = generals();
    const flags = rig.cpu.eflags;
    const all = [
      [0x0f, 0x01, 0xe8],
      [0x0f, 0x08],
      [0x0f, 0x09],
      [0x0f, 0x0d, 0xc1],
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((digit) => [0x0f, 0x0d, (digit << 3) | BX]),
    ];
    let rip = CODE;
    for (const bytes of all) {
      run(...bytes);
      rip += bytes.length;
      expect([rig.cpu.rip, generals(), rig.cpu.eflags]).toEqual([rip, before, flags]);
    }
  });
});

describe('instructions that only raise', () => {
  it('are undefined, or refused', () => {
    buildWorld(rig, true);
    for (const bytes of [
      [0x0f, 0xaa],
      [0x0f, 0xff, 0xc0],
      [0x0f, 0xb9, 0xc0],
      [0x0f, 0x0b],
    ]) {
      expect(execute(rig, ...bytes)).toBe('#6');
    }
    expect(execute(rig, 0x0f, 0x33)).toBe('#13(0)');
    expect(rig.cpu.rip).toBe(CODE);
  });
});

describe('saved floating point state', () => {
  beforeEach(() => {
    buildWorld(rig, true);
    setControl(rig, { cr4: Cr4.pae | Cr4.osfxsr | Cr4.osxmmexcpt });
    set(BX, AREA);
    rig.cpu.u32[MXCSR >> 2] = 0x1f80;
    run(0xdb, 0xe3);
    run(0xd9, 0xe8);
    run(0xd9, 0xeb);
  });

  const state = (): string =>
    [
      ...rig.cpu.u8.subarray(X87.control, X87.tags + 1),
      ...rig.cpu.u8.subarray(X87.st, X87.st + 128),
    ].join();

  it('FXSAVE and FXRSTOR keep registers of both kinds', () => {
    const { cpu } = rig;
    cpu.u32.fill(0x1234_5678, XMM >> 2, (XMM >> 2) + 64);
    const x87 = state();
    run(0x0f, 0xae, 0x03);
    expect([rig.get(AREA, 2), rig.get(AREA + 4, 1), rig.get(AREA + 24, 4)]).toEqual([
      0x37fn,
      0xc0n,
      0x1f80n,
    ]);
    expect(rig.get(AREA + 160 + 15 * 16, 4)).toBe(0x1234_5678n);
    run(0xdb, 0xe3);
    cpu.u32.fill(0, XMM >> 2, (XMM >> 2) + 64);
    run(0x0f, 0xae, 0x0b);
    expect(state()).toBe(x87);
    expect(cpu.u32[(XMM >> 2) + 63]).toBe(0x1234_5678);
    // What MXCSR does not have cannot be loaded.
    rig.put(AREA + 24, 4, 0xffff_ffff);
    expect(execute(rig, 0x0f, 0xae, 0x0b)).toBe('#13(0)');
    set(BX, AREA + 8);
    expect(execute(rig, 0x0f, 0xae, 0x03)).toBe('#13(0)');
  });

  it('FNSTENV and FLDENV keep the control words, FNSAVE and FRSTOR the stack too', () => {
    const before = state();
    run(0xd9, 0x33);
    expect([rig.get(AREA, 2), rig.get(AREA + 4, 2), rig.get(AREA + 8, 2)]).toEqual([
      0x37fn,
      0x3000n,
      0x0fffn,
    ]);
    // The masks are set after the environment is stored, as they are here already.
    run(0xd9, 0x23);
    expect(state()).toBe(before);
    run(0xdd, 0x33);
    expect(rig.get(AREA + 28, 8)).toBe(0xc90f_daa2_2168_c235n);
    expect(rig.cpu.u8[X87.tags]).toBe(0);
    run(0xdd, 0x23);
    expect(state()).toBe(before);
  });
});
