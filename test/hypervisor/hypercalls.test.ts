import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionOptions } from '../../src/hypervisor/partition.ts';
import { HvStatus, HypercallCode, hypercalls } from '../../src/hypervisor/spec/hypercalls.ts';
import { Msr } from '../../src/hypervisor/spec/msrs.ts';
import type { TestMachine } from './machine.ts';
import {
  INPUT_PAGE,
  OUTPUT_PAGE,
  cpuid,
  enableHypercalls,
  machine,
  rdmsr,
  without,
} from './machine.ts';

const Status = HvStatus.is;
const FAST = 0x1_0000;

interface Call {
  readonly low: number;
  readonly high?: number;
  readonly input?: number;
  readonly inputHigh?: number;
  readonly output?: number;
}

function call(
  test: TestMachine,
  { low, high = 0, input = INPUT_PAGE, inputHigh = 0, output = OUTPUT_PAGE }: Call,
  vp = 0,
) {
  const registers = Uint32Array.of(low, high, input, inputHigh, output, 0);
  expect(test.partition.processors[vp]!.hypercall(registers)).toBe(true);
  return { status: registers[0], repsDone: registers[1] };
}

function enabled(options: Partial<PartitionOptions> = {}): TestMachine {
  const test = machine(options);
  enableHypercalls(test.partition.processors[0]!);
  return test;
}

/** A PostMessage input block of 256 bytes. */
function fillPost(
  test: TestMachine,
  at: number,
  connection: number,
  type: number,
  text: string,
  bytes = text.length,
) {
  const { view, u8 } = test.memory;
  view.setUint32(at, connection, true);
  view.setUint32(at + 8, type, true);
  view.setUint32(at + 12, bytes, true);
  u8.set(new TextEncoder().encode(text), at + 16);
}

function words(test: TestMachine, at: number, values: readonly number[]): void {
  for (const [index, value] of values.entries())
    test.memory.view.setUint32(at + index * 4, value, true);
}

