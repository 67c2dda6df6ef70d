/** The shell's network programs: ifconfig, netstat, ping, arp, nc. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { KernelApi, ShellCommand, Task } from '../kernel/api.ts';
import { ETHERNET_BYTES, EtherType, TYPE_AT } from '../../net/spec/ethernet.ts';
import { IpProtocol, Ipv4Header } from '../../net/spec/ip.ts';
import { Bridge } from './bridge.ts';
import { readWord } from '../../core/network-order.ts';
import { interfaceText, LOOPBACK_TEXT } from './ifconfig.ts';
import type { Packet } from './packet.ts';
import { ntpCommands } from './ntp-commands.ts';
import { webCommands } from './web.ts';
import { ipText, macText, parseIp } from './ip.ts';
import { configureInterface, type NetworkScripts } from './rc.ts';
import type { NetStack } from './stack.ts';

/** Processor time of a small program. */
const PROGRAM_NS = 500_000;
const PING_BYTES = 56;
const MAX_PING_BYTES = 65_507;
const PINGS = 3;
const MAX_PINGS = 1_000;
/** MAXWAIT: how long ping waits for the last answer. */
const MAX_WAIT_NS = 10 * NS_PER_SECOND;
const EX_NOHOST = 68;

type Print = (text: string) => void;

export function networkCommands(
  stack: NetStack,
  scripts: NetworkScripts,
  print: Print,
): ShellCommand[] {
  const { kernel } = stack;
  return [
    {
      name: 'ifconfig',
      help: 'network interfaces; or: interface, then inet, netmask, up, down, -txcsum',
      run: (words) => ifconfig(stack, words, print),
    },
    {
      name: 'netstat',
      help: '-i interfaces, -rn routes, -s counters, -an connections',
      *run(words) {
        print(netstat(stack, words[1] ?? ''));
        yield PROGRAM_NS;
      },
    },
    {
      name: 'ping',
      help: '[-c count] [-s bytes] [-i seconds] address',
      run: (words) => ping(kernel, stack, words, print),
    },
    {
      name: 'arp',
      help: '-a: addresses of neighbours',
      *run() {
        print(arpText(stack));
        yield PROGRAM_NS;
      },
    },
    {
      name: 'nc',
      help: '-z address port: can a TCP connection be made',
      run: (words) => netcat(stack, words, print),
    },
    {
      name: 'tcpdump',
      help: '-c COUNT -i INTERFACE [tcp port N]: frames with their lengths',
      run: (words) => tcpdump(stack, words, print),
    },
    ...webCommands(stack, print),
    ...ntpCommands(stack, print),
    {
      name: 'dhclient',
      help: 'interface: asks for an address',
      *run(words): Task<number> {
        const ifp = stack.find(words[1] ?? '');
        if (ifp !== undefined) return (yield* scripts.dhclient(ifp, false)) ? 0 : 1;
        print(`${words[1] ?? ''}: no such interface\n`);
        return 1;
      },
    },
  ];
}

function* ifconfig(stack: NetStack, words: readonly string[], print: Print): Task<number> {
  yield PROGRAM_NS;
  const name = words[1];
  if (name === undefined || name === '-a') {
    for (const ifp of stack.interfaces) print(interfaceText(ifp));
    print(LOOPBACK_TEXT);
    return 0;
  }
  if (/^bridge\d+$/.test(name)) return yield* ifconfigBridge(stack, name, words.slice(2), print);
  const ifp = stack.find(name);
  if (ifp === undefined) {
    print(name === 'lo0' ? LOOPBACK_TEXT : `ifconfig: interface ${name} does not exist\n`);
    return name === 'lo0' ? 0 : 1;
  }
  if (words.length === 2) {
    print(interfaceText(ifp));
    return 0;
  }
  const error = yield* configureInterface(stack, ifp, words.slice(2));
  if (error !== '') print(`${error}\n`);
  return error === '' ? 0 : 1;
}

