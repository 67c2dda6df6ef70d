/** Opening, closing and letting go, in every order that a guest and a slow device can bring about. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HvStatus } from '../../src/hypervisor/spec/hypercalls.ts';
import { buildMessage } from '../../src/vmbus/outbox.ts';
import { NO_INTERRUPT_VP } from '../../src/vmbus/spec/ids.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import { FeatureFlag, VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { RecordingDevice } from './support/devices.ts';
import { initiateContact, TestGuest } from './support/guest.ts';
import type { GuestOffer, TestChannel, TestGuestOptions } from './support/guest.ts';
import { SlowHost } from './support/slow-host.ts';

let guest: TestGuest;
let device: RecordingDevice;
let slow: SlowHost;
let offer: GuestOffer;

function start(options: TestGuestOptions = {}, version: number = VmbusVersion.iron): void {
  slow = new SlowHost();
  guest = new TestGuest({ host: { perform: slow.perform }, ...options });
  device = new RecordingDevice(1);
  guest.plug(device);
  guest.connect(version);
  offer = guest.requestOffers()[0]!;
  guest.messages.length = 0;
}

beforeEach(() => start());

function types(): number[] {
  return guest.messages.map(({ type }) => type);
}

/** Rings and their GPADL, with the messages out of the way. */
function prepared(): TestChannel {
  slow.isQuick = true;
  const channel = guest.prepare(offer);
  slow.isQuick = false;
  return channel;
}

function openStatus(): number {
  return wire.OpenResult.cursor(guest.take(MessageType.openResult).view).status;
}

function opened() {
  const channel = prepared();
  guest.post(channel.openMessage());
  slow.finish('open');
  expect(openStatus()).toBe(0);
  return channel;
}

describe('open', () => {
  it('is answered when the device has opened', () => {
    const channel = prepared();
    guest.post(channel.openMessage({ userData: Uint8Array.of(1, 2, 3) }));
    expect(types()).toEqual([]);
    slow.finish('open');
    expect(openStatus()).toBe(0);
    expect([...device.channel.userData.subarray(0, 4)]).toEqual([1, 2, 3, 0]);
    expect(device.channel).toMatchObject({ channelId: 1, targetVp: 0, vmbusVersion: 0x5_0003 });
  });

  it('passes on the refusal of the device, and can be tried again', () => {
    const channel = prepared();
    device.openStatus = 0xc000_000d;
    guest.post(channel.openMessage());
    slow.finish('open');
    expect(openStatus()).toBe(0xc000_000d);
    expect(guest.server.receiveEvent(offer.connectionId, 0)).toBe(HvStatus.is.invalidConnectionId);
    device.openStatus = 0;
    guest.post(channel.openMessage());
    slow.finish('open');
    expect(openStatus()).toBe(0);
  });

  it('of an unknown channel is refused', () => {
    const channel = prepared();
    const message = channel.openMessage();
    new DataView(message.buffer).setUint32(8, 99, true);
    guest.post(message);
    expect(openStatus()).not.toBe(0);
  });

  it.each([
    ['an unknown GPADL', 16, 5],
    ['rings of one page', 24, 1],
    ['no second ring', 24, 10],
    ['a second ring of one page', 24, 9],
    ['a second ring far outside', 24, 0xffff_fff0],
  ])('with %s is refused', (_name, at, value) => {
    const message = prepared().openMessage();
    new DataView(message.buffer).setUint32(at, value, true);
    guest.post(message);
    slow.finish('open');
    expect(openStatus()).not.toBe(0);
    expect(device.calls).toEqual([]);
  });

  it('for a processor that is not there is refused', () => {
    const refused = new TestGuest({ processorCount: 2 });
    refused.plug(new RecordingDevice(1));
    refused.connect();
    const [first] = refused.requestOffers();
    expect(() => refused.open(first!, { targetVp: 2 })).toThrow(/open refused/);
    expect(refused.open(first!, { targetVp: 1 })).toBeDefined();
  });

  it('twice is an error that is not answered', () => {
    const channel = opened();
    guest.post(channel.openMessage());
    expect(types()).toEqual([]);
    expect(slow.waiting).toEqual([]);
  });

  it('may choose connection and event flag at 6.0', () => {
    const features = FeatureFlag.guestSpecifiedSignalParameters;
    const quick = new TestGuest();
    const target = new RecordingDevice(1);
    quick.plug(target);
    quick.connect(VmbusVersion.copper, { features });
    const channel = quick.prepare(quick.requestOffers()[0]!);
    const message = new Uint8Array(wire.OpenChannel2.size);
    message.set(channel.openMessage());
    const view = wire.OpenChannel2.cursor(new DataView(message.buffer));
    view.connectionId = 0x1_2345;
    view.eventFlag = 77;
    quick.post(message);
    expect(quick.server.receiveEvent(channel.offer.connectionId, 0)).not.toBe(0);
    expect(quick.server.receiveEvent(0x1_2345, 0)).toBe(0);
    target.channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    expect(quick.interrupts).toEqual([{ vp: 0, sint: 2, flag: 77 }]);
  });
});

