import { describe, expect, it } from 'vitest';
import { InputError } from '../../../src/core/errors.ts';
import { Key } from '../../../src/devices/keyboard/keys.ts';
import { SyntheticKeyboard } from '../../../src/devices/keyboard/keyboard.ts';
import { hex } from '../support/scsi-runner.ts';
import { MessageGuest } from '../support/message-guest.ts';

const MS = 1_000_000;

function keyboard(): MessageGuest<SyntheticKeyboard> {
  return new MessageGuest((parts) => new SyntheticKeyboard(parts));
}

function accepted(): MessageGuest<SyntheticKeyboard> {
  const bench = keyboard().open().say('01 00 00 00 00 00 01 00');
  bench.hearAll();
  return bench;
}

/** Make codes and flags that the guest reads as they come, a millisecond at a time. */
function readKeys(bench: MessageGuest<SyntheticKeyboard>, ms = 200): string[] {
  const keys: string[] = [];
  for (let count = 0; count < ms; count += 1) {
    for (const message of bench.hearAll()) {
      expect(message.length).toBe(16);
      expect(message[0]).toBe(3);
      keys.push(`${hex(message.slice(4, 6))}/${message[8]}`);
    }
    bench.pass(MS);
  }
  return keys;
}

describe('negotiation', () => {
  it('accepts version 1.0 with these bytes', () => {
    const bench = keyboard().open().say('01 00 00 00 00 00 01 00');
    expect(bench.heard()).toBe('02 00 00 00 01 00 00 00');
    expect(bench.device.isReady).toBe(true);
  });

  it('refuses every other version, and takes the next attempt', () => {
    const bench = keyboard().open().say('01 00 00 00 00 00 02 00');
    expect(bench.heard()).toBe('02 00 00 00 00 00 00 00');
    expect(bench.device.isReady).toBe(false);
    bench.say('01 00 00 00 00 00 01 00');
    expect(bench.heard()).toBe('02 00 00 00 01 00 00 00');
  });

  it('answers a second request of a guest that was suspended', () => {
    const bench = accepted().say('01 00 00 00 00 00 01 00');
    expect(bench.heard()).toBe('02 00 00 00 01 00 00 00');
    expect(bench.device.isReady).toBe(true);
  });
});

describe('keys', () => {
  it('press makes in order and breaks in the opposite order, with the prefix as a flag', () => {
    const bench = accepted();
    bench.device.press([Key.leftControl, Key.leftAlt, Key.delete]);
    expect(readKeys(bench)).toEqual([
      '1d 00/0',
      '38 00/0',
      '53 00/4',
      '53 00/6',
      '38 00/2',
      '1d 00/2',
    ]);
  });

  it('an event has exactly these twelve bytes, padded to sixteen by the ring', () => {
    const bench = accepted();
    bench.device.key(0xe11d, true);
    expect(bench.pass(MS).heard()).toBe('03 00 00 00 1d 00 00 00 08 00 00 00 00 00 00 00');
  });

  it('types text with shift where the US layout has it', () => {
    const bench = accepted();
    bench.device.type('aB!\n');
    const [a, b, one, enter, shift] = ['1e 00', '30 00', '02 00', '1c 00', '2a 00'];
    const keys = [
      `${a}/0 ${a}/2`,
      `${shift}/0 ${b}/0 ${b}/2 ${shift}/2`,
      `${shift}/0 ${one}/0 ${one}/2 ${shift}/2`,
      `${enter}/0 ${enter}/2`,
    ];
    expect(readKeys(bench).join(' ')).toBe(keys.join(' '));
  });

  it('has a key for every printable ASCII character', () => {
    const bench = accepted();
    const text = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
    bench.device.type(text);
    const keys = readKeys(bench, 500);
    expect(keys.filter((key) => key.endsWith('/0')).length).toBe(95 + 47);
    expect(keys.filter((key) => key.endsWith('/2')).length).toBe(95 + 47);
  });

  it('refuses a character without a key, and types nothing of the text', () => {
    const bench = accepted();
    const typing = (): void => bench.device.type('naïve');
    expect(typing).toThrow(InputError);
    expect(typing).toThrow('character 3 of the text, U+00EF, has no key on a US keyboard');
    expect(readKeys(bench)).toEqual([]);
  });

  it('refuses numbers that are no scan codes', () => {
    for (const code of [0, 0x80, 0xe0, 0xff1d, 1.5, -1, Number.NaN]) {
      expect(() => accepted().device.press([0x1e, code])).toThrow(InputError);
    }
  });

  it('sends Unicode units with flag 1', () => {
    const bench = accepted();
    bench.device.typeUnicode('é');
    expect(readKeys(bench)).toEqual(['e9 00/1', 'e9 00/3']);
  });
});

describe('pace', () => {
  it('keys wait for the driver, and are not lost', () => {
    const bench = keyboard();
    bench.device.type('x');
    bench.open().pass(100 * MS);
    expect(bench.hear()).toBeUndefined();
    bench.say('01 00 00 00 00 00 01 00');
    bench.hear();
    expect(readKeys(bench)).toEqual(['2d 00/0', '2d 00/2']);
  });

  it('gives the next key only when the guest has read the one before', () => {
    const bench = accepted();
    bench.device.type('abc');
    bench.pass(1000 * MS);
    expect(bench.hearAll().length).toBe(1);
    expect(bench.device.pendingKeys).toBe(5);
    expect(readKeys(bench).length).toBe(5);
  });

  it('calls back when the guest has read it, not when it was sent', () => {
    const bench = accepted();
    const calls: number[] = [];
    bench.device.press([Key.enter], () => calls.push(bench.guest.clock.nowNs));
    bench.pass(50 * MS);
    expect(bench.hearAll().length).toBe(1);
    bench.pass(50 * MS);
    expect(calls).toEqual([]);
    expect(bench.hearAll().length).toBe(1);
    const readNs = bench.guest.clock.nowNs;
    bench.pass(50 * MS);
    expect(calls.length).toBe(1);
    expect(calls[0]! - readNs).toBeLessThanOrEqual(MS);
  });

  it('calls back at once for nothing', () => {
    const bench = accepted();
    const calls: string[] = [];
    bench.device.press([], () => calls.push('press'));
    bench.device.type('', () => calls.push('type'));
    bench.device.typeUnicode('', () => calls.push('unicode'));
    bench.pass(0);
    expect(calls).toEqual(['press', 'type', 'unicode']);
  });

  it('comes to rest when there is nothing to do', () => {
    const bench = accepted();
    bench.device.type('hello');
    readKeys(bench, 100);
    expect(bench.guest.events.nextDeadlineNs).toBe(Infinity);
  });

  it('a guest that goes away takes its keys with it after it has come again', () => {
    const bench = accepted();
    bench.device.type('ab');
    bench.pass(10 * MS);
    bench.channel.close();
    expect(bench.device.isReady).toBe(false);
    expect(bench.guest.events.nextDeadlineNs).toBe(Infinity);
    bench.open().say('01 00 00 00 00 00 01 00');
    bench.hear();
    expect(readKeys(bench)).toEqual(['1e 00/2', '30 00/0', '30 00/2']);
  });
});

describe('lights', () => {
  it('remembers what the guest sets', () => {
    const bench = accepted().say('04 00 00 00 06 00 00 00');
    expect(bench.device.leds).toBe(6);
  });

  it('drops short, early and unknown messages', () => {
    const bench = keyboard().open();
    bench.say('04 00 00 00 06 00 00 00').say('09 00 00 00 00 00 00 00');
    expect(bench.dropped).toEqual([7, 6]);
    expect(bench.device.leds).toBe(0);
  });
});
