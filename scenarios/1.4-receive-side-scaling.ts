/**
 * Virtual RSS: with one channel every frame interrupts one processor; with sub-channels the host
 * spreads flows by their Toeplitz hash (freebsd-bis.md 1.4).
 */
import { HnController } from '../src/guest/hn/controller.ts';
import { hypervMac } from '../src/net/addresses.ts';
import { complementOf, ipv4PseudoSum, sumBytes } from '../src/net/checksum.ts';
import { wordsOf } from '../src/core/words.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const FLOWS = 64;
const PROCESSORS = 4;
const DISCARD_PORT = 9;
const SENDER_IP = 0xc0a8_6405;
const FRAME_BYTES = 60;

export interface Facts {
  /** Frames that each of the guest's rings received, the primary channel's first. */
  readonly framesByRing: readonly number[];
  /** Source port and ring of every flow. */
  readonly rings: readonly { readonly port: number; readonly ring: number }[];
  /** From the sender's address to the guest's, which hashes are made of. */
  readonly sourceIp: number;
  readonly destinationIp: number;
  /** VMBus interrupts that each processor took for the flows. */
  readonly interruptsByProcessor: readonly number[];
  readonly lines: readonly string[];
}

/** A SYN, as plain as can be. */
function syn(to: Uint8Array, from: Uint8Array, ip: number, port: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(to);
  bytes.set(from, 6);
  view.setUint16(12, 0x0800);
  bytes.set([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6], 14);
  view.setUint32(26, SENDER_IP);
  view.setUint32(30, ip);
  view.setUint16(24, complementOf(sumBytes(bytes, wordsOf(bytes), 14, 20)));
  view.setUint16(34, port);
  view.setUint16(36, DISCARD_PORT);
  view.setUint32(38, 1);
  bytes.set([0x50, 0x02, 0xff, 0xff], 46);
  const total = ipv4PseudoSum(bytes, 14, 6, 20) + sumBytes(bytes, wordsOf(bytes), 34, 20);
  view.setUint16(50, complementOf(total));
  return bytes;
}

function flows(vrss: boolean): Facts {
  const run = new Run({
    switches: { vrss },
    processors: PROCESSORS,
    networkAdapters: 1,
    memoryBytes: 128 * 1024 * 1024,
  }).boot();
  run.login();
  const device = run.bus.devices.find(({ driverName }) => driverName === 'hn')!;
  const controller = device.softState;
  if (!(controller instanceof HnController)) throw new Error('hn0 has no driver');
  const { ip, mac } = controller.ifp!;
  const network = run.machine.network.own!;
  const port = network.connect('sender');
  const sender = hypervMac(0x05_0505);
  const counts = (): number[] => controller.rings.map(({ packetsIn }) => packetsIn);
  const first = counts();
  const interrupts = Array.from(run.bus.interruptCounts);
  const rings: { port: number; ring: number }[] = [];
  for (let flow = 0; flow < FLOWS; flow += 1) {
    const before = counts();
    const sourcePort = 1024 + flow * 7;
    port.send(syn(mac, sender, ip, sourcePort), 0, FRAME_BYTES);
    run.until(() => counts().some((count, ring) => count > before[ring]!), 1);
    const ring = counts().findIndex((count, index) => count > before[index]!);
    rings.push({ port: sourcePort, ring });
  }
  const after = Array.from(run.bus.interruptCounts);
  const shown = run.type('sysctl dev.hn.0').split('\n');
  return {
    framesByRing: counts().map((count, ring) => count - first[ring]!),
    rings,
    sourceIp: SENDER_IP,
    destinationIp: ip,
    interruptsByProcessor: after.map((count, index) => count - interrupts[index]!),
    lines: shown.filter((line) => line.includes('.rx.')),
  };
}

export const broken = (): Facts => flows(false);
export const fixed = (): Facts => flows(true);

if (import.meta.main) {
  show({
    title: '1.4 Sixty-four flows to a guest with four processors',
    broken,
    fixed,
    rows: {
      rings: (facts) => facts.framesByRing.length,
      'frames by ring': (facts) => facts.framesByRing.join(' '),
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'one ring with all of them; then four rings, none of them empty.',
  });
}
