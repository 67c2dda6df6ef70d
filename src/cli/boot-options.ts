import { ExitCode, InputError } from '../core/errors.ts';
import { parsePreset, parseSwitches, type PresetName, type Switches } from '../guest/switches.ts';
import type { KernelRequest } from '../machine/kernel-files.ts';
import { CPU_MODES } from '../machine/x86-guest.ts';
import { DEFAULT_HOST, HOST_NAMES, type HostName } from '../machine/profiles.ts';
import type { Invocation } from './parse.ts';
import {
  parseChoice,
  parseDuration,
  parseInteger,
  parsePort,
  parseSeed,
  parseSize,
} from '../core/values.ts';

const MIB = 1024 * 1024;
/** RAM ends below the low MMIO gap of both generations; one linear memory holds at most 4 GiB. */
const MEMORY_MIN_BYTES = 64 * MIB;
const MEMORY_MAX_BYTES = 3840 * MIB;
const MEMORY_DEFAULT_BYTES = 512 * MIB;
const PROCESSORS_MAX = 64;
/** As many synthetic adapters as Hyper-V takes. */
const NETWORK_ADAPTERS_MAX = 8;
/** And as many emulated ones. */
const LEGACY_ADAPTERS_MAX = 4;
const TIMEOUT_DEFAULT_NS = 300e9;

/** Where COM1 goes. */
export type SerialPlace = 'stdio' | 'none' | { readonly file: string };

/** Flags that go with `--kernel` only. */
const KERNEL_FLAGS = ['initrd', 'append', 'cpu', 'debug-exit'];
/** Flags that say what machine it is. */
const MACHINE_FLAGS =
  'gen host guest set verbose-boot memory cpus seed dvd floppy nics legacy-nics write kernel initrd append cpu debug-exit'.split(
    ' ',
  );
/** Flags that are the model guest's. */
const MODEL_FLAGS = ['guest', 'set', 'verbose-boot'];

/** What `synthvm boot` was asked for, checked. */
export interface BootRequest {
  readonly disks: readonly string[];
  readonly dvds: readonly string[];
  readonly floppy: string | undefined;
  /** Undefined: guess from the first disk. */
  readonly generation: 1 | 2 | undefined;
  readonly host: HostName;
  readonly preset: PresetName;
  readonly switches: Partial<Switches>;
  /** A kernel to run in place of the model guest. */
  readonly kernel: KernelRequest | undefined;
  readonly serial: SerialPlace;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly networkAdapters: number;
  readonly legacyAdapters: number;
  readonly seed: bigint;
  readonly write: boolean;
  /** A phase, or text on the console. */
  readonly until: string | undefined;
  readonly timeoutNs: number;
  readonly wallLimitMs: number;
  readonly traceFile: string | undefined;
  readonly screenshotFile: string | undefined;
  readonly pcapFile: string | undefined;
  /** Folder of a run bundle. */
  readonly outFolder: string | undefined;
  readonly saveFile: string | undefined;
  /** A snapshot to go on from, in place of a machine. */
  readonly fromFile: string | undefined;
  readonly json: boolean;
  readonly quiet: boolean;
  /** The command again, without `--seed`, for the line that replays a failure. */
  readonly commandLine: readonly string[];
}