describe('close', () => {
  it('has no answer', () => {
    opened().close();
    expect(types()).toEqual([]);
    expect(device.calls).toEqual(['open 0']);
    slow.finish('close');
    expect(device.calls).toEqual(['open 0', 'close 0']);
    expect(types()).toEqual([]);
  });

  it('followed at once by an open reopens when the device is ready', () => {
    const channel = opened();
    channel.close();
    guest.post(channel.openMessage());
    // A second one is too much.
    guest.post(channel.openMessage());
    expect(slow.waiting).toEqual(['close']);
    slow.finish('close');
    expect(slow.waiting).toEqual(['open']);
    slow.finish('open');
    expect(openStatus()).toBe(0);
    expect(device.calls).toEqual(['open 0', 'close 0', 'open 0']);
  });

  it('of a channel that is not open says nothing', () => {
    guest.closeChannel(1);
    guest.closeChannel(5);
    expect(types()).toEqual([]);
    expect(slow.waiting).toEqual([]);
  });

  it('makes the old channel dead for a device that kept it', () => {
    const channel = opened();
    const kept = device.channel;
    channel.send(Uint8Array.of(1));
    channel.close();
    slow.finish('close');
    expect(kept.receive()).toBe(false);
    expect(kept.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false)).toBe(false);
    expect(kept.gpadl(channel.gpadlId)).toBeUndefined();
  });
});

describe('RelIdReleased', () => {
  it('of a closing channel frees the id when the device is done', () => {
    opened().close();
    guest.releaseChannel(1);
    slow.finishAll();
    expect(device.calls).toEqual(['open 0', 'close 0']);
    expect(types()).toEqual([]);
    guest.closeChannel(1);
    expect(types()).toEqual([]);
  });

  it('of an open channel is an error', () => {
    const channel = opened();
    guest.releaseChannel(1);
    expect(guest.server.receiveEvent(channel.offer.connectionId, 0)).toBe(0);
    expect(device.calls).toEqual(['open 0', 'signaled 0']);
  });
});

describe('a rescind', () => {
  it('while the device opens leaves the open without an answer', () => {
    guest.post(prepared().openMessage());
    device.bus!.rescind();
    expect(types()).toEqual([MessageType.rescindChannelOffer]);
    slow.finish('open');
    expect(types()).toEqual([MessageType.rescindChannelOffer]);
    expect(device.calls).toEqual([]);
  });

  it('before the open arrives: a host says no more', () => {
    const channel = prepared();
    device.bus!.rescind();
    guest.messages.length = 0;
    guest.post(channel.openMessage());
    channel.close();
    expect(types()).toEqual([]);
    expect(slow.waiting).toEqual([]);
  });

  it('while the device closes ends it at once', () => {
    const channel = opened();
    channel.close();
    guest.post(channel.openMessage());
    device.bus!.rescind();
    expect(device.calls).toEqual(['open 0', 'close 0']);
    slow.finishAll();
    expect(device.calls).toEqual(['open 0', 'close 0']);
    expect(types()).toEqual([MessageType.rescindChannelOffer]);
  });
});

