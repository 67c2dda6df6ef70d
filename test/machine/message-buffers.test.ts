import { describe, expect, it } from 'vitest';
import { MessageBuffers } from '../../src/machine/message-buffers.ts';

const MS = 1_000_000;

describe('message buffers of a slow host', () => {
  it('are all free at first, and each again after its turn', () => {
    const buffers = new MessageBuffers({ buffers: 3, perMessageNs: 10 * MS });
    const takes = [0, 0, 0, 0, 9 * MS, 10 * MS, 10 * MS, 20 * MS];
    expect(takes.map((nowNs) => buffers.take(nowNs))).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
  });

  it('are no more than they were after a pause', () => {
    const buffers = new MessageBuffers({ buffers: 2, perMessageNs: MS });
    buffers.take(0);
    const later = 1_000 * MS;
    expect([later, later, later].map((nowNs) => buffers.take(nowNs))).toEqual([true, true, false]);
  });
});
