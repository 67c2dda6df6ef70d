/** The guest's network as one part: hn, the stack above it, and what rc.conf says of them. */
import type { AddressBook, InterfaceAddress, KernelApi } from './kernel/api.ts';
import type { PciDriver } from './pci/bus.ts';
import type { GuestDriver } from './vmbus/api.ts';
import { tulipDriver } from './de/driver.ts';
import { hnDriver } from './hn/driver.ts';
import { networkCommands } from './inet/commands.ts';
import { DEFAULT_RC_CONF, NetworkScripts, type RcConf } from './inet/rc.ts';
import { ipText, parseIp } from './inet/ip.ts';
import { NetStack } from './inet/stack.ts';

export interface NetworkOptions {
  /** rc.conf of the guest's networking; without it every interface asks for a lease. */
  readonly rcConf?: RcConf;
}

export interface NetworkStack {
  readonly driver: GuestDriver;
  /** For the emulated adapters of Gen-1. */
  readonly pciDriver: PciDriver;
  /** Of the kernel that booted last; undefined before it met a network adapter. */
  readonly stack: NetStack | undefined;
  readonly scripts: NetworkScripts | undefined;
}

export function createNetworkStack(options: NetworkOptions = {}): NetworkStack {
  return new Network(options.rcConf ?? DEFAULT_RC_CONF);
}

class Network implements NetworkStack {
  readonly driver: GuestDriver;
  readonly pciDriver: PciDriver;
  stack: NetStack | undefined;
  scripts: NetworkScripts | undefined;
  readonly #rcConf: RcConf;

  constructor(rcConf: RcConf) {
    this.#rcConf = rcConf;
    this.driver = hnDriver((kernel) => this.#stackOf(kernel));
    this.pciDriver = tulipDriver((kernel) => this.#stackOf(kernel));
  }

  /** A reset makes a new kernel, with a stack that knows nothing of the old one's. */
  #stackOf(kernel: KernelApi): NetStack {
    if (this.stack?.kernel === kernel) return this.stack;
    const stack = new NetStack(kernel);
    const print = (text: string): void => kernel.userland.print(text);
    const scripts = new NetworkScripts(stack, this.#rcConf, print);
    this.stack = stack;
    this.scripts = scripts;
    kernel.userland.addStartScript('beforeDevd', () => scripts.netif());
    kernel.userland.addStartScript('afterDevd', () => scripts.defaultRoute());
    for (const command of networkCommands(stack, scripts, print)) kernel.addCommand(command);
    kernel.userland.addProgram('dhclient', () => scripts.killClients());
    kernel.userland.addressBook = new Addresses(stack, this.#rcConf);
    kernel.addSysctl('net.inet.ip.forwarding', () => (stack.isForwarding ? '1' : '0'));
    return stack;
  }
}

/** ifconfig(8) and route(8) as the key-value daemon uses them. */
class Addresses implements AddressBook {
  readonly #stack: NetStack;
  readonly #rcConf: RcConf;
  /** Interfaces whose address was set over that of rc.conf. */
  readonly #assigned = new Set<string>();

  constructor(stack: NetStack, rcConf: RcConf) {
    this.#stack = stack;
    this.#rcConf = rcConf;
  }

  list(): readonly InterfaceAddress[] {
    const { interfaces, defaultRouter } = this.#stack;
    const show = (address: number): string => (address === 0 ? '' : ipText(address));
    return interfaces.map((ifp) => ({
      name: ifp.name,
      address: show(ifp.ip),
      netmask: ifp.ip === 0 ? '' : ipText(ifp.netmask),
      router: ifp.reaches(defaultRouter) ? show(defaultRouter) : '',
      isDhcp: this.#asksForLease(ifp.name),
    }));
  }

  #asksForLease(name: string): boolean {
    if (this.#assigned.has(name)) return false;
    const setting = this.#rcConf[`ifconfig_${name}`] ?? this.#rcConf['ifconfig_DEFAULT'] ?? '';
    return setting.includes('DHCP');
  }

  assign({ name, address, netmask, router }: InterfaceAddress): boolean {
    const ifp = this.#stack.find(name);
    const ip = parseIp(address);
    const mask = parseIp(netmask);
    const via = router === '' ? 0 : parseIp(router);
    if (ifp === undefined || ip === undefined || mask === undefined || via === undefined) {
      return false;
    }
    this.#assigned.add(name);
    this.#stack.setAddress(ifp, ip, mask);
    if (via !== 0) this.#stack.defaultRouter = via;
    return true;
  }
}
