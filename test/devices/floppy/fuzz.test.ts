import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { DISKETTE_BYTES, FloppyBench } from '../support/floppy-bench.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const ROUNDS = 10;
const STEPS = 1_000;
const COMMANDS = [
  0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11, 0x12,
  0x13, 0x14, 0x16, 0x19, 0x1d, 0x46, 0x4a, 0x4d, 0x8f, 0x94, 0xc5, 0xc6, 0xcf, 0xe6,
];

/** One thing that a hostile or broken driver does. */
function step(bench: FloppyBench, random: Random): void {
  const kind = random.below(10);
  const pick = <Item>(items: readonly Item[]): Item => items[random.below(items.length)]!;
  const small = (): number => (random.below(3) === 0 ? random.below(256) : random.below(20));
  if (kind < 4) {
    bench.send(pick(COMMANDS));
    for (let left = random.below(10); left > 0; left -= 1) bench.send(small());
  } else if (kind === 4) {
    const port = pick([0x3f0, 0x3f1, 0x3f2, 0x3f3, 0x3f4, 0x3f5, 0x3f7]);
    bench.ports.write(port, pick([1, 2, 4]), random.below(0x1_0000));
  } else if (kind === 5) {
    bench.out(0x3f2, pick([0x00, 0x04, 0x0c, 0x1c, 0x1d, 0xff]));
  } else if (kind === 6) {
    for (let left = random.below(600); left > 0; left -= 1) bench.in(pick([0x3f4, 0x3f5, 0x3f7]));
  } else if (kind === 7) {
    bench.ports.write(random.below(0x10), 1, random.below(256));
    bench.ports.write(0x80 + random.below(0x10), pick([1, 2]), random.below(0x1_0000));
    bench.ports.write(0xc0 + random.below(0x20), 1, random.below(256));
  } else if (kind === 8) {
    bench.program(
      random.below(0x100_0000),
      1 + random.below(0x1_0000),
      pick([0x44, 0x48, 0x54, 0x60]),
    );
  } else {
    bench.controller.change(random.below(3) === 0 ? undefined : bench.disk);
  }
  if (random.below(2) === 0) bench.settle();
}

describe('a floppy controller under a hostile guest', () => {
  it(`${(ROUNDS * STEPS).toLocaleString('en-US')} cases: nothing throws or runs on for ever, and a reset mends all`, () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const random = new Random(BigInt(round), 'floppy fuzz');
      const bench = new FloppyBench(
        new MemoryDisk(DISKETTE_BYTES, { readOnly: round % 3 === 0 }).fillPattern(),
      );
      for (let index = 0; index < STEPS; index += 1) step(bench, random);
      bench.controller.change(bench.disk);
      bench.out(0x0d, 0);
      bench.out(0xda, 0);
      bench.out(0xd6, 0xc0);
      bench.out(0xd4, 0x00);
      bench.settle();
      bench.reset();
      bench.run(0x14);
      bench.run(0x13, 0, 0x20, 0);
      bench.out(0x3f7, 0);
      bench.run(0x07, 0);
      bench.run(0x08);
      bench.program(0x1_0000, 512);
      expect(bench.run(0x46, 0, 0, 0, 4, 2, 18, 0x1b, 0xff), `round ${round}`).toEqual([
        0, 0, 0, 0, 0, 5, 2,
      ]);
      expect(bench.memory.readBytes(0x1_0000, 512)).toEqual(bench.sectors(0, 0, 4));
    }
  });
});
