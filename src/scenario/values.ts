/** Durations, sizes and patterns as scripts write them. */
import { ExitCode, InputError } from '../core/errors.ts';
import { parseDuration, parseSize } from '../core/values.ts';
import type { Duration, Pattern, Size, WaitOptions } from './api.ts';

/** Longer than any boot takes, and than any time-out of a guest's own. */
const DEFAULT_WITHIN: Duration = '300s';

/** Scripts are not always type-checked. */
function text(what: string, value: unknown, example: string): string {
  if (typeof value === 'string') return value;
  throw new InputError(what, `${String(value)} is not a text such as "${example}"`, ExitCode.usage);
}

export function durationNs(what: string, time: Duration): number {
  text(what, time, '10s');
  return time.startsWith('-') ? -parseDuration(what, time.slice(1)) : parseDuration(what, time);
}

export function sizeBytes(what: string, size: Size): number {
  return parseSize(what, text(what, size, '512M'));
}

export function withinNs(options: WaitOptions | undefined): number {
  return durationNs('within', options?.within ?? DEFAULT_WITHIN);
}

/** How a pattern stands in messages. */
export function showPattern(pattern: Pattern): string {
  return typeof pattern === 'string' ? JSON.stringify(pattern) : String(pattern);
}

export function toRegExp(pattern: Pattern): RegExp {
  if (typeof pattern === 'string') {
    return new RegExp(pattern.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  }
  // A sticky or global expression would remember where it was.
  return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
}
