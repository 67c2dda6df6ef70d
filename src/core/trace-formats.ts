import type { TraceSink, TraceType } from './trace.ts';

/** Takes text as it is produced; the host decides where it goes. */
export type TextOut = (text: string) => void;

function fieldValue(type: TraceType, index: number, value: number): string {
  const kind = type.fieldKinds[index]!;
  const shown = kind.show(value);
  // A name or a set of names is worth more than its number; plain integers stay numbers.
  return shown.startsWith('0x') ? String(value) : JSON.stringify(shown);
}

function argumentsJson(type: TraceType, values: Float64Array, text: string): string {
  const parts: string[] = [];
  for (let index = 0; index < type.fieldNames.length; index += 1) {
    parts.push(`"${type.fieldNames[index]}":${fieldValue(type, index, values[index]!)}`);
  }
  if (text !== '') parts.push(`${JSON.stringify(type.textName)}:${JSON.stringify(text)}`);
  return `{${parts.join()}}`;
}

/** One JSON object a line: `{"seq":…,"t":ns,"cat":…,"name":…,"args":{…}}`. */
export function ndjsonSink(out: TextOut): TraceSink {
  let sequence = 0;
  return (timeNs, type, values, text) => {
    out(
      `{"seq":${sequence},"t":${timeNs},"cat":"${type.category}","name":"${type.name}",` +
        `"args":${argumentsJson(type, values, text)}}\n`,
    );
    sequence += 1;
  };
}

/**
 * Chrome trace events, which Perfetto and chrome://tracing open: every category is a thread of one
 * process, every event an instant, phases spans from one to the next. The array is left open, as
 * viewers allow, so that a run that ends badly leaves a readable file.
 */
export function perfettoSink(out: TextOut, processName: string): TraceSink {
  const threads = new Map<string, number>();
  let openPhase = '';
  out(
    `[{"ph":"M","pid":1,"name":"process_name","args":{"name":${JSON.stringify(processName)}}},\n`,
  );
  const threadOf = (category: string): number => {
    let thread = threads.get(category);
    if (thread === undefined) {
      thread = threads.size + 1;
      threads.set(category, thread);
      out(
        `{"ph":"M","pid":1,"tid":${thread},"name":"thread_name","args":{"name":"${category}"}},\n`,
      );
    }
    return thread;
  };
  return (timeNs, type, values, text) => {
    const microseconds = (timeNs / 1000).toFixed(3);
    if (type.name === 'phase') {
      const thread = threadOf('phases');
      if (openPhase !== '') {
        out(`{"ph":"E","pid":1,"tid":${thread},"ts":${microseconds},"name":"${openPhase}"},\n`);
      }
      openPhase = text;
      out(
        `{"ph":"B","pid":1,"tid":${thread},"ts":${microseconds},"name":${JSON.stringify(text)}},\n`,
      );
      return;
    }
    out(
      `{"ph":"i","s":"t","pid":1,"tid":${threadOf(type.category)},"ts":${microseconds},` +
        `"name":"${type.name}","args":${argumentsJson(type, values, text)}},\n`,
    );
  };
}
