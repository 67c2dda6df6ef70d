/** Moves between vector registers, general registers and memory. Source: SDM volume 2. */
import type { Emit, Meaning, Size } from './emit.ts';
import { bytesOf, immediate, lanes, unary, zero } from './simd-parts.ts';

const move: Meaning = (x) => x.writeVector(0, x.readVector(1));

/** MOVSS and MOVSD: a load clears the rest of the register, a move between registers keeps it. */
const moveScalar: Meaning = (x) => {
  x.writeVector(0, x.readVector(1), x.isMemory(1) ? 16 : x.size(0));
};

/** MOVQ: the upper half of a register is cleared. */
const moveQuadword: Meaning = (x) => {
  const isWhole = !x.isMemory(0) && x.bound.row.unit === 'sse';
  x.writeVector(0, x.readVector(1, 8), isWhole ? 16 : 8);
};

/** MOVD and MOVQ between a vector and a general register, or memory. */
const moveWord: Meaning = (x) => {
  const { letter } = x.bound.row.operands[0]!;
  if (letter === 'E') {
    const size = x.size(0);
    x.write(0, x.lane(size, x.readVector(1, size), 0));
  } else x.writeVector(0, x.withLane(x.size(1), zero(x), 0, x.read(1)));
};

function upperHalf<V>(x: Emit<V>, a: V): V {
  return x.shuffle(a, a, lanes(8, [8, 8]));
}

/** MOVHPS and MOVHPD. */
const moveHigh: Meaning = (x) => {
  if (x.isMemory(0)) x.writeVector(0, upperHalf(x, x.readVector(1, 16)));
  else lowToHigh(x);
};

const lowToHigh: Meaning = (x) => {
  const low = x.readVector(0, 16);
  x.writeVector(0, x.shuffle(low, x.readVector(1, 8), lanes(8, [0, 16])), 16);
};

const highToLow: Meaning = (x) => x.writeVector(0, upperHalf(x, x.readVector(1, 16)));

/** MOVSLDUP, MOVSHDUP and MOVDDUP. */
function duplicate(size: number, firsts: readonly number[]): Meaning {
  return unary((x, a) => x.shuffle(a, a, lanes(size, firsts)));
}

/** PMOVMSKB, MOVMSKPS and MOVMSKPD. */
function signs(size: Size): Meaning {
  return (x) => x.write(0, x.bitmask(size, x.readVector(1)));
}

/** PEXTRB, PEXTRW, PEXTRD and EXTRACTPS: narrower than a register, zeros above. */
function extract(size: Size | 'operand'): Meaning {
  return (x) => {
    const lane = size === 'operand' ? x.size(0) : size;
    const bytes = x.bound.row.unit === 'mmx' ? 8 : 16;
    const index = immediate(x) & (bytes / lane - 1);
    const value = x.lane(lane, x.readVector(1), index);
    x.write(0, x.size(0) < 4 ? x.trunc(4, x.size(0), value) : value);
  };
}

/** PINSRB, PINSRW and PINSRD. */
function insert(size: Size | 'operand'): Meaning {
  return (x) => {
    const lane = size === 'operand' ? x.size(1) : size;
    const bytes = x.bound.row.unit === 'mmx' ? 8 : 16;
    const index = immediate(x) & (bytes / lane - 1);
    const value = x.size(1) < 4 ? x.zext(x.size(1), 4, x.read(1)) : x.read(1);
    x.writeVector(0, x.withLane(lane, x.readVector(0), index, value));
  };
}

/** The immediate: source lane (of a register), destination lane, lanes to clear. */
const insertSingle: Meaning = (x) => {
  const control = immediate(x);
  const from = x.isMemory(1) ? 0 : control >> 6;
  const source = x.isMemory(1) ? x.readVector(1) : x.readVector(1, 16);
  const into = (control >> 4) & 3;
  const picked = [0, 1, 2, 3].flatMap((lane) =>
    bytesOf(4, lane === into ? 16 + 4 * from : 4 * lane),
  );
  let result = x.shuffle(x.readVector(0, 16), source, picked);
  if ((control & 15) !== 0) {
    const kept = [0, 1, 2, 3].flatMap((lane) =>
      bytesOf(4, ((control >> lane) & 1) === 0 ? 4 * lane : 16),
    );
    result = x.shuffle(result, zero(x), kept);
  }
  x.writeVector(0, result, 16);
};

export const SIMD_MOVES: Readonly<Record<string, Meaning>> = {
  movups: move,
  movupd: move,
  movaps: move,
  movapd: move,
  movdqa: move,
  movdqu: move,
  lddqu: move,
  movntps: move,
  movntpd: move,
  movntdq: move,
  movntdqa: move,
  movntq: move,
  movlps: move,
  movlpd: move,
  movq2dq: move,
  movss: moveScalar,
  movsd: moveScalar,
  movq: moveQuadword,
  movdq2q: (x) => x.writeVector(0, x.readVector(1, 8)),
  movd: moveWord,
  movhps: moveHigh,
  movhpd: moveHigh,
  movlhps: lowToHigh,
  movhlps: highToLow,
  movsldup: duplicate(4, [0, 0, 8, 8]),
  movshdup: duplicate(4, [4, 4, 12, 12]),
  movddup: duplicate(8, [0, 0]),
  pmovmskb: signs(1),
  movmskps: signs(4),
  movmskpd: signs(8),
  pextrb: extract(1),
  pextrw: extract(2),
  pextrd: extract('operand'),
  extractps: extract(4),
  pinsrb: insert(1),
  pinsrw: insert(2),
  pinsrd: insert('operand'),
  insertps: insertSingle,
};
