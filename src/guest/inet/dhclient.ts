/** dhclient(8): gets a lease for an interface and keeps it. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import { DhcpType } from '../../net/spec/dhcp.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { buildQuestion, type DhcpAnswer, parseAnswer } from './dhcp-message.ts';
import type { NetInterface } from './interface.ts';
import { ipText } from './ip.ts';
import type { NetStack } from './stack.ts';

const HOST_NAME = 'synthvm';
/** Discovers until the program goes into the background without a lease. */
const ATTEMPTS = 5;
const REQUEST_TIMEOUT_NS = 4 * NS_PER_SECOND;
/** What is set aside between failures. */
const RETRY_NS = 300 * NS_PER_SECOND;

export class DhcpClient {
  readonly #kernel: KernelApi;
  readonly #stack: NetStack;
  readonly #ifp: NetInterface;
  readonly #random;
  /** Writes to the console as a program does. */
  readonly #print: (text: string) => void;
  lease: DhcpAnswer | undefined;
  #isKilled = false;
  #answer: DhcpAnswer | undefined;

  constructor(stack: NetStack, ifp: NetInterface, print: (text: string) => void) {
    this.#kernel = stack.kernel;
    this.#stack = stack;
    this.#ifp = ifp;
    this.#random = stack.kernel.random(`dhclient ${ifp.name}`);
    this.#print = print;
  }

  /** Asks until there is a lease, at most so often as dhclient does in the foreground. */
  *acquire(): Task<boolean> {
    const ifp = this.#ifp;
    yield* this.bringUp();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const transaction = this.#random.u32();
      const seconds = 3 + this.#random.below(5);
      this.#print(`DHCPDISCOVER on ${ifp.name} to 255.255.255.255 port 67 interval ${seconds}\n`);
      const offer = yield* this.#ask(DhcpType.is.discover, transaction, 0, 0, seconds);
      if (offer?.type !== DhcpType.is.offer) continue;
      this.#print(`DHCPOFFER from ${ipText(offer.serverIp)}\n`);
      if (yield* this.#request(transaction, offer.yourIp, offer.serverIp)) return true;
    }
    this.#print('No DHCPOFFERS received.\nNo working leases in persistent database - sleeping.\n');
    return false;
  }

  *bringUp(): Task {
    const ifp = this.#ifp;
    if (ifp.isUp) return;
    ifp.isUp = true;
    yield* ifp.driver.configure(true, ifp.isPromiscuous);
  }

  *#request(transaction: number, ip: number, server: number): Task<boolean> {
    const ifp = this.#ifp;
    this.#print(`DHCPREQUEST on ${ifp.name} to 255.255.255.255 port 67\n`);
    const seconds = REQUEST_TIMEOUT_NS / NS_PER_SECOND;
    const answer = yield* this.#ask(DhcpType.is.request, transaction, ip, server, seconds);
    if (answer?.type !== DhcpType.is.acknowledge) {
      if (answer?.type === DhcpType.is.refuse) {
        this.#print(`DHCPNAK from ${ipText(answer.serverIp)}\n`);
      }
      return false;
    }
    this.#print(`DHCPACK from ${ipText(answer.serverIp)}\n`);
    this.lease = answer;
    if (ifp.ip !== answer.yourIp) {
      this.#stack.setAddress(ifp, answer.yourIp, answer.netmask);
    }
    if (answer.router !== 0) this.#stack.defaultRouter = answer.router;
    this.#print(
      `bound to ${ipText(answer.yourIp)} -- renewal in ${answer.renewalSeconds} seconds.\n`,
    );
    return true;
  }

  /** Sends one question and waits for its answer. */
  *#ask(
    type: number,
    transactionId: number,
    requestedIp: number,
    serverIp: number,
    seconds: number,
  ): Task<DhcpAnswer | undefined> {
    const ifp = this.#ifp;
    const wanted = type === DhcpType.is.discover ? [DhcpType.is.offer] : ANSWERS_TO_REQUEST;
    this.#answer = undefined;
    ifp.tap = (packet) => {
      const answer = parseAnswer(packet, transactionId);
      if (answer === undefined || !wanted.includes(answer.type)) return;
      this.#answer = answer;
      this.#kernel.wakeup(this);
    };
    yield 200_000;
    const { mac } = ifp;
    const question = { type, transactionId, mac, requestedIp, serverIp, hostName: HOST_NAME };
    ifp.transmit(buildQuestion(question));
    const end = this.#kernel.uptimeNs() + seconds * NS_PER_SECOND;
    while (this.#answer === undefined) {
      const left = end - this.#kernel.uptimeNs();
      if (left <= 0) break;
      yield* this.#kernel.tsleep(this, left);
    }
    ifp.tap = undefined;
    return this.#answer;
  }

  get #isWanted(): boolean {
    return !this.#isKilled && this.#stack.interfaces.includes(this.#ifp);
  }

  /** The interface keeps its address. */
  kill(): void {
    this.#isKilled = true;
    this.#kernel.wakeup(this.#ifp);
  }

  /** Stays in the background: renews the lease at half its time, or looks for one now and then. */
  *keep(): Task {
    while (this.#isWanted) {
      const { lease } = this;
      const waitNs = lease === undefined ? RETRY_NS : lease.renewalSeconds * NS_PER_SECOND;
      yield* this.#kernel.tsleep(this.#ifp, Math.max(waitNs, NS_PER_SECOND));
      if (!this.#isWanted) return;
      const isKept =
        lease !== undefined && (yield* this.#request(this.#random.u32(), lease.yourIp, 0));
      if (!isKept) {
        this.lease = undefined;
        yield* this.acquire();
      }
    }
  }
}

const ANSWERS_TO_REQUEST: readonly number[] = [DhcpType.is.acknowledge, DhcpType.is.refuse];