/** Reads and checks the flags; throws `InputError` with exit code 2. */
export function readBootRequest({ operands, values }: Invocation): BootRequest {
  const one = (name: string): string | undefined => values.get(name)?.[0];
  const read = <T>(name: string, fallback: T, parse: (flag: string, value: string) => T): T => {
    const value = one(name);
    return value === undefined ? fallback : parse(`--${name}`, value);
  };
  const generation = read<'1' | '2' | undefined>('gen', undefined, (flag, value) =>
    parseChoice(flag, value, ['1', '2']),
  );
  const switches: Partial<Switches> = {};
  for (const text of values.get('set') ?? []) Object.assign(switches, parseSwitches(text));
  const traceFile = one('trace');
  if (traceFile !== undefined && !/\.(ndjson|json)$/.test(traceFile)) {
    throw new InputError(
      '--trace',
      `"${traceFile}" ends neither in .ndjson nor in .json`,
      ExitCode.usage,
    );
  }
  const screenshotFile = one('screenshot');
  if (screenshotFile !== undefined && !screenshotFile.endsWith('.png')) {
    throw new InputError(
      '--screenshot',
      `"${screenshotFile}" does not end in .png`,
      ExitCode.usage,
    );
  }
  const kernel = readKernelRequest(values);
  checkSnapshotFlags(operands, values);
  return {
    disks: operands,
    dvds: values.get('dvd') ?? [],
    floppy: one('floppy'),
    generation: generation === undefined ? undefined : generation === '1' ? 1 : 2,
    host: read('host', DEFAULT_HOST, (flag, value) => parseChoice(flag, value, HOST_NAMES)),
    preset: read<PresetName>('guest', 'bis:modern', (_, value) => parsePreset(value)),
    switches: values.has('verbose-boot') ? { ...switches, verbose: true } : switches,
    kernel,
    serial: read<SerialPlace>('serial', 'stdio', (_, value) =>
      value === 'stdio' || value === 'none' ? value : { file: value },
    ),
    memoryBytes: read('memory', MEMORY_DEFAULT_BYTES, parseMemory),
    processors: read('cpus', 1, (flag, value) => parseInteger(flag, value, 1, PROCESSORS_MAX)),
    networkAdapters: read('nics', 1, (flag, value) =>
      parseInteger(flag, value, 0, NETWORK_ADAPTERS_MAX),
    ),
    legacyAdapters: read('legacy-nics', 0, (flag, value) =>
      parseInteger(flag, value, 0, LEGACY_ADAPTERS_MAX),
    ),
    seed: read('seed', 1n, parseSeed),
    write: values.has('write'),
    until: one('until'),
    // A kernel runs for as long as it likes.
    timeoutNs: read('timeout', kernel === undefined ? TIMEOUT_DEFAULT_NS : Infinity, parseDuration),
    wallLimitMs: read('wall-limit', Infinity, (flag, value) => parseDuration(flag, value) / 1e6),
    traceFile,
    screenshotFile,
    pcapFile: one('pcap'),
    outFolder: one('out'),
    saveFile: one('save'),
    fromFile: one('from'),
    json: values.has('json'),
    quiet: values.has('quiet'),
    commandLine: commandLineOf(operands, values),
  };
}

/** A snapshot has its machine in it, and the images of one that is written to change. */
function checkSnapshotFlags(
  operands: readonly string[],
  values: ReadonlyMap<string, readonly string[]>,
): void {
  const goesWith = values.has('save') ? '--save' : values.has('out') ? '--out' : undefined;
  if (goesWith !== undefined && values.has('write')) {
    const message = `goes not with ${goesWith}: the images would change`;
    throw new InputError('--write', message, ExitCode.usage);
  }
  if (!values.has('from')) return;
  const clash = MACHINE_FLAGS.find((flag) => values.has(flag));
  if (clash === undefined && operands.length === 0) return;
  throw new InputError(
    clash === undefined ? operands[0]! : `--${clash}`,
    'goes not with --from: the snapshot has its machine in it',
    ExitCode.usage,
  );
}

function readKernelRequest(
  values: ReadonlyMap<string, readonly string[]>,
): KernelRequest | undefined {
  const path = values.get('kernel')?.[0];
  const clash = (path === undefined ? KERNEL_FLAGS : MODEL_FLAGS).find((flag) => values.has(flag));
  if (clash !== undefined) {
    const message =
      path === undefined
        ? 'goes with --kernel only'
        : "is the model guest's, and --kernel boots another";
    throw new InputError(`--${clash}`, message, ExitCode.usage);
  }
  if (path === undefined) return undefined;
  const port = values.get('debug-exit')?.[0];
  return {
    path,
    initrds: values.get('initrd') ?? [],
    commandLine: values.get('append')?.[0],
    mode: parseChoice('--cpu', values.get('cpu')?.[0] ?? 'jit', CPU_MODES),
    debugExitPort: port === undefined ? undefined : parsePort('--debug-exit', port),
  };
}

function commandLineOf(
  operands: readonly string[],
  values: ReadonlyMap<string, readonly string[]>,
): string[] {
  const flags = [...values]
    .filter(([name]) => name !== 'seed')
    .flatMap(([name, texts]) =>
      texts.flatMap((text) => (text === '' ? [`--${name}`] : [`--${name}`, text])),
    );
  return ['boot', ...operands, ...flags];
}

function parseMemory(flag: string, value: string): number {
  const bytes = parseSize(flag, value);
  if (bytes < MEMORY_MIN_BYTES || bytes > MEMORY_MAX_BYTES || bytes % MIB !== 0) {
    throw new InputError(
      flag,
      `${value} is not a whole number of MiB from 64M to 3840M`,
      ExitCode.usage,
    );
  }
  return bytes;
}

/** True for `--set help`, which lists the switches instead of booting. */
export function asksForSwitches({ values }: Invocation): boolean {
  return values.get('set')?.includes('help') === true;
}