/** ifconfig bridge0 create, addm, deletem, up, down, destroy. */
function* ifconfigBridge(
  stack: NetStack,
  name: string,
  words: readonly string[],
  print: Print,
): Task<number> {
  if (words[0] === 'create' && stack.bridge === undefined) {
    stack.bridge = new Bridge(name);
    return 0;
  }
  const { bridge } = stack;
  if (bridge?.name !== name) {
    print(`ifconfig: interface ${name} does not exist\n`);
    return 1;
  }
  if (words.length === 0) print(bridge.text());
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index]!;
    if (word === 'up' || word === 'down') bridge.isUp = word === 'up';
    else if (word === 'destroy') stack.bridge = undefined;
    else if (word === 'addm' || word === 'deletem') {
      index += 1;
      const member = stack.find(words[index] ?? '');
      if (member === undefined) {
        print(`ifconfig: BRDGADD ${words[index] ?? ''}: No such file or directory\n`);
        return 1;
      }
      bridge.remove(member);
      if (word === 'addm') bridge.members.push(member);
      // A bridge takes frames for every station behind it.
      member.isPromiscuous = word === 'addm';
      yield* member.driver.configure(member.isUp, member.isPromiscuous);
    }
  }
  return 0;
}

/** tcpdump -c COUNT -i INTERFACE [tcp port N]: one line a frame. */
function* tcpdump(stack: NetStack, words: readonly string[], print: Print): Task<number> {
  yield PROGRAM_NS;
  const count = numberAfter(words, '-c', 100_000, 0);
  const ifp = stack.find(words[words.indexOf('-i') + 1] ?? '');
  if (ifp === undefined || count === 0) {
    print('usage: tcpdump -c COUNT -i INTERFACE [tcp port N]\n');
    return 1;
  }
  const port = numberAfter(words, 'port', 65_535, 0);
  const lines: string[] = [];
  ifp.monitor = (packet, isOutput) => {
    if (lines.length >= count || !hasPort(packet, port)) return;
    lines.push(`${isOutput ? 'out' : 'in'} ${ifp.name}: length ${packet.length}\n`);
    if (lines.length === count) stack.kernel.wakeup(lines);
  };
  while (lines.length < count) yield* stack.kernel.tsleep(lines, Infinity);
  ifp.monitor = undefined;
  print(`${lines.join('')}${count} packets captured\n`);
  return 0;
}

/** An IPv4 frame of TCP with this port, or any frame for 0. */
function hasPort({ bytes, start, length }: Packet, port: number): boolean {
  if (port === 0) return true;
  const ip = start + ETHERNET_BYTES;
  const at = ip + (bytes[ip]! & 15) * 4;
  const isTcp =
    readWord(bytes, start + TYPE_AT) === EtherType.ipv4 &&
    bytes[ip + Ipv4Header.offset.protocol] === IpProtocol.tcp &&
    at + 4 <= start + length;
  return isTcp && (readWord(bytes, at) === port || readWord(bytes, at + 2) === port);
}

function netstat(stack: NetStack, flag: string): string {
  if (flag === '-i') return interfaceTable(stack);
  if (flag === '-rn' || flag === '-r') return routeTable(stack);
  if (flag === '-s') return counterText(stack);
  if (flag === '-an' || flag === '-a') return connectionTable(stack);
  return 'usage: netstat -i | -rn | -s | -an\n';
}

function interfaceTable({ interfaces }: NetStack): string {
  const right = (value: number | string, width: number): string => String(value).padStart(width);
  const row = (name: string, mtu: string, network: string, address: string): string =>
    `${name.padEnd(6)}${right(mtu, 5)} ${network.padEnd(13)} ${address.padEnd(17)}`;
  const head = `${row('Name', 'Mtu', 'Network', 'Address')}    Ipkts Ierrs Idrop    Opkts Oerrs  Coll\n`;
  const lines = interfaces.flatMap((ifp, index) => {
    const { packetsIn, packetsOut, errorsIn, errorsOut, dropsOut } = ifp;
    const link = row(ifp.name, String(ifp.mtu), `<Link#${index + 1}>`, macText(ifp.mac));
    const counts =
      `${right(packetsIn, 9)}${right(errorsIn, 6)}${right(0, 6)}` +
      `${right(packetsOut, 9)}${right(errorsOut + dropsOut, 6)}${right(0, 6)}`;
    if (ifp.ip === 0) return [`${link}${counts}\n`];
    const bits = 32 - Math.log2((~ifp.netmask >>> 0) + 1);
    const network = `${ipText((ifp.ip & ifp.netmask) >>> 0)}/${bits}`.slice(0, 13);
    const inet = row(ifp.name, '-', network, ipText(ifp.ip));
    const shown = `${right(packetsIn, 9)}     -     -${right(packetsOut, 9)}     -     -`;
    return [`${link}${counts}\n`, `${inet}${shown}\n`];
  });
  return head + lines.join('');
}

