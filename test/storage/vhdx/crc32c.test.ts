import { describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/storage/vhdx/crc32c.ts';

const ascending = Uint8Array.from({ length: 32 }, (_, index) => index);

describe('CRC-32C', () => {
  it.each([
    ['32 zeros', new Uint8Array(32), 0x8a91_36aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
    ['ascending bytes', ascending, 0x46dd_794e],
    ['descending bytes', ascending.toReversed(), 0x113f_db5c],
  ])('has the value of RFC 3720 B.4 for %s', (_, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('can be made in parts of any length', () => {
    const digits = new TextEncoder().encode('123456789');
    for (let cut = 0; cut <= digits.length; cut += 1) {
      const first = crc32c(digits, 0, cut);
      expect(crc32c(digits, cut, digits.length - cut, first)).toBe(0xe306_9283);
    }
  });
});
