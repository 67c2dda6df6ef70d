import { describe, expect, it } from 'vitest';
import { HvStatus } from '../../src/hypervisor/spec/hypercalls.ts';
import { PAGE_BYTES } from '../../src/core/memory.ts';
import { PacketType } from '../../src/vmbus/spec/ring.ts';
import { monitorPendingOffset } from '../../src/vmbus/spec/monitor.ts';
import { VMBUS_VERSIONS, VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { vmbusRingFault } from '../../src/vmbus/trace.ts';
import { EchoDevice, RecordingDevice, TEST_CLASS } from './support/devices.ts';
import { TestGuest } from './support/guest.ts';
import type { OpenOptions, TestGuestOptions } from './support/guest.ts';

function open<Device extends RecordingDevice>(
  device: Device,
  openOptions: OpenOptions = {},
  options: TestGuestOptions = {},
) {
  const guest = new TestGuest(options);
  guest.plug(device);
  const channel = guest.openDevice(TEST_CLASS, openOptions);
  return { guest, device, channel };
}

function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function faults(guest: TestGuest): string[] {
  const texts: string[] = [];
  guest.trace.subscribe((_time, type, _values, text) => {
    if (type === vmbusRingFault) texts.push(text);
  });
  return texts;
}

describe('an open channel', () => {
  it('carries a request and its completion', () => {
    const { guest, device, channel } = open(new EchoDevice());
    channel.send(bytesOf(1, 2, 3, 4, 5, 6, 7, 8), { transaction: 77, transactionHi: 9 });
    const reply = channel.receive();
    expect(reply).toMatchObject({
      type: PacketType.completion,
      transactionLo: 77,
      transactionHi: 9,
    });
    expect([...reply!.payload]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(device.calls).toEqual(['open 0', 'signaled 0']);
    expect(guest.interrupts).toEqual([{ vp: 0, sint: 2, flag: channel.offer.channelId }]);
  });

  it.each(VMBUS_VERSIONS)('works at version %i', (version) => {
    const guest = new TestGuest();
    guest.plug(new EchoDevice());
    guest.connect(version);
    const channel = guest.openDevice(TEST_CLASS);
    channel.send(bytesOf(version & 0xff));
    expect(channel.receive()?.payload[0]).toBe(version & 0xff);
  });

  it('works with rings in pages that lie here and there', () => {
    const pages = [0x300, 0x210, 0x2ff, 0x250, 0x201, 0x100 + 0x280];
    const { channel } = open(new EchoDevice(), { sendPages: 3, receivePages: 3, pages });
    for (let round = 0; round < 50; round += 1) {
      const payload = new Uint8Array(1000).fill(round);
      channel.send(payload);
      expect(channel.receive()?.payload).toEqual(payload);
    }
  });

  it('gives no interrupt to a guest that wants none', () => {
    const { guest, channel } = open(new EchoDevice(), { targetVp: 0xffff_ffff });
    channel.send(bytesOf(1));
    expect(channel.receive()).toBeDefined();
    expect(guest.interrupts).toEqual([]);
  });

  it('has one event: others are a wrong parameter', () => {
    const { guest, channel } = open(new RecordingDevice());
    expect(guest.server.receiveEvent(channel.offer.connectionId, 1)).toBe(
      HvStatus.is.invalidParameter,
    );
    expect(guest.server.receiveEvent(0x2fff, 0)).toBe(HvStatus.is.invalidConnectionId);
  });

  it('tells the device of packets that were there before it opened', () => {
    const guest = new TestGuest();
    const device = new EchoDevice();
    guest.plug(device);
    guest.connect();
    const channel = guest.prepare(guest.requestOffers()[0]!);
    // The guest is early, and its signal has nowhere to go.
    channel.send(bytesOf(5));
    guest.post(channel.openMessage());
    expect(device.calls).toEqual(['open 0', 'signaled 0']);
    expect(channel.receive()?.payload[0]).toBe(5);
  });
});

describe('memory that a GPA-direct packet names', () => {
  function received(
    ranges: readonly { gpa: number; bytes: number }[],
    check: (device: RecordingDevice, fault: string[]) => void,
  ): void {
    const { guest, device, channel } = open(new RecordingDevice());
    const told = faults(guest);
    channel.sendGpaDirect(bytesOf(1, 2, 3), ranges, { transaction: 4 });
    expect(device.channel.receive()).toBe(true);
    expect(device.channel.packet).toMatchObject({ type: PacketType.gpaDirect, flags: 1 });
    expect(device.channel.packet.payloadLength).toBe(8);
    check(device, told);
  }

  it('comes as runs of linear memory, neighbours merged', () => {
    received([{ gpa: 0x20_0123, bytes: 20_000 }], ({ channel: { packet } }) => {
      expect(packet.ranges).toMatchObject({ count: 1, rangeCount: 1, totalBytes: 20_000 });
      expect(packet.ranges.offsets[0]).toBe(0x20_0123);
      expect(packet.ranges.lengths[0]).toBe(20_000);
    });
  });

  it('may have several ranges', () => {
    const ranges = [
      { gpa: 0x20_0000, bytes: 4096 },
      { gpa: 0x30_0800, bytes: 4096 },
    ];
    received(ranges, ({ channel: { packet } }) => {
      expect(packet.ranges).toMatchObject({ count: 2, rangeCount: 2, totalBytes: 8192 });
    });
  });

  it('that is not there leaves the packet without memory', () => {
    received([{ gpa: 0xfee0_0000, bytes: 4096 }], ({ channel: { packet } }, told) => {
      expect(packet.ranges).toMatchObject({ count: 0, totalBytes: 0 });
      expect(told).toEqual(['page 0xfee00 is not RAM']);
    });
  });

  it.each([
    ['no extension', 9, 2, 'no list of ranges'],
    ['a list without ranges', 9, 3, 'a list without ranges'],
    ['transfer pages from a guest', 7, 2, undefined],
  ])('%s: the packet comes without memory, and the ring goes on', (_name, type, start8, told) => {
    const { guest, device, channel } = open(new RecordingDevice());
    const faulty = faults(guest);
    channel.send(new Uint8Array(24), { transaction: 8 });
    // The packet's descriptor says another type, and where its payload begins.
    const { ring } = channel.writer;
    const at = ring.wordAt(0);
    ring.u32[at] = type | (start8 << 16);
    channel.send(bytesOf(7), { transaction: 9 });
    expect(device.channel.receive()).toBe(true);
    expect(device.channel.packet).toMatchObject({ type, transactionLo: 8 });
    expect(device.channel.packet.ranges).toMatchObject({ count: 0, totalBytes: 0 });
    expect(device.channel.receive()).toBe(true);
    expect(device.channel.packet.transactionLo).toBe(9);
    expect(faulty).toEqual(told === undefined ? [] : [expect.stringContaining(told)]);
  });

  it('is forgotten with the next packet', () => {
    const { device, channel } = open(new RecordingDevice());
    channel.sendGpaDirect(bytesOf(1), [{ gpa: 0x20_0000, bytes: 100 }]);
    channel.send(bytesOf(2));
    device.channel.receive();
    device.channel.receive();
    expect(device.channel.packet.ranges).toMatchObject({ count: 0, totalBytes: 0 });
  });
});

describe('draining', () => {
  it('is masked, so that one signal is enough for many packets', () => {
    const { device, channel } = open(new RecordingDevice());
    channel.send(bytesOf(1));
    expect(channel.signals).toBe(1);
    expect(device.channel.receive()).toBe(true);
    expect(channel.writer.ring.interruptMask).toBe(1);
    channel.send(bytesOf(2));
    expect(device.channel.receive()).toBe(true);
    expect(device.channel.receive()).toBe(false);
    expect(channel.writer.ring.interruptMask).toBe(0);
    expect(channel.signals).toBe(1);
    channel.send(bytesOf(3));
    expect(channel.signals).toBe(2);
  });

  it('of a corrupt ring reads as empty and says why, once', () => {
    const { guest, device, channel } = open(new RecordingDevice());
    const told = faults(guest);
    channel.writer.ring.inIndex = 0xffff_fff8;
    channel.signal();
    expect(device.channel.receive()).toBe(false);
    expect(device.channel.receive()).toBe(false);
    expect(told).toEqual([expect.stringMatching(/write index 4294967288/)]);
  });
});

/** Fills the ring to the guest and then fails to send one more packet. */
function fill(device: RecordingDevice): number {
  const payload = new Uint8Array(1000);
  let sent = 0;
  while (device.channel.sendInBand(payload, 0, payload.length, sent, 0, false)) sent += 1;
  return sent;
}

describe('a full ring to the guest', () => {
  it('is written on when the guest says that there is room, exactly once', () => {
    const { device, channel } = open(new RecordingDevice());
    const sent = fill(device);
    expect(channel.reader.ring.pendingSendSize).toBe(1024);
    device.calls.length = 0;
    for (let index = 0; index < sent; index += 1) channel.receive();
    expect(channel.signals).toBe(1);
    expect(device.calls).toEqual(['writable 0', 'signaled 0']);
    expect(channel.reader.ring.pendingSendSize).toBe(0);
    expect(channel.receive()).toBeUndefined();
  });

  it('is looked at every 100 ms for a guest that says nothing', () => {
    const { guest, device, channel } = open(new RecordingDevice(), { pendingSendSize: false });
    const sent = fill(device);
    device.calls.length = 0;
    guest.events.runNext();
    expect(device.calls).toEqual([]);
    for (let index = 0; index < sent; index += 1) channel.receive();
    expect(channel.signals).toBe(0);
    guest.run();
    expect(device.calls).toEqual(['writable 0']);
    expect(guest.clock.nowNs).toBe(200_000_000);
  });

  it('that can never take the packet is a fault, not a wait', () => {
    const { guest, device } = open(new RecordingDevice(), { receivePages: 2 });
    const told = faults(guest);
    expect(device.channel.sendInBand(new Uint8Array(4090), 0, 4090, 0, 0, false)).toBe(false);
    expect(told).toEqual(['4120 bytes do not fit the ring to the guest']);
    guest.run();
    expect(device.calls).toEqual(['open 0']);
  });

  it('of a closed channel is not looked at any more', () => {
    const { guest, device, channel } = open(new RecordingDevice());
    fill(device);
    channel.close();
    guest.run();
    expect(device.calls).toEqual(['open 0', 'close 0']);
    expect(guest.events.pendingCount).toBe(0);
  });
});

describe('the shared interrupt page', () => {
  function legacy(version: number) {
    const guest = new TestGuest();
    const device = new EchoDevice();
    guest.plug(device);
    const page = guest.allocate(PAGE_BYTES);
    guest.connect(version, { interruptPageGpa: page });
    return { guest, device, page, channel: guest.openDevice(TEST_CLASS) };
  }

  it('carries both directions at 0.13', () => {
    const { guest, page, channel, device } = legacy(VmbusVersion.v1);
    channel.isSignalling = false;
    channel.send(bytesOf(3));
    const guestHalf = (page + 2048) / 4;
    guest.memory.u32[guestHalf] = 1 << channel.offer.channelId;
    guest.server.receiveEvent(2, 0);
    expect(guest.memory.u32[guestHalf]).toBe(0);
    expect(device.calls).toEqual(['open 0', 'signaled 0']);
    expect(guest.memory.u32[page / 4]).toBe(1 << channel.offer.channelId);
    expect(guest.interrupts).toEqual([{ vp: 0, sint: 2, flag: 0 }]);
  });

  it('raises nothing while the guest has not taken the last bit', () => {
    const { guest, channel, page } = legacy(VmbusVersion.win7);
    channel.send(bytesOf(1));
    channel.receive();
    channel.send(bytesOf(2));
    channel.receive();
    expect(guest.interrupts.length).toBe(1);
    guest.memory.u32[page / 4] = 0;
    channel.send(bytesOf(3));
    expect(guest.interrupts.length).toBe(2);
  });

  it('ignores bits for channels that are not open', () => {
    const { guest, page, device } = legacy(VmbusVersion.v1);
    guest.memory.u8.fill(0xff, page + 2048, page + 4096);
    guest.server.receiveEvent(2, 0);
    expect(device.calls).toEqual(['open 0', 'signaled 0']);
  });
});

describe('the monitor page', () => {
  function monitored() {
    const guest = new TestGuest();
    const fast = new EchoDevice(1, { monitorLatency100ns: 1000 });
    const slow = new RecordingDevice(2, { monitorLatency100ns: 5000 });
    guest.plug(fast);
    guest.plug(slow);
    const toChild = guest.allocate(PAGE_BYTES);
    const toParent = guest.allocate(PAGE_BYTES);
    guest.connect(VmbusVersion.win10, {
      parentToChildMonitorGpa: toChild,
      childToParentMonitorGpa: toParent,
    });
    guest.requestOffers();
    return { guest, fast, slow, toParent };
  }

  it('takes the place of the signal: the host looks after the latency', () => {
    const { guest, fast, toParent } = monitored();
    expect(guest.offers.map(({ monitorId }) => monitorId)).toEqual([0, 1]);
    expect(guest.server.monitorIntervalNs).toBe(Infinity);
    guest.open(guest.offers[1]!);
    expect(guest.server.monitorIntervalNs).toBe(500_000);
    const channel = guest.open(guest.offers[0]!);
    expect(guest.server.monitorIntervalNs).toBe(100_000);
    channel.isSignalling = false;
    channel.send(bytesOf(6));
    expect(guest.server.pollMonitor()).toBe(0);
    const word = (toParent + monitorPendingOffset(0)) / 4;
    guest.memory.u32[word] = 1;
    expect(guest.server.pollMonitor()).toBe(1);
    expect(guest.memory.u32[word]).toBe(0);
    expect(fast.calls).toEqual(['open 0', 'signaled 0']);
    expect(channel.receive()?.payload[0]).toBe(6);
  });

  it('full of bits signals only channels that are open', () => {
    const { guest, slow, toParent } = monitored();
    guest.open(guest.offers[1]!);
    guest.memory.u8.fill(0xff, toParent, toParent + PAGE_BYTES);
    expect(guest.server.pollMonitor()).toBe(1);
    expect(slow.calls).toEqual(['open 0', 'signaled 0']);
  });
});
