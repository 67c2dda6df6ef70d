/**
 * Virtual RSS: with one channel every frame interrupts one processor; with sub-channels the host
 * spreads flows by their Toeplitz hash (freebsd-bis.md 1.4).
 */
import { expect, scenario } from 'synthvm';
import type { HnController } from '../src/guest/hn/controller.ts';
import { inside, small } from './support/machines.ts';

const FLOWS = 64;
const PROCESSORS = 4;
const DISCARD_PORT = 9;
const SENDER_IP = 0xc0a8_6405;
const SENDER_MAC = [0x00, 0x15, 0x5d, 0x05, 0x05, 0x05];
const FRAME_BYTES = 60;
const TABLE_ENTRIES = 128;

/** The key of Microsoft's "Verifying the RSS Hash Calculation". */
const KEY = ['6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4', '77cb2da38030f20c6a42b73bbeac01fa']
  .join('')
  .match(/../g)!
  .map((byte) => Number.parseInt(byte, 16).toString(2).padStart(8, '0'))
  .join('');

/** The definition, bit by bit: no tables, nothing shared with the host's hash. */
function toeplitz(input: readonly number[]): number {
  let hash = 0;
  for (const [index, byte] of input.entries()) {
    for (let bit = 0; bit < 8; bit += 1) {
      if ((byte & (0x80 >> bit)) === 0) continue;
      const from = index * 8 + bit;
      hash ^= Number.parseInt(KEY.slice(from, from + 32), 2);
    }
  }
  return hash >>> 0;
}

const octets = (ip: number): number[] => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255];
const word = (value: number): number[] => [value >>> 8, value & 255];

function checksum(bytes: Uint8Array, start: number, length: number, before = 0): number {
  let total = before;
  for (let at = start; at < start + length; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

/** A SYN, as plain as can be. */
function syn(to: Uint8Array, ip: number, port: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(to);
  bytes.set(SENDER_MAC, 6);
  view.setUint16(12, 0x0800);
  bytes.set([0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6], 14);
  view.setUint32(26, SENDER_IP);
  view.setUint32(30, ip);
  view.setUint16(24, checksum(bytes, 14, 20));
  view.setUint16(34, port);
  view.setUint16(36, DISCARD_PORT);
  view.setUint32(38, 1);
  bytes.set([0x50, 0x02, 0xff, 0xff], 46);
  const pseudo = [...octets(SENDER_IP), ...octets(ip), 0, 6, 0, 20];
  const sum = ~checksum(Uint8Array.from(pseudo), 0, pseudo.length) & 0xffff;
  view.setUint16(50, checksum(bytes, 34, 20, sum));
  return bytes;
}

scenario('1.4 the hash gives the published vectors', small, () => {
  // 66.9.149.187:2794 to 161.142.100.80:1766, with ports and without.
  const addresses = [66, 9, 149, 187, 161, 142, 100, 80];
  expect(toeplitz([...addresses, ...word(2794), ...word(1766)])).toBe(0x51cc_c178);
  expect(toeplitz(addresses)).toBe(0x323e_8fc2);
});

for (const [mode, vrss] of [
  ['broken', false],
  ['fixed', true],
] as const) {
  scenario(
    `1.4 ${mode}: ${FLOWS} flows to four processors`,
    { ...small, memory: '128M', cpus: PROCESSORS, nics: 1, set: { vrss } },
    async ({ vm, note }) => {
      await vm.console.login();
      const { bus, machine } = inside(vm);
      const device = bus.devices.find(({ driverName }) => driverName === 'hn')!;
      const { ifp, rings } = device.softState as HnController;
      const { ip, mac } = ifp!;
      const port = machine.network.own!.connect('sender');
      const counts = (): number[] => rings.map(({ packetsIn }) => packetsIn);
      const first = counts();
      const interrupts = Array.from(bus.interruptCounts);
      const taken: number[] = [];
      const expected: number[] = [];
      for (let flow = 0; flow < FLOWS; flow += 1) {
        const before = counts();
        const source = 1024 + flow * 7;
        port.send(syn(mac, ip, source), 0, FRAME_BYTES);
        await vm.until(() => counts().some((count, ring) => count > before[ring]!), {
          within: '1s',
          what: 'the frame',
        });
        taken.push(counts().findIndex((count, ring) => count > before[ring]!));
        const tuple = [...octets(SENDER_IP), ...octets(ip), ...word(source), ...word(DISCARD_PORT)];
        expected.push((toeplitz(tuple) % TABLE_ENTRIES) % PROCESSORS);
      }
      const framesByRing = counts().map((count, ring) => count - first[ring]!);
      const after = Array.from(bus.interruptCounts);
      const byProcessor = after.map((count, index) => count - interrupts[index]!);
      note('frames by ring', framesByRing.join(' '));
      note('interrupts by processor', byProcessor.join(' '));
      if (vrss) {
        expect(taken).toEqual(expected);
        expect(framesByRing).toHaveLength(PROCESSORS);
        expect(Math.min(...framesByRing)).toBeGreaterThan(0);
      } else {
        expect(framesByRing).toEqual([FLOWS]);
        expect(byProcessor.filter((count) => count >= FLOWS)).toHaveLength(1);
      }
    },
  );
}
