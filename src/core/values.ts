import { ExitCode, InputError } from './errors.ts';
import { nearest } from './nearest.ts';

const SIZE_UNITS: Record<string, number> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};
const DURATION_UNITS: Record<string, number> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, m: 6e10 };

function usage(flag: string, value: string, expected: string): InputError {
  return new InputError(flag, `"${value}" is not ${expected}`, ExitCode.usage);
}

/** @returns bytes, from a number with K, M, G or T (powers of 1024; "GiB" and "GB" mean G) */
export function parseSize(flag: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(value.trim());
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * SIZE_UNITS[match[2]!.toLowerCase()]!;
  if (!Number.isSafeInteger(bytes)) throw usage(flag, value, 'a size such as 512M or 2G');
  return bytes;
}

const DURATION = /^(\d+(?:\.\d+)?)(ns|us|ms|s|m)$/;

export function isDuration(value: string): boolean {
  return DURATION.test(value.trim());
}

/** @returns nanoseconds, from a number with ns, us, ms, s or m */
export function parseDuration(flag: string, value: string): number {
  const match = DURATION.exec(value.trim());
  const nanoseconds =
    match === null ? Number.NaN : Math.round(Number(match[1]) * DURATION_UNITS[match[2]!]!);
  if (!Number.isSafeInteger(nanoseconds))
    throw usage(flag, value, 'a duration such as 500ms, 30s or 2m');
  return nanoseconds;
}

export function parseInteger(flag: string, value: string, least: number, most: number): number {
  const number = /^\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
  if (!(number >= least && number <= most)) {
    throw usage(flag, value, `a whole number from ${least} to ${most}`);
  }
  return number;
}

/** An I/O port, decimal or 0x hexadecimal. */
export function parsePort(flag: string, value: string): number {
  const port = /^(\d+|0x[0-9a-f]+)$/i.test(value.trim()) ? Number(value) : Number.NaN;
  if (!(port >= 0 && port <= 0xfffc)) throw usage(flag, value, 'an I/O port such as 0xf4');
  return port;
}

/** Seeds are 64 bits: decimal or 0x hexadecimal, negative ones as two's complement. */
export function parseSeed(flag: string, value: string): bigint {
  const text = value.trim();
  if (!/^(-?\d+|0x[0-9a-f]+)$/i.test(text))
    throw usage(flag, value, 'a whole number of at most 64 bits');
  const seed = BigInt(text);
  if (seed >= 1n << 64n || seed < -(1n << 63n))
    throw usage(flag, value, 'a whole number of at most 64 bits');
  return BigInt.asUintN(64, seed);
}

/** Picks one of the allowed words, or names the nearest in the error. */
export function parseChoice<const T extends string>(
  flag: string,
  value: string,
  allowed: readonly T[],
): T {
  const found = allowed.find((word) => word === value);
  if (found !== undefined) return found;
  const near = nearest(value, allowed);
  const tip = near === undefined ? '' : `; did you mean "${near}"?`;
  throw new InputError(
    flag,
    `"${value}" is not one of ${allowed.join(', ')}${tip}`,
    ExitCode.usage,
  );
}

/** "8 GiB", "512 MiB", "1.5 KiB", "100 bytes". */
export function formatSize(bytes: number): string {
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 'bytes';
  for (const next of units) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${unit}`;
}

/** "1.250 s", "12.3 ms", "450 us": three significant figures or better. */
export function formatDuration(nanoseconds: number): string {
  if (nanoseconds >= 1e9) return `${(nanoseconds / 1e9).toFixed(3)} s`;
  if (nanoseconds >= 1e6) return `${(nanoseconds / 1e6).toFixed(1)} ms`;
  return `${Math.round(nanoseconds / 1e3)} us`;
}

/** Quotes a word for a POSIX shell where it needs that. */
export function quoteWord(word: string): string {
  return /^[\w./:=,@+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
