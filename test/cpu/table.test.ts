import { describe, expect, it } from 'vitest';
import { Decoder } from '../../src/cpu/decode/decode.ts';
import { type CodeSize, Instruction } from '../../src/cpu/decode/instruction.ts';
import { FLAG_BITS } from '../../src/cpu/table/row.ts';
import { BASE_FEATURES, encodings } from '../../src/cpu/table/table.ts';
import { Random } from '../../src/core/random.ts';
import { encode, isValidIn } from '../../tools/record-vectors/encode.ts';

const MODES: readonly CodeSize[] = [16, 32, 64];

/** A register-form instruction with that opcode, long enough for any immediate. */
function decodes(decoder: Decoder, mode: CodeSize, ...opcode: number[]): boolean {
  const bytes = Uint8Array.from([...opcode, 0xc0, ...Array<number>(12).fill(0)]);
  return decoder.decode(bytes, 0, bytes.length, mode, new Instruction()) > 0;
}

describe('the decode table', () => {
  it('agrees with itself on which opcodes have a ModRM byte', () => {
    const byOpcode = Map.groupBy(encodings(), (row) => (row.map << 8) | row.opcode);
    const mixed = [...byOpcode.values()].filter(
      (rows) => new Set(rows.map(({ hasModRm }) => hasModRm)).size > 1,
    );
    expect(mixed.map((rows) => rows.map(({ code }) => code))).toEqual([]);
  });

  it.each(MODES)('has no row that the rows before it hide in %i-bit code', (mode) => {
    const random = new Random(1, 'reachable');
    const hidden = encodings().filter((row) => {
      if (!isValidIn(row, mode)) return false;
      for (let attempt = 0; attempt < 64; attempt++) {
        if (encode(row, mode, (below) => random.below(below), { prefixes: 0 })) return false;
      }
      return true;
    });
    expect(hidden.map(({ code, mnemonic }) => `${code} ${mnemonic}`)).toEqual([]);
  });

  it('reads register operands from ModRM only where there is one', () => {
    const wrong = encodings().filter(
      (row) => !row.hasModRm && row.operands.some(({ letter }) => 'CDEGMNPQRSUVW'.includes(letter)),
    );
    expect(wrong.map(({ code, mnemonic }) => `${code} ${mnemonic}`)).toEqual([]);
  });

  it('lists every effect on a flag once', () => {
    const doubled = encodings().filter(({ flags }) => {
      const { written, byCount, undefined: left, cleared, set } = flags;
      const effects = [written, byCount, left, cleared, set];
      return effects.some((bits, at) =>
        effects.some((other, to) => to > at && (bits & other) !== 0),
      );
    });
    const { o, s, z, a, p, c } = FLAG_BITS as Record<string, number>;
    const add = encodings().find(({ code }) => code === '00/r')!;
    expect(add.flags.written).toBe(o! | s! | z! | a! | p! | c!);
    expect(doubled.map(({ code, mnemonic }) => `${code} ${mnemonic}`)).toEqual([]);
  });

  // SDM volume 2, Tables: "i64", blank cells, and the VEX and EVEX prefixes.
  it('leaves the opcodes that 64-bit mode lacks undefined', () => {
    const decoder = new Decoder(BASE_FEATURES);
    const oneByte = [
      0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x82,
      0x9a, 0xc4, 0xc5, 0xce, 0xd4, 0xd5, 0xd6, 0xea,
    ];
    const twoByte = [
      0x04, 0x0a, 0x0c, 0x0e, 0x0f, 0x24, 0x25, 0x26, 0x27, 0x36, 0x37, 0x39, 0x3b, 0x3c, 0x3d,
      0x3e, 0x3f, 0x78, 0x79, 0x7a, 0x7b, 0xa6, 0xa7, 0xb8, 0xf0,
    ];
    const wrong = [
      ...oneByte.filter((opcode) => decodes(decoder, 64, opcode)),
      ...twoByte.filter((opcode) => decodes(decoder, 64, 0x0f, opcode)),
    ];
    expect(wrong).toEqual([]);
    expect(decodes(decoder, 32, 0x27)).toBe(true);
    expect(decodes(decoder, 32, 0xc5)).toBe(false);
  });

  it('shows the older instruction where a feature is missing', () => {
    const code = Uint8Array.of(0xf3, 0x0f, 0xbc, 0xc1);
    const out = new Instruction();
    new Decoder(BASE_FEATURES).decode(code, 0, 4, 64, out);
    expect(encodings()[out.row]!.mnemonic).toBe('bsf');
    new Decoder().decode(code, 0, 4, 64, out);
    expect(encodings()[out.row]!.mnemonic).toBe('tzcnt');
  });

  // SDM volume 2, "Exceptions" of each: what the operands' registers ask of CR0 and CR4.
  it('knows whose registers an instruction uses', () => {
    const units = new Map(
      encodings().map(({ code, mnemonic, unit }) => [`${code} ${mnemonic}`, unit]),
    );
    expect(units.get('np.0f2a/r cvtpi2ps')).toBe('sse');
    expect(units.get('np.0f77 emms')).toBe('mmx');
    expect(units.get('db/1:m fisttp')).toBe('x87');
    for (const general of ['np.0fc3/r:m movnti', 'np.0fae/5:r lfence', 'f2.0f38f1/r crc32']) {
      expect(units.get(general)).toBe('general');
    }
    const lost = encodings().filter(
      ({ feature, unit }) => /^(mmx|x87|ssse3|aes)/.test(feature) && unit === 'general',
    );
    expect(lost.map(({ mnemonic }) => mnemonic)).toEqual(['fwait']);
  });

  it('knows x86-64-v2 and nothing of AVX', () => {
    const features = new Set(encodings().map(({ feature }) => feature));
    expect([...BASE_FEATURES].filter((feature) => !features.has(feature))).toEqual([]);
    const decoder = new Decoder(BASE_FEATURES);
    expect(decodes(decoder, 64, 0xc5, 0xf8, 0x77)).toBe(false);
    expect(decodes(decoder, 64, 0x62, 0xf1, 0x7c, 0x48)).toBe(false);
  });
});
