/** Host behaviour that scenario scripts need (freebsd-bis.md 4 and 4.1), by the hooks they use. */
import { describe, expect, it } from 'vitest';
import type { OutgoingMessage } from '../../src/vmbus/host.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { RecordingDevice } from './support/devices.ts';
import { gpadlMessages, TestGuest } from './support/guest.ts';

function connected(device: RecordingDevice): TestGuest {
  const guest = new TestGuest();
  guest.plug(device);
  guest.connect();
  guest.requestOffers();
  guest.messages.length = 0;
  return guest;
}

/** Keeps messages of one type back. */
function withhold(guest: TestGuest, type: number): OutgoingMessage[] {
  const kept: OutgoingMessage[] = [];
  guest.server.messageFilter = (message) => {
    if (message.type === type) kept.push(message);
    return message.type !== type;
  };
  return kept;
}

function types(guest: TestGuest): number[] {
  return guest.messages.map(({ type }) => type);
}

describe('scenarios', () => {
  it('S10: a channel is rescinded between the open and its result, which never comes', () => {
    const device = new RecordingDevice();
    const guest = connected(device);
    const channel = guest.prepare(guest.offers[0]!);
    const kept = withhold(guest, MessageType.openResult);
    guest.post(channel.openMessage());
    device.bus!.rescind();
    expect(kept.length).toBe(1);
    expect(types(guest)).toEqual([MessageType.rescindChannelOffer]);
  });

  it('S11: a script decides whether a teardown is answered', () => {
    const guest = connected(new RecordingDevice());
    const kept = withhold(guest, MessageType.gpadlTorndown);
    const gpadlId = guest.createGpadl(1, 4096, 0, [0x300]);
    guest.tearDownGpadl(1, gpadlId);
    expect(types(guest)).toEqual([]);
    guest.server.deliver(kept[0]!);
    expect(types(guest)).toEqual([MessageType.gpadlTorndown]);
  });

  it('S14: the event can come before the guest has the OpenResult', () => {
    const device = new RecordingDevice();
    const guest = connected(device);
    const channel = guest.prepare(guest.offers[0]!);
    const kept = withhold(guest, MessageType.openResult);
    guest.post(channel.openMessage());
    device.channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    device.channel.sendInBand(Uint8Array.of(2), 0, 1, 0, 0, false);
    // The ring is not empty any more: the one interrupt was all there will be.
    expect(guest.interrupts).toEqual([{ vp: 0, sint: 2, flag: 1 }]);
    guest.server.deliver(kept[0]!);
    expect(types(guest)).toEqual([MessageType.openResult]);
  });

  it('S16: a reader that does not look again after unmasking stalls, one that does goes on', () => {
    const device = new RecordingDevice();
    const guest = connected(device);
    const channel = guest.open(guest.offers[0]!);
    const { reader } = channel;
    reader.setMask(true);
    expect(reader.receive()).toBe(false);
    device.channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    reader.setMask(false);
    device.channel.sendInBand(Uint8Array.of(2), 0, 1, 0, 0, false);
    expect(guest.interrupts).toEqual([]);
    // What the fix does.
    expect(reader.availableBytes).toBeGreaterThan(0);
    expect(channel.receive()?.payload[0]).toBe(1);
  });

  it('S17: the result of a sub-channel open is held until its rescind is acknowledged', () => {
    const device = new RecordingDevice();
    const guest = connected(device);
    guest.open(guest.offers[0]!);
    device.bus!.offerSubChannels(1);
    const sub = guest.prepare(guest.offers[1]!);
    const kept = withhold(guest, MessageType.openResult);
    guest.messages.length = 0;
    guest.post(sub.openMessage());
    device.bus!.rescind();
    expect(types(guest)).toEqual([
      MessageType.rescindChannelOffer,
      MessageType.rescindChannelOffer,
    ]);
    guest.releaseChannel(2);
    guest.server.deliver(kept[0]!);
    expect(guest.take(MessageType.openResult).view.getUint32(8, true)).toBe(2);
  });

  it('S20: what is said on unload goes where InitiateContact said', () => {
    const guest = new TestGuest();
    guest.connect(0x0004_0000, { messageVp: 0 });
    guest.unload();
    expect(guest.take(MessageType.unloadComplete)).toMatchObject({ vp: 0, sint: 2 });
  });

  it('messages can be delivered in another order', () => {
    const guest = new TestGuest();
    for (let index = 1; index <= 3; index += 1) guest.plug(new RecordingDevice(index));
    guest.connect();
    const kept = withhold(guest, MessageType.offerChannel);
    guest.requestOffers();
    for (const message of kept.reverse()) guest.server.deliver(message);
    expect(guest.offers.map(({ channelId }) => channelId)).toEqual([3, 2, 1]);
  });

  it('a busy slot holds messages back, in order', () => {
    let isBusy = false;
    const seen: number[] = [];
    const guest = new TestGuest({
      host: {
        sendMessage: (_vp, _sint, payload, start, length) => {
          if (isBusy) return false;
          const view = new DataView(payload.buffer, start, length);
          seen.push(view.getUint32(0, true));
          return true;
        },
      },
    });
    guest.plug(new RecordingDevice());
    const contact = new Uint8Array(wire.InitiateContact.size);
    const view = new DataView(contact.buffer);
    view.setUint32(0, MessageType.initiateContact, true);
    view.setUint32(8, 0x0004_0000, true);
    guest.post(contact);
    isBusy = true;
    guest.post(Uint8Array.of(MessageType.requestOffers, 0, 0, 0, 0, 0, 0, 0));
    const range = [{ bytes: 4096, offset: 0, pfns: [0x300] }];
    for (const message of gpadlMessages(1, 5, range)) guest.post(message);
    expect(seen).toEqual([MessageType.versionResponse]);
    isBusy = false;
    guest.server.flush();
    expect(seen).toEqual([
      MessageType.versionResponse,
      MessageType.offerChannel,
      MessageType.allOffersDelivered,
      MessageType.gpadlCreated,
    ]);
  });
});
