/** Disks, network adapters and integration components as scripts use them. */
import { hexBytes } from '../core/text.ts';
import { InputError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { InjectedFault } from '../devices/scsi/faults.ts';
import { ScsiStatus, Sense } from '../devices/scsi/spec.ts';
import type { PluggedDisk } from '../machine/board.ts';
import { HostDiskPool } from '../machine/host-disks.ts';
import { KvpItems } from '../machine/kvp-items.ts';
import type { Machine } from '../machine/machine.ts';
import { networkInstance } from '../machine/offers.ts';
import { LinkFaults } from '../net/faults.ts';
import type { SwitchPort } from '../net/switch-port.ts';
import type { VirtualSwitch } from '../net/switch.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { Image } from '../storage/image.ts';
import type {
  Answer,
  DiskFault,
  DiskHandle,
  DiskImageInfo,
  HostDisk,
  HostDisks,
  Integration,
  KvpData,
  LinkFault,
  NetworkAdapter,
  Packet,
  ServiceName,
  Size,
  WaitOptions,
} from './api.ts';
import type { Pump } from './pump.ts';
import { durationNs, sizeBytes, withinNs } from './values.ts';

/** Longer than the host itself waits for a guest's answer. */
const ANSWER_WITHIN: WaitOptions = { within: '60s' };

interface Owner {
  readonly machine: Machine;
  readonly pump: Pump;
  readonly vm: string;
}

function faultAnswer(fault: DiskFault): Partial<InjectedFault> {
  const { answer = 'medium-error', access } = fault;
  if (answer === 'slow') return {};
  if (answer === 'busy') return { scsiStatus: ScsiStatus.busy };
  if (answer !== 'medium-error') return answer;
  return { sense: access === 'write' ? Sense.writeError : Sense.unrecoveredReadError };
}

export class DiskControl implements DiskHandle {
  readonly #owner: Owner;
  /** Of the present power cycle. */
  readonly #plugged: () => PluggedDisk | undefined;
  /** Faults outlive power cycles, as a bad sector does. */
  readonly #faults = new Map<InjectedFault, () => void>();
  onRemove: (() => void) | undefined;

  constructor(owner: Owner, plugged: () => PluggedDisk | undefined) {
    this.#owner = owner;
    this.#plugged = plugged;
  }

  get lun(): number | undefined {
    const plugged = this.#plugged();
    const isSynthetic = plugged?.controllerId === this.#owner.machine.board.scsi.offer.instanceId;
    return isSynthetic ? plugged?.lun : undefined;
  }

  fault(fault: DiskFault): Disposable {
    this.#owner.machine.inputs.passBy('a fault of a disk');
    const { lba, delay, answer: _answer, ...rest } = fault;
    const injected: InjectedFault = {
      ...rest,
      ...faultAnswer(fault),
      ...(lba === undefined ? {} : { firstLba: lba }),
      ...(delay === undefined ? {} : { delayNs: durationNs('delay', delay) }),
    };
    this.#inject(injected);
    return {
      [Symbol.dispose]: () => {
        this.#faults.get(injected)?.();
        this.#faults.delete(injected);
      },
    };
  }

  remove(): Promise<void> {
    const { lun } = this;
    if (lun === undefined) throw new InputError('disk', 'is not on the synthetic SCSI controller');
    this.#owner.machine.inputs.passBy('the removal of a disk');
    this.#owner.machine.board.scsi.detach({ target: 0, lun });
    this.onRemove?.();
    return Promise.resolve();
  }

  get sizeBytes(): number {
    return this.#block.sizeBytes;
  }

  get #block(): BlockDevice {
    const plugged = this.#plugged();
    if (plugged === undefined) throw new InputError('disk', 'is not plugged in');
    return plugged.block;
  }

  resize(size: Size): Promise<void> {
    const block = this.#block;
    const { machine } = this.#owner;
    const isOff = !machine.isOn && !machine.isSuspended;
    if (!isOff && this.lun === undefined) {
      throw new InputError(
        block.name,
        'is on IDE, where a disk is resized while the machine is off',
      );
    }
    const bytes = sizeBytes('size', size);
    machine.inputs.passBy('a new size of a disk');
    if (!('resize' in block && typeof block.resize === 'function')) {
      throw new InputError(block.name, 'is no image that can be resized');
    }
    (block.resize as (sizeBytes: number) => void).call(block, bytes);
    return Promise.resolve();
  }

  info(): DiskImageInfo {
    const block = this.#block;
    if ('info' in block && typeof block.info === 'function') return (block as Image).info();
    const { sizeBytes: bytes, sectorBytes } = block;
    return { format: 'raw', sizeBytes: bytes, sectorBytes, allocatedBytes: bytes };
  }

  powerCycled(): void {
    if (this.#plugged() === undefined) return;
    for (const fault of this.#faults.keys()) this.#inject(fault);
  }

  #inject(fault: InjectedFault): void {
    const plugged = this.#plugged();
    if (plugged === undefined) throw new InputError('disk', 'is not plugged in');
    this.#faults.set(fault, plugged.unit.faults.inject(fault));
  }
}

/** The host's disk management. */
export class HostDisksHandle implements HostDisks {
  readonly #pool: HostDiskPool;

  constructor(seed: bigint) {
    this.#pool = new HostDiskPool(seed);
  }

  get disks(): readonly HostDisk[] {
    return this.#pool.disks;
  }

  attach({ size, name }: { readonly size: Size; readonly name?: string }): HostDisk {
    return this.#pool.attach({
      sizeBytes: sizeBytes('size', size),
      ...(name === undefined ? {} : { name }),
    });
  }
}

