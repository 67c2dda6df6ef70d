import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/core/clock.ts';
import { ndjsonSink, perfettoSink } from '../../src/core/trace-formats.ts';
import { Trace, traceType } from '../../src/core/trace.ts';
import { openEnum, u32, u64 } from '../../src/core/wire.ts';

const Operation = openEnum(u32, { open: 5, close: 7 });
const ChannelEvent = traceType('vmbus', 'channel', {
  operation: Operation,
  channel: u32,
  gpa: u64,
});
const PhaseEvent = traceType('boot', 'phase', {}, 'name');

function makeTrace(): { clock: VirtualClock; trace: Trace } {
  const clock = new VirtualClock();
  return { clock, trace: new Trace(clock) };
}

describe('the trace digest', () => {
  const run = (change: (trace: Trace, clock: VirtualClock) => void): string => {
    const { clock, trace } = makeTrace();
    trace.emit(ChannelEvent, 5, 1, 0x1_0000_0000);
    change(trace, clock);
    trace.emitText(PhaseEvent, 'login');
    return trace.digest;
  };
  const same = run(() => void 0);

  it('is equal for equal events, whether or not anyone listens', () => {
    expect(run(() => void 0)).toBe(same);
    expect(run((trace) => trace.subscribe(() => void 0))).toBe(same);
    expect(same).toMatch(/^[0-9a-f]{16}$/);
  });

  it('sees a value, its upper half, a text, a time and an order', () => {
    const digests = [
      same,
      run((trace) => trace.emit(ChannelEvent, 5, 1, 0)),
      run((trace) => trace.emit(ChannelEvent, 5, 1, 0x2_0000_0000)),
      run((trace) => trace.emitText(PhaseEvent, 'kernel')),
      run((trace) => trace.emitText(PhaseEvent, 'kernex')),
      run((_, clock) => clock.set(1)),
      run((trace) => {
        trace.emit(ChannelEvent, 1);
        trace.emit(ChannelEvent, 2);
      }),
      run((trace) => {
        trace.emit(ChannelEvent, 2);
        trace.emit(ChannelEvent, 1);
      }),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('does not depend on the order in which types are declared', () => {
    expect(traceType('a', 'b', { c: u32 }).hash).toBe(traceType('a', 'b', { c: u32 }).hash);
    expect(traceType('a', 'b', { c: u32 }).hash).not.toBe(traceType('a', 'b', { d: u32 }).hash);
  });
});

describe('trace files', () => {
  it('writes NDJSON with names for enum values', () => {
    const { clock, trace } = makeTrace();
    const lines: string[] = [];
    const stop = trace.subscribe(ndjsonSink((line) => lines.push(line)));
    clock.set(1500);
    trace.emit(ChannelEvent, 5, 3, 0xf_ffff_f000);
    trace.emit(ChannelEvent, 99, 3, 0);
    trace.emitText(PhaseEvent, 'say "hi"');
    stop();
    trace.emit(ChannelEvent, 7);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        seq: 0,
        t: 1500,
        cat: 'vmbus',
        name: 'channel',
        args: { operation: 'open', channel: 3, gpa: 0xf_ffff_f000 },
      },
      {
        seq: 1,
        t: 1500,
        cat: 'vmbus',
        name: 'channel',
        args: { operation: '?0x00000063', channel: 3, gpa: 0 },
      },
      { seq: 2, t: 1500, cat: 'boot', name: 'phase', args: { name: 'say "hi"' } },
    ]);
  });

  it('writes Chrome events whose open array a viewer can close', () => {
    const { clock, trace } = makeTrace();
    let text = '';
    trace.subscribe(perfettoSink((part) => (text += part), 'synthvm'));
    trace.emitText(PhaseEvent, 'firmware');
    clock.set(2_500);
    trace.emit(ChannelEvent, 7, 1, 0);
    trace.emitText(PhaseEvent, 'loader');
    const events = JSON.parse(`${text}{}]`) as { ph?: string; ts?: number; name?: string }[];
    const shapes = events.map(({ ph, ts, name }) => [ph, ts, name]);
    expect(shapes).toEqual([
      ['M', undefined, 'process_name'],
      ['M', undefined, 'thread_name'],
      ['B', 0, 'firmware'],
      ['M', undefined, 'thread_name'],
      ['i', 2.5, 'channel'],
      ['E', 2.5, 'firmware'],
      ['B', 2.5, 'loader'],
      [undefined, undefined, undefined],
    ]);
  });
});
