/**
 * `bun tools/test-kernel.ts FILE`: runs a test kernel of the processor, with the devices that such
 * kernels expect of QEMU: what prints and ends they have anyway, interrupt lines and a scratch memory at
 * ports and addresses of pc-testdev, and processors and memory in fw_cfg. docs/processor.md says which
 * kernels there are, and how they fare.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { type MmioDevice, MmioBus, type PortDevice, PortBus } from '../src/core/bus.ts';
import { VirtualClock } from '../src/core/clock.ts';
import { EventQueue } from '../src/core/events.ts';
import { GuestMemory } from '../src/core/memory.ts';
import { Random } from '../src/core/random.ts';
import { Trace } from '../src/core/trace.ts';
import { createX86Engines } from '../src/cpu/engine.ts';
import { privateBytes } from '../src/cpu/state.ts';
import { Partition } from '../src/hypervisor/partition.ts';
import { x86Cpuid } from '../src/hypervisor/x86-cpuid.ts';
import { Machine } from '../src/machine/machine.ts';
import { HOST_PROFILES } from '../src/machine/profiles.ts';

const USAGE = `Usage: bun tools/test-kernel.ts [options] FILE
  --rom                FILE is a 64 or 128 KiB ROM that takes the place of a BIOS (test386.asm):
                       POST codes at port 190h, text at port E9h, the end at POST code FFh
  --output FILE        the text of a ROM
  --cpu jit|interpret  (default jit)
  --cpus N             (default 1)
  --memory MIB         (default 256)
  --append TEXT        arguments of the kernel
  --env NAME=VALUE     environment of a kernel of kvm-unit-tests, again for each variable
  --seconds N          of the wall clock, before the run is given up (default 60)`;

const IRQ_PORT = 0x2000;
const IRQ_LINES = 24;
const SCRATCH_PORT = 0xe0;
const SCRATCH_GPA = 0xff00_0000;
const SCRATCH_BYTES = 0x1_0000;
const FW_CFG_PORT = 0x510;
const FwCfg = { signature: 0, ramBytes: 3, processors: 5, maxProcessors: 0xf } as const;
const DEBUG_EXIT_PORT = 0xf4;
const POST_PORT = 0x190;
const TEXT_PORT = 0xe9;
const MIB = 1 << 20;
const STEPS = 16;
const ROM_TURN_NS = 1_000_000;

interface Options {
  readonly mode: 'jit' | 'interpret';
  readonly processors: number;
  readonly memoryBytes: number;
  readonly commandLine: string;
  readonly environment: readonly string[];
  readonly wallMs: number;
  readonly output: string | undefined;
}

/** A word that is read as it was written. */
function latch(): PortDevice {
  let value = 0;
  return {
    portRead: (_, size) => (size === 4 ? value : value & (size === 2 ? 0xffff : 0xff)),
    portWrite: (_port, _size, written) => {
      value = written;
    },
  };
}

function scratchMemory(): MmioDevice {
  const view = new DataView(new ArrayBuffer(SCRATCH_BYTES));
  return {
    mmioRead: (at, size) =>
      size === 1
        ? view.getUint8(at)
        : size === 2
          ? view.getUint16(at, true)
          : view.getUint32(at, true),
    mmioWrite: (at, size, value) => {
      if (size === 1) view.setUint8(at, value);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
    },
  };
}

/** Selector at the port, bytes of the item behind it. */
function fwCfg({ memoryBytes, processors }: Options): PortDevice {
  const items = new Map<number, bigint>([
    [FwCfg.signature, 0x554d_4551n],
    [FwCfg.ramBytes, BigInt(memoryBytes)],
    [FwCfg.processors, BigInt(processors)],
    [FwCfg.maxProcessors, BigInt(processors)],
  ]);
  let item = 0n;
  return {
    portRead: () => {
      const byte = Number(item & 0xffn);
      item >>= 8n;
      return byte;
    },
    portWrite: (_port, _size, selector) => {
      item = items.get(selector) ?? 0n;
    },
  };
}

function attachTestDevices({ board }: Machine, options: Options): void {
  const { ports, mmio } = board.partition;
  const { pic, ioApic } = board.chipset;
  ports.attach(IRQ_PORT, IRQ_LINES, {
    portRead: () => 0xff,
    portWrite: (port, _size, value) => {
      const line = port - IRQ_PORT;
      if (line < 16) pic?.setLine(line, value !== 0);
      ioApic.setLine(line, value !== 0);
    },
  });
  ports.attach(SCRATCH_PORT, 4, latch());
  ports.attach(FW_CFG_PORT, 2, fwCfg(options));
  mmio.attach(SCRATCH_GPA, SCRATCH_BYTES, scratchMemory());
}

