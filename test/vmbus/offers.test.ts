import { describe, expect, it } from 'vitest';
import { buildMessage } from '../../src/vmbus/outbox.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { OfferFlag } from '../../src/vmbus/spec/offers.ts';
import { VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { RecordingDevice, TEST_CLASS } from './support/devices.ts';
import { readOffer, TestGuest } from './support/guest.ts';

const OTHER_CLASS = '00000000-2222-3333-4444-555555555555';

function connected(...devices: RecordingDevice[]): TestGuest {
  const guest = new TestGuest();
  for (const device of devices) guest.plug(device);
  guest.connect();
  guest.requestOffers();
  return guest;
}

function requestOffers(): Uint8Array {
  return buildMessage(wire.RequestOffers, MessageType.requestOffers);
}

function types(guest: TestGuest): number[] {
  return guest.messages.map(({ type }) => type);
}

describe('offers', () => {
  it('come in the order of number, class and instance, whatever order devices came in', () => {
    const guest = connected(
      new RecordingDevice(9, { order: 2 }),
      new RecordingDevice(8, { order: 1 }),
      new RecordingDevice(7, { order: 1 }),
      new RecordingDevice(6, { order: 1, interfaceId: OTHER_CLASS }),
    );
    const found = guest.offers.map(({ channelId, instanceId, connectionId }) => [
      channelId,
      Number.parseInt(instanceId.slice(-4), 16),
      connectionId,
    ]);
    expect(found).toEqual([
      [1, 6, 0x2001],
      [2, 7, 0x2002],
      [3, 8, 0x2003],
      [4, 9, 0x2004],
    ]);
  });

  it('have the same ids at every connection', () => {
    const guest = connected(new RecordingDevice(2), new RecordingDevice(1));
    const first = [...guest.offers];
    guest.unload();
    guest.connect();
    expect([...guest.requestOffers()]).toEqual(first);
  });

  it('are made once for a connection', () => {
    const guest = connected(new RecordingDevice(1));
    guest.messages.length = 0;
    guest.post(requestOffers());
    expect(guest.messages).toEqual([]);
  });

  it('leave out what the connection has not negotiated', () => {
    const flags =
      OfferFlag.namedPipeMode |
      OfferFlag.confidentialRingBuffer |
      OfferFlag.requirePinnedExternalMemory;
    const guest = connected(new RecordingDevice(1, { flags, monitorLatency100ns: 1000 }));
    expect(guest.offers[0]).toMatchObject({
      flags: OfferFlag.namedPipeMode,
      monitorId: 0xff,
      monitorAllocated: 0,
    });
  });

  it('follow for a device that is added later, with the next free id', () => {
    const guest = connected(new RecordingDevice(1));
    guest.messages.length = 0;
    guest.plug(new RecordingDevice(2));
    expect(readOffer(guest.take(MessageType.offerChannel).view).channelId).toBe(2);
    expect(guest.messages).toEqual([]);
  });

  it('wait for RequestOffers', () => {
    const guest = new TestGuest();
    guest.connect();
    guest.plug(new RecordingDevice(1));
    expect(guest.messages).toEqual([]);
  });

  it('refuse a device that is there already', () => {
    const guest = connected(new RecordingDevice(1));
    expect(() => guest.plug(new RecordingDevice(1))).toThrow(/on the bus twice/);
  });

  it('end when 2047 channels are out', () => {
    const guest = new TestGuest();
    for (let index = 1; index <= 2050; index += 1) guest.plug(new RecordingDevice(index));
    guest.connect();
    expect(guest.requestOffers().length).toBe(2047);
    expect(guest.offers.at(-1)!.channelId).toBe(2047);
  });
});

describe('a device that is removed', () => {
  it('is rescinded, and its id is not used before the guest releases it', () => {
    const device = new RecordingDevice(1);
    const guest = connected(device);
    guest.messages.length = 0;
    device.bus!.rescind();
    expect(types(guest)).toEqual([MessageType.rescindChannelOffer]);
    guest.plug(new RecordingDevice(2));
    expect(guest.offers.at(-1)!.channelId).toBe(2);
    guest.releaseChannel(1);
    guest.plug(new RecordingDevice(3));
    expect(guest.offers.at(-1)!.channelId).toBe(1);
  });

  it('that comes back is offered again only after RelIdReleased, with the same id', () => {
    const guest = connected(new RecordingDevice(1));
    guest.server.offer(new RecordingDevice(2));
    const first = new RecordingDevice(3);
    guest.plug(first);
    guest.messages.length = 0;
    first.bus!.rescind();
    const second = new RecordingDevice(3);
    guest.plug(second);
    expect(types(guest)).toEqual([MessageType.rescindChannelOffer]);
    guest.releaseChannel(3);
    expect(types(guest)).toEqual([MessageType.rescindChannelOffer, MessageType.offerChannel]);
    expect(guest.offers.at(-1)!.channelId).toBe(3);
    guest.messages.length = 0;
    guest.open(guest.offers.at(-1)!);
    expect(first.calls).toEqual([]);
    expect(second.calls).toEqual(['open 0']);
  });

  it('twice before the guest noticed says no second rescind', () => {
    const first = new RecordingDevice(1);
    const guest = connected(first);
    first.bus!.rescind();
    first.bus!.rescind();
    const second = new RecordingDevice(1);
    guest.plug(second);
    guest.messages.length = 0;
    second.bus!.rescind();
    expect(guest.messages).toEqual([]);
    guest.releaseChannel(1);
    expect(guest.messages).toEqual([]);
    expect(guest.server.offer(new RecordingDevice(1))).toBeDefined();
    expect(guest.offers.at(-1)!.channelId).toBe(1);
  });

  it('before any guest came leaves no trace of itself', () => {
    const guest = new TestGuest();
    const device = new RecordingDevice(1);
    guest.plug(device);
    device.bus!.rescind();
    guest.connect();
    expect(guest.requestOffers()).toEqual([]);
  });

  it('takes its open channels from the device, sub-channels first', () => {
    const device = new RecordingDevice(1);
    const guest = connected(device);
    guest.open(guest.offers[0]!);
    device.bus!.offerSubChannels(1);
    guest.open(guest.offers[1]!);
    guest.messages.length = 0;
    device.bus!.rescind();
    expect(device.calls).toEqual(['open 0', 'open 1', 'close 1', 'close 0']);
    const ids = guest.messages.map(({ view }) => view.getUint32(8, true));
    expect(types(guest)).toEqual([
      MessageType.rescindChannelOffer,
      MessageType.rescindChannelOffer,
    ]);
    expect(ids).toEqual([2, 1]);
  });
});

describe('sub-channels', () => {
  it('carry the GUIDs of the device and an index', () => {
    const device = new RecordingDevice(1);
    const guest = connected(device);
    guest.open(guest.offers[0]!);
    expect(device.bus!.offerSubChannels(3)).toBe(3);
    const subs = guest.offers.slice(1);
    expect(subs.map(({ subChannelIndex }) => subChannelIndex)).toEqual([1, 2, 3]);
    expect(subs.every(({ interfaceId }) => interfaceId === TEST_CLASS)).toBe(true);
    guest.open(subs[1]!, { targetVp: 1 });
    expect(device.channels.map((channel) => channel.subChannelIndex)).toEqual([0, 2]);
  });

  it('are offered once each while the primary channel is open', () => {
    const device = new RecordingDevice(1);
    const guest = connected(device);
    expect(device.bus!.offerSubChannels(1)).toBe(0);
    guest.open(guest.offers[0]!);
    expect(device.bus!.offerSubChannels(1)).toBe(1);
    expect(device.bus!.offerSubChannels(3)).toBe(2);
  });

  it('are withdrawn when the primary channel closes, and come anew with the next opening', () => {
    const device = new RecordingDevice(1);
    const guest = connected(device);
    const channel = guest.open(guest.offers[0]!);
    device.bus!.offerSubChannels(2);
    guest.messages.length = 0;
    channel.close();
    expect(types(guest)).toEqual([
      MessageType.rescindChannelOffer,
      MessageType.rescindChannelOffer,
    ]);
    guest.releaseChannel(2);
    guest.releaseChannel(3);
    guest.open(guest.offers[0]!);
    expect(device.bus!.offerSubChannels(2)).toBe(2);
    expect(guest.offers.slice(-2).map(({ channelId }) => channelId)).toEqual([2, 3]);
  });

  it('do not exist below 2.4', () => {
    const device = new RecordingDevice(1);
    const guest = new TestGuest();
    guest.plug(device);
    guest.connect(VmbusVersion.win7);
    guest.open(guest.requestOffers()[0]!);
    expect(device.bus!.offerSubChannels(2)).toBe(0);
  });
});
