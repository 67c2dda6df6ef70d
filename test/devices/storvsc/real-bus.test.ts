import { describe, expect, it } from 'vitest';
import { PAGE_BYTES } from '../../../src/core/memory.ts';
import { ScsiDisk } from '../../../src/devices/scsi/disk.ts';
import { StorvscController } from '../../../src/devices/storvsc/controller.ts';
import { DEFAULT_STORVSC_PROFILE } from '../../../src/devices/storvsc/profile.ts';
import { VstorOperation, VstorScsiRequest } from '../../../src/devices/storvsc/spec.ts';
import { DeviceClass } from '../../../src/vmbus/spec/guids.ts';
import { PacketType } from '../../../src/vmbus/spec/ring.ts';
import { VmbusVersion } from '../../../src/vmbus/spec/versions.ts';
import { type ReceivedPacket, type TestChannel, TestGuest } from '../../vmbus/support/guest.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { unhex } from '../support/scsi-runner.ts';

const { is } = VstorOperation;

interface Rig {
  readonly guest: TestGuest;
  readonly controller: StorvscController;
  readonly medium: MemoryDisk;
}

function rig(vmbusVersion: number = VmbusVersion.win10): Rig {
  const guest = new TestGuest();
  const medium = new MemoryDisk(1 << 19).fillPattern();
  const controller = new StorvscController({
    kind: { type: 'scsi', instanceId: '11111111-2222-3333-4444-555555555555' },
    order: 1,
    events: guest.events,
    clock: guest.clock,
    trace: guest.trace,
    memory: guest.memory,
    profile: DEFAULT_STORVSC_PROFILE,
    luns: [{ address: { target: 0, lun: 0 }, unit: new ScsiDisk(medium) }],
  });
  guest.plug(controller);
  guest.connect(vmbusVersion);
  return { guest, controller, medium };
}

function control(operation: number, operand: number): Uint8Array {
  const payload = new Uint8Array(64);
  const view = new DataView(payload.buffer);
  view.setUint32(0, operation, true);
  view.setUint32(4, 1, true);
  view.setUint16(12, operand, true);
  return payload;
}

function srb(cdb: string, dataIn = 2, length = 0): Uint8Array {
  const payload = new Uint8Array(64);
  const request = VstorScsiRequest.cursor(new DataView(payload.buffer)).at(0);
  request.operation = is.executeSrb;
  request.flags = 1;
  request.senseLength = 20;
  request.dataIn = dataIn;
  request.dataTransferLength = length;
  request.cdbOrSense = unhex(cdb);
  return payload;
}

function answerTo(guest: TestGuest, channel: TestChannel, payload: Uint8Array): ReceivedPacket {
  channel.send(payload, { transaction: 5, wantsCompletion: true });
  guest.run();
  const answer = channel.receive();
  if (answer === undefined) throw new Error('no answer');
  return answer;
}

function initialize(guest: TestGuest, channel: TestChannel): void {
  for (const [operation, operand] of [
    [is.beginInitialization, 0],
    [is.queryProtocolVersion, 0x0602],
    [is.queryProperties, 0],
    [is.endInitialization, 0],
  ] as const) {
    const answer = answerTo(guest, channel, control(operation, operand));
    expect(answer).toMatchObject({ type: PacketType.completion, transactionLo: 5 });
    expect(answer.view.getUint32(8, true)).toBe(0);
  }
}