function runKernel(path: string, options: Options): string {
  const { mode, processors, memoryBytes, commandLine, environment, wallMs } = options;
  const env = new TextEncoder().encode(environment.map((line) => `${line}\n`).join(''));
  const initrds = env.length === 0 ? [] : [{ name: 'environment', bytes: env }];
  const image = { name: basename(path), bytes: new Uint8Array(readFileSync(path)) };
  const machine = new Machine({
    generation: 1,
    host: 'ws2022',
    memoryBytes,
    processors,
    seed: 1n,
    disks: [],
    x86: { mode, debugExitPort: DEBUG_EXIT_PORT, kernel: { image, initrds, commandLine } },
  });
  machine.console.listen((byte) => {
    process.stdout.write(Uint8Array.of(byte));
  });
  machine.onPowerCycle = () => {
    attachTestDevices(machine, options);
  };
  attachTestDevices(machine, options);
  const endMs = performance.now() + wallMs;
  let ending = machine.powerOn();
  while (ending === undefined && performance.now() < endMs) ending = machine.run(Infinity, STEPS);
  const seconds = (machine.clock.nowNs / 1e9).toFixed(3);
  return `${ending === undefined ? 'not finished' : JSON.stringify(ending)}, ${seconds} s of virtual time`;
}

function runRom(path: string, options: Options): string {
  const { mode, wallMs, output } = options;
  const clock = new VirtualClock();
  const memory = new GuestMemory({
    ramBytes: 4 * MIB,
    lowGapStart: 0xf800_0000,
    privateBytes: privateBytes(1),
    isLinear: true,
  });
  const ports = new PortBus();
  const state = { post: 0, isShutdown: false };
  const partition = new Partition({
    memory,
    clock,
    events: new EventQueue(clock),
    trace: new Trace(clock),
    ports,
    mmio: new MmioBus(),
    profile: HOST_PROFILES.ws2022.hypervisor,
    processorCount: 1,
    tscHz: 1e9,
    apicHz: 2e8,
    baseCpuid: x86Cpuid(1e9, 1),
    onTripleFault: () => {
      state.isShutdown = true;
    },
  });
  const rom = new Uint8Array(readFileSync(path));
  memory.writeBytes(MIB - rom.length, rom);
  const text: number[] = [];
  ports.attach(POST_PORT, 1, {
    portRead: () => state.post,
    portWrite: (_port, _size, code) => {
      state.post = code;
      process.stdout.write(`POST ${code.toString(16)}\n`);
    },
  });
  ports.attach(TEXT_PORT, 1, { portRead: () => 0, portWrite: (_p, _s, byte) => text.push(byte) });
  const [engine] = createX86Engines({
    processors: partition.processors,
    memory,
    seed: new Random(1),
    mode,
  });
  engine!.reset({ mode: 'real', segment: 0xf000, ip: 0xfff0, drive: 0 });
  const endMs = performance.now() + wallMs;
  let wakeNs = 0;
  while (!state.isShutdown && wakeNs !== Infinity && performance.now() < endMs) {
    wakeNs = engine!.run(clock.nowNs + ROM_TURN_NS);
  }
  if (output !== undefined) writeFileSync(output, Uint8Array.from(text));
  const how = state.isShutdown ? 'shutdown' : wakeNs === Infinity ? 'halted' : 'stopped';
  return `${how} at POST code ${state.post.toString(16)} after ${clock.nowNs} instructions`;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rom: { type: 'boolean', default: false },
    output: { type: 'string' },
    cpu: { type: 'string', default: 'jit' },
    cpus: { type: 'string', default: '1' },
    memory: { type: 'string', default: '256' },
    append: { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
    seconds: { type: 'string', default: '60' },
  },
});
const [path] = positionals;
if (path === undefined || positionals.length > 1) {
  process.stderr.write(`${USAGE}\n`);
  process.exit(2);
}
const options: Options = {
  mode: values.cpu === 'interpret' ? 'interpret' : 'jit',
  processors: Number(values.cpus),
  memoryBytes: Number(values.memory) * MIB,
  commandLine: values.append ?? basename(path),
  environment: values.env,
  wallMs: Number(values.seconds) * 1000,
  output: values.output,
};
process.stdout.write(`\n${values.rom ? runRom(path, options) : runKernel(path, options)}\n`);
process.exit(0);
