import { ExitCode } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { ndjsonSink, perfettoSink } from '../core/trace-formats.ts';
import { showValue, switchNames, switchTable, valuesOf } from '../guest/switches.ts';
import { chooseGeneration } from '../machine/choose-generation.ts';
import { BundleRecorder } from '../machine/bundle/recorder.ts';
import { BUNDLE_FORMAT } from '../machine/bundle/manifest.ts';
import {
  describeImage,
  describeKernel,
  openMachine,
  type MachineDescription,
} from '../machine/description.ts';
import { describeEnding, exitCodeOf, type Ending } from '../machine/endings.ts';
import { openHostDisk, openHostImage } from '../machine/images.ts';
import { positionOf } from '../machine/inputs.ts';
import { readKernelFiles } from '../machine/kernel-files.ts';
import { Machine } from '../machine/machine.ts';
import { OutputFile } from '../machine/output-file.ts';
import { HOST_PROFILES } from '../machine/profiles.ts';
import { SCREEN_SETTLE_NS } from '../machine/screen.ts';
import { encodeSnapshot, readSnapshot } from '../machine/snapshot/file.ts';
import { restoreSnapshot, takeSnapshot } from '../machine/snapshot/restore.ts';
import { VERSION } from '../machine/version.ts';
import type { BlockDevice } from '../storage/block.ts';
import { asksForSwitches, readBootRequest, type BootRequest } from './boot-options.ts';
import { BootReport } from './boot-report.ts';
import { Interrupts } from './interrupts.ts';
import { LateFile } from './late-file.ts';
import { runLive, type Session } from './live.ts';
import { warnTo, type Output } from './output.ts';
import type { Invocation } from './parse.ts';
import { watchFor } from './targets.ts';

/**
 * Turns of the run loop between two looks at the wall clock and at signals: the model guest's are
 * short, those of a processor that executes instructions up to a million of them.
 */
const MODEL_STEPS_PER_SLICE = 20_000;
const X86_STEPS_PER_SLICE = 16;

/** A machine that is off, and how it comes to where this run begins. */
interface Prepared {
  /** What was asked for; a snapshot says of its machine what the command line does not. */
  readonly request: BootRequest;
  readonly machine: Machine;
  /** Reads all images, unless the answer is known. */
  readonly describe: () => MachineDescription;
  /** @returns why the machine stopped, or undefined */
  readonly begin: () => Ending | undefined;
}

/** `synthvm boot`. */
export async function bootCommand(invocation: Invocation, output: Output): Promise<number> {
  if (asksForSwitches(invocation)) {
    printSwitches(output);
    return ExitCode.ok;
  }
  const startedMs = performance.now();
  const request = readBootRequest(invocation);
  const atEnd: (() => void)[] = [];
  const open = (path: string | undefined): OutputFile | undefined => {
    if (path === undefined) return undefined;
    const file = new OutputFile(path);
    atEnd.push(() => file.close());
    return file;
  };
  const openLate = (path: string | undefined): LateFile | undefined => {
    if (path === undefined) return undefined;
    const file = new LateFile(path);
    atEnd.push(() => file.close());
    return file;
  };
  try {
    const serialFile = open(typeof request.serial === 'object' ? request.serial.file : undefined);
    const traceFile = open(request.traceFile);
    const pcapFile = open(request.pcapFile);
    const screenshot = openLate(request.screenshotFile);
    const save = openLate(request.saveFile);
    const prepared =
      request.fromFile === undefined
        ? prepare(request, output, atEnd)
        : prepareFrom(request.fromFile, request, output, atEnd);
    const { machine } = prepared;
    atEnd.push(() => machine.discard());
    const isDescribed = save !== undefined || request.outFolder !== undefined;
    const description = isDescribed ? prepared.describe() : undefined;
    if (serialFile !== undefined) {
      machine.console.listen((byte) => serialFile.writeBytes(Uint8Array.of(byte)));
    }
    if (traceFile !== undefined) recordTrace(machine, traceFile);
    const command = ['synthvm', ...request.commandLine];
    if (request.fromFile === undefined) command.push('--seed', String(request.seed));
    const bundle =
      request.outFolder === undefined
        ? undefined
        : new BundleRecorder(
            request.outFolder,
            machine,
            `synthvm ${request.commandLine.join(' ')}`,
          );
    atEnd.push(() => bundle?.abandon());
    const pcap = pcapFile && machine.network.capture(pcapFile.writeBytes, machine.clock);
    const { ending, exitCode } = await bootMachine(prepared, output, startedMs);
    if (description !== undefined) {
      save?.write(encodeSnapshot(takeSnapshot(machine, description)));
      const { digest, count } = machine.trace;
      const position = positionOf(machine);
      bundle?.finish({
        format: BUNDLE_FORMAT,
        program: VERSION,
        kind: 'boot',
        command,
        machine: description,
        inputs: machine.inputs.entries,
        end: { position, digest, events: count, ending: describeEnding(ending), exitCode },
        wallMs: Math.round(performance.now() - startedMs),
      });
    }
    if (screenshot !== undefined) {
      if (ending.kind === 'reached') machine.runFor(SCREEN_SETTLE_NS);
      screenshot.write(machine.screen.png());
    }
    pcap?.flush();
    return exitCode;
  } finally {
    for (const action of atEnd) action();
  }
}

