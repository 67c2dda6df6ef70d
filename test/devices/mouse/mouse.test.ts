import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { SyntheticMouse } from '../../../src/devices/mouse/mouse.ts';
import { MouseButton } from '../../../src/devices/mouse/spec.ts';
import { MessageGuest } from '../support/message-guest.ts';
import { hex } from '../support/scsi-runner.ts';

const MS = 1_000_000;
const REQUEST = '00 00 00 00 04 00 00 00 00 00 02 00';
const ACK = '03 00 00 00 01 00 00 00 01';

function mouse(): MessageGuest<SyntheticMouse> {
  return new MessageGuest((parts) => new SyntheticMouse(parts));
}

function active(): MessageGuest<SyntheticMouse> {
  const bench = mouse().open().say(REQUEST).say(ACK);
  bench.hearAll();
  return bench;
}

function readReports(bench: MessageGuest<SyntheticMouse>, ms = 50): string[] {
  const reports: string[] = [];
  for (let count = 0; count < ms; count += 1) {
    for (const message of bench.hearAll()) {
      expect(hex(message.slice(0, 8))).toBe('04 00 00 00 07 00 00 00');
      reports.push(hex(message.slice(8)));
    }
    bench.pass(MS);
  }
  return reports;
}

/** The main items of a report descriptor (HID 1.11, 6.2.2), with the globals in force. */
function inputItems(descriptor: Uint8Array): string[] {
  const items: string[] = [];
  const state: Record<string, number> = {};
  let usages: number[] = [];
  let depth = 0;
  for (let at = 0; at < descriptor.length;) {
    const prefix = descriptor[at]!;
    const size = [0, 1, 2, 4][prefix & 3]!;
    let value = 0;
    for (let index = 0; index < size; index += 1)
      value |= descriptor[at + 1 + index]! << (8 * index);
    const signed = size === 2 ? (value << 16) >> 16 : value;
    const kind = prefix & 0xfc;
    if (kind === 0x04) state['page'] = value;
    else if (kind === 0x14) state['min'] = signed;
    else if (kind === 0x24) state['max'] = signed;
    else if (kind === 0x74) state['size'] = value;
    else if (kind === 0x94) state['count'] = value;
    else if (kind === 0x08 || kind === 0x18 || kind === 0x28) usages.push(value);
    else if (kind === 0xa0) depth += 1;
    else if (kind === 0xc0) depth -= 1;
    else if (kind === 0x80) {
      const { page, min, max, size: bits, count } = state;
      items.push(`${page}:${usages.join('-')} ${count}x${bits} ${min}..${max} ${value}`);
      usages = [];
    }
    if (kind === 0xa0) usages = [];
    at += 1 + size;
  }
  expect(depth).toBe(0);
  return items;
}

describe('negotiation', () => {
  it('answers with exactly thirteen bytes, then describes itself in 116', () => {
    const bench = mouse().open().say(REQUEST);
    expect(bench.heard()).toBe('01 00 00 00 05 00 00 00 00 00 02 00 01');
    const info = bench.hear()!;
    expect(info.length).toBe(116);
    expect(hex(info.slice(0, 49))).toBe(
      [
        '02 00 00 00 6c 00 00 00',
        '20 00 00 00 5e 04 21 06 01 00',
        ...Array.from({ length: 22 }, () => '00'),
        '09 21 01 01 00 01 22 43 00',
      ].join(' '),
    );
    expect(bench.hear()).toBeUndefined();
  });

  it('its report descriptor says what the reports hold', () => {
    const bench = mouse().open().say(REQUEST);
    bench.hear();
    const descriptor = bench.hear()!.slice(49);
    expect(descriptor.length).toBe(67);
    // Linux looks for 25h at byte 14 and would mend it.
    expect(descriptor[14]).toBe(0x29);
    expect(inputItems(descriptor)).toEqual([
      '9:1-5 5x1 0..1 2',
      '9: 1x3 0..1 1',
      '1:48-49 2x16 0..32767 2',
      '1:56 1x16 -32767..32767 6',
    ]);
  });

  it('refuses another version, and sends no description', () => {
    const bench = mouse().open().say('00 00 00 00 04 00 00 00 00 00 01 00');
    expect(bench.heard()).toBe('01 00 00 00 05 00 00 00 00 00 01 00 00');
    expect(bench.hear()).toBeUndefined();
    bench.say(ACK);
    expect(bench.device.isReady).toBe(false);
    expect(bench.dropped).toEqual([7]);
  });

  it('begins anew when the guest asks again', () => {
    const bench = active().say(REQUEST);
    expect(bench.device.isReady).toBe(false);
    expect(bench.hearAll().length).toBe(2);
    bench.say(ACK);
    expect(bench.device.isReady).toBe(true);
  });

  it('takes an acknowledgement of 0, as Linux sends it', () => {
    const bench = mouse().open().say(REQUEST).say('03 00 00 00 01 00 00 00 00');
    expect(bench.device.isReady).toBe(true);
  });
});

describe('reports', () => {
  it('scales pixels to 0..32767', () => {
    const bench = active();
    bench.device.moveTo(0, 0, 1024, 768);
    expect(readReports(bench)).toEqual(['00 00 00 00 00 00 00']);
    bench.device.moveTo(1023, 767, 1024, 768);
    expect(readReports(bench)).toEqual(['00 ff 7f ff 7f 00 00']);
  });

  it('buttons and wheel', () => {
    const bench = active();
    bench.device.button(MouseButton.left, true);
    bench.device.button(MouseButton.right, true);
    bench.device.button(MouseButton.left, false);
    bench.device.scroll(-1);
    expect(readReports(bench)).toEqual([
      '01 00 00 00 00 00 00',
      '03 00 00 00 00 00 00',
      '02 00 00 00 00 ff ff',
    ]);
  });

  it('joins movements that wait, and keeps every change of the buttons', () => {
    const bench = active();
    bench.device.moveTo(10, 10, 100, 100);
    for (let x = 11; x < 60; x += 1) bench.device.moveTo(x, 10, 100, 100);
    bench.device.button(MouseButton.left, true);
    bench.device.button(MouseButton.left, false);
    expect(bench.device.pendingReports).toBe(3);
    const reports = readReports(bench);
    expect(reports.length).toBe(4);
    expect(reports.map((report) => report.slice(0, 2))).toEqual(['00', '00', '01', '00']);
  });

  it('calls back for every movement when the guest has read it', () => {
    const bench = active();
    let calls = 0;
    for (let x = 0; x < 10; x += 1) bench.device.moveTo(x, 0, 100, 100, () => (calls += 1));
    bench.pass(20 * MS);
    expect(calls).toBe(0);
    readReports(bench);
    expect(calls).toBe(10);
    expect(bench.guest.events.nextDeadlineNs).toBe(Infinity);
  });

  it('says clearly what is wrong with a wrong call', () => {
    const { device } = active();
    expect(() => device.moveTo(100, 0, 100, 100)).toThrow(
      '(100, 0) is not on a screen of 100 by 100',
    );
    expect(() => device.button(3, true)).toThrow(InputError);
    expect(() => device.scroll(0.5)).toThrow(InputError);
  });
});
