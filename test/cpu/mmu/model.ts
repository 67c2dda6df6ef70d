/**
 * Paging as the SDM tells it (volume 3, chapter 4), in BigInt and without a thought of speed: the oracle
 * of the walk's fuzz test.
 */
export interface PagingState {
  readonly paging: boolean;
  readonly pae: boolean;
  readonly long: boolean;
  readonly pse: boolean;
  readonly nxe: boolean;
  readonly wp: boolean;
  readonly smep: boolean;
  readonly cr3: bigint;
  readonly pdptes: readonly bigint[];
}

export interface ModelAccess {
  readonly write: boolean;
  readonly fetch: boolean;
  readonly user: boolean;
}

export interface ModelResult {
  readonly physical?: bigint;
  /** Error code of #PF. */
  readonly fault?: number;
  /** Entries as the walk leaves them. */
  readonly marked: ReadonlyMap<bigint, bigint>;
}

const PHYSICAL_BITS = 40n;

function bits(value: bigint, high: bigint, low: bigint): bigint {
  return (value >> low) & ((1n << (high - low + 1n)) - 1n);
}

interface Level {
  /** Lowest address bit that the level's index uses. */
  readonly shift: bigint;
  readonly indexBits: bigint;
  readonly canBeLarge: boolean;
}

function levelsOf(state: PagingState): readonly Level[] {
  const page = { shift: 12n, indexBits: 9n, canBeLarge: false };
  const directory = { shift: 21n, indexBits: 9n, canBeLarge: true };
  if (state.long) {
    return [
      { shift: 39n, indexBits: 9n, canBeLarge: false },
      { shift: 30n, indexBits: 9n, canBeLarge: true },
      directory,
      page,
    ];
  }
  if (state.pae) return [directory, page];
  return [
    { shift: 22n, indexBits: 10n, canBeLarge: state.pse },
    { shift: 12n, indexBits: 10n, canBeLarge: false },
  ];
}

function isReserved(state: PagingState, level: Level, entry: bigint): boolean {
  const wide = state.pae || state.long;
  const isLarge = level.canBeLarge && bits(entry, 7n, 7n) === 1n;
  if (!wide) return isLarge && bits(entry, 21n, 21n) !== 0n;
  if (bits(entry, 51n, PHYSICAL_BITS) !== 0n) return true;
  if (!state.nxe && bits(entry, 63n, 63n) === 1n) return true;
  if (!state.long && bits(entry, 62n, 52n) !== 0n) return true;
  if (level.shift === 39n && bits(entry, 7n, 7n) === 1n) return true;
  return isLarge && bits(entry, level.shift - 1n, 13n) !== 0n;
}

export function modelWalk(
  state: PagingState,
  linear: bigint,
  access: ModelAccess,
  read: (address: bigint, size: number) => bigint,
): ModelResult {
  const marked = new Map<bigint, bigint>();
  if (!state.paging) return { physical: linear, marked };
  const wide = state.pae || state.long;
  const hasNx = wide && state.nxe;
  const code = (present: boolean, reserved: boolean): number =>
    (present ? 1 : 0) +
    (access.write ? 2 : 0) +
    (access.user ? 4 : 0) +
    (reserved ? 8 : 0) +
    (access.fetch && (hasNx || state.smep) ? 16 : 0);
  let table = state.long ? bits(state.cr3, 51n, 12n) << 12n : bits(state.cr3, 31n, 12n) << 12n;
  if (state.pae && !state.long) {
    const pdpte = state.pdptes[Number(bits(linear, 31n, 30n))]!;
    if ((pdpte & 1n) === 0n) return { fault: code(false, false), marked };
    table = bits(pdpte, 51n, 12n) << 12n;
  }
  let writable = true;
  let user = true;
  let executable = true;
  const used: [bigint, bigint][] = [];
  for (const level of levelsOf(state)) {
    const size = wide ? 8n : 4n;
    const index = bits(linear, level.shift + level.indexBits - 1n, level.shift);
    const address = table + index * size;
    const entry = read(address, Number(size));
    if ((entry & 1n) === 0n) return { fault: code(false, false), marked };
    if (isReserved(state, level, entry)) return { fault: code(true, true), marked };
    used.push([address, entry]);
    if (bits(entry, 1n, 1n) === 0n) writable = false;
    if (bits(entry, 2n, 2n) === 0n) user = false;
    if (hasNx && bits(entry, 63n, 63n) === 1n) executable = false;
    const isLarge = level.canBeLarge && bits(entry, 7n, 7n) === 1n;
    if (!isLarge && level.shift !== 12n) {
      table = wide ? bits(entry, 51n, 12n) << 12n : bits(entry, 31n, 12n) << 12n;
      continue;
    }
    const denied =
      (access.user && !user) ||
      (access.write && !writable && (access.user || state.wp)) ||
      (access.fetch && !executable) ||
      (access.fetch && state.smep && !access.user && user);
    if (denied) return { fault: code(true, false), marked };
    for (const [at, value] of used) marked.set(at, value | 0x20n);
    if (access.write) marked.set(address, entry | 0x60n);
    const offset = bits(linear, level.shift - 1n, 0n);
    const whole = wide ? bits(entry, 51n, level.shift) : bits(entry, 31n, level.shift);
    let physical = (whole << level.shift) | offset;
    if (!wide && isLarge) physical |= bits(entry, 20n, 13n) << 32n;
    return { physical, marked };
  }
  throw new Error('no last level');
}