function routeTable({ interfaces, defaultRouter }: NetStack): string {
  const row = (to: string, gateway: string, flags: string, name: string): string =>
    `${to.padEnd(18)} ${gateway.padEnd(18)} ${flags.padEnd(9)} ${name.padStart(8)}\n`;
  let text = `Routing tables\n\nInternet:\n${row('Destination', 'Gateway', 'Flags', 'Netif')}`;
  const via = interfaces.find((ifp) => defaultRouter !== 0 && ifp.reaches(defaultRouter));
  if (via !== undefined) text += row('default', ipText(defaultRouter), 'UGS', via.name);
  for (const [index, ifp] of interfaces.entries()) {
    if (ifp.ip === 0) continue;
    const bits = 32 - Math.log2((~ifp.netmask >>> 0) + 1);
    const network = `${ipText((ifp.ip & ifp.netmask) >>> 0)}/${bits}`;
    text += row(network, `link#${index + 1}`, 'U', ifp.name);
    text += row(ipText(ifp.ip), `link#${index + 1}`, 'UHS', 'lo0');
  }
  return text + row('127.0.0.1', 'link#0', 'UH', 'lo0');
}

function counterText({ counters, tcp, udp, icmp }: NetStack): string {
  return [
    'tcp:',
    `\t${tcp.sent} packets sent`,
    `\t\t${tcp.retransmits} data packets retransmitted`,
    `\t${tcp.received} packets received`,
    `\t\t${tcp.badChecksum} discarded for bad checksums`,
    'udp:',
    `\t${udp.received} datagrams received`,
    `\t${udp.badChecksum} with bad checksum`,
    `\t${udp.noSocket} dropped due to no socket`,
    `\t${udp.sent} datagrams output`,
    'ip:',
    `\t${counters.received} total packets received`,
    `\t${counters.badHeaderChecksum} bad header checksums`,
    `\t${counters.fragments} fragments received`,
    `\t${counters.delivered} packets for this host`,
    `\t${counters.forwarded} packets forwarded`,
    `\t${counters.notForwardable} packets not forwardable`,
    `\t${counters.sent} packets sent from this host`,
    `\t${counters.noRoute} output packets discarded due to no route`,
    'icmp:',
    `\t${icmp.badChecksum} bad checksums`,
    `\t${icmp.echoesAnswered} message responses generated`,
    '',
  ].join('\n');
}

function connectionTable({ tcp }: NetStack): string {
  const row = (local: string, remote: string, state: string): string =>
    `tcp4       0      0 ${local.padEnd(22)} ${remote.padEnd(22)} ${state}\n`;
  let text = 'Active Internet connections (including servers)\n';
  text += `Proto Recv-Q Send-Q ${'Local Address'.padEnd(22)} ${'Foreign Address'.padEnd(22)} (state)\n`;
  for (const one of tcp.connections) {
    const local = `${ipText(one.localIp)}.${one.localPort}`;
    text += row(local, `${ipText(one.remoteIp)}.${one.remotePort}`, one.state);
  }
  for (const port of tcp.listeningPorts) text += row(`*.${port}`, '*.*', 'LISTEN');
  return text;
}

function arpText({ arp, interfaces }: NetStack): string {
  let text = '';
  for (const [ip, { mac, ifp }] of arp.entries) {
    const shown = mac === undefined ? '(incomplete)' : macText(mac);
    text += `? (${ipText(ip)}) at ${shown} on ${ifp.name} [ethernet]\n`;
  }
  for (const ifp of interfaces) {
    if (ifp.ip === 0) continue;
    text += `? (${ipText(ifp.ip)}) at ${macText(ifp.mac)} on ${ifp.name} permanent [ethernet]\n`;
  }
  return text;
}

/** The value behind a flag, a whole number in the limits. */
function numberAfter(words: readonly string[], flag: string, most: number, other: number): number {
  const index = words.indexOf(flag);
  const value = index < 0 ? other : Number(words[index + 1]);
  return Number.isInteger(value) && value >= 0 && value <= most ? value : other;
}