describe('Unload', () => {
  it('waits for channels and GPADLs', () => {
    opened();
    guest.unload();
    expect(types()).toEqual([]);
    expect(slow.waiting).toEqual(['close', 'gpadl-teardown']);
    slow.finish('gpadl-teardown');
    expect(types()).toEqual([]);
    slow.finish('close');
    expect(types()).toEqual([MessageType.unloadComplete]);
    expect(guest.server.connection.version).toBe(0);
  });

  it('waits for a device that opens, which then never sees the channel', () => {
    guest.post(prepared().openMessage());
    guest.unload();
    slow.finish('gpadl-teardown');
    expect(types()).toEqual([]);
    slow.finish('open');
    expect(types()).toEqual([MessageType.unloadComplete]);
    expect(device.calls).toEqual([]);
  });

  it('is not heard without a connection', () => {
    guest.unload();
    guest.unload();
    expect(types()).toEqual([MessageType.unloadComplete]);
  });

  it('ends in UnloadComplete on the processor of InitiateContact, wherever it came from', () => {
    guest.connect(VmbusVersion.iron, { messageVp: 3 });
    guest.messages.length = 0;
    guest.unload();
    expect(guest.take(MessageType.unloadComplete).vp).toBe(3);
  });
});

describe('InitiateContact on a connection', () => {
  it('takes everything back before it is answered', () => {
    opened();
    guest.post(initiateContact(VmbusVersion.win10), 1);
    expect(types()).toEqual([]);
    // Nothing of the old connection is understood meanwhile.
    guest.post(buildMessage(wire.RequestOffers, MessageType.requestOffers));
    slow.finishAll();
    expect(types()).toEqual([MessageType.versionResponse]);
    expect(device.calls).toEqual(['open 0', 'close 0']);
    guest.messages.length = 0;
    expect(guest.requestOffers().map(({ channelId }) => channelId)).toEqual([1]);
  });

  it('counts as the newest wish', () => {
    opened();
    guest.unload();
    guest.post(initiateContact(VmbusVersion.win8), 1);
    slow.finishAll();
    expect(types()).toEqual([MessageType.versionResponse]);
    expect(guest.server.connection.version).toBe(VmbusVersion.win8);
  });
});

describe('reset', () => {
  it('closes all devices at once and says nothing', () => {
    const channel = opened();
    device.bus!.offerSubChannels(2);
    guest.messages.length = 0;
    guest.post(channel.openMessage());
    guest.server.reset();
    expect(device.calls).toEqual(['open 0', 'close 0']);
    expect(types()).toEqual([]);
    guest.connect();
    expect(guest.requestOffers().map(({ channelId }) => channelId)).toEqual([1]);
  });

  it('does not wait for a device that opens, and forgets its answer', () => {
    guest.post(prepared().openMessage());
    guest.server.reset();
    slow.finishAll();
    expect(types()).toEqual([]);
    expect(device.calls).toEqual([]);
    expect(guest.connect()).toBe(true);
  });

  it('forgets what it still had to say', () => {
    const heard: number[] = [];
    const silent = new TestGuest({
      host: {
        sendMessage: (_vp, _sint, payload) => {
          heard.push(payload[0]!);
          return false;
        },
      },
    });
    silent.post(initiateContact(VmbusVersion.win10));
    silent.server.reset();
    heard.length = 0;
    silent.server.flush();
    expect(heard).toEqual([]);
  });
});