/** The machine that the command line describes. */
function prepare(request: BootRequest, output: Output, atEnd: (() => void)[]): Prepared {
  const warn = warnTo(output);
  const x86 = request.kernel && readKernelFiles(request.kernel);
  const random = new Random(request.seed, 'images');
  const opened = (device: BlockDevice): BlockDevice => {
    atEnd.push(() => device.close());
    return device;
  };
  const disks = request.disks.map((path) =>
    opened(openHostDisk(path, { write: request.write, warn, random })),
  );
  const dvds = request.dvds.map((path) => opened(openHostImage(path, { readOnly: true, warn })));
  const floppy =
    request.floppy === undefined
      ? undefined
      : opened(openHostDisk(request.floppy, { write: request.write, warn, random }));
  const { generation, reason } = chooseGeneration(
    request.generation,
    request.host,
    disks[0] ?? dvds[0],
    request.kernel === undefined ? undefined : 'no disk given',
    { floppy: floppy !== undefined, legacyAdapter: request.legacyAdapters > 0 },
  );
  const profile = HOST_PROFILES[request.host];
  if (generation === 2 && !profile.hasGeneration2) {
    warn(`${profile.title} itself had no Generation 2; it is pretended here`);
  }
  if (!request.quiet && !request.json) {
    output.error(
      `synthvm: Generation ${generation} (${reason}), host ${request.host}, ` +
        `guest ${x86 === undefined ? request.preset : `x86-64 (${x86.mode})`}, ` +
        `seed ${request.seed}\n`,
    );
  }
  const { host, memoryBytes, processors, networkAdapters, legacyAdapters, seed } = request;
  const { preset, switches } = request;
  const machine = new Machine({
    generation,
    host,
    memoryBytes,
    processors,
    networkAdapters,
    legacyAdapters,
    seed,
    disks,
    dvds,
    floppy,
    ...(x86 === undefined ? { preset, switches } : { x86 }),
    warn,
  });
  const describe = (): MachineDescription => ({
    generation,
    host,
    guest: preset,
    switches,
    memoryBytes,
    processors,
    networkAdapters,
    ...(legacyAdapters === 0 ? {} : { legacyAdapters }),
    seed: String(seed),
    disks: request.disks.map(describeImage),
    dvds: request.dvds.map(describeImage),
    ...(request.floppy === undefined ? {} : { floppy: describeImage(request.floppy) }),
    ...(request.kernel === undefined ? {} : { kernel: describeKernel(request.kernel) }),
  });
  return { request, machine, describe, begin: () => machine.powerOn() };
}

