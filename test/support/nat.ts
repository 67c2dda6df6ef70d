/** Three machines: a client and a server on networks of their own, and a router between them. */
import { createDefaultDisk } from '../../src/boot/default-disk.ts';
import { NS_PER_SECOND } from '../../src/core/clock.ts';
import type { NetStack } from '../../src/guest/inet/stack.ts';
import type { PresetName, Switches } from '../../src/guest/switches.ts';
import type { AdapterConfig } from '../../src/machine/network.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { HOST_PROFILES, type HostProfile } from '../../src/machine/profiles.ts';
import { Topology } from '../../src/machine/topology.ts';
import type { VirtualSwitch } from '../../src/net/switch.ts';
import { OverlayDevice } from '../../src/storage/overlay.ts';

const MIB = 1024 * 1024;
const CARRIAGE_RETURN = 0x0d;
const HOST = 'ws2022';
export const SERVER_IP = '203.0.113.2';
export const ROUTER_IP = '203.0.113.1';
export const CLIENT_IP = '192.168.1.2';
const MASK = '255.255.255.0';

/** Longer than a boot and a lost SYN with its repetitions. */
const BOOT_SECONDS = 60;

export interface NatSetup {
  readonly preset: PresetName;
  readonly switches?: Partial<Switches>;
  readonly seed?: number;
  /** False: the host does not say that checksums of received frames are right. */
  readonly rxCsumPpi?: boolean;
}

export class NatTopology {
  readonly topology = new Topology();
  readonly inside: VirtualSwitch;
  readonly outside: VirtualSwitch;
  readonly client: Machine;
  readonly router: Machine;
  readonly server: Machine;
  readonly #text = new Map<Machine, { value: string }>();

  constructor(setup: NatSetup) {
    this.inside = this.topology.createSwitch();
    this.outside = this.topology.createSwitch();
    const disk = createDefaultDisk({ generation: 1, sizeBytes: 256 * MIB });
    const add = (
      networks: readonly VirtualSwitch[],
      rcConf: Readonly<Record<string, string>>,
      hostProfile: Partial<HostProfile> = {},
    ): Machine =>
      this.topology.add({
        generation: 1,
        host: HOST,
        hostProfile,
        memoryBytes: 128 * MIB,
        processors: 1,
        disks: [new OverlayDevice(disk)],
        seed: BigInt(setup.seed ?? 1),
        preset: setup.preset,
        ...(setup.switches === undefined ? {} : { switches: setup.switches }),
        adapters: networks.map((network): AdapterConfig => ({ network })),
        rcConf,
      });
    this.client = add([this.inside], {
      ifconfig_hn0: `inet ${CLIENT_IP} netmask ${MASK}`,
      defaultrouter: '192.168.1.1',
    });
    const { netvsc } = HOST_PROFILES[HOST];
    this.router = add(
      [this.inside, this.outside],
      {
        ifconfig_hn0: `inet 192.168.1.1 netmask ${MASK}`,
        ifconfig_hn1: `inet ${ROUTER_IP} netmask ${MASK}`,
        gateway_enable: 'YES',
        firewall_nat_enable: 'YES',
        firewall_nat_interface: 'hn1',
      },
      setup.rxCsumPpi === false ? { netvsc: { ...netvsc, rxCsumPpi: 'off' } } : {},
    );
    this.server = add([this.outside], {
      ifconfig_hn0: `inet ${SERVER_IP} netmask ${MASK}`,
      inetd_enable: 'YES',
    });
  }

  stackOf(machine: Machine): NetStack {
    return machine.guestNetwork.stack!;
  }

  /** Every machine to its login prompt. */
  boot(): this {
    const ready = new Set<Machine>();
    for (const machine of this.topology.machines) {
      const text = { value: '' };
      this.#text.set(machine, text);
      machine.console.listen((byte) => {
        if (byte !== CARRIAGE_RETURN) text.value += String.fromCharCode(byte);
      });
      machine.trace.subscribe((_, type, __, text) => {
        if (type.category === 'guest' && type.name === 'phase' && text === 'login') {
          ready.add(machine);
        }
      });
    }
    this.topology.powerOn();
    const isReady = (): boolean => ready.size === this.topology.machines.length;
    if (!this.topology.run(BOOT_SECONDS * NS_PER_SECOND, isReady)) {
      throw new Error(`only ${ready.size} machines came to their login prompts`);
    }
    return this;
  }

  forSeconds(seconds: number): void {
    this.topology.run(this.topology.clock.nowNs + seconds * NS_PER_SECOND);
  }

  /** Logs in as root. */
  login(machine: Machine): void {
    this.type(machine, 'root');
  }

  /** Types a line, and waits for the prompt after it. @returns what came in between */
  type(machine: Machine, line: string, seconds = 120): string {
    const text = this.#text.get(machine)!;
    const from = text.value.length;
    machine.console.type(new TextEncoder().encode(`${line}\r`));
    const deadlineNs = this.topology.clock.nowNs + seconds * NS_PER_SECOND;
    this.topology.run(
      deadlineNs,
      () => text.value.endsWith('\n# ') && text.value.length > from + 2,
    );
    return text.value.slice(from);
  }
}
