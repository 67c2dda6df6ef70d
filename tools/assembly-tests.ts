/**
 * `bun tools/assembly-tests.ts FOLDER [NAME]`: runs NASM programs that say in a JSON block, between
 * `%ifdef CONFIG` and `%endif`, which registers they end with, on every executor. The 64-bit and
 * 32-bit unit tests of FEX-Emu have that form (unittests/ASM, unittests/32Bit_ASM). Needs nasm.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { Cr0, Cr4 } from '../src/cpu/cpu.ts';
import { CpuException } from '../src/cpu/exception.ts';
import { GPR, MXCSR, SegmentIndex, X87, XMM } from '../src/cpu/state.ts';
import { setSegment } from '../src/cpu/system/segments.ts';
import {
  cpuRig,
  LONG_MODE,
  type Rig,
  setControl,
  setSystemSegments,
  rigMemory,
} from '../test/cpu/rig.ts';
import { EXECUTORS } from './record-vectors/executors.ts';

const CODE = 0x1_0000;
const STACK = 0xc000_0000;
/** What the programs take for granted. */
const REGIONS: readonly (readonly [linear: number, bytes: number])[] = [
  [0xe000_0000, 40_960],
  [0xe7ff_f000, 8192],
  [STACK, 8192],
];
const ROOT = 0x1000;
const FIRST_FREE = 0x2000;
const PAGE_BYTES = 4096;
const PRESENT = 7;
const MAX_STEPS: Readonly<Record<string, number>> = { reference: 100_000 };
const MAX_GENERATED_STEPS = 3_000_000;
const HLT = 0xf4;
/** Of a region, so that all fits in the rig's RAM. */
const MAX_BYTES = 0x10_0000;
const LACKING =
  /^(?:3DNOW|SSE4A|AVX|SHA|CLZERO|BMI[12]|CLWB|AES256|AFP|ADX|XSAVE|RDPID|CLFLOPT|EMMI|Linux|RAND)$/i;
const REGISTERS = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');

interface Config {
  readonly RegData?: Readonly<Record<string, string | readonly string[]>>;
  readonly MemoryRegions?: Readonly<Record<string, string>>;
  readonly MemoryData?: Readonly<Record<string, string>>;
  readonly HostFeatures?: readonly string[];
  readonly Mode?: string;
  readonly Env?: unknown;
}

function configOf(text: string): Config | undefined {
  const block = /%ifdef CONFIG([\s\S]*?)%endif/.exec(text)?.[1];
  return block === undefined
    ? undefined
    : (JSON.parse(block.replaceAll(/,(\s*[}\]])/g, '$1')) as Config);
}

/** Ring 3 of long mode, with pages made as they are asked for. */
class World {
  readonly rig: Rig = cpuRig(rigMemory(true));
  #free = FIRST_FREE;

  constructor(is64: boolean) {
    const { cpu } = this.rig;
    setControl(this.rig, {
      ...LONG_MODE,
      cr0: LONG_MODE.cr0! | Cr0.ne | Cr0.mp,
      cr3: ROOT,
      cr4: LONG_MODE.cr4! | Cr4.osfxsr | Cr4.osxmmexcpt | Cr4.fsgsbase,
      cpl: 3,
    });
    setSystemSegments(this.rig);
    setSegment(cpu, SegmentIndex.cs, is64 ? 0x33 : 0x23, 0, 0xffff_ffff, is64 ? 0xaffb : 0xcffb);
    const { es, ss, ds, fs, gs } = SegmentIndex;
    for (const segment of [es, ss, ds, fs, gs]) {
      setSegment(cpu, segment, 0x2b, 0, 0xffff_ffff, 0xcff3);
    }
    cpu.eflags = 0x202;
    cpu.rip = CODE;
    cpu.u32[MXCSR >> 2] = 0x1f80;
    cpu.u16[X87.control >> 1] = 0x37f;
    cpu.updateMode(3);
  }

  #take(): number {
    this.#free += PAGE_BYTES;
    return this.#free - PAGE_BYTES;
  }

  /** @returns the guest physical address of a linear one, mapped if it was not */
  map(linear: number): number {
    let table = ROOT;
    const address = BigInt(linear);
    for (const shift of [39n, 30n, 21n, 12n]) {
      const entry = table + 8 * Number((address >> shift) & 0x1ffn);
      if (this.rig.get(entry, 8) === 0n) this.rig.put(entry, 8, this.#take() + PRESENT);
      table = Number(this.rig.get(entry, 8) & 0xff_ffff_f000n);
    }
    return table + (linear & (PAGE_BYTES - 1));
  }

  reserve(linear: number, bytes: number): void {
    for (let at = linear; at < linear + bytes; at += PAGE_BYTES) this.map(at);
  }

  write(linear: number, bytes: Uint8Array): void {
    for (const [index, byte] of bytes.entries()) this.rig.put(this.map(linear + index), 1, byte);
  }

  /** A register as the programs name it: its 64-bit words. */
  read(name: string): readonly bigint[] {
    const { cpu } = this.rig;
    const word = (at: number): bigint => cpu.u64[at >> 3]!;
    const index = Number(/\d+$/.exec(name)?.[0]);
    if (name.startsWith('XMM')) return [word(XMM + 16 * index), word(XMM + 16 * index + 8)];
    if (name.startsWith('MM')) {
      return [word(X87.st + 16 * index), BigInt(cpu.u16[(X87.st + 16 * index + 8) >> 1]!)];
    }
    return [word(GPR + 8 * REGISTERS.indexOf(name))];
  }
}

