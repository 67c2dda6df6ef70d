/** rc(8)'s part in networking: what rc.conf says of interfaces, and what devd starts on events. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { startInetd } from './inetd.ts';
import { DhcpClient } from './dhclient.ts';
import type { NetInterface } from './interface.ts';
import { interfaceText } from './ifconfig.ts';
import { Nat } from './nat.ts';
import { parseIp } from './ip.ts';
import { startHttpd } from './web.ts';
import type { NetEvent, NetStack } from './stack.ts';

/** rc.conf: names and values, for example `ifconfig_hn0` and `DHCP`. */
export type RcConf = Readonly<Record<string, string>>;

/** Every interface asks for its address. */
export const DEFAULT_RC_CONF: RcConf = { ifconfig_DEFAULT: 'DHCP' };

/** rc.d/defaultroute: how long it waits for a lease, and when it first looks at the carrier. */
const DEFAULT_ROUTE_DELAY = 30;
const CARRIER_DELAY = 5;
const STEP_NS = 2_000_000;
const isYes = (value: string): boolean => /^(yes|true|on|1)$/i.test(value);

export class NetworkScripts {
  readonly #kernel: KernelApi;
  readonly #stack: NetStack;
  readonly #conf: RcConf;
  readonly #print: (text: string) => void;
  readonly clients = new Map<NetInterface, DhcpClient>();
  #hasRun = false;

  constructor(stack: NetStack, conf: RcConf, print: (text: string) => void) {
    this.#kernel = stack.kernel;
    this.#stack = stack;
    this.#conf = conf;
    this.#print = print;
    stack.onEvent = (ifp, event) => this.#devd(ifp, event);
  }

