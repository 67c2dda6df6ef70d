import { IcStatus } from '../../devices/ic/spec.ts';
import { AddressFamily, AUTO_KEYS, KvpOperation, KvpPool } from '../../devices/kvp/spec.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { KvpDriver } from './kvp.ts';
import type { KvpAnswer, KvpIpFields, KvpRequest } from './kvp-messages.ts';

const NS_PER_MS = 1_000_000;
/** From `poll` returning for lack of news to the next `poll`. */
const IDLE_TURN_NS = 8_000;
/** Locking and reading a pool file. */
const POOL_NS = 30_000;
/** Records that a pool file may hold; a host has no use for more. */
const MAX_RECORDS = 4096;

/** What the daemon says of its system, by the names of the pool `auto`. */
export interface SystemFacts {
  readonly release: string;
  readonly version: string;
}

const NOTHING: KvpAnswer = { status: IcStatus.is.success, key: '', value: '' };
const NO_MORE: KvpAnswer = { status: IcStatus.is.noMoreItems, key: '', value: '' };
const FAILED: KvpAnswer = { status: IcStatus.is.fail, key: '', value: '' };

/**
 * hv_kvp_daemon: polls the driver's device, answers one request at a time out of its pool files,
 * and polls again.
 */
export class KvpDaemon {
  readonly #kernel: KernelApi;
  readonly #driver: KvpDriver;
  readonly #facts: SystemFacts;
  /** By pool number: the records of its file, in order. */
  readonly pools: readonly Map<string, string>[];
  /** Addresses that the host has injected, by adapter. */
  readonly injected = new Map<string, KvpIpFields>();
  /** How often `poll` came back with nothing. */
  idleWakeups = 0;
  requests = 0;
  /** As if a signal had stopped the process: it takes nothing in, and goes on where it was. */
  #isStopped = false;
  #isRunning = false;

  constructor(kernel: KernelApi, driver: KvpDriver, facts: SystemFacts) {
    this.#kernel = kernel;
    this.#driver = driver;
    this.#facts = facts;
    this.pools = Object.values(KvpPool.is).map(() => new Map<string, string>());
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  set isStopped(isStopped: boolean) {
    this.#isStopped = isStopped;
    if (!isStopped) this.#kernel.wakeup(this);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** pkill(1). @returns whether it ran */
  kill(): boolean {
    if (!this.#isRunning) return false;
    this.#isRunning = false;
    this.#isStopped = false;
    this.#driver.close();
    this.#kernel.wakeup(this);
    return true;
  }

  *run(): Task {
    yield POOL_NS;
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#driver.register();
    const { kvpPollTimeoutMs } = this.#kernel.switches;
    const timeoutNs = kvpPollTimeoutMs === 'inf' ? Infinity : Number(kvpPollTimeoutMs) * NS_PER_MS;
    for (;;) {
      const result = yield* this.#driver.poll(timeoutNs);
      while (this.#isStopped) yield* this.#kernel.tsleep(this, Infinity);
      if (!this.#isRunning) return;
      if (result === 'timeout') {
        this.idleWakeups += 1;
        yield IDLE_TURN_NS;
        continue;
      }
      const request = yield* this.#driver.read();
      this.requests += 1;
      yield POOL_NS;
      yield* this.#driver.write(this.#answer(request));
    }
  }

  #answer(request: KvpRequest): KvpAnswer {
    const { is } = KvpOperation;
    const { operation, key, value } = request;
    if (operation === is.getIpInfo || operation === is.setIpInfo) {
      return this.#addresses(operation === is.setIpInfo, request.ip!);
    }
    const pool = this.pools[request.pool];
    if (pool === undefined) return FAILED;
    if (operation === is.enumerate) return this.#enumerate(pool, request);
    if (operation === is.set) {
      if (pool.size >= MAX_RECORDS && !pool.has(key)) return FAILED;
      pool.set(key, value);
      return NOTHING;
    }
    if (operation === is.delete) return pool.delete(key) ? NOTHING : NO_MORE;
    const found = pool.get(key);
    return found === undefined ? NO_MORE : { ...NOTHING, key, value: found };
  }

  #enumerate(pool: ReadonlyMap<string, string>, { pool: number, index }: KvpRequest): KvpAnswer {
    const records = number === KvpPool.is.auto ? this.#autoRecords() : [...pool];
    const record = records[index];
    return record === undefined ? NO_MORE : { ...NOTHING, key: record[0], value: record[1] };
  }

  #ipv4(): string {
    const all = this.#kernel.userland.addressBook?.list() ?? [];
    return all
      .map(({ address }) => address)
      .filter((address) => address !== '')
      .join(';');
  }

  #autoRecords(): (readonly [string, string])[] {
    const { release, version } = this.#facts;
    const [major = '', minor = ''] = release.split(/[.-]/);
    const values: Readonly<Record<(typeof AUTO_KEYS)[number], string>> = {
      FullyQualifiedDomainName: 'synthvm',
      IntegrationServicesVersion: '3.1',
      NetworkAddressIPv4: this.#ipv4(),
      NetworkAddressIPv6: '',
      OSBuildNumber: version,
      OSName: 'FreeBSD',
      OSMajorVersion: major,
      OSMinorVersion: minor,
      OSVersion: release,
      ProcessorArchitecture: 'amd64',
    };
    return AUTO_KEYS.map((key) => [key, values[key]] as const);
  }

  /** Sets what an adapter is to have, or tells what it has; DHCP is the adapter's already. */
  #addresses(isInjection: boolean, ip: KvpIpFields): KvpAnswer {
    const book = this.#kernel.userland.addressBook;
    const name = this.#driver.interfaceOf(ip.adapterId);
    if (isInjection) {
      if (this.injected.size >= MAX_RECORDS) return FAILED;
      this.injected.set(ip.adapterId, ip);
      if (book === undefined || ip.isDhcp) return NOTHING;
      const [address = '', netmask = '', router = ''] = [ip.addresses, ip.subnets, ip.gateways].map(
        (list) => list.split(';')[0]!,
      );
      return book.assign({ name, address, netmask, router, isDhcp: false }) ? NOTHING : FAILED;
    }
    const injected = this.injected.get(ip.adapterId);
    const known = book?.list().find((entry) => entry.name === name);
    if (known === undefined) return injected === undefined ? FAILED : { ...NOTHING, ip: injected };
    const answer: KvpIpFields = {
      adapterId: ip.adapterId,
      family: AddressFamily.is.ipv4,
      isDhcp: known.isDhcp,
      addresses: known.address,
      subnets: known.netmask,
      gateways: known.router,
      dnsServers: injected?.dnsServers ?? '',
    };
    return { ...NOTHING, ip: answer };
  }
}
