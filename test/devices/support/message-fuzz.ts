import { expect } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import type { VmbusDevice } from '../../../src/vmbus/device.ts';
import { PacketType } from '../../../src/vmbus/spec/ring.ts';
import { framed, type MessageGuest } from './message-guest.ts';

const MS = 1_000_000;
/** A fresh opening every so often, since some messages are legal only once. */
const MESSAGES_PER_OPENING = 50;
const EXTREMES = [0, 1, 2, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];

export interface FuzzPlan<Device extends VmbusDevice> {
  /** Messages that are right, to be spoilt; without pipe header. */
  readonly seeds: (heard: readonly Uint8Array[]) => readonly Uint8Array[];
  /** Host calls between messages, so that answers find requests. */
  readonly poke: (device: Device, random: Random) => void;
  /** Brings the device to where most of its messages are legal. */
  readonly begin: (guest: MessageGuest<Device>) => void;
  /** Answers that one message may bring, at the most. */
  readonly mostAnswers: number;
  /** The guest gives pages away, and with wrong numbers any of them. */
  readonly givesMemory?: boolean;
}

function spoil(seed: Uint8Array, random: Random): Uint8Array {
  let bytes = seed.slice();
  for (let count = random.below(4); count > 0; count -= 1) {
    const view = new DataView(bytes.buffer);
    const at = bytes.length > 0 ? random.below(bytes.length) : 0;
    const action = random.below(5);
    if (action === 0) bytes = bytes.slice(0, at);
    else if (action === 1) {
      const longer = new Uint8Array(bytes.length + random.below(64));
      longer.set(bytes);
      bytes = longer;
    } else if (action === 2 && bytes.length > 0) bytes[at] = random.u32() & 0xff;
    else if (action === 3 && at + 4 <= bytes.length) {
      view.setUint32(at & ~3, EXTREMES[random.below(EXTREMES.length)]!, true);
    } else if (action === 4 && at + 2 <= bytes.length) view.setUint16(at & ~1, 0xffff, true);
  }
  return bytes;
}

/** Now and then the pipe header lies too. */
function wrap(body: Uint8Array, isPipe: boolean, random: Random): Uint8Array {
  if (!isPipe) return body;
  const packet = framed(body);
  if (random.below(20) === 0) packet[random.below(8)] = random.u32() & 0xff;
  return random.below(50) === 0 ? packet.slice(0, random.below(9)) : packet;
}

/**
 * Sends messages, most of them wrong, over real rings. Nothing may throw, virtual time may not
 * run away, one message may not bring many, and the guest's other memory stays as it is.
 */
export function fuzzMessages<Device extends VmbusDevice>(
  guest: MessageGuest<Device>,
  plan: FuzzPlan<Device>,
  seed: number,
  messages: number,
): void {
  const random = new Random(seed);
  const { memory, events } = guest.guest;
  const quiet = memory.u8.subarray(0, 0x8_0000).fill(0x5a);
  let heard: Uint8Array[] = [];
  guest.open();
  const start = (): void => {
    guest.channel.close();
    guest.guest.messages.length = 0;
    reopen(guest);
    plan.begin(guest);
    heard = guest.hearAll();
  };
  for (let count = 0; count < messages; count += 1) {
    if (count % MESSAGES_PER_OPENING === 0) start();
    if (random.below(4) === 0) plan.poke(guest.device, random);
    guest.pass(random.below(3) === 0 ? random.below(3000) * MS : 0);
    heard = [...heard, ...guest.hearAll()].slice(-4);
    const seeds = plan.seeds(heard);
    const body = spoil(seeds[random.below(seeds.length)]!, random);
    const type = random.below(30) === 0 ? PacketType.completion : PacketType.inBand;
    const wantsCompletion = random.below(2) === 0;
    const isSent = guest.channel.send(wrap(body, guest.isPipe, random), { type, wantsCompletion });
    if (plan.givesMemory !== true) expect(isSent).toBe(true);
    const before = guest.hearAll().length;
    guest.pass(MS / 10);
    const answers = guest.hearAll();
    expect(before).toBe(0);
    expect(answers.length).toBeLessThanOrEqual(plan.mostAnswers);
    heard.push(...answers);
    expect(events.pendingCount).toBeLessThan(200);
  }
  if (plan.givesMemory !== true) expect(quiet.every((byte) => byte === 0x5a)).toBe(true);
  expect(guest.dropped.length).toBeGreaterThan(messages / 20);
  start();
}

/** Opens again in the ring memory of before: the test guest's memory is small. */
function reopen<Device extends VmbusDevice>(guest: MessageGuest<Device>): void {
  guest.open({ pages: Array.from({ length: 10 }, (_, index) => 0x180 + index) });
}
