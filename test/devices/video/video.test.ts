import { describe, expect, it } from 'vitest';
import { buildEdid } from '../../../src/devices/video/edid.ts';
import { SyntheticVideo, type VideoOptions } from '../../../src/devices/video/video.ts';
import { Display } from '../../../src/fb/display.ts';
import { MessageGuest } from '../support/message-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const V30 = '01 00 00 00 04 00 00 00 03 00 00 00';
const V32 = '01 00 00 00 04 00 00 00 03 00 02 00';
const V35 = '01 00 00 00 04 00 00 00 03 00 05 00';
const RESOLUTIONS = '0d 00 00 00 01 00 00 00 40';

function video(version = V35, options: Partial<VideoOptions> = {}): MessageGuest<SyntheticVideo> {
  const bench = new MessageGuest(
    (parts) => new SyntheticVideo({ ...parts, display: new Display(), generation: 2, ...options }),
  );
  bench.open({ sendPages: 16, receivePages: 16 }).say(version);
  bench.hearAll();
  return bench;
}

function situation(
  width: number,
  height: number,
  pitchBytes = width * 4,
  depthBits = 32,
  offset = 0,
  outputs = 1,
  isActive = 1,
): Uint8Array {
  const bytes = new Uint8Array(35);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 5, true);
  view.setUint32(4, 35, true);
  view.setBigUint64(8, 0x1122_3344_5566_7788n, true);
  view.setUint8(16, outputs);
  view.setUint8(17, isActive);
  view.setUint32(18, offset, true);
  view.setUint8(22, depthBits);
  view.setUint32(23, width, true);
  view.setUint32(27, height, true);
  view.setUint32(31, pitchBytes, true);
  return bytes;
}

function dirt(rectangles: readonly (readonly number[])[], count = rectangles.length): Uint8Array {
  const bytes = new Uint8Array(10 + rectangles.length * 16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 10, true);
  view.setUint8(9, count);
  for (const [index, sides] of rectangles.entries()) {
    for (const [side, value] of sides.entries()) {
      view.setInt32(10 + index * 16 + side * 4, value, true);
    }
  }
  return bytes;
}

function dirtyOf(bench: MessageGuest<SyntheticVideo>): number[][] {
  const { words, count } = bench.device.display.dirty;
  return Array.from({ length: count }, (_, index) =>
    Array.from(words.slice(index * 4, index * 4 + 4)),
  );
}

describe('versions', () => {
  it.each([
    ['3.0', V30, 3],
    ['3.2', V32, 0x2_0003],
    ['3.5', V35, 0x5_0003],
  ])('%s is accepted with exchange', (_name, request, version) => {
    const bench = video(V30).say(request);
    const answer = bench.heard();
    expect(answer).toBe(`02 00 00 00 06 00 00 00 ${request.slice(24)} 02 01`);
    expect(bench.device.version).toBe(version);
  });

  it.each(['03 00 06 00', '02 00 00 00', '00 00 03 00', 'ff ff ff ff'])(
    '%s is refused',
    (version) => {
      const bench = video(V35).say(`01 00 00 00 04 00 00 00 ${version}`);
      expect(bench.heard()).toBe(`02 00 00 00 06 00 00 00 ${version} 00 01`);
      expect(bench.device.version).toBe(0);
      bench.say(RESOLUTIONS);
      expect(bench.hear()).toBeUndefined();
      expect(bench.dropped).toEqual([7]);
    },
  );

  it('a host has what its profile says', () => {
    const bench = video(V35, { versions: [3, 0x2_0003] });
    expect(bench.device.version).toBe(0);
    bench.say(V32);
    expect(bench.device.version).toBe(0x2_0003);
  });

  it('the offer says how much video memory there is', () => {
    expect(video(V35).device.offer.mmioMegabytes).toBe(8);
    expect(video(V35, { mmioMegabytes: 128 }).device.offer.mmioMegabytes).toBe(128);
  });
});

