import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wordsOf } from '../../src/core/words.ts';
import { FrameQueue } from '../../src/net/frame-queue.ts';

const CAPACITY = 256 * 1024;
const MAX_FRAMES = 1024;

/** Frame n: its number in every byte. */
function frame(number: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(number & 0xff);
}

function push(queue: FrameQueue, number: number, length: number): boolean {
  const bytes = frame(number, (length + 7) & ~7);
  const to = queue.push(length, number, number);
  if (to >= 0) queue.copyIn(bytes, wordsOf(bytes), 0, to, length);
  return to >= 0;
}

function take(queue: FrameQueue): Uint8Array {
  const bytes = queue.bytes.slice(queue.firstStart, queue.firstStart + queue.firstLength);
  queue.dropFirst();
  return bytes;
}

function isFilled(bytes: Uint8Array, value: number): boolean {
  return Buffer.compare(bytes, new Uint8Array(bytes.length).fill(value)) === 0;
}

describe('the frames of a port', () => {
  it('come out as they went in, through growth and wrapping', () => {
    const step = fc.record({ take: fc.boolean(), length: fc.integer({ min: 14, max: 9_000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const queue = new FrameQueue(CAPACITY, MAX_FRAMES);
        const model: { number: number; length: number }[] = [];
        let held = 0;
        for (const [number, { take: takes, length }] of steps.entries()) {
          if (takes && model.length > 0) {
            const expected = model.shift()!;
            held -= (expected.length + 7) & ~7;
            const bytes = take(queue);
            expect(bytes.length).toBe(expected.length);
            expect(isFilled(bytes, expected.number)).toBe(true);
          } else if (push(queue, number, length)) {
            model.push({ number, length });
            held += (length + 7) & ~7;
          } else {
            // Full means that the frames and one gap at the end leave no room.
            expect(held + 2 * 9_008).toBeGreaterThan(CAPACITY / 2);
          }
        }
        for (const expected of model) {
          expect(isFilled(take(queue), expected.number)).toBe(true);
        }
        expect(queue.count).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('take the whole capacity before one is refused', () => {
    const queue = new FrameQueue(CAPACITY, MAX_FRAMES);
    let pushed = 0;
    while (push(queue, pushed, 1024)) pushed += 1;
    expect(pushed).toBe(CAPACITY / 1024);
  });
});