describe('ModifyChannel', () => {
  function modify(targetVp: number, channelId = 1): void {
    guest.post(
      buildMessage(wire.ModifyChannel, MessageType.modifyChannel, (message) => {
        message.channelId = channelId;
        message.targetVp = targetVp;
      }),
    );
  }

  function status(): number {
    const { view } = guest.take(MessageType.modifyChannelResponse);
    return wire.ModifyChannelResponse.cursor(view).status;
  }

  it('moves the interrupt, and answers when it has', () => {
    opened();
    modify(3);
    expect(types()).toEqual([]);
    expect(device.channel.targetVp).toBe(0);
    slow.finish('modify');
    expect(status()).toBe(0);
    device.channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    expect(guest.interrupts).toEqual([{ vp: 3, sint: 2, flag: 1 }]);
  });

  it('fails for a channel that is closed, unknown or has no interrupts', () => {
    modify(1);
    expect(status()).not.toBe(0);
    modify(1, 44);
    expect(status()).not.toBe(0);
    opened();
    modify(NO_INTERRUPT_VP);
    expect(status()).not.toBe(0);
  });

  it('while one is under way: the newest counts below 5.3, which has no answers', () => {
    start({}, VmbusVersion.rs5);
    opened();
    for (const vp of [1, 2, 3]) modify(vp);
    slow.finish('modify');
    expect(device.channel.targetVp).toBe(1);
    slow.finish('modify');
    expect(device.channel.targetVp).toBe(3);
    expect(slow.waiting).toEqual([]);
    expect(types()).toEqual([]);
  });
});

describe('a reserved channel', () => {
  const target = { vp: 2, sint: 3 };

  function openReserved(gpadlId: number): void {
    guest.post(
      buildMessage(wire.OpenReservedChannel, MessageType.openReservedChannel, (message) => {
        message.channelId = 1;
        message.targetVp = target.vp;
        message.targetSint = target.sint;
        message.ringBufferGpadlId = gpadlId;
        message.downstreamRingBufferPageOffset = 5;
      }),
    );
  }

  function closeReserved(vp: number, sint: number): void {
    guest.post(
      buildMessage(wire.CloseReservedChannel, MessageType.closeReservedChannel, (message) => {
        message.channelId = 1;
        message.targetVp = vp;
        message.targetSint = sint;
      }),
    );
  }

  function openedReserved() {
    const channel = prepared();
    openReserved(channel.gpadlId);
    slow.finish('open');
    expect(guest.take(MessageType.openResult)).toMatchObject(target);
    return channel;
  }

  it('has no interrupts, and replies where its requests say', () => {
    const channel = openedReserved();
    expect(device.channel.targetVp).toBe(NO_INTERRUPT_VP);
    device.channel.sendInBand(Uint8Array.of(1), 0, 1, 0, 0, false);
    expect(guest.interrupts).toEqual([]);
    expect(channel.receive()?.payload[0]).toBe(1);
    closeReserved(1, 4);
    slow.finish('close');
    const reply = guest.take(MessageType.closeReservedChannelResponse);
    expect(reply).toMatchObject({ vp: 1, sint: 4 });
  });

  it('outlives the connection', () => {
    openedReserved();
    guest.unload();
    expect(types()).toEqual([MessageType.unloadComplete]);
    expect(device.calls).toEqual(['open 0']);
    guest.connect();
    expect(guest.requestOffers()).toEqual([]);
    guest.messages.length = 0;
    guest.unload();
    guest.messages.length = 0;
    closeReserved(0, 2);
    slow.finishAll();
    expect(types()).toEqual([MessageType.closeReservedChannelResponse]);
    guest.connect();
    expect(guest.requestOffers().length).toBe(1);
  });

  it('is closed by its own message only, and takes no GPADLs', () => {
    const channel = openedReserved();
    guest.closeChannel(1);
    expect(slow.waiting).toEqual([]);
    guest.tearDownGpadl(1, channel.gpadlId);
    expect(types()).toEqual([]);
    expect(() => guest.createGpadl(1, 4096, 0, [0x300])).toThrow(/GPADL refused/);
  });

  it('does not exist below 4.0', () => {
    start({}, VmbusVersion.win8_1);
    openReserved(prepared().gpadlId);
    expect(slow.waiting).toEqual([]);
  });
});
