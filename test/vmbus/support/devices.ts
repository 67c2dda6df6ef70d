/** Small devices to put on a bus under test. */
import type {
  OfferedDevice,
  OfferProperties,
  OpenChannel,
  VmbusDevice,
} from '../../../src/vmbus/device.ts';

export const TEST_CLASS = '11111111-2222-3333-4444-555555555555';

export function testOffer(index: number, changes: Partial<OfferProperties> = {}): OfferProperties {
  return {
    name: `test${index}`,
    interfaceId: TEST_CLASS,
    instanceId: `00000000-0000-0000-0000-${index.toString(16).padStart(12, '0')}`,
    flags: 0,
    mmioMegabytes: 0,
    mmioMegabytesOptional: 0,
    userDefined: new Uint8Array(0),
    order: index,
    ...changes,
  };
}

/** Notes what the bus does with it. */
export class RecordingDevice implements VmbusDevice {
  readonly offer: OfferProperties;
  readonly calls: string[] = [];
  readonly channels: OpenChannel[] = [];
  bus: OfferedDevice | undefined;
  openStatus = 0;

  constructor(index = 1, changes: Partial<OfferProperties> = {}) {
    this.offer = testOffer(index, changes);
  }

  attached(bus: OfferedDevice): void {
    this.bus = bus;
  }

  open(channel: OpenChannel): number {
    this.calls.push(`open ${channel.subChannelIndex}`);
    if (this.openStatus === 0) this.channels.push(channel);
    return this.openStatus;
  }

  close(channel: OpenChannel): void {
    this.calls.push(`close ${channel.subChannelIndex}`);
    this.channels.splice(this.channels.indexOf(channel), 1);
  }

  signaled(channel: OpenChannel): void {
    this.calls.push(`signaled ${channel.subChannelIndex}`);
  }

  writable(channel: OpenChannel): void {
    this.calls.push(`writable ${channel.subChannelIndex}`);
  }

  /** The primary channel, which must be open. */
  get channel(): OpenChannel {
    const primary = this.channels.find((channel) => channel.subChannelIndex === 0);
    if (primary === undefined) throw new Error('the device is not open');
    return primary;
  }
}

/** Completes every packet with its own payload, when it is signalled. */
export class EchoDevice extends RecordingDevice {
  override signaled(channel: OpenChannel): void {
    super.signaled(channel);
    while (channel.receive()) {
      const { bytes, payloadStart, payloadLength, transactionLo, transactionHi } = channel.packet;
      channel.sendCompletion(bytes, payloadStart, payloadLength, transactionLo, transactionHi);
    }
  }
}