  #configOf(ifp: NetInterface): string {
    return this.#conf[`ifconfig_${ifp.name}`] ?? this.#variable('ifconfig_DEFAULT');
  }

  #variable(name: string): string {
    return this.#conf[name] ?? '';
  }

  #isDhcp(ifp: NetInterface): boolean {
    return /(^|\s)(SYNC|NOSYNC)?DHCP(\s|$)/i.test(this.#configOf(ifp));
  }

  #isSyncDhcp(ifp: NetInterface): boolean {
    return /(^|\s)SYNCDHCP(\s|$)/i.test(this.#configOf(ifp));
  }

  /** devd.conf: a link that comes up on an Ethernet interface starts dhclient. */
  #devd(ifp: NetInterface, event: NetEvent): void {
    const { userland } = this.#kernel;
    if (event === 'IFF_DOWN') {
      // dhclient ends with the interface that it is for.
      this.clients.get(ifp)?.kill();
      this.clients.delete(ifp);
    }
    if (event === 'ATTACH' && this.#hasRun) {
      userland.startDaemon('netif', () => this.#startInterface(ifp));
    }
    // The type of the medium is what SIOCGIFMEDIA says: without it the rule does not match.
    const isEthernet = ifp.hasMedia;
    if (event === 'LINK_UP' && isEthernet && this.#isDhcp(ifp) && !this.#isSyncDhcp(ifp)) {
      userland.startDaemon('dhclient', () => this.#dhclientInBackground(ifp));
    }
  }

  /** rc.d/dhclient start: once for each interface. @returns whether there is a lease */
  *dhclient(ifp: NetInterface, isQuiet: boolean): Task<boolean> {
    if (this.clients.has(ifp)) {
      if (!isQuiet) this.#print(`dhclient already running?  (interface=${ifp.name}).\n`);
      return false;
    }
    const client = new DhcpClient(this.#stack, ifp, this.#print);
    this.clients.set(ifp, client);
    if (isQuiet) this.#print('Starting dhclient.\n');
    const hasLease = yield* client.acquire();
    this.#kernel.spawn('dhclient', () => client.keep());
    return hasLease;
  }

  *#dhclientInBackground(ifp: NetInterface): Task {
    yield* this.dhclient(ifp, true);
  }

  /** `pkill dhclient`. @returns whether there was one */
  killClients(): boolean {
    const isAny = this.clients.size > 0;
    for (const client of this.clients.values()) client.kill();
    this.clients.clear();
    return isAny;
  }

  /** rc.d/netif and rc.d/routing: before devd runs. */
  *netif(): Task {
    const { interfaces } = this.#stack;
    this.#hasRun = true;
    for (const ifp of interfaces) yield* this.#startInterface(ifp);
    this.#print(`Starting Network: ${['lo0', ...interfaces.map(({ name }) => name)].join(' ')}.\n`);
    for (const ifp of interfaces) this.#print(interfaceText(ifp));
    yield STEP_NS;
    this.#routing();
    if (isYes(this.#variable('inetd_enable'))) startInetd(this.#stack);
    if (isYes(this.#variable('httpd_enable'))) startHttpd(this.#stack);
  }

  #routing(): void {
    const router = parseIp(this.#variable('defaultrouter'));
    if (router !== undefined) this.#stack.defaultRouter = router;
    this.#stack.isForwarding = isYes(this.#variable('gateway_enable'));
    const outside = this.#stack.find(this.#variable('firewall_nat_interface'));
    if (isYes(this.#variable('firewall_nat_enable')) && outside !== undefined) {
      this.#stack.nat = new Nat(outside);
    }
  }

  *#startInterface(ifp: NetInterface): Task {
    const words = this.#configOf(ifp).split(/\s+/).filter(Boolean);
    if (words.length === 0) return;
    yield STEP_NS;
    if (this.#isSyncDhcp(ifp)) {
      yield* this.dhclient(ifp, true);
      return;
    }
    yield* configureInterface(this.#stack, ifp, words);
  }

  /** rc.d/defaultroute: after devd, waits for what its dhclient brings. */
  *defaultRoute(): Task {
    const waiting = this.#stack.interfaces.filter((ifp) => this.#isDhcp(ifp));
    if (waiting.length === 0) return;
    for (let left = DEFAULT_ROUTE_DELAY; left > 0; left -= 1) {
      if (this.#stack.defaultRouter !== 0) {
        const via = this.#stack.route(this.#stack.defaultRouter)?.name ?? '';
        if (left !== DEFAULT_ROUTE_DELAY) this.#print(`(${via})\n`);
        return;
      }
      if (left === DEFAULT_ROUTE_DELAY) {
        this.#print(`Waiting ${left}s for the default route interface: `);
      } else {
        this.#print('.');
      }
      // Only an interface that says so has no carrier.
      const isDead = waiting.every((ifp) => ifp.hasMedia && ifp.linkState === 'down');
      if (left <= DEFAULT_ROUTE_DELAY - CARRIER_DELAY && isDead) break;
      yield* this.#kernel.tsleep({}, NS_PER_SECOND);
    }
    this.#print('\n');
  }
}

/** ifconfig's words after the interface. Unknown ones are passed over. @returns an error, or '' */
export function* configureInterface(
  stack: NetStack,
  ifp: NetInterface,
  words: readonly string[],
): Task<string> {
  let { isUp } = ifp;
  let ip = ifp.ip;
  let netmask = ifp.netmask;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]!;
    if (word === 'up' || /^(NOSYNC)?DHCP$/i.test(word)) isUp = true;
    else if (word === 'down') isUp = false;
    else if (word === 'promisc') ifp.isPromiscuous = true;
    else if (word === '-promisc') ifp.isPromiscuous = false;
    else if (word === 'netmask') {
      index += 1;
      const mask = parseMask(words[index] ?? '');
      if (mask === undefined) return `ifconfig: ${words[index] ?? ''}: bad value`;
      netmask = mask;
    } else if (word === 'inet' || /^\d/.test(word)) {
      if (word === 'inet') index += 1;
      const [text = '', prefix] = (words[index] ?? '').split('/');
      const address = parseIp(text);
      if (address === undefined) return `ifconfig: ${text}: bad value`;
      ip = address;
      netmask = maskOf(prefix === undefined ? 24 : Number(prefix));
      isUp = true;
    } else if (word === 'mtu') {
      index += 1;
      const error = yield* ifp.driver.setMtu(Number(words[index]));
      if (error !== 0) return `ifconfig: ioctl SIOCSIFMTU (set mtu): error ${error}`;
    } else if (word in OFFLOAD_WORDS || word.slice(1) in OFFLOAD_WORDS) {
      setCapability(ifp, word);
    }
  }
  if (ifp.isUp && !isUp) stack.onEvent?.(ifp, 'IFF_DOWN');
  ifp.isUp = isUp;
  yield* ifp.driver.configure(isUp, ifp.isPromiscuous);
  if (ip !== ifp.ip || netmask !== ifp.netmask) stack.setAddress(ifp, ip, netmask);
  return '';
}

/** IFCAP bit and hwassist bits of each word, as hn turns them off and on. */
const OFFLOAD_WORDS: Readonly<Record<string, readonly [number, number]>> = {
  rxcsum: [0x1, 0],
  txcsum: [0x2, 0x7],
  tso4: [0x100, 0x10],
  lro: [0x400, 0],
};

function setCapability(ifp: NetInterface, word: string): void {
  const isOff = word.startsWith('-');
  const [capability, assist] = OFFLOAD_WORDS[isOff ? word.slice(1) : word]!;
  if (isOff) {
    ifp.capabilities &= ~capability;
    ifp.hwassist &= ~assist;
  } else {
    ifp.capabilities |= capability;
    ifp.hwassist |= assist;
  }
}

function maskOf(prefix: number): number {
  if (!(prefix >= 0 && prefix <= 32)) return 0xffff_ff00;
  return prefix === 0 ? 0 : (0xffff_ffff << (32 - prefix)) >>> 0;
}

function parseMask(text: string): number | undefined {
  if (/^0x[0-9a-f]{8}$/i.test(text)) return Number.parseInt(text, 16);
  return parseIp(text);
}
