import { describe, expect, it } from 'vitest';
import { SyntheticKeyboard } from '../../../src/devices/keyboard/keyboard.ts';
import { SyntheticMouse } from '../../../src/devices/mouse/mouse.ts';
import { SyntheticVideo } from '../../../src/devices/video/video.ts';
import { PacketType } from '../../../src/vmbus/spec/ring.ts';
import { Display } from '../../../src/fb/display.ts';
import { FakeChannel } from '../support/fake-channel.ts';
import { framed, MessageGuest } from '../support/message-guest.ts';
import { unhex } from '../support/scsi-runner.ts';

const MS = 1_000_000;
const REQUEST = '01 00 00 00 00 00 01 00';
/** Answered by a version response of six bytes. */
const VIDEO_REQUEST = unhex('01 00 00 00 04 00 00 00 03 00 05 00');

function keyboard(): MessageGuest<SyntheticKeyboard> {
  return new MessageGuest((parts) => new SyntheticKeyboard(parts));
}

function video(): MessageGuest<SyntheticVideo> {
  return new MessageGuest(
    (parts) => new SyntheticVideo({ ...parts, display: new Display(), generation: 1 }),
  );
}

describe('the offer', () => {
  it('of a pipe says so, and names a message pipe', () => {
    const { offer } = video().device;
    expect(offer.flags).toBe(0x11);
    expect(Array.from(offer.userDefined.slice(0, 5))).toEqual([4, 0, 0, 0, 0]);
    expect(offer.userDefined.length).toBe(120);
  });

  it('of a device with plain packets does not', () => {
    const { offer } = keyboard().device;
    expect(offer.flags).toBe(0x01);
    expect(offer.userDefined.length).toBe(0);
  });
});

describe('a message device', () => {
  it('looks at the ring some microseconds after the signal, not within it', () => {
    const guest = keyboard().open();
    guest.channel.send(unhex(REQUEST));
    expect(guest.device.isReady).toBe(false);
    guest.pass(4000);
    expect(guest.device.isReady).toBe(true);
  });

  it('never completes a packet, whether or not the guest asks', () => {
    const guest = keyboard().open();
    guest.channel.send(unhex(REQUEST), { transaction: 7, wantsCompletion: true });
    guest.pass(MS);
    expect(guest.channel.receive()).toMatchObject({ type: PacketType.inBand });
    expect(guest.channel.receive()).toBeUndefined();
  });

  it('has no sub-channels', () => {
    const { device, guest } = keyboard();
    expect(device.open(new FakeChannel(guest.memory, 1))).not.toBe(0);
  });

  it('a second opening closes the first', () => {
    const { device, guest } = keyboard();
    const first = new FakeChannel(guest.memory);
    const second = new FakeChannel(guest.memory);
    device.open(first);
    device.open(second);
    device.close(first);
    first.queued.push(packet(unhex(REQUEST)));
    device.signaled(first);
    guest.run();
    expect(device.isReady).toBe(false);
    second.queued.push(packet(unhex(REQUEST)));
    device.signaled(second);
    guest.run();
    expect(device.isReady).toBe(true);
    expect([first.sent.length, second.sent.length]).toEqual([0, 1]);
  });

  it('handles a full ring in batches, with other work between them', () => {
    const { device, guest } = keyboard();
    const channel = new FakeChannel(guest.memory);
    device.open(channel);
    for (let count = 0; count < 1000; count += 1) channel.queued.push(packet(unhex(REQUEST)));
    device.signaled(channel);
    let events = 0;
    while (guest.events.runNext()) events += 1;
    expect(channel.sent.length).toBe(1000);
    expect(events).toBe(16);
  });
});

describe('a guest that does not read', () => {
  function stalled(): { bench: ReturnType<typeof video>; channel: FakeChannel } {
    const bench = video();
    const channel = new FakeChannel(bench.guest.memory);
    channel.room = 0;
    channel.unreadBytes = 8;
    bench.device.open(channel);
    for (let count = 0; count < 100; count += 1) channel.queued.push(packet(framed(VIDEO_REQUEST)));
    bench.device.signaled(channel);
    bench.guest.run();
    return { bench, channel };
  }

  it('is not read from either, once 32 answers wait', () => {
    const { channel, bench } = stalled();
    expect(channel.queued.length).toBe(68);
    bench.device.signaled(channel);
    bench.guest.run();
    expect(channel.queued.length).toBe(68);
  });

  it('gets everything, in order, as it makes room', () => {
    const { channel, bench } = stalled();
    for (let round = 0; round < 200 && channel.sent.length < 100; round += 1) {
      channel.room = 7;
      bench.device.writable(channel);
      bench.guest.run();
    }
    expect(channel.sent.length).toBe(100);
    expect(channel.queued.length).toBe(0);
  });

  it('on a real ring gets everything too, by the host looking again', () => {
    const guest = new MessageGuest((parts) => new SyntheticMouse(parts));
    guest.open({ sendPages: 5, receivePages: 2 });
    const request = framed(unhex('00 00 00 00 04 00 00 00 00 00 02 00'));
    for (let count = 0; count < 200; count += 1) guest.channel.send(request);
    const heard: Uint8Array[] = [];
    for (let round = 0; round < 100; round += 1) heard.push(...guest.pass(10 * MS).hearAll());
    expect(heard.length).toBe(400);
    expect(heard.filter((_, index) => index % 2 === 1).every(({ length }) => length === 116)).toBe(
      true,
    );
  });
});

function packet(payload: Uint8Array): FakeChannel['queued'][number] {
  const ranges = {
    offsets: new Float64Array(0),
    lengths: new Float64Array(0),
    count: 0,
    rangeCount: 0,
    totalBytes: 0,
  };
  return { type: PacketType.inBand, flags: 0, transactionLo: 0, transactionHi: 0, payload, ranges };
}
