/**
 * `bun tools/test386.ts ROM [REFERENCE [EXECUTOR]]`: runs the ROM of test386.asm (128 KB, assembled with
 * ROM128 equ 1, POST_PORT equ 0x190 and OUT_PORT equ 0xe9) in real and protected mode on every
 * executor, or on one, and compares what it prints with test386-EE-reference.txt. The reference
 * executor takes minutes. Neither file is part of this project.
 */
import { latin1Text } from '../src/core/text.ts';
import { readFileSync } from 'node:fs';
import { CpuException } from '../src/cpu/exception.ts';
import { SegmentIndex } from '../src/cpu/state.ts';
import { deliverException } from '../src/cpu/system/interrupts.ts';
import { setReal } from '../src/cpu/system/segments.ts';
import { resetProcessor } from '../src/cpu/system/start.ts';
import { cpuRig, rigMemory } from '../test/cpu/rig.ts';
import { EXECUTORS } from './record-vectors/executors.ts';

const ROM_GPA = 0xe_0000;
const ROM_BYTES = 0x2_0000;
const POST_PORT = 0x190;
const OUT_PORT = 0xe9;
const COMPLETED = 0xff;
/** Instructions between two looks at the POST code. */
const CHUNK = 1000;
const MAX_CHUNKS = 200_000;

interface Result {
  /** The last POST code. */
  readonly post: number;
  readonly printed: string;
}

function runRom(rom: Uint8Array, executor: string): Result {
  const rig = cpuRig(rigMemory(true));
  const { cpu } = rig;
  cpu.u8.set(rom, rig.at(ROM_GPA));
  const posts: number[] = [];
  const printed: number[] = [];
  const write = (port: number, value: number): void => {
    (port === OUT_PORT ? printed : posts).push(value);
  };
  for (const first of [POST_PORT, OUT_PORT]) {
    rig.ports.attach(first, 1, {
      portRead: () => 0xff,
      portWrite: (port, _size, value) => write(port, value),
    });
  }
  const steps = EXECUTORS[executor]!(rig);
  resetProcessor(cpu);
  setReal(cpu, SegmentIndex.cs, 0xf000);
  cpu.updateMode(0);
  for (
    let chunk = 0;
    chunk < MAX_CHUNKS && posts.at(-1) !== COMPLETED && !cpu.isHalted;
    chunk += 1
  ) {
    try {
      steps.run(CHUNK);
    } catch (error) {
      if (!(error instanceof CpuException)) throw error;
      deliverException(cpu, error);
    }
  }
  return { post: posts.at(-1) ?? 0, printed: latin1Text(printed) };
}

/** The first line in which two texts differ, or undefined. */
function difference(got: string, wanted: string): string | undefined {
  const [lines, expected] = [got, wanted].map((text) => text.split(/\r?\n/));
  const at = expected!.findIndex((line, index) => line !== lines![index]);
  if (at < 0) return undefined;
  return `line ${at + 1} is "${lines![at] ?? ''}", not "${expected![at]!}"`;
}

const [romPath, referencePath, only] = process.argv.slice(2);
if (romPath === undefined) {
  process.stderr.write('usage: bun tools/test386.ts ROM [REFERENCE [EXECUTOR]]\n');
  process.exit(2);
}
const rom = new Uint8Array(readFileSync(romPath));
if (rom.length !== ROM_BYTES) {
  process.stderr.write(`${romPath}: ${rom.length} bytes, expected ${ROM_BYTES}\n`);
  process.exit(2);
}
const wanted = referencePath === undefined ? undefined : readFileSync(referencePath, 'latin1');
let hasFailed = false;
for (const executor of only === undefined ? Object.keys(EXECUTORS) : [only]) {
  const { post, printed } = runRom(rom, executor);
  const wrong = wanted === undefined ? undefined : difference(printed, wanted);
  if (post !== COMPLETED || wrong !== undefined) hasFailed = true;
  const text =
    wrong ?? `${printed.length} bytes printed${wanted === undefined ? '' : ', as expected'}`;
  process.stdout.write(`${executor}: POST ${post.toString(16)}; ${text}\n`);
}
process.exitCode = hasFailed ? 1 : 0;
