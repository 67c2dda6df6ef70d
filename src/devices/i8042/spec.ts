/**
 * The PC/AT keyboard controller with a keyboard and a mouse (IBM PS/2 Hardware Interface Technical
 * Reference, "Keyboard and Auxiliary Device Controller", "Mouse").
 */

export const I8042_DATA_PORT = 0x60;
/** Read: status. Write: command. */
export const I8042_COMMAND_PORT = 0x64;

export const ControllerStatus = {
  outputFull: 0x01,
  inputFull: 0x02,
  systemFlag: 0x04,
  /** The last write went to the command port. */
  lastWasCommand: 0x08,
  /** Keyboard lock switch: 1 is unlocked. */
  unlocked: 0x10,
  /** What is in the output buffer came from the mouse. */
  fromMouse: 0x20,
} as const;

/** Bits of the command byte (RAM byte 0). */
export const CommandByte = {
  keyboardInterrupt: 0x01,
  mouseInterrupt: 0x02,
  systemFlag: 0x04,
  keyboardDisabled: 0x10,
  mouseDisabled: 0x20,
  translate: 0x40,
} as const;

export const ControllerCommand = {
  readRam: 0x20,
  writeRam: 0x60,
  disableMouse: 0xa7,
  enableMouse: 0xa8,
  testMouse: 0xa9,
  selfTest: 0xaa,
  testKeyboard: 0xab,
  disableKeyboard: 0xad,
  enableKeyboard: 0xae,
  readInputPort: 0xc0,
  readOutputPort: 0xd0,
  writeOutputPort: 0xd1,
  writeKeyboardBuffer: 0xd2,
  writeMouseBuffer: 0xd3,
  writeMouse: 0xd4,
  /** F0 to FF pulse output port bits 3:0 low where the command has zeros; bit 0 is reset. */
  pulse: 0xf0,
} as const;

export const SELF_TEST_PASSED = 0x55;
/** Of the keyboard's and the mouse's wires. */
export const WIRE_TEST_PASSED = 0x00;

export const OutputPort = {
  /** Low resets the processor. */
  notReset: 0x01,
  a20: 0x02,
  keyboardFull: 0x10,
  mouseFull: 0x20,
} as const;

export const KeyboardCommand = {
  setLeds: 0xed,
  echo: 0xee,
  scancodeSet: 0xf0,
  identify: 0xf2,
  setRate: 0xf3,
  enable: 0xf4,
  disable: 0xf5,
  setDefaults: 0xf6,
  resend: 0xfe,
  reset: 0xff,
} as const;

export const KeyboardReply = {
  acknowledge: 0xfa,
  resend: 0xfe,
  testPassed: 0xaa,
  echo: 0xee,
  /** A key was lost because the 16-byte buffer was full (set 2 and 3). */
  overrun: 0x00,
} as const;

export const MouseCommand = {
  unscale: 0xe6,
  scale: 0xe7,
  setResolution: 0xe8,
  status: 0xe9,
  stream: 0xea,
  read: 0xeb,
  unwrap: 0xec,
  wrap: 0xee,
  remote: 0xf0,
  identify: 0xf2,
  setRate: 0xf3,
  enable: 0xf4,
  disable: 0xf5,
  setDefaults: 0xf6,
  resend: 0xfe,
  reset: 0xff,
} as const;

/** First byte of a mouse's status beside its buttons. */
export const MouseStatus = { scaling: 0x10, reporting: 0x20, remote: 0x40 } as const;
export const MOUSE_BUFFER_BYTES = 16;

export const KEYBOARD_ID = [0xab, 0x83] as const;
export const KEYBOARD_BUFFER_BYTES = 16;

/**
 * Set 2 make codes by set 1 make codes 00 to 58: what the controller's translation inverts. Zero
 * where set 1 has no key.
 */
export const SET2_BY_SET1: readonly number[] = [
  0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36, 0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d,
  0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43, 0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b,
  0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c, 0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a,
  0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c, 0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03,
  0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c, 0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69,
  0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78, 0x07,
];
