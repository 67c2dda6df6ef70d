/** if_bridge(4): interfaces of one broadcast domain, with a table of where stations are. */
import { MAC_BYTES } from '../../net/spec/ethernet.ts';
import type { NetInterface } from './interface.ts';
import type { Packet } from './packet.ts';

/** Stations that are remembered (BRIDGE_RTABLE_MAX). */
const MAX_STATIONS = 2_000;

function station(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let index = 0; index < MAC_BYTES; index += 1) value = value * 256 + bytes[at + index]!;
  return value;
}

export class Bridge {
  readonly name: string;
  readonly members: NetInterface[] = [];
  isUp = false;
  forwarded = 0;
  readonly #stations = new Map<number, NetInterface>();

  constructor(name: string) {
    this.name = name;
  }

  remove(ifp: NetInterface): void {
    const index = this.members.indexOf(ifp);
    if (index >= 0) this.members.splice(index, 1);
    for (const [mac, place] of this.#stations) if (place === ifp) this.#stations.delete(mac);
  }

  /** A frame came in at a member: goes on to where its station is, or to every other member. */
  input(from: NetInterface, packet: Packet): void {
    if (!this.isUp) return;
    const { bytes, start } = packet;
    if ((bytes[start + MAC_BYTES]! & 1) === 0) {
      if (this.#stations.size >= MAX_STATIONS) this.#stations.clear();
      this.#stations.set(station(bytes, start + MAC_BYTES), from);
    }
    if (this.members.some(({ mac }) => mac.every((byte, at) => byte === bytes[start + at]))) return;
    const isGroup = (bytes[start]! & 1) !== 0;
    const known = isGroup ? undefined : this.#stations.get(station(bytes, start));
    if (known === from) return;
    for (const member of known === undefined ? this.members : [known]) {
      if (member === from || !member.isUp) continue;
      const copy = packet.clone();
      // Sums that an adapter found right are in the frame; nothing is asked of the next one.
      copy.csumFlags = 0;
      copy.hashType = 0;
      this.forwarded += 1;
      member.transmit(copy);
    }
  }

  text(): string {
    const flags = this.isUp ? '8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST>' : '8802<BROADCAST>';
    const members = this.members.map(
      ({ name }) => `\tmember: ${name} flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>\n`,
    );
    return `${this.name}: flags=${flags} metric 0 mtu 1500\n${members.join('')}`;
  }
}
