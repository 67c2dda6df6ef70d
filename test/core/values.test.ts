import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatSize,
  parseChoice,
  parseDuration,
  parseInteger,
  parseSeed,
  parseSize,
} from '../../src/core/values.ts';
import { InputError } from '../../src/core/errors.ts';

function message(read: () => unknown): string {
  try {
    return String(read());
  } catch (error) {
    if (error instanceof InputError) return `${error.exitCode} ${error.where}: ${error.message}`;
    throw error;
  }
}

describe('values on the command line', () => {
  it('reads sizes in powers of 1024', () => {
    expect(
      ['512', '64K', '512M', '2G', '1.5g', '2GiB', '3 MB'].map((text) => parseSize('-m', text)),
    ).toEqual([512, 65_536, 512 * 2 ** 20, 2 ** 31, 1.5 * 2 ** 30, 2 ** 31, 3 * 2 ** 20]);
    for (const bad of ['banana', '', '-4G', '4X', '0.3', '99999999T']) {
      expect(message(() => parseSize('--memory', bad))).toBe(
        `2 --memory: "${bad}" is not a size such as 512M or 2G`,
      );
    }
  });

  it('reads durations as nanoseconds', () => {
    expect(
      ['5ns', '5us', '1.5ms', '30s', '2m'].map((text) => parseDuration('--timeout', text)),
    ).toEqual([5, 5_000, 1_500_000, 30e9, 120e9]);
    for (const bad of ['10', 's', '5 weeks', '-1s']) {
      expect(message(() => parseDuration('--timeout', bad))).toContain('is not a duration');
    }
  });

  it('reads seeds of 64 bits, negative and hexadecimal ones too', () => {
    expect(parseSeed('--seed', '18446744073709551615')).toBe(2n ** 64n - 1n);
    expect(parseSeed('--seed', '-1')).toBe(2n ** 64n - 1n);
    expect(parseSeed('--seed', '0xff')).toBe(255n);
    for (const bad of ['18446744073709551616', '1.5', 'x', '']) {
      expect(message(() => parseSeed('--seed', bad))).toContain('at most 64 bits');
    }
  });

  it('bounds whole numbers and names the nearest choice', () => {
    expect(parseInteger('--cpus', '4', 1, 64)).toBe(4);
    expect(message(() => parseInteger('--cpus', '0', 1, 64))).toBe(
      '2 --cpus: "0" is not a whole number from 1 to 64',
    );
    expect(message(() => parseInteger('--cpus', '2.5', 1, 64))).toContain('whole number');
    expect(message(() => parseChoice('--host', 'ws2106', ['ws2012', 'ws2016']))).toBe(
      '2 --host: "ws2106" is not one of ws2012, ws2016; did you mean "ws2016"?',
    );
    expect(message(() => parseChoice('--gen', '3', ['1', '2']))).toContain('is not one of 1, 2');
  });

  it('shows sizes and durations as people write them', () => {
    expect([100, 1024, 1536, 2 ** 30, 2 ** 43].map(formatSize)).toEqual([
      '100 bytes',
      '1 KiB',
      '1.5 KiB',
      '1 GiB',
      '8 TiB',
    ]);
    expect([4_000, 12_340_000, 1.25e9].map(formatDuration)).toEqual(['4 us', '12.3 ms', '1.250 s']);
  });
});