export class AdapterControl implements NetworkAdapter {
  readonly mac: string;
  readonly #owner: Owner;
  readonly #index: number;
  readonly #port: SwitchPort;
  readonly #random: Random;
  readonly #watchers = new Set<(packet: Packet) => void>();

  readonly #macBytes: Uint8Array;
  readonly #switches: ReadonlyMap<string, VirtualSwitch>;

  constructor(
    owner: Owner,
    index: number,
    random: Random,
    switches: ReadonlyMap<string, VirtualSwitch>,
  ) {
    const { ports, macs } = owner.machine.network;
    const mac = macs[index]!;
    this.#owner = owner;
    this.#index = index;
    this.#port = ports[index]!;
    this.#random = random;
    this.#macBytes = mac;
    this.#switches = switches;
    this.mac = hexBytes(mac, ':');
  }

  link(isUp: boolean): void {
    this.#owner.machine.enter({ kind: 'link', adapter: this.#index, isUp });
  }

  connect(on: string): void {
    const to = this.#switches.get(on);
    if (to === undefined) {
      const all = [...this.#switches.keys()].join(', ') || 'none';
      throw new InputError(this.mac, `no switch is called "${on}"; the scenario declares ${all}`);
    }
    this.#owner.machine.inputs.passBy('another switch for an adapter');
    to.take(this.#port);
  }

  macSpoofing(isAllowed: boolean): void {
    this.#owner.machine.inputs.passBy('another rule on MAC addresses');
    this.#port.onlyMac = isAllowed ? undefined : this.#macBytes;
  }

  get spoofed(): number {
    return this.#port.counters.spoofedIn;
  }

  faults(fault?: LinkFault): void {
    this.#owner.machine.inputs.passBy('faults of a link');
    if (fault === undefined) {
      this.#port.faults = undefined;
      return;
    }
    const { drop = 0, duplicate = 0, delay = '0ns', jitter = '0ns' } = fault;
    this.#port.faults = new LinkFaults(this.#random, {
      loss: drop,
      duplication: duplicate,
      delayNs: durationNs('delay', delay),
      jitterNs: durationNs('jitter', jitter),
    });
  }

  packet(question: (packet: Packet) => boolean, options?: WaitOptions): Promise<Packet> {
    const what = `a packet of adapter ${this.mac}`;
    return this.#owner.pump.wait<Packet>(
      {
        what,
        vm: this.#owner.vm,
        withinNs: withinNs(options),
        start: (settle) => {
          const watcher = (packet: Packet): void => {
            if (question(packet)) settle(packet);
          };
          this.#watchers.add(watcher);
          this.#tap();
          return () => this.#watchers.delete(watcher);
        },
      },
      new Error(what),
    );
  }

  /** Sees frames beside a tap that is there already, such as a capture. */
  #tap(): void {
    const before = this.#port.tap;
    if (before !== undefined && this.#isTapped) return;
    this.#isTapped = true;
    this.#port.tap = (isFromStation, bytes, start, length) => {
      before?.(isFromStation, bytes, start, length);
      if (this.#watchers.size === 0) return;
      const packet = { sent: isFromStation, bytes: bytes.slice(start, start + length) };
      for (const watcher of this.#watchers) watcher(packet);
    };
  }

  #isTapped = false;
}