describe('storvsc on a real bus', () => {
  it('reads through GPA-direct ranges that begin and end within pages', () => {
    const { guest, medium } = rig();
    const channel = guest.openDevice(DeviceClass.scsi);
    initialize(guest, channel);
    const buffer = guest.allocate(16 * PAGE_BYTES);
    for (const within of [0, 512, 100, 4095]) {
      const gpa = buffer + within;
      guest.memory.u8.fill(0xee, buffer, buffer + 16 * PAGE_BYTES);
      const payload = srb('28 00 00 00 00 10 00 00 20 00', 1, 16_384);
      channel.sendGpaDirect(payload, [{ gpa, bytes: 16_384 }], { transaction: 9 });
      guest.run();
      expect(channel.receive()?.transactionLo).toBe(9);
      const read = guest.memory.readBytes(gpa, 16_384);
      expect(Buffer.compare(read, medium.bytes.subarray(8192, 8192 + 16_384))).toBe(0);
      expect(guest.memory.u8[gpa + 16_384]).toBe(0xee);
      if (within > 0) expect(guest.memory.u8[gpa - 1]).toBe(0xee);
    }
  });

  it('writes from pages in any order', () => {
    const { guest, medium } = rig();
    const channel = guest.openDevice(DeviceClass.scsi);
    initialize(guest, channel);
    const gpa = guest.allocate(4 * PAGE_BYTES);
    const data = Uint8Array.from({ length: 4096 }, (_, index) => (index * 11) & 0xff);
    guest.memory.writeBytes(gpa + 2048, data);
    const payload = srb('2a 00 00 00 00 40 00 00 08 00', 0, 4096);
    channel.sendGpaDirect(payload, [{ gpa: gpa + 2048, bytes: 4096 }]);
    guest.run();
    expect(channel.receive()?.view.getUint32(8, true)).toBe(0);
    expect(Buffer.compare(medium.bytes.subarray(0x40 * 512, 0x40 * 512 + 4096), data)).toBe(0);
  });

  it('pages that are no RAM fail the request', () => {
    const { guest } = rig();
    const channel = guest.openDevice(DeviceClass.scsi);
    initialize(guest, channel);
    const payload = srb('28 00 00 00 00 10 00 00 01 00', 1, 512);
    channel.sendGpaDirect(payload, [{ gpa: 0x7000_0000, bytes: 512 }]);
    guest.run();
    expect(channel.receive()?.view.getUint32(8, true)).toBe(0xc000_000d);
  });

  it('offers sub-channels that carry I/O, from VMBus 2.4 on', () => {
    for (const [version, expected] of [
      [VmbusVersion.win7, 0],
      [VmbusVersion.win8, 3],
    ] as const) {
      const { guest } = rig(version);
      const channel = guest.openDevice(DeviceClass.scsi);
      initialize(guest, channel);
      guest.offers.length = 0;
      answerTo(guest, channel, control(is.createSubChannels, 3));
      expect(guest.offers.map((offer) => offer.subChannelIndex)).toEqual(
        [1, 2, 3].slice(0, expected),
      );
      for (const offer of guest.offers) {
        const sub = guest.open(offer);
        expect(answerTo(guest, sub, srb('00')).payload[14]).toBe(0x01);
      }
    }
  });

  it('a guest that reads late loses no completion of a full ring', () => {
    const { guest } = rig();
    const channel = guest.openDevice(DeviceClass.scsi, { sendPages: 17, receivePages: 2 });
    initialize(guest, channel);
    const count = 400;
    for (let transaction = 1; transaction <= count; transaction += 1) {
      const wasSent = channel.send(srb('00'), { transaction, wantsCompletion: true });
      expect(wasSent).toBe(true);
    }
    guest.run(500);
    const seen: number[] = [];
    for (let round = 0; round < 100 && seen.length < count; round += 1) {
      for (let it = channel.receive(); it !== undefined; it = channel.receive()) {
        seen.push(it.transactionLo);
      }
      guest.run(500);
    }
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index + 1));
  });

  it('hot-added disks are announced by a packet that wants no answer', () => {
    const { guest, controller } = rig();
    const channel = guest.openDevice(DeviceClass.scsi);
    initialize(guest, channel);
    controller.attach({ target: 0, lun: 1 }, new ScsiDisk(new MemoryDisk(4096)));
    const notice = channel.receive();
    expect(notice).toMatchObject({ type: PacketType.inBand, flags: 0, transactionLo: 0 });
    expect(notice?.payload.length).toBe(64);
    expect(notice?.payload[0]).toBe(is.enumerateBus);
  });

  it('a channel closed with requests in flight opens again and works', () => {
    const { guest } = rig();
    const offers = guest.requestOffers();
    const channel = guest.open(offers[0]!);
    initialize(guest, channel);
    for (let index = 0; index < 20; index += 1) {
      channel.send(srb('00'), { transaction: index + 1, wantsCompletion: true });
    }
    guest.events.runNext();
    channel.close();
    guest.run();
    const again = guest.open(offers[0]!);
    initialize(guest, again);
    expect(again.receive()).toBeUndefined();
    expect(answerTo(guest, again, srb('00')).payload[14]).toBe(0x01);
  });
});