describe('the call interface', () => {
  it('raises #UD before the hypercall page is enabled', () => {
    expect(machine().partition.processors[0]!.hypercall(new Uint32Array(6))).toBe(false);
  });

  it('answers INVALID_HYPERCALL_CODE to a code that it does not know', () => {
    const test = enabled();
    for (const low of [0, 0x7e, 0x46, 0x8002, 0xffff]) {
      expect(call(test, { low }).status).toBe(Status.invalidHypercallCode);
    }
    expect(test.traced).toContain('hypercall-failed');
  });

  it.each([
    ['a rep count on a simple call', 0x5d | FAST, 1],
    ['a rep start on a simple call', 0x5d | FAST, 0x1_0000],
    ['a variable header where none belongs', 0x5d | FAST | (1 << 17), 0],
    ['a reserved low bit', 0x5d | FAST | 0x800_0000, 0],
    ['the nested bit', 0x5d | FAST | 0x8000_0000, 0],
    ['a reserved high bit', 0x5d | FAST, 0x1000],
    ['the top bit', 0x5d | FAST, 0x8000_0000],
    ['a zero rep count on a rep call', 0x03, 0],
    ['a rep start that is not less than the rep count', 0x03, 0x2_0002],
    ['a fast call with more input than two registers', 0x5c | FAST, 0],
  ])('answers INVALID_HYPERCALL_INPUT to %s', (_, low, high) => {
    expect(call(enabled(), { low: low >>> 0, high: high >>> 0 })).toEqual({
      status: Status.invalidHypercallInput,
      repsDone: 0,
    });
  });

  it.each([
    ['not 8-byte aligned', INPUT_PAGE + 4],
    ['across pages', INPUT_PAGE + 4096 - 248],
    ['not memory', 0xf000_0000],
  ])('answers INVALID_ALIGNMENT to an input that is %s', (_, input) => {
    expect(call(enabled(), { low: 0x5c, input }).status).toBe(Status.invalidAlignment);
  });

  it('answers INVALID_ALIGNMENT to an input beyond 2^53', () => {
    const status = call(enabled(), { low: 0x5c, input: 0, inputHigh: 0xffff_ffff }).status;
    expect(status).toBe(Status.invalidAlignment);
  });

  it('ignores the pointers of parameters that a call does not have', () => {
    const test = enabled({ onSignalEvent: () => Status.success });
    expect(call(test, { low: 0x5d, output: 0xffff_ffff }).status).toBe(Status.success);
  });

  it.each(
    hypercalls
      .filter(({ privilege }) => privilege !== undefined)
      .map(({ name, code, privilege }) => ({
        name,
        code,
        word: privilege!.word,
        bit: Math.log2(privilege!.mask),
      })),
  )('$name needs privilege word $word bit $bit, else ACCESS_DENIED', ({ code, word, bit }) => {
    const test = enabled({ profile: without([word, bit]) });
    expect(call(test, { low: code }).status).toBe(Status.accessDenied);
    expect(call(enabled(), { low: code }).status).not.toBe(Status.accessDenied);
  });

  it('never throws and never hangs, whatever control word, pointers and memory a guest gives', () => {
    const test = enabled({ processorCount: 3 });
    const code = fc.constantFrom(...Object.values(HypercallCode));
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    const pointer = fc.oneof(fc.constantFrom(0, INPUT_PAGE, OUTPUT_PAGE + 4088, 0xf_fff8), word);
    const noise = fc.uint8Array({ minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(
        code,
        word,
        fc.integer({ min: 0, max: 600 }),
        pointer,
        pointer,
        noise,
        (number, flags, reps, input, output, bytes) => {
          test.memory.u8.set(bytes, INPUT_PAGE);
          const low = ((flags & 0x7ff_0000) | number) >>> 0;
          const { status } = call(test, { low, high: reps, input, output });
          expect(HvStatus.show(status!)).not.toMatch(/^\?/);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('PostMessage', () => {
  it('hands connection, type and exactly the payload to the bus, and returns its status', () => {
    const posted: unknown[] = [];
    const test = enabled({
      onPostMessage: (connection, type, bytes, start, length, vp) => {
        const text = new TextDecoder().decode(bytes.slice(start, start + length));
        posted.push({ connection, type, text, vp });
        return Status.insufficientBuffers;
      },
    });
    fillPost(test, INPUT_PAGE, 0xab00_0001, 1, 'initiate contact');
    expect(call(test, { low: 0x5c }).status).toBe(Status.insufficientBuffers);
    expect(posted).toEqual([{ connection: 1, type: 1, text: 'initiate contact', vp: 0 }]);
  });

  it.each([
    ['a payload over 240 bytes', 1, 241],
    ['a payload of 4 GiB', 1, 0xffff_ffff],
    ['message type 0', 0, 8],
    ['a message type with its top bit set', 0x8000_0001, 8],
  ])('answers INVALID_PARAMETER to %s', (_, type, bytes) => {
    let calls = 0;
    const test = enabled({ onPostMessage: () => (calls += 1) });
    fillPost(test, INPUT_PAGE, 1, type, 'x', bytes);
    expect(call(test, { low: 0x5c }).status).toBe(Status.invalidParameter);
    expect(calls).toBe(0);
  });

  it('answers INVALID_CONNECTION_ID where nobody listens', () => {
    const test = enabled();
    fillPost(test, INPUT_PAGE, 99, 1, 'x');
    expect(call(test, { low: 0x5c }).status).toBe(Status.invalidConnectionId);
  });
});

describe('SignalEvent', () => {
  it.each(['fast', 'slow'])('%s: connection and flag reach the bus', (form) => {
    const signaled: number[][] = [];
    const test = enabled({
      onSignalEvent: (...parameters) => {
        signaled.push(parameters);
        return Status.success;
      },
    });
    words(test, INPUT_PAGE, [0x1_0007, 3]);
    const status =
      form === 'fast'
        ? call(test, { low: 0x5d | FAST, input: 0x1_0007, inputHigh: 3 })
        : call(test, { low: 0x5d });
    expect(status).toEqual({ status: Status.success, repsDone: 0 });
    expect(signaled).toEqual([[0x1_0007, 3, 0]]);
  });
});

describe('cluster IPIs and flushes', () => {
  it('SendSyntheticClusterIpi raises the vector on the processors of the mask', () => {
    const test = enabled({ processorCount: 4 });
    const registers = Uint32Array.of(0x0b | FAST, 0, 0x51, 0, 0b1010, 0);
    test.partition.processors[0]!.hypercall(registers);
    expect(registers[0]).toBe(Status.success);
    expect(test.partition.processors.map((vp) => vp.pendingVector())).toEqual([-1, 0x51, -1, 0x51]);
  });

  it.each([0, 15, 256])('vector %d is an INVALID_PARAMETER', (vector) => {
    const { status } = call(enabled(), { low: 0x0b | FAST, input: vector, output: 1 });
    expect(status).toBe(Status.invalidParameter);
  });

  it('SendSyntheticClusterIpiEx takes a sparse set, whose banks must fit the mask', () => {
    const test = enabled({ processorCount: 70 });
    words(test, INPUT_PAGE, [0x60, 0, 0, 0, 0b11, 0, 1, 0, 0b10_0000, 0]);
    expect(call(test, { low: 0x15 | (1 << 17) }).status).toBe(Status.invalidHypercallInput);
    expect(call(test, { low: 0x15 | (2 << 17) }).status).toBe(Status.success);
    const hit = test.partition.processors.filter((vp) => vp.pendingVector() === 0x60);
    expect(hit.map((vp) => vp.index)).toEqual([0, 69]);
  });

  it('set format 1 means all processors', () => {
    const test = enabled({ processorCount: 3 });
    words(test, INPUT_PAGE, [0x60, 0, 1, 0, 0, 0]);
    expect(call(test, { low: 0x15 }).status).toBe(Status.success);
    expect(test.partition.processors.every((vp) => vp.pendingVector() === 0x60)).toBe(true);
  });

  it.each([
    {
      name: 'by mask',
      low: 0x02,
      high: 0,
      block: [0, 0, 0, 0, 0b101, 0],
      targets: [0, 2],
      reps: 0,
    },
    {
      name: 'all processors',
      low: 0x02,
      high: 0,
      block: [0, 0, 1, 0, 0, 0],
      targets: [0, 1, 2],
      reps: 0,
    },
    { name: 'a list', low: 0x03, high: 3, block: [0, 0, 0, 0, 0b10, 0], targets: [1], reps: 3 },
    {
      name: 'a set',
      low: 0x13 | (1 << 17),
      high: 0,
      block: [0, 0, 0, 0, 0, 0, 1, 0, 0b100, 0],
      targets: [2],
      reps: 0,
    },
    {
      name: 'a list, sparse',
      low: 0x14 | (1 << 17),
      high: 2,
      block: [0, 0, 0, 0, 0, 0, 1, 0, 0b1, 0],
      targets: [0],
      reps: 2,
    },
  ])('flush $name tells the processors $targets', ({ low, high, block, targets, reps }) => {
    const flushed: number[] = [];
    const test = enabled({ processorCount: 3, onFlush: (vp) => flushed.push(vp) });
    words(test, INPUT_PAGE, block);
    expect(call(test, { low, high })).toEqual({ status: Status.success, repsDone: reps });
    expect(flushed).toEqual(targets);
  });

  it('NotifyLongSpinWait succeeds', () => {
    expect(call(enabled(), { low: 0x08 | FAST }).status).toBe(Status.success);
  });
});

describe('calls about processors', () => {
  const SELF = [0xffff_ffff, 0xffff_ffff, 0xffff_fffe, 0];

  it('GetVpRegisters reads MSRs and CPUID words by register name', () => {
    const test = enabled();
    words(test, INPUT_PAGE, [...SELF, 0x0009_0002, 0x0000_0200]);
    expect(call(test, { low: 0x50, high: 2 })).toEqual({ status: Status.success, repsDone: 2 });
    const read = Array.from({ length: 8 }, (_, index) =>
      test.memory.view.getUint32(OUTPUT_PAGE + index * 4, true),
    );
    const features = cpuid(test.partition.processors[0]!, 0x4000_0003);
    expect(read).toEqual([0, 0x8200_0000, 0, 0, ...features]);
  });

  it('stops at a register that it does not know, and says how many are done', () => {
    const test = enabled();
    words(test, INPUT_PAGE, [...SELF, 0x0009_0003, 0x1234]);
    expect(call(test, { low: 0x50, high: 2 })).toEqual({
      status: Status.invalidParameter,
      repsDone: 1,
    });
  });

  it('SetVpRegisters writes a SINT of another processor', () => {
    const test = enabled({ processorCount: 2 });
    words(test, INPUT_PAGE, [0xffff_ffff, 0xffff_ffff, 1, 0, 0x000a_0003, 0, 0, 0, 0x55, 0, 0, 0]);
    expect(call(test, { low: 0x51, high: 1 })).toEqual({ status: Status.success, repsDone: 1 });
    expect(rdmsr(test.partition.processors[1]!, Msr.SINT0 + 3)).toBe(0x55n);
  });

  it.each([
    ['another partition', [1, 0, 0, 0], Status.invalidPartitionId],
    ['no such processor', [0xffff_ffff, 0xffff_ffff, 5, 0], Status.invalidVpIndex],
  ])('%s: refused', (_, header, status) => {
    const test = enabled();
    words(test, INPUT_PAGE, header);
    expect(call(test, { low: 0x50, high: 1 })).toEqual({ status, repsDone: 0 });
    expect(call(test, { low: 0x51, high: 1 })).toEqual({ status, repsDone: 0 });
  });

  it('StartVirtualProcessor hands the context to the engine, once', () => {
    const started: number[][] = [];
    const test = enabled({
      processorCount: 2,
      onStartProcessor: (vp, context) => started.push([vp, context.length, context[0]!]) > 0,
    });
    words(test, INPUT_PAGE, [0xffff_ffff, 0xffff_ffff, 1, 0, 0x42]);
    expect(call(test, { low: 0x99 }).status).toBe(Status.success);
    expect(started).toEqual([[1, 224, 0x42]]);
    expect(call(test, { low: 0x99 }).status).toBe(Status.invalidVpState);
  });

  it('an engine that cannot start so answers OPERATION_DENIED', () => {
    const test = enabled({ processorCount: 2 });
    words(test, INPUT_PAGE, [0xffff_ffff, 0xffff_ffff, 1, 0]);
    expect(call(test, { low: 0x99 }).status).toBe(Status.operationDenied);
  });

  it('GetVpIndexFromApicId translates a list', () => {
    const test = enabled({ processorCount: 3 });
    words(test, INPUT_PAGE, [0xffff_ffff, 0xffff_ffff, 0, 0, 2, 1, 7]);
    expect(call(test, { low: 0x9a, high: 3 })).toEqual({
      status: Status.invalidParameter,
      repsDone: 2,
    });
    expect(test.memory.view.getUint32(OUTPUT_PAGE, true)).toBe(2);
    expect(test.memory.view.getUint32(OUTPUT_PAGE + 4, true)).toBe(1);
  });

  it('ExtQueryCapabilities offers nothing', () => {
    const test = enabled();
    test.memory.u8.fill(0xff, OUTPUT_PAGE, OUTPUT_PAGE + 16);
    expect(call(test, { low: 0x8001 }).status).toBe(Status.success);
    expect(test.memory.view.getBigUint64(OUTPUT_PAGE, true)).toBe(0n);
    expect(test.memory.u8[OUTPUT_PAGE + 8]).toBe(0xff);
  });
});
