import { describe, expect, it } from 'vitest';
import { HvStatus } from '../../src/hypervisor/spec/hypercalls.ts';
import { buildMessage } from '../../src/vmbus/outbox.ts';
import * as wire from '../../src/vmbus/spec/messages.ts';
import { MessageType } from '../../src/vmbus/spec/messages.ts';
import {
  FeatureFlag,
  showVmbusVersion,
  VMBUS_VERSIONS,
  VmbusVersion,
} from '../../src/vmbus/spec/versions.ts';
import { RecordingDevice, TEST_CLASS } from './support/devices.ts';
import { initiateContact, TestGuest } from './support/guest.ts';
import type { ConnectOptions } from './support/guest.ts';

const V = VmbusVersion;
const ALL = VMBUS_VERSIONS.map((version) => ({ version, name: showVmbusVersion(version) }));

/** Sends InitiateContact and gives back the raw answer. */
function ask(guest: TestGuest, version: number, options: ConnectOptions = {}) {
  guest.post(initiateContact(version, options), options.connectionId ?? 1);
  const message = guest.take(MessageType.versionResponse);
  return { ...message, answer: wire.VersionResponse.cursor(message.view) };
}

describe.each(ALL)('a guest of $name', ({ version }) => {
  it('is agreed with, in the form of its version', () => {
    const guest = new TestGuest();
    const { bytes, answer } = ask(guest, version, { messageVp: 3 });
    expect(answer.versionSupported).toBe(1);
    expect(answer.connectionState).toBe(0);
    expect(answer.selectedVersionOrConnectionId).toBe(version >= V.rs3_1 ? 1 : version);
    expect(bytes.length).toBe(version >= V.copper ? 20 : 16);
  });

  it('gets messages on the processor it names, from 3.0 on', () => {
    const guest = new TestGuest();
    expect(ask(guest, version, { messageVp: 3 }).vp).toBe(version >= V.win8_1 ? 3 : 0);
    guest.post(buildMessage(wire.RequestOffers, MessageType.requestOffers));
    expect(guest.take(MessageType.allOffersDelivered).vp).toBe(version >= V.win8_1 ? 3 : 0);
  });

  it('is refused by every older host, and told so', () => {
    for (const maxVersion of VMBUS_VERSIONS.filter((newest) => newest < version)) {
      const { bytes, answer } = ask(new TestGuest({ maxVersion }), version);
      expect(answer.versionSupported).toBe(0);
      expect(bytes.length).toBe(16);
    }
  });

  it('may send exactly the messages of its version', () => {
    const guest = new TestGuest();
    const device = new RecordingDevice();
    guest.plug(device);
    guest.connect(version);
    const channel = guest.openDevice(TEST_CLASS);
    const { channelId } = channel.offer;
    guest.messages.length = 0;

    guest.post(
      buildMessage(wire.TlConnectRequest, MessageType.tlConnectRequest, (message) => {
        message.serviceId = '00000050-facb-11e6-bd58-64006a7986d3';
      }),
    );
    expect(guest.messages.map(({ type }) => type)).toEqual(
      version >= V.rs3_0 ? [MessageType.tlConnectResult] : [],
    );
    guest.messages.length = 0;

    guest.post(
      buildMessage(wire.ModifyChannel, MessageType.modifyChannel, (message) => {
        message.channelId = channelId;
        message.targetVp = 2;
      }),
    );
    expect(device.channel.targetVp).toBe(version >= V.rs3_0 ? 2 : 0);
    expect(guest.messages.map(({ type }) => type)).toEqual(
      version >= V.iron ? [MessageType.modifyChannelResponse] : [],
    );
    guest.messages.length = 0;

    expect(device.bus!.offerSubChannels(2)).toBe(version >= V.win8 ? 2 : 0);
    guest.messages.length = 0;
    guest.unload();
    const types = guest.messages.map(({ type }) => type);
    expect(types).toEqual(version >= V.win7 ? [MessageType.unloadComplete] : []);
    expect(guest.server.connection.state).toBe('disconnected');
  });
});

describe('versions that nobody has', () => {
  it.each([0, 0x000c, 0x0001_0000, 0x0003_0001, 0x0005_0004, 0x0006_0001, 0xffff_ffff])(
    'are refused: %i',
    (version) => {
      expect(ask(new TestGuest(), version).answer.versionSupported).toBe(0);
    },
  );

  it('leave no connection behind', () => {
    const guest = new TestGuest();
    guest.plug(new RecordingDevice());
    ask(guest, 0x0007_0000);
    guest.post(buildMessage(wire.RequestOffers, MessageType.requestOffers));
    expect(guest.messages).toEqual([]);
  });
});

describe('the port for messages', () => {
  it('of 5.0 does not exist on older hosts: the hypercall says so', () => {
    const guest = new TestGuest({ maxVersion: V.rs3_0 });
    const status = guest.post(initiateContact(V.rs3_1), 4);
    expect(status).toBe(HvStatus.is.invalidConnectionId);
    expect(guest.messages).toEqual([]);
  });

  it('names a SINT and a trust level, and only SINT 2 of VTL 0 has a bus', () => {
    const guest = new TestGuest();
    guest.post(initiateContact(V.rs3_1, { sint: 5 }), 4);
    const refused = guest.take(MessageType.versionResponse);
    expect(refused.sint).toBe(5);
    expect(wire.VersionResponse.cursor(refused.view).versionSupported).toBe(0);
    guest.post(initiateContact(V.rs4, { vtl: 2 }), 4);
    const other = guest.take(MessageType.versionResponse);
    expect(wire.VersionResponse.cursor(other.view).versionSupported).toBe(0);
    // 5.0 has the field but does not honour it.
    expect(guest.connect(V.rs3_1, { vtl: 2 })).toBe(true);
  });

  it('is the one that the host named, from 5.0 on', () => {
    const guest = new TestGuest({ messageConnectionId: 0x80_0074 });
    guest.connect(V.iron);
    expect(guest.messageConnectionId).toBe(0x80_0074);
    expect(guest.requestOffers()).toEqual([]);
  });
});