/** @returns 0 when an answer came, 2 when none did, 68 for an address that is none */
function* ping(
  kernel: KernelApi,
  stack: NetStack,
  words: readonly string[],
  print: Print,
): Task<number> {
  yield PROGRAM_NS;
  const text = words.at(-1) ?? '';
  const address = parseIp(text);
  if (address === undefined) {
    print(
      words.length < 2
        ? 'usage: ping [-c count] [-s bytes] address\n'
        : `ping: cannot resolve ${text}: Unknown host\n`,
    );
    return EX_NOHOST;
  }
  const count = numberAfter(words, '-c', MAX_PINGS, PINGS);
  const bytes = numberAfter(words, '-s', MAX_PING_BYTES, PING_BYTES);
  const interval = words.includes('-i') ? Number(words[words.indexOf('-i') + 1]) : 1;
  const intervalNs = interval > 0 ? interval * NS_PER_SECOND : NS_PER_SECOND;
  print(`PING ${text} (${text}): ${bytes} data bytes\n`);
  const times: number[] = [];
  const id = stack.icmp.nextId();
  const wait = { sequence: -1, sentNs: 0, ttl: 0, length: 0, isAnswered: false };
  const close = stack.icmp.listen({
    id,
    reply(sequence, _source, ttl, length) {
      if (sequence !== wait.sequence || wait.isAnswered) return;
      Object.assign(wait, { ttl, length, isAnswered: true });
      kernel.wakeup(wait);
    },
  });
  for (let sequence = 0; sequence < count; sequence += 1) {
    const isLast = sequence + 1 === count;
    Object.assign(wait, { sequence, sentNs: kernel.uptimeNs(), isAnswered: false });
    if (!stack.icmp.request(address, id, sequence, bytes)) {
      print('ping: sendto: No route to host\n');
    }
    // The last answer has its time, whatever the interval is.
    const next = wait.sentNs + intervalNs;
    const limit = isLast ? wait.sentNs + MAX_WAIT_NS : next;
    yield* sleepUntil(kernel, wait, limit, () => wait.isAnswered);
    if (!wait.isAnswered) continue;
    const ms = (kernel.uptimeNs() - wait.sentNs) / 1e6;
    times.push(ms);
    const size = wait.length;
    print(
      `${size} bytes from ${text}: icmp_seq=${sequence} ttl=${wait.ttl} time=${ms.toFixed(3)} ms\n`,
    );
    if (!isLast) yield* sleepUntil(kernel, wait, next, () => false);
  }
  close();
  print(pingSummary(text, count, times));
  return times.length > 0 ? 0 : 2;
}

function* sleepUntil(
  kernel: KernelApi,
  channel: object,
  endNs: number,
  isOver: () => boolean,
): Task {
  while (!isOver()) {
    const left = endNs - kernel.uptimeNs();
    if (left <= 0) return;
    yield* kernel.tsleep(channel, left);
  }
}

function pingSummary(name: string, sent: number, times: readonly number[]): string {
  const loss = sent === 0 ? 0 : ((sent - times.length) / sent) * 100;
  const head =
    `\n--- ${name} ping statistics ---\n${sent} packets transmitted, ` +
    `${times.length} packets received, ${loss.toFixed(1)}% packet loss\n`;
  if (times.length === 0) return head;
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  const square = times.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / times.length;
  const figures = [Math.min(...times), mean, Math.max(...times), Math.sqrt(square)];
  const shown = figures.map((ms) => ms.toFixed(3)).join('/');
  return `${head}round-trip min/avg/max/stddev = ${shown} ms\n`;
}

function* netcat(stack: NetStack, words: readonly string[], print: Print): Task<number> {
  yield PROGRAM_NS;
  const address = parseIp(words[2] ?? '');
  const port = Number(words[3]);
  if (words[1] !== '-z' || address === undefined || !(port > 0 && port < 65_536)) {
    print('usage: nc -z address port\n');
    return 1;
  }
  const connection = yield* stack.tcp.connect(address, port);
  const to = `${words[2]!} ${port} port [tcp/*]`;
  if (!connection.isEstablished) {
    const why = connection.error === 'refused' ? 'Connection refused' : 'Operation timed out';
    print(`nc: connect to ${words[2]!} port ${port} (tcp) failed: ${why}\n`);
    return 1;
  }
  print(`Connection to ${to} succeeded!\n`);
  connection.close();
  return 0;
}
