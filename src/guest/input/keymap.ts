/** Scan codes of set 1 to what a US keyboard types, as the console's us.kbd has it. */

const CONTROL = 0x1d;
const LEFT_SHIFT = 0x2a;
const RIGHT_SHIFT = 0x36;
const ALT = 0x38;
const CAPS_LOCK = 0x3a;
const DELETE = 0x53;
const ESCAPE_SEQUENCE = '\u001b[';
const KEYPAD_SLASH = 0x35;
const ENTER = 0x1c;
/** A letter with control gives its low five bits. */
const CONTROL_MASK = 0x1f;
const NOTHING = '';
/** The chord that asks for a reboot. */
export const REBOOT = Symbol('reboot');

/** What the grey keys send (the console's default function keys), by scan code behind E0. */
const GREY: Readonly<Record<number, string>> = {
  0x47: 'H',
  0x48: 'A',
  0x49: 'I',
  0x4b: 'D',
  0x4d: 'C',
  0x4f: 'F',
  0x50: 'B',
  0x51: 'G',
  0x52: 'L',
};

const KEYPAD_FIRST = 0x47;
/** The numeric keypad under shift; by itself its keys do as the grey ones. Num Lock does nothing. */
const KEYPAD_SHIFTED = '789-456+1230.';
const KEYPAD_PLAIN = '   -   +     ';

/** By scan code from 1 on; a space stands for keys that type nothing, and for the space bar. */
const PLAIN = "\u001b1234567890-=\b\tqwertyuiop[]\r asdfghjkl;'` \\zxcvbnm,./ *  ";
const SHIFTED = '\u001b!@#$%^&*()_+\b\tQWERTYUIOP{}\r ASDFGHJKL:"~ |ZXCVBNM<>? *  ';
const SPACE_BAR = 0x39;
const DELETE_CHARACTER = '\u007f';

/** The state of the modifiers, and what each key types under it. */
export class Keymap {
  #shifts = 0;
  #controls = 0;
  #alts = 0;
  #isCapsLock = false;
  #isCapsDown = false;

  get isCapsLock(): boolean {
    return this.#isCapsLock;
  }

  /**
   * @param code without prefix
   * @param isExtended the key has the prefix E0
   * @returns the characters that the key types, or `REBOOT`
   */
  key(code: number, isExtended: boolean, isBreak: boolean): string | typeof REBOOT {
    if (this.#modify(code, isExtended, isBreak)) return NOTHING;
    if (isBreak) return NOTHING;
    if (code === DELETE && this.#controls !== 0 && this.#alts !== 0) return REBOOT;
    if (isExtended && code === DELETE) return DELETE_CHARACTER;
    if (isExtended && code !== ENTER && code !== KEYPAD_SLASH) {
      const letter = GREY[code];
      return letter === undefined ? NOTHING : ESCAPE_SEQUENCE + letter;
    }
    const onKeypad = code - KEYPAD_FIRST;
    if (!isExtended && onKeypad >= 0 && onKeypad < KEYPAD_SHIFTED.length) {
      return this.#keypad(code);
    }
    const character = this.#character(code, isExtended);
    return character < 0 ? NOTHING : String.fromCharCode(character);
  }

  #keypad(code: number): string {
    const at = code - KEYPAD_FIRST;
    if (this.#shifts !== 0) return KEYPAD_SHIFTED[at]!;
    if (KEYPAD_PLAIN[at] !== ' ') return KEYPAD_PLAIN[at]!;
    if (code === DELETE) return DELETE_CHARACTER;
    const letter = GREY[code];
    return letter === undefined ? NOTHING : ESCAPE_SEQUENCE + letter;
  }

  #modify(code: number, isExtended: boolean, isBreak: boolean): boolean {
    const isShift = code === LEFT_SHIFT || code === RIGHT_SHIFT;
    if (isShift && !isExtended) {
      const bit = code === LEFT_SHIFT ? 1 : 2;
      this.#shifts = isBreak ? this.#shifts & ~bit : this.#shifts | bit;
    } else if (code === CONTROL) {
      const bit = isExtended ? 2 : 1;
      this.#controls = isBreak ? this.#controls & ~bit : this.#controls | bit;
    } else if (code === CAPS_LOCK) {
      // A key that is held repeats its make code.
      if (!isBreak && !this.#isCapsDown) this.#isCapsLock = !this.#isCapsLock;
      this.#isCapsDown = !isBreak;
    } else if (code === ALT) {
      const bit = isExtended ? 2 : 1;
      this.#alts = isBreak ? this.#alts & ~bit : this.#alts | bit;
    } else {
      return isShift;
    }
    return true;
  }

  #character(code: number, isExtended: boolean): number {
    const plain = PLAIN[code - 1] ?? ' ';
    if (plain === ' ' && code !== SPACE_BAR) return -1;
    const isLetter = plain >= 'a' && plain <= 'z';
    const isShifted = this.#shifts !== 0 && !isExtended;
    const isUpper = isLetter && this.#isCapsLock ? !isShifted : isShifted;
    const character = isUpper ? SHIFTED.charCodeAt(code - 1) : plain.charCodeAt(0);
    if (this.#controls === 0) return character;
    const isControllable = isLetter || '[]\\'.includes(plain);
    return isControllable ? character & CONTROL_MASK : character;
  }
}
