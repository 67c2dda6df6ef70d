import { describe, expect, it } from 'vitest';
import { PacketType } from '../../src/vmbus/spec/ring.ts';
import { VmbusVersion } from '../../src/vmbus/spec/versions.ts';
import { EchoDevice, RecordingDevice, TEST_CLASS } from './support/devices.ts';
import { TestGuest } from './support/guest.ts';
import type { TestGuestOptions } from './support/guest.ts';

function withDevice<Device extends RecordingDevice>(
  device: Device,
  options: TestGuestOptions = {},
): { guest: TestGuest; device: Device } {
  const guest = new TestGuest(options);
  guest.plug(device);
  return { guest, device };
}

function bytesOf(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

describe('an open channel', () => {
  it('carries a request and its completion', () => {
    const { guest, device } = withDevice(new EchoDevice());
    const channel = guest.openDevice(TEST_CLASS);
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
});

describe('versions', () => {
  it('opens at each of them', () => {
    for (const version of Object.values(VmbusVersion)) {
      const { guest } = withDevice(new EchoDevice());
      expect(guest.connect(version)).toBe(true);
      const channel = guest.openDevice(TEST_CLASS);
      channel.send(bytesOf(version & 0xff));
      expect(channel.receive()?.payload[0]).toBe(version & 0xff);
    }
  });
});