describe('resolutions', () => {
  const sizes = (bench: MessageGuest<SyntheticVideo>): string[] => {
    const message = bench.say(RESOLUTIONS).hear()!;
    const view = new DataView(message.buffer);
    const count = message[136]!;
    expect(message.length).toBe(8 + 131 + count * 4);
    expect(view.getUint32(4, true)).toBe(message.length - 8);
    return Array.from({ length: count }, (_, index) => {
      const at = 139 + index * 4;
      return `${view.getUint16(at, true)}x${view.getUint16(at + 2, true)}`;
    });
  };

  it('8 MiB hold up to 1920x1080, and 1024x768 comes first', () => {
    const bench = video();
    const list = sizes(bench);
    expect(list).toContain('1920x1080');
    expect(list).not.toContain('1920x1200');
    const message = bench.say(RESOLUTIONS).hear()!;
    expect(list[message[137]!]).toBe('1024x768');
  });

  it('128 MiB hold 7680x4320', () => {
    const list = sizes(
      video(V35, { mmioMegabytes: 128, preferred: { width: 7680, height: 4320 } }),
    );
    expect(list.at(-1)).toBe('7680x4320');
    expect(list.length).toBe(29);
  });

  it('gives no more than was asked for, and keeps to its limits', () => {
    const bench = video(V35, { maxWidth: 1280, maxHeight: 1024 });
    bench.say('0d 00 00 00 01 00 00 00 03');
    const message = bench.hear()!;
    expect(message[136]).toBe(3);
    expect(hex(message.slice(139))).toBe('00 05 20 03 00 05 c0 03 00 05 00 04');
    expect(sizes(video(V35, { maxWidth: 1, maxHeight: 1 }))).toEqual(['640x480']);
  });

  it('are part of 3.2 and later', () => {
    expect(video(V30).say(RESOLUTIONS).dropped).toEqual([6]);
    expect(sizes(video(V32)).length).toBeGreaterThan(10);
  });

  it('come with a monitor description that adds up', () => {
    for (const [width, height] of [
      [1024, 768],
      [1920, 1080],
      [7680, 4320],
    ] as const) {
      const edid = buildEdid(width, height);
      expect(edid.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
      expect(hex(edid.slice(0, 8))).toBe('00 ff ff ff ff ff ff 00');
      const word = edid[8]! * 256 + edid[9]!;
      const letters = [10, 5, 0].map((shift) => String.fromCharCode(64 + ((word >> shift) & 31)));
      expect(letters.join('')).toBe('SVM');
      const timing = edid.slice(54, 72);
      expect(timing[2]! + ((timing[4]! & 0xf0) << 4)).toBe(Math.min(width, 4095));
      expect(timing[5]! + ((timing[7]! & 0xf0) << 4)).toBe(Math.min(height, 4095));
    }
  });
});

describe('other questions', () => {
  it('BIOS information says the generation', () => {
    const zeros = Array.from({ length: 12 }, () => '00').join(' ');
    const bench = video().say('0b 00 00 00 00 00 00 00');
    expect(bench.heard()).toBe(`0c 00 00 00 10 00 00 00 01 00 00 00 ${zeros}`);
    const first = video(V35, { generation: 1 }).say('0b 00 00 00 00 00 00 00');
    expect(first.heard()).toBe(`0c 00 00 00 10 00 00 00 00 00 00 00 ${zeros}`);
  });

  it('capability: sixteen zero words, since 3.5', () => {
    const bench = video().say('0f 00 00 00 00 00 00 00');
    expect(bench.heard()).toBe(`10 00 00 00 40 00 00 00${' 00'.repeat(64)}`);
    expect(video(V32).say('0f 00 00 00 00 00 00 00').dropped).toEqual([6]);
  });
});

describe('the picture', () => {
  it('is where the guest says, and is acknowledged with its own number', () => {
    const bench = video(V35, { mmioMegabytes: 1 });
    bench.say('03 00 00 00 19 00 00 00 88 77 66 55 44 33 22 11 01 00 00 30 00 00 00 00 00');
    expect(bench.heard()).toBe('04 00 00 00 08 00 00 00 88 77 66 55 44 33 22 11');
    expect(bench.device.display.vramGpa).toBe(0x30_0000);
    expect(bench.device.display.vramBytes).toBe(1 << 20);
  });

  it('a place without memory is acknowledged; one without address takes the picture away', () => {
    const bench = video();
    bench.say('03 00 00 00 19 00 00 00 01 00 00 00 00 00 00 00 01 00 00 00 00 ff ff ff ff');
    expect(bench.heard(4)).toBe('04 00 00 00');
    bench.say('03 00 00 00 19 00 00 00 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00');
    expect(bench.heard(4)).toBe('04 00 00 00');
    expect(bench.device.display.vramGpa).toBe(-1);
  });

  it('lies as the guest says; then the host asks, once, for reports of changes', () => {
    const bench = video(V35).say(situation(1024, 768, 4096, 32, 64));
    expect(bench.heard()).toBe('06 00 00 00 08 00 00 00 88 77 66 55 44 33 22 11');
    const change = bench.hear()!;
    expect(hex(change.slice(0, 12))).toBe('09 00 00 00 84 00 00 00 01 01 01 01');
    expect(change.length).toBe(8 + 132);
    expect(bench.device.display.mode).toEqual({
      width: 1024,
      height: 768,
      bitsPerPixel: 32,
      pitchBytes: 4096,
      offset: 64,
    });
    // Linux answers the change with its situation.
    bench.say(situation(1024, 768));
    expect(bench.hearAll().map((message) => message[0])).toEqual([6]);
  });

  it('asks in four bytes before 3.4', () => {
    const bench = video(V32).say(situation(800, 600));
    bench.hear();
    expect(bench.heard()).toBe('09 00 00 00 04 00 00 00 01 01 01 01');
  });

  it.each([
    ['an odd depth', situation(800, 600, 3200, 15)],
    ['a pitch below the width', situation(800, 600, 3199)],
    ['more than the memory', situation(1920, 1200)],
    ['an offset beyond the memory', situation(800, 600, 3200, 32, 0xffff_ffff)],
    ['nothing', situation(0, 600)],
    ['too much', situation(7681, 1, 0)],
    ['a pitch that overflows', situation(800, 600, 0xffff_ffff)],
  ])('%s is acknowledged and changes nothing', (_name, message) => {
    const bench = video().say(situation(640, 480));
    bench.hearAll();
    bench.say(message);
    expect(bench.heard(4)).toBe('06 00 00 00');
    expect(bench.device.display.mode).toMatchObject({ width: 640, height: 480 });
    expect(bench.dropped).toEqual([8]);
  });

  it('3.0 ends at 1600x1200', () => {
    const bench = video(V30).say(situation(1600, 1200)).say(situation(1920, 1080));
    expect(bench.device.display.mode).toMatchObject({ width: 1600 });
    expect(bench.dropped).toEqual([8]);
  });

  it('goes off when the guest says so', () => {
    for (const [outputs, isActive] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const bench = video().say(situation(640, 480));
      bench.say(situation(640, 480, 2560, 32, 0, outputs, isActive));
      expect(bench.device.display.mode).toBeUndefined();
    }
  });

  it('stays when the channel closes, and counts as changing at any time', () => {
    const bench = video()
      .say(situation(640, 480))
      .say(dirt([[0, 0, 1, 1]]));
    expect(bench.device.display.isTracked).toBe(true);
    bench.channel.close();
    expect(bench.device.display.mode).toMatchObject({ width: 640 });
    expect(bench.device.display.isTracked).toBe(false);
  });
});

describe('changes', () => {
  it('are clipped to the screen; the first report brings all of it', () => {
    const bench = video()
      .say(situation(640, 480))
      .say(dirt([[1, 2, 3, 4]]));
    expect(dirtyOf(bench)).toEqual([[0, 0, 640, 480]]);
    bench.device.display.dirty.clear();
    bench.say(
      dirt([
        [10, 20, 30, 40],
        [-5, -5, 5, 5],
        [600, 400, 9999, 9999],
        [7, 7, 7, 9],
        [9, 9, 8, 10],
      ]),
    );
    expect(dirtyOf(bench)).toEqual([
      [10, 20, 30, 40],
      [0, 0, 5, 5],
      [600, 400, 640, 480],
    ]);
  });

  it('255 rectangles become one around all', () => {
    const bench = video().say(situation(640, 480)).say(dirt([]));
    bench.device.display.dirty.clear();
    bench.say(
      dirt(Array.from({ length: 255 }, (_, index) => [index * 2, index, index * 2 + 1, index + 1])),
    );
    const dirty = dirtyOf(bench);
    expect(dirty.length).toBeLessThanOrEqual(64);
    expect(dirty[0]![0]).toBe(0);
    expect(Math.max(...dirty.map((sides) => sides[2]!))).toBe(509);
  });

  it('a count beyond the message is dropped', () => {
    const bench = video()
      .say(situation(640, 480))
      .say(dirt([[0, 0, 1, 1]], 2));
    expect(bench.dropped).toEqual([8]);
    expect(bench.device.display.isTracked).toBe(false);
  });
});

describe('the pointer', () => {
  const shape = (
    part: number,
    isColor: number,
    width: number,
    height: number,
    pixels: number,
  ): Uint8Array => {
    const bytes = new Uint8Array(26 + pixels).fill(part + 1, 26);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 8, true);
    bytes[8] = part;
    bytes[9] = isColor;
    view.setUint32(10, width, true);
    view.setUint32(14, height, true);
    view.setUint32(18, 1, true);
    view.setUint32(22, 2, true);
    return bytes;
  };

  it('has a position with a sign', () => {
    const bench = video().say('07 00 00 00 0a 00 00 00 01 00 fb ff ff ff 64 00 00 00');
    expect(bench.device.display).toMatchObject({
      isPointerVisible: true,
      pointerX: -5,
      pointerY: 100,
    });
  });

  it('has a shape in one message', () => {
    const bench = video().say(shape(0xff, 1, 32, 32, 4096));
    expect(bench.device.display.pointer).toMatchObject({
      width: 32,
      height: 32,
      hotX: 1,
      hotY: 2,
      isColor: true,
    });
    bench.say(shape(0xff, 0, 10, 4, 2 * 4 * 2));
    expect(bench.device.display.pointer).toMatchObject({ width: 10, isColor: false });
  });

  it('96 by 96 in colour come in five parts of 8 KiB', () => {
    const bench = video();
    for (const part of [0, 1, 2, 3]) bench.say(shape(part, 1, 96, 96, 8192));
    expect(bench.device.display.pointer).toBeUndefined();
    bench.say(shape(0xff, 1, 96, 96, 96 * 96 * 4 - 4 * 8192));
    const { pixels } = bench.device.display.pointer!;
    expect(pixels.length).toBe(36_864);
    expect([0, 8192, 16_384, 24_576, 32_768].map((at) => pixels[at])).toEqual([1, 2, 3, 4, 0]);
  });

  it.each([
    ['too wide', shape(0xff, 1, 97, 1, 97 * 4)],
    ['of no height', shape(0xff, 1, 1, 0, 0)],
    ['with too few pixels', shape(0xff, 1, 32, 32, 4095)],
    ['beginning at the second part', shape(1, 1, 96, 96, 8192)],
    ['in a part of more than 8 KiB', shape(0, 1, 96, 96, 8193)],
    ['of a size that overflows', shape(0xff, 1, 0xffff_ffff, 0xffff_ffff, 0)],
  ])('%s is dropped', (_name, message) => {
    const bench = video().say(message);
    expect(bench.dropped).toEqual([8]);
    expect(bench.device.display.pointer).toBeUndefined();
    bench.say(shape(0xff, 1, 1, 1, 4));
    expect(bench.device.display.pointer).toMatchObject({ width: 1 });
  });
});

describe('short messages', () => {
  it('are dropped, whatever they would have said', () => {
    const bench = video();
    for (const type of [1, 3, 5, 7, 8, 10, 13])
      bench.say(`0${type.toString(16)} 00 00 00 00 00 00 00`);
    bench.say('01 00 00 00');
    expect(bench.dropped).toEqual([5, 5, 5, 5, 5, 5, 5, 5]);
    expect(bench.hear()).toBeUndefined();
  });
});
