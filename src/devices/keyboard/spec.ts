/**
 * The synthetic keyboard: plain messages, no pipe header (hyperv-host.md 2.7; OpenVMM
 * uidevices/keyboard/protocol.rs, MIT).
 */
import { flags, openEnum, struct, u16, u32 } from '../../core/wire.ts';

export const KEYBOARD_VERSION = 0x1_0000;

export const KeyboardMessage = openEnum(u32, {
  protocolRequest: 1,
  protocolResponse: 2,
  event: 3,
  setLeds: 4,
});

export const KeyboardProtocolRequest = struct('KeyboardProtocolRequest', 8, {
  type: KeyboardMessage,
  version: u32,
});

export const KeyboardProtocolResponse = struct('KeyboardProtocolResponse', 8, {
  type: KeyboardMessage,
  /** Bit 0. */
  accepted: u32,
});

export const KeyFlag = flags(u32, {
  /** `makeCode` is a UTF-16 code unit. */
  unicode: 1,
  /** The key went up. */
  break: 2,
  e0: 4,
  e1: 8,
});

export const KeyboardEvent = struct('KeyboardEvent', 12, {
  type: KeyboardMessage,
  /** Scan code set 1, without prefix. */
  makeCode: u16,
  padding: u16,
  flags: KeyFlag,
});

export const KeyboardLed = flags(u16, { scrollLock: 1, numLock: 2, capsLock: 4 });

export const KeyboardSetLeds = struct('KeyboardSetLeds', 8, {
  type: KeyboardMessage,
  leds: KeyboardLed,
  padding: u16,
});
