import type { TraceType } from '../../core/trace.ts';

/** Fields that differ between runs that do the same at other times. */
const TIMES = /time|tick|Ns$|seed/i;
/** Events that tell of time alone. */
const CLOCKWORK = new Set(['hypervisor.timer-expired', 'machine.configuration']);

/** An event as one line without times; '' for one that tells of nothing else. */
export function describeEvent(type: TraceType, values: Float64Array, text: string): string {
  const name = `${type.category}.${type.name}`;
  if (CLOCKWORK.has(name)) return '';
  const fields = type.fieldNames.flatMap((field, index) =>
    TIMES.test(field) ? [] : [`${field}=${type.fieldKinds[index]!.show(values[index]!)}`],
  );
  if (fields.includes('type=timerExpired')) return '';
  const shown = text.trim() === '' ? [] : [text.trim()];
  return [name, ...fields, ...shown].join(' ');
}