/** Bytes one by one, or a number, least byte first. */
function bytesOf(hex: string): Uint8Array {
  if (!hex.startsWith('0x')) {
    return Uint8Array.from(hex.split(/\s+/).filter(Boolean), (part) => Number.parseInt(part, 16));
  }
  const digits = hex.slice(2);
  const bytes = Uint8Array.from({ length: Math.ceil(digits.length / 2) });
  for (let at = 0; at < bytes.length; at += 1) {
    const end = digits.length - 2 * at;
    bytes[at] = Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16);
  }
  return bytes;
}

/** @returns what is wrong, or undefined */
function runOn(name: string, code: Uint8Array, config: Config, is64: boolean): string | undefined {
  const world = new World(is64);
  const { rig } = world;
  for (const [linear, bytes] of REGIONS) world.reserve(linear, bytes);
  for (const [linear, bytes] of Object.entries(config.MemoryRegions ?? {})) {
    world.reserve(Number(linear), Number(bytes));
  }
  world.reserve(CODE, code.length + PAGE_BYTES);
  world.write(CODE, code);
  for (const [linear, hex] of Object.entries(config.MemoryData ?? {})) {
    world.write(Number(linear), bytesOf(hex));
  }
  if (!is64) rig.cpu.setReg(4, BigInt(STACK + PAGE_BYTES));
  const steps = EXECUTORS[name]!(rig);
  const limit = MAX_STEPS[name] ?? MAX_GENERATED_STEPS;
  try {
    for (let done = 0; done < limit; done += 1000) steps.run(1000);
    return `does not end within ${limit} instructions`;
  } catch (error) {
    if (!(error instanceof CpuException)) throw error;
    const { rip } = rig.cpu;
    const opcode = rig.get(world.map(rip), 1);
    if (opcode !== BigInt(HLT)) return `exception ${error.vector} at ${rip.toString(16)}`;
  }
  for (const [register, expected] of Object.entries(config.RegData ?? {})) {
    const wanted = typeof expected === 'string' ? [expected] : expected;
    const got = world.read(register.toUpperCase());
    for (const [index, value] of got.entries()) {
      const word = wanted[index];
      if (word === undefined) continue;
      const want = BigInt.asUintN(64, BigInt(word.trim().replaceAll('_', '')));
      if (value !== want) {
        return `${register}[${index}] is ${value.toString(16)}, not ${want.toString(16)}`;
      }
    }
  }
  return undefined;
}

const [folder, only] = process.argv.slice(2);
if (folder === undefined) {
  process.stderr.write('usage: bun tools/assembly-tests.ts FOLDER [NAME]\n');
  process.exit(2);
}
const scratch = mkdtempSync(join(tmpdir(), 'synthvm-assembly-'));
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.asm'))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => only === undefined || path.includes(only))
  .toSorted();
const counts = { passed: 0, failed: 0, skipped: 0 };
for (const path of files) {
  const text = readFileSync(path, 'utf8');
  const config = configOf(text);
  const lacks = config?.HostFeatures?.some((feature) => LACKING.test(feature)) ?? false;
  const isLarge = Object.values(config?.MemoryRegions ?? {}).some(
    (size) => Number(size) > MAX_BYTES,
  );
  if (config === undefined || lacks || isLarge || config.Env !== undefined) {
    counts.skipped += 1;
    continue;
  }
  const is64 = !/32/.test(config.Mode ?? '64');
  const source = join(scratch, 'source.asm');
  const binary = join(scratch, basename(path, '.asm'));
  await Bun.write(source, `BITS ${is64 ? 64 : 32}\norg 0x10000\n${text}\n`);
  const includes = join(folder, 'Includes/');
  try {
    execFileSync('nasm', [
      '-w-all',
      '-i',
      includes,
      '-i',
      join(path, '..', '/'),
      source,
      '-o',
      binary,
    ]);
  } catch {
    counts.skipped += 1;
    continue;
  }
  const code = new Uint8Array(readFileSync(binary));
  for (const name of Object.keys(EXECUTORS)) {
    const wrong = runOn(name, code, config, is64);
    if (wrong === undefined) counts.passed += 1;
    else {
      counts.failed += 1;
      process.stdout.write(`${relative(folder, path)}, ${name}: ${wrong}\n`);
    }
  }
}
rmSync(scratch, { recursive: true });
process.stdout.write(
  `${files.length} programs: ${counts.passed} runs passed, ${counts.failed} failed; ${counts.skipped} programs skipped\n`,
);
process.exitCode = counts.failed === 0 ? 0 : 1;