describe('6.0', () => {
  const wanted =
    FeatureFlag.pauseResume | FeatureFlag.modifyConnection | FeatureFlag.confidentialChannels;

  it('answers with the features that both sides have', () => {
    const guest = new TestGuest();
    const { view } = ask(guest, V.copper, { features: wanted });
    expect(wire.VersionResponse2.cursor(view).supportedFeatures).toBe(
      FeatureFlag.pauseResume | FeatureFlag.modifyConnection,
    );
    expect(guest.server.connection.features).toBe(
      FeatureFlag.pauseResume | FeatureFlag.modifyConnection,
    );
  });

  it('takes the client id, and needs it when the feature is asked for', () => {
    const guest = new TestGuest();
    const clientId = '3450b7aa-1f43-4c4b-8e8a-6a1d0d8b2f11';
    guest.post(initiateContact(V.copper, { features: FeatureFlag.clientId }));
    expect(guest.messages).toEqual([]);
    guest.connect(V.copper, { features: FeatureFlag.clientId, clientId });
    expect(guest.server.connection.clientId).toBe(clientId);
  });

  it('hands out monitor pages when the host has some', () => {
    const pages = { parentToChildGpa: 0x1000, childToParentGpa: 0x2000 };
    const features = FeatureFlag.serverSpecifiedMonitorPages;
    const guest = new TestGuest({ serverMonitorPages: pages, supportedFeatures: features });
    const { bytes, view } = ask(guest, V.copper, { features });
    expect(bytes.length).toBe(40);
    expect(wire.VersionResponse3.cursor(view).childToParentMonitorPageGpa).toBe(0x2000n);
    expect(ask(new TestGuest(), V.copper, { features }).bytes.length).toBe(20);
  });

  it('has Modify Connection for the monitor pages', () => {
    const guest = new TestGuest();
    guest.connect(V.copper, { features: FeatureFlag.modifyConnection });
    const modify = (parentToChild: bigint, childToParent: bigint): number => {
      guest.post(
        buildMessage(wire.ModifyConnection, MessageType.modifyConnection, (message) => {
          message.parentToChildMonitorPageGpa = parentToChild;
          message.childToParentMonitorPageGpa = childToParent;
        }),
      );
      const { view } = guest.take(MessageType.modifyConnectionResponse);
      return wire.ModifyConnectionResponse.cursor(view).connectionState;
    };
    expect(modify(0x3000n, 0x4000n)).toBe(wire.ConnectionState.successful);
    expect(guest.server.connection.childToParentMonitorPage).toBe(0x4000);
    expect(modify(0x3000n, 0n)).toBe(wire.ConnectionState.failedUnknownFailure);
    expect(guest.server.connection.childToParentMonitorPage).toBe(0x4000);
    expect(modify(0n, 0n)).toBe(wire.ConnectionState.successful);
    expect(guest.server.connection.childToParentMonitorPage).toBe(-1);
  });

  it('holds everything back between Pause and Resume', () => {
    const guest = new TestGuest();
    guest.connect(V.copper, { features: FeatureFlag.pauseResume });
    guest.requestOffers();
    guest.post(buildMessage(wire.Pause, MessageType.pause));
    guest.take(MessageType.pauseResponse);
    guest.plug(new RecordingDevice(1));
    guest.plug(new RecordingDevice(2));
    // Nothing but Resume is heard now.
    guest.post(buildMessage(wire.RequestOffers, MessageType.requestOffers));
    expect(guest.messages).toEqual([]);
    guest.post(buildMessage(wire.Resume, MessageType.resume));
    expect(guest.offers.map(({ channelId }) => channelId)).toEqual([1, 2]);
  });
});

describe('pages that a guest gives', () => {
  const mmio = 0xfee0_0000;

  it.each([
    ['one monitor page of two', { childToParentMonitorGpa: 0x1000 }],
    ['a monitor page that is not RAM', monitorPages(mmio, 0x2000)],
    ['a monitor page across two pages', monitorPages(0x1000, 0x2008)],
  ])('%s fails the connection', (_name, options) => {
    const guest = new TestGuest();
    const { answer } = ask(guest, V.win8, options);
    expect(answer.versionSupported).toBe(1);
    expect(answer.connectionState).toBe(wire.ConnectionState.failedUnknownFailure);
    // Before 2.4 there was no way to say so.
    expect(ask(guest, V.win7, options).answer.versionSupported).toBe(0);
    expect(guest.server.connection.state).toBe('disconnected');
  });

  it('an interrupt page that is not RAM reads as an unsupported version', () => {
    const { answer } = ask(new TestGuest(), V.v1, { interruptPageGpa: mmio });
    expect(answer.versionSupported).toBe(0);
  });

  it('an interrupt page is ignored from 2.4 on', () => {
    const guest = new TestGuest();
    expect(guest.connect(V.win8, { interruptPageGpa: mmio })).toBe(true);
    expect(guest.server.connection.interruptPage).toBe(-1);
  });
});

function monitorPages(parentToChild: number, childToParent: number): ConnectOptions {
  return { parentToChildMonitorGpa: parentToChild, childToParentMonitorGpa: childToParent };
}
