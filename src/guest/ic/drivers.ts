/** The drivers of the integration components: one for each today, one for all in 10.2. */
import { DeviceClass } from '../../vmbus/spec/guids.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { ChannelOffer, GuestDevice, GuestDriver } from '../vmbus/api.ts';
import { IcComponent, type IcService } from './component.ts';
import { HeartbeatService } from './heartbeat.ts';
import { kvpCommands } from './kvp-commands.ts';
import { KvpDaemon } from './kvp-daemon.ts';
import { KvpDriver } from './kvp.ts';
import { ShutdownService } from './shutdown.ts';
import { TimeSyncService } from './timesync.ts';
import { VssDriver } from './vss.ts';

type ComponentName = 'heartbeat' | 'keyValuePair' | 'shutdown' | 'timeSync' | 'volumeShadowCopy';

interface ComponentRow {
  readonly component: ComponentName;
  /** Today's driver. */
  readonly name: string;
  readonly description: string;
  /** 10.2's name for it; undefined where it has none. */
  readonly legacyName: string | undefined;
}

const COMPONENTS: readonly ComponentRow[] = [
  {
    component: 'heartbeat',
    name: 'hvheartbeat',
    description: 'Hyper-V Heartbeat',
    legacyName: 'Hyper-V Heartbeat Service',
  },
  {
    component: 'keyValuePair',
    name: 'hvkvp',
    description: 'Hyper-V KVP',
    legacyName: 'Hyper-V KVP Service',
  },
  {
    component: 'shutdown',
    name: 'hvshutdown',
    description: 'Hyper-V Shutdown',
    legacyName: 'Hyper-V Shutdown Service',
  },
  {
    component: 'timeSync',
    name: 'hvtimesync',
    description: 'Hyper-V Timesync',
    legacyName: 'Hyper-V Time Synch Service',
  },
  {
    component: 'volumeShadowCopy',
    name: 'hvvss',
    description: 'Hyper-V VSS',
    legacyName: undefined,
  },
];

function isLegacy(kernel: KernelApi): boolean {
  return kernel.switches.release === 'legacy';
}

/** What an attached component leaves in its device. */
export interface IcSoftState {
  readonly service: IcService;
  /** KVP only. */
  readonly daemon?: KvpDaemon;
}

function* attachKvp(device: GuestDevice): Task<number> {
  const { kernel } = device;
  const driver = new KvpDriver(device);
  const facts = isLegacy(kernel)
    ? { release: '10.2-RELEASE', version: '1002000' }
    : { release: '14.1-RELEASE', version: '1401000' };
  const daemon = new KvpDaemon(kernel, driver, facts);
  const state: IcSoftState = { service: driver, daemon };
  device.softState = state;
  const error = yield* driver.attach();
  if (error !== 0) return error;
  const { userland } = kernel;
  userland.startDaemon('hv_kvp_daemon', () => daemon.run());
  userland.addProgram('hv_kvp_daemon', () => daemon.kill());
  for (const command of kvpCommands(daemon, userland)) kernel.addCommand(command);
  return 0;
}

function* attachComponent(device: GuestDevice, name: ComponentName): Task<number> {
  if (name === 'keyValuePair') return yield* attachKvp(device);
  const { kernel } = device;
  if (name === 'volumeShadowCopy') {
    const driver = new VssDriver(device);
    const state: IcSoftState = { service: driver };
    device.softState = state;
    return yield* driver.attach();
  }
  const print = (text: string): void => kernel.printf(`${device.name}: ${text}\n`);
  let service: IcService;
  if (name === 'heartbeat') service = new HeartbeatService();
  else if (name === 'shutdown') service = new ShutdownService(kernel, print);
  else {
    const queue = isLegacy(kernel) ? device.createQueue('Time Sync') : undefined;
    service = new TimeSyncService(kernel, () => component.versions, queue, print);
  }
  const component = new IcComponent(device, service);
  const state: IcSoftState = { service };
  device.softState = state;
  return yield* component.attach();
}

function* detach(device: GuestDevice): Task {
  yield* device.channel.close();
}

function modernDriver(row: ComponentRow): GuestDriver {
  return {
    name: row.name,
    probe: (offer, kernel) =>
      !isLegacy(kernel) && offer.interfaceId === DeviceClass[row.component]
        ? row.description
        : undefined,
    attach: (device) => attachComponent(device, row.component),
    detach,
  };
}

function legacyRow(offer: ChannelOffer): ComponentRow | undefined {
  return COMPONENTS.find(
    ({ component, legacyName }) =>
      legacyName !== undefined && DeviceClass[component] === offer.interfaceId,
  );
}

/** hyperv-utils: a unit for each component. */
const legacyDriver: GuestDriver = {
  name: 'hyperv-utils',
  // Like storvsc, it has no description by the time newbus prints its line.
  probe: (offer, kernel) => (isLegacy(kernel) && legacyRow(offer) !== undefined ? '' : undefined),
  *attach(device: GuestDevice): Task<number> {
    const row = legacyRow(device.channel.offer)!;
    // The name has a newline of its own.
    const line = `Hyper-V Service attaching: ${row.legacyName!}\n\n`;
    device.kernel.printf(`${device.name}: ${line}`);
    return yield* attachComponent(device, row.component);
  },
  detach,
};

export const integrationDrivers: readonly GuestDriver[] = [
  legacyDriver,
  ...COMPONENTS.map(modernDriver),
];
