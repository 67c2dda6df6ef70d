import { ExitCode } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { ndjsonSink, perfettoSink } from '../core/trace-formats.ts';
import { showValue, switchNames, switchTable, valuesOf } from '../guest/switches.ts';
import { chooseGeneration } from '../machine/choose-generation.ts';
import { exitCodeOf, type Ending } from '../machine/endings.ts';
import { openHostDisk, openHostImage } from '../machine/images.ts';
import { Machine } from '../machine/machine.ts';
import { HOST_PROFILES } from '../machine/profiles.ts';
import { PHASES } from '../machine/watch.ts';
import type { BlockDevice } from '../storage/block.ts';
import { asksForSwitches, readBootRequest, type BootRequest } from './boot-options.ts';
import { BootReport } from './boot-report.ts';
import { Interrupts } from './interrupts.ts';
import { readKernelFiles } from './kernel-files.ts';
import { runLive, type Session } from './live.ts';
import { OutputFile } from './output-file.ts';
import { warnTo, type Output } from './output.ts';
import type { Invocation } from './parse.ts';
import { ScreenshotFile } from './screenshot.ts';

/**
 * Turns of the run loop between two looks at the wall clock and at signals: the model guest's are
 * short, those of a processor that executes instructions up to a million of them.
 */
const MODEL_STEPS_PER_SLICE = 20_000;
const X86_STEPS_PER_SLICE = 16;

/** `synthvm boot`. */
export async function bootCommand(invocation: Invocation, output: Output): Promise<number> {
  if (asksForSwitches(invocation)) {
    printSwitches(output);
    return ExitCode.ok;
  }
  const startedMs = performance.now();
  const request = readBootRequest(invocation);
  const files: OutputFile[] = [];
  const opened: BlockDevice[] = [];
  let screenshot: ScreenshotFile | undefined;
  const warn = warnTo(output);
  try {
    const open = (path: string | undefined): OutputFile | undefined => {
      if (path === undefined) return undefined;
      const file = new OutputFile(path);
      files.push(file);
      return file;
    };
    const serialFile = open(typeof request.serial === 'object' ? request.serial.file : undefined);
    const x86 = request.kernel && readKernelFiles(request.kernel);
    const traceFile = open(request.traceFile);
    const pcapFile = open(request.pcapFile);
    if (request.screenshotFile !== undefined) {
      screenshot = new ScreenshotFile(request.screenshotFile);
    }
    const random = new Random(request.seed, 'images');
    const disks = request.disks.map((path) => {
      const disk = openHostDisk(path, { write: request.write, warn, random });
      opened.push(disk);
      return disk;
    });
    const dvds = request.dvds.map((path) => {
      const dvd = openHostImage(path, { readOnly: true, warn });
      opened.push(dvd);
      return dvd;
    });
    const { generation, reason } = chooseGeneration(
      request.generation,
      request.host,
      disks[0] ?? dvds[0],
      request.kernel === undefined ? undefined : 'no disk given',
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
    const machine = new Machine({
      generation,
      host: request.host,
      memoryBytes: request.memoryBytes,
      processors: request.processors,
      networkAdapters: request.networkAdapters,
      seed: request.seed,
      disks,
      dvds,
      ...(x86 === undefined ? { preset: request.preset, switches: request.switches } : { x86 }),
      warn,
    });
    if (serialFile !== undefined) {
      machine.console.listen((byte) => serialFile.writeBytes(Uint8Array.of(byte)));
    }
    if (traceFile !== undefined) recordTrace(machine, traceFile);
    const pcap = pcapFile && machine.network.capture(pcapFile.writeBytes, machine.clock);
    const { ending, exitCode } = await bootMachine(machine, request, output, startedMs);
    screenshot?.write(machine, ending);
    pcap?.flush();
    return exitCode;
  } finally {
    for (const file of files) file.close();
    screenshot?.close();
    for (const device of opened) device.close();
  }
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
  machine: Machine,
  request: BootRequest,
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
    let ending = machine.powerOn();
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
  const target = request.until ?? (request.kernel === undefined ? 'login' : undefined);
  const isReached = target === undefined ? () => false : watchFor(machine, report, target);
  const stepsPerSlice = request.kernel === undefined ? MODEL_STEPS_PER_SLICE : X86_STEPS_PER_SLICE;
  const reached = (): Ending | undefined =>
    !interrupts.isShuttingDown && isReached() ? { kind: 'reached', what: target! } : undefined;
  for (;;) {
    const before = reached();
    if (before !== undefined) return before;
    if (interrupts.isOff) return { kind: 'interrupted' };
    if (performance.now() - startedMs > request.wallLimitMs) {
      return { kind: 'wall-time', limitMs: request.wallLimitMs };
    }
    const ending = machine.run(request.timeoutNs, stepsPerSlice);
    output.flush();
    const after = reached() ?? ending;
    if (after !== undefined) return after;
    // Signals are delivered only when the host's own loop turns.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** @returns a question: has the phase been reached, or the text been printed? */
function watchFor(machine: Machine, report: BootReport, target: string): () => boolean {
  const phase = PHASES.find((name) => name === target);
  let found = false;
  if (phase === undefined) {
    let recent = '';
    machine.console.listen((byte) => {
      recent = (recent + String.fromCharCode(byte)).slice(-target.length);
      if (recent !== target || found) return;
      found = true;
      machine.pause();
    });
    return () => found;
  }
  machine.trace.subscribe(() => {
    if (found || !report.watch.phases.has(phase)) return;
    found = true;
    machine.pause();
  });
  return () => found;
}
