/** Scan codes of set 1, with the prefix E0 or E1 in the high byte. */
export const Key = {
  escape: 0x01,
  backspace: 0x0e,
  tab: 0x0f,
  enter: 0x1c,
  leftControl: 0x1d,
  leftShift: 0x2a,
  rightShift: 0x36,
  leftAlt: 0x38,
  space: 0x39,
  capsLock: 0x3a,
  f1: 0x3b,
  f2: 0x3c,
  f3: 0x3d,
  f4: 0x3e,
  f5: 0x3f,
  f6: 0x40,
  f7: 0x41,
  f8: 0x42,
  f9: 0x43,
  f10: 0x44,
  numLock: 0x45,
  scrollLock: 0x46,
  f11: 0x57,
  f12: 0x58,
  rightControl: 0xe01d,
  printScreen: 0xe037,
  rightAlt: 0xe038,
  home: 0xe047,
  up: 0xe048,
  pageUp: 0xe049,
  left: 0xe04b,
  right: 0xe04d,
  end: 0xe04f,
  down: 0xe050,
  pageDown: 0xe051,
  insert: 0xe052,
  delete: 0xe053,
  leftWindows: 0xe05b,
  rightWindows: 0xe05c,
  menu: 0xe05d,
} as const;

/** A row of keys: the first scan code, and what each key types without and with shift. */
type Row = readonly [firstCode: number, plain: string, shifted: string];

/** The US layout. */
const US_ROWS: readonly Row[] = [
  [0x02, '1234567890-=', '!@#$%^&*()_+'],
  [0x10, 'qwertyuiop[]', 'QWERTYUIOP{}'],
  [0x1e, "asdfghjkl;'`", 'ASDFGHJKL:"~'],
  [0x2b, '\\zxcvbnm,./', '|ZXCVBNM<>?'],
  [Key.space, ' ', ' '],
  [Key.tab, '\t', '\t'],
  [Key.enter, '\n', '\n'],
  [Key.enter, '\r', '\r'],
  [Key.backspace, '\b', '\b'],
  [Key.escape, '\u001b', '\u001b'],
];

export const SHIFT_BIT = 0x100;

/** Scan code of each character that the US layout types, with `SHIFT_BIT` where it needs shift. */
export const US_LAYOUT: ReadonlyMap<string, number> = new Map(
  US_ROWS.flatMap(([first, plain, shifted]) => [
    ...Array.from(shifted, (character, index) => [character, (first + index) | SHIFT_BIT] as const),
    ...Array.from(plain, (character, index) => [character, first + index] as const),
  ]),
);
