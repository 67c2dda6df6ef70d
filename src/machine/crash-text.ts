import { hex } from '../core/text.ts';
import type { GuestMemory } from '../core/memory.ts';
import type { Halves } from '../hypervisor/partition.ts';
import { CRASH_MESSAGE } from '../hypervisor/spec/msrs.ts';

/** The most that a guest may give (TLFS, "Guest Crash Enlightenment"). */
const MAX_TEXT_BYTES = 4096;
const TEXT_GPA = 3;
const TEXT_BYTES = 4;
/** How Linux and FreeBSD begin the line that says why. */
const REASON = /(?:Kernel panic - not syncing: |panic: )(.*)/;
/** Priority and time stamp of a line of Linux's log. */
const LOG_PREFIX = /^(?:<\d+>)?(?:\[[^\]]*\] ?)?/;

/** The crash parameters as 64-bit numbers. */
export function crashWords(parameters: readonly Halves[]): string[] {
  return parameters.map(({ low, high }) => `0x${hex(high, 8)}${hex(low, 8)}`);
}

/** The text that a guest left in memory with its crash parameters, or nothing. */
export function crashText(
  memory: GuestMemory,
  parameters: readonly Halves[],
  controlHigh: number,
): string {
  if ((controlHigh & CRASH_MESSAGE) === 0) return '';
  const { low, high } = parameters[TEXT_GPA]!;
  const length = Math.min(parameters[TEXT_BYTES]!.low, MAX_TEXT_BYTES);
  const at = memory.resolve(high * 2 ** 32 + low, length);
  if (at < 0) return '';
  let text = '';
  for (let index = at; index < at + length; index += 1) {
    const byte = memory.u8[index]!;
    if (byte === 0x0a || (byte >= 0x20 && byte < 0x7f)) text += String.fromCharCode(byte);
  }
  return text;
}

/** The line of such a text that says why the guest crashed; else its last one. */
export function panicLine(text: string): string {
  const reason = REASON.exec(text)?.[1];
  if (reason !== undefined) return reason;
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  return last.replace(LOG_PREFIX, '');
}
