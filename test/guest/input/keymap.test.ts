import { describe, expect, it } from 'vitest';
import { Keymap } from '../../../src/guest/input/keymap.ts';

const LEFT_SHIFT = 0x2a;

describe('the numeric keypad', () => {
  it('moves the cursor, and gives digits under shift', () => {
    const keymap = new Keymap();
    expect(keymap.key(0x4d, false, false)).toBe('\u001b[C');
    expect(keymap.key(0x53, false, false)).toBe('\u007f');
    expect(keymap.key(0x4a, false, false)).toBe('-');
    expect(keymap.key(0x4c, false, false)).toBe('');
    keymap.key(LEFT_SHIFT, false, false);
    expect(keymap.key(0x4d, false, false)).toBe('6');
    expect(keymap.key(0x53, false, false)).toBe('.');
    expect(keymap.key(0x4d, true, false)).toBe('\u001b[C');
    keymap.key(LEFT_SHIFT, false, true);
    expect(keymap.key(0x4d, false, false)).toBe('\u001b[C');
  });
});
