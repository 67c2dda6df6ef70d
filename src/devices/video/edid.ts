import { EDID_BYTES } from './spec.ts';

/** "SVM" and a product number of our own. */
const MANUFACTURER = [0x4e, 0xcd] as const;
const PRODUCT = 0x0001;
const NAME = 'synthvm';
const DESCRIPTOR_BYTES = 18;
const FIRST_DESCRIPTOR = 54;
const DESCRIPTOR_NAME = 0xfc;
const DESCRIPTOR_DUMMY = 0x10;
/** Reduced blanking, as VESA CVT gives it: pixels and lines around the picture. */
const BLANK_PIXELS = 160;
const FRONT_PIXELS = 48;
const SYNC_PIXELS = 32;
const MIN_BLANK_LINES = 28;
const FRONT_LINES = 3;
const SYNC_LINES = 5;
const REFRESH_HZ = 60;

/** A monitor's description (VESA E-EDID 1.4, section 3) whose preferred mode has these pixels. */
export function buildEdid(width: number, height: number): Uint8Array {
  const edid = new Uint8Array(EDID_BYTES);
  edid.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
  edid.set(MANUFACTURER, 8);
  edid[10] = PRODUCT;
  // Week 1 of 2015; EDID 1.4.
  edid.set([1, 25, 1, 4], 16);
  // Digital, 8 bits a colour, interface undefined; no size; gamma 2.2; RGB, preferred timing is native.
  edid.set([0xa0, 0, 0, 120, 0x06], 20);
  // sRGB chromaticities.
  edid.set([0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54], 25);
  // 640x480, 800x600 and 1024x768 at 60 Hz; no standard timings.
  edid.set([0x21, 0x08, 0x00], 35);
  edid.fill(0x01, 38, FIRST_DESCRIPTOR);
  edid.set(timing(width, height), FIRST_DESCRIPTOR);
  const name = Array.from(`${NAME}\n`.padEnd(13), (character) => character.charCodeAt(0));
  edid.set([0, 0, 0, DESCRIPTOR_NAME, 0, ...name], FIRST_DESCRIPTOR + DESCRIPTOR_BYTES);
  edid[FIRST_DESCRIPTOR + 2 * DESCRIPTOR_BYTES + 3] = DESCRIPTOR_DUMMY;
  edid[FIRST_DESCRIPTOR + 3 * DESCRIPTOR_BYTES + 3] = DESCRIPTOR_DUMMY;
  let sum = 0;
  for (const byte of edid) sum += byte;
  edid[EDID_BYTES - 1] = -sum & 0xff;
  return edid;
}

/** A detailed timing (3.10.2). A mode too large for its fields has the largest that they hold. */
function timing(wantedWidth: number, wantedHeight: number): number[] {
  const width = Math.min(wantedWidth, 0xfff);
  const height = Math.min(wantedHeight, 0xfff);
  const clock = ((width + BLANK_PIXELS) * (height + MIN_BLANK_LINES) * REFRESH_HZ) / 10_000;
  const clock10kHz = Math.min(Math.round(clock), 0xffff);
  return [
    clock10kHz & 0xff,
    clock10kHz >>> 8,
    width & 0xff,
    BLANK_PIXELS,
    (width >>> 8) << 4,
    height & 0xff,
    MIN_BLANK_LINES,
    (height >>> 8) << 4,
    FRONT_PIXELS,
    SYNC_PIXELS,
    (FRONT_LINES << 4) | SYNC_LINES,
    0,
    0,
    0,
    0,
    0,
    0,
    // Digital separate sync, horizontal positive.
    0x1a,
  ];
}