export class IntegrationHandle implements Integration {
  readonly #owner: Owner;
  readonly #items = new KvpItems();

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  get #devices(): Machine['board']['integration'] {
    return this.#owner.machine.board.integration;
  }

  readonly kvp: Integration['kvp'] = {
    get: (pool, key) =>
      this.#ask(`key "${key}"`, (done) =>
        this.#devices.keyValuePair.get(pool, key, (outcome, status, entry) =>
          done({ outcome, status, entry }),
        ),
      ),
    set: (pool, key, data) =>
      this.#ask(`key "${key}" to be set`, (done) =>
        this.#devices.keyValuePair.set(pool, key, kvpData(data), (outcome, status) =>
          done({ outcome, status }),
        ),
      ),
    delete: (pool, key) =>
      this.#ask(`key "${key}" to be deleted`, (done) =>
        this.#devices.keyValuePair.delete(pool, key, (outcome, status) =>
          done({ outcome, status }),
        ),
      ),
    enumerate: (pool, index) =>
      this.#ask(`key number ${index}`, (done) =>
        this.#devices.keyValuePair.enumerate(pool, index, (outcome, status, entry) =>
          done({ outcome, status, entry }),
        ),
      ),
    list: (pool) =>
      this.#ask('the list of keys', (done) =>
        this.#devices.keyValuePair.list(pool, (outcome, status, entries) =>
          done({ outcome, status, entries }),
        ),
      ),
    addItem: (key, value) =>
      this.#ask(`item "${key}" to be added`, (done) =>
        this.#items.add(this.#devices.keyValuePair, key, value, done),
      ),
    modifyItem: (key, value) =>
      this.#ask(`item "${key}" to be changed`, (done) =>
        this.#items.modify(this.#devices.keyValuePair, key, value, done),
      ),
    removeItem: (key) =>
      this.#ask(`item "${key}" to be removed`, (done) =>
        this.#items.remove(
          this.#devices.keyValuePair,
          key,
          this.#owner.machine.settings.host,
          done,
        ),
      ),
    addresses: (nic) =>
      this.#ask(`addresses of adapter ${nic}`, (done) =>
        this.#devices.keyValuePair.getIpInfo(
          `{${networkInstance(nic).toUpperCase()}}`,
          (outcome, status, info) => {
            const all = info?.addresses.map(({ address }) => address) ?? [];
            const addresses = all.filter((address) => address.includes('.'));
            done({ outcome, status, addresses });
          },
        ),
      ),
  };

  enable(service: ServiceName, isEnabled: boolean): void {
    this.#owner.machine.inputs.passBy('a change of the integration services');
    const { vmbus, integration } = this.#owner.machine.board;
    const device = integration[service];
    const offered = vmbus.plugged.find((entry) => entry.device === device);
    if (isEnabled && offered === undefined) vmbus.offer(device);
    else if (!isEnabled) offered?.bus.rescind();
  }

  isEnabled(service: ServiceName): boolean {
    const { vmbus, integration } = this.#owner.machine.board;
    return vmbus.plugged.some(({ device }) => device === integration[service]);
  }

  get heartbeat(): { readonly status: string } {
    return { status: this.#devices.heartbeat.status };
  }

  readonly timeSync: Integration['timeSync'] = {
    jump: (time) => {
      this.#owner.machine.enter({ kind: 'clock-jump', byNs: durationNs('time', time) });
    },
    send: (kind, options) => {
      this.#owner.machine.inputs.passBy('a message with the time');
      return this.#devices.timeSync.sendTime(
        kind,
        options?.age === undefined ? {} : { ageNs: durationNs('age', options.age) },
      );
    },
  };

  shutdown(
    type: 'powerOff' | 'restart' | 'hibernate' = 'powerOff',
    options: WaitOptions & { readonly force?: boolean } = {},
  ): Promise<Answer> {
    const request = { type, isForced: options.force === true };
    return this.#await<Answer>(
      'an answer to the shutdown request',
      (done) =>
        this.#owner.machine.enter({ kind: 'shutdown', request }, (outcome, status) =>
          done({ outcome: outcome as Answer['outcome'], status }),
        ),
      options,
    );
  }

  backup(): Promise<{ readonly step: string } & Answer> {
    return this.#ask('the backup', (done) =>
      this.#devices.volumeShadowCopy.backup(() => undefined, done),
    );
  }

  #ask<T>(what: string, send: (done: (answer: T) => void) => void): Promise<T> {
    this.#owner.machine.inputs.passBy(`a request for ${what}`);
    return this.#await(what, send);
  }

  #await<T>(
    what: string,
    send: (done: (answer: T) => void) => void,
    options: WaitOptions = ANSWER_WITHIN,
  ): Promise<T> {
    const { pump, vm } = this.#owner;
    return pump.wait<T>(
      {
        what,
        vm,
        withinNs: withinNs(options),
        start: (settle) => {
          send(settle);
          return undefined;
        },
      },
      new Error(what),
    );
  }
}

function kvpData(data: KvpData | string): KvpData {
  return typeof data === 'string' ? { type: 'string', value: data } : data;
}
