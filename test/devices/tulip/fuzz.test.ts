import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import {
  BUFFERS,
  frame,
  GPA,
  MAC,
  PORT,
  RECEIVE_RING,
  TRANSMIT_RING,
  TulipBench,
} from '../support/tulip-bench.ts';

const ROUNDS = 10;
const STEPS = 1_500;
/** Virtual time between two things that the guest does. */
const STEP_NS = 20_000;

/** One thing that a hostile or broken driver does, or the network. */
function step(bench: TulipBench, random: Random): void {
  const pick = <Item>(items: readonly Item[]): Item => items[random.below(items.length)]!;
  const word = (): number => random.below(0x1_0000_0000);
  switch (random.below(9)) {
    case 0:
      bench.set(random.below(16), pick([0, 1, word(), 0xffff_ffff]));
      break;
    case 1:
      bench.set(6, pick([0x0204_2002, 0x0204_2042, 0x0204_2802, 0, word()]));
      break;
    case 2: {
      const port = PORT + random.below(128);
      bench.ports.write(port, pick([1, 2, 4]), word());
      bench.ports.read(port, pick([1, 2, 4]));
      bench.mmio.write(GPA + random.below(4093), 4, word());
      bench.mmio.read(GPA + random.below(4093), 4);
      break;
    }
    case 3: {
      // Descriptors of rubbish, many of them the adapter's.
      const ring = pick([RECEIVE_RING, TRANSMIT_RING]);
      for (let index = 0; index < 8; index += 1) {
        const address = random.below(3) === 0 ? word() : random.below(0x10_0000);
        const own = random.below(3) === 0 ? 0 : 0x8000_0000;
        bench.descriptor(ring + index * 16, [own, word(), address, random.below(0x10_0000)]);
      }
      break;
    }
    case 4:
      bench.set(pick([3, 4]), pick([RECEIVE_RING, TRANSMIT_RING, word(), random.below(0x10_0000)]));
      bench.set(pick([1, 2]), 1);
      break;
    case 5: {
      const to = pick([MAC, new Uint8Array(6).fill(0xff), [1, 0, 0x5e, 0, 0, 1]]);
      bench.link.deliver(frame(to, 14 + random.below(1500), random.below(256)));
      break;
    }
    case 6:
      for (let left = random.below(80); left > 0; left -= 1) bench.set(9, word() & 0x7_ffff);
      break;
    case 7:
      bench.adapter.write(pick([0x04, 0x10, 0x14, 0x3c, 0x40]), pick([1, 2, 4]), word());
      break;
    default:
      // A ring that is its own buffers.
      bench.descriptor(BUFFERS, [0x8000_0000, 0x0100_07ff, BUFFERS, BUFFERS]);
      bench.set(pick([3, 4]), BUFFERS);
      bench.set(1, 1);
  }
  bench.pass(STEP_NS);
}

describe('an emulated adapter under a hostile guest', () => {
  it(`${(ROUNDS * STEPS).toLocaleString('en-US')} cases: nothing throws or runs on for ever, and a reset mends all`, () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const random = new Random(BigInt(round), 'tulip fuzz');
      const bench = new TulipBench();
      for (let index = 0; index < STEPS; index += 1) step(bench, random);
      bench.adapter.write(0x04, 2, 0x0007);
      bench.adapter.write(0x10, 4, PORT);
      bench.adapter.write(0x14, 4, GPA);
      bench.set(0, 1);
      bench.set(0, 0);
      bench.settle().start();
      bench.link.sent.length = 0;
      bench.set(4, TRANSMIT_RING);
      bench.transmit(0, frame(MAC, 200, round));
      bench.set(1, 1);
      bench.settle();
      expect(bench.link.sent, `round ${round}`).toEqual([frame(MAC, 200, round)]);
      bench.link.deliver(frame(MAC, 300, round));
      expect(bench.received(0, 300)).toEqual(frame(MAC, 300, round));
    }
  });
});
