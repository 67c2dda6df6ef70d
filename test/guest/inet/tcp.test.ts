import { describe, expect, it } from 'vitest';
import { Topology } from '../../../src/machine/topology.ts';
import { createDefaultDisk } from '../../../src/boot/default-disk.ts';
import { NS_PER_SECOND } from '../../../src/core/clock.ts';
import { Random } from '../../../src/core/random.ts';
import type { PresetName } from '../../../src/guest/switches.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { LinkFaults } from '../../../src/net/faults.ts';
import { OverlayDevice } from '../../../src/storage/overlay.ts';

const MIB = 1024 * 1024;
const ECHO_PORT = 7;
const SERVER = 0x0a00_0002;
const disk = createDefaultDisk({ generation: 2, sizeBytes: 256 * MIB });

interface Echo {
  readonly sent: Uint8Array;
  readonly received: Uint8Array;
  readonly retransmits: number;
  readonly badFrames: number;
  /** Frames that the sender put on its network. */
  readonly framesOut: number;
  readonly state: string;
  /** Packets that the server's host coalesced. */
  readonly coalesced: number;
}

/** Sends bytes to another machine's echo service over a link that may lose frames. */
function echo(bytes: number, preset: PresetName, loss = 0, coalesces = false): Echo {
  const topology = new Topology();
  const network = topology.createSwitch();
  const add = (host: number): Machine =>
    topology.add({
      generation: preset === 'bis:modern' ? 2 : 1,
      host: 'ws2022',
      memoryBytes: 128 * MIB,
      processors: 1,
      disks: preset === 'bis:modern' ? [new OverlayDevice(disk)] : [],
      seed: BigInt(host),
      preset,
      adapters: [{ network }],
      rcConf: { ifconfig_hn0: `inet 10.0.0.${host}/24`, inetd_enable: 'YES' },
    });
  const [client, server] = [add(1), add(2)];
  topology.powerOn();
  const isUp = (machine: Machine): boolean =>
    machine.guestNetwork.stack?.tcp.listeningPorts.includes(ECHO_PORT) === true;
  topology.run(60 * NS_PER_SECOND, () => isUp(client) && isUp(server));
  const port = client.network.ports[0]!;
  if (loss > 0) port.faults = new LinkFaults(new Random(3), { loss });
  const sent = new Uint8Array(bytes);
  new Random(9).fill(sent);
  const received: number[] = [];
  const result = { isOver: false, retransmits: 0, state: '' };
  if (coalesces) {
    for (const { guest } of [client, server]) {
      expect(guest.kernel!.writableSysctls.get('dev.hn.0.rsc_switch')!('1')).toBe(true);
    }
    topology.run(topology.clock.nowNs + NS_PER_SECOND);
  }
  const { tcp } = client.guestNetwork.stack!;
  const kernel = client.guest.kernel!;
  const framesBefore = port.counters.framesIn;
  kernel.spawn('reader', function* () {
    const connection = yield* tcp.connect(SERVER, ECHO_PORT);
    connection.onData = (from) => received.push(...from.take());
    yield* connection.write(sent);
    while (received.length < sent.length && !connection.isEnded) {
      yield* kernel.tsleep(connection, NS_PER_SECOND);
    }
    connection.close();
    while (connection.state !== 'TIME_WAIT' && connection.state !== 'CLOSED') {
      yield* kernel.tsleep(connection, NS_PER_SECOND);
    }
    Object.assign(result, {
      isOver: true,
      retransmits: connection.retransmits,
      state: connection.state,
    });
  });
  // A key press wakes the processor, which then finds the new thread.
  client.console.type(Uint8Array.of(0x20));
  topology.run(topology.clock.nowNs + 600 * NS_PER_SECOND, () => result.isOver);
  return {
    sent,
    received: Uint8Array.from(received),
    retransmits: result.retransmits,
    badFrames: port.counters.badIn + server.network.ports[0]!.counters.badIn,
    framesOut: port.counters.framesIn - framesBefore,
    state: result.state,
    coalesced: Number(server.guest.kernel!.sysctls.get('dev.hn.0.rsc_pkts')?.() ?? 0),
  };
}

describe('TCP between two guests', () => {
  it.each(['bis:modern', 'bis:2015q4'] as const)('%s: comes back as it went', (preset) => {
    const { sent, received, retransmits, badFrames, framesOut, state } = echo(300_000, preset);
    expect(Buffer.compare(received, sent)).toBe(0);
    expect(retransmits).toBe(0);
    expect(badFrames).toBe(0);
    // Large sends are cut up by the adapter: no frame is longer than the MTU.
    expect(framesOut).toBeGreaterThanOrEqual(Math.ceil(300_000 / 1460));
    expect(state).toBe('TIME_WAIT');
  });

  it('comes back as it went when the hosts coalesce segments', () => {
    const { sent, received, retransmits, coalesced } = echo(300_000, 'bis:modern', 0, true);
    expect(Buffer.compare(received, sent)).toBe(0);
    expect(retransmits).toBe(0);
    expect(coalesced).toBeGreaterThan(5);
  });

  it('is not coalesced until it is asked for', () => {
    expect(echo(30_000, 'bis:modern').coalesced).toBe(0);
  });

  it('outlives lost frames', () => {
    const { sent, received, retransmits, badFrames } = echo(60_000, 'bis:modern', 0.02);
    expect(Buffer.compare(received, sent)).toBe(0);
    expect(retransmits).toBeGreaterThan(0);
    expect(badFrames).toBe(0);
  });
});
