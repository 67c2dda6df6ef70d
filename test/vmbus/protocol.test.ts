import { describe, expect, it } from 'vitest';
import { buildMessage } from '../../src/vmbus/outbox.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { messageForm, messageRow, MESSAGES } from '../../src/vmbus/spec/protocol.ts';
import { FeatureFlag, VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { vmbusMessageRefused } from '../../src/vmbus/trace.ts';
import { TestGuest } from './support/guest.ts';

/** Sizes of hyperv-host.md 2.2 "Message table", copied by hand. */
const SIZES: Record<number, readonly number[]> = {
  1: [196],
  2: [12],
  3: [8],
  4: [8],
  5: [156, 148],
  6: [20],
  7: [12],
  8: [20],
  9: [16],
  10: [20],
  11: [16],
  12: [12],
  13: [12],
  14: [56, 40],
  15: [40, 20, 16],
  16: [8],
  17: [8],
  18: [28],
  19: [20],
  20: [12],
  21: [56, 40],
  22: [16],
  23: [44],
  24: [16],
  25: [24],
  26: [9],
  27: [8],
  28: [8],
  29: [8],
};

/** Everything negotiated: every row is then a message of the connection. */
const ALL_FEATURES = 0xff;

function refusals(guest: TestGuest): string[] {
  const texts: string[] = [];
  guest.trace.subscribe((_time, type, _values, text) => {
    if (type === vmbusMessageRefused) texts.push(text);
  });
  return texts;
}

describe('the message table', () => {
  it('has each message once, with the sizes of the specification', () => {
    const sizes = Object.fromEntries(
      MESSAGES.map((row) => [row.type, row.forms.map((form) => form.struct.size)]),
    );
    expect(sizes).toEqual(SIZES);
    expect(new Set(MESSAGES.map((row) => row.name)).size).toBe(MESSAGES.length);
  });

  it.each(MESSAGES)('$type $name: every field comes back as it was set', ({ forms, type }) => {
    for (const { struct } of forms) {
      const view = new DataView(new ArrayBuffer(struct.size));
      const names = Object.keys(struct.offset);
      const cursor = struct.cursor(view) as unknown as Record<string, unknown>;
      const set = new Map<string, unknown>();
      for (const [index, name] of names.entries()) {
        const value = sample(cursor[name], index);
        cursor[name] = value;
        set.set(name, value);
      }
      for (const name of names) expect(cursor[name], name).toEqual(set.get(name));
      cursor['messageType'] = type;
      expect(struct.show(view, 0)).toContain(messageRow(type)!.name);
    }
  });

  it.each(MESSAGES.filter((row) => row.from === 'guest'))(
    '$type $name has a handler',
    ({ type, forms }) => {
      const guest = new TestGuest({ supportedFeatures: ALL_FEATURES });
      guest.connect(VmbusVersion.copper, { features: ALL_FEATURES & ~FeatureFlag.clientId });
      const texts = refusals(guest);
      guest.post(buildMessage(forms.at(-1)!.struct, type));
      expect(texts.filter((text) => text.startsWith('no guest sends'))).toEqual([]);
    },
  );

  it.each(MESSAGES.filter((row) => row.from === 'host'))(
    '$type $name is refused from a guest',
    ({ type }) => {
      const guest = new TestGuest();
      guest.connect();
      const texts = refusals(guest);
      guest.post(buildMessage(wire.MessageHeader, type));
      expect(texts).toEqual([`no guest sends message ${type}`]);
    },
  );

  it('tells the forms of one message apart by version, feature and size', () => {
    const open = messageRow(MessageType.openChannel)!;
    const signal = FeatureFlag.guestSpecifiedSignalParameters;
    expect(messageForm(open, VmbusVersion.iron, 0, 148)).toBe(open.forms[1]);
    expect(messageForm(open, VmbusVersion.copper, 0, 156)).toBe(open.forms[1]);
    expect(messageForm(open, VmbusVersion.copper, signal, 156)).toBe(open.forms[0]);
    // A guest that negotiated the feature must send all of it.
    expect(messageForm(open, VmbusVersion.copper, signal, 148)).toBe('short');
    const connect = messageRow(MessageType.tlConnectRequest)!;
    expect(messageForm(connect, VmbusVersion.win10, 0, 56)).toBe(connect.forms[1]);
    expect(messageForm(connect, VmbusVersion.rs5, 0, 56)).toBe(connect.forms[0]);
    expect(messageForm(connect, VmbusVersion.rs5, 0, 40)).toBe(connect.forms[1]);
    expect(messageForm(connect, VmbusVersion.win8_1, 0, 40)).toBeUndefined();
  });
});

function sample(before: unknown, index: number): unknown {
  if (typeof before === 'bigint') return 0x1122_3344_5566_7700n + BigInt(index);
  if (typeof before === 'string') return `00112233-4455-6677-8899-aabbccddee${10 + index}`;
  if (before instanceof Uint8Array) return before.map((_, at) => (at + index) & 0xff);
  return index + 1;
}