/** The machine of a snapshot. */
function prepareFrom(
  path: string,
  request: BootRequest,
  output: Output,
  atEnd: (() => void)[],
): Prepared {
  const snapshot = readSnapshot(path);
  const { description, position } = snapshot;
  const { machine, close } = openMachine(description, path, warnTo(output));
  atEnd.push(close);
  if (!request.quiet && !request.json) {
    output.error(
      `synthvm: Generation ${description.generation}, host ${description.host}, guest ` +
        `${description.guest}, seed ${description.seed}, from ${position.timeNs / 1e9} s\n`,
    );
  }
  const begin = (): Ending | undefined => {
    restoreSnapshot(machine, snapshot, path);
    return machine.ending;
  };
  const { host, guest, switches } = description;
  const asked = { ...request, host, preset: guest, switches, seed: BigInt(description.seed) };
  return { request: asked, machine, describe: () => description, begin };
}

function printSwitches(output: Output): void {
  const { bold, cyan } = output.outColors;
  output.out(`${bold('Switches of the model guest')} (10.2 / 2015q4 / modern)\n`);
  for (const name of switchNames) {
    const { defaults, help } = switchTable[name];
    output.out(
      `  ${cyan(name)}: ${help}\n      ${valuesOf(name)}; ${defaults.map(showValue).join(' / ')}\n`,
    );
  }
}

/** Lets a machine's trace flow into the file of `--trace`. */
function recordTrace(machine: Machine, file: OutputFile): void {
  const isNdjson = file.path.endsWith('.ndjson');
  machine.trace.subscribe(
    isNdjson ? ndjsonSink(file.writeText) : perfettoSink(file.writeText, 'synthvm'),
  );
}

async function bootMachine(
  { machine, begin, request }: Prepared,
  output: Output,
  startedMs: number,
): Promise<{ readonly ending: Ending; readonly exitCode: number }> {
  const report = new BootReport(request, machine, output, startedMs);
  const interrupts = new Interrupts(machine, (text) => {
    if (!request.quiet) output.error(`\r\nsynthvm: ${text}\r\n`);
  });
  const onInterrupt = (): void => interrupts.interrupt();
  const onTerminate = (): void => interrupts.end();
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onTerminate);
  try {
    let ending = request.fromFile === undefined ? begin() : report.mute(begin);
    const isLive = canGoLive(request);
    const session = { request, output, interrupts, startedMs };
    // The model guest's console becomes the terminal's at its prompt, a kernel's at once.
    if (ending === undefined && (request.kernel === undefined || !isLive)) {
      ending = await runToTarget(machine, report, session);
    }
    if (isLive && (ending === undefined || ending.kind === 'reached')) {
      ending = await runLive(machine, session);
    }
    ending ??= { kind: 'idle' };
    const exitCode = exitCodeOf(ending);
    report.finish({ ending, exitCode, wallMs: performance.now() - startedMs });
    return { ending, exitCode };
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onTerminate);
  }
}

/** Someone types at this console, and nothing else than an end of the guest is waited for. */
function canGoLive(request: BootRequest): boolean {
  return (
    request.until === undefined &&
    request.serial === 'stdio' &&
    !request.json &&
    process.stdin.isTTY
  );
}

async function runToTarget(
  machine: Machine,
  report: BootReport,
  { request, output, interrupts, startedMs }: Session,
): Promise<Ending> {
  const what = request.until ?? (request.kernel === undefined ? 'login' : undefined);
  const target = what === undefined ? undefined : watchFor(machine, report.watch, what);
  const deadlineNs = Math.min(request.timeoutNs, target?.timeNs ?? Infinity);
  const stepsPerSlice = request.kernel === undefined ? MODEL_STEPS_PER_SLICE : X86_STEPS_PER_SLICE;
  const reached = (): Ending | undefined =>
    !interrupts.isShuttingDown && target?.isReached() === true
      ? { kind: 'reached', what: what! }
      : undefined;
  for (;;) {
    const before = reached();
    if (before !== undefined) return before;
    if (interrupts.isOff) return { kind: 'interrupted' };
    if (performance.now() - startedMs > request.wallLimitMs) {
      return { kind: 'wall-time', limitMs: request.wallLimitMs };
    }
    const ending = machine.run(deadlineNs, stepsPerSlice);
    output.flush();
    const after = reached() ?? ending;
    if (after !== undefined) return after;
    // Signals are delivered only when the host's own loop turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
